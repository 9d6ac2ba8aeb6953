"""Everything that can be wrong with a study, found in one go.

Sections are validated one by one, so that a slip in one does not hide those in another, and are then held against
each other and against what the plug-ins accept.
"""

import json
import math
from collections.abc import Callable, Iterator
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from search import catalog
from search.errors import UnknownName
from search.study import messages
from search.study.agreement import disagreements
from search.study.definition import PRUNERS, SAMPLERS, Hyperband, Median, StudyDefinition
from search.study.fitting import fit
from search.study.messages import Finding
from search.study.space import FORMS, GRID_EXAMPLE, Grid, Parameter, form
from search.study.yaml_source import KeyPath
from search.training.recipe import Knobs


def validate(data: dict[str, Any]) -> tuple[StudyDefinition | None, list[Finding]]:
    """The study that `data` describes, or None and all that is wrong with it."""
    validation = _Validation(data)
    return (None, validation.findings) if validation.findings else (StudyDefinition(**validation.parts), [])


class _Validation:
    """One pass over a study.

    parts: the sections found sound so far; of the space, the parameters found sound.
    """

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data
        self.parts: dict[str, Any] = {}
        self.findings: list[Finding] = []
        self._sections()
        self._dataset()
        arguments = self._resolve("model", catalog.model, given=catalog.GIVEN)
        if "space" in self.parts:
            self._space(arguments)
            self.findings += self._sampler()
        self.findings += self._pruner()
        self.findings += disagreements(self.parts)
        self.findings += self._studied()

    def _sections(self) -> None:
        fields = StudyDefinition.model_fields
        allowed = [*fields, "presets"]
        self.findings += [((key,), messages.unknown(key, allowed)) for key in self.data if key not in fields]
        for key, field in fields.items():
            value = self.data.get(key)
            sound = None
            if key not in self.data and field.is_required():
                self.findings.append(((key,), messages.missing(field)))
            elif key not in self.data:
                sound = field.default
            elif key == "space" and isinstance(value, dict) and value:
                parameters = {name: self._parameter(name, parameter) for name, parameter in value.items()}
                sound = {name: parameter for name, parameter in parameters.items() if parameter}
            else:
                sound = self._sound((key,), value, field.rebuild_annotation(), _known(field, value))
            if sound is not None:
                self.parts[key] = sound

    def _parameter(self, name: str, value: Any) -> Any:
        known = FORMS[form(value) or "range"].model_fields
        return self._sound(("space", name), value, Parameter, known)

    def _sound(self, path: KeyPath, value: Any, annotation: Any, known: dict[str, FieldInfo]) -> Any:
        """The value, validated as JSON is (a list may stand for a tuple, but no text for a number), or None."""
        try:
            return TypeAdapter(annotation).validate_json(json.dumps(value), strict=True)
        except ValidationError as error:
            self.findings += messages.explained(error, path, known)
            return None

    def _resolve(
        self, key: str, find: Callable[[str], Callable[..., Any]], given: tuple[str, ...]
    ) -> type[BaseModel] | None:
        """Fills in the defaults of a section's plug-in; returns the arguments it takes, None if there is none."""
        section = self.parts.get(key)
        if section is None:
            return None
        self.parts[key], accepted = self._completed((key,), section, find, given)
        return accepted

    def _dataset(self) -> None:
        """Fills in the defaults of the data set, of those beside it, and of the network for its features."""
        self._resolve("dataset", catalog.dataset, given=("root",))
        section = self.parts.get("dataset")
        if section is None:
            return
        also = [
            self._completed(("dataset", "also", i), companion, catalog.dataset, ("root",))[0]
            for i, companion in enumerate(section.also)
        ]
        features = (
            section.features
            and self._completed(("dataset", "features"), section.features, catalog.features, ("image_size",))[0]
        )
        self.parts["dataset"] = section.model_copy(update={"also": tuple(also), "features": features})

    def _completed(
        self, path: KeyPath, section: Any, find: Callable[[str], Callable[..., Any]], given: tuple[str, ...]
    ) -> tuple[Any, type[BaseModel] | None]:
        """A section with its plug-in's defaults filled in, and the arguments that takes, None if there is none."""
        try:
            accepted = catalog.arguments(find(section.name), given)
        except UnknownName as error:
            self.findings.append(((*path, "name"), str(error).rstrip(".")))
            return section, None
        known = type(section).model_fields | accepted.model_fields
        resolved = self._sound(path, section.model_extra, accepted, known)
        if resolved is not None:
            section = type(section)(**section.model_dump() | resolved.model_dump(mode="json"))
        return section, accepted

    def _space(self, arguments: type[BaseModel] | None) -> None:
        """Holds each parameter against the knob or argument it is named after."""
        takers: dict[str, type[BaseModel]] = dict.fromkeys(Knobs.model_fields.keys() - {"epochs"}, Knobs)
        if arguments:
            takers |= dict.fromkeys(arguments.model_fields, arguments)
        for name, parameter in self.parts["space"].items():
            path = ("space", name)
            if name == "epochs":
                self.findings.append((path, "epochs can't be searched: pruning compares trials of one length"))
                continue
            for section in ("training", "model"):
                if isinstance(self.data.get(section), dict) and name in self.data[section]:
                    self.findings.append((path, f"also fixed under {section}; keep one of the two"))
            if name in takers:
                self.parts["space"][name], faults = fit(name, parameter, takers[name])
                self.findings += [((*path, *inside), message) for inside, message in faults]
            elif arguments:
                self.findings.append((path, messages.unknown(name, sorted(takers), "knob or model argument")))

    def _sampler(self) -> Iterator[Finding]:
        sampler, space, budget = self.parts.get("sampler"), self.parts["space"], self.parts.get("budget")
        for name, parameter in space.items():
            if sampler == "grid" and parameter.values() is None:
                yield ("space", name), f"the grid sampler needs choices, whole numbers, or grid: '{GRID_EXAMPLE}'"
            if sampler not in ("grid", None) and isinstance(parameter, Grid):
                yield ("space", name, "grid"), f"is for the grid sampler; {sampler} takes low and high, or choices"
        cells = math.prod(len(parameter.values() or ()) for parameter in space.values())
        if sampler == "grid" and budget and cells > budget.trials:
            yield ("space",), f"the grid has {cells} cells, more than budget.trials, {budget.trials}"

    def _studied(self) -> Iterator[Finding]:
        """Known samplers are more than those that a study file may name."""
        sampler = self.parts.get("sampler")
        if sampler not in (None, *SAMPLERS):
            yield ("sampler",), f"no study can be trained with {sampler!r}; there are: {', '.join(SAMPLERS)}"

    def _pruner(self) -> Iterator[Finding]:
        pruner, training = self.parts.get("pruner"), self.parts.get("training")
        epochs = training.epochs if training else math.inf
        if isinstance(pruner, Hyperband):
            if pruner.min_resource >= pruner.max_resource:
                yield ("pruner", "min_resource"), f"must be below max_resource, {pruner.max_resource}"
            if pruner.max_resource > epochs:
                yield ("pruner", "max_resource"), f"{pruner.max_resource} is above training.epochs, {epochs}"
        if isinstance(pruner, Median) and pruner.warmup_epochs >= epochs:
            yield (
                ("pruner", "warmup_epochs"),
                f"must be below training.epochs, {epochs}, or nothing is ever pruned",
            )


def _known(field: FieldInfo, value: Any) -> dict[str, FieldInfo]:
    """The keys that a section may have; those of the pruner depend on its name."""
    model = field.annotation
    if not hasattr(model, "model_fields") and isinstance(value, dict):
        model = PRUNERS.get(str(value.get("name")))
    known: dict[str, FieldInfo] = getattr(model, "model_fields", {})
    return known
