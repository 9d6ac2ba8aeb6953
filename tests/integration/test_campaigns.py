"""A campaign on a real store: how far it is, what it hands on, what it refuses, and its report."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from search.campaigns import progress
from search.campaigns.progress import Progress
from search.errors import CampaignConflict
from search.predictions import Predictions
from search.store import readings, studies, tickets
from search.store.connection import Store
from search.store.records import TrialRecord
from search.study.campaign import Campaign, renamed
from search.study.campaign_file import load_campaign
from search.tasks import Task

from .conftest import Run
from .test_stages import advance, again, claim, register, train

ITEMS = 200

STUDY = """
name: depths
question: How deep?
dataset: {name: synthetic_faces, image_size: 16, images: 200, test_images: 70, subjects: 20}
model: {name: clsfer, width: 16, depths: [1, 1, 1, 1], heads: 4, stem_stride: 2}
objective: accuracy
training: {epochs: 1}
space:
  depth: {role: scientific, choices: [1, 2]}
  lr: {role: nuisance, choices: [1e-3]}
sampler: grid
budget: {trials: 2}
confirm: {seeds: 2}
"""
CAMPAIGN = """
name: diary
question: "Which <b>recipe</b>? $x$ `y`"
steps:
  depth: {study: depths.yaml, carry: [depth, lr]}
  eps: {study: eps.yaml, carry: [eps]}
"""


@pytest.fixture
def campaign(tmp_path: Path) -> Campaign:
    (tmp_path / "depths.yaml").write_text(STUDY)
    eps = STUDY.replace("name: depths", "name: eps").replace("How deep?", "Which epsilon?")
    eps = eps.replace(
        "depth: {role: scientific, choices: [1, 2]}", "eps: {role: scientific, choices: [1e-8, 1e-6]}"
    )
    (tmp_path / "eps.yaml").write_text(eps.replace("  lr: {role: nuisance, choices: [1e-3]}\n", ""))
    (tmp_path / "diary.campaign.yaml").write_text(CAMPAIGN)
    return load_campaign(str(tmp_path / "diary.campaign.yaml"))


def read(store: Store, campaign: Campaign) -> Progress:
    return store.run(lambda connection: progress.read(connection, campaign))


def do_next(store: Store, campaign: Campaign, right: Callable[[TrialRecord], int]) -> None:
    """Does the next step's study as workers would. right: on how many of the items a fresh run is right."""
    pending = read(store, campaign).next
    assert pending is not None and pending.definition is not None
    row = register(store, pending.definition)
    while advance(store, row) != "done":
        records = {record.ticket: record for record in store.run(lambda c: studies.records(c, row))}
        stage = again(store, row.study_id).stage
        for record in records.values():
            if record.stage != stage or record.state != "waiting":
                continue
            if record.stage != "conclude":
                train(store, row, value=right(record) / ITEMS)
                continue
            lease = claim(store)
            assert lease is not None
            said = predictions(right(record))
            store.run(lambda c, lease=lease, said=said: readings.store(c, lease, said))
            assert store.run(lambda c, lease=lease: tickets.finish(c, lease, "complete"))


def predictions(right: int) -> Predictions:
    """Of a model that is right on the first `right` items."""
    predicted = np.zeros((ITEMS, 2), np.float32)
    predicted[np.arange(ITEMS), np.where(np.arange(ITEMS) < right, 0, 1)] = 1
    items = tuple(map(str, range(ITEMS)))
    return Predictions("test", Task.EXPRESSION, ("a", "b"), items, None, np.zeros(ITEMS, np.int64), predicted)


def deep_is_better(record: TrialRecord) -> int:
    return (180 if record.parameters["depth"] == 2 else 90) + record.seed % 7


def equal(record: TrialRecord) -> int:
    return 150 + record.seed % 7


def test_what_a_step_finds_is_fixed_in_the_next(store: Store, campaign: Campaign) -> None:
    now = read(store, campaign)
    assert [each.state for each in now.steps] == ["waiting", "waiting"]
    assert [each.definition is None for each in now.steps] == [False, True]
    do_next(store, campaign, deep_is_better)
    now = read(store, campaign)
    assert [each.state for each in now.steps] == ["done", "waiting"]
    first, second = now.steps
    assert first.decision is not None and first.decision.reason == "established"
    assert first.decision.carried == {"depth": 2, "lr": 1e-3}
    assert second.definition is not None
    assert second.definition.model.arguments["depth"] == 2
    assert second.definition.training.lr == 1e-3
    assert {name: (each.value, each.step and each.step.name) for name, each in now.recipe.items()} == {
        "depth": (2, "depth"),
        "lr": (1e-3, "depth"),
    }
    do_next(store, campaign, equal)
    now = read(store, campaign)
    assert now.next is None
    assert now.steps[1].decision is not None and now.steps[1].decision.reason == "kept"
    assert now.recipe["eps"].value == 1e-8
    # another name is another campaign
    assert read(store, renamed(campaign, "diary@2")).steps[0].state == "waiting"


