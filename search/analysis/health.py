"""What makes a study's outcome doubtful, with the evidence in numbers."""

from search.analysis import audit, search_health, training_health
from search.analysis.findings import HealthWarning
from search.analysis.results import Results

# Each looks at the results for one thing, and yields a warning or none.
CHECKS = (
    search_health.edges,
    search_health.infeasible,
    search_health.budget,
    audit.killed_winners,
    training_health.collapse,
    training_health.silent,
    training_health.unrelated,
    training_health.flipped,
    training_health.overfitting,
)


def warnings(results: Results) -> tuple[HealthWarning, ...]:
    """All that there are, in the order of `CHECKS`."""
    return tuple(warning for check in CHECKS for warning in check(results))
