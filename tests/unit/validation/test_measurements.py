"""Snapshot documents: what is read, and what is refused with its line."""

from pathlib import Path

import pytest
import yaml

from harness.errors import DataError
from harness.validation import constraints
from harness.validation.measurements import Snapshot, text_of
from tests.fakes.validation import SHARED, cases, needs_validation_data

HEAD = "measurements:\n- type: K8s\n  subtypes:\n"
SERVER = "  - subtype: server\n    data: {version: v1.34.0}\n"


@needs_validation_data
@pytest.mark.parametrize(
    "path", sorted(SHARED.glob("**/*snapshot*eks*.yaml")) + sorted(SHARED.glob("snapshots/*.yaml"))
)
def test_the_real_snapshots_are_read(path: Path) -> None:
    """Those with a header and those without one."""
    found = Snapshot.parse(path.read_text(encoding="utf-8"), path)
    assert constraints.Path.parse("K8s.server.version").read(found).startswith("v1.33")


@needs_validation_data
def test_readings_have_the_text_that_the_reference_gives_them() -> None:
    """Whole numbers whole, floats in their shortest form, booleans in lower case; the null of that file is refused."""
    path = SHARED / "handmade" / "snapshot-odd-scalars.yaml"
    text = path.read_text(encoding="utf-8")
    with pytest.raises(DataError, match=r"OS.release.none is null, expected one value") as caught:
        Snapshot.parse(text, path)
    assert caught.value.where == f"{path}:6"
    found = Snapshot.parse(text.replace(", none: null", ""), path)
    expected = {case["path"]: case["text"] for case in cases("scalar-text.yaml", "expected")}
    assert {path: constraints.Path.parse(path).read(found) for path in expected} == expected
    assert len(expected) == 9


@needs_validation_data
def test_a_subtype_with_the_wrong_key_for_its_name_is_refused() -> None:
    """`name` in the place of `subtype`: a tolerant reader would skip both constraints and call the run good."""
    path = SHARED / "handmade" / "snapshot-trap-name-key.yaml"
    with pytest.raises(DataError, match="a subtype of K8s has no name") as caught:
        Snapshot.parse(path.read_text(encoding="utf-8"), path)
    assert "the key of its name is `subtype`" in caught.value.do


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("", 0, "expected a YAML mapping"),
        ("[]", 0, "expected a YAML mapping"),
        ("a: [", 2, "is not valid YAML"),
        ("kind: Snapshot\n", 1, "has no measurements"),
        ("measurements: []\n", 1, "has no measurements"),
        ("kind: Recipe\n" + HEAD + SERVER, 1, "kind is 'Recipe'"),
        ("apiVersion: v1\n" + HEAD + SERVER, 1, "apiVersion is 'v1'"),
        ("measurement: []\n", 1, "unknown field 'measurement'"),
        (HEAD + SERVER + "- type: K8s\n  subtypes: []\n", 6, "measurement type K8s is given twice"),
        (HEAD + SERVER + SERVER, 6, "subtype K8s.server is given twice"),
        ("measurements:\n- type: k8s\n  subtypes: []\n", 2, "unknown measurement type 'k8s'"),
        ("measurements:\n- type: K8s\n", 2, "measurement K8s has no subtypes"),
        (HEAD + "  - subtype: server\n", 4, "subtype K8s.server has neither data nor items"),
        (HEAD + "  - subtype: server\n    data: {version: [1]}\n", 5, "K8s.server.version is a list"),
        (HEAD + "  - subtype: server\n    data: {version: {a: 1}}\n", 5, "K8s.server.version is a mapping"),
        (HEAD + "  - subtype: server\n    items: [{data: {a: ~}}]\n", 5, "K8s.server.a is null"),
        (HEAD + SERVER + "    unit: x\n", 6, "unknown field 'unit'"),
        (HEAD + "  - subtype: server\n    data: {version: v1, version: v2}\n", 5, "duplicate key 'version'"),
    ],
)
def test_a_document_that_is_no_snapshot_is_refused_with_its_line(text: str, line: int, what: str) -> None:
    """Nothing is skipped, and nothing is guessed."""
    with pytest.raises(DataError) as caught:
        Snapshot.parse(text, Path("s.yaml"))
    assert what in caught.value.what
    assert caught.value.where == (f"s.yaml:{line}" if line else "s.yaml")


def test_a_type_in_the_wrong_case_names_the_right_one() -> None:
    """Types are case-sensitive."""
    with pytest.raises(DataError) as caught:
        Snapshot.parse("measurements: [{type: systemd, subtypes: []}]", "s.yaml")
    assert caught.value.do == "did you mean SystemD?"


def test_numbers_of_json_are_floats() -> None:
    """A million from YAML is 1000000, from JSON 1e+06: so the reference tool reads them."""
    text = '{"measurements": [{"type": "GPU", "subtypes": [{"subtype": "smi", "data": {"big": 1000000, "on": true}}]}]}'
    path = constraints.Path.parse("GPU.smi.big")
    assert path.read(Snapshot.parse(text, "s.yaml")) == "1000000"
    assert path.read(Snapshot.parse(text, "s.json")) == "1e+06"
    assert constraints.Path.parse("GPU.smi.on").read(Snapshot.parse(text, "s.json")) == "true"


@pytest.mark.parametrize(
    ("value", "text"), [(1.234567e6, "1.234567e+06"), (0.0001, "0.0001"), (1e-05, "1e-05"), (-0.5, "-0.5"), (0.0, "0")]
)
def test_floats_have_an_exponent_from_a_million_on_and_below_one_in_ten_thousand(value: float, text: str) -> None:
    """Go's shortest form."""
    assert text_of(value) == text


def test_a_snapshot_is_written_as_it_is_read() -> None:
    """Context and items too; versions of both domains are read, the first is written."""
    text = yaml.safe_dump(
        {
            "kind": "Snapshot",
            "apiVersion": "aicr.run/v1alpha2",
            "metadata": {"source-node": "a"},
            "measurements": [
                {
                    "type": "GPU",
                    "subtypes": [
                        {
                            "subtype": "smi",
                            "data": {"gpu-count": 8},
                            "context": {"note": "x"},
                            "items": [{"context": {}, "data": {"index": 0}}],
                        }
                    ],
                }
            ],
        }
    )
    document = Snapshot.parse(text, "s.yaml").document()
    assert document == yaml.safe_load(text) | {"apiVersion": "aicr.nvidia.com/v1alpha1"}
