"""Aff-Wild2 in the layouts of its releases, joined by number, and what is said of damaged copies."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from search import catalog
from search.data import Split, Splits
from search.errors import DatasetError
from search.tasks import ACTION_UNITS, EKMAN_NEUTRAL, Task
from tests.make_aff_wild2 import FOLDERS, UNITS, UNITS_2020, make_aff_wild2, make_mtl, make_sounds

WORDS = ("neutral", "anger", "disgust", "fear", "happiness", "sadness", "surprise")
RELEASES = (2020, 2021, 2022, 2024)

Said = dict[str, dict[str, list[float]]]  # item -> annotation -> the numbers of its line


def load(root: Path, **options: Any) -> Splits:
    found: Splits = catalog.dataset("aff_wild2")(root, **options)
    return found


def written(root: Path, release: int, side: str) -> Said:
    """What the files say, line by line, of each frame that has an image."""
    place, names = FOLDERS[release]
    said: Said = {}
    for annotation, name in names.items():
        for file in (root / place / name).glob("Train*/*.txt" if side == "train" else "Validation_Set/*.txt"):
            for frame, line in enumerate(file.read_text().split("\n")[1:], start=1):
                if line and (root / "cropped_aligned" / file.stem / f"{frame:05d}.jpg").is_file():
                    cells = [float(cell) for cell in line.split(",")]
                    said.setdefault(f"{file.stem}/{frame:05d}.jpg", {})[annotation] = cells
    return said


def handed_over(split: Split) -> dict[str, dict[Task, list[Any]]]:
    """The labels that are not masked, by item and task."""
    labels: dict[str, dict[Task, list[Any]]] = {}
    for index, item in enumerate(split.items):
        labels[item] = {}
        for task, target in split.targets.items():
            mask = np.broadcast_to(target.mask[index], target.values[index].shape)
            if mask.any():
                labels[item][task] = np.where(mask, target.values[index].astype(float), -1).round(5).tolist()
    return labels


def meant(said: Said, units: tuple[int, ...]) -> dict[str, dict[Task, Any]]:
    """The same of what the files say, without the frames of which they say nothing."""
    labels: dict[str, dict[Task, Any]] = {}
    for item, lines in said.items():
        found: dict[Task, Any] = {}
        if "va" in lines and -5 not in lines["va"]:
            found[Task.VALENCE_AROUSAL] = [np.float32(value).astype(float).round(5) for value in lines["va"]]
        if "expr" in lines and 0 <= lines["expr"][0] < 7:
            found[Task.EXPRESSION] = EKMAN_NEUTRAL.index(WORDS[int(lines["expr"][0])])
        states = dict(zip(units, lines.get("au", []), strict=False))
        if any(states.get(unit, -1) >= 0 for unit in ACTION_UNITS):
            found[Task.ACTION_UNITS] = [int(states.get(unit, -1)) for unit in ACTION_UNITS]
        if found:
            labels[item] = found
    return labels


def tracks(split: Split | None) -> set[str]:
    assert split is not None
    return {item.split("/")[0] for item in split.items}


@pytest.mark.parametrize("release", RELEASES)
def test_every_line_is_joined_to_the_image_of_its_number(tmp_path: Path, release: Any) -> None:
    splits = load(make_aff_wild2(tmp_path, release))
    units = UNITS_2020 if release == 2020 else UNITS
    assert splits.classes == EKMAN_NEUTRAL
    assert splits.validation is not None
    assert splits.test is not None
    assert handed_over(splits.test) == meant(written(tmp_path, release, "held"), units)
    trained = meant(written(tmp_path, release, "train"), units)
    trained = {item: found for item, found in trained.items() if not item.startswith("video3/")}  # AU holds it out
    assert handed_over(splits.train) | handed_over(splits.validation) == trained
    assert "video1/00003.jpg" not in trained
    assert {"video1/00013.jpg", "video1/00001.jpg"} <= set(trained)


def test_items_are_in_order_of_time_within_a_track(tmp_path: Path) -> None:
    for split in load(make_aff_wild2(tmp_path)).named().values():
        assert list(split.items) == sorted(split.items)
        assert split.groups is not None
        of_track = dict(zip((item.split("/")[0] for item in split.items), split.groups.tolist(), strict=True))
        assert [of_track[item.split("/")[0]] for item in split.items] == split.groups.tolist()
        assert len(set(of_track.values())) == len(of_track)
        pixels, reasons = split.images.decode(np.arange(len(split.items)), 32)
        assert not reasons
        with Image.open(tmp_path / "cropped_aligned" / split.items[-1]) as image:
            assert (pixels[-1] == np.asarray(image)).all()


def test_no_video_is_on_two_sides(tmp_path: Path) -> None:
    splits = load(make_aff_wild2(tmp_path))
    sides = [{re.sub("_(left|right)$", "", track) for track in tracks(split)} for split in splits.named().values()]
    assert sorted(video for side in sides for video in side) == [
        "4-30-1920x1080",
        "video1",
        "video2",
        "video3",
        "video9",
    ]
    assert sides[2] == {"video3", "video9"}
    again = load(tmp_path)
    assert again.fingerprint() == splits.fingerprint()
    assert "1 training tracks are of videos that another set holds out; they are left out." in splits.notes


def test_a_held_out_video_is_tested_on_what_the_set_that_holds_it_says(tmp_path: Path) -> None:
    test = load(make_aff_wild2(tmp_path)).test
    assert test is not None
    rows = [index for index, item in enumerate(test.items) if item.startswith("video3/")]
    assert test.targets[Task.ACTION_UNITS].mask[rows].any()
    assert not test.targets[Task.EXPRESSION].mask[rows].any()


def test_only_the_annotations_asked_for_count(tmp_path: Path) -> None:
    make_aff_wild2(tmp_path, 2022)
    splits = load(tmp_path, annotations=("expr",))
    assert set(splits.train.targets) == {Task.EXPRESSION}
    assert all(split.targets[Task.EXPRESSION].mask.all() for split in splits.named().values())
    assert tracks(splits.test) == {"video9"}
    assert "video3" in tracks(splits.train) | tracks(splits.validation)


def test_the_published_protocol_validates_on_what_is_held_out(tmp_path: Path) -> None:
    held_out = load(make_aff_wild2(tmp_path))
    published = load(tmp_path, protocol="as_published")
    assert published.test is None
    assert published.validation is not None
    assert held_out.test is not None
    assert published.validation.items == held_out.test.items
    assert tracks(published.train) == tracks(held_out.train) | tracks(held_out.validation)


def test_what_was_left_out_is_counted(tmp_path: Path) -> None:
    make_aff_wild2(tmp_path, 2022)
    place, names = FOLDERS[2022]
    text = "".join(file.read_text() + "\n" for file in (tmp_path / place / names["expr"]).rglob("*.txt"))
    other = text.split("\n").count("7")
    (tmp_path / "cropped_aligned" / "4-30-1920x1080").rename(tmp_path / "moved")
    notes = load(tmp_path).notes
    assert f"{other} labels are Other, which is none of the seven expressions; they are masked." in notes
    assert "1 tracks have no image at all." in notes
    assert any("labelled frames have no image, because no face was found in them" in note for note in notes)
    # One beyond the 13 lines of AU in four tracks, two beyond the 12 of VA in video2_left.
    assert "6 images have no line in the annotations; they are left out." in notes


def test_a_set_that_is_not_there_is_noted_and_all_of_them_are_refused(tmp_path: Path) -> None:
    make_aff_wild2(tmp_path)
    (tmp_path / "annotations" / "AU_Set").rename(tmp_path / "elsewhere")
    splits = load(tmp_path)
    assert set(splits.train.targets) == {Task.VALENCE_AROUSAL, Task.EXPRESSION}
    assert "There is no AU_Set: none of its labels is known." in splits.notes
    with pytest.raises(
        DatasetError, match=r"no Aff-Wild2 annotations under .* for AU_Set, AU_Detection_Challenge"
    ):
        load(tmp_path, annotations=("au",))
    with pytest.raises(DatasetError, match="no Aff-Wild2 annotations under"):
        load(tmp_path / "nowhere")


def test_the_multi_task_form_holds_the_same_labels(tmp_path: Path) -> None:
    make_mtl(tmp_path)
    with pytest.raises(DatasetError, match="There is MTL_Challenge: give form 'mtl'"):
        load(tmp_path)
    splits = load(tmp_path, form="mtl")
    for split, name in ((splits.test, "validation"), (splits.train, "train"), (splits.validation, "train")):
        assert split is not None
        lines = (tmp_path / "annotations" / "MTL_Challenge" / f"{name}_set.txt").read_text().split("\n")[1:]
        said: Said = {}
        for item, *cells in (line.split(",") for line in lines):
            numbers = [float(cell) for cell in cells]
            if item.split("/")[0] in tracks(split) and item[-6:] not in ("03.jpg", "07.jpg"):
                said[item] = {"va": numbers[:2], "expr": numbers[2:3], "au": numbers[3:]}
        assert handed_over(split) == meant(said, UNITS)
        assert list(split.items) == sorted(split.items)
    only = load(tmp_path, form="mtl", annotations=("va",))
    assert only.train.targets[Task.VALENCE_AROUSAL].mask.all()


@pytest.mark.parametrize(
    ("annotation", "line", "text", "message"),
    [
        ("va", 1, "arousal,valence", "1: the header is 'arousal,valence', not 'valence,arousal'"),
        ("va", 1, "0.1,0.2", "1: the header is '0.1,0.2'"),
        ("va", 4, "0.1", "4: '0.1' is not a valence and an arousal"),
        ("va", 4, "", "4: '' is not a valence and an arousal"),
        ("va", 5, "0.1,1.2", "5: '0.1,1.2' is not a valence and an arousal, from -1 to 1 or -5"),
        ("va", 5, "0.1,nan", "5: '0.1,nan' is not a valence"),
        ("va", 6, "0.1,0.2,0.3", "6: '0.1,0.2,0.3' is not"),
        ("va", 13, "0.1,", "13: '0.1,' is not .* The file seems to be cut short: download it again"),
        ("expr", 1, "Anger,Neutral", "1: the header is 'Anger,Neutral', not 'Neutral,Anger,"),
        ("expr", 3, "7", "3: '7' is not the number of an expression from 0 to 6, or -1"),
        ("expr", 3, "1.5", "3: '1.5' is not the number"),
        ("expr", 3, "happy", "3: 'happy' is not the number"),
        ("au", 1, "AU1,AUX", "1: the header is 'AU1,AUX', not names of action units"),
        ("au", 3, "0,1,0,2,0,0,0,0,0,0,0,0", "3: '0,1,0,2,.* is not 12 action units of 0, 1 or -1"),
        ("au", 14, "0,1,0,", "14: '0,1,0,' is not 12 action units .* cut short"),
    ],
)
def test_a_malformed_line_is_named(tmp_path: Path, annotation: str, line: int, text: str, message: str) -> None:
    make_aff_wild2(tmp_path)
    file = tmp_path / "annotations" / FOLDERS[2021][1][annotation] / "Train_Set" / "4-30-1920x1080.txt"
    lines = file.read_text().split("\n")
    lines[line - 1] = text
    file.write_text("\n".join(lines))
    with pytest.raises(DatasetError, match=f"{re.escape(str(file))}:{message}"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("line", "text", "message"),
    [
        (
            1,
            "video1/00001.jpg,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0",
            "1: the header is 'video1/00001.jpg,.*not image,valence",
        ),
        (3, "video1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0", r"3: 'video1,0,0.* is not TRACK/00001\.jpg, valence, arousal"),
        (3, "video1/00001.jpg,0,0,0,0,0", "3: 'video1/00001.jpg,0,0,0,0,0' is not TRACK"),
        (
            3,
            "video1/00001.jpg,0,0,8,0,0,0,0,0,0,0,0,0,0,0,0",
            "3: .* is not the number of an expression from 0 to 7",
        ),
    ],
)
def test_a_malformed_line_of_the_multi_task_form_is_named(
    tmp_path: Path, line: int, text: str, message: str
) -> None:
    file = make_mtl(tmp_path) / "annotations" / "MTL_Challenge" / "train_set.txt"
    lines = file.read_text().split("\n")
    lines[line - 1] = text
    file.write_text("\n".join(lines))
    with pytest.raises(DatasetError, match=f"train_set.txt:{message}"):
        load(tmp_path, form="mtl")


def test_a_file_of_a_header_alone_is_not_whole(tmp_path: Path) -> None:
    make_aff_wild2(tmp_path)
    file = tmp_path / "annotations" / "VA_Set" / "Validation_Set" / "video9.txt"
    file.write_text("valence,arousal\n")
    with pytest.raises(DatasetError, match=r"video9.txt holds no line below a header"):
        load(tmp_path)


def test_missing_parts_are_named(tmp_path: Path) -> None:
    make_aff_wild2(tmp_path)
    (tmp_path / "cropped_aligned").rename(tmp_path / "frames")
    with pytest.raises(DatasetError, match=r"has an image: unpack them as .*cropped_aligned/TRACK/00001.jpg"):
        load(tmp_path)
    (tmp_path / "frames").rename(tmp_path / "cropped_aligned")
    (tmp_path / "more_annotations" / "VA_Set").mkdir(parents=True)
    with pytest.raises(DatasetError, match="the same annotations are there twice"):
        load(tmp_path)


def test_without_a_set_held_out_there_is_no_test_split(tmp_path: Path) -> None:
    make_aff_wild2(tmp_path)
    for name in ("VA_Set", "EXPR_Set", "AU_Set"):
        (tmp_path / "annotations" / name / "Validation_Set").rename(tmp_path / f"{name}_held")
    splits = load(tmp_path)
    assert splits.test is None
    assert splits.validation is not None
    with pytest.raises(DatasetError, match=r"no Validation_Set under .* which protocol 'as_published'"):
        load(tmp_path, protocol="as_published")
    (tmp_path / "annotations" / "VA_Set" / "Train_Set").rename(tmp_path / "train")
    with pytest.raises(DatasetError, match="have no track to train on"):
        load(tmp_path, annotations=("va",))


def test_a_single_training_video_is_left_whole(tmp_path: Path) -> None:
    make_aff_wild2(tmp_path)
    train = tmp_path / "annotations" / "VA_Set" / "Train_Set"
    for track in ("video1", "4-30-1920x1080"):
        (train / f"{track}.txt").unlink()
    splits = load(tmp_path, annotations=("va",))
    assert splits.validation is None
    assert tracks(splits.train) == {"video2_left", "video2_right"}
    for track in ("video2_left", "video2_right"):
        (train / f"{track}.txt").rename(train.parent / "Validation_Set" / f"{track}.txt")
    (train / "video2_left.txt").write_text("valence,arousal\n0.5,0.5\n")
    with pytest.raises(DatasetError, match="have no track to train on, of a video that none holds out"):
        load(tmp_path, annotations=("va",))


def test_sounds_are_those_of_the_video_at_the_time_of_the_frame(tmp_path: Path) -> None:
    make_aff_wild2(tmp_path)
    with pytest.raises(DatasetError, match=r"there is no .*audio, which sounds are read from: .* ffmpeg -i"):
        load(tmp_path, sounds=True)
    make_sounds(tmp_path, {"video1": 4, "video2": 4, "4-30-1920x1080": 4, "video9": 1}, {"video9": 10})
    splits = load(tmp_path, sounds=True)
    for split in splits.named().values():
        assert split.sounds is not None
        assert len(split.sounds) == len(split.items)
    test = splits.test
    assert test is not None
    assert test.sounds is not None
    heard = test.sounds.decode(np.arange(len(test.items)))
    loud = {item: bool(row.max() > 0.5) for item, row in zip(test.items, heard, strict=True)}
    # ten frames a second: the sound ends with frame 10, and video3 has none
    assert {
        item: int(item[-6:-4]) <= 10 for item in test.items if item.startswith("video9")
    }.items() <= loud.items()
    assert not any(loud[item] for item in test.items if item.startswith("video3"))
    assert "test: video3.wav: missing or unreadable, so that its frames are silent." in splits.notes
    assert "test: video9.wav: shorter than its video, so that the last frames are silent." in splits.notes
    assert splits.fingerprint() != load(tmp_path).fingerprint()


def test_data_check_tells_what_is_there(tmp_path: Path) -> None:
    make_aff_wild2(tmp_path)
    command = [sys.executable, "-m", "search", "data", "check", "aff_wild2", "--root", str(tmp_path), "--json"]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(ran.stdout)
    assert set(found["splits"]) == {"train", "validation", "test"}
    assert found["splits"]["test"]["groups"] == 2
    assert found["splits"]["test"]["unreadable"] == {}
    assert found["notes"]
    (tmp_path / "annotations" / "VA_Set" / "Train_Set" / "video1.txt").write_text("valence,arousal\n1\n")
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "video1.txt:2: '1' is not a valence and an arousal" in refused.stderr
    assert "Traceback" not in refused.stderr
