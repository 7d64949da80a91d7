"""A validation on a cluster: gate, account, checks as processes, and nothing left."""

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.cluster.api import Cluster
from harness.errors import DataError, HarnessError
from harness.formats.documents import Document
from harness.objects import CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, NAMESPACES, NODES, ROLES, SERVICE_ACCOUNTS
from harness.processes.commands import Scope
from harness.progress import Silent
from harness.validation.checks.access import AccessRefused
from harness.validation.checks.catalog import Catalog
from harness.validation.constraints import NotReady
from harness.validation.declared import Declared
from harness.validation.measurements import Snapshot
from harness.validation.results import Status
from harness.validation.run import Validation
from tests.fakes.api import FakeApi, Fault
from tests.fakes.validation import snapshot

ALLOWED = {"status": {"allowed": True}}
REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
SNAPSHOT = snapshot(K8s__server={"version": "v1.34.10"})


class Said(Silent):
    """What was told while it ran."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def step(self, task: str, detail: str) -> None:
        self.lines.append(f"{task}: {detail}")

    def note(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with FakeApi() as fake:
        fake.documents[REVIEWS] = ALLOWED
        fake.put(NODES, {"metadata": {"name": "gpu-1", "labels": {"type": "kwok"}}})
        yield fake


@pytest.fixture
def make(api: FakeApi, tmp_path: Path) -> Callable[..., Validation]:
    """A validation whose checks are shell scripts, by phase and name."""

    def made(
        scripts: dict[str, str], *, constraint: str = ">= 1.30", taken: Snapshot | None = SNAPSHOT, **more: Any
    ) -> Validation:
        recipe = {
            "kind": "RecipeResult",
            "apiVersion": "aicr.run/v1alpha2",
            "constraints": [{"name": "K8s.server.version", "value": constraint}],
            "validation": {"deployment": {"checks": list(scripts)}},
        }
        access = {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]}
        entries = [
            {"name": name, "phase": "deployment", "image": "a/b:c", "access": access, "args": [name]}
            | ({"localCommand": ["/bin/sh", "-c", script]} if script else {})
            | more.get("fields", {})
            for name, script in scripts.items()
        ]
        cluster = Cluster(api.kubeconfig(tmp_path))
        return Validation(
            declared=Declared.of(Document.parse(yaml.safe_dump(recipe), "recipe.yaml"), "mine"),
            snapshot=taken,
            catalog=Catalog.of(Document.parse(yaml.safe_dump({"validators": entries}), "catalog.yaml")),
            selected=("deployment",),
            connect=more.get("connect", lambda: cluster),
            progress=more.get("progress", Silent()),
            executor=more.get("executor", "auto"),
            scope=more.get("scope", Scope()),
        )

    return made


def left(api: FakeApi) -> list[str]:
    kinds = (SERVICE_ACCOUNTS, CLUSTER_ROLES, CLUSTER_ROLE_BINDINGS, ROLES)
    return [name for kind in kinds for _, name in api.at(api.revision, kind.plural)]


def test_exit_codes_messages_and_output_of_processes_become_tests(
    api: FakeApi, make: Callable[..., Validation]
) -> None:
    """The contract of a container: argv[1], codes, termination log, stdout as evidence, stderr live."""
    progress = Said()
    scripts = {
        "good": 'echo "seen by $0 in $AICR_VALIDATOR_PHASE"; echo live >&2; echo "RESULT: fine"',
        "bad": 'printf "no pod" > "$AICR_TERMINATION_LOG"; exit 1',
        "skips": "echo no GPU >&2; exit 2",
        "odd": "exit 7",
        "killed": "kill -9 $$",
    }
    report = make(scripts, progress=progress).carry_out()
    found = {test.name: (test.status, test.message) for test in report.tests}
    assert found == {
        "good": (Status.PASSED, ""),
        "bad": (Status.FAILED, "no pod"),
        "skips": (Status.SKIPPED, "no GPU"),
        "odd": (Status.OTHER, "ended with exit code 7, expected 0, 1 or 2"),
        "killed": (Status.OTHER, "ended by signal 9"),
    }
    assert report.tests[0].stdout == ("seen by good in deployment", "RESULT: fine")
    assert all(test.extra["simulated"] for test in report.tests), "no node of this cluster runs anything"
    assert "good: live" in progress.lines
    assert "good: fine" in progress.lines
    assert report.simulated == "1 of 1 nodes are simulated by KWOK"
    assert "deployment is failed (bad, odd, killed)" in report.problem


def test_a_process_gets_the_documents_a_token_and_nothing_else(api: FakeApi, make: Callable[..., Validation]) -> None:
    """No variable of the caller that is not of the contract, no credentials but the account's."""
    os.environ["SECRET_OF_THE_CALLER"] = "x"
    try:
        script = 'env; cat "$AICR_RECIPE_PATH" "$AICR_VALIDATION_PATH" "$AICR_SNAPSHOT_PATH" "$KUBECONFIG"; ulimit -n'
        [test] = make({"a": script}).carry_out().tests
    finally:
        del os.environ["SECRET_OF_THE_CALLER"]
    text = "\n".join(test.stdout)
    assert test.status is Status.PASSED
    for part in ("kind: RecipeResult", "kind: ValidationInput", "kind: Snapshot", "sesame", "AICR_CHECK_TIMEOUT=5m0s"):
        assert part in text
    assert "SECRET_OF_THE_CALLER" not in text
    assert test.stdout[-1].endswith("1024")


