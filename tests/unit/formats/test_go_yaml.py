import re

import pytest
import yaml

from harness.formats.go_yaml import dump, load_all

# What go.yaml.in/yaml/v2 (resolve.go) makes of plain words; PyYAML's own reading differs for each of them.
READ_DIFFERENTLY = {
    "22:22": "22:22",
    "2026-01-01": "2026-01-01",
    "1e3": 1000.0,
    "=": "=",
    "y": True,
    "N": False,
    "0o17": 15,
    "08": 8.0,
}


@pytest.mark.parametrize("plain", READ_DIFFERENTLY)
def test_plain_words_are_read_as_go_reads_them(plain: str) -> None:
    """Rendered manifests mean to the harness what they mean to the API server."""
    assert load_all(f"value: {plain}\n") == [{"value": READ_DIFFERENTLY[plain]}]


@pytest.mark.parametrize(
    ("plain", "value"),
    [
        ("0644", 420),
        ("0x1F", 31),
        ("1_000", 1000),
        ("-5", -5),
        ("1.5", 1.5),
        ("~", None),
        ("on", True),
        ("1.2.3", "1.2.3"),
    ],
)
def test_what_go_and_pyyaml_agree_on_stays(plain: str, value: object) -> None:
    """Replacing PyYAML's rules loses none of those that both have."""
    assert load_all(f"value: {plain}\n") == [{"value": value}]
    assert load_all(f"value: {plain}\n") == [yaml.safe_load(f"value: {plain}\n")]


@pytest.mark.parametrize(
    "text", [*READ_DIFFERENTLY, "0644", "yes", "", "~", "<<", "1.5", "- a", "a: b", "#x", "é", "a\nb\n"]
)
def test_text_survives_go(text: str) -> None:
    """What is text in a recipe is text in values.yaml, for Go and for PyYAML."""
    written = dump({"value": text}).decode()
    assert load_all(written) == [{"value": text}]
    assert yaml.safe_load(written) == {"value": text}


def test_plain_text_is_not_quoted_for_nothing() -> None:
    """A diff of values.yaml shows words and versions, not quotation marks."""
    assert dump({"a": "1.2.3", "b": "node", "c": "v1.34.10"}) == b"a: 1.2.3\nb: node\nc: v1.34.10\n"


def test_long_lines_are_not_broken() -> None:
    """A changed value is one changed line."""
    assert dump({"b": "x " * 200 + "x", "a": 1}).count(b"\n") == 2


def test_keys_are_sorted() -> None:
    """The order in which values were merged leaves no trace."""
    assert dump({"b": {"d": 1, "c": 2}, "a": 1}) == b"a: 1\nb:\n  c: 2\n  d: 1\n"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("8080: a", {"8080": "a"}),
        ("0x10: a", {"16": "a"}),
        ("true: a", {"true": "a"}),
        ("off: a", {"false": "a"}),
        ("1.5: a", {"1.5": "a"}),
        ("'8080': a", {"8080": "a"}),
        ("2026-01-01: a", {"2026-01-01": "a"}),
    ],
)
def test_keys_are_text(text: str, value: object) -> None:
    """What is read becomes JSON, whose keys are texts, whatever they look like."""
    assert load_all(text) == [value]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: &x {b: 1}\nc: *x", {"a": {"b": 1}, "c": {"b": 1}}),
        ("a: &x {b: 1, c: 2}\nd: {<<: *x, c: 3}", {"a": {"b": 1, "c": 2}, "d": {"b": 1, "c": 3}}),
        ("a: &x [1]\nb: [*x, *x]", {"a": [1], "b": [[1], [1]]}),
        ("a: !!str 5\nb: !!int '5'\nc: !!binary YWI=", {"a": "5", "b": 5, "c": b"ab"}),
        ("a: '5'\nb: \"yes\"\nc: |\n  no", {"a": "5", "b": "yes", "c": "no"}),
        ("a: '='\nb: =", {"a": "=", "b": "="}),
    ],
)
def test_anchors_merge_keys_and_tags(text: str, value: object) -> None:
    """As YAML has them: an alias is the same again, a merge key fills in, a tag or quotes say what a word is."""
    assert load_all(text) == [value]


@pytest.mark.parametrize("text", ["a: &x [*x]", "a: &x {b: *x}", "[1]: a", "{b: c}: a", "~: a", "a: !unknown b"])
def test_what_has_no_json_is_a_yaml_error(text: str) -> None:
    """Loops, keys that are no texts, and tags that nobody knows."""
    with pytest.raises(yaml.YAMLError):
        load_all(text)


def test_invalid_yaml_is_a_yaml_error() -> None:
    """Callers need to catch one kind of error."""
    with pytest.raises(yaml.YAMLError, match=re.escape("mapping values are not allowed")):
        load_all("a: b: c\n")
