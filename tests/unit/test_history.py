"""Somebody's results as trials: tables, TensorBoard's event files and wandb's folders, read by a mapping."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from search import catalog
from search.errors import HistoryError, StudyFileError, UnknownName
from search.history.importing import read_study
from search.history.mapping_file import load_mapping
from search.store.imports import ImportedStudy, ImportedTrial
from search.study.space import Choices

# As in the notebook: per cent, five rates, two models; a header, then a run a line.
TABLE = """\
study,dataset,learning_rate,model,accuracy_pct,bold_in_seed
cls_vs_baseline,RAF-DB,3.2e-05,Baseline,82.986,0
cls_vs_baseline,RAF-DB,3.2e-05,CLSFER,83.638,1
cls_vs_baseline,RAF-DB,3.2e-06,Baseline,83.605,0
cls_vs_baseline,RAF-DB,3.2e-06,CLSFER,85.398,1
"""
MAPPING = """\
question: Better?
dataset: {name: RAF-DB, image_size: 224}
model: IR-50
objective: {metric: accuracy, column: accuracy_pct, percent: true}
parameters:
  model: {role: scientific, choices: [Baseline, CLSFER]}
  lr: {column: learning_rate, role: nuisance, low: 1e-6, high: 1e-4, log: true}
judged_on: test
items: 3068
ignore: [study, dataset, bold_*]
notes: [The best epoch on the test split.]
"""
LONG = """\
study,row_label,model,split,metric,direction,value,raw_cell
x,EmoSet,ResNet50,train,macro_accuracy,maximize,0.8979,89.79%/76.74%
x,EmoSet,ResNet50,valid,macro_accuracy,maximize,0.7674,89.79%/76.74%
x,EmoSet,ResNet101,train,macro_accuracy,maximize,0.8218,82.18%/77.42%
x,EmoSet,ResNet101,valid,macro_accuracy,maximize,0.7742,82.18%/77.42%
x,OASIS,ResNet50,train,mse_znormalised,minimize,0.07928,0.07928/0.4739
x,OASIS,ResNet50,valid,mse_znormalised,minimize,0.4739,0.07928/0.4739
"""
LONG_MAPPING = """\
question: Which on {row_label}?
dataset: {name: "{row_label}", image_size: 224}
model: a network
pivot: {names: [split, metric], value: value}
objective: {metric: balanced_accuracy, column: valid macro_accuracy}
parameters:
  model: {role: scientific, choices: [ResNet50, ResNet101]}
metrics:
  train_balanced_accuracy: {column: train macro_accuracy}
judged_on: validation
ignore: [study, direction, raw_cell]
"""

Read = Callable[..., ImportedStudy]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Reads texts of tables, or a folder, by the text of a mapping."""

    def read(mapping: str, *tables: str | Path, rows: dict[str, str] | None = None) -> ImportedStudy:
        (tmp_path / "m.yaml").write_text(mapping)
        sources = []
        for i, table in enumerate(tables):
            sources.append(table if isinstance(table, Path) else tmp_path / f"t{i}.csv")
            if isinstance(table, str):
                sources[-1].write_text(table)
        return read_study(sources, load_mapping(str(tmp_path / "m.yaml")).keeping(rows or {}), "by_hand")

    return read


def changed(text: str, *changes: tuple[str, str]) -> str:
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return text


def test_a_table_becomes_finished_trials(read: Read) -> None:
    study = read(MAPPING, TABLE)
    assert study.trials[3] == ImportedTrial(
        {"model": "CLSFER", "lr": 3.2e-6}, 0, 0.85398, {1: {"accuracy": 0.85398}}, "t0.csv", 5
    )
    assert len(study.trials) == 4
    assert (study.origin.source, study.origin.judged_on, study.origin.items) == ("t0.csv", "test", 3068)
    assert study.origin.notes == ("The best epoch on the test split.",)
    assert len(study.origin.sha256) == 64
    definition = study.definition
    assert (definition.name, definition.sampler, definition.budget.trials) == ("by_hand", "imported", 4)
    assert definition.confirm.seeds == 0  # nobody can run them again here
    assert definition.space["model"] == Choices(role="scientific", choices=("Baseline", "CLSFER"))
    assert definition.from_json(definition.canonical_json()) == definition


