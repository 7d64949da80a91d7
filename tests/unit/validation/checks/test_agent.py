"""The older agent: what it makes, how it waits, and how its result is had."""

import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.__main__ import run
from harness.cluster.api import Cluster
from harness.errors import DataError, HarnessError
from harness.exits import Exit
from harness.objects import CLUSTER_ROLES, CONFIGMAPS, JOBS, NODES, PODS, ROLES, SERVICE_ACCOUNTS
from harness.validation.checks.agent import Agent, AgentFailed
from harness.validation.checks.agent_job import Config, job, reason_of, script
from harness.validation.checks.agent_log import FAIL, NOT_EXECUTED, PASS, AgentResult
from harness.validation.checks.agent_results import KeptResults
from harness.validation.checks.pods import JOB_LABEL
from tests.fakes.api import FakeApi, Fault
from tests.fakes.clock import until

LOG = "\n".join(
    [
        "--- BEGIN TEST OUTPUT ---",
        '{"Action":"run","Test":"TestA"}',
        '{"Action":"pass","Test":"TestA","Elapsed":0.1}',
        "--- END TEST OUTPUT ---",
        "",
    ]
)
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
CONFIG = Config("ns", "job", "pkg/deployment", "snap", "rec", timeout=30)


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with FakeApi() as fake:
        for name in ("snap", "rec"):
            fake.put(CONFIGMAPS, {"metadata": {"name": name, "namespace": "ns"}})
        fake.put(NODES, {"metadata": {"name": "real"}})
        fake.put(NODES, {"metadata": {"name": "fake", "labels": {"type": "kwok"}}})
        yield fake


def agent(api: FakeApi, tmp_path: Path, config: Config = CONFIG) -> Agent:
    return Agent(Cluster(api.kubeconfig(tmp_path)), config)


def put_pod(api: FakeApi, phase: str = "Running", node: str = "real", **status: Any) -> None:
    metadata = {"name": "p", "namespace": "ns", "labels": {JOB_LABEL: "job"}}
    api.put(PODS, {"metadata": metadata, "spec": {"nodeName": node}, "status": {"phase": phase, **status}})
    api.documents["/api/v1/namespaces/ns/pods/p/log"] = LOG.encode()


def put_job(api: FakeApi, condition: str) -> None:
    there = api.at(api.revision, "jobs")["ns", "job"]
    api.put(JOBS, {**there, "status": {"conditions": [{"type": condition, "status": "True"}]}})


def test_an_agent_is_deployed_with_few_permissions(api: FakeApi, tmp_path: Path) -> None:
    """Account, a Role, a ClusterRole, their bindings; again without harm; all of it goes."""
    made = agent(api, tmp_path)
    made.deploy()
    made.ensure_rbac()
    kinds = (SERVICE_ACCOUNTS, ROLES, CLUSTER_ROLES)
    names = [name for kind in kinds for _, name in api.at(api.revision, kind.plural)]
    assert names == ["aicr-validator", "aicr-validator", "aicr-validator-cluster"]
    assert ("ns", "job") in api.at(api.revision, "jobs")
    made.cleanup()
    assert [name for kind in (*kinds, JOBS) for name in api.at(api.revision, kind.plural)] == []


@pytest.mark.parametrize(("missing", "what"), [("snap", "snapshot"), ("rec", "recipe")])
def test_a_configmap_that_is_not_there_is_named(api: FakeApi, tmp_path: Path, missing: str, what: str) -> None:
    """Before a Job is made."""
    api.delete(CONFIGMAPS, "ns", missing)
    with pytest.raises(DataError, match=f'{what} ConfigMap "{missing}" not found'):
        agent(api, tmp_path).deploy_job()
    assert api.seen("POST", "jobs") == 0


def test_a_job_of_the_name_goes_first(api: FakeApi, tmp_path: Path) -> None:
    """The new one is made when the old one is gone."""
    made = agent(api, tmp_path)
    made.deploy_job()
    made.deploy_job()
    verbs = [verb for verb, plural, _ in api.requests if plural == "jobs" and verb in ("POST", "DELETE")]
    assert verbs == ["POST", "DELETE", "POST"]


