"""What was searched, and how, as tables of texts."""

from typing import Any

from search.analysis import quantities
from search.analysis.axes import shown, words
from search.analysis.evidence import Table
from search.study.definition import Hyperband, Median, StudyDefinition
from search.study.space import Choices, Grid, Parameter

_SAMPLERS = {
    "grid": "grid, every cell once",
    "sobol": "Sobol sequence",
    "tpe": "tree-structured Parzen estimator (TPE)",
    "gp": "Gaussian process",
}


def space(study: StudyDefinition) -> Table:
    """What was searched: a row for each parameter, with its role and what it might be."""
    rows = [(words(name), parameter.role, domain(parameter)) for name, parameter in study.space.items()]
    return Table(("parameter", "role", "values"), tuple(rows))


def domain(parameter: Parameter) -> str:
    """What a parameter might be, in words."""
    if isinstance(parameter, Choices):
        return ", ".join(map(written, parameter.choices))
    ends = parameter.domain()
    span = f"{shown(ends.low)} to {shown(ends.high)}"
    details = [f"{len(parameter.values())} points"] if isinstance(parameter, Grid) else []
    details += ["whole numbers"] if ends.kind == "int" else []
    details += ["log"] if ends.log else []
    return ", ".join([span, *details])


def fixed(study: StudyDefinition) -> Table:
    """Everything else that decides a run, with its value."""
    knobs = study.training.model_dump()
    settings = {"model": study.model.name, **study.model.arguments, **knobs}
    rows = [(words(name), written(value)) for name, value in settings.items() if name not in study.space]
    return Table(("setting", "value"), tuple(rows))


def how(study: StudyDefinition) -> Table:
    """Who drew the configurations, who stopped trials, and within which budget."""
    budget = study.budget
    limits = [quantities.counted(budget.trials, "trial")]
    limits += [quantities.counted(budget.epochs, "epoch")] if budget.epochs else []
    limits += [f"{budget.hours:g} device hours"] if budget.hours else []
    rows = [
        ("sampler", _SAMPLERS.get(study.sampler, study.sampler)),
        ("pruner", pruner(study)),
        ("budget", f"at most {', '.join(limits)}"),
        ("fresh runs", fresh_runs(study)),
    ]
    return Table(("", ""), tuple(rows))


def fresh_runs(study: StudyDefinition) -> str:
    """Which configurations are run again, and how often."""
    asked = study.confirm
    if not asked.seeds:
        return "none"
    chosen = "the best configuration"
    if asked.configurations > 1:
        chosen = f"each of the {asked.configurations} best configurations"
    seeds = quantities.counted(asked.seeds, "seed")
    return f"{seeds} for {chosen} of every scientific value, of the {asked.values:,} best where there are more"


def pruner(study: StudyDefinition) -> str:
    """Who stops trials early, with its numbers."""
    match study.pruner:
        case Hyperband() as hyperband:
            return (
                f"Hyperband, from epoch {hyperband.min_resource} to {hyperband.max_resource}, "
                f"reduction factor {hyperband.reduction_factor}"
            )
        case Median() as median:
            return (
                f"median rule, after epoch {median.warmup_epochs} and {median.startup_trials} finished trials, "
                f"every {quantities.counted(median.interval, 'epoch')}"
            )
        case _:
            return "none"


def written(value: Any) -> str:
    """A setting's value."""
    return ", ".join(map(written, value)) if isinstance(value, list | tuple) else shown(value)
