"""Checks as Jobs: what is made, how it is followed, and that nothing of it is left."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.cluster.api import Cluster
from harness.deadline import Deadline
from harness.errors import DataError
from harness.formats.documents import Document
from harness.objects import CONFIGMAPS, FAILED_CREATES, JOBS, NODES, PODS, Kind, Objects, key_of
from harness.progress import Silent
from harness.validation.checks.access import Account
from harness.validation.checks.catalog import Affinity, Entry
from harness.validation.checks.contract import Inputs
from harness.validation.checks.images import Images
from harness.validation.checks.job import JobEnded, JobExecutor, kept_from_running
from harness.validation.declared import Declared
from harness.validation.results import Status
from harness.verdict import Passed, Waiting
from tests.fakes.api import FakeApi, Fault
from tests.fakes.clock import until
from tests.fakes.validation import snapshot

REAL = {"metadata": {"name": "real"}, "status": {"images": [{"names": ["docker.io/library/a:b", "reg.io/c/d:e"]}]}}
LABELLED = {"metadata": {"name": "labelled", "labels": {"type": "kwok"}}}
ANNOTATED = {"metadata": {"name": "annotated", "annotations": {"kwok.x-k8s.io/node": "fake"}}}
ENTRY = Entry("dra-support", "conformance", "reg.io/c/d:latest", timeout=120, args=("dra-support",), env={"Z": "1"})


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with FakeApi() as fake:
        fake.documents["/apis/authorization.k8s.io/v1/subjectaccessreviews"] = {"status": {"allowed": True}}
        yield fake


def executor(api: FakeApi, tmp_path: Path, *nodes: dict[str, Any], **more: Any) -> JobExecutor:
    for node in nodes:
        api.put(NODES, node)
    cluster = Cluster(api.kubeconfig(tmp_path))
    recipe = {
        "kind": "RecipeResult",
        "apiVersion": "aicr.run/v1alpha2",
        "componentRefs": [{"name": "prometheus", "namespace": "monitoring"}],
    }
    declared = Declared.of(Document.parse(yaml.safe_dump(recipe), "recipe.yaml"), "mine")
    taken = more.get("snapshot", snapshot(K8s__server={"version": "v1.34.0"}))
    inputs = Inputs("run-1", taken, declared, {"b": "2", "a": "1"}, ("*",), {"HF_TOKEN": "secret"})
    images = Images(version="v1.2.3")
    return JobExecutor(Account(cluster, "run-1"), inputs, images, nodes, Silent(), ("pull",))


def test_a_job_has_one_container_by_the_contract(api: FakeApi, tmp_path: Path) -> None:
    """Names, labels, limits, deadline, image, volumes, and the variables in their order."""
    job = executor(api, tmp_path, REAL).document(ENTRY, "aicr-dra-support-12345678")
    assert job["metadata"]["labels"] == {
        "app.kubernetes.io/name": "aicr",
        "app.kubernetes.io/component": "validation",
        "app.kubernetes.io/managed-by": "aicr",
        "aicr.nvidia.com/run-id": "run-1",
        "aicr.nvidia.com/job-type": "validation",
        "aicr.nvidia.com/validator": "dra-support",
        "aicr.nvidia.com/phase": "conformance",
    }
    spec = job["spec"]
    assert (spec["activeDeadlineSeconds"], spec["backoffLimit"], spec["ttlSecondsAfterFinished"]) == (120, 0, 3600)
    pod = spec["template"]["spec"]
    assert (pod["restartPolicy"], pod["serviceAccountName"]) == ("Never", "aicr-validator-run-1")
    assert (pod["tolerations"], pod["imagePullSecrets"]) == ([{"operator": "Exists"}], [{"name": "pull"}])
    [container] = pod["containers"]
    assert (container["name"], container["image"]) == ("validator", "reg.io/c/d:v1.2.3")
    assert (container["imagePullPolicy"], container["args"]) == ("IfNotPresent", ["dra-support"])
    assert container["resources"]["limits"] == container["resources"]["requests"] == {"cpu": "1", "memory": "1Gi"}
    assert [each["name"] for each in container["env"]] == [
        "AICR_SNAPSHOT_PATH",
        "AICR_RECIPE_PATH",
        "AICR_VALIDATION_PATH",
        "AICR_VALIDATOR_NAME",
        "AICR_VALIDATOR_PHASE",
        "AICR_RUN_ID",
        "AICR_NAMESPACE",
        "AICR_CHECK_TIMEOUT",
        "AICR_NODE_SELECTOR",
        "AICR_TOLERATIONS",
        "Z",
    ]
    values = {each["name"]: each.get("value") for each in container["env"]}
    assert (values["AICR_CHECK_TIMEOUT"], values["AICR_NODE_SELECTOR"]) == ("2m0s", "a=1,b=2")
    assert {each["mountPath"] for each in container["volumeMounts"]} == {
        "/data/snapshot",
        "/data/recipe",
        "/data/validation",
    }


@pytest.mark.parametrize(("name", "given"), [("inference-perf", True), ("dra-support", False)])
def test_a_token_of_the_caller_is_for_one_check_alone(api: FakeApi, tmp_path: Path, name: str, given: bool) -> None:
    """HF_TOKEN goes to inference-perf and to no other."""
    job = executor(api, tmp_path, REAL).document(Entry(name, "performance", "a/b:c"), "x")
    variables = {each["name"]: each for each in job["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert ("HF_TOKEN" in variables) is given
    if given:
        reference = {"name": "aicr-caller-run-1", "key": "HF_TOKEN", "optional": True}
        assert variables["HF_TOKEN"] == {"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": reference}}


def test_a_token_of_the_caller_is_in_a_secret_that_goes(api: FakeApi, tmp_path: Path) -> None:
    """And in no Job, which more people may read."""
    jobs = executor(api, tmp_path, REAL)
    api.fault(Fault("status", verb="POST", plural="jobs", status=403))
    jobs.carry_out(Entry("inference-perf", "performance", "a/b:c"))
    assert api.at(api.revision, "secrets")["aicr-validation", "aicr-caller-run-1"]["stringData"] == {
        "HF_TOKEN": "secret"
    }
    [job] = [body for verb, path, _, body in api.bodies if verb == "POST" and path.endswith("/jobs")]
    assert "'secret'" not in str(job)
    jobs.remove(Deadline.after(30))
    assert api.at(api.revision, "secrets") == {}


def test_a_job_never_goes_to_a_simulated_node(api: FakeApi, tmp_path: Path) -> None:
    """Required, by label and, for nodes that are marked by the annotation alone, by name."""
    job = executor(api, tmp_path, REAL, LABELLED, ANNOTATED).document(ENTRY, "x")
    affinity = job["spec"]["template"]["spec"]["affinity"]["nodeAffinity"]
    assert affinity["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"] == [
        {
            "matchExpressions": [{"key": "type", "operator": "NotIn", "values": ["kwok"]}],
            "matchFields": [{"key": "metadata.name", "operator": "NotIn", "values": ["annotated"]}],
        }
    ]
    [preferred] = affinity["preferredDuringSchedulingIgnoredDuringExecution"]
    assert preferred["preference"]["matchExpressions"][0]["key"] == "nvidia.com/gpu.present"


def test_on_a_kind_cluster_of_the_harness_a_job_names_the_real_node(api: FakeApi, tmp_path: Path) -> None:
    """Its API server would send it to the simulated ones otherwise; where other nodes are real too, any of them do."""
    ours = {"metadata": {"name": "ours", "labels": {"kwok-harness.io/node": "infrastructure"}}}
    pod = executor(api, tmp_path, ours, LABELLED).document(ENTRY, "x")["spec"]["template"]["spec"]
    assert pod["nodeSelector"] == {"kwok-harness.io/node": "infrastructure"}
    pod = executor(api, tmp_path, ours, REAL, LABELLED).document(ENTRY, "x")["spec"]["template"]["spec"]
    assert "nodeSelector" not in pod


@pytest.mark.parametrize("required", [True, False])
def test_a_check_runs_beside_its_dependency(api: FakeApi, tmp_path: Path, required: bool) -> None:
    """In the namespace of the component."""
    entry = Entry("a", "conformance", "a/b:c", affinity=(Affinity("prometheus", {"app": "x"}, required),))
    job = executor(api, tmp_path, REAL).document(entry, "x")
    found = job["spec"]["template"]["spec"]["affinity"]["podAffinity"]
    term = {
        "labelSelector": {"matchLabels": {"app": "x"}},
        "namespaces": ["monitoring"],
        "topologyKey": "kubernetes.io/hostname",
    }
    key = "requiredDuringSchedulingIgnoredDuringExecution"
    if required:
        assert found == {key: [term]}
    else:
        assert found == {key.replace("required", "preferred"): [{"weight": 100, "podAffinityTerm": term}]}


def test_without_a_real_node_no_job_is_made(api: FakeApi, tmp_path: Path) -> None:
    """Other, and not a pass that KWOK has simulated."""
    found = executor(api, tmp_path, LABELLED, ANNOTATED).carry_out(ENTRY)
    assert (found.status, found.message) == (Status.OTHER, "not executed: no real node")
    assert api.seen("POST", "jobs") == 0


@pytest.mark.parametrize(
    ("image", "there"),
    [("a:b", True), ("docker.io/library/a:b", True), ("reg.io/c/d:e", True), ("reg.io/c/d:f", False)],
)
def test_an_image_is_known_by_the_nodes_that_have_it(api: FakeApi, tmp_path: Path, image: str, there: bool) -> None:
    """As the kubelet reports it; those of simulated nodes do not count."""
    assert executor(api, tmp_path, REAL).has_image(Entry("a", "deployment", image)) is there
    simulated = {**REAL, "metadata": LABELLED["metadata"]}
    assert not executor(api, tmp_path, simulated).has_image(Entry("a", "deployment", image))


def test_a_job_is_followed_to_its_end_and_taken_away(api: FakeApi, tmp_path: Path) -> None:
    """The verdict is the container's, and a failed Job is an end like any other."""
    jobs = executor(api, tmp_path, REAL)
    found: list[Any] = []
    following = threading.Thread(target=lambda: found.append(jobs.carry_out(ENTRY)))
    following.start()
    until(lambda: api.watched(JOBS, PODS))
    [(key, job)] = api.at(api.revision, "jobs").items()
    ended = {"exitCode": 2, "message": "no GPU", "containerID": "containerd://1"}
    status = {"containerStatuses": [{"name": "validator", "state": {"terminated": ended}, "containerID": "c"}]}
    labels = {"batch.kubernetes.io/job-name": key[1]}
    spec = {"nodeName": "real", "containers": [{"name": "validator"}]}
    api.documents["/api/v1/namespaces/aicr-validation/pods/p/log"] = b"seen\n"
    api.put(PODS, {"metadata": {"name": "p", "namespace": key[0], "labels": labels}, "spec": spec, "status": status})
    api.put(JOBS, {**job, "status": {"conditions": [{"type": "Failed", "status": "True"}]}})
    until(lambda: api.seen("DELETE", "jobs"))
    api.delete(PODS, key[0], "p")
    following.join()
    [result] = found
    assert (result.status, result.message, result.stdout) == (Status.SKIPPED, "no GPU", ("seen",))
    assert api.at(api.revision, "jobs") == {}