def test_only_what_a_check_declares_is_granted_and_nothing_is_left(
    api: FakeApi, make: Callable[..., Validation]
) -> None:
    """One role for the run, with the rules of the check under way; the namespace alone stays."""
    make({"a": "true"}).carry_out()
    roles = [body for verb, path, _, body in api.bodies if verb == "PATCH" and "/clusterroles/" in path]
    assert [body["rules"] for body in roles] == [[{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]]
    bindings = [body for verb, path, _, body in api.bodies if verb == "PATCH" and "clusterrolebindings" in path]
    assert bindings[0]["roleRef"]["name"].startswith("aicr-validator-")
    assert left(api) == []
    assert [name for _, name in api.at(api.revision, NAMESPACES.plural)] == ["aicr-validation"]


def test_cluster_admin_is_given_to_who_asks_and_told(api: FakeApi, make: Callable[..., Validation]) -> None:
    """In the report, so that nobody overlooks it."""
    report = make({"a": "true"}, fields={"access": {"clusterAdmin": True}}).carry_out()
    assert report.notes == ("a runs with cluster-admin, as its entry requires",)
    bindings = [body for verb, path, _, body in api.bodies if verb == "PATCH" and "clusterrolebindings" in path]
    assert bindings[-1]["roleRef"]["name"] == "cluster-admin"


def test_an_entry_without_permissions_gets_few_and_it_is_told(api: FakeApi, make: Callable[..., Validation]) -> None:
    """Catalogs of the reference declare none."""
    report = make({"a": "true"}, fields={"access": None}).carry_out()
    assert "a declares no permissions" in report.notes[0]


def test_a_check_that_does_not_end_is_ended_with_all_that_it_started(
    api: FakeApi, make: Callable[..., Validation], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Other, with its timeout, and no process is left."""
    monkeypatch.setattr("harness.validation.checks.process.GRACE", 0.0)
    file = tmp_path / "pid"
    script = f"sleep 60 & echo $! > {file}; wait"
    [test] = make({"a": script}, fields={"timeout": "200ms"}).carry_out().tests
    assert (test.status, test.message) == (Status.OTHER, "timeout: validator did not complete within 0.2 s")
    state = Path(f"/proc/{file.read_text().strip()}/stat")
    assert not state.exists() or ") Z " in state.read_text(), "an orphan that has ended may wait for whoever adopts it"


def test_memory_beyond_the_limit_is_refused(api: FakeApi, make: Callable[..., Validation]) -> None:
    """As a container would be ended."""
    fields = {
        "localCommand": [sys.executable, "-c", "x = bytearray(1 << 30)"],
        "resources": {"cpu": 1, "memory": "256Mi"},
    }
    [test] = make({"a": ""}, fields=fields).carry_out().tests
    assert test.status is Status.FAILED
    assert "MemoryError" in test.message


@pytest.mark.parametrize(("command", "status"), [(["/no/such/program"], Status.OTHER), ([], Status.SKIPPED)])
def test_what_cannot_be_run_here_says_why(
    api: FakeApi, make: Callable[..., Validation], command: list[str], status: Status
) -> None:
    """A program that is missing is other; an entry that has no local command is a skip with the reason."""
    [test] = make({"a": ""}, fields={"localCommand": command}).carry_out().tests
    assert test.status is status
    assert "/no/such/program" in test.message or "names no local command" in test.message


def test_nothing_is_made_before_the_gate_has_passed(api: FakeApi, make: Callable[..., Validation]) -> None:
    """Nor is there a report: a failed gate is no validation."""
    validation = make({"a": "true"}, constraint=">= 1.40")
    with pytest.raises(NotReady):
        validation.carry_out()
    assert validation.report is None
    assert api.bodies == []
    with pytest.raises(NotReady):
        make({"a": "true"}, taken=None).carry_out()


def test_an_unknown_check_is_refused_before_anything_is_made(api: FakeApi, make: Callable[..., Validation]) -> None:
    """All problems of the names are told at once."""
    validation = make({"a": "true"})
    validation.catalog = Catalog({})
    with pytest.raises(DataError, match='"a" in phase deployment matches no validator'):
        validation.carry_out()
    assert api.bodies == []


def test_without_a_cluster_constraints_are_evaluated_and_checks_are_skipped(make: Callable[..., Validation]) -> None:
    """Nobody connects."""
    report = make({"a": "true"}, connect=None).carry_out()
    assert [(test.status, test.message) for test in report.tests] == [(Status.SKIPPED, "skipped - no-cluster mode")]
    assert report.problem == ""


def test_what_may_not_be_made_is_named(api: FakeApi, make: Callable[..., Validation]) -> None:
    """A namespace that may not be created ends the run, with its name; nothing of the run is left."""
    api.fault(Fault("status", verb="PATCH", plural="namespaces", status=403))
    with pytest.raises(AccessRefused, match=r"Namespace aicr-validation cannot be created: .* 403"):
        make({"a": "true"}).carry_out()
    assert left(api) == []


def test_a_role_that_may_not_be_made_makes_the_check_other(api: FakeApi, make: Callable[..., Validation]) -> None:
    """The others go on."""
    api.fault(Fault("status", verb="PATCH", plural="clusterroles", status=403))
    report = make({"a": "true", "b": "true"}).carry_out()
    assert [test.status for test in report.tests] == [Status.OTHER, Status.PASSED]
    assert "ClusterRole" in report.tests[0].message


def test_an_interrupt_keeps_what_was_evaluated_and_leaves_nothing(
    api: FakeApi, make: Callable[..., Validation]
) -> None:
    """The phase under way is in the report with the checks that have ended."""

    class Interrupting(Silent):
        def started(self, task: str, detail: str = "") -> None:
            if task == "b":
                raise KeyboardInterrupt

    validation = make({"a": "true", "b": "true"}, progress=Interrupting())
    with pytest.raises(KeyboardInterrupt):
        validation.carry_out()
    assert validation.report is not None
    assert [(test.name, test.status) for test in validation.report.tests] == [("a", Status.PASSED)]
    assert left(api) == []


def test_what_cannot_be_cleaned_up_makes_the_run_fail(api: FakeApi, make: Callable[..., Validation]) -> None:
    """A binding that stays is a permission that stays."""
    api.fault(Fault("status", verb="DELETE", plural="clusterrolebindings", status=403))
    with pytest.raises(HarnessError, match=r"the run was not cleaned up:\n  ClusterRoleBinding aicr-validator"):
        make({"a": "true"}).carry_out()


def test_an_api_server_that_goes_makes_checks_other_and_is_told(api: FakeApi, make: Callable[..., Validation]) -> None:
    """What had ended is kept; what could not be removed is named."""

    class Breaking(Silent):
        def started(self, task: str, detail: str = "") -> None:
            if task == "b":
                api.stop()

    validation = make({"a": "true", "b": "true"}, progress=Breaking())
    try:
        with pytest.raises(HarnessError, match="the run was not cleaned up"):
            validation.carry_out()
    finally:
        api.start()
    assert validation.report is not None
    assert [test.status for test in validation.report.tests] == [Status.PASSED, Status.OTHER]
    assert "not run: " in validation.report.tests[1].message


def test_two_runs_have_objects_of_their_own(make: Callable[..., Validation]) -> None:
    """Run ids differ, and so does everything that is called after them."""
    one, two = make({"a": "true"}), make({"a": "true"})
    assert one.run_id != two.run_id
    assert len(one.run_id) == len("20260620-081500-") + 16


def test_nothing_is_made_on_another_cluster_than_that_of_the_snapshot(
    api: FakeApi, make: Callable[..., Validation]
) -> None:
    """Its constraints held elsewhere."""
    api.put(NAMESPACES, {"metadata": {"name": "kube-system", "uid": "here"}})
    taken = replace(SNAPSHOT, metadata={"cluster-uid": "there"})
    with pytest.raises(DataError, match="the snapshot is of another cluster"):
        make({"a": "true"}, taken=taken).carry_out()
    assert [verb for verb, _, _, _ in api.bodies if verb != "GET"] == []
