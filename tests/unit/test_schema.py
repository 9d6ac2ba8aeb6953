from pathlib import Path
from typing import Any

import jsonschema
import pytest

from search import catalog
from search.study import load_study, schema
from search.study.yaml_source import Located, read
from search.training.recipe import Knobs

EXAMPLE = schema.reference().split("```yaml\n")[1].split("```")[0]
STALE = "is not current: run `python -m search.study.schema`"


def data(text: str) -> Any:
    return Located(1, read(text, "study.yaml")[0]).plain()


def valid(study: Any) -> bool:
    return bool(jsonschema.Draft202012Validator(schema.schema()).is_valid(study))


def test_the_schema_file_is_current() -> None:
    assert schema.SCHEMA_FILE.read_text() == schema.schema_text(), f"{schema.SCHEMA_FILE.name} {STALE}"


def test_the_reference_page_is_current() -> None:
    assert schema.REFERENCE_FILE.read_text() == schema.reference(), f"{schema.REFERENCE_FILE.name} {STALE}"


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(schema.schema())


@pytest.mark.parametrize("name", catalog.names("studies"))
def test_shipped_studies_fit_the_schema(name: str) -> None:
    jsonschema.validate(data(catalog.study_path(name).read_text()), schema.schema())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("objective: accuracy", "objective: acc"),
        ("sampler: tpe", "samplr: tpe"),
        ("epochs: 10", "epochs: many"),
        ("batch_size: 64", "batch_sise: 64"),
        ("choices: [1, 2, 4]", "choices: []"),
        ("low: 1e-4", "lo: 1e-4"),
        ("name: median", "name: medium"),
        ("training: {epochs: 5}", "training: {epoch: 5}"),
        ("quick:", "quick: {name: other}\n  slow:"),
    ],
)
def test_editors_see_what_is_wrong(old: str, new: str) -> None:
    assert valid(data(EXAMPLE))
    assert EXAMPLE.count(old) == 1
    assert not valid(data(EXAMPLE.replace(old, new)))


def test_the_reference_names_every_knob_and_its_example_is_a_study(tmp_path: Path) -> None:
    page = schema.reference()
    for knob in Knobs.model_fields:
        assert f"| `{knob}` |" in page
    example = tmp_path / "example.yaml"
    example.write_text(EXAMPLE)
    assert load_study(str(example)).tickets() == [None] * 24
    assert load_study(str(example), preset="quick").name == "my_study-quick"
