"""Objects that two releases of a bundle make: found in what they render, before any cluster is touched.

Whoever delivers such a bundle, what one of the two releases has rendered is not in the cluster afterwards: helm refuses
the second, Argo CD's applications take the object from each other for ever, and Flux lets the last one win silently.
A CRD that is the same in both is only noted: helm and Flux leave a CRD alone that is there.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from harness.bundles.contract.check import ContractBroken, Violation
from harness.bundles.model import Bundle

_CRD = ("apiextensions.k8s.io", "CustomResourceDefinition")
_HOOK = "helm.sh/hook"  # made and removed as releases come, and owned by none

# The kinds of Kubernetes itself that live in no namespace, as (group, kind).
_CLUSTER_WIDE = frozenset(
    (group, kind)
    for group, kinds in {
        "": ("Namespace", "Node", "PersistentVolume"),
        "admissionregistration.k8s.io": (
            "MutatingAdmissionPolicy",
            "MutatingAdmissionPolicyBinding",
            "MutatingWebhookConfiguration",
            "ValidatingAdmissionPolicy",
            "ValidatingAdmissionPolicyBinding",
            "ValidatingWebhookConfiguration",
        ),
        "apiextensions.k8s.io": ("CustomResourceDefinition",),
        "apiregistration.k8s.io": ("APIService",),
        "certificates.k8s.io": ("CertificateSigningRequest", "ClusterTrustBundle"),
        "flowcontrol.apiserver.k8s.io": ("FlowSchema", "PriorityLevelConfiguration"),
        "networking.k8s.io": ("IngressClass", "IPAddress", "ServiceCIDR"),
        "node.k8s.io": ("RuntimeClass",),
        "rbac.authorization.k8s.io": ("ClusterRole", "ClusterRoleBinding"),
        "resource.k8s.io": ("DeviceClass", "DeviceTaintRule", "ResourceSlice"),
        "scheduling.k8s.io": ("PriorityClass",),
        "storage.k8s.io": ("CSIDriver", "CSINode", "StorageClass", "VolumeAttachment", "VolumeAttributesClass"),
    }.items()
    for kind in kinds
)

_Objects = Mapping[str, Sequence[Mapping[str, Any]]]
_Key = tuple[str, str, str, str]  # group, kind, namespace ("" for none), name


def require_no_shared_objects(bundle: Bundle, rendered: _Objects, *, where: str) -> tuple[str, ...]:
    """Raise ContractBroken where two releases render one object, with the names of both; notes on equal CRDs."""
    wide = _CLUSTER_WIDE | {_served(item) for objects in rendered.values() for item in objects if _is_crd(item)}
    first: dict[_Key, tuple[str, Mapping[str, Any]]] = {}
    violations: list[Violation] = []
    notes: list[str] = []
    for folder in bundle.folders:
        for item in rendered[folder.release]:
            key = _key(item, folder.namespace, wide)
            if key is None:
                continue
            before, other = first.setdefault(key, (folder.release, item))
            if before == folder.release:
                continue
            if _is_crd(item) and item.get("spec") == other.get("spec"):
                notes.append(f"releases {before} and {folder.release} bring the same CRD {key[3]}")
                continue
            violations.append(_violation(key, before, folder.release))
    if violations:
        raise ContractBroken(violations, where=where)
    return tuple(notes)


def _violation(key: _Key, before: str, release: str) -> Violation:
    group, kind, namespace, name = key
    shown = f"{kind}{f'.{group}' if group else ''} {f'{namespace}/' if namespace else ''}{name}"
    differ = ", and the two differ" if (group, kind) == _CRD else ""
    what = f"releases {before} and {release} both make {shown}{differ}"
    return Violation("shared-object", f"release {release}", what, "disable it in one of the two components")


def _key(item: Mapping[str, Any], namespace: str, wide: frozenset[tuple[str, str]]) -> _Key | None:
    """What an object is known by in a cluster; None where it has no name of its own, or is a hook."""
    metadata = item.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    annotations, name = metadata.get("annotations"), metadata.get("name")
    if not isinstance(name, str) or not name or (isinstance(annotations, Mapping) and _HOOK in annotations):
        return None
    group, kind = _group(item), str(item.get("kind"))
    return group, kind, "" if (group, kind) in wide else str(metadata.get("namespace") or namespace), name


def _group(item: Mapping[str, Any]) -> str:
    return str(item.get("apiVersion")).rpartition("/")[0]


def _is_crd(item: Mapping[str, Any]) -> bool:
    return (_group(item), item.get("kind")) == _CRD


def _served(item: Mapping[str, Any]) -> tuple[str, str]:
    """The kind that a CRD brings, where that lives in no namespace."""
    spec = item.get("spec")
    spec = spec if isinstance(spec, Mapping) else {}
    names = spec.get("names")
    kind = names.get("kind") if isinstance(names, Mapping) and spec.get("scope") == "Cluster" else ""
    return str(spec.get("group")), str(kind)
