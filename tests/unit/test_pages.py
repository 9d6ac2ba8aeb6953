"""Figures as pages: nothing in them that is not theirs, and each colour with its counterpart on a dark page."""

import json
import re
from pathlib import Path
from typing import Any

from search.analysis import look
from search.analysis.figures import draw
from search.analysis.pages import division, scripts, write_pages
from tests.make_figure_results import HOSTILE, conclusion, many, results, study


def figures(question: str = "How deep?") -> dict[str, Any]:
    definition = study(question=question)
    records = many(definition, 60, epochs=3)
    found, made = conclusion(definition, records, 3)
    return draw(results(definition, records, made=made), found)


def test_every_colour_of_a_figure_has_one_of_its_own_on_a_dark_page() -> None:
    assert len(set(look.DARK.values())) == len(look.DARK)  # so that there is a way back
    for name, figure in figures().items():
        colours = set(re.findall(r'"(#[0-9a-fA-F]{6})"', figure.to_json()))
        assert colours <= set(look.DARK), name


def test_texts_can_be_read_on_both_pages() -> None:
    dark = look.DARK
    for ink in (look.INK, look.MUTED):
        assert _contrast(ink, look.PAPER) > 4.5  # WCAG 2.2, 1.4.3
        assert _contrast(dark[ink], dark[look.PAPER]) > 4.5
    for colour in (look.BEST, look.MEDIAN, look.INFEASIBLE):
        assert _contrast(colour, look.PAPER) > 3  # WCAG 2.2, 1.4.11
        assert _contrast(dark[colour], dark[look.PAPER]) > 3


def _contrast(one: str, other: str) -> float:
    low, high = sorted(_luminance(colour) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    shares = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_a_division_holds_the_figure_and_nothing_that_ends_it_early() -> None:
    for figure in figures(f"</script>{HOSTILE}").values():
        text = division(figure)
        inner = re.fullmatch(
            r'<div class="figure"[^<>]*><script type="application/json">(.*)</script></div>', text, re.S
        )
        assert inner is not None
        assert "<" not in inner[1]
        assert json.loads(inner[1]) == json.loads(figure.to_json())


def test_a_figure_without_its_heading_tells_it_as_plain_text() -> None:
    bare, caption = look.captioned(figures(HOSTILE)["isolation"])
    assert bare.layout.title.text == ""
    assert caption.startswith("depth_lr · the best of each value of depth (blocks)")


def test_pages_need_nothing_beside_them(tmp_path: Path) -> None:
    drawn = figures()
    write_pages(drawn, tmp_path)
    assert sorted(file.stem for file in tmp_path.iterdir()) == sorted(drawn)
    page = (tmp_path / "isolation.html").read_text()
    assert scripts() in page
    assert 'src="' not in page.replace(scripts(), "")
