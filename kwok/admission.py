"""What the API server itself changes in objects as they are made, since what they ask for does not run here.

A CRD with a conversion webhook: nobody answers, so every object of a version that is not stored would be refused. It is
converted by its apiVersion alone instead (strategy None). And a pod for another scheduler, which nobody would place: it
is placed by the default one. Each says in an annotation what it asked for: notes and verdicts are about that.

These are MutatingAdmissionPolicies: an object never exists as it was, so nothing that follows it closely can meet it.
"""

import time
from collections.abc import Iterator
from typing import Any, Literal

from harness.cluster.api import ApiError, Cluster, address
from harness.deadline import Deadline
from harness.errors import ClusterError
from harness.names import CONVERSION_ANNOTATION, DEFAULT_SCHEDULER, SCHEDULER_ANNOTATION
from harness.objects import PODS, Kind
from harness.settings import Settings

_GROUP = "admissionregistration.k8s.io/v1beta1"
POLICIES = Kind(_GROUP, "mutatingadmissionpolicies", "MutatingAdmissionPolicy", namespaced=False)
BINDINGS = Kind(_GROUP, "mutatingadmissionpolicybindings", "MutatingAdmissionPolicyBinding", namespaced=False)
CRDS = Kind("apiextensions.k8s.io/v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False)
_LOOK_SECONDS = 0.1
_PROBE = "kwok-harness-probe"

Schedulers = Literal["stand-in", "refuse"]


def policy(name: str, kind: Kind, operations: list[str], conditions: dict[str, str], patch: str) -> dict[str, Any]:
    """A policy for one kind: where all `conditions` (CEL, by name) hold, `patch` (CEL, a list of JSONPatch) is made."""
    rule = {
        "apiGroups": [kind.group],
        "apiVersions": ["v1"],
        "operations": operations,
        "resources": [kind.plural],
    }
    return {
        "apiVersion": POLICIES.api_version,
        "kind": POLICIES.kind,
        "metadata": {"name": name},
        "spec": {
            "failurePolicy": "Fail",
            "reinvocationPolicy": "IfNeeded",
            "matchConstraints": {"resourceRules": [rule]},
            "matchConditions": [{"name": name, "expression": each} for name, each in conditions.items()],
            "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": patch}}],
        },
    }


def binding(name: str) -> dict[str, Any]:
    return {
        "apiVersion": BINDINGS.api_version,
        "kind": BINDINGS.kind,
        "metadata": {"name": name},
        "spec": {"policyName": name},
    }


def conversions() -> dict[str, Any]:
    """CRDs are converted without their webhook."""
    conditions = {
        "asks-for-a-webhook": "has(object.spec.conversion) && object.spec.conversion.strategy == 'Webhook'",
    }
    none = 'JSONPatch{op: "replace", path: "/spec/conversion", value: {"strategy": "None"}}'
    patch = f"{_annotated(CONVERSION_ANNOTATION, 'object.spec.conversion.strategy')} + [{none}]"
    return policy("simulated-conversions", CRDS, ["CREATE", "UPDATE"], conditions, patch)


def schedulers() -> dict[str, Any]:
    """Pods for another scheduler are placed by the default one."""
    asked = "object.spec.schedulerName"
    conditions = {
        "asks-for-another": f"has({asked}) && {asked} != '' && {asked} != '{DEFAULT_SCHEDULER}'",
        "is-not-bound": "!has(object.spec.nodeName) || object.spec.nodeName == ''",
    }
    default = f'JSONPatch{{op: "replace", path: "/spec/schedulerName", value: "{DEFAULT_SCHEDULER}"}}'
    patch = f"{_annotated(SCHEDULER_ANNOTATION, asked)} + [{default}]"
    return policy("simulated-schedulers", PODS, ["CREATE"], conditions, patch)


def policies(settings: Settings) -> Iterator[dict[str, Any]]:
    """Those that the settings `webhooks` and `schedulers` ask for."""
    if settings.webhooks == "skip":
        yield conversions()
    if settings.schedulers == "stand-in":
        yield schedulers()


def admit(cluster: Cluster, settings: Settings) -> None:
    """Have the policies in the cluster; they come into force a moment later."""
    for each in policies(settings):
        cluster.apply(POLICIES, each)
        cluster.apply(BINDINGS, binding(each["metadata"]["name"]))


def until_in_force(cluster: Cluster, settings: Settings, deadline: Deadline) -> None:
    """See what becomes of an object of each kind, without making it. Raises ClusterError."""
    probes: list[tuple[Kind, str, dict[str, Any], str]] = []
    if settings.webhooks == "skip":
        probes.append((CRDS, "", _probe_crd(), CONVERSION_ANNOTATION))
    if settings.schedulers == "stand-in":
        probes.append((PODS, "kube-system", _probe_pod(), SCHEDULER_ANNOTATION))
    for kind, namespace, obj, annotation in probes:
        while (why := _unchanged(cluster, kind, namespace, obj, annotation)) != "":
            if deadline.expired:
                raise ClusterError(
                    f"an admission policy is not in force after {deadline.budget:g} s: {why}",
                    where=f"{POLICIES.kind} for {kind.plural}",
                    do=f"the API server must serve {_GROUP} (MutatingAdmissionPolicy)",
                )
            time.sleep(_LOOK_SECONDS)


def _unchanged(cluster: Cluster, kind: Kind, namespace: str, obj: dict[str, Any], annotation: str) -> str:
    """Why such an object would not be changed; empty where it is."""
    try:
        made = cluster.request("POST", address(kind, namespace), query={"dryRun": "All"}, body=obj)
    except ApiError as error:
        return str(error)  # the account that pods run under comes a moment after the namespace
    found = made["metadata"].get("annotations") or {}
    return "" if annotation in found else f"a {kind.kind} was admitted unchanged"


def _annotated(annotation: str, value: str) -> str:
    """CEL: the patches that add an annotation."""
    path = "/metadata/annotations"
    key = annotation.replace("~", "~0").replace("/", "~1")
    return f"""(has(object.metadata.annotations)
      ? [JSONPatch{{op: "add", path: "{path}/{key}", value: {value}}}]
      : [JSONPatch{{op: "add", path: "{path}", value: {{"{annotation}": {value}}}}}])"""


def _probe_pod() -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": PODS.kind,
        "metadata": {"name": _PROBE, "namespace": "kube-system"},
        "spec": {"schedulerName": _PROBE, "containers": [{"name": "main", "image": "kwok-harness/nothing"}]},
    }


def _probe_crd() -> dict[str, Any]:
    schema = {"openAPIV3Schema": {"type": "object"}}
    service = {"name": _PROBE, "namespace": "default"}
    webhook = {"conversionReviewVersions": ["v1"], "clientConfig": {"service": service}}
    return {
        "apiVersion": CRDS.api_version,
        "kind": CRDS.kind,
        "metadata": {"name": "probes.kwok-harness.example.com"},
        "spec": {
            "group": "kwok-harness.example.com",
            "scope": "Cluster",
            "names": {"kind": "Probe", "plural": "probes"},
            "conversion": {"strategy": "Webhook", "webhook": webhook},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }
