"""Argo CD by a Helm chart and Flux by its own command, in a real Kind cluster: what the settings `kind` choose.

The chart is made here of Argo CD's own manifests, and served by this machine: the real one's repository is elsewhere.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.deadline import Deadline
from harness.errors import ArgocdInstallFailed
from harness.gates.rollouts import Workload
from harness.installers import manifests
from harness.installers.argocd import configuration as argocd_configuration
from harness.installers.argocd import kind as argocd
from harness.installers.catalog import ARGOCD, FLUX
from harness.installers.in_cluster.infrastructure import KindInfrastructure
from harness.installers.in_cluster.rollout import pods
from harness.installers.installer import KindSite
from harness.isolation import inventory
from harness.names import INFRASTRUCTURE_NODE
from harness.objects import CONFIGMAPS, JOBS, NODES, Objects
from harness.processes import commands
from harness.settings import Settings, load
from harness.verdict import Passed, Verdict, Waiting
from harness.waiting.loop import wait
from tests.e2e.charts import served
from tests.e2e.in_cluster import OVERRIDES

pytestmark = [pytest.mark.e2e, pytest.mark.kind]

Tools = Callable[[str], Path]

HOOK = "argocd-redis-secret-init"


@pytest.fixture(scope="module")
def kind_settings() -> Settings:
    """A port of the tests' own, and less patience with what will not come."""
    return load(environment={}, overrides=OVERRIDES)


