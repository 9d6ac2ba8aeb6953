"""The timeline: which worker trained what, and when."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import plotly.graph_objects as go

from search.analysis import look
from search.analysis.axes import brief
from search.store.attempts import Attempt
from search.study import StudyDefinition

_UNITS = ((2 * 86400, 86400, "days"), (2 * 3600, 3600, "hours"), (120, 60, "minutes"), (0, 1, "seconds"))
_ROW = 22  # pixels of a worker's row, at least
_MOST_ROWS = 20  # that fit a figure of the usual height


def timeline(study: StudyDefinition, attempts: Sequence[Attempt], seen: datetime | None) -> go.Figure | None:
    """Every attempt at a ticket, of all stages, as a bar in its worker's row; None before the first began.

    seen: when a worker was last heard of; until then, at least, those have lasted that are under way.
    """
    if not attempts:
        return None
    first = min(attempt.started_at for attempt in attempts)
    moments = [attempt.ended_at or attempt.started_at for attempt in attempts]
    now = max([*moments, seen]) if seen else max(moments)
    unit, unit_name = _unit((now - first).total_seconds())
    since = [(attempt.started_at - first).total_seconds() / unit for attempt in attempts]
    until = [((attempt.ended_at or now) - first).total_seconds() / unit for attempt in attempts]
    workers = sorted({attempt.worker for attempt in attempts}, key=_in_order)
    figure = go.Figure(layout={"barmode": "overlay"})
    for state, colour in look.OUTCOMES.items():
        if chosen := [i for i, attempt in enumerate(attempts) if _state(attempt) == state]:
            figure.add_bar(
                base=np.array([since[i] for i in chosen], dtype=np.float32),
                x=np.array([until[i] - since[i] for i in chosen], dtype=np.float32),
                y=np.array([workers.index(attempts[i].worker) for i in chosen], dtype=np.int16),
                marker={"color": colour, "line": {"width": 0.5, "color": look.PAPER}},
                name=state,
                text=[_told(attempts[i]) for i in chosen],
                hovertemplate=f"%{{text}}<br>%{{x:.3g}} {unit_name}<extra></extra>",
            )
    figure.update_traces(orientation="h", width=0.7, textposition="none")
    figure.update_xaxes(title_text=f"{unit_name} since the first trial began", range=[0, max(until) * 1.01 or 1])
    figure.update_yaxes(
        title_text="worker",
        tickvals=[*range(len(workers))],
        ticktext=[look.escaped(brief(str(worker))) for worker in workers],
        range=[len(workers) - 0.4, -0.6],
    )
    if len(workers) > _MOST_ROWS:
        figure.update_layout(height=_ROW * len(workers) + 190)
    several = f"{len(workers)} worker{'s' if len(workers) > 1 else ''}"
    caption = f"{study.name} · began {first.astimezone(UTC):%Y-%m-%d %H:%M} UTC, {several}"
    look.dress(figure, study.question, caption, above=48)
    return figure


def _in_order(worker: str) -> list[tuple[bool, int, str]]:
    """What sorts host-10 behind host-2."""
    parts = re.split(r"(\d+)", worker)
    return [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts]


def _unit(seconds: float) -> tuple[int, str]:
    return next((size, name) for least, size, name in _UNITS if seconds >= least)


def _state(attempt: Attempt) -> str:
    if attempt.is_infeasible:
        return "diverged or failed"
    return {None: "running", "lost": "interrupted", "given back": "interrupted"}.get(
        attempt.outcome, attempt.outcome or ""
    )


def _told(attempt: Attempt) -> str:
    again = f", attempt {attempt.number}" if attempt.number > 1 else ""
    return f"trial {attempt.ticket} ({attempt.stage}){again}: {attempt.outcome or 'running'}"
