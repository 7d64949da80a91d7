"""Whatever a chart renders, the harness says something about it and does not break: manifests gone wrong.

1,000 of them; with HISTORIES, twenty times as many as that says: 10,000 for 500. They are the same each time.
"""

import copy
import json
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.bundles.model import Bundle, Chart, Folder
from harness.cells.prepare import Prepared
from harness.cells.upgrade import vanished
from harness.cluster.api import Cluster, Listing, Resources
from harness.errors import HarnessError
from harness.evidence.redaction import Redactor
from harness.exits import Exit
from harness.expected.workloads import expect
from harness.gates.workloads.unscheduled import KINDS
from harness.helm.client import objects
from harness.objects import (
    CONFIGMAPS,
    CRONJOBS,
    DAEMONSETS,
    DEPLOYMENTS,
    JOBS,
    NODES,
    PODS,
    REPLICASETS,
    STATEFULSETS,
    Kind,
    Objects,
    key_of,
)
from harness.parity.check import check
from harness.recipes.model import Component, Criteria, Recipe, RegistryEntry, Scheduling
from harness.reports import ctrf, junit
from harness.reports.html import page as html
from tests.fakes.objects import TOLERATES_KWOK, daemon_set, deployment, node, pod
from tests.fakes.results import cell, sweep

COUNT, BATCH = 20 * int(os.environ.get("HISTORIES", "50")), 500
SECRETS = Kind("v1", "secrets", "Secret")
SERVICES = Kind("v1", "services", "Service")
SCALERS = Kind("autoscaling/v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler")
CRDS = Kind("apiextensions.k8s.io/v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False)
SERVED = [*KINDS, CONFIGMAPS, CRONJOBS, SECRETS, SERVICES, SCALERS, CRDS]

CONTAINER = {
    "name": "main",
    "image": "app:1",
    "args": ["--a"],
    "env": [{"name": "A", "value": "1"}, {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
    "ports": [{"containerPort": 80, "hostPort": 80, "protocol": "TCP"}],
    "resources": {"limits": {"cpu": "1000m", "nvidia.com/gpu": 1}, "requests": {"memory": "64Mi"}},
    "volumeMounts": [{"name": "v", "mountPath": "/v"}],
}
REQUIREMENT = {"key": "aicr.nvidia.com/node-type", "operator": "In", "values": ["accelerated", "system"]}
TERMS = [{"matchExpressions": [REQUIREMENT], "matchFields": [{**REQUIREMENT, "key": "metadata.name"}]}]
POD_SPEC = {
    "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": TERMS}}},
    "containers": [CONTAINER],
    "hostNetwork": True,
    "initContainers": [{**CONTAINER, "name": "first", "restartPolicy": "Always"}],
    "nodeSelector": {"type": "kwok"},
    "overhead": {"cpu": "1m"},
    "schedulerName": "default-scheduler",
    "schedulingGates": [{"name": "g"}],
    "tolerations": [TOLERATES_KWOK, {"key": "nvidia.com/gpu", "operator": "Exists", "tolerationSeconds": 5}],
    "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "labelSelector": {"matchLabels": {"a": "b"}}}],
    "volumes": [{"name": "v", "emptyDir": {"sizeLimit": "1Gi"}}],
}
TEMPLATE = {"metadata": {"labels": {"app": "web"}, "annotations": {"checksum/config": "ab"}}, "spec": POD_SPEC}
JOB = {"parallelism": 2, "completions": 2, "suspend": False, "ttlSecondsAfterFinished": 5, "template": TEMPLATE}
HOOK = {"helm.sh/hook": "post-install", "helm.sh/hook-delete-policy": "hook-succeeded", "helm.sh/hook-weight": "1"}


def manifest(kind: Kind, name: str = "web", annotations: dict[str, str] | None = None, **parts: Any) -> dict[str, Any]:
    labels = {"app": "web", "helm.sh/chart": "web-1.0.0"}
    metadata = {"name": name, "labels": labels, "annotations": annotations or {"a": "b"}}
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, **parts}


