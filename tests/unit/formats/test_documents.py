"""The strict reader: what is accepted means what it says, all else is refused with its line."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import DataError
from harness.exits import Exit
from harness.formats.documents import Document, read_values
from harness.formats.files import inside
from harness.formats.yaml_nodes import NODES

BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{under}'] * 10)}]\n" for under, name in zip("abcdefg", "bcdefgh", strict=True)
)

REFUSED = {
    "duplicate key": ("a: 1\nb: 2\na: 3\n", 3, "duplicate key 'a', first on line 1"),
    "duplicate key far down": ("a:\n  - b:\n      c: 1\n      c: 1\n", 4, "duplicate key 'c', first on line 3"),
    "duplicate key through other quotes": ('a: 1\n"a": 2\n', 2, "duplicate key"),
    "aliases that explode": (BOMB, 0, f"more than {NODES} values"),
    "alias of itself": ("a: 1\nb: &x [*x]\n", 2, "nested deeper"),
    "deep nesting": ("a: " + "[" * 200 + "]" * 200, 1, "nested deeper"),
    "absurd nesting": ("a: " + "[" * 100_000, 1, "nested deeper"),
    "not UTF-8": (b"a: 1\nb: 2\nc: \xff\n", 3, "not UTF-8"),
    "UTF-16": ("a: 1\n".encode("utf-16"), 1, "not UTF-8"),
    "control character": ("a: 1\nb: \x01\n", 2, "not valid YAML"),
    "tabs": ("a:\n\t- b\n", 2, "not valid YAML"),
    "unclosed": ("a: [1\nb: 2\n", 2, "not valid YAML"),
    "unknown alias": ("a: *nobody\n", 1, "not valid YAML"),
    "two documents": ("a: 1\n---\nb: 2\n", 2, "not valid YAML"),
    "python tag": ("a: !!python/object/apply:os.system [ls]\n", 1, "tag"),
    "own tag": ("a: 1\nb: !secret x\n", 2, "tag"),
    "binary": ("a: !!binary aGk=\n", 1, "tag"),
    "tag that does not fit": ("a: !!int many\n", 1, "not a number"),
    "bool that is none": ("a: !!bool perhaps\n", 1, "tag"),
    "merge of no mapping": ("a: &a [b]\nc:\n  <<: *a\nd: 1\n", 1, "merge key"),
    "merge of text": ("c:\n  <<: b\n", 2, "merge key"),
    "two merge keys": ("a: &a {b: 1}\nc:\n  <<: *a\n  <<: *a\n", 4, "duplicate merge key"),
    "merge of itself": ("a: &a\n  <<: *a\n", 1, "an alias contains itself"),
    "number as key twice": ("a:\n  1: x\n  '1': y\n", 3, "duplicate key '1', first on line 2"),
    "null as key": ("a:\n  ~: x\n", 2, "not text"),
    "list as key": ("? [a]\n: x\n", 1, "key a list is not text"),
    "mapping as key": ("? {a: b}\n: x\n", 1, "key a mapping is not text"),
    "no mapping": ("- a\n", 0, "expected a YAML mapping"),
    "empty": ("", 0, "expected a YAML mapping"),
    "a number with 5000 digits": (f"a: {'1' * 5000}\n", 1, f"'{'1' * 60}' is not a number"),
}


@pytest.mark.parametrize(("text", "line", "what"), REFUSED.values(), ids=REFUSED)
def test_broken_yaml_is_one_error_with_file_and_line(tmp_path: Path, text: str | bytes, line: int, what: str) -> None:
    """Whatever is wrong with a file is a DataError (exit 10) that names the file, and the line where there is one."""
    file = tmp_path / "broken.yaml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(DataError) as caught:
        Document.read(file).root()
    assert what in caught.value.what
    assert caught.value.where.startswith(f"{file}:{line}" if line else str(file))
    assert caught.value.exit is Exit.SETTINGS


SCALARS = {
    "yes": "yes",
    "NO": "NO",
    "on": "on",
    "y": "y",
    "true": True,
    "False": False,
    "~": None,
    "null": None,
    "": None,
    "0": 0,
    "-12": -12,
    "0755": 493,
    "0o17": 15,
    "0xFF": 255,
    "1_000": "1_000",
    "22:22": "22:22",
    "1.5": 1.5,
    "1e3": 1000.0,
    ".5": 0.5,
    "1.2.3": "1.2.3",
    "v1": "v1",
    "2026-05-26": "2026-05-26",
    '"1"': "1",
    "'true'": "true",
    "!!str 5": "5",
}


@pytest.mark.parametrize(("text", "value"), SCALARS.items(), ids=SCALARS)
def test_plain_scalars_follow_the_core_schema(tmp_path: Path, text: str, value: Any) -> None:
    """Numbers, booleans and null are those of YAML 1.2; yes, dates and versions are text."""
    (tmp_path / "a.yaml").write_text(f"a: {text}\n")
    found = read_values(tmp_path / "a.yaml")["a"]
    assert found == value
    assert type(found) is type(value)


def test_keys_that_look_like_booleans_in_old_yaml_are_text(tmp_path: Path) -> None:
    """`on:` and `y:` are keys, not true."""
    (tmp_path / "a.yaml").write_text("on: 1\ny: 2\n")
    assert read_values(tmp_path / "a.yaml") == {"on": 1, "y": 2}


def test_a_byte_order_mark_and_other_line_ends_are_harmless(tmp_path: Path) -> None:
    """Files saved on Windows read the same."""
    (tmp_path / "a.yaml").write_bytes(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")
    assert read_values(tmp_path / "a.yaml") == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("tcp: {8080: a, 0x10: b}", {"tcp": {"8080": "a", "16": "b"}}),
        ("true: a\n1.5: b", {"true": "a", "1.5": "b"}),
        ("a: &a {x: 1, y: {p: 1}}\nb: {<<: *a, x: 2}", {"a": {"x": 1, "y": {"p": 1}}, "b": {"x": 2, "y": {"p": 1}}}),
        (
            "a: &a {x: 1}\nb: &b {x: 2, y: 2}\nc: {<<: [*a, *b]}",
            {"a": {"x": 1}, "b": {"x": 2, "y": 2}, "c": {"x": 1, "y": 2}},
        ),
    ],
)
def test_what_helm_reads_is_read(tmp_path: Path, text: str, data: Any) -> None:
    """Keys are text, quoted or not; a merge key adds what is not written out, of its first mapping first."""
    file = tmp_path / "values.yaml"
    file.write_text(text)
    assert Document.read(file).data == data


def test_a_field_that_was_written_out_keeps_its_line(tmp_path: Path) -> None:
    """Errors point to where a field is written, and for a merged one to where the merged mapping has it."""
    file = tmp_path / "values.yaml"
    file.write_text("a: &a\n  x: 1\n  y: 1\nb:\n  x: 2\n  <<: *a\n")
    lines = Document.read(file).lines
    assert (lines["b", "x"], lines["b", "y"]) == (5, 3)


def test_a_quoted_merge_key_is_a_key(tmp_path: Path) -> None:
    """Only the plain << is a merge key."""
    (tmp_path / "a.yaml").write_text('"<<": 1\n')
    assert read_values(tmp_path / "a.yaml") == {"<<": 1}


def test_an_alias_is_its_anchor_again(tmp_path: Path) -> None:
    """Ordinary anchors and aliases work."""
    (tmp_path / "a.yaml").write_text("a: &x {k: [1]}\nb: *x\n")
    assert read_values(tmp_path / "a.yaml") == {"a": {"k": [1]}, "b": {"k": [1]}}


@pytest.mark.parametrize("text", ["", "# nothing but a comment\n", "---\n", "null\n"])
def test_an_empty_values_file_has_no_values(tmp_path: Path, text: str) -> None:
    """A values file may be empty."""
    (tmp_path / "a.yaml").write_text(text)
    assert read_values(tmp_path / "a.yaml") == {}


@pytest.mark.parametrize("target", ["missing.yaml", ""], ids=["missing", "a directory"])
def test_a_file_that_cannot_be_read_is_a_data_error(tmp_path: Path, target: str) -> None:
    """A missing file and a directory are errors of the data, not tracebacks."""
    with pytest.raises(DataError, match="cannot be read"):
        Document.read(tmp_path / target)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(st.characters(codec="ascii", min_codepoint=32)),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text("abcxyz", min_size=1), below, max_size=3),
    max_leaves=12,
)


@given(data=st.dictionaries(st.text("abcxyz", min_size=1), PLAIN, max_size=4))
def test_what_json_says_is_what_is_read(tmp_path_factory: pytest.TempPathFactory, data: dict[str, Any]) -> None:
    """JSON is YAML: any JSON object is read as itself."""
    file = tmp_path_factory.mktemp("json") / "a.yaml"
    file.write_text(json.dumps(data))
    assert read_values(file) == data


WRONG = {
    "text": ("text", "v: 1.20\n", 'write v: "1.2"'),
    "text from a list": ("text", "v: [a]\n", "must be text"),
    "texts": ("texts", "v: text\n", "must be a list"),
    "texts with a number": ("texts", "v:\n  - a\n  - 2\n", "expected text"),
    "texts twice": ("texts", "v:\n  - a\n  - a\n", "names 'a' twice"),
    "flag": ("flag", 'v: "true"\n', "must be true or false"),
    "integer": ("integer", "v: true\n", "must be a whole number"),
    "negative": ("integer", "v: -1\n", "must be a whole number"),
    "block": ("block", "v: text\n", "must be a mapping"),
    "blocks": ("blocks", "v:\n  - text\n", "expected a mapping"),
}


@pytest.mark.parametrize(("method", "text", "what"), WRONG.values(), ids=WRONG)
def test_a_field_of_the_wrong_type_names_its_line(tmp_path: Path, method: str, text: str, what: str) -> None:
    """Each field reader refuses other types, with the line of the field or of the item."""
    file = tmp_path / "a.yaml"
    file.write_text("other: 1\n" + text)
    with pytest.raises(DataError) as caught:
        getattr(Document.read(file).root(), method)("v")
    assert what in str(caught.value)
    assert caught.value.where == f"{file}:{1 + text.count(chr(10))}"


@pytest.mark.parametrize("method", ["text", "texts", "flag", "integer", "block", "blocks", "mapping"])
def test_null_is_the_same_as_absent(tmp_path: Path, method: str) -> None:
    """A field that is null reads as one that is not there."""
    (tmp_path / "a.yaml").write_text("v: null\n")
    root = Document.read(tmp_path / "a.yaml").root()
    here, absent = getattr(root, method)("v"), getattr(root, method)("w")
    assert not getattr(here, "data", here)
    assert not getattr(absent, "data", absent)


def test_a_path_below_the_directory_is_found(tmp_path: Path) -> None:
    """A path may go up and down again as long as it stays inside; a symlink to within is fine."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.yaml").touch()
    (tmp_path / "link.yaml").symlink_to(tmp_path / "a" / "x.yaml")
    assert inside(tmp_path, "a/../a/x.yaml", "here").samefile(tmp_path / "a" / "x.yaml")
    assert inside(tmp_path, "link.yaml", "here").exists()


