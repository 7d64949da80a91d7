"""Files, URLs and ConfigMaps that hold a snapshot."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.cluster.api import Cluster
from harness.errors import DataError, HarnessError, UsageError
from harness.objects import CONFIGMAPS
from harness.validation import sources
from harness.validation.measurements import Snapshot, Subtype
from tests.fakes.api import FakeApi, Fault
from tests.fakes.validation import snapshot

TEXT = "measurements: [{type: K8s, subtypes: [{subtype: server, data: {version: v1.34.0}}]}]\n"


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with FakeApi() as fake:
        yield fake


def nothing() -> Cluster:
    raise AssertionError("a snapshot from a file needs no cluster")


def version(found: Snapshot) -> object:
    return found.measurements["K8s"]["server"].data["version"]


def test_a_file_needs_no_cluster(tmp_path: Path) -> None:
    """Nothing connects."""
    (tmp_path / "s.yaml").write_text(TEXT)
    found = sources.read(str(tmp_path / "s.yaml"), nothing)
    assert version(found) == "v1.34.0"
    assert found.source == str(tmp_path / "s.yaml")


@pytest.mark.parametrize(("content", "what"), [(None, "No such file"), (b"\xff\xfe", "is not UTF-8")])
def test_a_file_that_cannot_be_read_is_bad_data(tmp_path: Path, content: bytes | None, what: str) -> None:
    """Exit code 10, with the name of the file."""
    if content is not None:
        (tmp_path / "s.yaml").write_bytes(content)
    with pytest.raises(DataError, match=what):
        sources.read(str(tmp_path / "s.yaml"), nothing)


def test_a_pipe_is_no_snapshot(tmp_path: Path) -> None:
    """A writer that never comes does not hold up a validation."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="not a regular file"):
        sources.read(str(tmp_path / "pipe"), nothing)


def test_a_url_is_read(api: FakeApi) -> None:
    """By http; lines of errors have the URL in front."""
    api.documents["/snapshot.yaml"] = TEXT.encode()
    url = f"http://127.0.0.1:{api.port}/snapshot.yaml"
    assert version(sources.read(url, nothing)) == "v1.34.0"
    api.documents["/snapshot.yaml"] = b"measurements: []\n"
    with pytest.raises(DataError) as caught:
        sources.read(url, nothing)
    assert caught.value.where == f"{url}:1"


def test_a_url_that_does_not_answer_well_is_bad_data(api: FakeApi) -> None:
    """404, a cut-off answer, a port where nobody is."""
    url = f"http://127.0.0.1:{api.port}/gone.yaml"
    with pytest.raises(DataError, match="the server answered 404"):
        sources.read(url, nothing)
    api.documents["/gone.yaml"] = TEXT.encode()
    api.fault(Fault("short"))
    with pytest.raises(DataError, match="cannot be read"):
        sources.read(url, nothing)
    api.stop()
    with pytest.raises(DataError, match=r"cannot be read: Connection refused$"):
        sources.read(url, nothing)
    api.start()


def test_a_configmap_is_written_and_read(api: FakeApi, tmp_path: Path) -> None:
    """With the keys and labels by which others find it."""
    cluster = Cluster(api.kubeconfig(tmp_path))
    taken = snapshot(K8s__server={"version": "v1.34.0"})
    sources.write(taken, "cm://gpu/mine", lambda: cluster)
    stored = cluster.get(CONFIGMAPS, "gpu", "mine")
    assert stored is not None
    assert stored["metadata"]["labels"] == {
        "app.kubernetes.io/name": "aicr",
        "app.kubernetes.io/component": "Snapshot",
    }
    assert set(stored["data"]) == {"snapshot.yaml", "format", "timestamp"}
    assert sources.read("cm://gpu/mine", lambda: cluster).measurements == taken.measurements


def test_a_configmap_that_is_not_there_or_holds_something_else_is_bad_data(api: FakeApi, tmp_path: Path) -> None:
    """The message names what is missing, and what there is."""
    cluster = Cluster(api.kubeconfig(tmp_path))
    with pytest.raises(DataError, match="ConfigMap gpu/mine not found"):
        sources.read("cm://gpu/mine", lambda: cluster)
    api.put(CONFIGMAPS, {"metadata": {"namespace": "gpu", "name": "mine"}, "data": {"recipe.yaml": ""}})
    with pytest.raises(DataError, match=r"has no key snapshot.yaml; its keys: recipe.yaml"):
        sources.read("cm://gpu/mine", lambda: cluster)


@pytest.mark.parametrize("place", ["cm://", "cm://gpu", "cm://gpu/", "cm:///mine", "cm://gpu/mine/more"])
def test_an_address_of_no_configmap_is_a_usage_error(place: str) -> None:
    """Before a cluster is asked."""
    with pytest.raises(UsageError, match="names no ConfigMap"):
        sources.read(place, nothing)


def test_a_snapshot_that_no_configmap_holds_is_refused_before_anything_is_written() -> None:
    """The limit is the API server's, and the message names both sizes."""
    big = Snapshot({"OS": {"sysctl": Subtype("sysctl", {"/proc/sys/a": "x" * (2 << 20)})}})
    with pytest.raises(DataError, match="more than the 1,048,576 bytes that a ConfigMap can contain"):
        sources.write(big, "cm://gpu/mine", nothing)


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """No traceback."""
    with pytest.raises(HarnessError, match="cannot be written: No such file"):
        sources.write(snapshot(K8s__server={"version": "v1"}), str(tmp_path / "gone" / "s.yaml"), nothing)
