"""The tests behind a conclusion, against golden values, scipy, and studies whose truth is known."""

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from scipy.special import expit

from search.analysis import resampling, statistics, wording
from search.analysis.comparisons import compare
from search.analysis.entrants import Entrant, Judged
from search.analysis.findings import Comparison
from search.analysis.luck import _Items, _together
from search.analysis.measures import item_sums, measured, of_sums
from search.analysis.resampling import resample
from search.analysis.search_health import best_of
from search.errors import DifferentItems
from search.tasks import Task
from tests.make_predictions import make_predictions, one_hot

A, B = (0.842, 0.839, 0.848, 0.851, 0.840), (0.831, 0.835, 0.829, 0.838, 0.833)


# Over seeds


def test_a_spread_has_students_interval() -> None:
    found = statistics.spread(A)
    assert (found.mean, found.deviation) == (pytest.approx(0.844), pytest.approx(0.00524404, abs=1e-8))
    low, high = stats.t.interval(0.95, 4, loc=np.mean(A), scale=stats.sem(A))
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))


def test_a_single_run_has_no_interval_and_equal_ones_none_to_speak_of() -> None:
    alone = statistics.spread([0.5])
    assert (alone.mean, alone.deviation, alone.low, alone.high) == (0.5, None, None, None)
    equal = statistics.spread([0.85] * 5)
    assert (equal.deviation, equal.low, equal.high) == (0.0, equal.mean, equal.mean)


def test_welch_is_scipys() -> None:
    assert statistics.welch(A, B) == pytest.approx(stats.ttest_ind(A, B, equal_var=False).pvalue)
    assert statistics.welch(A, B) == pytest.approx(0.0064954, abs=1e-7)


def test_welch_of_runs_that_do_not_vary() -> None:
    assert statistics.welch([0.5], [0.6, 0.7]) is None
    assert statistics.welch([0.85] * 3, [0.85] * 3) == 1
    assert statistics.welch([0.85] * 3, [0.95] * 3) == 0
    assert statistics.welch([0.85] * 5, B) == pytest.approx(stats.ttest_1samp(B, 0.85).pvalue)


def test_hedges_g_is_cohens_d_without_its_bias() -> None:
    pooled = math.sqrt((np.var(A, ddof=1) + np.var(B, ddof=1)) / 2)
    exact = math.gamma(8 / 2) / (math.sqrt(8 / 2) * math.gamma(7 / 2))
    expected = (np.mean(A) - np.mean(B)) / pooled * exact
    assert statistics.hedges_g(A, B) == pytest.approx(expected, rel=1e-3)
    assert statistics.hedges_g(A, B) == -(statistics.hedges_g(B, A) or 0)
    assert statistics.hedges_g(A, [0.8]) is None
    assert statistics.hedges_g([0.8, 0.8], [0.9, 0.9]) is None


def test_deviations_are_pooled_by_their_degrees_of_freedom() -> None:
    assert statistics.pooled_deviation([(0.0, 2.0), (5.0,), (1.0, 1.0, 1.0)]) == pytest.approx(math.sqrt(2 / 3))
    assert statistics.pooled_deviation([(5.0,), ()]) is None


def test_seeds_needed_are_those_of_the_tables() -> None:
    """Cohen 1988, table 2.4.1: n for d at 80 % power, 5 % two-sided."""
    needed = {0.2: 394, 0.5: 64, 0.8: 26, 1.0: 17, 1.4: 10}
    assert {d: statistics.seeds_for(d) for d in needed} == needed
    assert statistics.seeds_for(0.1) is None
    assert statistics.seeds_for(0) is None
    assert statistics.seeds_for(1e6) == 3
    assert (statistics.seeds_for(1.0, comparisons=10) or 0) > 17


def test_holm_steps_down() -> None:
    assert statistics.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert statistics.holm([0.04]) == [0.04]
    assert statistics.holm([]) == []


# Over items


