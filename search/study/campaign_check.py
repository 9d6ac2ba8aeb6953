"""Whether the study of a campaign's step holds with what is fixed in it.

What the steps before it will find is not known beforehand: a value that they might find stands for it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from search.errors import Problem
from search.study.campaign import Step, section_of
from search.study.definition import StudyDefinition
from search.study.messages import Finding
from search.study.yaml_source import KeyPath, Located, Scalar, dotted

LEAST_SEEDS = 2  # a single run can't be told from its luck


@dataclass(frozen=True)
class Given:
    """What is fixed under one name, or may be. path: where in the campaign's file that is said."""

    value: Scalar
    path: KeyPath


def check(
    step: Step, tree: Located, overlays: Sequence[KeyPath], given: Mapping[str, Given]
) -> tuple[StudyDefinition | None, list[Problem]]:
    """The step's study with what is given, None where it does not hold; and what is wrong.

    tree: the campaign's file. overlays: where in it stand the sections that lie over the study, the lowest first.
    """
    values = {name: each.value for name, each in given.items()}
    study, findings = step.validated(values)
    here = {name: given[name] for name in step.fixed(values)}
    placed = [_placed(step, tree, overlays, here, finding) for finding in [*findings, *_too_few_seeds(study)]]
    problems = [Problem(tree.line_of(path), dotted(path), message) for path, message in placed]
    return study, [*problems, *_fixed_twice(step, tree, overlays, here)]


def value_at(tree: Located, path: KeyPath) -> Located | None:
    """The value at a path of keys, where there is one."""
    for key in path:
        if not isinstance(tree.value, dict) or str(key) not in tree.value:
            return None
        tree = tree.value[str(key)]
    return tree


def _too_few_seeds(study: StudyDefinition | None) -> Iterator[Finding]:
    if study and study.confirm.seeds < LEAST_SEEDS:
        yield (
            ("confirm", "seeds"),
            f"a campaign goes on from what fresh runs show: give at least {LEAST_SEEDS}",
        )


def _fixed_twice(
    step: Step, tree: Located, overlays: Sequence[KeyPath], given: Mapping[str, Given]
) -> Iterator[Problem]:
    """What an overlay fixes that the campaign fixes, too."""
    for name, each in given.items():
        for overlay in overlays:
            path = (*overlay, section_of(name), name)
            if value_at(tree, path):
                other = f"{dotted(each.path)} on line {tree.line_of(each.path)}"
                yield Problem(
                    tree.line_of(path),
                    dotted(path),
                    f"also fixed in step {step.name} by {other}; keep one of the two",
                )


def _placed(
    step: Step, tree: Located, overlays: Sequence[KeyPath], given: Mapping[str, Given], finding: Finding
) -> Finding:
    """Where in the campaign's file a finding about the step's study belongs, and how it reads there."""
    key, message = finding
    if key == ("name",):
        return ("steps", step.name), f"its study would be named {step.study!r}: {message}"
    name = str(key[1]) if len(key) > 1 else ""
    if name in given and key[0] == section_of(name):
        return given[name].path, f"step {step.name}: {message}"
    for overlay in reversed(overlays):
        if value_at(tree, (*overlay, *key[:2])):
            return (*overlay, *key), message
    return ("steps", step.name), f"{dotted(key)}: {message}"
