"""The diff is that of chainsaw to the byte: YAML as Go writes it, cut down to what is expected."""

from typing import Any

import pytest

from harness.assertions.report import MOST_MISMATCHES, diff, reference, told, unified
from harness.formats import go_yaml


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("plain", "plain"),
        ("3", '"3"'),
        ("true", '"true"'),
        ("n", '"n"'),
        ("~", '"~"'),
        ("", '""'),
        ("2024-01-01", '"2024-01-01"'),
        ("12:30", '"12:30"'),
        ("=", "="),
        ("a: b", "'a: b'"),
        ("@x", "'@x'"),
        ("(a > `2`)", "(a > `2`)"),
        ("x\ny", "|-\n  x\n  y"),
    ],
)
def test_a_text_is_quoted_where_go_quotes_it(text: str, written: str) -> None:
    """Words that mean something in double quotes, what YAML's syntax asks for in single ones."""
    assert go_yaml.as_go({"k": text}) == f"k: {written}\n"


def test_keys_are_in_the_order_of_go_and_long_lines_are_folded() -> None:
    """Numbers in keys by their value, letters behind signs."""
    keys = ["x10", "x9", "b", "B", "a.b", "ab", "a1", "a01", "1"]
    assert list(go_yaml._ordered(dict.fromkeys(keys))) == ["1", "B", "a.b", "a01", "a1", "ab", "b", "x9", "x10"]
    assert go_yaml.as_go({"k": "word " * 20 + "end"}).count("\n") == 2


def test_the_actual_object_is_cut_down_to_what_is_expected() -> None:
    """Its reference and its owners stay; lists stay whole."""
    expected = {"apiVersion": "v1", "kind": "Pod", "metadata": {"labels": {"a": "b"}}, "spec": {"l": [{"x": 1}]}}
    metadata: dict[str, Any] = {"name": "p", "uid": "u", "labels": {"a": "b", "c": "d"}, "ownerReferences": []}
    actual = {**expected, "metadata": metadata, "spec": {"l": [{"x": 1, "z": 2}], "other": 1}, "status": {}}
    shown = diff(expected, actual)
    assert "+  name: p\n+  ownerReferences: []\n" in shown
    assert "+    z: 2" in shown
    assert not any(word in shown for word in ("uid", "c: d", "other", "status"))


def test_a_diff_of_too_many_lines_is_left_out() -> None:
    """It would take minutes."""
    many = {"l": list(range(5_000))}
    assert unified(many, {"l": []}, "a", "b") == "(no diff: more than 4,000 lines)"


@pytest.mark.parametrize(
    ("item", "shown"),
    [
        ({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "b"}}, "v1/Pod/b/a"),
        ({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a"}}, "v1/Node/a"),
        ({"kind": "Pod"}, "/Pod/*"),
    ],
)
def test_an_object_is_named_as_chainsaw_does(item: dict[str, Any], shown: str) -> None:
    """A star where it has no name."""
    assert reference(item) == shown


def test_mismatches_that_nobody_reads_are_a_number() -> None:
    """Of a list of ten thousand elements the first are told."""
    lines = [f"items[{number}]" for number in range(10_000)]
    shown = told(lines)
    assert shown[:MOST_MISMATCHES] == lines[:MOST_MISMATCHES]
    assert shown[MOST_MISMATCHES:] == ["and 9,800 more mismatches"]
    assert told(lines[:3]) == lines[:3]
