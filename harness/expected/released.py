"""What helm made of a release: the manifests that it keeps of it in the cluster, whoever ran it.

Flux installs by helm too, so its releases are kept alike. A Secret of the type `helm.sh/release.v1` holds one revision:
JSON, packed by gzip, in base64, and that as Kubernetes writes bytes, in base64 once more (helm.sh/helm/v3,
pkg/storage/driver). CRDs that are not templates are not in it.
"""

import base64
import binascii
import gzip
import json
from collections.abc import Mapping
from typing import Any

from harness.bundles.model import Bundle, Folder
from harness.cluster.api import Cluster
from harness.errors import ClusterError
from harness.helm.client import objects
from harness.objects import Kind, Object

SECRETS = Kind("v1", "secrets", "Secret")
_TYPE = "helm.sh/release.v1"
_TESTS = frozenset({"test", "test-success", "test-failure"})


def released(cluster: Cluster, bundle: Bundle) -> dict[str, list[dict[str, Any]]]:
    """The objects of each release of `bundle` that helm has deployed, its hooks included, by release.

    Raises ClusterError where the cluster cannot be asked, or keeps what cannot be read.
    """
    listing = cluster.list(SECRETS, field_selector=f"type={_TYPE}", label_selector="owner=helm,status=deployed")
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    for secret in listing.items:
        release = _decoded(secret)
        key = (release["namespace"], release["name"])
        if key not in found or release["version"] > found[key]["version"]:
            found[key] = release
    mine = {folder: found.get((folder.namespace, folder.release)) for folder in bundle.folders}
    return {folder.release: _objects(release, folder) for folder, release in mine.items() if release is not None}


def _decoded(secret: Object) -> Mapping[str, Any]:
    try:
        packed = base64.b64decode(base64.b64decode(secret["data"]["release"]))
        release = json.loads(gzip.decompress(packed))
        _ = release["namespace"], release["name"], release["version"] + 0
    except (KeyError, TypeError, ValueError, EOFError, OSError, binascii.Error) as error:
        metadata = secret["metadata"]
        where = f"Secret {metadata.get('namespace')}/{metadata.get('name')}"
        raise ClusterError("does not hold a release as helm 3 writes it", where=where) from error
    return dict(release)


def _objects(release: Mapping[str, Any], folder: Folder) -> list[dict[str, Any]]:
    hooks = [hook for hook in release.get("hooks") or () if not _TESTS.issuperset(hook.get("events") or ())]
    texts = [release.get("manifest") or "", *(hook.get("manifest") or "" for hook in hooks)]
    return [item for text in texts for item in objects(text, folder)]
