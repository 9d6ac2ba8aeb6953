"""How a study was done, in sentences that a paper can take over."""

from collections.abc import Iterator

from search.analysis import account, quantities
from search.analysis.axes import words
from search.analysis.findings import Conclusion
from search.analysis.results import Results
from search.analysis.searched import domain, pruner
from search.analysis.wording import listed

_SAMPLERS = {
    "grid": "every cell of the grid was tried once, in shuffled order",
    "sobol": "configurations were drawn from a scrambled Sobol sequence",
    "random": "configurations were drawn at random",
    "tpe": "configurations were drawn by a tree-structured Parzen estimator",
    "gp": "configurations were drawn by Bayesian optimisation with a Gaussian process",
}
_SOURCES = {"hyperband": " (Li et al., JMLR 2018)"}


def sentences(results: Results, conclusion: Conclusion) -> list[str]:
    """The methods paragraph, a sentence each; what only the authors know is left to them."""
    origin = results.row.context.origin
    if origin is not None:
        return [
            f"The {quantities.counted(len(results.searched), 'result')} were collected by hand and imported from "
            f"{origin.source} (SHA-256 {origin.sha256}).",
            f"Values are {quantities.measured(results.definition.objective, origin.judged_on)} as reported.",
            *origin.notes,
        ]
    return [
        *_data(results),
        *_search(results),
        *_selection(results, conclusion),
        *_statistics(results, conclusion),
        *_cost(results),
    ]


def _data(results: Results) -> Iterator[str]:
    study, splits = results.definition, results.row.context.splits
    size = study.dataset.image_size
    yield f"We trained {study.model.name} on {study.dataset.name}, with images of {size} x {size} pixels."
    if splits:
        items = listed([f"{each.items:,} items for {name}" for name, each in splits.items()])
        yield f"The data were split into {items}; the split is the same for all runs."
    yield (
        f"Epochs and configurations were selected by {words(study.objective)} on the validation split alone "
        f"({quantities.counted(results.row.validation_items, 'item')})."
    )


def _search(results: Results) -> Iterator[str]:
    study = results.definition
    searched = [
        f"{words(name)} ({domain(parameter)}; {parameter.role})" for name, parameter in study.space.items()
    ]
    yield f"We searched {listed(searched)}, with all other settings fixed."
    trials = quantities.counted(len(results.searched), "trial")
    epochs = quantities.counted(study.training.epochs, "epoch")
    upto = "" if "epochs" in study.space else f" of at most {epochs}"
    yield f"In {trials}{upto}, {_SAMPLERS[study.sampler]} (seed {study.seed})."
    if study.pruner.name != "none":
        source = _SOURCES.get(study.pruner.name, "")
        yield f"Trials were stopped early by this rule: {pruner(study)}{source}."
        yield account.pruning(results)
    infeasible = sum(record.is_infeasible for record in results.searched)
    if infeasible:
        yield f"Of the trials, {infeasible:,} diverged or failed."


def _selection(results: Results, conclusion: Conclusion) -> Iterator[str]:
    study = results.definition
    if not results.confirmed:
        yield "No configuration has been trained again with fresh seeds."
        return
    names = [words(name) for name, parameter in study.space.items() if parameter.role == "scientific"]
    each = f"For each value of {listed(names)}, the" if names else "The"
    several = study.confirm.configurations > 1
    yield (
        f"{each} {'configurations were' if several else 'configuration was'} chosen of which the objective, as "
        "the median with its nearest neighbours in the other parameters, was best, and trained again from scratch "
        f"with {quantities.counted(study.confirm.seeds, 'fresh seed')}, without early stopping; a seed moves "
        "initialisation, order of the data and augmentation."
    )
    if results.readings:
        items = "" if conclusion.items is None else f" ({quantities.counted(conclusion.items, 'item')})"
        yield (
            f"Each of these models was shown the {conclusion.judged_on} split{items} once it was trained, at its "
            f"best epoch on the validation split; the {conclusion.judged_on} split was read "
            f"{quantities.counted(conclusion.readings, 'time')} in all."
        )


def _statistics(results: Results, conclusion: Conclusion) -> Iterator[str]:
    if not results.confirmed:
        return
    yield "We report means over seeds, sample standard deviations, and 95 % intervals of the mean by Student's t."
    if conclusion.comparisons:
        tests = sorted({each.items_test for each in conclusion.comparisons if each.items_test})
        items = f"by {listed(tests)} over the items of the {conclusion.judged_on} split, and " if tests else ""
        number = len(conclusion.comparisons)
        holm = f", corrected for {number:,} comparisons by Holm's method" if number > 1 else ""
        yield (
            f"Values were compared by Welch's t test over seeds, {items}by a t test with both variances and "
            f"Satterthwaite's degrees of freedom; the largest p value counts{holm}, and below 0.05 two values are "
            "called distinguishable."
        )


def _cost(results: Results) -> Iterator[str]:
    stages = {"search": results.searched, "fresh runs": results.confirmed}
    spent = [
        f"{name}, {quantities.counted(sum(len(record.curve) for record in records), 'epoch')} in "
        f"{quantities.hours(account.seconds(records))}"
        for name, records in stages.items()
        if records
    ]
    yield f"Training took, as time on one device: {'; '.join(spent) if spent else 'nothing yet'}."
    yield f"Seeds: {account.seeds(results)}"
    versions = [f"{name} {version}" for name, version in results.row.context.versions.items()]
    yield f"Software: {listed([f'search {results.row.code_version}', *versions])}."