def test_the_same_parameters_again_are_a_repeat_with_another_seed(read: Read) -> None:
    repeat = "study,learning_rate,model,accuracy_pct\nrepeat,3.2e-6,Baseline(IR50),84.55\n"
    aliased = changed(MAPPING, ("[Baseline, CLSFER]", '[Baseline, CLSFER], cells: {"Baseline(IR50)": Baseline}'))
    study = read(aliased, TABLE, repeat)
    assert [trial.seed for trial in study.trials if trial.parameters["lr"] == 3.2e-6] == [0, 0, 1]
    assert study.trials[-1].file == "t1.csv"
    assert study.origin.source == "t0.csv, t1.csv"


def test_seeds_may_have_a_column(read: Read) -> None:
    table = changed(TABLE, ("bold_in_seed", "seed"))
    mapping = changed(MAPPING, ("bold_*", "bold"), ("judged_on", "seed: seed\njudged_on"))
    assert [trial.seed for trial in read(mapping, table).trials] == [0, 1, 0, 1]
    again = table + "cls_vs_baseline,RAF-DB,3.2e-06,CLSFER,85.1,1\n"
    with pytest.raises(HistoryError, match=r"t0.csv:6: these parameters with seed 1 are there already"):
        read(mapping, again)


def test_everything_wrong_with_a_table_is_told_at_once_with_its_line(read: Read) -> None:
    table = changed(TABLE, ("82.986", "83%"), ("3.2e-05,CLSFER", "0.1,CLS"), ("bold_in_seed", "note"))
    table += "cls_vs_baseline,RAF-DB,3.2e-06,CLSFER,85.398,1\n"
    with pytest.raises(HistoryError) as raised:
        read(MAPPING, table)
    assert str(raised.value).startswith("column 'note' is neither mapped nor ignored")
    with pytest.raises(HistoryError) as raised:
        read(changed(MAPPING, ("bold_*", "note")), table)
    assert str(raised.value).split("\n") == [
        "t0.csv:2: accuracy_pct: '83%' is no finite number",
        "t0.csv:3: model: 'CLS' is none of the choices of model: 'Baseline', 'CLSFER'",
        "t0.csv:3: learning_rate: 0.1 is not in 1e-06 to 0.0001",
        "t0.csv:6: is the same as t0.csv:5: take one of them out",
    ]


FAULTY = {
    "missing column": (TABLE.replace("accuracy_pct", "acc"), "objective: there is no column 'accuracy_pct'"),
    "share taken for per cent": (TABLE.replace("83.605", "8360.5"), "accuracy would be 83.605, beyond 1"),
    "ragged": (TABLE + "a,b\n", "t0.csv:6: has 2 cells; the header names 6 columns"),
    "two of a name": (TABLE.replace("bold_in_seed", "study"), "two columns are named 'study'"),
    "no rows": (TABLE.split("\n")[0] + "\n", "holds no row below its header"),
    "open quote": (TABLE + 'a,"b\n', "is not CSV"),
    "empty": ("", "holds no row"),
}


@pytest.mark.parametrize(("table", "words"), FAULTY.values(), ids=FAULTY.keys())
def test_a_faulty_table_is_refused(read: Read, table: str, words: str) -> None:
    with pytest.raises(HistoryError) as raised:
        read(MAPPING, table)
    assert words in str(raised.value)


def test_what_is_no_text_or_not_there_is_refused(read: Read, tmp_path: Path) -> None:
    (tmp_path / "latin.csv").write_bytes(TABLE.encode() + "é,1\n".encode("latin-1"))
    with pytest.raises(HistoryError, match=r"latin.csv:6: is not UTF-8"):
        read(MAPPING, tmp_path / "latin.csv")
    with pytest.raises(HistoryError, match="there is no file or folder"):
        read(MAPPING, tmp_path / "nowhere.csv")
    read(MAPPING, TABLE)
    with pytest.raises(UnknownName, match="no name for a study"):
        read_study([tmp_path / "t0.csv"], load_mapping(str(tmp_path / "m.yaml")), "a name")