OUTSIDE = {
    "parent": ("../secret.yaml", "leaves"),
    "absolute": ("/etc/hostname", "leaves"),
    "symlink": ("link.yaml", "leaves"),
    "symlinked directory": ("up/secret.yaml", "leaves"),
    "missing": ("nothing.yaml", "does not exist"),
    "NUL": ("a\0b", "is no path"),
    "too long": ("a" * 5000, "is no path"),
}


@pytest.mark.parametrize(("relative", "what"), OUTSIDE.values(), ids=OUTSIDE)
def test_a_path_that_leaves_or_is_missing_is_refused(tmp_path: Path, relative: str, what: str) -> None:
    """Dots, absolute paths and symlinks cannot reach outside; what does not exist is said."""
    directory = tmp_path / "data"
    directory.mkdir()
    (tmp_path / "secret.yaml").touch()
    (directory / "link.yaml").symlink_to(tmp_path / "secret.yaml")
    (directory / "up").symlink_to(tmp_path)
    with pytest.raises(DataError, match=what) as caught:
        inside(directory, relative, "overlays/x.yaml:7")
    assert caught.value.where == "overlays/x.yaml:7"


def test_a_stream_is_all_its_documents_with_their_lines(tmp_path: Path) -> None:
    """Empty documents are left out; lines count from the top of the file."""
    file = tmp_path / "a.yaml"
    file.write_text("# nothing\n---\na: 1\n---\n---\nb:\n  c: 2\n")
    first, second = Document.read_all(file)
    assert (first.data, second.data) == ({"a": 1}, {"b": {"c": 2}})
    assert (first.lines[()], second.lines[()]) == (3, 6)
    assert second.root().where("b", "c") == f"{file}:7"
    assert second.root().where("missing") == f"{file}:6"


def test_a_pipe_and_a_very_large_file_are_not_read(tmp_path: Path) -> None:
    """Neither a writer that never comes nor ten megabytes of YAML hold up a run."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="not a regular file"):
        Document.read(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(b"# x\n" * 2_500_000)
    with pytest.raises(DataError, match="larger than 5 MB"):
        Document.read_all(tmp_path / "large")
