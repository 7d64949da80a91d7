"""ResourceSlices of simulated GPUs, as NVIDIA's driver would publish them."""

from typing import Any

import pytest

from harness.recipes.profiles import select
from harness.settings import ROOT
from kwok.cloud import published
from kwok.devices import slices, wanted
from kwok.nodes import NodePlan, node_objects


def nodes(accelerator: str = "h100") -> list[dict[str, Any]]:
    plan = NodePlan(select(ROOT / "kwok" / "profiles", "eks", accelerator), 1, 2, "us-east-1", "v1.34.10")
    found = node_objects(plan)
    return [{**each, "metadata": {**each["metadata"], "uid": each["metadata"]["name"]}} for each in found]


def device_class(name: str, expression: str = "") -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"selectors": [{"cel": {"expression": expression}}]}}


@pytest.mark.parametrize(
    ("found", "answer"),
    [
        (device_class("gpu.nvidia.com"), True),
        (device_class("h100", "device.driver == 'gpu.nvidia.com'"), True),
        (device_class("h100", 'device.driver == "gpu.nvidia.com" && true'), True),
        (device_class("dra.example.com", "device.driver == 'dra.example.com'"), False),
    ],
)
def test_gpus_are_published_where_a_class_selects_them(found: dict[str, Any], answer: bool) -> None:
    """By its name or by its selector; a class of another driver does not."""
    assert wanted([found]) is answer


def test_each_gpu_of_each_node_is_a_device() -> None:
    """In a pool of its node, with which it goes."""
    found = list(slices(nodes()))
    assert [each["spec"]["nodeName"] for each in found] == ["gpu-0", "gpu-1"]
    for each in found:
        assert [device["name"] for device in each["spec"]["devices"]] == [f"gpu-{index}" for index in range(8)]
        assert each["metadata"]["ownerReferences"][0]["uid"] == each["spec"]["nodeName"]
    uuids = {device["attributes"]["uuid"]["string"] for each in found for device in each["spec"]["devices"]}
    assert len(uuids) == 16


@pytest.mark.parametrize(
    ("accelerator", "attributes"),
    [
        ("h100", {"architecture": "Hopper", "cudaComputeCapability": "9.0.0", "driverVersion": "570.86.16"}),
        ("gb200", {"architecture": "Blackwell", "cudaComputeCapability": "10.0.0", "driverVersion": "580.82.7"}),
    ],
)
def test_a_device_says_what_selectors_ask_for(accelerator: str, attributes: dict[str, str]) -> None:
    """Versions as semantic ones, which have no leading zeros."""
    device = next(slices(nodes(accelerator)))["spec"]["devices"][0]
    said = {name: next(iter(value.values())) for name, value in device["attributes"].items()}
    assert said | attributes == said
    assert said["type"] == "gpu"


def test_slices_come_and_go_with_the_class() -> None:
    """What is there already is not made again; without a class none stays."""
    there = list(slices(nodes()))[:1]
    assert [str(each) for each in published(nodes(), there, wanted=True)] == [
        "create ResourceSlice gpu-1-gpu.nvidia.com"
    ]
    assert [str(each) for each in published([], there, wanted=False)] == ["delete ResourceSlice gpu-0-gpu.nvidia.com"]