def test_mcnemar_is_a_sign_test_of_the_items_on_which_they_differ() -> None:
    right_a = np.array([[1] * 10 + [0] * 3 + [1] * 87]).astype(bool)
    right_b = np.array([[0] * 10 + [1] * 3 + [1] * 87]).astype(bool)
    assert statistics.mcnemar_exact(right_a, right_b) == pytest.approx(stats.binomtest(3, 13).pvalue)
    assert statistics.mcnemar_exact(right_a, right_b) == pytest.approx(0.0922852)
    assert statistics.mcnemar_exact(right_a, right_a) == 1


def test_of_several_runs_an_item_counts_as_most_of_them_have_it() -> None:
    once = np.array([[1, 1, 0, 1]]).astype(bool)
    thrice = np.array([[1, 1, 0, 1], [1, 0, 0, 1], [0, 1, 1, 1]]).astype(bool)
    other = np.array([[0, 1, 1, 0]]).astype(bool)
    assert statistics.mcnemar_exact(once, other) == statistics.mcnemar_exact(thrice, other)


def test_two_shares_as_of_separate_items() -> None:
    pooled = (2620 + 2599) / (2 * 3068)
    z = (2620 - 2599) / 3068 / math.sqrt(pooled * (1 - pooled) * 2 / 3068)
    assert statistics.two_proportions(0.85398, 0.84713, 3068, 3068) == pytest.approx(
        2 * stats.norm.sf(z), abs=0.001
    )


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1"])
def test_the_bootstrap_is_scipys(metric: str) -> None:
    generator = np.random.default_rng(0)
    truth = generator.integers(0, 3, 150)
    a, b = (make_predictions(truth, one_hot(np.where(generator.random(150) < 0.8, truth, 0), 3)) for _ in range(2))
    sums = [item_sums(a, metric), item_sums(b, metric)]

    def difference(drawn: NDArray[Any], axis: int = -1) -> NDArray[Any]:
        return np.array(
            [
                of_sums(sums[0][i].sum(axis=0), a, metric) - of_sums(sums[1][i].sum(axis=0), b, metric)
                for i in drawn
            ]
        )

    theirs = stats.bootstrap(
        (np.arange(150),), difference, n_resamples=1000, vectorized=True, method="percentile", rng=1
    )
    ours = math.sqrt(resample([a, b], metric).variance(np.array([1.0, -1.0])))
    assert ours == pytest.approx(theirs.standard_error, rel=0.08)


def test_of_accuracies_the_bootstrap_is_the_standard_error_of_the_paired_difference() -> None:
    generator = np.random.default_rng(0)
    truth = np.zeros(400, dtype=np.int64)
    rights = generator.random((2, 400)) < 0.8
    runs = [make_predictions(truth, one_hot(np.where(right, 0, 1), 2)) for right in rights]
    expected = np.std(rights[0].astype(float) - rights[1], ddof=1) / 20
    assert math.sqrt(resample(runs, "accuracy").variance(np.array([1.0, -1.0]))) == pytest.approx(
        expected, rel=0.06
    )


def test_groups_are_drawn_whole() -> None:
    """All images of a subject alike: as much evidence as one image of each."""
    right = np.repeat(np.random.default_rng(0).random(30) < 0.7, 40)
    groups = np.repeat(np.arange(30), 40)
    truth = np.zeros(1200, dtype=np.int64)
    run = make_predictions(truth, one_hot(np.where(right, 0, 1), 2), groups=groups)
    found = resample([run], "accuracy")
    assert (found.units, found.grouped) == (30, True)
    share = right.mean()
    assert found.covariance[0, 0] == pytest.approx(share * (1 - share) / 29, rel=0.1)


def test_the_best_of_n_is_exact() -> None:
    values = [0.3, 0.9, 0.5, 0.7]
    curve = best_of(values)
    assert curve[0] == pytest.approx(np.mean(values))
    assert curve[1] == pytest.approx((3 * 0.9 + 2 * 0.7 + 1 * 0.5) / 6)
    assert curve[-1] == pytest.approx(0.9)
    assert len(best_of(np.random.default_rng(0).random(1000))) == 1000


# Both together, in studies whose truth is known


