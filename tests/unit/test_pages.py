"""Figures as pages: nothing in them that is not theirs, and each colour with its counterpart on a dark page."""

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from search.analysis import look
from search.analysis.cells import Floats
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


# What people without one kind of cone see of linear RGB: Machado et al. 2009, https://doi.org/10.1109/TVCG.2009.113.
EYES = {
    "all cones": np.eye(3),
    "no long ones": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "no medium ones": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.01182, 0.04294, 0.968881],
    ],
    "no short ones": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.3039],
    ],
}


@pytest.mark.parametrize("eyes", EYES)
@pytest.mark.parametrize("colours", [look.SERIES, tuple(look.OUTCOMES.values())])
def test_what_stands_side_by_side_can_be_told_apart_by_all_eyes(colours: tuple[str, ...], eyes: str) -> None:
    for page in (colours, [look.DARK[colour] for colour in colours]):
        seen = [_lab(np.array(EYES[eyes]) @ _linear(colour)) for colour in page]
        assert min(float(np.linalg.norm(a - b)) for a, b in combinations(seen, 2)) > 15  # 2.3 is just noticeable


def _lab(linear: Floats) -> Floats:
    """CIELAB of linear sRGB, white D65."""
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = to_xyz @ linear.clip(0, 1) / np.array([0.9505, 1, 1.089])
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def _contrast(one: str, other: str) -> float:
    low, high = sorted(_luminance(colour) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    return float(_linear(colour) @ [0.2126, 0.7152, 0.0722])


def _linear(colour: str) -> Floats:
    shares = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)


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
