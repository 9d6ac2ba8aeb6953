"""What a protection is: a text that can be taken out of the service, and the tests that must then fail."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Edit:
    """`old` stands once in `file`, and gives way to `new`."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Protection:
    """What is taken out, by which edits, and the tests that prove it: pytest node ids."""

    name: str
    edits: tuple[Edit, ...]
    tests: tuple[str, ...]


def protection(name: str, file: str, old: str, new: str, *tests: str) -> Protection:
    """One that a single edit takes out."""
    return Protection(name, (Edit(file, old, new),), tests)