def contest(
    generator: np.random.Generator, *, lead: float = 0.0, items: float = 0.0, seeds: float = 0.0, **sizes: Any
) -> Comparison:
    """Two configurations on 300 items, with log odds of being right: of the item, its own liking, and the seed's.

    lead: of the second's odds. items: how much the two differ over items. seeds: how much runs differ.
    """
    runs, metric = sizes.get("runs", 5), sizes.get("metric", "accuracy")
    truth, easy = generator.integers(0, 3, 300), generator.normal(1.5, 2, 300)
    entrants = []
    for name, odds in (("a", easy), ("b", easy + lead)):
        liking = odds + generator.normal(0, items, 300)
        told = []
        for _ in range(runs):
            right = generator.random(300) < expit(liking + generator.normal(0, seeds))
            told.append(make_predictions(truth, one_hot(np.where(right, truth, (truth + 1) % 3), 3)))
        values = tuple(measured(run, metric) for run in told)
        entrants.append(Entrant(name, name, values, tuple(told)))
    return compare(entrants, Judged(metric, "test", 300))[0]


@pytest.fixture
def few_replicates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resampling, "REPLICATES", 100)


@pytest.mark.usefixtures("few_replicates")
@pytest.mark.parametrize(
    "luck",
    [
        {},
        {"seeds": 0.2},
        {"items": 1.0},
        {"items": 1.0, "seeds": 0.2},
        {"items": 1.0, "seeds": 0.2, "metric": "macro_f1"},
        {"items": 1.0, "seeds": 0.2, "runs": 2},
    ],
)
def test_no_difference_is_found_too_often(luck: dict[str, Any]) -> None:
    generator = np.random.default_rng(1)
    found = sum(contest(generator, **luck).distinguishable for _ in range(150))
    assert found <= 12  # at a rate of 5 % it would be more in 4 of 100 tries


@pytest.mark.usefixtures("few_replicates")
def test_a_real_difference_is_found() -> None:
    generator = np.random.default_rng(0)
    found = [contest(generator, lead=1.2, seeds=0.1, items=0.3) for _ in range(20)]
    assert sum(comparison.distinguishable and comparison.better == "b" for comparison in found) >= 19


@pytest.mark.usefixtures("few_replicates")
def test_the_seeds_said_to_be_needed_do_show_it() -> None:
    generator = np.random.default_rng(3)
    needed = [contest(generator, lead=0.35, seeds=0.1).seeds_needed for _ in range(20)]
    typical = int(np.median([seeds for seeds in needed if seeds is not None]))
    assert 5 < typical < 60


def test_what_the_seeds_explain_is_not_claimed() -> None:
    """1,500 items tell the two runs' means apart, but these differ by what runs of either do."""
    generator = np.random.default_rng(0)
    truth = np.zeros(1500, dtype=np.int64)
    easy = generator.random(1500)
    entrants = []
    for name, shares in (("a", (0.70, 0.80, 0.90)), ("b", (0.74, 0.86, 0.95))):
        told = tuple(make_predictions(truth, one_hot(np.where(easy < share, 0, 1), 2)) for share in shares)
        entrants.append(Entrant(name, name, tuple(measured(run, "accuracy") for run in told), told))
    (found,) = compare(entrants, Judged("accuracy", "test", 1500))
    assert found.p_items is not None and found.p_items < 1e-6
    assert found.p_seeds is not None and found.p_seeds > 0.3
    assert not found.distinguishable
    assert found.seeds_needed is not None and found.seeds_needed > 3


def test_what_the_items_explain_is_not_claimed() -> None:
    """Seeds agree to the image, on 40 images."""
    generator = np.random.default_rng(0)
    truth = np.zeros(40, dtype=np.int64)
    entrants = []
    for name, right in (("a", 30), ("b", 33)):
        order = generator.permutation(40)
        told = [
            make_predictions(truth, one_hot(np.where(order < right + more, 0, 1), 2)) for more in (0, 0, 1, 0, 0)
        ]
        entrants.append(Entrant(name, name, tuple(measured(run, "accuracy") for run in told), tuple(told)))
    (found,) = compare(entrants, Judged("accuracy", "test", 40))
    assert found.p_seeds is not None and found.p_seeds < 0.001
    assert found.p_items is not None and found.p_items > 0.3
    assert not found.distinguishable
    assert found.seeds_needed is None
    assert "more test images, about " in found.sentence


