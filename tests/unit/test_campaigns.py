"""Campaign files, told whole, and how a campaign goes on from what its steps find."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from search import catalog
from search.analysis.note import launch_command
from search.errors import CampaignFileError, UnknownName
from search.study import load_study
from search.study.campaign import renamed
from search.study.campaign_file import load_campaign

STUDY = """\
name: depths
question: Deeper?
dataset: {name: synthetic_faces, image_size: 48, images: 500}
model: {name: clsfer, width: 16, depths: [1, 1, 1, 1]}
objective: accuracy
training: {epochs: 9}
space:
  depth: {role: scientific, choices: [1, 2, 4]}
  lr: {role: nuisance, grid: "5 points from 1e-4 to 1e-2, log"}
sampler: grid
budget: {trials: 15}
presets:
  quick:
    training: {epochs: 2}
"""

CAMPAIGN = """\
name: diary
question: Which recipe?
values:
  eps: 1e-7
  depth: 4
steps:
  first:
    study: study.yaml
    carry: [depth, lr]
  second:
    study: clsfer_eps
    carry: [eps]
    overrides:
      model: {width: 16}
      training: {epochs: 3}
presets:
  quick:
    preset: quick
    values: {depth: 2}
    overrides:
      confirm: {seeds: 3}
    steps:
      second:
        overrides:
          training: {epochs: 1}
"""

Write = Callable[[str], str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a campaign's file beside a study's and returns its path."""
    (tmp_path / "study.yaml").write_text(STUDY)
    path = tmp_path / "diary.campaign.yaml"

    def _write(text: str) -> str:
        path.write_text(text)
        return str(path)

    return _write


def changed(*changes: tuple[str, str]) -> str:
    text = CAMPAIGN
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def complaint(path: str, preset: str | None = None) -> str:
    with pytest.raises((CampaignFileError, UnknownName)) as error:
        load_campaign(path, preset=preset)
    assert error.value.exit_code == 2
    return str(error.value).replace(path, "FILE").replace(str(Path(path).parent), "FOLDER")


def test_what_is_carried_is_fixed_where_it_is_not_searched(write: Write) -> None:
    first, second = load_campaign(write(CAMPAIGN)).steps
    study = first.definition({"eps": 1e-7, "depth": 4})
    assert (study.name, study.training.eps, list(study.space)) == ("diary-1-first", 1e-7, ["depth", "lr"])
    assert study.training.epochs == 9
    then = second.definition({"eps": 1e-7, "depth": 2, "lr": 1e-3})
    assert then.model.arguments["depth"] == 2
    assert then.training.lr == load_study("clsfer_eps").training.lr  # it is searched
    assert (then.training.epochs, then.model.arguments["width"]) == (3, 16)
    assert second.source == "clsfer_eps"
    assert (study.seed, then.seed) == (0, 1001)  # so that no fresh run of one step is one of the other


def test_what_is_carried_reaches_a_step_that_does_not_search_it(write: Write) -> None:
    text = changed(("study: clsfer_eps", "study: other.yaml"), ("carry: [eps]", "carry: [heads]"))
    other = STUDY.replace("  lr: {role: nuisance", "  heads: {role: nuisance, choices: [2, 4]}\n  #")
    path = write(text)
    (Path(path).parent / "other.yaml").write_text(
        other.replace("depth: {role: scientific, choices: [1, 2, 4]}", "")
    )
    study = load_campaign(path).steps[1].definition({"eps": 1e-7, "depth": 1, "lr": 5e-4})
    assert (study.training.lr, study.model.arguments["depth"], list(study.space)) == (5e-4, 1, ["heads"])


