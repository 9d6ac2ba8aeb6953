from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from search.data import Target
from search.errors import DatasetError
from search.tasks import Task
from search.training.batches import Alternating, Batch, Batches, Pooled, Sampled, Windows
from search.training.cache import CachedSplit
from search.training.heads import Head, labels

CPU = torch.device("cpu")
CLASSES = ("zero", "one", "two")


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


def batches_of(split: CachedSplit, name: str = "training") -> Batches:
    head = Head("expression", Task.EXPRESSION, CLASSES, 0)
    return Batches(name, split, labels(split, CLASSES, (head,), 3), CPU)


def indices(batch: Batch) -> list[int]:
    return batch.inputs[:, 0, 0, 0].tolist()


def classes(batch: Batch) -> list[int]:
    return batch.values.argmax(dim=1).tolist()


def test_in_order_hands_out_every_labelled_image_once(split: CachedSplit) -> None:
    batches = list(batches_of(split).in_order(4))
    assert [indices(batch) for _, batch in batches] == [[0, 1, 2, 4], [5, 6, 8, 9], [10]]
    assert [positions.tolist() for positions, _ in batches] == [[0, 1, 2, 3], [4, 5, 6, 7], [8]]
    for _, batch in batches:
        assert batch.inputs.dtype == torch.uint8
        assert batch.inputs.shape[1:] == (3, 4, 4)
        assert batch.inputs.is_contiguous(memory_format=torch.channels_last)
        assert batch.mask.all()
        assert classes(batch) == [index % 3 for index in indices(batch)]


def test_shuffled_drops_the_short_batch_and_depends_on_the_seed_alone(split: CachedSplit) -> None:
    batches = batches_of(split)
    first = [indices(batch) for batch in batches.shuffled(4, seed=1)]
    torch.manual_seed(99)
    again = [indices(batch) for batch in batches.shuffled(4, seed=1)]
    other = [indices(batch) for batch in batches.shuffled(4, seed=2)]
    assert [len(batch) for batch in first] == [4, 4]
    assert len({index for batch in first for index in batch} - {3, 7}) == 8
    assert first == again != other


def test_shuffled_labels_stay_with_their_images(split: CachedSplit) -> None:
    for batch in batches_of(split).shuffled(3, seed=5):
        assert classes(batch) == [index % 3 for index in indices(batch)]


def test_pixels_are_mapped_not_copied(split: CachedSplit) -> None:
    assert batches_of(split)._pixels.data_ptr() == split.images.ctypes.data


def test_a_split_without_labels_is_refused_by_name(split: CachedSplit) -> None:
    nothing = {Task.EXPRESSION: Target(np.zeros(11, np.int64), np.zeros(11, np.bool_))}
    with pytest.raises(DatasetError, match="no item of the validation split has a label"):
        batches_of(replace(split, targets=nothing), "validation")


def sequences(lengths: tuple[int, ...], file: Path) -> CachedSplit:
    """Vectors of two numbers: the sequence and the frame, from 1; frames 3, 6 and so on have no label."""
    groups = np.repeat(np.arange(len(lengths)), lengths)
    frames = np.concatenate([np.arange(1, length + 1) for length in lengths])
    vectors = np.memmap(file, np.float16, "w+", shape=(len(groups), 2))
    vectors[:] = np.stack([groups, frames], axis=1)
    values = np.stack([frames / 100, -frames / 100], axis=1).astype(np.float32)
    return CachedSplit(
        images=np.empty((len(groups), 1, 1, 3), np.uint8),
        targets={Task.VALENCE_AROUSAL: Target(values, frames % 3 > 0)},
        items=tuple(f"{group}/{frame}" for group, frame in zip(groups, frames, strict=True)),
        groups=groups,
        vectors=vectors,
    )


def windows_of(split: CachedSplit, window: int = 4, hop: int = 3) -> Windows:
    head = Head("valence_arousal", Task.VALENCE_AROUSAL, ("valence", "arousal"), 0)
    return Windows("training", split, labels(split, (), (head,), 2), CPU, window=window, hop=hop)


def test_windows_cover_every_sequence_and_cross_none(tmp_path: Path) -> None:
    windows = windows_of(sequences((9, 4, 2), tmp_path / "vectors"))
    seen = windows.gather(torch.arange(len(windows))).inputs
    assert seen.tolist() == [
        [[0, 1], [0, 2], [0, 3], [0, 4]],
        [[0, 4], [0, 5], [0, 6], [0, 7]],
        [[0, 6], [0, 7], [0, 8], [0, 9]],  # the last one ends with its sequence
        [[1, 1], [1, 2], [1, 3], [1, 4]],
        [[2, 1], [2, 2], [0, 0], [0, 0]],  # padded
    ]


