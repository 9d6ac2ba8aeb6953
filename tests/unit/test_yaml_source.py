import pytest

from search.errors import StudyFileError
from search.study.yaml_source import Located, dotted, read


def plain(text: str) -> object:
    content, problems = read(text, "x.yaml")
    assert problems == []
    return Located(1, content).plain()


def problems_of(text: str) -> list[tuple[int, str, str]]:
    _, problems = read(text, "x.yaml")
    return [(problem.line, problem.key, problem.message) for problem in problems]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("1e-3", 1e-3),
        ("1E5", 1e5),
        ("1.e-3", 1e-3),
        ("-2.5e+1", -25.0),
        (".5", 0.5),
        ("+7", 7),
        ("007", 7),
        ("60", 60),
        ("1.0", 1.0),
        ("true", True),
        ("False", False),
        ("~", None),
        ("null", None),
        ("", None),
    ],
)
def test_scalars_are_those_of_yaml_1_2(written: str, meant: object) -> None:
    value = plain(f"key: {written}")
    assert value == {"key": meant}
    assert isinstance(value, dict)
    assert type(value["key"]) is type(meant)


@pytest.mark.parametrize(
    "written", ["no", "on", "yes", "1_000", "0x1F", "1:30", "2024-01-01", ".inf", ".nan", "e5", "1e"]
)
def test_what_yaml_1_1_turns_into_something_else_stays_text(written: str) -> None:
    assert plain(f"key: {written}") == {"key": written}


def test_quotes_make_text() -> None:
    assert plain("a: '1e-3'\nb: \"true\"\nno: x") == {"a": "1e-3", "b": "true", "no": "x"}


def test_every_value_knows_its_line() -> None:
    content, _ = read("a: 1\nb:\n  c: 2\n  d:\n    - x\n    -\n      e: 3\n", "x.yaml")
    tree = Located(1, content)
    paths: list[tuple[str | int, ...]] = [
        ("a",),
        ("b",),
        ("b", "c"),
        ("b", "d"),
        ("b", "d", 0),
        ("b", "d", 1, "e"),
    ]
    assert [tree.line_of(path) for path in paths] == [1, 2, 3, 4, 5, 7]
    assert tree.line_of(("b", "missing", "deeper")) == 2
    assert tree.line_of(("b", "d", 9)) == 4
    assert tree.line_of(("nothing",)) == 1


def test_anchors_and_merges() -> None:
    text = "base: &base {x: 1, y: 2}\nother: &other {y: 5, z: 6}\nuse: {<<: [*base, *other], x: 3}\n"
    assert plain(text) == {"base": {"x": 1, "y": 2}, "other": {"y": 5, "z": 6}, "use": {"x": 3, "y": 2, "z": 6}}


def test_dotted_paths() -> None:
    assert dotted(("space", "lr", "choices", 2)) == "space.lr.choices.2"
    assert dotted(()) == "file"


def test_single_keys_that_can_not_be_taken() -> None:
    text = """\
a: {x: 1, x: 2}
b: 1
[c]: 2
b: 3
d: !!python/object:os.system {}
e: !!int many
f: 1e999
g: {<<: 3}
h: !!set {a, b}
"""
    assert problems_of(text) == [
        (1, "a.x", "given twice; the first is on line 1"),
        (3, "file", "a key must be a word, not a list or a mapping"),
        (4, "b", "given twice; the first is on line 2"),
        (5, "d", "the tag 'tag:yaml.org,2002:python/object:os.system' has no place in a study file"),
        (6, "e", "'many' is not a number"),
        (7, "f", "'1e999' is not a finite number"),
        (8, "g", "'<<' merges mappings only"),
        (9, "h", "the tag 'tag:yaml.org,2002:set' has no place in a study file"),
    ]


def test_bombs_are_refused() -> None:
    assert problems_of("a: &a [*a]\n") == [(1, "a.0", "an alias to the value it stands in")]
    layers = ["l0: &l0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    layers += [f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 10)}]" for i in range(1, 9)]
    assert [message for _, _, message in problems_of("\n".join(layers))] == [
        "the file holds more than 10000 values"
    ]
    assert [message for _, _, message in problems_of(f"a: {'[' * 40}{']' * 40}")] == ["nested too deeply"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "x.yaml:1: file: is empty; it should be a mapping such as 'question: ...'"),
        ("# nothing\n", "x.yaml:1: file: is empty; it should be a mapping such as 'question: ...'"),
        ("- a\n- b\n", "x.yaml:1: file: is a list; it should be a mapping such as 'question: ...'"),
        ("just words", "x.yaml:1: file: is a text; it should be a mapping such as 'question: ...'"),
        ("a: 1\nb: [1, 2\nc: 3\n", "x.yaml:3: file: is not YAML: expected ',' or ']', but got ':'"),
        ("a: 1\n\tb: 2\n", "x.yaml:2: file: is not YAML: found character '\\t' that cannot start any token"),
        ("a: *b\n", "x.yaml:1: file: is not YAML: found undefined alias 'b'"),
        ("a: 1\n---\nb: 2\n", "x.yaml:2: file: is not YAML: but found another document"),
        ("a: 1\nb: \x07\n", "x.yaml:2: file: is not YAML: a control character"),
        (f"a: {'[' * 5000}", "x.yaml:1: file: is not YAML: it is nested too deeply"),
    ],
)
def test_what_is_no_mapping_is_one_error(text: str, message: str) -> None:
    with pytest.raises(StudyFileError) as error:
        read(text, "x.yaml")
    assert str(error.value) == message
