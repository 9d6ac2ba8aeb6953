"""FER2013 in its two CSV forms and as folders, and what is said of damaged copies."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from search import catalog
from search.errors import DatasetError
from search.tasks import EKMAN_NEUTRAL
from tests.make_datasets import make_fer2013, make_fer2013_folders, make_icml_fer2013

load = catalog.dataset("fer2013")

FORMS = {"fer2013.csv": make_fer2013, "icml_face_data.csv": make_icml_fer2013}
BY_FOLDER = {"angry": 0, "disgust": 1, "fear": 2, "happy": 3, "neutral": 6, "sad": 4, "surprise": 5}

forms = pytest.mark.parametrize(("name", "make"), FORMS.items(), ids=FORMS)


def change(file: Path, line: int, edit: Callable[[str], str]) -> None:
    """Edits one line of a file, counted from 1."""
    lines = file.read_text().split("\n")
    lines[line - 1] = edit(lines[line - 1])
    file.write_text("\n".join(lines))


def cell(file: Path, line: int, column: str) -> str:
    lines = file.read_text().split("\n")
    return lines[line - 1].split(",")[[name.strip() for name in lines[0].split(",")].index(column)]


@forms
def test_usage_splits_the_rows_of_a_table(tmp_path, name, make):
    splits = load(make(tmp_path, train=3, test=2))
    assert splits.classes == EKMAN_NEUTRAL
    assert [len(split.items) for split in splits.named().values()] == [21, 14, 14]
    assert splits.validation.items[0] == "fer0000021"
    assert splits.test.items[-1] == "fer0000048"
    labels = [label for split in splits.named().values() for label in split.labels().tolist()]
    assert labels == [int(cell(tmp_path / name, line, "emotion")) for line in range(2, 51)]


@forms
def test_the_pixels_are_those_of_the_row_in_three_equal_channels(tmp_path, name, make):
    splits = load(make(tmp_path, train=1, test=1))
    pixels, reasons = splits.validation.images.decode(np.array([4, 0]), 48)
    assert not reasons
    for position, line in enumerate((2 + 7 + 4, 2 + 7)):
        grey = np.array(cell(tmp_path / name, line, "pixels").split(), np.uint8).reshape(48, 48)
        assert (pixels[position] == grey[..., None]).all()
    smaller, _ = splits.validation.images.decode(np.array([4]), 16)
    expected = Image.fromarray(pixels[0]).resize((16, 16), Image.Resampling.BILINEAR)
    assert (smaller[0] == np.asarray(expected)).all()


def test_both_tables_are_the_same_data(tmp_path):
    make_icml_fer2013(tmp_path, train=2, test=1)
    fingerprint = load(tmp_path).fingerprint()
    make_fer2013(tmp_path, train=2, test=1)
    assert load(tmp_path).fingerprint() == fingerprint
    change(tmp_path / "fer2013.csv", 5, lambda text: text.replace(" ", " 0", 1))
    assert load(tmp_path).fingerprint() != fingerprint


@forms
def test_a_byte_order_mark_blanks_quotes_and_windows_line_ends_change_nothing(tmp_path, name, make):
    fingerprint = load(make(tmp_path, train=2, test=1)).fingerprint()
    lines = (tmp_path / name).read_text().split("\n")
    header = ",".join(f" {column.strip()}  " for column in lines[0].split(","))
    rows = [",".join(f'"{cell}"' for cell in line.split(",")) if line else "" for line in lines[1:]]
    (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + "\r\n".join([header, *rows, "", ""]).encode())
    assert load(tmp_path).fingerprint() == fingerprint


def test_the_table_may_lie_in_the_folder_of_the_archive(tmp_path):
    make_fer2013(tmp_path / "fer2013", train=1, test=1)
    assert load(tmp_path).fingerprint() == load(tmp_path / "fer2013").fingerprint()


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (lambda pixels: pixels.rsplit(" ", 1)[0], "holds 2303 pixel values, not 2304"),
        (lambda pixels: pixels + " 0", "holds 2305 pixel values, not 2304"),
        (lambda pixels: "", "holds 0 pixel values, not 2304"),
        *[
            (
                lambda pixels, value=value: value + " " + pixels.split(" ", 1)[1],
                "holds a pixel value that is not a whole number from 0 to 255",
            )
            for value in ("256", "-1", "0.5", "x", "9" * 30, "\ufffd")
        ],
    ],
)
@forms
def test_a_row_with_malformed_pixels_is_unreadable_by_name(tmp_path, name, make, edit, reason):
    make(tmp_path, train=1, test=1)
    pixels = cell(tmp_path / name, 4, "pixels")
    change(tmp_path / name, 4, lambda line: line.replace(pixels, edit(pixels)))
    train = load(tmp_path).train
    decoded, reasons = train.images.decode(np.arange(7), 24)
    assert reasons == {2: reason}
    assert not decoded[2].any()
    assert decoded[3].any()
    assert train.items[2] == "fer0000002"


def test_a_truncated_last_row_is_refused_where_its_usage_is_lost(tmp_path):
    file = make_fer2013(tmp_path, train=1, test=1) / "fer2013.csv"
    file.write_text(file.read_text()[:-200])
    with pytest.raises(DatasetError, match=r"fer2013.csv:22: the row ends before its Usage: .* cut short"):
        load(tmp_path)
    file.write_text(make_fer2013(tmp_path, train=1, test=1).joinpath("fer2013.csv").read_text()[:-4])
    with pytest.raises(
        DatasetError, match=r"fer2013.csv:22: the Usage 'PrivateT' is none of Training, PublicTest"
    ):
        load(tmp_path)


def test_a_truncated_last_row_is_unreadable_where_its_usage_is_known(tmp_path):
    file = make_icml_fer2013(tmp_path, train=1, test=1) / "icml_face_data.csv"
    file.write_text(file.read_text()[:-200])
    _, reasons = load(tmp_path).test.images.decode(np.arange(7), 48)
    assert list(reasons) == [6]
    assert "pixel values, not 2304" in reasons[6]


@pytest.mark.parametrize("code", ["7", "-1", "", "happy", "x" * 5000])
@forms
def test_an_unknown_emotion_is_named_with_its_line(tmp_path, name, make, code):
    make(tmp_path, train=1, test=1)
    change(tmp_path / name, 3, lambda line: code + line[1:])
    with pytest.raises(DatasetError, match=rf"{name}:3: the emotion '.*' is not a code from 0 \(anger\)") as error:
        load(tmp_path)
    assert len(str(error.value)) < 300 + len(str(tmp_path))


@pytest.mark.parametrize("header", ["emotion,pixels", "label,feature", "", "0,70 80 82,Training"])
def test_other_columns_are_named(tmp_path, header):
    make_fer2013(tmp_path, train=1, test=1)
    change(tmp_path / "fer2013.csv", 1, lambda _: header)
    with pytest.raises(DatasetError, match=r"fer2013.csv:1: .* not the columns emotion, pixels, Usage"):
        load(tmp_path)


def test_a_table_without_training_rows_is_refused(tmp_path):
    with pytest.raises(DatasetError, match="no row of Usage Training"):
        load(make_fer2013(tmp_path, train=0, test=1))


def test_a_table_without_tests_has_no_such_splits(tmp_path):
    splits = load(make_fer2013(tmp_path, train=1, test=0))
    assert (splits.validation, splits.test) == (None, None)


@pytest.mark.parametrize("inner", ["", "fer2013"])
def test_the_folders_have_names_for_classes_and_no_validation(tmp_path, inner):
    make_fer2013_folders(tmp_path / inner, train=3, test=2)
    splits = load(tmp_path)
    assert splits.classes == EKMAN_NEUTRAL
    assert splits.validation is None
    assert (len(splits.train.items), len(splits.test.items)) == (21, 14)
    for split in (splits.train, splits.test):
        assert split.labels().tolist() == [BY_FOLDER[Path(item).parent.name] for item in split.items]
        pixels, reasons = split.images.decode(np.arange(len(split.items)), 48)
        assert not reasons
        assert (pixels == pixels[..., :1]).all()


def test_folders_without_a_test_have_no_such_split(tmp_path):
    assert load(make_fer2013_folders(tmp_path, train=1, test=0)).test is None


def test_hidden_files_are_no_images_and_a_damaged_one_is_unreadable(tmp_path):
    make_fer2013_folders(tmp_path, train=1, test=1)
    (tmp_path / "train" / ".ipynb_checkpoints").mkdir()
    (tmp_path / "train" / "angry" / "._Training_9.jpg").write_bytes(b"x")
    (tmp_path / "train" / "angry" / "Thumbs.db").write_bytes(b"x")
    file = next((tmp_path / "train" / "disgust").iterdir())
    file.write_bytes(file.read_bytes()[:100])
    train = load(tmp_path).train
    _, reasons = train.images.decode(np.arange(7), 48)
    assert [train.items[index] for index in reasons] == [str(file.relative_to(tmp_path))]


def test_other_class_folders_are_named(tmp_path):
    make_fer2013_folders(tmp_path, train=1, test=1)
    (tmp_path / "test" / "happy").rename(tmp_path / "test" / "joy")
    with pytest.raises(DatasetError, match=r"test should hold the folders angry, .*missing: happy, joy"):
        load(tmp_path)
    (tmp_path / "test" / "joy").rename(tmp_path / "test" / "happy")
    next((tmp_path / "train" / "sad").iterdir()).unlink()
    with pytest.raises(DatasetError, match=r"train/sad holds no image \(.jpeg, .jpg, .png\)"):
        load(tmp_path)


def test_no_form_says_what_was_looked_for(tmp_path):
    message = r"no FER2013 under .*: looked for fer2013.csv and icml_face_data.csv, and .* train/angry to"
    with pytest.raises(DatasetError, match=message):
        load(tmp_path)
    with pytest.raises(DatasetError, match=message):
        load(tmp_path / "nowhere")