def test_a_preset_lies_over_every_step(write: Write) -> None:
    campaign = load_campaign(write(CAMPAIGN), preset="quick", root="/data")
    assert (campaign.name, campaign.values) == ("diary-quick", {"eps": 1e-7, "depth": 2})
    first, second = (step.definition(campaign.values) for step in campaign.steps)
    assert (first.name, first.training.epochs, first.confirm.seeds) == ("diary-quick-1-first", 2, 3)
    assert (second.name, second.training.epochs, second.confirm.seeds) == ("diary-quick-2-second", 1, 3)
    assert first.dataset.root == second.dataset.root == "/data"
    again = renamed(campaign, "diary-quick@2")
    assert [step.study for step in again.steps] == ["diary-quick-1-first@2", "diary-quick-2-second@2"]


ALLOWED = "preset, overrides, name, question, values, steps, presets"

MALFORMED = {
    "unknown key": (
        changed(("question: Which recipe?", "question: Which recipe?\nvalue: 3")),
        f"FILE:3: value: unknown key 'value'; did you mean 'values'? allowed: {ALLOWED}",
    ),
    "unknown key of a step": (
        changed(("    carry: [eps]", "    cary: [eps]")),
        "FILE:10: steps.second.carry: missing; which parameters of its space are fixed in the following steps\n"
        "FILE:12: steps.second.cary: unknown key 'cary'; did you mean 'carry'? allowed: preset, overrides, study, "
        "carry",
    ),
    "unknown study": (
        changed(("study: clsfer_eps", "study: clsfer_epz")),
        "FILE:11: steps.second.study: no study is named 'clsfer_epz'; there are: "
        + ", ".join(catalog.names("studies")),
    ),
    "missing file": (
        changed(("study: study.yaml", "study: there.yaml")),
        "FILE:8: steps.first.study: there is no study file FOLDER/there.yaml; give the path of one, or a name "
        "such as clsfer_lr",
    ),
    "carrying what is not searched": (
        changed(("carry: [eps]", "carry: [epz]")),
        "FILE:12: steps.second.carry.0: unknown parameter of the step's space 'epz'; did you mean 'eps'? allowed: "
        "eps, lr",
    ),
    "a value that suits no knob": (
        changed(("eps: 1e-7", "eps: -1")),
        "FILE:4: values.eps: step first: -1 should be greater than 0",
    ),
    "an argument that the model has not": (
        changed(("depth: 4", "dept: 4")),
        "FILE:5: values.dept: step first: unknown key 'dept'; did you mean 'depth'? allowed: name, ",
    ),
    "an overlay of nothing": (
        changed(("training: {epochs: 3}", "training: {epochz: 3}")),
        "FILE:15: steps.second.overrides.training.epochz: unknown key 'epochz'; did you mean 'epochs'? allowed: ",
    ),
    "an overlay that renames": (
        changed(("model: {width: 16}", "name: other")),
        "FILE:13: steps.second.overrides: name is not for a campaign to change",
    ),
    "an overlay over a carried value": (
        changed(("model: {width: 16}", "model: {width: 16, depth: 2}")),
        "FILE:14: steps.second.overrides.model.depth: also fixed in step second by steps.first.carry.0 on line 9; "
        "keep one of the two",
    ),
    "no fresh runs": (
        changed(("training: {epochs: 3}", "confirm: {seeds: 1}")),
        "FILE:15: steps.second.overrides.confirm.seeds: a campaign goes on from what fresh runs show: give at "
        "least 2",
    ),
    "no steps": (
        "name: a\nquestion: b\nsteps: {}\n",
        "FILE:3: steps: needs at least one entry",
    ),
    "a list of values": (
        changed(("eps: 1e-7", "eps: [1]")),
        "FILE:4: values.eps: a choice is a number, a text, true, false or null",
    ),
    "too long a name": (
        changed(("name: diary", f"name: {'d' * 60}")),
        f"its study would be named '{'d' * 60}-1-first': ",
    ),
    "everything at once": (
        changed(
            ("study: clsfer_eps", "study: nothing"), ("carry: [depth, lr]", "carry: [dept]"), ("name:", "nam:")
        ),
        "FILE:1: name: missing",
    ),
}


