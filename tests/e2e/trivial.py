"""The least that a controller can be given: one ConfigMap, pushed by hand, and what asks Flux or Argo CD for it."""

import hashlib
import http.client
import io
import json
import tarfile
from collections.abc import Mapping
from typing import Any

from harness.objects import Kind

OCI_REPOSITORIES = Kind("source.toolkit.fluxcd.io/v1", "ocirepositories", "OCIRepository")
APPLICATIONS = Kind("argoproj.io/v1alpha1", "applications", "Application")
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
GREETING = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "greeting"}, "data": {"hello": "world"}}


class Client:
    """Pushes and pulls by hand, so that these tests rest on nothing but HTTP."""

    def __init__(self, address: str) -> None:
        self._address = address

    def call(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, Mapping[str, str], bytes]:
        connection = http.client.HTTPConnection(self._address, timeout=10)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): text for name, text in headers.items()})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def blob(self, repository: str, content: bytes) -> str:
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        status, headers, _ = self.call("POST", f"/v2/{repository}/blobs/uploads/")
        assert status == 202
        upload = headers["Location"].partition(self._address)[2] or headers["Location"]
        status, _, said = self.call("PUT", f"{upload}&digest={digest}", content)
        assert status == 201, said
        return digest

    def artifact(self, repository: str, tag: str, files: Mapping[str, Any]) -> str:
        """One gzipped tar with the files at its root; returns the manifest's digest."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as tar:
            for name, document in files.items():
                content = json.dumps(document).encode()
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
        layer, config = packed.getvalue(), b"{}"
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": self.blob(repository, config),
                "size": len(config),
            },
            "layers": [{"mediaType": LAYER, "digest": self.blob(repository, layer), "size": len(layer)}],
        }
        body = json.dumps(manifest).encode()
        status, headers, said = self.call("PUT", f"/v2/{repository}/manifests/{tag}", body, Content_Type=MANIFEST)
        assert status == 201, said
        return headers["Docker-Content-Digest"]


def source(address: str) -> dict[str, Any]:
    """An OCIRepository of the artifact at `address`, tag v1."""
    return {
        "apiVersion": OCI_REPOSITORIES.api_version,
        "kind": OCI_REPOSITORIES.kind,
        "metadata": {"name": "aicr-bundle", "namespace": "flux-system"},
        "spec": {
            "interval": "1m",
            "insecure": True,
            "url": f"oci://{address}",
            "ref": {"tag": "v1"},
            "layerSelector": {"mediaType": LAYER, "operation": "extract"},
        },
    }


def application(address: str) -> dict[str, Any]:
    """An Application of the artifact at `address`, tag v1."""
    return {
        "apiVersion": APPLICATIONS.api_version,
        "kind": APPLICATIONS.kind,
        "metadata": {"name": "trivial", "namespace": "argocd"},
        "spec": {
            "project": "default",
            "source": {"repoURL": f"oci://{address}", "targetRevision": "v1", "path": "."},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": "default"},
            "syncPolicy": {"automated": {"prune": True, "selfHeal": True}},
        },
    }


def synced(status: Mapping[str, Any]) -> bool:
    """Whether an Application's status says so, and that it is well."""
    return [status.get(half, {}).get("status") for half in ("sync", "health")] == ["Synced", "Healthy"]
