from pathlib import Path

import numpy as np
import pytest
import torch

from search.data import Target
from search.errors import DatasetError
from search.tasks import Task
from search.training.batches import Batches
from search.training.cache import CachedSplit

CPU = torch.device("cpu")


@pytest.fixture
def split(tmp_path: Path) -> CachedSplit:
    """Eleven images of 4 px whose pixels all equal their index; items 3 and 7 carry no label."""
    images = np.memmap(tmp_path / "pixels", dtype=np.uint8, mode="w+", shape=(11, 4, 4, 3))
    images[:] = np.arange(11, dtype=np.uint8)[:, None, None, None]
    images.flush()
    labels = np.arange(11, dtype=np.int64) % 3
    mask = ~np.isin(np.arange(11), (3, 7))
    return CachedSplit(
        images=np.memmap(tmp_path / "pixels", dtype=np.uint8, mode="r", shape=(11, 4, 4, 3)),
        targets={Task.EXPRESSION: Target(labels, mask)},
        items=tuple(str(index) for index in range(11)),
        groups=None,
    )


def indices(batch: tuple[torch.Tensor, torch.Tensor]) -> list[int]:
    return batch[0][:, 0, 0, 0].tolist()


def test_in_order_hands_out_every_labelled_image_once(split: CachedSplit) -> None:
    batches = list(Batches("training", split, CPU).in_order(4))
    assert [indices(batch) for batch in batches] == [[0, 1, 2, 4], [5, 6, 8, 9], [10]]
    for images, labels in batches:
        assert images.dtype == torch.uint8
        assert images.shape[1:] == (3, 4, 4)
        assert images.is_contiguous(memory_format=torch.channels_last)
        assert labels.tolist() == [index % 3 for index in indices((images, labels))]


def test_shuffled_drops_the_short_batch_and_depends_on_the_seed_alone(split: CachedSplit) -> None:
    batches = Batches("training", split, CPU)
    first = [indices(batch) for batch in batches.shuffled(4, seed=1)]
    torch.manual_seed(99)
    again = [indices(batch) for batch in batches.shuffled(4, seed=1)]
    other = [indices(batch) for batch in batches.shuffled(4, seed=2)]
    assert [len(batch) for batch in first] == [4, 4]
    assert len({index for batch in first for index in batch} - {3, 7}) == 8
    assert first == again != other


def test_shuffled_labels_stay_with_their_images(split: CachedSplit) -> None:
    for images, labels in Batches("training", split, CPU).shuffled(3, seed=5):
        assert labels.tolist() == [index % 3 for index in indices((images, labels))]


def test_pixels_are_mapped_not_copied(split: CachedSplit) -> None:
    assert Batches("training", split, CPU)._pixels.data_ptr() == split.images.ctypes.data


@pytest.mark.parametrize(
    "targets", [{}, {Task.EXPRESSION: Target(np.zeros(11, np.int64), np.zeros(11, np.bool_))}]
)
def test_a_split_without_labels_is_refused_by_name(split: CachedSplit, targets: dict[Task, Target]) -> None:
    bare = CachedSplit(split.images, targets, split.items, None)
    with pytest.raises(DatasetError, match="the validation split has no expression label"):
        Batches("validation", bare, CPU)
