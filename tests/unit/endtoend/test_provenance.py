"""Who wrote a status, told from managedFields."""

from dataclasses import replace
from typing import Any

import pytest

from harness.endtoend.provenance import Begun, objection, writers_of

SINCE = Begun(1_799_999_000.0, 1_800_000_000.5, 1_800_000_000.5)  # cases: 2027-01-15T08:00:00.5Z
DURING, BEFORE = "2027-01-15T08:00:00Z", "2027-01-15T07:59:50Z"


def item(manager: str, time: str, fields: dict[str, Any]) -> dict[str, Any]:
    managed = [{"manager": manager, "time": time, "fieldsV1": fields}]
    return {"kind": "Job", "metadata": {"name": "j", "namespace": "n", "managedFields": managed}}


PHASE: dict[str, Any] = {"f:status": {"f:phase": {}}}
ASSERTED = {"apiVersion": "x.example.com/v1", "kind": "Job", "metadata": {"name": "j"}, "status": {"phase": "Done"}}


def said(*items: dict[str, Any], asserted: dict[str, Any] = ASSERTED) -> str:
    found = objection(asserted, items, SINCE, engine="jp")
    return found.why if found else ""


def test_what_a_controller_wrote_in_the_case_is_a_proof() -> None:
    """The API tells whole seconds: the second in which the case began counts."""
    assert not said(item("operator", DURING, PHASE))


@pytest.mark.parametrize("manager", ["kwok", "kwok-controller", "kwok-harness", "kubectl-edit"])
def test_what_kwok_or_the_suite_wrote_is_none(manager: str) -> None:
    """Neither is a controller."""
    assert (
        said(item(manager, DURING, PHASE))
        == f"Job n/j: status.phase was written by {manager}, which is no controller of it"
    )


def test_what_was_written_before_the_case_is_none() -> None:
    """It says nothing of the case; it may be written anew, so it is waited for."""
    assert "10 s before the case began" in said(item("operator", BEFORE, PHASE))
    found = objection(ASSERTED, [item("operator", BEFORE, PHASE)], SINCE, engine="jp")
    assert found is not None
    assert found.may_change


def test_the_last_writer_counts() -> None:
    """Who wrote first and was overwritten is not asked."""
    first, last = item("kwok", BEFORE, PHASE), item("operator", DURING, PHASE)
    first["metadata"]["managedFields"] += last["metadata"]["managedFields"]
    assert not said(first)


def test_one_object_that_fits_and_is_a_proof_is_enough() -> None:
    """An assert without a name is fulfilled by any object."""
    assert not said(item("kwok", DURING, PHASE), item("operator", DURING, PHASE))


def test_only_what_is_asserted_is_looked_at() -> None:
    """Another field may be written by anybody."""
    both = item("operator", DURING, PHASE)
    both["metadata"]["managedFields"] += item("kwok", DURING, {"f:status": {"f:note": {}}})["metadata"]["managedFields"]
    assert not said(both)


def test_specs_have_no_writer_to_ask_for() -> None:
    """The suite writes them itself."""
    assert not said(item("kwok-harness", DURING, {"f:spec": {}}), asserted={**ASSERTED, "status": {}, "spec": {"a": 1}})


CONDITION: dict[str, Any] = {"f:status": {"f:conditions": {".": {}, 'k:{"type":"Done"}': {".": {}, "f:status": {}}}}}


def test_conditions_are_told_apart_by_type() -> None:
    """One condition by the operator and another by somebody else."""
    asserted = {**ASSERTED, "status": {"(conditions[?type == 'Done'])": [{"status": "True"}]}}
    assert "kwok" in said(item("kwok", DURING, CONDITION), asserted=asserted)
    assert [each.manager for each in writers_of(item("a", DURING, CONDITION), ("status", "conditions", "[Done]"))] == [
        "a"
    ]
    assert not list(writers_of(item("a", DURING, CONDITION), ("status", "conditions", "[Other]")))


def test_an_atomic_list_belongs_to_who_wrote_it_as_a_whole() -> None:
    """Without a list type, managedFields end at the list."""
    fields: dict[str, Any] = {"f:status": {"f:conditions": {}}}
    assert [each.manager for each in writers_of(item("a", DURING, fields), ("status", "conditions", "[Done]"))] == ["a"]


def test_which_generation_was_seen_may_have_been_written_before() -> None:
    """It says of which spec a status is, and that spec may be older than the case."""
    fields: dict[str, Any] = {"f:status": {"f:observedGeneration": {}}}
    fresh = {"((status.observedGeneration || `0`) == metadata.generation)": True}
    asserted = {key: value for key, value in ASSERTED.items() if key != "status"}
    assert not said(item("operator", BEFORE, fields), asserted={**asserted, **fresh})


def test_a_state_of_what_the_set_up_made_is_a_proof() -> None:
    """It may have come to it before any case; what was there before the set-up is none."""
    ready = item("kube-controller-manager", BEFORE, PHASE)
    ready["metadata"]["creationTimestamp"] = "2027-01-15T07:59:40Z"
    assert not said(ready)
    early = item("kube-controller-manager", "2027-01-15T07:00:00Z", PHASE)
    early["metadata"]["creationTimestamp"] = "2027-01-15T07:00:00Z"
    assert "before the set-up began: it says nothing of this set-up" in said(early)


def test_a_state_of_what_an_earlier_case_made_says_nothing_of_this_one() -> None:
    """It was made after the first case began."""
    made = item("operator", "2027-01-15T08:00:10Z", PHASE)
    made["metadata"]["creationTimestamp"] = "2027-01-15T08:00:05Z"
    found = objection(ASSERTED, [made], replace(SINCE, case=SINCE.case + 60), engine="jp")
    assert found is not None
    assert "before the case began" in found.why
