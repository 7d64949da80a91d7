"""Real consumers of bundles (Argo CD, helm, Flux) on one control plane, and a way to publish what nobody should."""

import contextlib
import io
import json
import shutil
import socket
import tarfile
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3

from harness.bundles.delivery import FLUX_NAMESPACE, SOURCE, Delivery, Target
from harness.bundles.read import read_delivery
from harness.bundles.shapes import pulled
from harness.cluster.api import Cluster
from harness.formats import go_yaml
from harness.formats.media_types import LAYER, MANIFEST
from harness.gates.argocd import application, synced
from harness.gates.combining import Step
from harness.gates.flux import releases, sources
from harness.helm.client import Helm
from harness.installers import manifests
from harness.installers.argocd import configuration as argocd_configuration
from harness.installers.flux import host as flux
from harness.installers.installer import Site
from harness.objects import DAEMONSETS, DEPLOYMENTS, JOBS, PODS, STATEFULSETS, Kind, key_of
from harness.processes import commands
from harness.publishing.oci.artifact import pack_chart, pack_directory
from harness.publishing.oci.registry import digest_of
from lanes import flux_oci
from tests.e2e.charts import served
from tests.e2e.failing import Plane, clear, remove
from tests.fakes.bad_bundles import Published, good
from tests.fakes.bundles import GOLDEN, NAME, TARGETS

UPSTREAM = TARGETS["argocd"].repository.partition("/")[0]  # where the committed bundles say that they are published
ROOT = "aicr-bad"
Asked = tuple[tuple[Kind, ...], Step]  # what a lane would wait for
NOWHERE = "127.0.0.1:1"  # instead of hosts of the internet


@contextlib.contextmanager
def forwarded(host: str, port: int) -> Iterator[str]:
    """An address at `host` of what listens on 127.0.0.1:`port`.

    Clients take it for granted that a registry at localhost has no TLS: at another address they must be told.
    """

    def pump(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def serve(caller: socket.socket) -> None:
        with caller, socket.create_connection(("127.0.0.1", port)) as registry:
            back = threading.Thread(target=pump, args=(registry, caller), daemon=True)
            back.start()
            pump(caller, registry)
            back.join()

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()

    with socket.create_server((host, 0)) as server:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"{host}:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


@contextlib.contextmanager
def chart_repository(helm: Path, directory: Path) -> Iterator[str]:
    """A chart repository over HTTP with the remote charts of the committed bundles, each with a ConfigMap in it."""
    for name, version in (("gpu-operator", "v26.3.1"), ("gang-scheduler", "0.14.1")):
        chart = directory / name
        (chart / "templates").mkdir(parents=True)
        (chart / "Chart.yaml").write_text(f"apiVersion: v2\nname: {name}\nversion: {version}\n")
        (chart / "templates" / "made.yaml").write_text(
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}-made\n"
        )
        commands.run([helm, "package", str(chart), "--destination", str(directory)], timeout=60)
    with served(helm, directory) as address:
        yield address