TARGET = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
MANIFESTS = [
    manifest(DEPLOYMENTS, spec={"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": TEMPLATE}),
    manifest(STATEFULSETS, spec={"replicas": 2, "podManagementPolicy": "Parallel", "template": TEMPLATE}),
    manifest(DAEMONSETS, "agent", spec={"template": TEMPLATE}),
    manifest(JOBS, spec=JOB),
    manifest(JOBS, "hook", HOOK, spec=JOB),
    manifest(CRONJOBS, spec={"schedule": "* * * * *", "suspend": True, "jobTemplate": {"spec": JOB}}),
    manifest(PODS, spec=POD_SPEC),
    manifest(SCALERS, spec={"scaleTargetRef": TARGET, "minReplicas": 1, "maxReplicas": 3}),
    manifest(SECRETS, stringData={"password": "secret-value"}, data={"key": "YWJj"}),
    manifest(CONFIGMAPS, "config", HOOK, data={"a": "1"}, binaryData={"b": "YQ=="}),
    manifest(SERVICES, spec={"type": "ClusterIP", "ports": [{"port": 80, "targetPort": 80, "name": "http"}]}),
    manifest(
        CRDS,
        spec={
            "group": "x.io",
            "names": {"kind": "Widget", "plural": "widgets"},
            "versions": [{"name": "v1", "served": True, "schema": {"openAPIV3Schema": {"type": "object"}}}],
        },
    ),
    {"apiVersion": "v1", "kind": "List", "items": [manifest(SECRETS, data={"key": "YWJj"}), manifest(PODS, spec={})]},
]
JUNK: tuple[Any, ...] = (
    *(None, "", "x", "12", "1e3", "5%", 0, -1, 7, 2.5, 10**30, True, False, [], {}, [None], [[]], [{}], {"a": None}),
    *(
        {"a": {"b": ["c"]}},
        ["x", 1, {}],
        {"name": "x"},
        [{"name": "x"}, {"name": "x"}],
        {"x y": "z"},
        "\u0000",
        "- a: {",
    ),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every path in a manifest, but for the whole."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in entries:
        yield (*path, key)
        yield from places(entry, (*path, key))


def gone_wrong(seed: int) -> dict[str, Any]:
    """A manifest with one to three of its parts taken away, or replaced by something else."""
    chance = random.Random(seed)
    found = copy.deepcopy(MANIFESTS[seed % len(MANIFESTS)])
    for _ in range(chance.choice((1, 1, 2, 3))):
        *way, last = chance.choice(list(places(found)) or [("kind",)])
        place: Any = found
        for key in way:
            place = place[key]
        if chance.random() < 0.2:
            del place[last]
        else:
            place[last] = copy.deepcopy(chance.choice(JUNK))
    return found


def component(name: str) -> Component:
    entry = RegistryEntry(name, (), "", "", "", "", "helm", Scheduling(accelerated_selectors=("a",)), "")
    return Component(name, "apps", "Helm", "", "", "", "", "", "", {}, (), (), (), (), False, (), "", entry)


def folder(number: int, namespace: str = "apps") -> Folder:
    return Folder(number, f"r{number}", "app", namespace, Path(), Chart("app", "1"))


REDACTOR = Redactor(["secret-value"])
RECIPE = Recipe("r", Criteria(), (), (), (component("app"),), {}, Path(), ())
LIVE = {
    **{kind: [] for kind in KINDS},
    NODES: [node("gpu-0"), node("system-0")],
    DEPLOYMENTS: deployment()[:1],
    REPLICASETS: deployment()[1:],
    DAEMONSETS: [daemon_set()],
    PODS: [pod("web", on="gpu-0"), pod("web-x")],
}
SNAPSHOT = Objects({kind: {key_of(item): item for item in items} for kind, items in LIVE.items()})


class FakeCluster(Cluster):
    """Holds, in each namespace, the manifests as they should be."""

    def __init__(self, namespaces: list[str]) -> None:
        self.items: dict[str, list[dict[str, Any]]] = {}
        for item in [*MANIFESTS[:-1], *MANIFESTS[-1]["items"]]:
            for namespace in namespaces:
                held = {**item, "metadata": {**item["metadata"], "namespace": namespace, "resourceVersion": "1"}}
                self.items.setdefault(item["kind"], []).append(held)

    def resources(self) -> Resources:
        return Resources(SERVED, [])

    def list(self, kind: Kind, **options: Any) -> Listing:
        return Listing(self.items.get(kind.kind, []), "1")

    def request(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        if method == "GET":
            kind = next((kind for kind in SERVED if path.endswith(f"/{kind.plural}")), PODS)
            return {"items": self.items.get(kind.kind, [])}
        return copy.deepcopy(dict(options["body"]))


def through_everything(items: list[dict[str, Any]]) -> None:
    """What is done with a release before and while it is delivered. HarnessError where it is refused, in words."""
    bundle = Bundle(Path(), "helm", (folder(1),), {})
    rendered = {"r1": items}
    REDACTOR.document(items)
    expectation = expect(RECIPE, bundle, rendered)
    assert str(expectation.gate(SNAPSHOT))
    assert all(expectation.notes(SNAPSHOT))
    assert expectation.facts(SNAPSHOT)
    nothing: Any = None
    here = Prepared(RECIPE, bundle, rendered, expectation, None, nothing)
    away = Prepared(RECIPE, bundle, {"r1": []}, expectation, None, nothing)
    assert vanished(here, away, SERVED).kept is not None


@pytest.mark.no_cover  # random input is for depth, and tracing it doubles its time
@pytest.mark.parametrize("start", range(0, COUNT, BATCH))
def test_manifests_gone_wrong(start: int) -> None:
    """Expectation, gates, parity, evidence and reports take whatever a chart may render, or refuse it in words."""
    rendered: dict[str, list[dict[str, Any]]] = {}
    for seed in range(start, min(start + BATCH, COUNT)):
        wrong = gone_wrong(seed)
        try:
            items = objects(json.dumps(wrong), folder(seed))
            through_everything(items)
        except HarnessError:
            continue
        except Exception as error:
            raise AssertionError(f"seed {seed}: {wrong}") from error
        rendered[f"r{seed}"] = items
    folders = tuple(folder(int(name[1:]), namespace=f"n{name[1:]}") for name in rendered)
    cluster = FakeCluster([each.namespace for each in folders])
    bundle = Bundle(Path(), "helm", folders, {})
    report = check(cluster, bundle, rendered, again=dict(reversed(rendered.items())), released=rendered)
    assert report.compared > 300
    with pytest.raises(HarnessError) as caught:
        report.require()
    told = sweep(cell(Exit.FAILURE, reason=REDACTOR.text("\n".join((str(caught.value), *report.notes())))))
    assert all((junit.document(told), ctrf.document(told), html.document(told, Path())))
