"""Admission and conversion webhooks that a recipe brings: no verdict covers what they would have done."""

from collections.abc import Iterator

from harness.cluster.api import Cluster
from harness.errors import ClusterError
from harness.isolation.plan import CRDS
from harness.names import CONVERSION_ANNOTATION
from harness.objects import Kind, Object

KINDS = tuple(
    Kind("admissionregistration.k8s.io/v1", f"{kind.lower()}s", kind, namespaced=False)
    for kind in ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
)


def unexercised(cluster: Cluster, policy: str) -> Iterator[str]:
    """A note that names those in the cluster; none where there is none. `policy` is the setting `webhooks`."""
    try:
        listed = [item for kind in KINDS for item in cluster.list(kind, timeout=5.0, attempts=1).items]
        definitions = cluster.list(CRDS, timeout=5.0, attempts=1).items
    except ClusterError:
        return  # a cluster that does not answer has a louder problem
    if listed:
        names = sorted(item["metadata"]["name"] for item in listed)
        how = "were not exercised" if policy == "skip" else "refuse every call: nothing serves them"
        yield f"admission webhooks {how} (webhooks: {policy}): {', '.join(names)}"
    converted = sorted(each["metadata"]["name"] for each in definitions if _by_webhook(each))
    if converted:
        how = "were not called" if policy == "skip" else "refuse every call: nothing serves them"
        kept = ", objects keep their fields in every version" if policy == "skip" else ""
        yield f"conversion webhooks {how} (webhooks: {policy}){kept}: {', '.join(converted)}"


def _by_webhook(definition: Object) -> bool:
    """Whether a CRD asks for a webhook, or did before the API server was told to do without."""
    annotated = CONVERSION_ANNOTATION in (definition["metadata"].get("annotations") or {})
    return annotated or (definition["spec"].get("conversion") or {}).get("strategy") == "Webhook"