def test_a_table_with_a_row_for_each_metric_is_pivoted(read: Read) -> None:
    study = read(LONG_MAPPING, LONG, rows={"row_label": "EmoSet"})
    assert study.definition.question == "Which on EmoSet?"
    assert study.definition.dataset.name == "EmoSet"
    assert [trial.value for trial in study.trials] == [0.7674, 0.7742]
    assert study.trials[1].epochs == {1: {"balanced_accuracy": 0.7742, "train_balanced_accuracy": 0.8218}}
    assert study.trials[1].line == 4


def test_a_metric_given_twice_is_named(read: Read) -> None:
    twice = LONG + "x,EmoSet,ResNet101,valid,macro_accuracy,maximize,0.9,\n"
    with pytest.raises(HistoryError, match=r"t0.csv:8: valid macro_accuracy of the run of t0.csv:4 again"):
        read(LONG_MAPPING, twice, rows={"row_label": "EmoSet"})


def test_a_pivot_tells_what_is_left_to_map(read: Read) -> None:
    with pytest.raises(HistoryError, match=r"'row_label' is neither mapped nor ignored.*--rows 'row_label=VALUE'"):
        read(LONG_MAPPING, LONG)
    with pytest.raises(HistoryError, match="no row has the cells that were asked for: row_label=Nowhere"):
        read(LONG_MAPPING, LONG, rows={"row_label": "Nowhere"})


def test_rows_without_the_objective_are_left_out_and_counted(read: Read) -> None:
    study = read(MAPPING, changed(TABLE, ("83.638", ""), ("83.605", "nan")))
    assert len(study.trials) == 2
    assert study.origin.notes[-1] == "Rows left out because they have no finite accuracy_pct: 2."
    with pytest.raises(HistoryError, match="no row is left"):
        read(MAPPING, "\n".join(TABLE.split("\n")[:2]).replace("82.986", "") + "\n")


def test_empty_cells_switches_and_epochs(read: Read) -> None:
    mapping = """\
question: Does attention help?
dataset: {name: Aff-Wild2, image_size: 40}
model: a network
objective: {metric: ccc_arousal, column: ccc_a}
parameters:
  attention: {role: scientific, choices: [null, 1]}
  frozen: {role: nuisance, choices: [true, false]}
  depth: {role: nuisance, low: 1, high: 8, integer: true}
metrics: {au_total: {column: total_au}}
epoch: {column: best, first: 0}
items_column: frames
judged_on: validation
"""
    table = (
        "attention,frozen,depth,best,ccc_a,total_au,frames\n,TRUE,2,0,-0.1,,400\n1.0,false,8,3,0.653,0.394,400\n"
    )
    study = read(mapping, table)
    assert [trial.parameters for trial in study.trials] == [
        {"attention": None, "frozen": True, "depth": 2},
        {"attention": 1, "frozen": False, "depth": 8},
    ]
    assert study.trials[0].epochs == {1: {"ccc_arousal": -0.1}}
    assert study.trials[1].epochs == {4: {"ccc_arousal": 0.653, "au_total": 0.394}}
    assert study.origin.items == 400
    assert study.definition.training.epochs == 4
    with pytest.raises(HistoryError, match="these differ: 400, 401"):
        read(mapping, table.replace("0.394,400", "0.394,401"))
    with pytest.raises(HistoryError, match=r"t0.csv:2: epoch 0 is before epoch.first, which is 1"):
        read(mapping.replace("first: 0", "first: 1"), table)
    with pytest.raises(HistoryError, match=r"t0.csv:3: depth: 7.5 is no whole number"):
        read(mapping, table.replace("false,8", "false,7.5"))