@pytest.mark.parametrize(("text", "message"), MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_file_gives_one_clear_message(write: Write, text: str, message: str) -> None:
    assert message in complaint(write(text))


def test_everything_wrong_is_told_at_once(write: Write) -> None:
    text = changed(
        ("study: clsfer_eps", "study: nothing"), ("carry: [depth, lr]", "carry: [dept]"), ("name:", "nam:")
    )
    keys = [line.split(": ")[1] for line in complaint(write(text)).splitlines()]
    assert keys == ["nam", "name", "steps.first.carry.0", "steps.second.study"]


def test_what_is_wrong_with_a_study_is_told_with_its_file(write: Write) -> None:
    path = write(changed(("carry: [eps]", "carry: [epz]")))
    (Path(path).parent / "study.yaml").write_text(STUDY.replace("epochs: 9", "epochs: nine"))
    assert complaint(path).splitlines() == [
        "FILE:12: steps.second.carry.0: unknown parameter of the step's space 'epz'; did you mean 'eps'? allowed: "
        "eps, lr",
        'FOLDER/study.yaml:6: training.epochs: "nine" should be a valid integer',
    ]


def test_a_preset_that_is_not_there(write: Write) -> None:
    path = write(CAMPAIGN)
    assert complaint(path, "slow") == "FILE has no preset 'slow'; there are: quick."
    path = write(changed(("preset: quick", "preset: slow")))
    assert complaint(path, "quick").splitlines() == [
        "FILE:18: presets.quick.preset: step first: FOLDER/study.yaml has no preset 'slow'; there are: quick",
        f"FILE:18: presets.quick.preset: step second: {catalog.study_path('clsfer_eps')} has no preset 'slow'; "
        "there are: quick",
    ]
    path = write(changed(("      second:\n", "      secnd:\n")))
    assert complaint(path, "quick") == (
        "FILE:23: presets.quick.steps.secnd: unknown step 'secnd'; did you mean 'second'? allowed: first, second"
    )


def test_a_campaign_is_no_study(write: Write) -> None:
    path = write(changed(("study: clsfer_eps", "study: diary.campaign.yaml")))
    with pytest.raises(UnknownName, match="is no study but a campaign: `search campaign launch"):
        load_study(path)
    assert "FILE:11: steps.second.study: FILE is no study but a campaign" in complaint(path)
    assert "clsfer" in catalog.names("campaigns")
    assert not [name for name in catalog.names("studies") if "campaign" in name or "." in name]
    with pytest.raises(UnknownName, match="no campaign is named 'clsfr'; there are: clsfer"):
        load_campaign("clsfr")
    with pytest.raises(UnknownName, match="there is no campaign file"):
        load_campaign("nowhere.campaign.yaml")


@pytest.mark.parametrize(
    ("study", "command"),
    [
        ("clsfer-2-eps", "search campaign launch clsfer"),
        ("clsfer-quick-5-eps_again", "search campaign launch clsfer --preset quick"),
        ("clsfer-2-eps@3", "search campaign launch clsfer --name clsfer@3"),
        ("clsfer-quick-2-eps@3", "search campaign launch clsfer --preset quick --name clsfer-quick@3"),
        ("diary-2-eps", "search launch STUDY.yaml --name diary-2-eps"),
    ],
)
def test_a_step_knows_the_command_of_its_campaign(study: str, command: str) -> None:
    assert launch_command(study) == command


@pytest.mark.parametrize("preset", [None, "quick"])
@pytest.mark.parametrize("name", catalog.names("campaigns"))
def test_every_shipped_campaign_is_valid(name: str, preset: str | None) -> None:
    campaign = load_campaign(name, preset=preset)
    assert campaign.name == (f"{name}-{preset}" if preset else name)
    for step in campaign.steps:
        study = step.definition(campaign.values)
        assert study.training.eps == 1e-8
        assert study.dataset.name == ("synthetic_faces" if preset else "raf_db")


def test_reading_campaigns_needs_neither_torch_nor_optuna() -> None:
    heavy = "{'torch', 'optuna', 'scipy', 'sqlalchemy'}"
    code = f"import sys, search.study.campaign_file; print({heavy} & {{*sys.modules}})"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "set()\n"
