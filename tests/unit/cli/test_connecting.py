"""Which cluster a verb talks to: one rule for all of them."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from harness.cli import cli
from harness.cli.connecting import connect
from harness.cli.context import Context
from harness.cluster.api import Cluster
from harness.errors import ClusterError, HarnessError, NotOurs, UsageError
from harness.exits import Exit
from harness.names import OWNER_MARKER
from harness.objects import CONFIGMAPS
from harness.runtime import RunningCluster
from tests.fakes.api import FakeApi

TREE = "{apiVersion: v1, kind: ConfigMap, metadata: {name: m}}\n"
AGENT = ["--test-package", "p/deployment", "--snapshot-config-map", "s", "--recipe-config-map", "r"]
RECIPE = "kind: RecipeResult\napiVersion: aicr.run/v1alpha2\n"
# Verbs that write to the cluster, or may: never to one that only a kubeconfig's current context names.
WRITING = {
    "test": ["test", "suite"],
    "assert": ["assert", "-f", "tree.yaml"],
    "validate": ["validate", "-r", "./recipe.yaml", "-s", "cm://ns/s"],
    "snapshot into the cluster": ["snapshot", "--output", "cm://ns/s"],
    "agent deploy": ["agent", "deploy", *AGENT],
    "agent cleanup": ["agent", "cleanup"],
}
READING = {"snapshot": ["snapshot"], "agent logs": ["agent", "logs"], "agent result": ["agent", "result"]}


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApi]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "suite").mkdir()
    (tmp_path / "tree.yaml").write_text(TREE)
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    with FakeApi() as fake:
        fake.missing.add("clusterpolicies")
        fake.kubeconfig(tmp_path)
        yield fake


def run(*words: str) -> None:
    cli.main(["-o", "runtime=host", *words], standalone_mode=False)


@pytest.mark.parametrize("words", WRITING.values(), ids=WRITING)
def test_a_foreign_cluster_needs_its_context(api: FakeApi, words: list[str]) -> None:
    """Nothing is asked of it before."""
    with pytest.raises(UsageError, match="the context is missing"):
        run(*words, "--kubeconfig", "kubeconfig")
    assert api.requests == []


@pytest.mark.parametrize("words", READING.values(), ids=READING)
def test_the_current_context_serves_a_verb_that_only_reads(
    api: FakeApi, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """And its help says so."""
    try:
        run(*words, "--kubeconfig", "kubeconfig")
    except HarnessError as error:
        assert "has no pod" in str(error)  # noqa: PT017 - a cluster without the agent's Job has answered
    assert api.requests
    assert {verb for verb, *_ in api.requests} <= {"GET", "LIST"}
    capsys.readouterr()
    run(*words, "--help")
    assert "current one if absent" in " ".join(capsys.readouterr().out.split())


class Ours:
    """A runtime with one cluster that is up."""

    def __init__(self, running: RunningCluster) -> None:
        self.running = running

    def names(self) -> list[str]:
        return [self.running.name]

    def get(self, name: str) -> RunningCluster | None:
        return self.running if name == self.running.name else None


def test_our_own_cluster_is_known_by_its_kubeconfig(api: FakeApi, tmp_path: Path) -> None:
    """Without a context, named or not; never where its marker is another cluster's."""
    file = tmp_path / "kubeconfig"
    server = Cluster(file).server
    runtime = Ours(RunningCluster("mine", tmp_path, file, "fake", server, "host", "id-1"))
    settings = SimpleNamespace(cluster="mine")
    context = cast(
        Context, SimpleNamespace(runtime=runtime, settings=settings, platforms=[SimpleNamespace(runtime=runtime)])
    )
    namespace, name = OWNER_MARKER
    api.put(
        CONFIGMAPS, {"metadata": {"name": name}, "data": {"cluster": "mine", "identity": "id-1"}}, namespace=namespace
    )
    for kubeconfig in (None, file, Path("kubeconfig")):
        assert connect(context, kubeconfig, None).own is runtime.running
    api.put(
        CONFIGMAPS, {"metadata": {"name": name}, "data": {"cluster": "mine", "identity": "id-2"}}, namespace=namespace
    )
    for kubeconfig in (None, file):
        with pytest.raises(NotOurs, match="names another cluster"):
            connect(context, kubeconfig, None, writes=False)


@pytest.mark.parametrize("words", [*WRITING.values(), *READING.values()], ids=[*WRITING, *READING])
@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        (["--context", "x"], UsageError, "add --kubeconfig"),
        (["--kubeconfig", "gone", "--context", "x"], UsageError, "gone: file not found"),
        ([], ClusterError, "is not up"),
    ],
)
def test_what_names_no_cluster_is_one_error(
    api: FakeApi, words: list[str], options: list[str], kind: type[HarnessError], message: str
) -> None:
    """The same for every verb, with the same code."""
    with pytest.raises(kind, match=message) as refused:
        run(*words, *options)
    assert refused.value.exit is (Exit.USAGE if kind is UsageError else Exit.CLUSTER_NOT_READY)