def test_everything_wrong_with_a_mapping_is_told_at_once_with_its_line(read: Read) -> None:
    mapping = changed(
        MAPPING,
        ("metric: accuracy", "metric: acuracy"),
        ("percent: true", "per_cent: true"),
        ("role: scientific, choices: [Baseline, CLSFER]", "role: scientific"),
        ("low: 1e-6", "low: 1"),
        ("items: 3068", "items: many"),
        ("judged_on: test", "judged_by: test"),
    )
    with pytest.raises(StudyFileError) as raised:
        read(mapping, TABLE)
    told = [(problem.line, problem.key) for problem in raised.value.problems]
    assert told == [
        (1, "judged_on"),
        (4, "objective.metric"),
        (4, "objective.per_cent"),
        (6, "parameters.model"),
        (7, "parameters.lr"),
        (8, "judged_by"),
        (9, "items"),
    ]
    assert "did you mean 'percent'?" in str(raised.value)
    assert "no metric is named 'acuracy'" in str(raised.value)
    assert "give choices, or low and high" in str(raised.value)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("column: learning_rate", "column: model", "parameters.lr: column 'model' is the one of parameters.model"),
        ("judged_on", "items_column: n\njudged_on", "items and items_column"),
        ("judged_on", "metrics: {accuracy: {column: x}}\njudged_on", "accuracy is the objective and one of"),
        ("question: Better?", "", "question: missing"),
        ("model: IR-50", "model: IR-50\nmodel: IR-18", "given twice"),
    ],
)
def test_a_mapping_that_contradicts_itself_is_refused(read: Read, old: str, new: str, words: str) -> None:
    with pytest.raises(StudyFileError) as raised:
        read(changed(MAPPING, (old, new)), TABLE)
    assert words in str(raised.value)


def test_the_shipped_mappings_are_sound_and_no_studies() -> None:
    names = catalog.mapping_names()
    assert "001_lr_model_accuracy" in names
    assert not set(names) & set(catalog.names("studies"))
    for name in names:
        load_mapping(name)
    with pytest.raises(UnknownName, match="no mapping is named 'mine': write one"):
        load_mapping("mine")
    with pytest.raises(UnknownName, match=r"no mapping file mine.yaml"):
        load_mapping("mine.yaml")


# TensorBoard

EVENTS = """\
question: Which rate?
dataset: {name: RAF-DB, image_size: 112}
model: IR-50
objective: {metric: accuracy, column: val/accuracy}
parameters:
  lr: {role: nuisance, low: 1e-5, high: 1e-1, log: true}
metrics: {train_loss: {column: train/loss}}
epoch: {first: 0}
judged_on: validation
ignore: [speed, "hparam/*"]
"""


def write_events(folder: Path, scalars: dict[str, dict[int, float]], **parameters: Any) -> None:
    """A run as torch.utils.tensorboard leaves it: scalars, and hyperparameters in a folder below."""
    writer = EventFileWriter(str(folder))
    for tag, values in scalars.items():
        for step, value in values.items():
            summary = Summary(value=[Summary.Value(tag=tag, simple_value=value)])
            writer.add_event(Event(wall_time=1.0, step=step, summary=summary))
    writer.close()
    if parameters:
        below = EventFileWriter(str(folder / "1711269300"))
        for summary in hparams(parameters, {}):
            below.add_event(Event(wall_time=1.0, summary=summary))
        below.close()


def curves(*values: float) -> dict[str, dict[int, float]]:
    return {
        "val/accuracy": dict(enumerate(values)),
        "train/loss": {step: 1 - value for step, value in enumerate(values)},
        "speed": {0: 10.0},
    }


