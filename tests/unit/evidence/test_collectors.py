"""What each of the standard collectors brings, with stand-ins for kubectl, helm and the cluster."""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from harness.cluster.api import Cluster
from harness.errors import ClusterError, HarnessError
from harness.evidence import collectors
from harness.evidence.collect import Collector, Files, Incomplete
from harness.evidence.collectors import EvidenceSite, Kubectl
from harness.processes.commands import CommandFailed, CommandMissing, Completed
from lanes import find
from tests.fakes.clock import ManualClock

Script = Callable[[str], Kubectl]


@pytest.fixture
def kubectl(tmp_path: Path) -> Script:
    """A kubectl that is a shell script; it notes its words in `calls`."""

    def make(script: str) -> Kubectl:
        binary = tmp_path / "kubectl"
        binary.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n{script}\n')
        binary.chmod(0o755)
        return Kubectl(lambda: binary, tmp_path / "kubeconfig", "kwok-c", tmp_path / "cache")

    return make


def text(collector: Collector, timeout: float = 10) -> str:
    produced = collector.produce(timeout)
    assert isinstance(produced, str)
    return produced


def files(collector: Collector, timeout: float = 10) -> Files:
    produced = collector.produce(timeout)
    assert not isinstance(produced, str)
    return produced


def named(found: list[Collector], name: str) -> Collector:
    return next(each for each in found if each.name == name)


def test_tables_are_what_kubectl_prints(kubectl: Script, tmp_path: Path) -> None:
    """The five tables have the documented file names, and come from kubectl with the documented words, unchanged."""
    found = collectors.of_cluster("c", kubectl("echo 'NAME  READY'"))[:5]
    tables = ("resources", "nodes", "events", "pods", "volumes")
    assert {each.file for each in found} == {f"c-{table}.txt" for table in tables}
    assert {text(each) for each in found} == {"NAME  READY\n"}
    calls = (tmp_path / "calls").read_text().splitlines()
    words = [call.partition("s ")[2] for call in (line.partition("--request-timeout=")[2] for line in calls)]
    assert sorted(words) == [
        "get all -A",
        "get events -A --sort-by=.lastTimestamp",
        "get nodes -o wide",
        "get persistentvolumeclaims,persistentvolumes -A",
        "get pods -A -o wide",
    ]
    assert all(f"--kubeconfig={tmp_path}/kubeconfig --context=kwok-c" in call for call in calls)


def test_table_of_nothing_says_so(kubectl: Script) -> None:
    """Where there is nothing kubectl says it on stderr; the file is not empty then."""
    assert text(collectors.of_cluster("c", kubectl("echo 'No resources found' >&2"))[0]) == "No resources found\n"


def test_output_before_a_failure_is_kept(kubectl: Script) -> None:
    """A kubectl that fails after it printed something leaves that, with its last words as the reason."""
    pods = collectors.of_cluster("c", kubectl("echo some; echo 'error: half' >&2; exit 1"))[0]
    with pytest.raises(Incomplete, match="exit status 1: error: half") as caught:
        pods.produce(10)
    assert caught.value.content == "some\n"


def test_output_before_the_time_is_over_is_kept(kubectl: Script) -> None:
    """A kubectl that does not end in time is ended, and leaves what it printed."""
    pods = collectors.of_cluster("c", kubectl("echo some; exec sleep 30"))[0]
    with pytest.raises(Incomplete, match="not done after") as caught:
        pods.produce(0.5)
    assert caught.value.content == "some\n"


def test_kubectl_that_only_fails_is_an_error(kubectl: Script) -> None:
    """Without any output there is nothing to keep, and no file that would look like a table."""
    with pytest.raises(CommandFailed, match="no such host"):
        collectors.of_cluster("c", kubectl("echo 'no such host' >&2; exit 1"))[0].produce(10)


def test_kubectl_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """A missing program is named."""
    with pytest.raises(CommandMissing, match="nowhere"):
        collectors.of_cluster("c", Kubectl(lambda: tmp_path / "nowhere", tmp_path, "x", tmp_path))[0].produce(10)


def test_unscheduled_pods_are_described_by_namespace(kubectl: Script, tmp_path: Path) -> None:
    """Each namespace's pods without a node are described in one call, and how many there are is said first."""
    found = kubectl('case "$*" in *jsonpath*) printf "a x\\na y\\nb z\\n";; *) echo "described ${*#*describe}";; esac')
    described = text(named(collectors.of_cluster("c", found), "unscheduled"))
    assert described.startswith("3 pods without a node; described: 3\n")
    calls = [line.partition(" describe ")[2] for line in (tmp_path / "calls").read_text().splitlines()]
    assert list(filter(None, calls)) == ["pods -n a x y", "pods -n b z"]


