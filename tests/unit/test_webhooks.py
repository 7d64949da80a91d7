"""What is said of webhooks that a recipe brings."""

from typing import Any, cast

import pytest

from harness.cells.webhooks import unexercised
from harness.cluster.api import Cluster, Listing
from harness.isolation.plan import CRDS
from harness.objects import Kind

WEBHOOK = {"metadata": {"name": "jobs.example.com"}, "spec": {"conversion": {"strategy": "Webhook"}}}
CONVERTED = {
    "metadata": {"name": "flavors.example.com", "annotations": {"kwok-harness/conversion": "Webhook"}},
    "spec": {"conversion": {"strategy": "None"}},
}
PLAIN = {"metadata": {"name": "plain.example.com"}, "spec": {"conversion": {"strategy": "None"}}}


class Served:
    """A cluster with some CRDs."""

    def __init__(self, *definitions: dict[str, Any]) -> None:
        self.definitions = list(definitions)

    def list(self, kind: Kind, *, timeout: float, attempts: int) -> Listing:
        return Listing(self.definitions if kind == CRDS else [], "1")


@pytest.mark.parametrize(
    ("policy", "definition", "told"),
    [
        ("skip", CONVERTED, "were not called (webhooks: skip), objects keep their fields in every version: flavors"),
        ("refuse", WEBHOOK, "refuse every call: nothing serves them (webhooks: refuse): jobs"),
    ],
)
def test_conversion_webhooks_are_named(policy: str, definition: dict[str, Any], told: str) -> None:
    """Whether the API server did without them or not."""
    [note] = unexercised(cast(Cluster, Served(PLAIN, definition)), policy)
    assert told in note
    assert "plain" not in note
