"""The Job of a check, as it is made: one container by the contract, on a node that is not simulated."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.objects import Object
from harness.validation.checks.access import labels
from harness.validation.checks.catalog import Entry
from harness.validation.checks.contract import DATA, SECRET, Inputs
from harness.validation.checks.images import Images
from harness.validation.checks.placement import away_from_simulated, node_selector
from harness.validation.checks.pods import CONTAINER
from harness.validation.phases import resolve_affinity


def data_name(folder: str, run_id: str) -> str:
    """The ConfigMap of an input document."""
    return f"aicr-{folder}-{run_id}"


def secret_name(run_id: str) -> str:
    """The Secret with what a check gets from the caller and nobody else may read."""
    return f"aicr-caller-{run_id}"


@dataclass(frozen=True)
class JobDocument:
    """What all Jobs of a run have in common: account and namespace, inputs, images, and the nodes of the cluster."""

    account: str
    namespace: str
    inputs: Inputs
    images: Images
    nodes: Sequence[Object]
    pull_secrets: tuple[str, ...] = ()

    def of(self, entry: Entry, name: str) -> dict[str, Any]:
        """The Job of an entry."""
        of = labels(self.inputs.run_id, job_type="validation", validator=entry.name, phase=entry.phase)
        image = self.images.resolve(entry.image)
        resources = {"cpu": entry.cpu, "memory": entry.memory}
        folders = list(self.inputs.documents())
        container = {
            "name": CONTAINER,
            "image": image,
            "imagePullPolicy": self.images.pull_policy(image),
            "args": list(entry.args),
            "env": self._variables(entry),
            "resources": {"requests": resources, "limits": resources},
            "terminationMessagePath": "/dev/termination-log",
            "terminationMessagePolicy": "File",
            "volumeMounts": [{"name": each, "mountPath": f"{DATA}/{each}", "readOnly": True} for each in folders],
        }
        pod: dict[str, Any] = {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 30,
            "serviceAccountName": self.account,
            "tolerations": [{"operator": "Exists"}],
            "affinity": self._affinity(entry),
            "containers": [container],
            "volumes": [{"name": each, "configMap": {"name": data_name(each, self.inputs.run_id)}} for each in folders],
        }
        if selector := node_selector(self.nodes):
            pod["nodeSelector"] = selector
        if self.pull_secrets:
            pod["imagePullSecrets"] = [{"name": each} for each in self.pull_secrets]
        pod_labels = {key: value for key, value in of.items() if key.endswith(("/name", "/component", "/validator"))}
        return {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": name, "namespace": self.namespace, "labels": of},
            "spec": {
                "activeDeadlineSeconds": max(1, round(entry.timeout)),
                "backoffLimit": 0,
                "ttlSecondsAfterFinished": 3600,
                "template": {"metadata": {"labels": pod_labels}, "spec": pod},
            },
        }

    def _variables(self, entry: Entry) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for name, value in self.inputs.variables(entry).items():
            if name in SECRET:
                reference = {"name": secret_name(self.inputs.run_id), "key": name, "optional": True}
                found.append({"name": name, "valueFrom": {"secretKeyRef": reference}})
                continue
            found.append({"name": name, "value": value})
            if name == "AICR_RUN_ID":
                field = {"fieldRef": {"fieldPath": "metadata.namespace"}}
                found.append({"name": "AICR_NAMESPACE", "valueFrom": field})
        return found

    def _affinity(self, entry: Entry) -> dict[str, Any]:
        """Away from simulated nodes whatever happens, from GPU nodes where that can be, and beside dependencies."""
        term = away_from_simulated(self.nodes)
        without = {"matchExpressions": [{"key": "nvidia.com/gpu.present", "operator": "DoesNotExist"}]}
        found: dict[str, Any] = {
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]},
                "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "preference": without}],
            }
        }
        required: list[Mapping[str, Any]] = []
        preferred: list[Mapping[str, Any]] = []
        for each, namespace in resolve_affinity(entry, self.inputs.declared)[0]:
            beside = {
                "labelSelector": {"matchLabels": dict(each.labels)},
                "namespaces": [namespace],
                "topologyKey": each.topology_key,
            }
            if each.required:
                required.append(beside)
            else:
                preferred.append({"weight": 100, "podAffinityTerm": beside})
        if required or preferred:
            terms = {
                "requiredDuringSchedulingIgnoredDuringExecution": required,
                "preferredDuringSchedulingIgnoredDuringExecution": preferred,
            }
            found["podAffinity"] = {key: value for key, value in terms.items() if value}
        return found