def test_only_some_of_very_many_pods_are_described(kubectl: Script, tmp_path: Path) -> None:
    """A thousand pending pods do not use up the time."""
    found = kubectl('case "$*" in *jsonpath*) seq -f "a p%.0f" 1 1000;; *) echo ok;; esac')
    described = text(named(collectors.of_cluster("c", found), "unscheduled"))
    assert described.startswith("1000 pods without a node; described: 20\n")
    assert "p20" in (tmp_path / "calls").read_text()
    assert "p21" not in (tmp_path / "calls").read_text()


def test_when_every_pod_has_a_node_nothing_is_described(kubectl: Script) -> None:
    """An empty answer is a finding too, and is written as one."""
    assert text(named(collectors.of_cluster("c", kubectl("true")), "unscheduled")) == "Every pod has a node.\n"


def test_description_that_fails_keeps_the_ones_before(kubectl: Script) -> None:
    """When the second namespace cannot be described the first one's text is kept."""
    found = kubectl('case "$*" in *jsonpath*) printf "a x\\nb z\\n";; *"-n a"*) echo first;; *) exit 1;; esac')
    with pytest.raises(Incomplete, match="-n b z failed") as caught:
        named(collectors.of_cluster("c", found), "unscheduled").produce(10)
    assert "first" in caught.value.content


@pytest.mark.parametrize(
    ("lines", "kept"), [(0, 0), (1, 1), (collectors.LOG_LINES, 2000), (collectors.LOG_LINES + 1, 2000)]
)
def test_end_of_a_log_is_kept(tmp_path: Path, lines: int, kept: int) -> None:
    """Of a log the last lines are kept, at most two thousand."""
    log = tmp_path / "etcd.log"
    log.write_text("".join(f"line {number}\n" for number in range(lines)))
    (found,) = collectors.of_logs("c", {"etcd": log})
    assert found.file == "c-logs/etcd.log"
    assert text(found).splitlines() == [f"line {number}" for number in range(lines - kept, lines)]


def test_long_lines_of_a_log_are_bounded(tmp_path: Path) -> None:
    """A log is read from its end, a bounded part of it, and begins with a whole line."""
    log = tmp_path / "etcd.log"
    log.write_bytes(b"x" * (collectors.LOG_BYTES + 10) + b"\nlast \xff line\n")
    (found,) = collectors.of_logs("c", {"etcd": log})
    assert text(found).splitlines() == ["last \ufffd line"]


def test_a_lane_brings_its_own_objects_and_logs(kubectl: Script, tmp_path: Path) -> None:
    """The documented names and line counts; kinds are asked for with their group, in all namespaces."""
    asked: list[tuple[str, int]] = []

    def log(service: str, lines: int) -> str:
        asked.append((service, lines))
        return f"{service} ended\n"

    site = EvidenceSite("c", kubectl("echo 'items: []'"), log)
    installers = [each for name in ("flux-oci", "argocd-oci") for each in find(name).infrastructure]
    found = {each.file: text(each) for installer in installers for each in installer.collectors(site)}
    assert found.keys() == {
        "c-argo-apps.yaml",
        "c-argo-appcontroller.log",
        "c-argo-redis.log",
        "c-argo-reposerver.log",
        "c-flux-helm-controller.log",
        "c-flux-kustomize-controller.log",
        "c-flux-resources.yaml",
        "c-flux-source-controller.log",
        "c-flux-source-watcher.log",
        "c-registry.log",
    }
    assert found["c-argo-reposerver.log"] == "argocd-repo-server ended\n"
    assert dict(asked).pop("registry") == 200
    assert {lines for service, lines in asked if service != "registry"} == {500}
    flux, argo = (line.partition("s get ")[2] for line in (tmp_path / "calls").read_text().splitlines())
    for kind in ("ocirepositories.source", "helmrepositories.source", "kustomizations.kustomize", "helmreleases.helm"):
        assert f"{kind}.toolkit.fluxcd.io" in flux
    assert argo == "applications.argoproj.io,appprojects.argoproj.io -A -o yaml"
    assert find("argocd-helm-oci").infrastructure == find("argocd-oci").infrastructure


def test_a_program_that_cannot_be_built_costs_its_own_files(tmp_path: Path) -> None:
    """kubectl and helm are asked for by the collectors that want them, not before."""

    def missing() -> Any:
        raise HarnessError("kubectl could not be built")

    pods = collectors.of_cluster("c", Kubectl(missing, tmp_path, "x", tmp_path))[0]
    for found in (pods, collectors.of_releases("c", missing)):
        with pytest.raises(HarnessError, match="could not be built"):
            found.produce(10)


