"""The dashboard as a person sees it: `search dashboard`, opened in headless Chromium."""

import os
import re
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect, sync_playwright

from search.analysis.publish import publish
from search.settings import Settings
from search.store import embedded, studies, tickets
from search.store.connection import Store, open_store
from search.store.studies import distributions
from search.study import StudyDefinition, load_study

pytestmark = pytest.mark.browser

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or "/usr/bin/chromium"
WAIT = 60_000  # milliseconds

STUDY = """
name: depth_and_rate
question: How deep should the head be, and at which learning rate?
dataset: {name: synthetic_faces, image_size: 16}
model: {name: clsfer}
objective: accuracy
training: {epochs: 3}
space:
  depth: {role: scientific, choices: [2, 4]}
  lr: {role: nuisance, grid: "4 points from 1e-5 to 1e-2, log"}
sampler: grid
budget: {trials: 8}
"""

# The accuracy of each epoch of the eight trials; those cut short are pruned.
CURVES = [
    (0.2, 0.3, 0.4),
    (0.3, 0.5, 0.7),
    (0.3, 0.4),
    (0.1,),
    (0.2, 0.3),
    (0.4, 0.6, 0.8),
    (0.3, 0.4, 0.5),
    (0.1,),
]


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    home = tmp_path / "home"
    yield Settings(
        home=home,
        data=tmp_path / "data",
        results=str(tmp_path / "results"),
        store=None,
        lease_seconds=60.0,
        stall_seconds=600.0,
    )
    embedded.stop(home / "postgres")


@pytest.fixture
def study(settings: Settings, tmp_path: Path) -> StudyDefinition:
    """A study in the store with eight finished trials, published."""
    file = tmp_path / "depth_and_rate.yaml"
    file.write_text(STUDY)
    definition = load_study(str(file))
    store = open_store(settings)
    store.run(
        lambda c: studies.register(
            c, definition, data_fingerprint="pixels", validation_items=100, code_version="0.1.0"
        )
    )
    for curve in CURVES:
        _train(store, definition, curve)
    publish(store, definition.name, settings.results, images=False)
    store.close()
    return definition


def _train(store: Store, study: StudyDefinition, curve: tuple[float, ...]) -> None:
    lease = store.run(partial(tickets.claim, worker="w", claim=uuid.uuid4().hex, lease=60.0, release=(0, 1, 0)))
    assert lease is not None
    parameters = lease.parameters
    assert parameters is not None
    store.run(lambda c: tickets.begin(c, lease, parameters, distributions(study)))
    for epoch, value in enumerate(curve, start=1):
        store.run_statement(
            partial(
                tickets.report,
                lease=lease,
                epoch=epoch,
                value=value,
                metrics={"accuracy": value},
                seconds=1.0,
                samples_per_second=100.0,
                renew_seconds=60.0,
            )
        )
    state: tickets.Ending = "complete" if len(curve) == study.training.epochs else "pruned"
    store.run(lambda c: tickets.finish(c, lease, state, value=max(curve)))


