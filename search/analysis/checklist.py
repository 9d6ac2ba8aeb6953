"""The reproducibility checklist of a study, filled in as far as the service knows."""

from collections.abc import Iterator
from dataclasses import dataclass

from search.analysis import account, quantities
from search.analysis.findings import Conclusion
from search.analysis.note import launch_command
from search.analysis.results import Results
from search.analysis.wording import listed

SOURCE = "https://www.cs.mcgill.ca/~jpineau/ReproducibilityChecklist.pdf"


@dataclass(frozen=True)
class Item:
    """What is asked, and the answer; None where only the authors can give it. hint: what may help them."""

    asked: str
    answer: str | None = None
    hint: str = ""


def checklist(results: Results, conclusion: Conclusion) -> dict[str, list[Item]]:
    """Every item of the Machine Learning Reproducibility Checklist, version 2.0, by its section."""
    return {
        "Models and algorithms": [
            Item("A description of the mathematical setting, the algorithm or the model", hint=_model(results)),
            Item("An explanation of the assumptions"),
            Item("An analysis of the complexity: time, space, sample size"),
        ],
        "Theoretical claims": [Item("A statement of each claim"), Item("A complete proof of each claim")],
        "Data sets": [*_data(results)],
        "Code": [*_code(results)],
        "Experimental results": [*_experiments(results, conclusion)],
    }


def _model(results: Results) -> str:
    model = results.definition.model
    arguments = ", ".join(f"{name}={value!r}" for name, value in model.arguments.items())
    return f"The model is {model.name}({arguments}); its settings are in methods.md and in the report."


def _data(results: Results) -> Iterator[Item]:
    section, splits = results.definition.dataset, results.row.context.splits
    counts = [f"{each.items:,} items for {name}" for name, each in splits.items()]
    yield Item(
        "Statistics such as the number of examples",
        f"{section.name}: {listed(counts)}." if splits else None,
        "The command search data check prints the distribution of labels.",
    )
    hashes = ", ".join(f"{name} {each.hash}" for name, each in splits.items())
    yield Item(
        "Details of the training, validation and test splits",
        f"Split seed {section.split_seed}. A validation split that the data set does not bring is a share of "
        f"{section.validation_share:g} of training, by class. Hashes of items and labels: {hashes}."
        if splits
        else None,
    )
    yield Item(
        "An explanation of excluded data and of all preprocessing",
        hint=f"Images are resized to {section.image_size} pixels; at most a share of {section.bad_share:g} may be "
        "unreadable and is left out. What was done before is yours to say.",
    )
    yield Item("A link to a version of the data set that can be downloaded")
    yield Item("Of new data, a description of the collection, such as instructions and quality control")


def _code(results: Results) -> Iterator[Item]:
    row = results.row
    versions = ", ".join(f"{name} {version}" for name, version in row.context.versions.items())
    is_ours = row.context.origin is None
    yield Item("A specification of dependencies", f"search {row.code_version}, {versions}." if versions else None)
    yield Item(
        "Training code",
        f"search {row.code_version} (affect-search), with definition {row.definition.hash[:16]}."
        if is_ours
        else None,
    )
    yield Item("Evaluation code", "The same." if is_ours else None)
    yield Item("Pretrained models", hint="Checkpoints are where SEARCH_CHECKPOINTS says, if you kept them.")
    yield Item(
        "A README with a table of results and the command that produces them",
        f"report.md: the table, and the command {launch_command(row.name)}" if is_ours else None,
    )


def _experiments(results: Results, conclusion: Conclusion) -> Iterator[Item]:
    is_ours = results.row.context.origin is None
    runs = f"{len(results.searched):,} trials of the search, {len(results.confirmed):,} fresh runs, "
    trained = [record for record in (*results.searched, *results.confirmed) if record.curve]
    mean = account.seconds(trained) / len(trained) if trained else 0.0
    spreads = [level.confirmed and level.confirmed.validation for level in conclusion.levels]
    measure = quantities.measured(results.definition.objective, conclusion.judged_on)
    yield Item(
        "The range of hyperparameters, how the best was selected, and all that were used",
        "space.tex and methods.md; every fixed setting is in report.md." if is_ours else None,
        "Which ranges were thought of, and how results were chosen to be written down, is yours to say.",
    )
    yield Item(
        "The exact number of training and evaluation runs",
        f"{runs}{conclusion.readings:,} readings of the {conclusion.judged_on} split." if is_ours else None,
        f"{len(results.searched):,} results were imported; runs that were not written down are yours to count.",
    )
    yield Item("A definition of the measure or statistic that is reported", hint=f"The measure is {measure}.")
    yield Item(
        "Results with central tendency and variation",
        "levels.tex: means over seeds, standard deviations, 95 % intervals." if any(spreads) else None,
        "Nothing was run with several seeds: there is no variation to report.",
    )
    yield Item(
        "The average runtime of each result, or the estimated energy",
        f"{quantities.hours(mean)} on one device, over {len(trained):,} runs." if is_ours and trained else None,
    )
    yield Item(
        "A description of the computing infrastructure",
        hint="search status names the devices of the workers that are there.",
    )