@pytest.mark.parametrize("status", [403, 422])
def test_a_job_that_may_not_be_made_is_other(api: FakeApi, tmp_path: Path, status: int) -> None:
    """A quota, or a permission: the next check goes on."""
    api.fault(Fault("status", verb="POST", plural="jobs", status=status))
    found = executor(api, tmp_path, REAL).carry_out(ENTRY)
    assert found.status is Status.OTHER
    assert f"failed to deploy Job: POST /apis/batch/v1/namespaces/aicr-validation/jobs: {status}" in found.message


def test_input_documents_are_configmaps_of_the_run(api: FakeApi, tmp_path: Path) -> None:
    """One for each, and none is left."""
    jobs = executor(api, tmp_path, REAL)
    jobs.require_fits()
    jobs.prepare()
    names = {name for _, name in api.at(api.revision, CONFIGMAPS.plural)}
    assert names == {"aicr-snapshot-run-1", "aicr-recipe-run-1", "aicr-validation-run-1"}
    assert jobs.remove(Deadline.after(30)) == []
    assert api.at(api.revision, CONFIGMAPS.plural) == {}


def test_a_document_that_no_configmap_holds_is_refused_before_anything_is_made(api: FakeApi, tmp_path: Path) -> None:
    """With both sizes."""
    jobs = executor(api, tmp_path, REAL, snapshot=snapshot(OS__sysctl={"/proc/sys/a": "x" * (2 << 20)}))
    with pytest.raises(DataError, match="more than the 1,048,576 bytes that a ConfigMap can contain"):
        jobs.require_fits()
    assert api.bodies == []


