"""What Optuna advises through our storage is what it advises through its own."""

from pathlib import Path

import optuna
import pytest

from search.store import studies, tickets
from search.store.connection import Store
from search.store.guidance import Guide
from search.store.records import StudyRow

from .test_tickets import STUDY, claim, define, register, report, taken

RANGES = """
  lr: {role: nuisance, low: 1e-4, high: 1e-1, log: true}
  beta1: {role: nuisance, low: 0.5, high: 0.99}
  batch_size: {role: nuisance, low: 4, high: 32}
  class_weights: {role: scientific, choices: [none, balanced]}
"""


def drawing(sampler: str, pruner: str = "{name: none}") -> str:
    """A study of a sampler that draws, with one parameter of every kind."""
    text = STUDY.replace('\n  lr: {role: nuisance, grid: "4 points from 1e-4 to 1e-1, log"}\n', RANGES)
    text = text.replace("sampler: grid", f"sampler: {sampler}\npruner: {pruner}").replace(
        "trials: 4", "trials: 40"
    )
    return text.replace("epochs: 3", "epochs: 9")


def train(store: Store, study: StudyRow, guide: Guide, *, curve: list[float], end: bool = True) -> int:
    lease = taken(claim(store))
    parameters = guide.draw(seed=lease.seed, ticket=lease.number)
    trial_id = store.run(lambda c: tickets.begin(c, lease, parameters, guide.distributions))
    assert trial_id is not None
    for epoch, value in enumerate(curve, start=1):
        assert report(store, lease, epoch, value) is not None
    if end:
        store.run(lambda c: tickets.finish(c, lease, "complete", value=max(curve)))
    return trial_id


@pytest.mark.parametrize("sampler", ["tpe", "gp"])
def test_a_sampler_learns_from_finished_trials_and_repeats_itself(
    store: Store, tmp_path: Path, sampler: str
) -> None:
    study = register(store, define(tmp_path, drawing(sampler)))
    guide = Guide(store.storage, study.definition)
    for number in range(12):
        train(store, study, guide, curve=[0.1, 0.1 + 0.05 * number])
    drawn = guide.draw(seed=0, ticket=12)
    assert drawn == Guide(store.storage, study.definition).draw(seed=0, ticket=12)
    assert drawn != guide.draw(seed=0, ticket=13)
    recipe = study.definition.recipe(drawn, seed=0)
    assert 1e-4 <= recipe.knobs.lr <= 1e-1
    assert isinstance(recipe.knobs.batch_size, int)


@pytest.mark.parametrize(
    ("pruner", "stock"),
    [
        ("{name: median, startup_trials: 3, warmup_epochs: 1}", optuna.pruners.MedianPruner(3, 1, 1)),
        (
            "{name: hyperband, min_resource: 1, max_resource: 9}",
            optuna.pruners.HyperbandPruner(min_resource=1, max_resource=9),
        ),
    ],
    ids=["median", "hyperband"],
)
def test_prune_decisions_are_those_of_stock_optuna(
    store: Store, tmp_path: Path, pruner: str, stock: optuna.pruners.BasePruner
) -> None:
    study = register(store, define(tmp_path, drawing("tpe", pruner)))
    guide = Guide(store.storage, study.definition)
    theirs = optuna.create_study(study_name="small", direction="maximize", pruner=stock)
    decisions = []
    for number in range(18):
        lease = taken(claim(store))
        parameters = guide.draw(seed=0, ticket=number)
        trial_id = store.run(lambda c, lease=lease, p=parameters: tickets.begin(c, lease, p, guide.distributions))
        assert trial_id is not None
        guide.follow(trial_id)
        trial = theirs.ask()
        for epoch in range(1, 10):
            value = ((number * 7) % 18) / 18 + 0.01 * epoch
            trial.report(value, epoch)
            ended = report(store, lease, epoch, value)
            assert ended == number
            decisions.append(guide.should_prune(epoch=epoch, value=value, ended=ended))
            assert decisions[-1] == trial.should_prune(), (number, epoch)
        theirs.tell(trial, 0.5)
        store.run(lambda c, lease=lease: tickets.finish(c, lease, "complete", value=0.5))
    assert 0 < sum(decisions) < len(decisions)


def test_the_space_is_told_to_optuna_as_it_is(store: Store, tmp_path: Path) -> None:
    definition = define(tmp_path, drawing("tpe"))
    assert studies.distributions(definition) == {
        "lr": optuna.distributions.FloatDistribution(1e-4, 1e-1, log=True),
        "beta1": optuna.distributions.FloatDistribution(0.5, 0.99),
        "batch_size": optuna.distributions.IntDistribution(4, 32),
        "class_weights": optuna.distributions.CategoricalDistribution(("none", "balanced")),
    }