def test_event_files_become_learning_curves(read: Read, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    write_events(runs / "a", curves(0.25, 0.75, 0.5), lr=0.01)
    write_events(runs / "b", curves(0.5, 0.25), lr=0.001)
    study = read(EVENTS, runs)
    assert [trial.parameters for trial in study.trials] == [{"lr": 0.01}, {"lr": 0.001}]
    assert [trial.value for trial in study.trials] == [0.75, 0.5]
    assert study.trials[0].epochs == {
        1: {"accuracy": 0.25, "train_loss": 0.75},
        2: {"accuracy": 0.75, "train_loss": 0.25},
        3: {"accuracy": 0.5, "train_loss": 0.5},
    }
    assert (study.trials[0].file, study.trials[0].line) == ("a", None)
    assert study.origin.source == "runs"


def test_torchs_own_writer_is_read(read: Read, tmp_path: Path) -> None:
    with SummaryWriter(str(tmp_path / "runs" / "a")) as writer:
        writer.add_scalar("val/accuracy", 0.5, 0)
        writer.add_scalar("val/accuracy", 0.75, 1)
        writer.add_hparams({"lr": 0.01, "block": "cls", "mixup": True}, {"hparam/accuracy": 0.75})
    mapping = changed(
        EVENTS,
        (
            "metrics: {train_loss: {column: train/loss}}\n",
            "  block: {role: scientific, choices: [vit, cls]}\n"
            "  mixup: {role: nuisance, choices: [true, false]}\n",
        ),
    )
    (trial,) = read(mapping, tmp_path / "runs").trials
    assert trial.parameters == {"lr": 0.01, "block": "cls", "mixup": True}
    assert trial.epochs == {1: {"accuracy": 0.5}, 2: {"accuracy": 0.75}}


def test_a_folders_name_may_tell_the_parameters(read: Read, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    write_events(runs / "lr1e-3_depth4", curves(0.5))
    write_events(runs / "lr0.01_depth8", curves(0.75))
    mapping = changed(
        EVENTS,
        ("metrics:", "  depth: {role: scientific, choices: [4, 8]}\nmetrics:"),
        ("judged_on", "folder: 'lr{lr}_depth{depth}'\njudged_on"),
    )
    assert [trial.parameters for trial in read(mapping, runs).trials] == [
        {"lr": 0.01, "depth": 8},
        {"lr": 0.001, "depth": 4},
    ]
    write_events(runs / "other", curves(0.5))
    with pytest.raises(HistoryError, match=re.escape("other: is not named like 'lr{lr}_depth{depth}'")):
        read(mapping, runs)


def test_epochs_may_have_a_tag_of_their_own(read: Read, tmp_path: Path) -> None:
    scalars = {
        "val/accuracy": {99: 0.5, 199: 0.75},
        "train/loss": {99: 1.0, 199: 0.5},
        "epoch": {99: 0.0, 150: 1.0, 199: 1.0},
    }
    write_events(tmp_path / "runs" / "a", scalars, lr=0.01)
    mapping = changed(EVENTS, ("{first: 0}", "{column: epoch, first: 0}"))
    (trial,) = read(mapping, tmp_path / "runs").trials
    assert trial.epochs == {1: {"accuracy": 0.5, "train_loss": 1.0}, 2: {"accuracy": 0.75, "train_loss": 0.5}}


def test_what_is_not_finite_in_event_files_is_left_out_and_counted(read: Read, tmp_path: Path) -> None:
    write_events(tmp_path / "runs" / "a", curves(0.5, float("nan")), lr=0.01)
    write_events(tmp_path / "runs" / "b", curves(float("nan")), lr=0.001)
    study = read(EVENTS, tmp_path / "runs")
    assert [trial.epochs for trial in study.trials] == [{1: {"accuracy": 0.5, "train_loss": 0.5}}]
    assert set(study.origin.notes) == {
        "Values of val/accuracy left out because they are no finite numbers: 2.",
        "Values of train/loss left out because they are no finite numbers: 2.",
        "Rows left out because they have no finite val/accuracy: 1.",
    }


def test_tensorboard_is_an_extra(read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_events(tmp_path / "runs" / "a", curves(0.5), lr=0.01)
    monkeypatch.setitem(sys.modules, "tensorboard.backend.event_processing.event_accumulator", None)
    with pytest.raises(HistoryError, match=r"install affect-search\[tensorboard\]"):
        read(EVENTS, tmp_path / "runs")


def test_a_folder_without_runs_is_told(read: Read, tmp_path: Path) -> None:
    (tmp_path / "runs" / "notes").mkdir(parents=True)
    with pytest.raises(HistoryError, match="holds no runs"):
        read(EVENTS, tmp_path / "runs")


# Weights & Biases

WANDB = """\
question: Which rate?
dataset: {name: RAF-DB, image_size: 112}
model: IR-50
objective: {metric: accuracy, column: val.accuracy, percent: true}
parameters:
  lr: {column: optimizer.lr, role: nuisance, low: 1e-5, high: 1e-1, log: true}
  block: {role: scientific, choices: [vit, cls]}
epoch: {column: epoch, first: 0}
judged_on: unknown
ignore: [depths]
"""


def write_wandb(folder: Path, lr: float, block: str, **summary: Any) -> None:
    """A run as wandb leaves it on disk."""
    files = folder / "files"
    files.mkdir(parents=True)
    entries = {"optimizer": {"name": "adam", "lr": lr}, "block": block, "depths": [3, 4, 14, 3]}
    config: dict[str, Any] = {"wandb_version": 1}
    config |= {key: {"desc": None, "value": value} for key, value in entries.items()}
    config["_wandb"] = {"desc": None, "value": {"python_version": "3.11.4", "t": {"1": [1, 5, 41]}}}
    (files / "config.yaml").write_text(yaml.safe_dump(config))
    own = {"_runtime": 12.5, "_step": 59, "_timestamp": 1711269300.1, "_wandb": {"runtime": 12}}
    (files / "wandb-summary.json").write_text(json.dumps(own | summary))


def test_wandb_folders_become_trials(read: Read, tmp_path: Path) -> None:
    mapping = changed(WANDB, ("[depths]", "[depths, optimizer.name]"))
    write_wandb(tmp_path / "wandb" / "run-20240324_101500-abc", 1e-3, "cls", val={"accuracy": 84.5}, epoch=59)
    write_wandb(
        tmp_path / "wandb" / "offline-run-20240325_101500-def", 1e-4, "vit", val={"accuracy": 83}, epoch=40
    )
    (tmp_path / "wandb" / "latest-run").symlink_to("run-20240324_101500-abc")
    for folder in (tmp_path, tmp_path / "wandb"):
        study = read(mapping, folder)
        assert [(trial.parameters, trial.epochs) for trial in study.trials] == [
            ({"lr": 1e-4, "block": "vit"}, {41: {"accuracy": 0.83}}),
            ({"lr": 1e-3, "block": "cls"}, {60: {"accuracy": 0.845}}),
        ]
    assert study.trials[0].file == "offline-run-20240325_101500-def"


def test_a_wandb_run_that_lacks_its_files_is_named(read: Read, tmp_path: Path) -> None:
    write_wandb(tmp_path / "run-1-a", 1e-3, "cls", val={"accuracy": 84.5}, epoch=59)
    write_wandb(tmp_path / "run-2-b", 1e-3, "cls", val={"accuracy": 84.5}, epoch=59)
    (tmp_path / "run-1-a" / "files" / "wandb-summary.json").unlink()
    (tmp_path / "run-2-b" / "files" / "config.yaml").write_text("lr: !!python/object/apply:os.system [ls]\n")
    with pytest.raises(HistoryError) as raised:
        read(WANDB, tmp_path)
    first, second = str(raised.value).split("\n")
    assert "run-1-a: has no files/wandb-summary.json" in first
    assert "has no place" in second
    (tmp_path / "run-2-b" / "files" / "config.yaml").write_text("lr: {value: 1}\n")
    (tmp_path / "run-2-b" / "files" / "wandb-summary.json").write_text("{")
    with pytest.raises(HistoryError, match=r"wandb-summary.json: is not JSON"):
        read(WANDB, tmp_path)