@pytest.fixture
def dashboard(settings: Settings) -> Iterator[str]:
    """The address of a running `search dashboard`, which must end well on Ctrl-C."""
    process = subprocess.Popen(
        [sys.executable, "-m", "search", "dashboard", "--port", "0"],
        env=os.environ | {"SEARCH_HOME": str(settings.home), "SEARCH_RESULTS": settings.results},
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    with process:
        assert process.stdout is not None
        address = re.search(r"http://127\.0\.0\.1:\d+/dashboard", process.stdout.readline())
        assert address is not None
        yield address[0]
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0


@pytest.fixture
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        yield browser.new_page(viewport={"width": 1400, "height": 1800})
        browser.close()


def card(page: Page, figure: str) -> Locator:
    """The place of a figure on the study's page."""
    return page.locator(f"[id='user-defined-plot:{figure}']")


def test_the_study_and_its_figures_are_in_the_dashboard(
    study: StudyDefinition, dashboard: str, page: Page, tmp_path: Path
) -> None:
    page.goto(dashboard)
    page.get_by_text(study.name).first.click(timeout=WAIT)
    plot = card(page, "parallel-coordinates")
    expect(plot.locator(".parcoords")).to_be_visible(timeout=WAIT)
    labels = plot.locator(".parcoords .axis-title")
    expect(labels).to_have_text(["state", "depth (blocks)", "learning rate", "accuracy on validation (%)"])
    expect(plot.get_by_text(study.question)).to_be_visible()
    expect(card(page, "learning-curves").get_by_text("best: trial 5")).to_be_visible(timeout=WAIT)
    expect(card(page, "contour").locator(".heatmaplayer image")).to_be_attached(timeout=WAIT)
    page.screenshot(path=tmp_path / "dashboard.png", full_page=True)


def test_the_note_leads_to_the_report_which_reaches_nothing(
    study: StudyDefinition, dashboard: str, page: Page, tmp_path: Path
) -> None:
    told: list[str] = []
    page.on("console", lambda message: told.append(message.text) if message.type == "error" else None)
    page.goto(dashboard)
    page.get_by_text(study.name).first.click(timeout=WAIT)
    page.wait_for_url("**/studies/*", timeout=WAIT)
    page.goto(f"{page.url}/note")
    page.get_by_role("link", name="The report, with the evidence").click(timeout=WAIT)
    expect(page.locator("h1")).to_have_text(study.question, timeout=WAIT)
    assert page.url.endswith(f"/reports/{study.name}")
    expect(page.locator(".answer")).to_contain_text("The search alone can't tell")
    expect(page.locator("#figure-parallel-coordinates .parcoords")).to_be_visible(timeout=WAIT)
    page.screenshot(path=tmp_path / "report.png", full_page=True)
    assert told == []
    reached = "fetch('/api/studies').then(() => 'reached', () => 'refused')"
    assert page.evaluate(reached) == "refused"
    assert page.evaluate("origin") == "null"


def test_a_report_on_disk_is_light_or_dark_and_narrow_on_paper(
    study: StudyDefinition, settings: Settings, page: Page
) -> None:
    page.context.set_offline(True)
    page.emulate_media(color_scheme="dark")
    page.goto((Path(settings.results) / study.name / "report.html").as_uri())
    plot = page.locator(".figure.js-plotly-plot").first
    expect(plot).to_be_visible(timeout=WAIT)
    background = "getComputedStyle(document.body).backgroundColor"
    paper = "document.querySelector('.figure.js-plotly-plot').layout.template.layout.paper_bgcolor"
    assert page.evaluate(background) == "rgb(13, 17, 23)"
    assert page.evaluate(paper) == "#0d1117"
    page.emulate_media(color_scheme="light")
    expect(plot).to_have_attribute("data-dark", "false")
    assert page.evaluate(background) == "rgb(255, 255, 255)"
    assert page.evaluate(paper) == "#ffffff"
    page.evaluate(
        "addEventListener('beforeprint', () => window.widths = "
        "[...document.querySelectorAll('.js-plotly-plot')].map(plot => plot._fullLayout.width))"
    )
    assert page.pdf(format="A4").startswith(b"%PDF")
    assert set(page.evaluate("window.widths")) == {680}


def test_a_page_on_disk_is_drawn_and_can_be_brushed(
    study: StudyDefinition, settings: Settings, page: Page, tmp_path: Path
) -> None:
    figures = Path(settings.results) / study.name / "figures"
    page.context.set_offline(True)
    page.goto((figures / "parallel-coordinates.html").as_uri())
    axis = page.locator(".parcoords .axis-brush").nth(1)
    axis.wait_for(timeout=WAIT)
    box = axis.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 0.3 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 1, steps=5)
    page.mouse.up()
    page.screenshot(path=tmp_path / "page.png")
    kept = page.evaluate("document.querySelector('.js-plotly-plot').data[0].dimensions[1].constraintrange")
    low, high = kept
    assert low <= 1 <= high  # depth 4, the upper of two choices
    assert low > 0
