"""Health checks are read strictly, and held against the allowlist before anything is looked at."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.errors import DataError
from harness.formats.documents import Document
from harness.validation.health_checks import read

SHARED = Path(__file__).parents[3].parent / "shared"
ALLOWLIST = SHARED / "aicr-validation" / "handmade" / "health-check-allowlist.yaml"
CHECKS = SHARED / "suites" / "aicr" / "recipes" / "checks"


def documents(*values: Any, file: str = "checks/c.yaml") -> tuple[Document, ...]:
    return Document.read_all(Path(file), yaml.safe_dump_all(values, sort_keys=False))


def check(*operations: dict[str, Any], **spec: Any) -> dict[str, Any]:
    steps = [{"name": "s", "try": list(operations)}] if operations else []
    return {
        "apiVersion": "chainsaw.kyverno.io/v1alpha1",
        "kind": "Test",
        "metadata": {"name": "t"},
        "spec": {"steps": steps, **spec},
    }


POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "n"}}
HOLDS = {"assert": {"resource": POD}}
FAILS = {"error": {"resource": {**POD, "status": {"phase": "Failed"}}}}


@pytest.mark.skipif(not ALLOWLIST.exists(), reason="the data is not beside the project")
def test_the_reference_tools_own_cases() -> None:
    """What is allowed is read, what is not is refused in the reference's words, no operation is refused."""
    cases = yaml.safe_load(ALLOWLIST.read_text())
    for test in cases["accepted"]:
        assert read("c", documents(test))[0].operations
    for case in cases["refused"]:
        with pytest.raises(DataError) as caught:
            read("c", documents(case["test"]))
        assert caught.value.what == case["why"]
    nothing, only_errors = cases["vacuous"]
    with pytest.raises(DataError, match="passes where nothing is"):
        read("c", documents(nothing["test"]))
    # A real check is like this one; it does not pass on an empty namespace (test_health_corpus.py).
    assert not read("c", documents(only_errors["test"]))[0].operations[0].wanted


@pytest.mark.skipif(not CHECKS.is_dir(), reason="the corpus is not beside the project")
def test_the_real_checks_load() -> None:
    """All 59 files pass the allowlist; four say of themselves that they look at nothing."""
    files = sorted(CHECKS.glob("*/health-check.yaml"))
    found = [each for file in files for each in read(file.parent.name, Document.read_all(file))]
    assert len(files) == 59
    assert sum(not each.operations for each in found) == 4
    assert {each.seconds for each in found} == {90.0, 120.0, 180.0, 300.0, 360.0, 420.0, 600.0}
    operations = [operation for each in found for operation in each.operations]
    assert (sum(o.wanted for o in operations), sum(not o.wanted for o in operations)) == (168, 227)


REFUSED: dict[str, tuple[tuple[Any, ...], str]] = {
    "assert and error in one": (({**HOLDS, **FAILS},), "one operation is wanted, not assert and error"),
    "finally": ((HOLDS,), 'step "s" finally[0]: operation "sleep"'),
    "cleanup": ((HOLDS,), 'step "s" cleanup[0]: operation "delete"'),
    "a file": (({"assert": {"file": "x.yaml"}},), "unknown field 'file'"),
    "no resource": (({"assert": {}},), "assert has no resource"),
    "no kind": (({"assert": {"resource": {"(true)": True}}},), "a health check is about objects"),
    "a tree that does not compile": (({"assert": {"resource": {**POD, "(a[)": 1}}},), "column"),
    "a secret of the machine": (({"assert": {"resource": {**POD, "(env('HOME'))": ""}}},), "env() is not for"),
    "another cluster's objects": (
        ({"assert": {"resource": {**POD, "(x_k8s_exists($client, 'v1', 'Pod', 'n', 'p'))": True}}},),
        "x_k8s_exists() is not for a health check",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_allowed_is_refused(name: str) -> None:
    """One error, with file and line, and nothing is looked at."""
    operations, what = REFUSED[name]
    test = check(*operations)
    if name == "finally":
        test["spec"]["steps"][0]["finally"] = [{"sleep": {"duration": "1s"}}]
    if name == "cleanup":
        test["spec"]["steps"][0]["cleanup"] = [{"delete": {}}]
    with pytest.raises(DataError) as caught:
        read("c", documents(test))
    assert what in str(caught.value)
    assert caught.value.where.startswith("checks/c.yaml:")


def test_every_document_is_held_against_the_allowlist_first() -> None:
    """A script in the second document refuses the first as well; the place says which document."""
    with pytest.raises(DataError, match=r'doc\[1\] step "s" try\[0\]: operation "script"'):
        read("c", documents(check(HOLDS), check({"script": {"content": "true"}})))


def test_plain_objects_are_asserted_one_by_one() -> None:
    """A file without tests is objects that must all be there; each needs a name."""
    (found,) = read("c", documents(POD, {**POD, "metadata": {"name": "q"}}))
    assert [operation.wanted for operation in found.operations] == [True, True]
    with pytest.raises(DataError, match="name is missing"):
        read("c", documents({**POD, "metadata": {}}))
    with pytest.raises(DataError, match="tests and plain objects in one"):
        read("c", documents(check(HOLDS), POD))


def test_a_check_that_looks_at_nothing_says_so() -> None:
    """The annotation allows an empty Test; with operations it is a contradiction."""
    empty = check() | {"metadata": {"name": "t", "annotations": {"aicr/no-op-check": "true"}}}
    assert read("c", documents(empty))[0].operations == ()
    with pytest.raises(DataError, match="it has operations, but is annotated with"):
        read("c", documents(check(HOLDS) | {"metadata": empty["metadata"]}))


@pytest.mark.parametrize(("text", "seconds"), [("5m", 300.0), ("1m30s", 90.0), (None, None)])
def test_its_time_is_that_of_its_asserts(text: str | None, seconds: float | None) -> None:
    """spec.timeouts.assert is the time of the whole check."""
    spec = {"timeouts": {"assert": text}} if text else {}
    assert read("c", documents(check(HOLDS, **spec)))[0].seconds == seconds


@pytest.mark.parametrize("text", ["soon", "0s", "-5m"])
def test_a_time_that_is_none_is_refused(text: str) -> None:
    """With the field and its line."""
    with pytest.raises(DataError, match="expected a duration such as 5m"):
        read("c", documents(check(HOLDS, timeouts={"assert": text})))