def test_frames_without_a_label_and_padding_are_masked(tmp_path: Path) -> None:
    windows = windows_of(sequences((9, 4, 2), tmp_path / "vectors"))
    batch = windows.gather(torch.arange(len(windows)))
    frames = batch.inputs[..., 1]
    assert torch.equal(batch.mask[..., 0], (frames > 0) & (frames % 3 > 0))
    assert torch.equal(batch.mask[..., 1], batch.mask[..., 0])
    said = torch.where(batch.mask, batch.values, 0)
    expected = torch.stack([frames, -frames], dim=-1) / 100 * batch.mask
    torch.testing.assert_close(said, expected)


def test_sequences_in_order_are_whole(tmp_path: Path) -> None:
    split = sequences((9, 4, 2), tmp_path / "vectors")
    seen = list(windows_of(split).in_order(8))
    assert [batch.inputs.shape for _, batch in seen] == [(1, 9, 2), (1, 4, 2), (1, 2, 2)]
    assert torch.cat([positions for positions, _ in seen]).tolist() == list(range(15))
    assert torch.equal(
        torch.cat([batch.inputs[0] for _, batch in seen]), torch.tensor(np.array(split.vectors)).float()
    )


def test_shuffled_windows_depend_on_the_seed_alone(tmp_path: Path) -> None:
    windows = windows_of(sequences((40, 40), tmp_path / "vectors"))
    first, again, other = (torch.cat([batch.inputs for batch in windows.shuffled(8, seed)]) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert len(first) == len(windows) // 8 * 8


def test_sequences_must_be_told_apart(tmp_path: Path) -> None:
    split = replace(sequences((9, 4), tmp_path / "vectors"), groups=None)
    with pytest.raises(DatasetError, match="which sequence it belongs to"):
        windows_of(split)


def test_pooled_batches_hold_items_of_all_data_sets(split: CachedSplit) -> None:
    pooled = Pooled([batches_of(split), batches_of(split)])
    seen = [index for batch in pooled.shuffled(6, seed=0) for index in indices(batch)]
    assert len(seen) == 18
    assert sorted(seen) == sorted([index for index in range(11) if index not in (3, 7)] * 2)
    for batch in pooled.shuffled(6, seed=0):
        assert classes(batch) == [index % 3 for index in indices(batch)]


def test_alternating_batches_are_each_of_one_data_set_and_small_sets_start_over(split: CachedSplit) -> None:
    few = replace(split, images=split.images[:5] + 100, items=split.items[:5], targets=first(split, 5))
    alternating = Alternating([batches_of(split), batches_of(few)])
    batches = [indices(batch) for batch in alternating.shuffled(2, seed=0)]
    assert len(batches) == (9 + 4) // 2
    assert [min(batch) >= 100 for batch in batches] == [False, True, False, True, False, True]
    assert [max(batch) >= 100 for batch in batches] == [False, True, False, True, False, True]
    assert sorted(batches[1] + batches[3]) == [100, 101, 102, 104]


def test_a_balanced_epoch_has_as_many_items_and_draws_rare_classes_more_often(split: CachedSplit) -> None:
    labels = torch.tensor([0, 0, 0, 0, 0, 0, 0, 1, -1])
    sampled = Sampled(batches_of(split), labels, "balanced", 0)
    seen = [index for seed in range(100) for batch in sampled.shuffled(4, seed) for index in indices(batch)]
    assert len(sampled) == 8
    assert len(seen) == 800
    assert 10 not in seen  # has no class
    assert 300 < seen.count(9) < 500  # alone in its class


def test_a_subset_shows_few_of_each_class_the_same_in_every_epoch(split: CachedSplit) -> None:
    labels = torch.tensor([0, 0, 0, 0, 1, 1, 1, 2, 2])
    sampled = Sampled(batches_of(split), labels, "subset", 0)
    shown = [[index for batch in sampled.shuffled(3, seed) for index in indices(batch)] for seed in range(9)]
    assert len(sampled) == len(shown[0]) == 6
    assert len({tuple(order) for order in shown}) > 1
    assert len({tuple(sorted(order)) for order in shown}) == 1
    assert {9, 10} < set(shown[0])  # the two of the rarest class
    for batch in sampled.shuffled(3, seed=1):
        assert classes(batch) == [index % 3 for index in indices(batch)]


def test_sampling_needs_a_class(split: CachedSplit) -> None:
    with pytest.raises(DatasetError, match="class_sampling balanced needs expressions"):
        Sampled(batches_of(split), torch.full((9,), -1), "balanced", 0)


def first(split: CachedSplit, count: int) -> dict[Task, Target]:
    target = split.targets[Task.EXPRESSION]
    return {Task.EXPRESSION: Target(target.values[:count], target.mask[:count])}
