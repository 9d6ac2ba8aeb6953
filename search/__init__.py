"""Hyperparameter search for facial-expression and affect models, with conclusions you can trust.

The plug-in folders `models/`, `datasets/` and `studies/` stand beside this package in a checkout and inside it
in a wheel; either way they are reached as `search.models`, `search.datasets` and `search.studies`, and only
through `search.catalog`.
"""

import sys
from pathlib import Path
from types import ModuleType

__version__ = "0.1.0"

PLUGIN_FOLDERS = ("models", "datasets", "studies")


def plugin_folder(name: str) -> Path:
    """The folder that holds the plug-ins of one kind: inside the package (wheel) or beside it (checkout)."""
    inside = Path(__file__).parent / name
    return inside if inside.is_dir() else inside.parent.parent / name


def _mount(name: str) -> None:
    module = ModuleType(f"{__name__}.{name}")
    module.__path__ = [str(plugin_folder(name))]
    sys.modules[module.__name__] = module


for _folder in PLUGIN_FOLDERS:
    _mount(_folder)
