"""Models, data sets, studies and campaigns by file name; the only importer of plug-ins.

The file name is the registry: `models/NAME.py` defines `build`, `datasets/NAME.py` defines `load` and `ABOUT`,
`studies/NAME.yaml` is a study, and `studies/NAME.campaign.yaml` a chain of them. Adding one is adding a file.
"""

import importlib
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, create_model

from search import plugin_folder
from search.data import About
from search.errors import DatasetError, UnknownName

Kind = Literal["models", "datasets", "studies", "campaigns"]

# What the service gives to a model's `build` that names it: the columns of its output; how many of them each head
# takes, in order; the side of its images; and how many columns each kind of feature takes in its input vectors.
GIVEN = ("outputs", "columns", "image_size", "features")

CAMPAIGN_SUFFIX = ".campaign.yaml"

_FOLDER: dict[Kind, str] = {
    "models": "models",
    "datasets": "datasets",
    "studies": "studies",
    "campaigns": "studies",
}
_SUFFIX: dict[Kind, str] = {
    "models": ".py",
    "datasets": ".py",
    "studies": ".yaml",
    "campaigns": CAMPAIGN_SUFFIX,
}
_SINGULAR: dict[Kind, str] = {
    "models": "model",
    "datasets": "data set",
    "studies": "study",
    "campaigns": "campaign",
}


def names(kind: Kind) -> list[str]:
    """The names there are, sorted."""
    files = plugin_folder(_FOLDER[kind]).glob(f"[!_.]*{_SUFFIX[kind]}")
    stems = (path.name.removesuffix(_SUFFIX[kind]) for path in files)
    return sorted(stem for stem in stems if "." not in stem)  # `clsfer.campaign` is no study


def model(name: str) -> Callable[..., Any]:
    """`build(...) -> torch.nn.Module` of `models/NAME.py`, which may ask for what is `GIVEN`.

    The module maps float images (B, 3, image_size, image_size) to (B, outputs), or vectors (B, T, D) of sequences
    to (B, T, outputs). While it trains it may return a scalar penalty beside that. Raises UnknownName.
    """
    return _function("models", name, "build")


def features(name: str) -> Callable[..., Any]:
    """`features(*, image_size, ...) -> torch.nn.Module` of `models/NAME.py`.

    The module maps float images (B, 3, image_size, image_size) to vectors (B, D). Raises UnknownName where there
    is no such model, or it defines none.
    """
    having = [
        name for name in names("models") if hasattr(importlib.import_module(f"search.models.{name}"), "features")
    ]
    if name not in having:
        raise UnknownName(f"no model named {name!r} gives features; there are: {', '.join(having)}.")
    return _function("models", name, "features")


def dataset(name: str) -> Callable[..., Any]:
    """`load(root, ...) -> search.data.Splits` of `datasets/NAME.py`. Raises UnknownName."""
    return _function("datasets", name, "load")


def about(name: str) -> About:
    """What `datasets/NAME.py` says of itself. Raises UnknownName, or DatasetError where it says nothing."""
    _path("datasets", name)
    found: About | None = getattr(importlib.import_module(f"search.datasets.{name}"), "ABOUT", None)
    if found is None:
        raise DatasetError(
            f"datasets/{name}.py has no ABOUT: give it one, `ABOUT = About(summary=..., terms=..., access=...)` "
            "of search.data, which says what it is, what one may do with it, and how one gets it."
        )
    return found


def study_path(name: str) -> Path:
    """The file of a study that ships with the service. Raises UnknownName."""
    return _path("studies", name)


def campaign_path(name: str) -> Path:
    """The file of a campaign that ships with the service. Raises UnknownName."""
    return _path("campaigns", name)


def mapping_names() -> list[str]:
    """The mapping files that ship with the service, which say how to read somebody's results, sorted."""
    return sorted(path.stem for path in _mappings().glob("*.yaml"))


def mapping_path(name: str) -> Path:
    """The mapping file of that name. Raises UnknownName."""
    if name not in mapping_names():
        raise UnknownName(
            f"no mapping is named {name!r}: write one and give its path with --mapping; "
            f"there are: {', '.join(mapping_names())}."
        )
    return _mappings() / f"{name}.yaml"


def _mappings() -> Path:
    return plugin_folder("studies") / "imports"


def arguments(function: Callable[..., Any], given: tuple[str, ...]) -> type[BaseModel]:
    """A pydantic model of a plug-in function's keyword arguments, apart from those the service itself gives.

    Unknown arguments are refused, types and Literal choices are checked, defaults are the function's own.
    """
    fields: dict[str, Any] = {}
    for parameter in inspect.signature(function, eval_str=True).parameters.values():
        if parameter.name in given:
            continue
        default = ... if parameter.default is inspect.Parameter.empty else parameter.default
        fields[parameter.name] = (parameter.annotation, default)
    return create_model("Arguments", __config__=ConfigDict(extra="forbid", frozen=True), **fields)


def _function(kind: Kind, name: str, function: str) -> Callable[..., Any]:
    _path(kind, name)
    found: Callable[..., Any] | None = getattr(importlib.import_module(f"search.{kind}.{name}"), function, None)
    if found is None:
        raise UnknownName(f"{kind}/{name}.py can't be used for that: it defines no `{function}`.")
    return found


def _path(kind: Kind, name: str) -> Path:
    if name not in names(kind):
        raise UnknownName(f"no {_SINGULAR[kind]} is named {name!r}; there are: {', '.join(names(kind))}.")
    return plugin_folder(_FOLDER[kind]) / f"{name}{_SUFFIX[kind]}"