def tar(directory: Path, prefix: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for path in sorted(directory.rglob("*")):
            if path.is_file():
                archive.add(path, prefix + path.relative_to(directory).as_posix())
    return buffer.getvalue()


class Pusher:
    """Does to the registry at `address` whatever it is told: nothing is asked, and a tag is moved."""

    def __init__(self, address: str) -> None:
        self._base = f"http://{address}"
        self._pool = urllib3.PoolManager(retries=False)

    def blob(self, repository: str, content: bytes) -> dict[str, Any]:
        """A descriptor without a media type."""
        digest = digest_of(content)
        session = self._ask("POST", f"/v2/{repository}/blobs/uploads/").headers["Location"]
        target = session.removeprefix(self._base)
        self._ask("PUT", f"{target}{'&' if '?' in target else '?'}digest={digest}", content)
        return {"digest": digest, "size": len(content)}

    def manifest(self, repository: str, tag: str, document: bytes) -> str:
        self._ask("PUT", f"/v2/{repository}/manifests/{tag}", document, {"Content-Type": MANIFEST})
        return digest_of(document)

    def forget(self, repository: str, digest: str) -> None:
        self._ask("DELETE", f"/v2/{repository}/manifests/{digest}")

    def _ask(
        self, method: str, target: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> urllib3.BaseHTTPResponse:
        answer = self._pool.request(method, self._base + target, body=body, headers=headers)
        assert answer.status < 300, answer.data
        return answer


@dataclass
class Consumers:
    """Argo CD, helm and Flux on `plane`, which find the registry at `address` and remote charts at `charts`."""

    plane: Plane
    site: Site
    helm: Helm
    address: str
    charts: str
    count: int = 0
    releasing: bool = False  # releases were given to Flux

    @property
    def cluster(self) -> Cluster:
        return self.plane.cluster

    def deliver(self, shape: str, damage: Callable[[Published], None], work: Path) -> Asked:
        """Publish the committed bundle of `shape` after `damage`, as its lane would, and what the lane would ask for.

        Each call has a tag of its own. Raises what the lane would raise before it waits.
        """
        self.count += 1
        directory = work / "bundle"
        shutil.copytree(GOLDEN / shape / NAME, directory)
        delivery = read_delivery(directory, shape)
        artifact = (pack_chart if shape == "argocd-helm" else pack_directory)(directory)
        it = good(shape, directory, json.loads(artifact.manifest))
        damage(it)
        return self._publish(it, shape, delivery)

    def _publish(self, it: Published, shape: str, delivery: Delivery) -> Asked:
        words = {
            "abc1234": f"{self.count:04x}abc",
            "0.0.0-0123.1": f"0.0.0-0{self.count:03}.1",
            "def5678": f"{self.count:04x}def",
        }
        words |= {UPSTREAM: self.address}
        words |= {"oci://registry.example.com/charts/gang-scheduler": self.charts}
        words |= {"  type: oci\n  url: oci://registry.example.com/charts": f"  url: {self.charts}"}
        words |= {"https://charts.example.com/nvidia": self.charts}
        words |= {"https://github.com": f"https://{NOWHERE}", "https://git.example": f"https://{NOWHERE}"}

        def here(text: str) -> str:
            for word, other in words.items():
                text = text.replace(word, other)
            return text

        for path in it.directory.rglob("*"):
            if path.is_file():
                path.write_text(here(path.read_text()))
        applied = json.loads(here(json.dumps(it.applied)))
        target = Target(here(it.target.repository), here(it.target.tag), plain_http=True)
        manifest = json.loads(here(json.dumps(it.manifest)))
        digest = self._push(it.directory, shape, manifest, target)
        if shape == "flux":
            return self._flux(applied[0], delivery, target, digest)
        return self._argocd(applied[0], shape, delivery, target, digest, it.directory)

    def _push(self, directory: Path, shape: str, manifest: dict[str, Any], target: Target) -> str:
        pusher, repository = Pusher(self.address), target.repository.partition("/")[2]
        wrapper = shape == "argocd-helm"
        layer = tar(directory, f"{NAME}/" if wrapper else "")
        chart = next(
            (path for path in (directory / "Chart.yaml", directory / "bundle" / "Chart.yaml") if path.is_file()), None
        )
        config = json.dumps(go_yaml.load_all(chart.read_text())[0]).encode() if wrapper and chart else b"{}"
        manifest["config"] |= pusher.blob(repository, config)
        manifest["layers"] = [each | pusher.blob(repository, layer) for each in manifest["layers"]]
        return pusher.manifest(repository, target.tag, json.dumps(manifest).encode())

    def _flux(self, source: Mapping[str, Any], delivery: Delivery, target: Target, digest: str) -> Asked:
        self.releasing = True
        asked: dict[str, Any] = {"interval": "1m", "ref": {"tag": target.tag}}
        asked["layerSelector"] = {"mediaType": LAYER, "operation": "extract"}
        self.cluster.apply(sources.OCIREPOSITORIES, {**source, "spec": {**source["spec"], **asked}})
        self.cluster.apply(sources.KUSTOMIZATIONS, flux_oci.kustomization(ROOT))
        gate = releases.Reconciled(
            digest,
            source=(FLUX_NAMESPACE, SOURCE),
            kustomization=(FLUX_NAMESPACE, ROOT),
            releases=delivery.releases,
            generators=delivery.generators,
        )
        return releases.KINDS, gate

    def _argocd(
        self, secret: Mapping[str, Any], shape: str, delivery: Delivery, target: Target, digest: str, directory: Path
    ) -> Asked:
        self.cluster.apply(manifests.SECRETS, secret)
        root = delivery.root
        if shape == "argocd":
            entry = next(directory.rglob(pulled(shape).entry))  # the lane has it, wherever it is
            for document in go_yaml.load_all(entry.read_text()):
                self.cluster.apply(application.APPLICATIONS, document)
        else:
            values = {"repoURL": target.parent, "targetRevision": target.tag}
            where = f"{target.parent}/{target.name}"
            self.helm.install_chart("bad", "argocd", where, version=target.tag, values=values, timeout=20)
        return application.KINDS, synced.Synced(root, delivery.applications, digest)

    def clear(self) -> None:
        """Take all deliveries away, and what they have brought to run; other objects stay."""
        self.helm.uninstall("bad", argocd_configuration.NAMESPACE, timeout=20)
        clear(self.cluster)
        self.cluster.delete(manifests.SECRETS, argocd_configuration.NAMESPACE, argocd_configuration.CREDENTIALS)
        for kind in (DEPLOYMENTS, DAEMONSETS, STATEFULSETS, JOBS, PODS):  # Argo CD's hooks have a finalizer of its own
            for item in self.cluster.list(kind).items:
                remove(self.cluster, kind, item)
        if self.releasing:  # one of a name that is worked on still would not be looked at for minutes
            self.site.services.stop("helm-controller")
            for record in self.cluster.list(manifests.SECRETS, field_selector="type=helm.sh/release.v1").items:
                self.cluster.delete(manifests.SECRETS, *key_of(record))  # an install that was cut off has no successor
            flux.install(self.site)
            self.releasing = False
