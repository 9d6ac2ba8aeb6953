"""Figures on pages and in pictures, as headless Chromium shows and draws them."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, sync_playwright

from search.analysis import look
from search.analysis.figures import draw
from search.analysis.pages import write_pages
from search.analysis.pictures import COLUMN, PAGE, write_pictures
from tests.make_figure_results import conclusion, many, results, study

pytestmark = pytest.mark.browser

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or "/usr/bin/chromium"
WAIT = 60_000  # milliseconds
POINTS_PER_CENTIMETRE = 72 / 2.54

LAYOUT = "document.querySelector('.js-plotly-plot')._fullLayout"
BRUSHED = "document.querySelector('.js-plotly-plot').data[0].dimensions[1].constraintrange"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pages and pictures of every figure."""
    definition = study()
    records = many(definition, 60, epochs=6)
    found, made = conclusion(definition, records, 3)
    figures = draw(results(definition, records, made=made), found)
    assert len(figures) == 11
    folder = tmp_path_factory.mktemp("figures")
    write_pages(figures, folder)
    write_pictures({name: figures[name] for name in ("isolation", "parallel-coordinates")}, folder)
    return folder


@pytest.fixture
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        page = browser.new_page(color_scheme="dark", viewport={"width": 1000, "height": 600})
        page.context.set_offline(True)
        yield page
        browser.close()


def show(page: Page, file: Path) -> list[str]:
    """Opens a page and waits for its figure; returns what goes wrong there, now and later."""
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(file.as_uri())
    page.wait_for_selector(".js-plotly-plot .main-svg", timeout=WAIT)
    return wrong


def test_every_figure_is_drawn_in_the_colours_that_its_reader_prefers(folder: Path, page: Page) -> None:
    dark, light = look.DARK[look.PAPER], look.PAPER
    for file in sorted(folder.glob("*.html")):
        page.emulate_media(color_scheme="dark")
        wrong = show(page, file)
        assert page.evaluate(f"{LAYOUT}.paper_bgcolor") == dark
        page.emulate_media(color_scheme="light")
        page.wait_for_function(f"{LAYOUT}.paper_bgcolor === '{light}'", timeout=WAIT)
        assert wrong == [], file


def test_a_page_is_dark_before_anything_is_drawn(folder: Path, page: Page) -> None:
    page.add_init_script("window.IntersectionObserver = class { observe() {} unobserve() {} }")
    page.goto((folder / "isolation.html").as_uri())
    red, green, blue = (int(look.DARK[look.PAPER][i : i + 2], 16) for i in (1, 3, 5))
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == f"rgb({red}, {green}, {blue})"


def test_what_was_brushed_stays_when_the_colours_change(folder: Path, page: Page) -> None:
    show(page, folder / "parallel-coordinates.html")
    axis = page.locator(".parcoords .axis-brush").nth(1)
    axis.wait_for(timeout=WAIT)
    box: Any = axis.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 0.3 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 1, steps=5)
    page.mouse.up()
    before = page.evaluate(BRUSHED)
    page.emulate_media(color_scheme="light")
    page.wait_for_function(f"{LAYOUT}.paper_bgcolor === '{look.PAPER}'", timeout=WAIT)
    assert before is not None
    assert page.evaluate(BRUSHED) == before


def test_on_paper_a_figure_is_light(folder: Path, page: Page) -> None:
    show(page, folder / "isolation.html")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate(f"{LAYOUT}.paper_bgcolor") == look.PAPER
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate(f"{LAYOUT}.paper_bgcolor") == look.DARK[look.PAPER]


def test_pictures_for_print_have_the_width_of_a_column_or_a_page(folder: Path) -> None:
    for name, centimetres in (("isolation", COLUMN), ("parallel-coordinates", PAGE)):
        box = re.search(rb"/MediaBox\s*\[\s*0 0 ([\d.]+)", (folder / f"{name}.pdf").read_bytes())
        assert box is not None
        assert float(box[1]) / POINTS_PER_CENTIMETRE == pytest.approx(centimetres, abs=0.05)
        assert (folder / f"{name}.svg").read_text().startswith("<svg")
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert "How deep?" not in (folder / f"{name}.svg").read_text()
