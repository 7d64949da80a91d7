"""`snapshot`: from the command line to a document."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from harness.__main__ import run
from harness.exits import Exit
from harness.objects import NODES
from tests.fakes.api import FakeApi


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeApi]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with FakeApi() as fake:
        fake.missing.add("clusterpolicies")
        fake.put(NODES, {"metadata": {"name": "gpu-1", "labels": {"type": "kwok"}}})
        yield fake


def test_a_snapshot_is_printed_and_says_that_the_cluster_is_simulated(
    api: FakeApi, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The document alone is on stdout; OS and SystemD of this machine, which is no node of it, are not in it."""
    assert run(["snapshot", "--kubeconfig", str(api.kubeconfig(tmp_path))]) is Exit.OK
    shown = capsys.readouterr()
    document = yaml.safe_load(shown.out)
    assert document["metadata"]["simulated"] == "1 of 1 nodes are simulated by KWOK"
    assert [each["type"] for each in document["measurements"]] == ["K8s", "NodeTopology"]
    assert "OS and SystemD are left out: this machine is not a node of the cluster" in shown.err


def test_this_machine_is_measured_where_that_is_asked_for(api: FakeApi, tmp_path: Path) -> None:
    """The document says that the machine is no node."""
    file = tmp_path / "s.yaml"
    words = ["snapshot", "--machine", "--output", str(file), "--kubeconfig", str(api.kubeconfig(tmp_path))]
    assert run(words) is Exit.OK
    document = yaml.safe_load(file.read_text())
    assert document["metadata"]["machine"] == "not a node of the cluster"
    assert "OS" in {each["type"] for each in document["measurements"]}


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--output", "cm://x"], Exit.USAGE, "names no ConfigMap"),
        (["--kubeconfig", "gone"], Exit.USAGE, "--kubeconfig gone: file not found"),
        (["--context", "x"], Exit.USAGE, "--context without --kubeconfig"),
        (["--everything"], Exit.USAGE, "No such option"),
        ([], Exit.CLUSTER_NOT_READY, "is not up"),
    ],
)
def test_wrong_words_and_no_cluster_are_told(
    api: FakeApi, words: list[str], code: Exit, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One message, the documented code, nothing on stdout."""
    assert run(["-o", "runtime=host", "snapshot", *words]) is code
    shown = capsys.readouterr()
    assert message in shown.err
    assert shown.out == ""
