"""The real registry and the real helm: what is pushed is what they find, and a push that is cut off leaves no tag."""

import contextlib
import io
import json
import os
import socket
import socketserver
import tarfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from harness.bundles.bundlers.builtin import BuiltinBundler
from harness.formats import go_yaml
from harness.processes import commands
from harness.publishing.oci.registry import (
    Artifact,
    NoConnection,
    Registry,
    TagTaken,
    content_digest,
    digest_of,
    pack_chart,
    pack_directory,
    tag_for,
)
from harness.recipes.load import Catalog
from harness.recipes.resolve import resolve
from harness.settings import ROOT
from tests.e2e.own_registry import RETRIES, Running

pytestmark = pytest.mark.e2e

SMALL = ROOT / "tests" / "golden" / "bundles" / "data" / "recipes"
CHART = {
    "Chart.yaml": """# the author's own words
apiVersion: v2
name: stack
version: 1.2.0
appVersion: 1.10
description: <all> & everything
type: application
home: https://charts.example/stack
keywords: [gpu, test]
sources: [https://source.example/stack]
maintainers: [{name: me, email: me@mail.example}]
annotations: {charts.example/kind: test}
dependencies:
- {name: sub, version: 0.1.0, repository: "https://charts.example", condition: sub.enabled}
""",
    ".helmignore": "# not for users\n*.bak\n/notes/\ndrafts/*.md\n!*[a-z]\n",
    "values.yaml": "\ufeffgreeting: hello\n",
    "README.md": "read me\n",
    "a.bak": "old\n",
    "LICENSE": "no lower case letter at its end\n",
    "notes/todo.md": "later\n",
    "drafts/one.md": "draft\n",
    "drafts/one.txt": "kept\n",
    "sub.bak/file.txt": "gone with its directory\n",
    "templates/_helpers.tpl": '{{ define "x" }}y{{ end }}\n',
    "templates/.hidden.yaml": "kind: Hidden\n",
    "templates/config.yaml": (
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\n"
        "data:\n  greeting: {{ .Values.greeting }}\n  version: {{ .Chart.Version }}\n"
    ),
    "charts/sub/Chart.yaml": "apiVersion: v2\nname: sub\nversion: 0.1.0\n",
    "charts/sub/templates/config.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: sub\n",
}


@pytest.fixture
def helm(tools: Callable[[str], Path], tmp_path: Path) -> Callable[..., str]:
    """Runs helm in a home of the test's own, and gives what it prints."""
    binary = tools("helm")
    home = {f"HELM_{kind}_HOME": str(tmp_path / "helm" / kind) for kind in ("CACHE", "CONFIG", "DATA")}

    def run(*words: str | Path) -> str:
        return commands.run([binary, *words], timeout=60, env=home | {"PATH": os.defpath}, cwd=tmp_path).stdout

    return run


