"""What a study has found, as plain data: worked out by `conclusion` and `health`, shown by reports and campaigns.

All values are in the metric's own unit (shares in [0, 1]), never in per cent; words and figures scale them.
"""

from dataclasses import dataclass
from typing import Literal

from search.store.trials import Parameters


@dataclass(frozen=True)
class Spread:
    """A metric over runs that differ in nothing but their seed.

    values: one of each run, in the order of the seeds.
    deviation: sample standard deviation; None for a single run.
    low, high: the 95 % interval of the mean by Student's t; None for a single run.
    """

    values: tuple[float, ...]
    mean: float
    deviation: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Configuration:
    """A configuration that was run again with fresh seeds.

    searched: its objective in the search, which chose it.
    tickets: numbers of its confirming tickets that are complete, in the order of the seeds.
    failed: confirming runs that diverged or failed.
    validation: the objective on the validation split, which selects; None before the first run is complete.
    judged: the objective on the split that judges, once the configuration has read it.
    """

    parameters: Parameters
    searched: float
    tickets: tuple[int, ...]
    failed: int
    validation: Spread | None
    judged: Spread | None


@dataclass(frozen=True)
class Level:
    """One value of what the study asks about, such as depth 8; the only one where it asks about none.

    values: of the scientific parameters. Those of a range are cut into buckets, and a level stands for a bucket:
        these are then the values of the configuration that stands for it, before there is one of its best trial.
    name: in words, such as `depth (blocks) 8`.
    trials: of the search, in whatever state; infeasible: those among them that diverged or failed.
    best: the best objective of the search's trials, at their best epoch; None where none has an epoch.
    configurations: those that were confirmed, the best on the validation split first.
    """

    values: Parameters
    name: str
    trials: int
    infeasible: int
    best: float | None
    configurations: tuple[Configuration, ...]

    @property
    def confirmed(self) -> Configuration | None:
        """The configuration that stands for the level, chosen on the validation split."""
        return self.configurations[0] if self.configurations else None


@dataclass(frozen=True)
class Comparison:
    """Two levels compared on the same items, each by its confirmed configuration.

    better, worse: names of the levels, by the mean of their runs.
    difference: of the means, at least 0 in the direction that is better.
    margin: half the width of its 95 % interval, which covers both the luck of the seeds and of the items.
    p_seeds: of Welch's test over the runs; None where one has a single run.
    p_items: of the test over the items (`items_test` names it: exact McNemar or paired bootstrap); None where
        predictions are not there.
    p: the larger of the two, after Holm's correction over all comparisons of the study.
    effect: Hedges' g over the runs; None where it can't be had.
    distinguishable: whether p is below 0.05.
    seeds_needed: runs of each that would show this difference with 80 % power; None where it is shown, where seeds
        are not what limits, or more than 1,000 would be needed.
    sentence: all this in words.
    """

    better: str
    worse: str
    difference: float
    margin: float | None
    p_seeds: float | None
    p_items: float | None
    items_test: str | None
    p: float | None
    effect: float | None
    distinguishable: bool
    seeds_needed: int | None
    sentence: str


@dataclass(frozen=True)
class HealthWarning:
    """Something that makes the study's outcome doubtful, with the evidence in numbers.

    kind: a stable name for scripts, such as `edge`, `diverged`, `collapse`, `pruner`, `budget`.
    """

    kind: str
    message: str
    evidence: str


@dataclass(frozen=True)
class Conclusion:
    """The answer to the study's question.

    answer: its first sentence, which says as much as is established and no more.
    stage: how far the study is: a `search` alone can't establish much.
    judged_on: the split that judges: test, or validation where there is no test split (and a caveat says so).
    items: how many items that split has; None where unknown.
    levels: of the scientific parameters, the best first: by confirmed runs on the validation split, then by the
        search.
    comparisons: of every confirmed level with every other, those of the best level first.
    established: whether the best level beats every other confirmed one.
    ties: names of the confirmed levels that can't be told from the best one, it excluded.
    noise: standard deviation of the objective between runs of one configuration, pooled; None before it is known.
    optimism: how much the search's best value lay above the mean of its fresh runs on the same split: the
        winner's curse; None before the fresh runs.
    readings: how often a model has read the test split.
    caveats: what a reader must know, as sentences.
    """

    answer: str
    stage: Literal["search", "confirm", "conclude", "done"]
    judged_on: str
    items: int | None
    levels: tuple[Level, ...]
    comparisons: tuple[Comparison, ...]
    established: bool
    ties: tuple[str, ...]
    noise: float | None
    optimism: float | None
    readings: int
    caveats: tuple[str, ...]
