"""What helm keeps of a release in the cluster, as it writes it."""

import base64
import gzip
import json
from pathlib import Path
from typing import Any, cast

import pytest

from harness.bundles.model import Bundle, Chart, Folder
from harness.cluster.api import Cluster, Listing
from harness.errors import ClusterError
from harness.expected.released import released
from harness.objects import Kind

MANIFEST = "---\n# Source: app/templates/a.yaml\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {}\n"


def kept(name: str = "app", namespace: str = "ns", version: int = 1, **more: Any) -> dict[str, Any]:
    release = {"name": name, "namespace": namespace, "version": version, "manifest": MANIFEST.format("a"), **more}
    packed = base64.b64encode(gzip.compress(json.dumps(release).encode()))
    return {"metadata": {"name": "s"}, "data": {"release": base64.b64encode(packed).decode()}}


class FakeCluster:
    def __init__(self, *secrets: dict[str, Any]) -> None:
        self.secrets = list(secrets)
        self.asked: dict[str, Any] = {}

    def list(self, kind: Kind, **options: Any) -> Listing:
        self.asked = options
        return Listing(self.secrets, "1")


def names(*secrets: dict[str, Any]) -> dict[str, list[str]]:
    folder = Folder(1, "app", "app", "ns", Path(), Chart("app", "1"))
    found = released(cast(Cluster, FakeCluster(*secrets)), Bundle(Path(), "helm", (folder,), {}))
    return {release: [item["metadata"]["name"] for item in items] for release, items in found.items()}


def test_the_manifest_of_a_release_with_its_hooks() -> None:
    """Hooks are kept apart from it; tests are no part of a recipe."""
    hooks = [
        {"events": ["post-install"], "manifest": MANIFEST.format("hook")},
        {"events": ["test"], "manifest": MANIFEST.format("test")},
        {"events": ["test", "post-install"], "manifest": MANIFEST.format("both")},
    ]
    assert names(kept(hooks=hooks)) == {"app": ["a", "hook", "both"]}


def test_only_deployed_releases_of_helm_are_asked_for() -> None:
    """Other Secrets are nobody's business here; of a failed release nobody knows what it made."""
    cluster = FakeCluster()
    assert released(cast(Cluster, cluster), Bundle(Path(), "helm", (), {})) == {}
    assert cluster.asked == {
        "field_selector": "type=helm.sh/release.v1",
        "label_selector": "owner=helm,status=deployed",
    }


@pytest.mark.parametrize(
    ("secret", "found"),
    [
        (kept(), True),
        (kept(namespace="other"), False),
        (kept(name="other"), False),
        (kept(manifest=""), True),
    ],
    ids=["it", "elsewhere", "another", "nothing rendered"],
)
def test_a_release_is_known_by_namespace_and_name(secret: dict[str, Any], found: bool) -> None:
    """A release that rendered nothing is one all the same."""
    assert ("app" in names(secret)) is found


def test_the_newest_revision_counts() -> None:
    """Whatever the order in which they are listed."""
    revisions = [kept(version=number, manifest=MANIFEST.format(f"v{number}")) for number in (2, 10, 9)]
    assert names(*revisions) == {"app": ["v10"]}


@pytest.mark.parametrize("data", [{}, {"release": "eA=="}, {"release": base64.b64encode(b"bm8=").decode()}])
def test_what_is_no_release_is_an_error(data: dict[str, str]) -> None:
    """One clear error with the Secret's name."""
    with pytest.raises(ClusterError, match=r"Secret ns/broken: does not hold a release"):
        names({"metadata": {"name": "broken", "namespace": "ns"}, "data": data})