@pytest.fixture(scope="module")
def repository(site: KindSite, tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A chart repository on this machine with the chart `argo-cd` in the pinned version."""
    home = tmp_path_factory.mktemp("charts")
    written(home / "argo-cd", site)
    commands.run([tools("helm"), "package", home / "argo-cd", "--destination", home], timeout=60)
    with served(tools("helm"), home) as address:
        yield address


def written(home: Path, site: KindSite) -> None:
    """A chart of the parts that are waited for, which keeps three rules of the real one: its pods are where
    global.nodeSelector says, configs.* become ConfigMaps, and it begins with a Job that goes some time after its end.
    """
    program = site.tools(argocd.MANIFESTS)
    images = site.images(("argocd", "redis"))
    identity = site.running.identity
    objects = [
        *argocd_configuration.configured(program, identity),
        argocd.redis_password(identity),
        *argocd.plain(program),
    ]
    own = [each for each in objects if each["metadata"]["name"] not in ("argocd-cm", "argocd-cmd-params-cm")]
    (home / "templates").mkdir(parents=True)
    (home / "crds").mkdir()
    chart = {"apiVersion": "v2", "name": "argo-cd", "version": site.settings.kind.argocd_chart.version}
    (home / "Chart.yaml").write_text(yaml.safe_dump(chart))
    (home / "crds" / "crds.yaml").write_text(yaml.safe_dump_all(argocd_configuration.crds(program)))
    (home / "templates" / "plain.yaml").write_text(yaml.safe_dump_all(own))
    placed = []
    container = {"name": "main", "image": images["argocd"], "command": ["argocd", "version", "--client"]}
    pod = {"containers": [container], "restartPolicy": "Never"}
    hook = {
        "name": HOOK,
        "namespace": argocd_configuration.NAMESPACE,
        "annotations": {"helm.sh/hook": "pre-install,pre-upgrade"},
    }
    spec = {"ttlSecondsAfterFinished": 10, "template": {"spec": pod}}
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": hook, "spec": spec}
    for each in (*argocd.workloads(program, images), job):
        each["spec"]["template"]["spec"]["nodeSelector"] = "NODE-SELECTOR"
        placed.append(json.dumps(each).replace('"NODE-SELECTOR"', "{{ toJson .Values.global.nodeSelector }}"))
    for name, values in (("argocd-cm", "cm"), ("argocd-cmd-params-cm", "params")):
        metadata = {
            "name": name,
            "namespace": argocd_configuration.NAMESPACE,
            "labels": {"app.kubernetes.io/part-of": "argocd"},
        }
        item = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": "DATA"}
        placed.append(json.dumps(item).replace('"DATA"', f"{{{{ toJson .Values.configs.{values} }}}}"))
    (home / "templates" / "workloads.yaml").write_text("\n---\n".join(placed))


def chosen(site: KindSite, **overrides: str) -> KindSite:
    return replace(site, settings=load(environment={}, overrides=OVERRIDES | overrides))


def until_the_hook_is_gone(site: KindSite) -> None:
    def gate(objects: Objects) -> Verdict:
        found = objects.get(JOBS, argocd_configuration.NAMESPACE, HOOK)
        return Passed("gone") if found is None else Waiting(json.dumps(found.get("status")))

    assert site.cluster.get(JOBS, argocd_configuration.NAMESPACE, HOOK) is not None
    wait(site.cluster, [JOBS], gate, Deadline.after(60))


def nodes_of(site: KindSite, workloads: tuple[Workload, ...]) -> set[str]:
    """On which nodes the pods of these are, one pod of each."""
    found = [pods(site.cluster, each) for each in workloads]
    assert all(len(each) == 1 for each in found)
    return {each[0]["spec"]["nodeName"] for each in found}


def real_node(site: KindSite) -> str:
    label = dict([INFRASTRUCTURE_NODE]).items()
    [name] = [
        each["metadata"]["name"]
        for each in site.cluster.list(NODES).items
        if label <= each["metadata"]["labels"].items()
    ]
    return str(name)


def test_a_chart_that_is_not_there_is_30_with_helms_words(site: KindSite, repository: str) -> None:
    """Its repository answers, and has another version."""
    overrides = {"kind.argocd": "chart", "kind.argocd_chart.repository": repository}
    wrong = chosen(site, **overrides, **{"kind.argocd_chart.version": "0.0.1"})
    with pytest.raises(ArgocdInstallFailed, match=r'chart "argo-cd" version "0\.0\.1" not found in') as caught:
        ARGOCD.kind.install(wrong)
    assert caught.value.exit == 30


def test_argo_cd_by_a_chart(site: KindSite, repository: str) -> None:
    """On the real node, with the values of the settings as texts and the fence's exception; stopped and back again."""
    here = chosen(site, **{"kind.argocd": "chart", "kind.argocd_chart.repository": repository})
    infrastructure = KindInfrastructure(here)
    infrastructure.install(ARGOCD)
    assert nodes_of(here, ARGOCD.kind.workloads) == {real_node(here)}

    def data(name: str) -> dict[str, Any]:
        found = here.cluster.get(CONFIGMAPS, argocd_configuration.NAMESPACE, name)
        assert found is not None
        return dict(found["data"])

    assert data("argocd-cmd-params-cm") == {"server.insecure": "true"}
    assert data("argocd-cm") == argocd.FENCED
    before = inventory.take(here.cluster)
    until_the_hook_is_gone(here)
    infrastructure.stop(*ARGOCD.reconcilers)
    assert inventory.compare(before, inventory.take(here.cluster)).lines() == ()
    infrastructure.install(ARGOCD)
    infrastructure.check()
    assert nodes_of(here, ARGOCD.kind.workloads) == {real_node(here)}
    infrastructure.close()


@pytest.mark.skipif(shutil.which("flux") is None, reason="NOT TESTED HERE: kind.flux: command, for want of `flux`")
def test_flux_by_its_own_command(site: KindSite) -> None:
    """All that it would bring, and its controllers on the real node: left as they are, they would match no node."""
    here = chosen(site, **{"kind.flux": "command"})
    infrastructure = KindInfrastructure(here)
    for _ in range(2):
        infrastructure.install(FLUX)
        infrastructure.check()
        assert nodes_of(here, FLUX.kind.workloads) == {real_node(here)}
    assert here.cluster.get(manifests.POLICIES, "flux-system", "allow-egress") is not None  # which only it has
    infrastructure.close()
