"""The declaration: a YAML file becomes a frozen, validated, hashed `StudyDefinition`."""

from search.study.definition import StudyDefinition
from search.study.files import load_study, preset_names

__all__ = ["StudyDefinition", "load_study", "preset_names"]
