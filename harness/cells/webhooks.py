"""Admission webhooks that a recipe brings: no verdict covers what they would have done."""

from collections.abc import Iterator

from harness.cluster.api import Cluster
from harness.errors import ClusterError
from harness.objects import Kind

KINDS = tuple(
    Kind("admissionregistration.k8s.io/v1", f"{kind.lower()}s", kind, namespaced=False)
    for kind in ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
)


def unexercised(cluster: Cluster, policy: str) -> Iterator[str]:
    """A note that names those in the cluster; none where there is none. `policy` is the setting `webhooks`."""
    try:
        listed = [item for kind in KINDS for item in cluster.list(kind, timeout=5.0, attempts=1).items]
    except ClusterError:
        return  # a cluster that does not answer has a louder problem
    if listed:
        names = sorted(item["metadata"]["name"] for item in listed)
        how = "were not exercised" if policy == "skip" else "refuse every call: nothing serves them"
        yield f"admission webhooks {how} (webhooks: {policy}): {', '.join(names)}"
