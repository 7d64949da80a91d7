"""Planning and judging of benchmarks, without a cluster: what is asked, what may be used, and what a figure means."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from harness.objects import Object

TOLERANCE = 0.1  # of a bandwidth: a tenth below what is asked is still enough
GPU = "nvidia.com/gpu"
MODEL, CONCURRENCY, ROUTING = "Qwen/Qwen3-8B", 256, "dynamo-router"
ROUTING_MODES = ("dynamo-router", "gateway-epp")
READINESS_SECONDS = 120
# service and accelerator -> fabric of the variant that is known for it
VARIANTS: Mapping[tuple[str, str], str] = {
    ("eks", "h100"): "efa",
    ("eks", "h200"): "efa",
    ("eks", "gb200"): "efa",
    ("gke", "h100"): "tcpxo",
    ("aks", "h100"): "infiniband",
    ("oke", "gb200"): "rdma",
    ("any", "b200"): "default",
    ("any", "gb200"): "default",
    ("any", "h100"): "default",
}


class InvalidKnob(Exception):
    """A setting of a benchmark that cannot be used; nothing was deployed."""

    def __init__(self, message: str) -> None:
        super().__init__(f"[INVALID_REQUEST] {message}")


@dataclass(frozen=True)
class Threshold:
    """A figure and which side of it is good: `>= 300`, `<= 200`."""

    operator: str
    value: float

    @classmethod
    def parse(cls, name: str, text: str) -> "Threshold":
        """Raises InvalidKnob."""
        for operator in (">=", "<=", ">", "<"):
            if text.strip().startswith(operator):
                try:
                    value = float(text.strip().removeprefix(operator).split()[0])
                except (ValueError, IndexError):
                    break
                if value > 0:
                    return cls(operator, value)
        raise InvalidKnob(f"constraint {name} is {text!r}, expected an operator and a figure above 0, such as >= 300")

    def holds(self, measured: float, *, tolerance: float = 0.0, scale: float = 1.0) -> bool:
        """Whether a figure is good enough; `tolerance` loosens and `scale` moves what is asked."""
        asked = self.value * scale
        match self.operator:
            case ">=":
                return measured >= asked * (1 - tolerance)
            case ">":
                return measured > asked * (1 - tolerance)
            case "<=":
                return measured <= asked * (1 + tolerance)
        return measured < asked * (1 + tolerance)


@dataclass(frozen=True)
class Gpus:
    """GPUs of a cluster: all that schedulable nodes offer, and those that no pod has asked for."""

    nodes: tuple[str, ...]
    total: int
    free: int

    @property
    def per_node(self) -> int:
        return self.total // len(self.nodes) if self.nodes else 0

    @classmethod
    def of(cls, nodes: Iterable[Object], pods: Iterable[Object]) -> "Gpus":
        offered = {
            str(node["metadata"]["name"]): int(((node.get("status") or {}).get("allocatable") or {}).get(GPU, 0) or 0)
            for node in nodes
            if not (node.get("spec") or {}).get("unschedulable")
        }
        offered = {name: count for name, count in offered.items() if count}
        used = sum(
            _asked(pod) for pod in pods if (pod.get("spec") or {}).get("nodeName") in offered and not _ended(pod)
        )
        total = sum(offered.values())
        return cls(tuple(sorted(offered)), total, max(0, total - used))


@dataclass(frozen=True)
class Inference:
    """The settings of an inference benchmark."""

    model: str
    concurrency: int
    routing: str
    throughput: Threshold | None
    latency: Threshold | None

    @classmethod
    def of(cls, constraints: Mapping[str, str], environment: Mapping[str, str]) -> "Inference":
        """From constraints, else the environment of the catalog, else defaults. Raises InvalidKnob."""
        model = constraints.get("inference-model") or environment.get("AICR_INFERENCE_PERF_MODEL") or MODEL
        asked = constraints.get("inference-concurrency-per-gpu")
        asked = asked or environment.get("AICR_INFERENCE_PERF_CONCURRENCY_PER_GPU") or str(CONCURRENCY)
        routing = constraints.get("inference-routing-mode") or ROUTING
        if not asked.isascii() or not asked.isdigit() or int(asked) < 1:
            raise InvalidKnob(f"inference-concurrency-per-gpu is {asked!r}, expected a whole number above 0")
        if routing not in ROUTING_MODES:
            raise InvalidKnob(f"inference-routing-mode is {routing!r}, expected {' or '.join(ROUTING_MODES)}")
        limits = {
            name: Threshold.parse(name, constraints[name]) if constraints.get(name) else None
            for name in ("inference-throughput", "inference-ttft-p99")
        }
        return cls(model, int(asked), routing, limits["inference-throughput"], limits["inference-ttft-p99"])

    def judge(self, throughput: float, latency: float, gpus: Gpus) -> list[str]:
        """What of two figures is not good enough: tokens a second, scaled by the free GPUs, and milliseconds."""
        found: list[str] = []
        scale = gpus.free / gpus.total if gpus.total else 0.0
        if self.throughput and not self.throughput.holds(throughput, scale=scale):
            asked = f"{self.throughput.operator} {self.throughput.value * scale:g}"
            found.append(f"throughput is {throughput:g}, expected {asked} with {gpus.free} of {gpus.total} GPUs free")
        if self.latency and not self.latency.holds(latency):
            found.append(f"ttft p99 is {latency:g} ms, expected {self.latency.operator} {self.latency.value:g}")
        return found


def variant_of(criteria: Mapping[str, str]) -> str:
    """The variant of the bandwidth benchmark for a platform; empty where none is known."""
    accelerator = criteria.get("accelerator", "any")
    return VARIANTS.get((criteria.get("service", "any"), accelerator)) or VARIANTS.get(("any", accelerator), "")


def bandwidth_workers(name: str, namespace: str, gpus: Gpus, image: str) -> list[dict[str, Any]]:
    """The pods of a bandwidth benchmark: one on each GPU node, with all of its GPUs."""
    return [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"{name}-{number}", "namespace": namespace, "labels": {"app": name}},
            "spec": {
                "restartPolicy": "Never",
                "tolerations": [{"operator": "Exists"}],
                "affinity": {
                    "nodeAffinity": {
                        "requiredDuringSchedulingIgnoredDuringExecution": {
                            "nodeSelectorTerms": [
                                {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
                            ]
                        }
                    }
                },
                "containers": [
                    {
                        "name": "worker",
                        "image": image,
                        "resources": {"limits": {GPU: str(gpus.per_node)}},
                    }
                ],
            },
        }
        for number, node in enumerate(gpus.nodes)
    ]


def inference_workload(
    name: str, namespace: str, settings: Inference, image: str, *, token: bool
) -> list[dict[str, Any]]:
    """The server of an inference benchmark: a claim that holds the model, a Job that fills it, the server beside it.

    The Job has no memory limit, because a model is written through the page cache; `token` mounts the Secret hf-token.
    """
    volume = {"name": "model", "persistentVolumeClaim": {"claimName": name}}
    mount = {"name": "model", "mountPath": "/model"}
    variables: list[dict[str, Any]] = [{"name": "MODEL", "value": settings.model}]
    if token:
        secret = {"secretKeyRef": {"name": "hf-token", "key": "HF_TOKEN", "optional": True}}
        variables.append({"name": "HF_TOKEN", "valueFrom": secret})
    labels = {"app": name}
    beside = {
        "podAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [
                {"labelSelector": {"matchLabels": {"app": f"{name}-populate"}}, "topologyKey": "kubernetes.io/hostname"}
            ]
        }
    }
    probe = {
        "httpGet": {"path": "/health", "port": 8000},
        "periodSeconds": 5,
        "failureThreshold": READINESS_SECONDS // 5,
    }
    server = {
        "name": "server",
        "image": image,
        "env": variables,
        "ports": [{"containerPort": 8000}],
        "resources": {"limits": {GPU: "1"}},
        "readinessProbe": probe,
        "volumeMounts": [{**mount, "readOnly": True}],
    }
    populate = {"name": "populate", "image": image, "env": variables, "volumeMounts": [mount]}
    everywhere = [{"operator": "Exists"}]
    return [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "100Gi"}}},
        },
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": f"{name}-populate", "namespace": namespace},
            "spec": {
                "backoffLimit": 0,
                "template": {
                    "metadata": {"labels": {"app": f"{name}-populate"}},
                    "spec": {
                        "restartPolicy": "Never",
                        "tolerations": everywhere,
                        "containers": [populate],
                        "volumes": [volume],
                    },
                },
            },
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {
                        "affinity": beside,
                        "tolerations": everywhere,
                        "containers": [server],
                        "volumes": [volume],
                    },
                },
            },
        },
    ]


def _asked(pod: Object) -> int:
    containers = (pod.get("spec") or {}).get("containers") or ()
    return sum(int(((each.get("resources") or {}).get("limits") or {}).get(GPU, 0) or 0) for each in containers)


def _ended(pod: Object) -> bool:
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
