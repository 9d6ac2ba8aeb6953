"""The figures of one study, each drawn from its definition and its trials alone."""

from collections.abc import Sequence

import plotly.graph_objects as go

from search.analysis.contour import contour
from search.analysis.learning_curves import learning_curves
from search.analysis.parallel_coordinates import parallel_coordinates
from search.store.studies import TrialRecord
from search.study import StudyDefinition

__all__ = ["contour", "draw", "learning_curves", "parallel_coordinates"]


def draw(study: StudyDefinition, records: Sequence[TrialRecord]) -> dict[str, go.Figure]:
    """Every figure that suits the study, by the name it is published under."""
    figures = {
        "parallel-coordinates": parallel_coordinates(study, records),
        "learning-curves": learning_curves(study, records),
        "contour": contour(study, records),
    }
    return {name: figure for name, figure in figures.items() if figure is not None}