def test_a_job_whose_pod_is_refused_says_why_before_its_deadline() -> None:
    """By the event of its controller, such as a quota's; once there is a pod, the pod counts."""
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j", "namespace": "ns"}}
    event = {
        "metadata": {"name": "e", "namespace": "ns"},
        "involvedObject": {"kind": "Job", "name": "j"},
        "message": "exceeded quota: none",
    }
    other = {**event, "metadata": {"name": "f", "namespace": "ns"}, "involvedObject": {"kind": "Job", "name": "k"}}
    pod = {"metadata": {"name": "p", "namespace": "ns", "labels": {"batch.kubernetes.io/job-name": "j"}}}
    cases: list[tuple[list[Any], list[Any], str]] = [
        ([event, other], [], "exceeded quota: none"),
        ([other], [], ""),
        ([event], [pod], ""),
    ]
    for events, pods, doomed in cases:
        lists: dict[Kind, list[dict[str, Any]]] = {JOBS: [job], PODS: pods, FAILED_CREATES: events}
        found = JobEnded("ns", "j")(Objects({kind: {key_of(each): each for each in lists[kind]} for kind in lists}))
        assert isinstance(found, Waiting)
        assert found.doomed == doomed


def test_what_kept_a_pod_from_running_is_told_at_the_deadline_too() -> None:
    """The pod is gone by then, and that its time was up is not the cause; one that ran in between was not kept."""
    pod = {"metadata": {"name": "p"}}
    unpulled = Waiting("x", doomed="ErrImagePull: no such tag")
    kept = kept_from_running("", unpulled, [pod])
    assert kept == "ErrImagePull: no such tag"
    for verdict, pods in ((Waiting("runs, 0 pods"), []), (Waiting("runs, 1 pods"), [pod]), (Passed("has ended"), [])):
        assert kept_from_running(kept, verdict, pods) == kept
    ran = {**pod, "status": {"containerStatuses": [{"containerID": "c"}]}}
    assert kept_from_running(kept, Waiting("runs, 1 pods"), [ran]) == ""