def test_where_less_is_better_the_lesser_one_is() -> None:
    truth = np.random.default_rng(0).normal(size=(200, 2))
    entrants = []
    for name, error in (("rough", 0.5), ("fine", 0.1)):
        told = tuple(
            make_predictions(
                truth, truth + np.random.default_rng(i).normal(0, error, (200, 2)), Task.VALENCE_AROUSAL
            )
            for i in range(3)
        )
        entrants.append(Entrant(name, name, tuple(measured(run, "mse") for run in told), told))
    (found,) = compare(entrants, Judged("mse", "test", 200))
    assert (found.better, found.distinguishable, found.items_test) == ("fine", True, "paired bootstrap")
    assert found.effect is not None and found.effect > 0
    assert found.sentence.startswith("Fine beats rough by 0.23 ± 0.06 in ")


def test_other_items_are_refused() -> None:
    runs = [make_predictions(np.zeros(count, dtype=np.int64), one_hot([0] * count, 2)) for count in (4, 5)]
    entrants = [Entrant(str(i), str(i), (1.0,), (run,)) for i, run in enumerate(runs)]
    with pytest.raises(DifferentItems):
        compare(entrants, Judged("accuracy", "test", 4))


def test_a_single_group_tells_nothing_of_others() -> None:
    truth, groups = np.zeros(50, dtype=np.int64), np.zeros(50, dtype=np.int64)
    entrants = []
    for name, right in (("a", 20), ("b", 40)):
        told = tuple(
            make_predictions(truth, one_hot(np.where(np.arange(50) < right + i, 0, 1), 2), groups=groups)
            for i in range(3)
        )
        entrants.append(Entrant(name, name, tuple(measured(run, "accuracy") for run in told), told))
    (found,) = compare(entrants, Judged("accuracy", "test", 50, 1))
    assert (found.p_items, found.p, found.distinguishable) == (None, None, False)


# In words


@pytest.mark.parametrize(
    ("value", "margin", "text"),
    [
        (0.0112, 0.0031, "1.1 ± 0.3 points"),
        (0.004, None, "0.4 points"),
        (0.0004, None, "0.04 points"),
        (0.125, 0.11, "12 ± 11 points"),
        (0.0112, 0.0004, "1.12 ± 0.04 points"),
    ],
)
def test_differences_of_shares_are_in_points(value: float, margin: float | None, text: str) -> None:
    assert wording.difference("accuracy", value, margin) == text


def test_other_metrics_are_in_their_own_unit() -> None:
    assert wording.difference("mse", 0.031, 0.0102) == "0.03 ± 0.01 in mean squared error"
    assert wording.level("mse", statistics.spread([0.2, 0.21, 0.22])) == "0.21 ± 0.02"
    assert wording.level("accuracy", statistics.spread([0.85398])) == "85.4 %"


@pytest.mark.parametrize(
    ("p", "text"), [(0.0004, "p < 0.001"), (0.0031, "p = 0.003"), (0.049, "p = 0.049"), (0.25, "p = 0.25")]
)
def test_p_values_have_digits_where_they_matter(p: float, text: str) -> None:
    assert wording.p_value(p) == text


def test_luck_with_the_items_that_is_counted_once_leaves_that_of_the_seeds() -> None:
    """Each run's own luck with the items can come out larger than all that the items are found to do."""
    items = _Items(p=0.01, test="exact McNemar", variance=1e-9, units=300, own=(1e-2, 1e-2))
    samples = [0.80, 0.85, 0.90], [0.70, 0.75, 0.80]
    error, freedom = _together(items, samples)
    assert error == pytest.approx(math.sqrt(sum(max(np.var(runs, ddof=1), 1e-2) / 3 for runs in samples)))
    assert 2 <= freedom < 300