def test_a_step_that_would_be_another_study_is_refused(store: Store, campaign: Campaign, tmp_path: Path) -> None:
    do_next(store, campaign, deep_is_better)
    (tmp_path / "depths.yaml").write_text(STUDY.replace("epochs: 1", "epochs: 2"))
    changed = load_campaign(campaign.file)
    with pytest.raises(CampaignConflict) as error:
        read(store, changed)
    assert str(error.value) == (
        "step depth of campaign diary is in the store as study diary-1-depth, and would now be another:\n"
        "  training.epochs: 1 -> 2\n"
        f"Either {campaign.file} or a study of it has changed, or what a step before it concludes. Take the "
        "change back, or begin anew under another name: `--name diary@2`."
    )
    # more seeds make no other study of it, but it is to be confirmed again
    (tmp_path / "depths.yaml").write_text(STUDY.replace("seeds: 2", "seeds: 3"))
    more = load_campaign(campaign.file)
    assert [each.state for each in read(store, more).steps] == ["confirm", "waiting"]
    do_next(store, more, deep_is_better)
    assert [each.state for each in read(store, more).steps] == ["done", "waiting"]


def test_a_step_of_which_every_run_failed_stops_the_campaign(store: Store, campaign: Campaign, run: Run) -> None:
    pending = read(store, campaign).next
    assert pending is not None and pending.definition is not None
    row = register(store, pending.definition)
    for _ in range(2):
        train(store, row, ending="failed")
    assert [advance(store, row) for _ in range(3)] == ["confirm", "conclude", "done"]
    now = read(store, campaign)
    assert [each.state for each in now.steps] == ["stuck", "waiting"]
    message = run("campaign", "launch", campaign.file, code=2)
    assert "step depth has nothing to go on from" in message
    assert "Traceback" not in message


def test_the_commands(store: Store, campaign: Campaign, run: Run, tmp_path: Path) -> None:
    printed = run("campaign", "launch", campaign.file, "--workers", "0")
    assert "step 1 of 2, depth: How deep?" in printed
    assert "step depth is to be done first; then the same command goes on" in printed
    (tmp_path / "home").mkdir(exist_ok=True)
    found = json.loads(run("campaign", "status", campaign.file, "--json"))
    assert [(each["step"], each["study"], each["state"]) for each in found["steps"]] == [
        ("depth", "diary-1-depth", "search"),
        ("eps", "diary-2-eps", "waiting"),
    ]
    assert found["recipe"] == {}
    assert "diary-1-depth" in run("campaign", "status", campaign.file)
    assert "no campaign is named 'nothing'" in run("campaign", "status", "nothing", code=2)


def test_the_report_is_a_diary(store: Store, campaign: Campaign, run: Run, tmp_path: Path) -> None:
    do_next(store, campaign, deep_is_better)
    do_next(store, campaign, equal)
    files = run("campaign", "report", campaign.file).splitlines()
    assert files == [str(tmp_path / "results" / "diary.campaign" / name) for name in ("report.html", "report.md")]
    page = Path(files[1]).read_text()
    assert page.startswith("# Which \\<b\\>recipe\\</b\\>? \\$x\\$ \\`y\\`\n")
    assert "\n**All 2 steps are done. A difference was established in depth." in page
    assert "Which &lt;b&gt;recipe&lt;/b&gt;?" in Path(files[0]).read_text()
    order = ["## 1. How deep?", "Answer", "Decision", "../diary-1-depth/report.md", "## 2. Which epsilon?"]
    order += ["No difference: kept Adam epsilon 1e-8", "## The recipe", "## What it took"]
    places = [page.index(text) for text in order]
    assert places == sorted(places)
    assert "../diary-2-eps/report.html" in Path(files[0]).read_text()


def test_two_steps_are_compared(store: Store, campaign: Campaign, run: Run) -> None:
    do_next(store, campaign, deep_is_better)
    do_next(store, campaign, equal)
    found = json.loads(run("compare", "diary-1-depth", "diary-2-eps", "--json"))
    assert found["judged_on"] == "test"
    assert found["comparison"]["better"] == "diary-1-depth"
    assert "diary-2-eps" in run("compare", "diary-1-depth", "diary-2-eps")
    assert "can't be compared" not in run("compare", "diary-1-depth:2", "diary-2-eps:3")
