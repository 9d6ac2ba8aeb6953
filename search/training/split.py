"""Carving a validation split from the training items: stratified, with what belongs together kept together."""

import math
import warnings
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree
from sklearn.decomposition import PCA
from sklearn.model_selection import StratifiedGroupKFold

from search.data import Indices, Pixels
from search.errors import DatasetError

# In levels of 0 to 255. Measured on photographs of faces: copies saved again (JPEG quality 75 at 48 pixels, 30 at
# 150) or rescaled differ by less than 4, different people by more than 30; rendered aligned faces by more than 13.
NEAR = 4.0

AXES = 8  # principal axes of thumbnails by which pairs are sought
SAMPLE = 10_000  # thumbnails that the axes are fitted to, or that are projected at once
PAIRS = 4_000_000  # looked at in one portion: some 300 MB
PAIRS_AT_ONCE = 50_000  # compared at once


def carve(
    labels: Indices, groups: Indices, *, classes: Sequence[str], share: float, seed: int
) -> tuple[Indices, Indices]:
    """Sorted indices of the training and of the validation items; the same for the same arguments.

    The items are dealt into `round(1 / share)` folds (scikit-learn's StratifiedGroupKFold), or as many as there
    are groups, or items of the largest class, where these are fewer. Of the folds that leave every class on both
    sides, the first of those nearest to the share in size is the validation split. Where there is no such fold,
    the items are dealt into one fold fewer, and so on.

    labels: int64 (N,), indices into `classes`, or -1 for an item without a class.
    groups: int64 (N,); items of one group stay on one side.
    share: in (0, 0.5].

    Raises DatasetError, naming the rarest class, where not every class comes to be on both sides.
    """
    if not 0 < share <= 0.5:
        raise DatasetError(f"the validation share is {share:g}: give a share above 0 and at most 0.5.")
    demanded = np.unique(labels) if (labels == -1).all() else np.arange(len(classes))
    spread = [len(np.unique(groups[labels == label])) for label in demanded]
    rarest = "in all" if demanded[0] == -1 else f"of class {classes[int(np.argmin(spread))]!r}"
    refusal = "no validation split with every class in it can be carved from train: "
    if min(spread) < 2:
        raise DatasetError(
            f"{refusal}there are only {min(spread)} separate images or subjects {rarest}. Add some, or give a "
            "validation split."
        )
    largest = int(np.unique(labels, return_counts=True)[1].max())
    for count in range(min(round(1 / share), largest, len(np.unique(groups))), 1, -1):
        dealt = _dealt(labels, groups, count, seed)
        whole = [fold for fold in dealt if all(np.isin(demanded, labels[side]).all() for side in fold)]
        if whole:
            return min(whole, key=lambda fold: abs(len(fold[1]) - share * len(labels)))
    raise DatasetError(
        f"{refusal}images of one subject, and near-duplicates, stay together, and these leave some class on one "
        f"side only. The fewest, {min(spread)} separate images or subjects, are {rarest}: add some, or give a "
        "validation split."
    )


def _dealt(labels: Indices, groups: Indices, count: int, seed: int) -> list[tuple[Indices, Indices]]:
    """The items outside and inside of each of `count` folds."""
    with warnings.catch_warnings():  # of classes with fewer items than folds: some fold will have them
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        return list(_Dealer(count, shuffle=True, random_state=seed).split(labels, labels, groups))


def thumbnails(pixels: Pixels) -> Pixels:
    """uint8 (N, 8, 8, 3): every image averaged down, for `belonging_together`."""
    small = [Image.fromarray(image).resize((8, 8), Image.Resampling.BOX) for image in pixels]
    return np.array([np.asarray(image) for image in small], np.uint8).reshape(-1, 8, 8, 3)


