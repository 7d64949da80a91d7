"""Each bad bundle of the contract at its real consumer: what the contract refuses, the consumer refuses too.

One control plane has Argo CD and Flux, and each bundle goes past the contract to the one that it is for. Since the
good bundles pass the same gates here, what is said of a bad one is said of its damage.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.deadline import Deadline
from harness.errors import VerdictFailed
from harness.helm.client import Helm
from harness.installers.argocd import host as argocd
from harness.installers.flux import host as flux
from harness.installers.installer import Site
from harness.installers.registry import host as registry
from harness.processes.services import Services
from harness.progress import Silent
from harness.verdict import Passed
from harness.waiting.loop import Expired, wait
from tests.e2e.consumers import Consumers, chart_repository, forwarded
from tests.e2e.failing import Plane
from tests.fakes.bad_bundles import BAD, IDS, Bad
from tests.fakes.bundles import LANES

pytestmark = pytest.mark.e2e

PATIENCE = 1.5  # seconds that a doomed state has to last: the lanes have more of it, and the outcome is the same
SILENT = {  # those of which the consumer says nothing at all: only that time is up, and for what
    "empty-argocd-helm-no-children": 4.0,
    "missing-path-argocd-helm-values": 12.0,
}
HELM = "helm could not install release bad: "
COMPARED = "ComparisonError: Failed to load target state: failed to generate manifest for source 1 of 1: "
NO_TLS = "http: server gave HTTP response to HTTPS client"
SAYS = {
    "files-at-root-argocd-nested": "Application argocd/certificates: " + COMPARED + ".*app path does not exist",
    "files-at-root-argocd-helm-nested": HELM + "Chart.yaml file is missing",
    "files-at-root-flux-nested": "ArtifactGenerator .*: BuildFailed: .*no files match pattern 'certificates/chart",
    "config-media-type-argocd-helm-empty-config": HELM + "could not load config with mediatype .*helm.config",
    "layer-media-type-argocd-of-a-chart": "nvidia-stack: " + COMPARED + ".*expected 1 directory, found 10",
    "layer-media-type-argocd-helm-plain": HELM + "manifest does not contain a layer with mediatype .*helm.chart",
    "layer-media-type-flux-not-compressed": "OCIRepository .*: failed to find layer with media type",
    "single-layer-argocd-two": "nvidia-stack: " + COMPARED + ".*expected only a single oci content layer, got 2",
    "single-layer-argocd-helm-two": "aicr-stack: " + COMPARED + ".*expected only a single oci content layer, got 2",
    "single-layer-flux-none": "OCIRepository .*: no layers found in artifact",
    "semver-tag-argocd-helm-commit": HELM + "improper constraint: ",
    "semver-tag-argocd-helm-leading-zero": HELM + "constraint parser error",
    "chart-version-argocd-helm-dev": HELM + 'validation: chart.metadata.version "dev" is invalid',
    "chart-name-argocd-helm-other-address": "aicr-stack: " + COMPARED + ".*cannot get digest .*: not found",
    "empty-argocd-no-children": "Application argocd/nvidia-stack: renders nothing at all",
    "empty-argocd-helm-no-children": "Application argocd/aicr-stack: after .* s: is not there",
    "empty-flux-no-releases": "HelmRelease flux-system/certificates: is not there",
    "values-reference-argocd-second-source": 'Application.argoproj.io "gpu-operator" is invalid: spec.sources',
    "values-reference-argocd-values-file": "Application argocd/gpu-operator: " + COMPARED + ".*helm template",
    "values-reference-argocd-helm-values-file": "Application argocd/tuning: " + COMPARED + ".*helm template",
    "git-placeholder-argocd-child": "Application argocd/tuning: " + COMPARED + ".*failed to list refs: .*YOUR-ORG",
    "git-placeholder-argocd-root": "Application argocd/nvidia-stack: " + COMPARED + ".*failed to list refs",
    "git-placeholder-argocd-helm-child": "Application argocd/tuning: " + COMPARED + ".*failed to list refs: .*YOUR-ORG",
    "git-placeholder-flux-source": 'Kustomization .*: no matches for kind "GitRepository" in version "v1"',
    "git-placeholder-flux-chart": "Kustomization .*: BuildFailed: .*GitRepository",
    "own-address-argocd-other-repository": "nvidia-stack: " + COMPARED + ".*cannot get digest .*: not found",
    "own-address-argocd-other-tag": "nvidia-stack: " + COMPARED + ".*cannot get digest .*: not found",
    "stray-manifest-argocd-in-a-chart": COMPARED + ".*failed to unmarshal manifest",
    "missing-path-argocd-chart": "Application argocd/tuning: " + COMPARED + ".*error reading helm chart",
    "missing-path-argocd-outside": "Application argocd/tuning: " + COMPARED + ".*app path outside root",
    "missing-path-argocd-helm-values": "aicr-stack: after .* s: is OutOfSync .*Application gpu-operator",
    "missing-path-argocd-helm-chart": "Application argocd/tuning: " + COMPARED + ".*error reading helm chart",
    "missing-path-argocd-helm-template": "Application argocd/aicr-stack: was reconciled, and does not make tuning",
    "missing-path-flux-resource": "Kustomization .*: BuildFailed: .*scheduler/helmrelease.yaml: no such file",
    "missing-path-flux-chart": "HelmRelease flux-system/tuning: .*Chart.yaml file is missing",
    "missing-source-flux-repository": "HelmRepository flux-system/charts-example-com-nvidia: is not there",
    "missing-source-flux-artifact": 'HelmRelease flux-system/tuning: .*"tuning-chart" not found',
    "missing-source-flux-other-bundle": 'ArtifactGenerator flux-system/tuning-chart: .*"bundle" not found',
    "chart-directory-flux-root-of-the-artifact": "HelmRelease flux-system/tuning: .*content outside the base directory",
    "depends-on-flux-not-there": "HelmRelease flux-system/gpu-operator-after: does not exist, but scheduler depends",
    "depends-on-flux-circle": "releases wait for each other: certificates, gpu-operator, ",
    "plain-http-argocd-no-key": "nvidia-stack: " + COMPARED + ".*" + NO_TLS,
    "plain-http-argocd-other-prefix": "nvidia-stack: " + COMPARED + ".*" + NO_TLS,
    "plain-http-argocd-no-label": "nvidia-stack: " + COMPARED + ".*" + NO_TLS,
    "plain-http-argocd-mirrored-chart": "Application argocd/scheduler: " + COMPARED + ".*" + NO_TLS,
    "plain-http-argocd-helm-no-key": "aicr-stack: " + COMPARED + ".*" + NO_TLS,
    "plain-http-argocd-helm-mirrored-chart": "Application argocd/scheduler: " + COMPARED + ".*" + NO_TLS,
    "plain-http-flux-no-key": "OCIRepository .*: OCIArtifactPullFailed: .*" + NO_TLS,
    "plain-http-flux-mirrored-charts": "HelmRelease flux-system/scheduler: .*" + NO_TLS,
}


@pytest.fixture(scope="module")
def consumers(tools: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Consumers]:
    """One control plane with nodes, a registry, Argo CD and Flux."""
    home = tmp_path_factory.mktemp("b")
    with Plane.up(tools, home, tainted=False) as plane, chart_repository(tools("helm"), home / "charts") as charts:
        services = Services(plane.running.directory)
        site = Site(plane.settings, tools, plane.running, plane.cluster, services, Silent())
        registry.install(site)
        argocd.install(site)
        flux.install(site)
        helm = Helm(tools("helm"), home / "helm", plane.running.kubeconfig)
        with forwarded("127.0.0.2", plane.settings.ports.registry) as address:
            yield Consumers(plane, site, helm, address, charts)


@pytest.fixture(autouse=True)
def cleared(consumers: Consumers) -> Iterator[None]:
    yield
    consumers.clear()


@pytest.mark.parametrize("shape", sorted(LANES))
def test_the_good_bundle_passes(consumers: Consumers, shape: str, tmp_path: Path) -> None:
    """On the same control plane, by the same gate."""
    kinds, gate = consumers.deliver(shape, lambda it: None, tmp_path)
    passed = wait(consumers.cluster, kinds, gate, Deadline.after(120), settle=0.5, patience=20)
    assert isinstance(passed, Passed)


@pytest.mark.parametrize("bad", BAD, ids=IDS)
def test_a_bad_bundle_is_refused_by_its_consumer(
    consumers: Consumers, bad: Bad, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """In the consumer's own words; where it says nothing, the gate does not pass, and names what it waited for."""
    name = request.node.callspec.id

    def judge() -> Passed:
        kinds, gate = consumers.deliver(bad.shape, bad.damage, tmp_path)
        deadline = Deadline.after(SILENT.get(name, 60.0))
        return wait(consumers.cluster, kinds, gate, deadline, settle=0.5, patience=PATIENCE)

    with pytest.raises(VerdictFailed) as caught:
        judge()
    assert re.search(SAYS[name], str(caught.value)), caught.value
    assert isinstance(caught.value, Expired) is (name in SILENT)
