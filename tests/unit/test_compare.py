"""Two studies, or two trials, held against each other: results made by hand, predictions and statistics real."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from search.analysis.compare import Compared, compared
from search.analysis.compare_words import rows, sentences
from search.analysis.results import Results
from search.errors import NotComparable, UnknownName
from search.predictions import Predictions
from search.store.records import Context, Origin, SplitFacts, TrialRecord
from search.study import StudyDefinition
from search.tasks import Task
from tests.make_records import make_row
from tests.unit.test_figures import trial

ITEMS = 300
CONTEXT = Context(
    splits={"validation": SplitFacts(items=100, hash="v" * 32), "test": SplitFacts(items=ITEMS, hash="t" * 32)},
    versions={"torch": "2.15"},
)


def study(name: str, **changes: Any) -> StudyDefinition:
    return StudyDefinition.model_validate(
        {
            "name": name,
            "question": "How deep?",
            "dataset": {"name": "synthetic_faces", "image_size": 48},
            "model": {"name": "clsfer", "block": "cls"},
            "objective": "accuracy",
            "space": {"depth": {"role": "scientific", "choices": [2, 4]}},
            "sampler": "grid",
            "budget": {"trials": 2},
        }
        | changes
    )


def said(right: int, items: int = ITEMS, split: str = "test") -> Predictions:
    """What a model says that is right on the first `right` items."""
    predicted = np.zeros((items, 2), np.float32)
    predicted[np.arange(items), np.where(np.arange(items) < right, 0, 1)] = 1
    names = tuple(f"{split}-{i}" for i in range(items))
    return Predictions(split, Task.EXPRESSION, ("a", "b"), names, None, np.zeros(items, np.int64), predicted)


def results(
    definition: StudyDefinition,
    rights: tuple[int, ...] = (),
    *,
    items: int = ITEMS,
    split: str = "test",
    context: Context = CONTEXT,
    stage: str = "done",
) -> Results:
    """A study that has searched two depths and run depth 4 again, once for each of `rights`."""
    searched = [trial(0, curve=(0.5, 0.6), depth=2), trial(1, curve=(0.5, 0.7), depth=4)]
    fresh = [
        replace(trial(i, curve=(0.6,), depth=4), stage="confirm", source=1, seed=i)
        for i in range(2, 2 + len(rights))
    ]
    predictions = {run.ticket: said(right, items, split) for run, right in zip(fresh, rights, strict=True)}
    return made(definition, [*searched, *fresh], predictions, context=context, stage=stage)


def made(
    definition: StudyDefinition,
    records: list[TrialRecord],
    predictions: dict[int, Predictions] | None = None,
    *,
    context: Context = CONTEXT,
    **changes: Any,
) -> Results:
    facts: dict[str, Any] = {
        "data_fingerprint": "f" * 32,
        "validation_items": 100,
        "epochs": 8,
        "seconds": 60.0,
        "search_epochs": 4,
        "search_seconds": 30.0,
        "context": context,
    }
    return Results(make_row(definition, **facts | changes), records, predictions or {}, [])


def two(a: Results, b: Results, *, trials: tuple[int, int] | None = None) -> Compared:
    names = [found.row.name for found in (a, b)]
    if trials:
        names = [f"{name}:{number}" for name, number in zip(names, trials, strict=True)]
    return compared(names[0], a, names[1], b)


def refusal(a: Results, b: Results, **options: Any) -> str:
    with pytest.raises(NotComparable) as error:
        two(a, b, **options)
    assert error.value.exit_code == 2
    return str(error.value)


def test_two_studies_stand_by_their_confirmed_configurations() -> None:
    a = results(study("a"), (240, 243, 246))
    b = results(study("b", model={"name": "clsfer", "block": "vit"}), (150, 153, 156))
    found = two(a, b)
    assert (found.judged_on, found.items, found.metric) == ("test", ITEMS, "accuracy")
    assert found.a.result.values == (0.8, 0.81, 0.82)
    assert found.a.searched == 0.7
    assert [(each.name, each.a, each.b) for each in found.settings] == [("block", "cls", "vit")]
    assert found.definitions == ('model.block: "cls" -> "vit"',)
    assert sentences(found)[-1] == '  model.block: "cls" -> "vit"'
    assert found.comparison.distinguishable
    assert found.comparison.better == "a"
    assert found.comparison.sentence.startswith("Study a beats study b by 30.0")
    assert (found.data, found.caveats) == ((), ())


def test_what_luck_explains_is_not_told_apart() -> None:
    found = two(results(study("a"), (240, 250, 245)), results(study("b"), (241, 244, 249)))
    assert not found.comparison.distinguishable
    assert found.settings == ()


def test_the_table_says_what_each_is() -> None:
    context = CONTEXT.model_copy(update={"versions": {"torch": "2.16"}})
    found = two(results(study("a"), (240, 243)), results(study("b"), (150, 153), context=context))
    table = {name: texts for name, *texts in rows(found)}
    assert table["configuration"] == ["depth 4", "depth 4"]
    assert table["when it was searched, on validation"] == ["70 %", "70 %"]
    assert table["result"][0].startswith("accuracy 80.")
    assert sentences(found)[-1] == "They were trained with torch 2.15 and 2.16."


def test_two_trials_are_single_runs() -> None:
    a = results(study("a"), (240, 243))
    found = two(a, a, trials=(2, 3))
    assert (found.a.result.values, found.b.result.values) == ((0.8,), (0.81,))
    assert not found.comparison.distinguishable
    assert found.comparison.sentence.startswith(
        "Not established: one run of each, and trial 3 of a leads trial 2 of a"
    )
    assert found.caveats == ("Who picks two trials of many to compare will find a difference too often.",)


def test_trials_without_predictions_are_compared_on_validation() -> None:
    a = results(study("a"), (240, 243))
    found = two(a, a, trials=(0, 1))
    assert (found.judged_on, found.items) == ("validation", 100)
    assert (found.a.result.values, found.b.result.values) == ((0.6,), (0.7,))
    assert [(each.name, each.a, each.b) for each in found.settings] == [("depth", 2, 4)]
    assert found.comparison.sentence.startswith("Not established: one run of each")
    assert found.caveats[0].startswith("Values on validation are too high")
    # one that was judged and one that was not have validation in common
    assert two(a, a, trials=(0, 3)).judged_on == "validation"


def test_a_study_that_is_not_done_stands_by_a_single_run() -> None:
    found = two(results(study("a"), (240, 243), stage="confirm"), results(study("b"), (200, 203)))
    assert found.judged_on == "validation"
    assert found.caveats[0] == (
        "Study a is not done (it is in its stage confirm): it stands by the best of 2 trials, a single run chosen "
        "for being so."
    )


def test_what_was_judged_on_other_items_is_not_compared() -> None:
    data = {"name": "synthetic_faces", "image_size": 48, "test_images": 200}
    other = results(study("b", dataset=data), (150, 153), items=200)
    assert refusal(results(study("a"), (240, 243)), other) == (
        "study a and study b can't be compared: one was judged on 300 items, the other on 200; 200 are in both.\n"
        "  dataset.test_images: absent -> 200"
    )
    on_validation = results(study("b"), (150, 153), split="validation")
    assert "one was judged on the test split, the other on the validation split" in refusal(
        results(study("a"), (240, 243)), on_validation
    )


def test_labels_that_differ_are_found() -> None:
    a, b = results(study("a"), (240,)), results(study("b"), (240,))
    changed = {2: replace(b.predictions[2], truth=np.ones(ITEMS, np.int64))}
    assert "the labels of the items differ" in refusal(a, replace(b, predictions=changed))


def test_other_validation_items_are_not_compared() -> None:
    splits = CONTEXT.splits | {"validation": SplitFacts(items=90, hash="w" * 32)}
    other = results(study("b"), context=CONTEXT.model_copy(update={"splits": splits}))
    text = refusal(results(study("a")), other)
    assert "their validation splits differ: 100 items (hash vvvvvvvvvvvv) and 90 (hash wwwwwwwwwwww)" in text
    old, older = (results(study(name), context=Context()) for name in "ab")
    row = replace(older.row, data_fingerprint="e" * 32)
    assert "their data differ: fingerprints ffffffffffff and eeeeeeeeeeee" in refusal(old, replace(older, row=row))


def test_other_metrics_are_not_compared() -> None:
    other = results(study("b", objective="macro_f1"), (150, 153))
    assert "the objective of one is accuracy, that of the other macro_f1" in refusal(
        results(study("a"), (240, 243)), other
    )


def imported(name: str, sha256: str = "s", value: float = 0.8) -> Results:
    origin = Origin(source=f"{name}.csv", sha256=sha256, judged_on="test", items=3068)
    records = [trial(0, curve=(value,), depth=4)]
    return made(study(name, sampler="imported"), records, context=Context(origin=origin))


def test_imported_results_are_compared_only_with_those_of_the_same_file() -> None:
    found = two(imported("a"), imported("b", value=0.79))
    assert (found.judged_on, found.items) == ("test", 3068)
    assert not found.comparison.distinguishable
    assert "one comes from a.csv, the other from b.csv" in refusal(imported("a"), imported("b", "other"))
    assert "of study b it is not known on which items it was judged" in refusal(
        results(study("a"), (240, 243)), imported("b")
    )
    assert "study b was imported, and the other one has not been judged yet" in refusal(
        results(study("a")), imported("b")
    )


def test_what_can_not_be_compared_is_told() -> None:
    a, b = results(study("a"), (240, 243)), results(study("b"), (240, 243))
    with pytest.raises(NotComparable, match="a and b:1 are a study and a trial"):
        compared("a", a, "b:1", b)
    with pytest.raises(NotComparable, match="a is compared with itself"):
        compared("a", a, "a", a)
    with pytest.raises(UnknownName, match="study a has no trial '9'; there are: 0 to 3"):
        compared("a:9", a, "b:1", b)
    reading = replace(trial(4, curve=(), depth=4), stage="conclude", source=2)
    with pytest.raises(
        NotComparable, match="trial 4 of a only reads the split that judges with the model of trial 2"
    ):
        compared("a:4", replace(a, records=[*a.records, reading]), "b:1", b)
    failed = replace(trial(4, state="failed", curve=(), depth=4), reason="out of memory")
    with pytest.raises(NotComparable, match=r"trial 4 of a has no result: it is failed \(out of memory\)"):
        compared("a:4", replace(a, records=[*a.records, failed]), "b:1", b)
    with pytest.raises(NotComparable, match="study c has no result yet"):
        compared("c", made(study("c"), [trial(0, state="waiting", curve=(), depth=4)]), "b", b)