class FakeHelm:
    def __init__(self, releases: int, clock: ManualClock | None = None) -> None:
        self._releases = releases
        self._clock = clock  # on which each status takes a second

    def releases(self, *, timeout: float) -> list[dict[str, Any]]:
        return [
            {"name": f"r{number}", "namespace": "ns", "revision": "1", "status": "failed", "chart": "x-1.0"}
            for number in range(self._releases)
        ]

    def status(self, release: str, namespace: str, *, timeout: float) -> str:
        if self._clock is not None:
            self._clock.advance(1)
        if release == "r1":
            raise CommandFailed(Completed(("helm",), 1, "", "release: not found", 0))
        return f"NAME: {release} NAMESPACE: {namespace}"


def test_every_release_has_its_status() -> None:
    """There is the list and a file for each release; one that helm cannot show keeps helm's words."""
    found = files(collectors.of_releases("c", lambda: FakeHelm(3)))
    assert sorted(found) == ["list.txt", "ns.r0.txt", "ns.r1.txt", "ns.r2.txt"]
    assert found["ns.r2.txt"] == "NAME: r2 NAMESPACE: ns"
    assert "release: not found" in found["ns.r1.txt"]
    assert found["list.txt"].splitlines()[0].split("\t")[:2] == ["NAME", "NAMESPACE"]
    assert found["list.txt"].splitlines()[1].split("\t")[:2] == ["r0", "ns"]


def test_releases_without_time_keep_those_that_were_done() -> None:
    """When helm is slow the statuses so far are kept, and how many are missing is said."""
    clock = ManualClock()
    with pytest.raises(Incomplete, match="for 2 of 3 releases") as caught:
        collectors.of_releases("c", lambda: FakeHelm(3, clock), clock).produce(0.5)
    assert not isinstance(caught.value.content, str)
    assert sorted(caught.value.content) == ["list.txt", "ns.r0.txt"]


def test_bundle_is_copied_without_what_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Text files are there under their paths; packed charts, links and oversized files are named instead."""
    monkeypatch.setattr(collectors, "FILE_BYTES", 100)
    (tmp_path / "001-x" / "templates").mkdir(parents=True)
    (tmp_path / "001-x" / "values.yaml").write_text("a: 1\n")
    (tmp_path / "001-x" / "templates" / "b.yaml").write_text("b: 1\n")
    (tmp_path / "chart.tgz").write_bytes(b"\x1f\x8b\xff\xfe")
    (tmp_path / "large").write_text("x" * 101)
    (tmp_path / "outside").symlink_to("/etc/hostname")
    (tmp_path / "outside-directory").symlink_to("/etc")
    found = files(collectors.of_bundle(tmp_path))
    assert found.keys() == {"001-x/values.yaml", "001-x/templates/b.yaml", "LEFT-OUT.txt"}
    left_out = found["LEFT-OUT.txt"].splitlines()
    assert left_out == [
        "chart.tgz: no text",
        "large: too large (101 bytes)",
        "outside: a symbolic link",
        "outside-directory: a symbolic link",
    ]


def test_bundle_is_bounded_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many small files do not fill the disk: what goes beyond the bound is named."""
    monkeypatch.setattr(collectors, "BUNDLE_BYTES", 10)
    for name in ("a", "b", "c"):
        (tmp_path / name).write_text("12345")
    assert files(collectors.of_bundle(tmp_path)).keys() == {"a", "b", "LEFT-OUT.txt"}


def test_document_keeps_its_order(tmp_path: Path) -> None:
    """The resolved recipe reads as it was resolved, not sorted by key."""
    written = text(collectors.of_document("recipe", "recipe.yaml", {"kind": "RecipeResult", "components": [{"b": 1}]}))
    assert list(yaml.safe_load(written)) == ["kind", "components"]


class FakeCluster:
    def __init__(self, answer: dict[str, Any] | Exception) -> None:
        self._answer = answer
        self.query: dict[str, str] = {}

    def request(self, method: str, path: str, *, query: dict[str, str], timeout: float) -> dict[str, Any]:
        assert (method, path) == ("GET", "/api/v1/secrets")
        self.query = query
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


def test_secrets_of_the_cluster_are_known() -> None:
    """The values of all Secrets but helm's records are asked for once."""
    cluster = FakeCluster({"items": [{"data": {"password": base64.b64encode(b"swordfish").decode()}}]})
    assert "swordfish" in collectors.known_secrets(cast(Cluster, cluster))
    assert cluster.query == {"fieldSelector": "type!=helm.sh/release.v1"}


def test_cluster_that_does_not_answer_has_no_known_secrets() -> None:
    """Evidence is taken all the same when the API server is gone."""
    assert collectors.known_secrets(cast(Cluster, FakeCluster(ClusterError("gone")))) == set()
