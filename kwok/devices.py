"""The GPUs of simulated nodes as devices of dynamic resource allocation, once a recipe has brought the driver's class.

NVIDIA's driver publishes a ResourceSlice for each node, with a device for each GPU; its kubelet plugin does not run
here. The attributes are those of https://github.com/NVIDIA/k8s-dra-driver-gpu (deviceinfo.go of its kubelet plugin), as
far as a node's labels know them. Slices go with their node.
"""

import uuid
from collections.abc import Iterable, Iterator
from typing import Any

from harness.objects import NODES, Kind, Object

DEVICE_CLASSES = Kind("resource.k8s.io/v1", "deviceclasses", "DeviceClass", namespaced=False)
RESOURCE_SLICES = Kind("resource.k8s.io/v1", "resourceslices", "ResourceSlice", namespaced=False)
DRIVER = "gpu.nvidia.com"
GPU_NODES = "nvidia.com/gpu.present=true"  # the label selector of nodes that have any
SLICE_LABEL = ("kwok-harness/driver", DRIVER)

# Product, as its label begins after "NVIDIA-", to architecture and compute capability:
# https://developer.nvidia.com/cuda-gpus
_ARCHITECTURES = {
    "A100": ("Ampere", "8.0.0"),
    "L4": ("Ada Lovelace", "8.9.0"),
    "L40": ("Ada Lovelace", "8.9.0"),
    "L40S": ("Ada Lovelace", "8.9.0"),
    "H100": ("Hopper", "9.0.0"),
    "H200": ("Hopper", "9.0.0"),
    "GH200": ("Hopper", "9.0.0"),
    "B200": ("Blackwell", "10.0.0"),
    "GB200": ("Blackwell", "10.0.0"),
    "B300": ("Blackwell", "10.3.0"),
    "GB300": ("Blackwell", "10.3.0"),
}


def wanted(classes: Iterable[Object]) -> bool:
    """Whether somebody has brought a class of the driver's devices."""
    return any(_selects(each) for each in classes)


def _selects(device_class: Object) -> bool:
    selectors = (device_class.get("spec") or {}).get("selectors") or ()
    expressions = " ".join(str((each.get("cel") or {}).get("expression")) for each in selectors)
    return device_class["metadata"]["name"] == DRIVER or f'"{DRIVER}"' in expressions.replace("'", '"')


def slices(nodes: Iterable[Object]) -> Iterator[dict[str, Any]]:
    """The ResourceSlice of each node that has GPUs."""
    key, value = SLICE_LABEL
    for node in nodes:
        name, labels = node["metadata"]["name"], node["metadata"]["labels"]
        count = int(labels.get("nvidia.com/gpu.count", 0))
        if not count:
            continue
        owner = {"apiVersion": NODES.api_version, "kind": NODES.kind, "name": name, "uid": node["metadata"]["uid"]}
        yield {
            "apiVersion": RESOURCE_SLICES.api_version,
            "kind": RESOURCE_SLICES.kind,
            "metadata": {"name": f"{name}-{DRIVER}", "labels": {key: value}, "ownerReferences": [owner]},
            "spec": {
                "driver": DRIVER,
                "nodeName": name,
                "pool": {"name": name, "generation": 1, "resourceSliceCount": 1},
                "devices": [_gpu(node, index) for index in range(count)],
            },
        }


def _gpu(node: Object, index: int) -> dict[str, Any]:
    labels, annotations = node["metadata"]["labels"], node["metadata"].get("annotations") or {}
    words = labels["nvidia.com/gpu.product"].split("-")
    unique = f"gpu-{index}.{node['metadata']['name']}"
    texts = {
        "type": "gpu",
        "uuid": f"GPU-{uuid.uuid5(uuid.NAMESPACE_DNS, unique)}",
        "productName": " ".join(words),
        "brand": "Nvidia",
    }
    versions = {"driverVersion": annotations.get("nvidia.com/gpu.driver.version", "")}
    if known := _ARCHITECTURES.get(words[1] if len(words) > 1 else ""):
        texts["architecture"], versions["cudaComputeCapability"] = known
    attributes: dict[str, Any] = {name: {"string": text} for name, text in texts.items()}
    attributes |= {name: {"version": _semantic(text)} for name, text in versions.items() if text}
    memory = {"memory": {"value": f"{labels['nvidia.com/gpu.memory']}Mi"}}
    return {"name": f"gpu-{index}", "attributes": attributes, "capacity": memory}


def _semantic(version: str) -> str:
    """580.82.07 as 580.82.7: semantic versions have no leading zeros, and three parts."""
    parts = [str(int(part)) for part in version.split(".") if part.isdecimal()]
    return ".".join([*parts, "0", "0"][:3])