def test_a_job_stays_away_from_simulated_nodes_whatever_its_affinity() -> None:
    """Each term of a given affinity gets the requirement."""
    away = {"key": "type", "operator": "NotIn", "values": ["kwok"]}
    mine = {"key": "zone", "operator": "In", "values": ["a"]}
    key = "requiredDuringSchedulingIgnoredDuringExecution"
    given = {"nodeAffinity": {key: {"nodeSelectorTerms": [{"matchExpressions": [mine]}]}}}
    for affinity, expected in ((None, [away]), (given, [mine, away])):
        made = job(replace(CONFIG, affinity=affinity))
        found = made["spec"]["template"]["spec"]["affinity"]["nodeAffinity"][key]
        assert found == {"nodeSelectorTerms": [{"matchExpressions": expected}]}


def test_a_result_is_read_from_the_log_and_outlives_the_job(api: FakeApi, tmp_path: Path) -> None:
    """A ConfigMap of the run holds each phase, so that a later run can go on."""
    made = agent(api, tmp_path)
    put_pod(api)
    result = made.get_result()
    assert (result.verdict, result.message) == (PASS, "1 tests passed")
    results = KeptResults(made.cluster, "ns", "r1")
    results.keep("deployment", result, NOW)
    results.keep("conformance", made.get_result(), NOW)
    results.keep("performance", replace(result, verdict=NOT_EXECUTED, why="no test was run"), NOW)
    assert results.passed() == ["conformance", "deployment"]
    kept = api.at(api.revision, "configmaps")["ns", "aicr-validation-result-r1"]
    assert kept["metadata"]["labels"]["aicr.nvidia.com/created-at"] == "20261130-120000"
    document = yaml.safe_load(kept["data"]["result.yaml"])
    assert (document["kind"], document["runID"]) == ("ValidationResult", "r1")
    assert {name: phase["status"] for name, phase in document["phases"].items()} == {
        "deployment": "pass",
        "conformance": "pass",
        "performance": "fail",
    }
    counted = {"passed": 3, "failed": 0, "skipped": 0, "total": 3, "status": "fail", "duration": "0.3s"}
    assert document["summary"] == counted
    with pytest.raises(DataError, match="run r2 cannot be resumed"):
        replace(results, run_id="r2").passed()


def test_what_a_simulated_node_has_run_is_not_executed(api: FakeApi, tmp_path: Path) -> None:
    """Even where its log, which KWOK can serve, says otherwise."""
    put_pod(api, node="fake")
    result = agent(api, tmp_path).get_result()
    assert (result.verdict, result.why) == (NOT_EXECUTED, "not executed: simulated node fake")


def test_a_log_is_told_line_by_line(api: FakeApi, tmp_path: Path) -> None:
    """And had as a whole; without a pod there is none."""
    made = agent(api, tmp_path)
    with pytest.raises(DataError, match="has no pod"):
        made.get_pod_logs()
    put_pod(api)
    heard: list[str] = []
    made.stream_logs(heard.append)
    assert heard == LOG.splitlines()
    assert made.get_pod_logs() == LOG


@pytest.mark.parametrize(("condition", "failed"), [("Complete", False), ("Failed", True)])
def test_a_job_is_waited_for(api: FakeApi, tmp_path: Path, condition: str, failed: bool) -> None:
    """Complete is well, failed has its reason and the end of the log."""
    made = agent(api, tmp_path)
    made.deploy_job()
    put_pod(api, containerStatuses=[{"state": {"terminated": {"exitCode": 1, "reason": "Error"}}}])
    seen: list[str] = []

    def waiting() -> None:
        try:
            made.wait_for_completion()
            seen.append("")
        except AgentFailed as error:
            seen.append(str(error))

    thread = threading.Thread(target=waiting)
    thread.start()
    until(lambda: api.watched(JOBS, PODS))
    put_job(api, condition)
    thread.join()
    assert bool(seen[0]) is failed
    if failed:
        assert "Tests failed (exit code 1): Error" in seen[0]
        assert "--- END TEST OUTPUT ---" in seen[0]