def belonging_together(images: Pixels, groups: Indices | None) -> Indices:
    """int64 (N,): the group of each item once groups that share a near-duplicate are one.

    images: thumbnails; two whose root-mean-square difference is at most `NEAR` are near-duplicates.
    groups: (N,) as the data set knows them, or None for every item on its own.
    """
    # A graph of N items, then the different thumbnails, then the groups; what hangs together is one group.
    items = np.arange(len(images))
    flat = images.reshape(len(images), -1)
    # 64 bits: among a million different thumbnails, two have the same mark with a chance of 3 in 100 million.
    marks = np.array([int.from_bytes(blake2b(row.tobytes(), digest_size=8).digest()) for row in flat], np.uint64)
    _, first_rows, of_item = np.unique(marks, return_index=True, return_inverse=True)
    different = flat[first_rows]
    first, first_group = len(items), len(items) + len(different)
    edges = [(items, first + of_item), (first + np.arange(len(different)), first + _connected(different))]
    if groups is not None:
        edges.append((items, first_group + np.unique(groups, return_inverse=True)[1]))
    return _components(edges, first_group + len(items))[: len(items)]


def _connected(thumbnails: NDArray[np.uint8]) -> Indices:
    """int64 (M,): for each of the different thumbnails (M, F), the first of those that it hangs together with.

    Only thumbnails that are near one another on their principal axes are compared: projecting them there never
    lengthens a difference, so that no pair is missed, and a k-d tree finds them without looking at all pairs.
    The pairs are looked at in portions, for in a video without cuts every frame may be near every other one.
    """
    count, features = thumbnails.shape
    nodes = np.arange(count)
    if count == 1:
        return nodes
    axes = min(AXES, count // (count // SAMPLE + 1), features)
    principal = PCA(axes, svd_solver="covariance_eigh")
    principal.fit(thumbnails[:: count // SAMPLE + 1].astype(np.float32))  # any axes are right, these are fast
    places = np.concatenate(
        [principal.transform(block) for block in np.array_split(thumbnails, count // SAMPLE + 1)]
    )
    radius = NEAR * features**0.5
    tree = cKDTree(places)
    near = tree.query_ball_point(places, radius + 0.01, return_length=True, workers=-1)  # 0.01: float32 rounds
    paired = nodes[near > 1]  # the others are near themselves alone
    portions = np.cumsum(near[paired]) // PAIRS
    hanging = nodes
    for portion in np.unique(portions):
        chosen = paired[portions == portion]
        found = cKDTree(places[chosen]).sparse_distance_matrix(tree, radius + 0.01, output_type="ndarray")
        left, right = chosen[found["i"]], found["j"]
        is_new = (left < right) & (hanging[left] != hanging[right])
        left, right = left[is_new], right[is_new]
        is_near = np.concatenate(
            [
                np.square(thumbnails[left[block]].astype(np.int32) - thumbnails[right[block]]).sum(axis=1)
                <= radius**2
                for block in np.array_split(np.arange(len(left)), len(left) // PAIRS_AT_ONCE + 1)
            ]
        )
        labels = _components([(nodes, hanging), (left[is_near], right[is_near])], count)
        hanging = np.unique(labels, return_index=True)[1][labels]
    return hanging


def _components(edges: list[tuple[Indices, Indices]], nodes: int) -> Indices:
    """int64 (nodes,): the number of each node's component, counted in the order of their first nodes."""
    rows, columns = (np.concatenate(ends) for ends in zip(*edges, strict=True))
    graph = coo_array((np.ones(len(rows), np.bool_), (rows, columns)), shape=(nodes, nodes))
    components: Indices = connected_components(graph, directed=False)[1].astype(np.int64)
    return components


class _Dealer(StratifiedGroupKFold):  # type: ignore[misc]
    """scikit-learn's, weighing all folds at once: the same folds in a tenth of the time."""

    def _find_best_fold(
        self, y_counts_per_fold: NDArray[Any], y_cnt: NDArray[Any], group_y_counts: NDArray[Any]
    ) -> int:
        dealt = np.eye(self.n_splits)[:, :, None] * group_y_counts + y_counts_per_fold
        uneven = (dealt / y_cnt).std(axis=1).mean(axis=1).tolist()
        sizes = y_counts_per_fold.sum(axis=1).tolist()
        best, least, smallest = 0, math.inf, math.inf
        for fold, (value, size) in enumerate(zip(uneven, sizes, strict=True)):
            is_close = abs(value - least) <= 1e-8 + 1e-5 * least  # as numpy.isclose
            if value < least or (is_close and size < smallest):
                best, least, smallest = fold, value, size
        return best
