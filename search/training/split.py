"""Carving a validation split from the training items: stratified, with what belongs together kept together."""

import warnings
from collections.abc import Sequence

import numpy as np
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.neighbors import radius_neighbors_graph

from search.data import Indices, Pixels
from search.errors import DatasetError

# In levels of 0 to 255. Measured on photographs of faces: copies saved again (JPEG quality 75 at 48 pixels, 30 at
# 150) or rescaled differ by less than 4, different people by more than 30; rendered aligned faces by more than 13.
NEAR = 4.0


def carve(
    labels: Indices, groups: Indices, *, classes: Sequence[str], share: float, seed: int
) -> tuple[Indices, Indices]:
    """Sorted indices of the training and of the validation items; the same for the same arguments.

    The items are dealt into `round(1 / share)` folds (scikit-learn's StratifiedGroupKFold), or as many as there
    are groups, or items of the largest class, where these are fewer. Of the folds that leave every class on both
    sides, the first of those nearest to the share in size is the validation split.

    labels: int64 (N,), indices into `classes`, or -1 for an item without a class.
    groups: int64 (N,); items of one group stay on one side.
    share: in (0, 0.5].

    Raises DatasetError naming the rarest class where not every class can be on both sides.
    """
    if not 0 < share <= 0.5:
        raise DatasetError(f"the validation share is {share:g}: give a share above 0 and at most 0.5.")
    demanded = np.unique(labels) if (labels == -1).all() else np.arange(len(classes))
    spread = [len(np.unique(groups[labels == label])) for label in demanded]
    if min(spread) >= 2:
        largest = int(np.unique(labels, return_counts=True)[1].max())
        count = min(round(1 / share), largest, len(np.unique(groups)))
        folds = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
        with warnings.catch_warnings():  # of classes with fewer items than folds: some fold will have them
            warnings.filterwarnings("ignore", "The least populated class", UserWarning)
            dealt: list[tuple[Indices, Indices]] = list(folds.split(labels, labels, groups))
        whole = [fold for fold in dealt if all(np.isin(demanded, labels[side]).all() for side in fold)]
        if whole:
            return min(whole, key=lambda fold: abs(len(fold[1]) - share * len(labels)))
    rarest = "in all" if demanded[0] == -1 else f"of class {classes[int(np.argmin(spread))]!r}"
    raise DatasetError(
        f"no validation split with every class in it can be carved from train: there are only {min(spread)} "
        f"separate images or subjects {rarest}. Add some, or give a validation split."
    )


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
    different, of_item = np.unique(images.reshape(len(images), -1), axis=0, return_inverse=True)
    radius = NEAR * different.shape[1] ** 0.5
    near = radius_neighbors_graph(different.astype(np.float32), radius).tocoo()
    first, first_group = len(items), len(items) + len(different)
    edges = [(items, first + of_item), (first + near.row, first + near.col)]
    if groups is not None:
        edges.append((items, first_group + np.unique(groups, return_inverse=True)[1]))
    rows, columns = (np.concatenate(ends) for ends in zip(*edges, strict=True))
    nodes = first_group + len(items)
    graph = coo_array((np.ones(len(rows), np.bool_), (rows, columns)), shape=(nodes, nodes))
    components: Indices = connected_components(graph, directed=False)[1].astype(np.int64)
    return components[: len(items)]