def test_a_pod_that_runs_is_ready_and_one_that_is_gone_has_terminated(api: FakeApi, tmp_path: Path) -> None:
    """A pod that never runs is a timeout; one that does not terminate is no error."""
    made = agent(api, tmp_path)
    made.wait_for_job_pod_termination()
    with pytest.raises(AgentFailed, match="timed out waiting for pod ready"):
        made.wait_for_pod_ready(0.05)
    put_pod(api)
    made.wait_for_pod_ready()
    made.wait_for_job_pod_termination(0.05)


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ({"terminated": {"exitCode": 1, "reason": "Error"}}, "Tests failed (exit code 1): Error"),
        ({"terminated": {"exitCode": 2}}, "Container command error (exit code 2): "),
        ({"terminated": {"exitCode": 127}}, "Container execution error (exit code 127): "),
        ({"terminated": {"exitCode": 137, "reason": "OOMKilled"}}, "Container killed due to out of memory (OOMKilled)"),
        ({"terminated": {"exitCode": 137, "reason": "Error"}}, "Container killed (exit code 137): Error"),
        ({"terminated": {"exitCode": 139}}, "Container segmentation fault (exit code 139): "),
        ({"terminated": {"exitCode": 7, "reason": "Error"}}, "Container exited with code 7: Error"),
        ({"waiting": {"reason": "ErrImagePull", "message": "m"}}, "Image pull failed: m (image: i)"),
        ({"waiting": {"reason": "CrashLoopBackOff"}}, "CrashLoopBackOff"),
        ({"waiting": {"reason": "Other", "message": "m"}}, "Container waiting: Other - m"),
        ({"running": {}}, "Pod still running but Job marked as failed"),
    ],
)
def test_why_a_job_failed(state: dict[str, Any], reason: str) -> None:
    """By the state of its first pod's container."""
    pod = {"metadata": {}, "status": {"phase": "Running", "containerStatuses": [{"state": state, "image": "i"}]}}
    assert reason_of({}, [pod]) == reason


def test_a_job_without_a_pod_failed_as_it_says() -> None:
    """In its condition."""
    conditions = [{"type": "Failed", "status": "True", "message": "quota"}]
    assert reason_of({"status": {"conditions": conditions}}, []) == "quota"


def test_cleanup_tries_everything_and_counts_what_failed(api: FakeApi, tmp_path: Path) -> None:
    """Where it is wanted."""
    api.fault(Fault("status", verb="DELETE", plural="jobs", status=403))
    api.fault(Fault("status", verb="DELETE", plural="roles", status=403))
    with pytest.raises(HarnessError, match=r"cleanup failed with 2 error\(s\)"):
        agent(api, tmp_path).cleanup()
    agent(api, tmp_path, replace(CONFIG, cleanup=False)).cleanup()


