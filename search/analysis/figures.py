"""The figures of one study, each drawn from its results alone."""

import plotly.graph_objects as go

from search.analysis.best_of_n import best_of_n
from search.analysis.confusion import confusion_matrix
from search.analysis.contour import contour, plane
from search.analysis.coverage import coverage
from search.analysis.findings import Conclusion
from search.analysis.importances import importance_bars, importances
from search.analysis.isolation import isolation
from search.analysis.learning_curves import learning_curves
from search.analysis.parallel_coordinates import parallel_coordinates
from search.analysis.recalls import class_accuracy
from search.analysis.results import Results
from search.analysis.slices import slices
from search.analysis.timeline import timeline
from search.analysis.trials import valued
from search.predictions import Predictions

# What optuna-dashboard shows. It loads these of all studies whenever it looks at one: they are few and small.
DASHBOARD = ("parallel-coordinates", "learning-curves", "contour", "isolation")


def draw(results: Results, conclusion: Conclusion) -> dict[str, go.Figure]:
    """Every figure that suits the study, by the name it is published under."""
    study, searched, on = results.definition, results.searched, results.searched_on
    weights = importances(study, searched)
    axes = plane(study, weights)
    runs = _runs(results, conclusion)
    seen = max((record.progress_at for record in results.records if record.progress_at), default=None)
    winner = next((level.name for level in conclusion.levels if valued(level.values) in runs), "")
    figures = {
        "isolation": isolation(study, searched, conclusion.levels, on=on, judged_on=conclusion.judged_on),
        "parallel-coordinates": parallel_coordinates(study, searched, on=on),
        "slices": slices(study, searched, on=on),
        "contour": contour(study, searched, *axes, on=on) if axes else None,
        "importances": importance_bars(study, weights, len(searched)),
        "learning-curves": learning_curves(study, searched, on=on),
        "best-of-n": best_of_n(study, searched, on=on),
        "confusion-matrix": confusion_matrix(study, winner, next(iter(runs.values()), [])),
        "class-accuracy": class_accuracy(study, runs),
        "coverage": coverage(study, searched),
        "timeline": timeline(study, results.attempts, seen),
    }
    return {name: figure for name, figure in figures.items() if figure is not None}


def _runs(results: Results, conclusion: Conclusion) -> dict[str, list[Predictions]]:
    """The predictions of each confirmed level that has some, by its values, the best level first."""
    known = results.predictions
    runs = {
        valued(level.values): [known[ticket] for ticket in level.confirmed.tickets if ticket in known]
        for level in conclusion.levels
        if level.confirmed
    }
    return {name: predictions for name, predictions in runs.items() if predictions}
