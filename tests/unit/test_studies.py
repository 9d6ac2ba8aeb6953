import inspect
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from search import catalog
from search.errors import SearchError, UnknownName
from search.study import StudyDefinition, load_study, preset_names
from search.study.space import Choices, Range
from search.tasks import METRIC_NAMES
from search.training.recipe import Knobs

STUDY = """\
name: depths
question: Deeper?
dataset: {name: synthetic_faces, image_size: 48, images: 500}
model: {name: clsfer, width: 16, depths: [1, 1, 1, 1]}
objective: accuracy
training:
  epochs: 9
  eps: 1e-7
space:
  depth: {role: scientific, choices: [1, 2, 4]}
  lr: {role: nuisance, grid: "5 points from 1e-4 to 1e-2, log"}
sampler: grid
pruner: {name: hyperband, min_resource: 1, max_resource: 9}
budget: {trials: 15}
presets:
  quick:
    training: {epochs: 2}
    space:
      lr: {role: nuisance, choices: [1e-3]}
    pruner: {name: none}
"""

Write = Callable[[str], str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a study file and returns its path."""
    path = tmp_path / "study.yaml"

    def _write(text: str) -> str:
        path.write_text(text)
        return str(path)

    return _write


def changed(*changes: tuple[str, str]) -> str:
    text = STUDY
    for old, new in changes:
        assert text.count(old) == 1
        text = text.replace(old, new)
    return text


def complaint(path: str, preset: str | None = None) -> str:
    """The message, with the file called FILE."""
    with pytest.raises(SearchError) as error:
        load_study(path, preset=preset)
    assert error.value.exit_code == 2
    return str(error.value).replace(path, "FILE")


def test_a_study_is_resolved(write: Write) -> None:
    study = load_study(write(STUDY))
    assert study.training == Knobs(epochs=9, eps=1e-7)
    assert study.dataset.options["images"] == 500
    assert study.dataset.options["mislabelled"] == 0.05
    assert study.model.arguments["depths"] == [1, 1, 1, 1]
    assert study.model.arguments["heads"] == 8
    assert len(study.tickets()) == 15
    recipe = study.recipe({"depth": 2, "lr": 1e-3}, seed=1)
    assert recipe.model_arguments["depth"] == 2
    assert recipe.knobs.lr == 1e-3


TOP_LEVEL = (
    "name, question, dataset, model, objective, training, space, sampler, pruner, budget, confirm, seed, "
    "references, presets"
)

MALFORMED = {
    "unknown key": (
        changed(("sampler:", "samplr:")),
        "FILE:1: sampler: missing; who picks the values: grid visits every cell; sobol and random know all points "
        "beforehand; tpe and gp learn from finished trials\n"
        f"FILE:12: samplr: unknown key 'samplr'; did you mean 'sampler'? allowed: {TOP_LEVEL}",
    ),
    "unknown knob": (
        changed(("eps: 1e-7", "epz: 1e-7")),
        "FILE:8: training.epz: unknown key 'epz'; did you mean 'eps'? allowed: " + ", ".join(Knobs.model_fields),
    ),
    "wrong type": (
        changed(("epochs: 9", "epochs: nine")),
        'FILE:7: training.epochs: "nine" should be a valid integer',
    ),
    "empty range": (
        changed(("choices: [1, 2, 4]", "low: 4, high: 4")),
        "FILE:10: space.depth: low 4 must be below high 4",
    ),
    "empty choices": (
        changed(("[1, 2, 4]", "[]")),
        "FILE:10: space.depth.choices: needs at least one entry",
    ),
    "low > high on a log scale": (
        changed(('grid: "5 points from 1e-4 to 1e-2, log"', "low: 1e-2, high: 1e-4, log: true")),
        "FILE:11: space.lr: low 0.01 must be below high 0.0001",
    ),
    "log scale from zero": (
        changed(("from 1e-4", "from 0")),
        "FILE:11: space.lr.grid: low 0 must be above 0 on a log scale",
    ),
    "unknown model": (
        changed(("name: clsfer", "name: clsfr")),
        f"FILE:4: model.name: no model is named 'clsfr'; there are: {', '.join(catalog.names('models'))}",
    ),
    "unknown metric": (
        changed(("objective: accuracy", "objective: acc")),
        "FILE:5: objective: no metric is named 'acc'; there are: " + METRIC_NAMES,
    ),
    "grid too large": (
        changed(("trials: 15", "trials: 14")),
        "FILE:9: space: the grid has 15 cells, more than budget.trials, 14",
    ),
    "duplicate key": (
        changed(("  eps: 1e-7", "  eps: 1e-7\n  epochs: 9")),
        "FILE:9: training.epochs: given twice; the first is on line 7",
    ),
    "not YAML": (
        changed(("objective: accuracy", "objective: [accuracy")),
        "FILE:6: file: is not YAML: expected ',' or ']', but got ':'",
    ),
}


@pytest.mark.parametrize(("text", "message"), MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_file_gives_one_clear_message(write: Write, text: str, message: str) -> None:
    assert complaint(write(text)) == message


def test_a_missing_file_gives_one_clear_message(tmp_path: Path) -> None:
    path = str(tmp_path / "none.yaml")
    assert complaint(path) == "there is no study file FILE; give the path of one, or a name such as clsfer_lr."


def test_an_unreadable_file_gives_one_clear_message(tmp_path: Path) -> None:
    folder = tmp_path / "folder.yaml"
    folder.mkdir()
    assert complaint(str(folder)) == "FILE:1: file: can't be read: Is a directory"
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"name: x\nquestion: \xe9\n")
    assert complaint(str(latin)) == "FILE:2: file: is not UTF-8 text"


def test_an_unknown_study_lists_those_there_are() -> None:
    with pytest.raises(UnknownName, match=r"no study is named 'clsfer_rl'; there are: .*clsfer_lr"):
        load_study("clsfer_rl")


def test_everything_wrong_is_told_at_once(write: Write) -> None:
    text = """\
name: a name
dataset: {name: synthetic_faces, image_size: 4, images: 500}
model: {name: clsfer, width: "16", widht: 16, depths: [1, 1, 1]}
objective: accuracy
training:
  epochs: 6
  optimizer: adamx
space:
  depth: {role: scientific, choices: [1, 2.5]}
  heads: {role: scientific, low: 1.5, high: 4}
  epochs: {role: scientific, low: 3, high: 6}
  width: {role: nuisance, low: 8, high: 16}
  block: {role: scientific, low: 0, high: 1}
  stem_stride: {role: scientific, low: 1, high: 2}
  batch_size: {role: nuisance, low: 1, high: 64}
  lr: {role: nuisance, low: -1, high: 1}
  mixup: {role: nuisanc, choices: [0.1]}
  weight_decay: {role: nuisance, grid: "3 points from 0 to 1"}
  beta1: 0.9
  beta2: {role: nuisance}
  drop_pth: {role: nuisance, choices: [0.1]}
sampler: tpe
pruner: {name: hyperband, min_resource: 7, max_resource: 7, rate: 3}
budget: {trials: 0, hours: many}
"""
    arguments = "width, depths, stem_stride, feature, block, depth, heads, mlp_ratio, qkv_bias, qk_norm, attn_drop"
    arguments += ", drop_path, weights"
    searchable = sorted({*arguments.split(", "), *Knobs.model_fields} - {"epochs"})
    assert complaint(write(text)).splitlines() == [
        'FILE:1: name: "a name" is no name: use up to 64 letters, digits, _ and -, then perhaps @2',
        "FILE:1: question: missing; what the study is to find out, in words",
        "FILE:2: dataset.image_size: 4 should be greater than or equal to 8",
        'FILE:3: model.width: "16" should be a valid integer',
        "FILE:3: model.depths.3: missing",
        f"FILE:3: model.widht: unknown key 'widht'; did you mean 'width'? allowed: name, {arguments}",
        "FILE:7: training.optimizer: \"adamx\" should be 'adam', 'adamw' or 'sgd'",
        "FILE:9: space.depth.choices.1: 2.5 should be a valid integer",
        "FILE:10: space.heads: low 1.5 and high 4 must be whole numbers",
        "FILE:11: space.epochs: epochs can't be searched: pruning compares trials of one length",
        "FILE:12: space.width: also fixed under model; keep one of the two",
        "FILE:13: space.block.low: 0.0 should be 'vit', 'cls' or 'cls_published'",
        "FILE:13: space.block.high: 1.0 should be 'vit', 'cls' or 'cls_published'",
        "FILE:14: space.stem_stride: stem_stride takes no range: 1.5 should be 1 or 2",
        "FILE:15: space.batch_size.low: 1 should be greater than or equal to 2",
        "FILE:16: space.lr.low: -1.0 should be greater than 0",
        "FILE:17: space.mixup.role: \"nuisanc\" should be 'scientific' or 'nuisance'",
        "FILE:18: space.weight_decay.grid: is for the grid sampler; tpe takes low and high, or choices",
        "FILE:19: space.beta1: 0.9 should be a mapping of keys to values",
        "FILE:20: space.beta2: give choices, or low and high, or grid: '13 points from 1e-6 to 1e-3, log'",
        "FILE:21: space.drop_pth: unknown knob or model argument 'drop_pth'; did you mean 'drop_path'? allowed: "
        + ", ".join(searchable),
        "FILE:23: pruner.rate: unknown key 'rate'; allowed: name, min_resource, max_resource, reduction_factor",
        "FILE:24: budget.trials: 0 should be greater than or equal to 1",
        'FILE:24: budget.hours: "many" should be a valid number',
    ]


def test_an_unknown_option_of_a_data_set_lists_those_there_are(write: Write) -> None:
    assert complaint(write(changed(("images: 500", "imagess: 500")))) == (
        "FILE:3: dataset.imagess: unknown key 'imagess'; did you mean 'images'? allowed: name, root, image_size, "
        "validation_share, split_seed, bad_share, also, features, images, test_images, subjects, mislabelled, "
        "frames, missing, seed"
    )


@pytest.mark.parametrize(
    ("pruner", "message"),
    [
        ("{name: hyperbnd}", ': no pruner is named "hyperbnd"; there are: hyperband, median, none'),
        ("{min_resource: 3}", ": give its name: hyperband, median, none"),
        ("none", ': "none" should be a mapping of keys to values'),
        ("{name: [a]}", ': no pruner is named ["a"]; there are: hyperband, median, none'),
        ("{name: median}", ".warmup_epochs: missing; epochs that every trial may train"),
        (
            "{name: median, warmup_epochs: 9}",
            ".warmup_epochs: must be below training.epochs, 9, or nothing is ever pruned",
        ),
        ("{name: hyperband, min_resource: 3, max_resource: 10}", ".max_resource: 10 is above training.epochs, 9"),
        ("{name: hyperband, min_resource: 9, max_resource: 9}", ".min_resource: must be below max_resource, 9"),
    ],
)
def test_pruners_are_checked(write: Write, pruner: str, message: str) -> None:
    text = changed(("pruner: {name: hyperband, min_resource: 1, max_resource: 9}", f"pruner: {pruner}"))
    assert complaint(write(text)) == f"FILE:13: pruner{message}"


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ("{}", ": needs at least one entry"),
        ("[lr]", ': ["lr"] should be a mapping of keys to values'),
        (
            "{lr: {role: nuisance, low: 1e-4, high: 1e-2}}",
            ".lr: the grid sampler needs choices, whole numbers, or grid: '13 points from 1e-6 to 1e-3, log'",
        ),
        (
            '{batch_size: {role: nuisance, grid: "3 points from 16 to 64, log"}}',
            ".batch_size: batch_size takes whole numbers: list them as choices",
        ),
        ("{lr: {role: nuisance, choices: [1e-3], low: 3}}", ".lr.low: unknown key 'low'; allowed: role, choices"),
        (
            "{lr: {low: 3, high: 4}}",
            ".lr.role: missing; scientific: what the study asks about; nuisance: tuned so "
            "that the comparison is fair",
        ),
    ],
)
def test_spaces_are_checked(write: Write, space: str, message: str) -> None:
    before, after = STUDY.split("space:\n  depth")[0], STUDY[STUDY.index("sampler:") :]
    assert complaint(write(f"{before}space: {space}\n{after}")) == f"FILE:9: space{message}"


def test_a_range_is_of_whole_numbers_where_its_taker_is(write: Write) -> None:
    study = load_study(write(changed(("choices: [1, 2, 4]", "low: 1, high: 3"))))
    depth = study.space["depth"]
    assert isinstance(depth, Range)
    assert depth.integer
    assert sorted({ticket["depth"] for ticket in study.tickets() if ticket}) == [1, 2, 3]


def test_numbers_may_be_written_the_short_way(write: Write) -> None:
    study = load_study(write(changed(("eps: 1e-7", "eps: 1.e-7\n  weight_decay: 5E-2"))))
    assert (study.training.eps, study.training.weight_decay) == (1e-7, 0.05)


def test_the_hash_ignores_order_comments_and_root(write: Write) -> None:
    study = load_study(write(STUDY))
    lines = STUDY.splitlines()
    moved = "\n".join(["# a comment", *lines[1:5], "budget:   # spent", "  trials: 15", *lines[5:13], lines[0]])
    assert load_study(write(moved)).hash == study.hash
    rooted = load_study(write(STUDY), root="/data/faces")
    assert rooted.dataset.root == "/data/faces"
    assert rooted.hash == study.hash
    assert load_study(write(changed(("1e-7", "1e-8")))).hash != study.hash
    assert load_study(write(changed(("1e-7", "0.0000001")))).hash == study.hash


def test_a_preset_is_laid_over(write: Write) -> None:
    path = write(STUDY)
    quick = load_study(path, preset="quick")
    assert preset_names(path) == ["quick"]
    assert quick.name == "depths-quick"
    assert quick.training == Knobs(epochs=2, eps=1e-7)
    assert isinstance(quick.space["lr"], Choices)
    assert quick.space["depth"] == load_study(path).space["depth"]
    assert quick.pruner.name == "none"
    assert len(quick.tickets()) == 3


def test_a_version_stays_behind_the_preset(write: Write) -> None:
    path = write(changed(("name: depths", "name: depths@2")))
    assert load_study(path, preset="quick").name == "depths-quick@2"


def test_a_section_of_another_name_is_replaced_whole(write: Write) -> None:
    overlay = "  faces:\n    dataset: {name: raf_db, image_size: 112}\n  more:\n    dataset: {images: 600}\n"
    path = write(STUDY + overlay)
    replaced = load_study(path, preset="faces").dataset
    assert (replaced.name, replaced.image_size, replaced.options) == ("raf_db", 112, {"images": "aligned"})
    merged = load_study(path, preset="more").dataset
    assert (merged.name, merged.image_size, merged.options["images"]) == ("synthetic_faces", 48, 600)


def test_problems_of_a_preset_point_at_its_lines(write: Write) -> None:
    text = changed(("training: {epochs: 2}", "training: {epochs: 0}"), ("choices: [1e-3]", "choices: [-1]"))
    assert load_study(write(text)).training.epochs == 9
    assert complaint(write(text), preset="quick").splitlines() == [
        "FILE:17: training.epochs: 0 should be greater than or equal to 1",
        "FILE:19: space.lr.choices.0: -1 should be greater than 0",
    ]


def test_what_is_no_preset(write: Write) -> None:
    assert complaint(write(STUDY), preset="fast") == "FILE has no preset 'fast'; there are: quick."
    without = STUDY[: STUDY.index("presets:")]
    assert preset_names(write(without)) == []
    assert complaint(write(without), preset="quick") == "FILE has no preset 'quick'; there are: none."
    assert complaint(write(without + "presets: [a]\n")) == (
        "FILE:15: presets: should be a mapping of names to the keys each changes"
    )
    assert complaint(write(without + "presets:\n  a:\n  b: {name: c, presets: {}}\n")).splitlines() == [
        "FILE:16: presets.a: should be a mapping of the keys it changes",
        "FILE:17: presets.b.name: is not for a preset to change",
        "FILE:17: presets.b.presets: is not for a preset to change",
    ]


def test_reading_studies_needs_neither_torch_nor_optuna() -> None:
    code = "import sys, search.study; print({'torch', 'optuna', 'scipy', 'sqlalchemy'} & {*sys.modules})"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "set()\n"


SHIPPED = [(name, preset) for name in catalog.names("studies") for preset in (None, *preset_names(name))]


def test_the_notebooks_searches_ship() -> None:
    topics = "depth_lr lr eps betas weight_decay mixup batch_size drop_attn stage vs_vit"
    assert {f"clsfer_{topic}" for topic in topics.split()} <= set(catalog.names("studies"))


@pytest.mark.parametrize(("name", "preset"), SHIPPED)
def test_every_shipped_study_and_preset_is_valid(name: str, preset: str | None) -> None:
    study = load_study(name, preset=preset)
    assert study.name == (f"{name}-{preset}" if preset else name)
    assert StudyDefinition.from_json(study.canonical_json()) == study
    assert any(parameter.role == "scientific" for parameter in study.space.values())
    for ticket in study.tickets()[:3]:
        if ticket:
            study.recipe(ticket, seed=0)


@pytest.mark.parametrize(("name", "preset"), SHIPPED)
def test_every_network_of_a_shipped_study_can_be_built(name: str, preset: str | None) -> None:
    study = load_study(name, preset=preset)
    recipes = [study.recipe(ticket or {}, seed=0) for ticket in study.tickets()]
    arguments = {json.dumps(recipe.model_arguments): recipe.model_arguments for recipe in recipes}
    build = catalog.model(study.model.name)
    given = {
        "outputs": 7,
        "columns": {"expression": 7},
        "image_size": study.dataset.image_size,
        "features": {"images": 16, "sounds": 64},
    }
    asked = {key: value for key, value in given.items() if key in inspect.signature(build).parameters}
    with torch.device("meta"):
        for chosen in arguments.values():
            without_files = chosen | ({"weights": None} if "weights" in chosen else {})
            build(**asked, **without_files)


@pytest.mark.parametrize("name", catalog.names("studies"))
def test_every_shipped_study_can_be_tried_without_data(name: str) -> None:
    dataset = load_study(name, preset="quick").dataset
    for each in (dataset, *dataset.also):
        assert each.name in ("synthetic_faces", "synthetic_emotion")


@pytest.mark.parametrize("name", catalog.names("studies"))
def test_every_shipped_study_says_what_it_is(name: str) -> None:
    lines = catalog.study_path(name).read_text().splitlines()
    assert lines[0] == "# yaml-language-server: $schema=study.schema.json"
    header = "\n".join(line for line in lines if line.startswith("#"))
    for word in ("Question", "Command", "Time", "Expected", "scientific:", "nuisance:", "Notebook"):
        assert word in header or (word == "nuisance:" and name in ("clsfer_lr", "fer2013_resnet18"))
    assert f"search launch {name} --preset quick" in header


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            [("epochs: 9", "tasks: expression"), ("objective: accuracy", "objective: ccc_mean")],
            "FILE:7: training.tasks: 'expression' leaves out valence and arousal, which the objective ccc_mean "
            "judges",
        ),
        (
            [("eps: 1e-7", "window: 20")],
            "FILE:8: training.window: window is of sequences; name a frozen network under dataset.features",
        ),
        (
            [("eps: 1e-7", "class_sampling: balanced"), ("images: 500}", "images: 500, features: {name: ir50}}")],
            "FILE:8: training.class_sampling: class_sampling is of images, and with dataset.features there are "
            "none; leave it out",
        ),
        (
            [("eps: 1e-7", "batches: alternating")],
            "FILE:8: training.batches: batches is of several data sets to train on; name them under dataset.also",
        ),
        (
            [("epochs: 9", "tasks: expression+smile")],
            "FILE:7: training.tasks: 'smile' is no task; join some of expression, valence, arousal, action_units "
            "with +",
        ),
        (
            [("images: 500}", "images: 500, also: [{name: synthetic_face}]}")],
            "FILE:3: dataset.also.0.name: no data set is named 'synthetic_face'; there are: "
            + ", ".join(catalog.names("datasets")),
        ),
        (
            [("images: 500}", "images: 500, also: [{name: synthetic_faces}]}")],
            "FILE:3: dataset.also.0: a second data set is called synthetic_faces: give it a label of its own",
        ),
    ],
)
def test_what_sections_ask_of_each_other_in_vain(
    write: Write, changes: list[tuple[str, str]], message: str
) -> None:
    assert complaint(write(changed(*changes))) == message


def test_companions_get_the_defaults_of_their_data_set_and_no_root_in_the_hash(write: Write) -> None:
    also = "images: 500, also: [{{name: synthetic_faces, label: others, use: test, seed: 4{}}}]}}"
    here, there = (
        load_study(write(changed(("images: 500}", also.format(root))))) for root in ("", ", root: /elsewhere")
    )
    companion = there.dataset.also[0]
    assert (companion.name, companion.use, companion.root) == ("synthetic_faces", "test", "/elsewhere")
    assert companion.options["seed"] == 4
    assert companion.options["subjects"] == 150
    assert here.hash == there.hash


def test_references_are_no_part_of_the_hash(write: Write) -> None:
    reference = (
        "references: [{label: Somebody, dataset: raf_db, metric: accuracy, value: 0.9, split: test, "
        "source: a paper, verified: true}]\n"
    )
    assert load_study(write(STUDY)).hash == load_study(write(STUDY + reference)).hash