def write(directory: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        file = directory / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return directory


def unpacked(archive: bytes) -> dict[str, bytes]:
    found = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for entry in tar.getmembers():
            content = tar.extractfile(entry)
            if content is not None:
                found[entry.name] = content.read()
    return found


def test_a_bundle_goes_there_and_comes_back(running: Running, tmp_path: Path) -> None:
    """The same bundle from two directories is one artifact under one tag; a changed one is refused that tag."""
    bundler, recipe = BuiltinBundler(), resolve(Catalog.load(SMALL), "eks-training-kubeflow")
    one, two = (bundler.make(recipe, "helm", tmp_path / name).directory for name in ("one", "deep/er/two"))
    files = {path.relative_to(one).as_posix(): path.read_bytes() for path in one.rglob("*") if path.is_file()}
    tag = tag_for("flux-oci", content_digest(files))
    registry = running.registry()
    first = registry.push(pack_directory(one), "aicr/eks-training-kubeflow", tag)
    assert registry.push(pack_directory(two), "aicr/eks-training-kubeflow", tag) == first
    assert running.tags() == {tag}
    assert registry.resolve("aicr/eks-training-kubeflow", tag) == first.digest
    document, _ = registry.manifest("aicr/eks-training-kubeflow", first.digest)
    (layer,) = document["layers"]
    assert unpacked(registry.blob("aicr/eks-training-kubeflow", layer["digest"])) == files
    (two / "001-certificates" / "values.yaml").write_text("changed: true\n")
    with pytest.raises(TagTaken, match=first.digest):
        registry.push(pack_directory(two), "aicr/eks-training-kubeflow", tag)


def test_helm_finds_and_renders_the_chart(running: Running, helm: Callable[..., str], tmp_path: Path) -> None:
    """The tag of the argocd-helm lane is a version to helm; it pulls what was packed and renders it."""
    directory = write(tmp_path / "chart", CHART)
    tag = tag_for("argocd-helm-oci", digest_of(b"any"), chart=True)
    chart = pack_chart(directory, version=tag)
    published = running.registry().push(chart, "aicr/stack", tag)
    address = f"oci://{running.host}/aicr/stack"
    helm("pull", address, "--version", tag, "--plain-http", "--destination", tmp_path)
    assert (tmp_path / f"stack-{tag}.tgz").read_bytes() == chart.layer
    rendered = helm("template", "r", address, "--version", tag, "--plain-http", "--set", "greeting=moin")
    found = {item["metadata"]["name"]: item for item in go_yaml.load_all(rendered)}
    assert found["r"]["data"] == {"greeting": "moin", "version": tag}
    assert "sub" in found
    assert helm("template", "r", f"{address}@{published.digest}", "--plain-http", "--set", "greeting=moin") == rendered


@pytest.mark.parametrize("version", ["1.2.0", "v1.2.0", "0.0.0-0a1b2c3d4e5f-argocd-helm-oci"])
def test_chart_means_what_helm_package_means(
    running: Running, helm: Callable[..., str], tmp_path: Path, version: str
) -> None:
    """Packed and pushed by helm itself, the same directory gives the same files, config and media types."""
    directory = write(tmp_path / "chart", CHART)
    helm("package", directory, "--version", version, "--destination", tmp_path)
    helm("push", tmp_path / f"stack-{version}.tgz", f"oci://{running.host}/theirs", "--plain-http")
    registry = running.registry()
    ours = registry.push(pack_chart(directory, version=version), "ours/stack", version)
    theirs = registry.published("theirs/stack", version)
    assert (ours.config_media_type, ours.layer_media_types) == (theirs.config_media_type, theirs.layer_media_types)
    content = {}
    for name in ("ours/stack", "theirs/stack"):
        document, _ = registry.manifest(name, version)
        config = json.loads(registry.blob(name, document["config"]["digest"]))
        files = unpacked(registry.blob(name, document["layers"][0]["digest"]))
        # helm writes each Chart.yaml anew: compared by what it says, and by what helm keeps out of it
        charts = {file: go_yaml.load_all(files.pop(file).decode()) for file in list(files) if "Chart.yaml" in file}
        charts["stack/Chart.yaml"][0] |= {"appVersion": str(charts["stack/Chart.yaml"][0]["appVersion"])}
        content[name] = (config, files, charts)
        annotations = document["annotations"]
        assert annotations["org.opencontainers.image.version"] == version
        assert annotations["org.opencontainers.image.title"] == "stack"
    assert content["ours/stack"] == content["theirs/stack"]


class Relay:
    """Passes bytes on to `port`, until `cut` says of what came from the client that `then` is due before it goes on."""

    def __init__(self, port: int, cut: Callable[[bytes, int], bool], then: Callable[[], None]) -> None:
        relay = self
        self.done = threading.Event()

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)) as upstream:
                    back = threading.Thread(target=_pump, args=(upstream, self.request), daemon=True)
                    back.start()
                    seen = 0
                    while chunk := self.request.recv(1 << 16):
                        seen += len(chunk)
                        if not relay.done.is_set() and cut(chunk, seen):
                            relay.done.set()
                            then()
                        upstream.sendall(chunk)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.host = f"127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while chunk := source.recv(1 << 16):
            target.sendall(chunk)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    "cut",
    [
        pytest.param(lambda _, seen: seen > 2_000_000, id="within the layer"),
        pytest.param(lambda chunk, _: chunk.startswith(b"PUT") and b"/manifests/" in chunk, id="before the manifest"),
    ],
)
@pytest.mark.parametrize("again", [False, True], ids=["gone", "back at once"])
def test_registry_killed_in_the_middle_of_a_push(
    running: Running, tmp_path: Path, cut: Callable[[bytes, int], bool], again: bool
) -> None:
    """No tag is left; pushing again succeeds. A registry that comes back while the push still tries is no failure."""
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "random").write_bytes(os.urandom(4_000_000))
    artifact: Artifact = pack_directory(tmp_path / "bundle")
    tagged: list[set[str]] = []

    def end() -> None:
        running.kill()
        tagged.append(running.tags())
        if again:
            running.start()

    relay = Relay(running.port, cut, end)
    try:
        registry = Registry(relay.host, retries=RETRIES)
        if again:
            assert registry.push(artifact, "aicr/bundle", "t").digest == artifact.digest
        else:
            with pytest.raises(NoConnection):
                registry.push(artifact, "aicr/bundle", "t")
    finally:
        relay.close()
    assert relay.done.is_set()
    assert tagged == [set()]
    if not again:
        assert running.tags() == set()
        running.start()
        assert running.registry().resolve("aicr/bundle", "t") is None
    assert running.registry().push(artifact, "aicr/bundle", "t").digest == artifact.digest
