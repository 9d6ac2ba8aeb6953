"""A comparison in words, for people."""

from collections.abc import Iterator

from search.analysis import wording
from search.analysis.axes import metric_scale, shown, words
from search.analysis.compare import Compared, Shown
from search.analysis.entrants import Judged


def rows(found: Compared) -> Iterator[tuple[str, str, str]]:
    """What each of the two is, side by side: a name, and a text for each."""
    judged = Judged(found.metric, found.judged_on, found.items)
    sides = found.a, found.b

    def row(name: str, a: str, b: str) -> tuple[str, str, str]:
        return name, a, b

    yield row("question", *(side.question for side in sides))
    yield row("stage", *(side.stage for side in sides))
    yield row("trials of the search", *(str(side.trials) for side in sides))
    yield row("epochs", *(f"{side.epochs:,}" for side in sides))
    yield row("configuration", *(wording.spoken(side.parameters) for side in sides))
    for setting in found.settings:
        values = (("-" if value is None else _text(value)) for value in (setting.a, setting.b))
        yield row(words(setting.name), *values)
    if found.judged_on != "validation":
        yield row("when it was searched, on validation", *(_searched(found, side) for side in sides))
    yield row("result", *(wording.result(judged, side.result) for side in sides))


def sentences(found: Compared) -> list[str]:
    """What comes of it, and what a reader must know."""
    definitions = [f"  {line}" for line in found.definitions]
    heading = ["From the definition of the first to that of the second:"] if definitions else []
    return [found.comparison.sentence, *found.caveats, *found.data, *heading, *definitions]


def _searched(found: Compared, side: Shown) -> str:
    if side.searched is None:
        return "-"
    scale = metric_scale(found.metric)
    return f"{side.searched * scale:.4g}{' %' if scale > 1 else ''}"


def _text(value: object) -> str:
    return shown(value) if isinstance(value, int | float | str) else str(value)
