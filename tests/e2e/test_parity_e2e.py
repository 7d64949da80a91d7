"""What helm makes of a chart that asks the cluster and makes values at random, and what the API server makes of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.bundles.model import Bundle, Chart, Folder
from harness.cluster.api import Cluster
from harness.expected.released import released
from harness.expected.render import Objects, Renderer
from harness.helm.client import Helm
from harness.objects import DEPLOYMENTS, Kind
from harness.parity.check import ParityReport, check
from tests.e2e.failing import Plane

pytestmark = pytest.mark.e2e

TEMPLATES = {
    "asks.yml": """
{{- if .Capabilities.APIVersions.Has "policy/v1/PodDisruptionBudget" }}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: asked}
spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}
---
{{- end }}
{{- if lookup "v1" "Namespace" "" "kube-system" }}
apiVersion: v1
kind: ConfigMap
metadata: {name: looked-up}
data: {8080: web}
{{- end }}
---
{{- if not (lookup "v1" "ConfigMap" .Release.Namespace "once") }}
apiVersion: v1
kind: ConfigMap
metadata: {name: once}
data: {made: {{ now | quote }}}
{{- end }}
""",
    "random.yaml": """
apiVersion: v1
kind: Secret
metadata: {name: random}
stringData:
  password: {{ randAlphaNum 20 }}
  empty:
data:
  wrapped: |
    YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXo
    wMTIzNDU2Nzg5
""",
    "defaults.yaml": """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, annotations: {empty: }}
spec:
  replicas:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}, annotations: {rollme: {{ randAlphaNum 5 | quote }}}}
    spec:
      schedulerName: ""
      containers: [{name: main, image: example.com/app:1, imagePullPolicy: , resources: {limits: {cpu: 1000m}}}]
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  minReplicas: 1
  maxReplicas: 3
  metrics:
    - type: Pods
      pods: {metric: {name: rate}, target: {type: AverageValue, averageValue: 1024Mi}}
---
apiVersion: node.k8s.io/v1
kind: RuntimeClass
metadata: {name: heavy}
handler: heavy
overhead: {podFixed: {cpu: 1000m}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: , ports: [{port: 80}]}
""",
    "pod.yaml": """
apiVersion: v1
kind: ServiceAccount
metadata: {name: puller}
imagePullSecrets: [{name: registry}]
---
apiVersion: v1
kind: LimitRange
metadata: {name: limits}
spec: {limits: [{type: Container, default: {cpu: 500m}, defaultRequest: {cpu: 100m}}]}
---
apiVersion: v1
kind: Pod
metadata: {name: bare}
spec: {serviceAccountName: puller, containers: [{name: main, image: example.com/app:1}]}
""",
}


class Installed:
    """A release of such a chart, installed by helm, and what it was rendered to before and after."""

    def __init__(self, plane: Plane, helm: Path, work: Path) -> None:
        path = work / "001-app"
        for name, text in {"Chart.yaml": "apiVersion: v2\nname: app\nversion: 1.0.0\n", **TEMPLATES}.items():
            file = path / "chart" / (name if name == "Chart.yaml" else f"templates/{name}")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        for name in ("values.yaml", "cluster-values.yaml"):
            (path / name).write_text("{}\n")
        folder = Folder(1, "app", "app", "apps", path, Chart("app", "1.0.0", "", path / "chart"))
        self.cluster: Cluster = plane.cluster
        self.bundle = Bundle(work, "helm", (folder,), {})
        tool = Helm(helm, work / "helm", plane.cluster.kubeconfig)
        renderer = Renderer(tool, self.bundle, kube_version="v1.34.0", directory=work / "charts")
        where: dict[str, Any] = {"kube_version": self.cluster.version(), "served": self.cluster.api_versions()}
        self.alone = renderer.alone()
        self.before = renderer.before(self.alone, tool, **where)
        tool.install(folder, timeout=60)
        self.again = renderer.after(self.before, tool, **where)

    def report(self, *, released_by_helm: bool) -> ParityReport:
        made: dict[str, Objects] = released(self.cluster, self.bundle) if released_by_helm else {}
        served = self.cluster.api_versions()
        return check(self.cluster, self.bundle, self.before, again=self.again, released=made, served=served)


def names(rendered: dict[str, Objects]) -> set[str]:
    return {item["metadata"]["name"] for item in rendered["app"]}


def test_parity_with_a_chart_that_asks_and_plays_dice(tools: Callable[[str], Path], tmp_path: Path) -> None:
    """Nothing differs that nobody changed, with a release of helm or without; and whatever somebody changed does."""
    with Plane.up(tools, tmp_path) as plane:
        made = Installed(plane, tools("helm"), tmp_path)
        assert names(made.before) - names(made.alone) == {"asked", "looked-up"}
        assert names(made.before) - names(made.again) == {"once"}
        for by_helm in (True, False):
            report = made.report(released_by_helm=by_helm)
            assert report.equal, report.lines()
            assert report.compared == 11
            told = "\n".join(report.notes())
            assert told.count("each rendering of the chart gives another") == 2
            assert ("there is configmaps apps/once: not expected" in told) is not by_helm

        secrets = Kind("v1", "secrets", "Secret")
        changes: tuple[tuple[Kind, str, dict[str, Any], str], ...] = (
            (DEPLOYMENTS, "web", {"spec": {"template": {"spec": {"schedulerName": "other"}}}}, "schedulerName"),
            (secrets, "random", {"data": {"wrapped": "YWJj"}}, "data.wrapped"),
            (secrets, "random", {"data": {"password": None}}, "data.password"),
        )
        for kind, name, patch, path in changes:
            made.cluster.patch_merge(kind, "apps", name, patch)
            for by_helm in (True, False):
                assert path in "\n".join(made.report(released_by_helm=by_helm).lines())