def test_an_agent_is_run_by_hand(api: FakeApi, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """deploy, logs, result and cleanup; what is missing is one message with its code."""
    of = ["--kubeconfig", str(api.kubeconfig(tmp_path)), "--namespace", "ns", "--job-name", "job"]
    maps = ["--snapshot-config-map", "snap", "--recipe-config-map"]
    writing = [*of, "--context", "fake"]
    deploy = ["agent", "deploy", *writing, "--test-package", "p/deployment", "--no-wait", *maps]
    assert run([*deploy, "gone"]) is Exit.SETTINGS
    assert 'recipe ConfigMap "gone" not found' in capsys.readouterr().err
    assert run([*deploy, "rec"]) is Exit.OK
    assert run(["agent", "result", *of]) is Exit.SETTINGS
    assert "Job ns/job has no pod" in capsys.readouterr().err
    put_pod(api)
    assert run(["agent", "logs", *of]) is Exit.OK
    assert capsys.readouterr().out == LOG
    assert run(["agent", "result", *of]) is Exit.OK
    assert "pass: 1 tests passed" in capsys.readouterr().out
    assert run(["agent", "result", *of, "--expected-tests", "2"]) is Exit.FAILURE
    assert "fail: 1 tests passed; 1 of 2 expected tests ran" in capsys.readouterr().out
    api.delete(PODS, "ns", "p")
    assert run(["agent", "cleanup", *writing]) is Exit.OK
    assert api.at(api.revision, "jobs") == {}


def follow(api: FakeApi, made: Agent, condition: str, **status: Any) -> AgentResult | str:
    """Deploy, and play the cluster until the Job has the condition."""
    made.deploy()
    put_pod(api, **status)
    found: list[AgentResult | str] = []

    def following() -> None:
        try:
            found.append(made.follow(lambda _: None))
        except AgentFailed as error:
            found.append(str(error))

    thread = threading.Thread(target=following)
    thread.start()
    if condition:
        until(lambda: api.watched(JOBS, PODS))
        put_job(api, condition)
    else:
        until(lambda: not api.at(api.revision, "jobs"))
        api.delete(PODS, "ns", "p")  # as the garbage collector does
    thread.join()
    return found[0]


def test_a_job_that_failed_has_failed_whatever_its_log_says(api: FakeApi, tmp_path: Path) -> None:
    """A container that was killed after its tests had passed, say."""
    ended = [{"state": {"terminated": {"exitCode": 137, "reason": "Error"}}}]
    result = follow(api, agent(api, tmp_path), "Failed", containerStatuses=ended)
    assert isinstance(result, AgentResult)
    assert (result.status, result.verdict) == (PASS, FAIL)
    assert result.why == "Job failed: Container killed (exit code 137): Error"


def test_a_job_that_is_overdue_is_deleted(api: FakeApi, tmp_path: Path) -> None:
    """Nothing of it runs on, and what its log says is kept."""
    result = follow(api, agent(api, tmp_path, replace(CONFIG, timeout=0.3)), "")
    assert isinstance(result, AgentResult)
    assert result.verdict == FAIL
    assert result.why.startswith("[TIMEOUT] job completion timeout")
    assert api.at(api.revision, "jobs") == {}


def test_a_phase_that_has_passed_is_not_run_again(
    api: FakeApi, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Any other is; a run without results cannot be resumed."""
    made = agent(api, tmp_path)
    put_pod(api)
    KeptResults(made.cluster, "ns", "r1").keep("deployment", made.get_result(), NOW)
    words = ["agent", "deploy", "--kubeconfig", str(api.kubeconfig(tmp_path)), "--context", "fake", "--namespace", "ns"]
    words += ["--test-package", "p/deployment", "--snapshot-config-map", "gone", "--recipe-config-map", "rec"]
    assert run([*words, "--resume", "r1"]) is Exit.OK
    assert "phase deployment passed in run r1 and was not run again" in capsys.readouterr().out
    assert run([*words, "--resume", "r1", "--phase", "conformance"]) is Exit.SETTINGS
    assert 'snapshot ConfigMap "gone" not found' in capsys.readouterr().err
    assert run([*words, "--resume", "r2"]) is Exit.SETTINGS
    assert "run r2 cannot be resumed" in capsys.readouterr().err
    wrong = (["--resume", "r1", "--no-wait"], ["--run-id", "A b"], ["--timeout", "-1"], ["--expected-tests", "-1"])
    for more in wrong:
        assert run([*words, *more]) is Exit.USAGE


@pytest.mark.parametrize("status", [0, 1, 7])
def test_the_container_ends_with_the_status_of_the_tests(tmp_path: Path, status: int) -> None:
    """And not with that of what reads their output; the pattern is one word whatever it holds."""
    bin_directory = tmp_path / "bin"
    bin_directory.mkdir()
    for name, text in (
        ("deployment.test", f'#!/bin/sh\necho "$@"\nexit {status}\n'),
        ("test2json", "#!/bin/sh\ncat\n"),
    ):
        (bin_directory / name).write_text(text)
        (bin_directory / name).chmod(0o755)
    text = script(replace(CONFIG, test_pattern="^(Test'A|TestB)$")).replace("/tmp/status", str(tmp_path / "status"))
    done = subprocess.run(
        ["/bin/sh", "-c", text], capture_output=True, text=True, env={"PATH": f"{bin_directory}:/usr/bin:/bin"}
    )
    assert done.returncode == status
    assert done.stdout.splitlines() == [
        "Running validation tests...",
        "Binary: deployment.test",
        "Pattern: ^(Test'A|TestB)$",
        "--- BEGIN TEST OUTPUT ---",
        "-test.v -test.run ^(Test'A|TestB)$",
        "--- END TEST OUTPUT ---",
    ]
