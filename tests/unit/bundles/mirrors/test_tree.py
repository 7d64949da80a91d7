"""Chart mirrors in bundles that somebody else has made: every chart's address is rewritten, and nothing else."""

import hashlib
import re
import shutil
from pathlib import Path

import pytest
import yaml

from harness.bundles.applications import applications
from harness.bundles.bundlers.builtin import BuiltinBundler
from harness.bundles.kustomization import resources
from harness.bundles.mirrors.addresses import mirrored
from harness.bundles.mirrors.files import application as mirrored_application
from harness.bundles.mirrors.tree import mirror_tree
from harness.bundles.read import read, read_delivery
from harness.errors import DataError
from tests.fakes.bundles import GOLDEN, LANES, NAME, REFERENCES, TARGETS, make, needs_references, small, tree

# From https to http, to oci, and from oci to both: each of the four ways.
MIRRORS = [
    {"https://charts.example.com": "http://127.0.0.1:8080/m", "oci://registry.example.com": "oci://localhost:5001/o"},
    {"https://charts.example.com": "oci://localhost:5001/m", "oci://registry.example.com": "https://m.example/o"},
]
_ADDRESS = re.compile(r"^ +(repoURL|chart|targetRevision): *(.*)$", re.MULTILINE)


def copy(directory: Path, to: Path) -> Path:
    shutil.copytree(directory, to)
    for path in [to, *to.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    return to


def addresses(directory: Path, shape: str) -> object:
    """What the bundle fetches its charts by."""
    match shape:
        case "argocd":
            sources = [item.block("spec").block("source").data for item in applications(directory)]
            return [{key: value for key, value in source.items() if key != "helm"} for source in sources]
        case "argocd-helm":
            texts = [file.read_text() for file in sorted((directory / "templates").glob("*.yaml"))]
            return [[(key, value.strip("'\"")) for key, value in _ADDRESS.findall(text)] for text in texts]
    items = [yaml.safe_load((directory / path).read_text()) for path in resources(directory)]
    repositories = {each["metadata"]["name"]: each["spec"] for each in items if each["kind"] == "HelmRepository"}
    charts = [each["spec"].get("chart", {}).get("spec", {}) for each in items if each["kind"] == "HelmRelease"]
    return [(each["chart"], each["version"], repositories[each["sourceRef"]["name"]]) for each in charts if each]


@pytest.mark.parametrize("mirrors", MIRRORS)
@pytest.mark.parametrize("shape", sorted(LANES))
def test_charts_are_had_from_where_the_built_in_bundler_would_have_them(
    shape: str, mirrors: dict[str, str], tmp_path: Path
) -> None:
    """Rewritten afterwards or before, all four ways from http to oci and back: the same addresses come out."""
    made = make(shape, tmp_path / "made")
    mirror_tree(made, shape, mirrors)
    before = BuiltinBundler().make(mirrored(small(), mirrors), shape, tmp_path / "before", TARGETS[shape]).directory
    assert addresses(made, shape) == addresses(before, shape)
    assert read_delivery(made, shape).names == read_delivery(before, shape).names


@pytest.mark.parametrize("mirrors", MIRRORS)
def test_charts_that_helm_installs_too(mirrors: dict[str, str], tmp_path: Path) -> None:
    """The helm shape: chart by chart what a bundle of the mirrored recipe would install."""
    made = BuiltinBundler().make(small(), "helm", tmp_path / "made").directory
    mirror_tree(made, "helm", mirrors)
    before = BuiltinBundler().make(mirrored(small(), mirrors), "helm", tmp_path / "before")
    remote = [folder.chart for folder in read(made).folders if folder.chart.repository]
    assert remote == [folder.chart for folder in before.folders if folder.chart.repository]
    assert remote


@pytest.mark.parametrize("shape", ["helm", *sorted(LANES)])
def test_without_a_mirror_every_byte_stays(shape: str, tmp_path: Path) -> None:
    """No mirrors, or none that any chart has."""
    made = copy(GOLDEN / "helm" / NAME, tmp_path / "made") if shape == "helm" else make(shape, tmp_path / "made")
    before = tree(made)
    mirror_tree(made, shape, {})
    mirror_tree(made, shape, {"https://charts.example.com/other": "http://127.0.0.1:1"})
    assert tree(made) == before


@pytest.mark.parametrize("shape", ["helm", *sorted(LANES)])
def test_checksums_are_those_of_the_files(shape: str, tmp_path: Path) -> None:
    """A bundle that has them can still be checked with them."""
    made = copy(GOLDEN / "helm" / NAME, tmp_path / "made") if shape == "helm" else make(shape, tmp_path / "made")
    before = (made / "checksums.txt").read_text()
    mirror_tree(made, shape, MIRRORS[0])
    after = (made / "checksums.txt").read_text()
    assert after != before
    for line in after.splitlines():
        checksum, _, name = line.partition("  ")
        assert hashlib.sha256((made / name).read_bytes()).hexdigest() == checksum


# As the aicr command line writes it: YAML of Go, with values that Helm puts in.
WRAPPED = """apiVersion: argoproj.io/v1alpha1
kind: Application
metadata:
    name: scheduler
spec:
    destination:
        namespace: kai
    source:
        chart: scheduler
        helm:
            values: |
                {{- $static := (.Files.Get "static/scheduler.yaml") | fromYaml | default dict -}}
                {{- toYaml $static | nindent 16 }}
        repoURL: oci://registry.example.com/charts/scheduler
        targetRevision: 1.2.0_build.1
    syncPolicy:
        automated:
            prune: true
"""
PARENT = """spec:
  source:
    repoURL: {{ required "as in oci://registry.example.com/charts" .Values.repoURL | quote }}
    chart: {{ .Chart.Name | quote }}
    targetRevision: {{ .Values.targetRevision | default .Chart.Version | quote }}
"""


def wrapper(directory: Path, text: str) -> Path:
    (directory / "templates").mkdir(parents=True)
    (directory / "templates" / "aicr-stack.yaml").write_text(PARENT)
    (directory / "templates" / "scheduler.yaml").write_text(text)
    return directory


def test_a_template_of_the_command_line_changes_in_two_lines(tmp_path: Path) -> None:
    """Its values, its order of keys and the parent, which names no chart but itself, stay as they are."""
    made = wrapper(tmp_path / "made", WRAPPED)
    mirror_tree(made, "argocd-helm", {"oci://registry.example.com": "http://127.0.0.1:8080/m"})
    wanted = WRAPPED.replace("oci://registry.example.com/charts/scheduler", '"http://127.0.0.1:8080/m/charts"')
    assert (made / "templates" / "scheduler.yaml").read_text() == wanted.replace("1.2.0_build.1", '"1.2.0+build.1"')
    assert (made / "templates" / "aicr-stack.yaml").read_text() == PARENT


def test_a_mirror_may_lie_below_what_it_mirrors(tmp_path: Path) -> None:
    """Rewritten once, whatever the new address looks like."""
    made = wrapper(tmp_path / "made", WRAPPED)
    mirror_tree(made, "argocd-helm", {"oci://registry.example.com": "oci://registry.example.com/mirror"})
    text = (made / "templates" / "scheduler.yaml").read_text()
    assert 'repoURL: "oci://registry.example.com/mirror/charts/scheduler"' in text


def test_an_address_that_is_not_understood_is_an_error(tmp_path: Path) -> None:
    """It would be fetched from the internet without a word."""
    made = wrapper(tmp_path / "made", WRAPPED.replace("    source:\n", "    sources:\n"))
    with pytest.raises(DataError, match="which has a mirror, in a place that is not understood"):
        mirror_tree(made, "argocd-helm", {"oci://registry.example.com": "http://127.0.0.1:8080"})


def test_credentials_of_a_bundle_are_refused_and_not_shown(tmp_path: Path) -> None:
    """Somebody else's bundle may have them."""
    made = wrapper(tmp_path / "made", WRAPPED.replace("oci://registry", "oci://me:hunter2@registry"))
    with pytest.raises(DataError, match="credentials") as caught:
        mirror_tree(made, "argocd-helm", {"https://charts.example.com": "http://127.0.0.1:8080"})
    assert "hunter2" not in str(caught.value)


ALL = {f"https://{host}": f"http://127.0.0.1:8080/{host}" for host in ("helm.ngc.nvidia.com", "charts.jetstack.io")} | {
    "oci://ghcr.io": "oci://localhost:5001/ghcr",
    "https://prometheus-community.github.io": "oci://localhost:5001/prometheus",
}


@needs_references
@pytest.mark.parametrize("name", ["eks-training", "h100-eks-ubuntu-training-kubeflow", "kind-inference"])
@pytest.mark.parametrize("lane", ["helm", "argocd-oci", "flux-oci"])
def test_real_bundles_lead_to_the_mirrors(lane: str, name: str, tmp_path: Path) -> None:
    """What the aicr command line makes: no chart is left at an address that has a mirror, and all is delivered."""
    made = copy(REFERENCES / name / lane / "bundle", tmp_path / "made")
    shape = {lane: shape for shape, lane in LANES.items()}.get(lane, "helm")
    before = tree(made)
    mirror_tree(made, shape, ALL)
    changed = {path: data.decode() for path, data in tree(made).items() if data != before[path]}
    assert changed
    for path, text in changed.items():
        assert ("127.0.0.1:8080" in text) or ("localhost:5001" in text), path
        assert not any(f"{address}/" in text for address in ALL), path
    if shape == "helm":
        assert [folder.release for folder in read(made).folders]
    else:
        assert read_delivery(made, shape).names == read_delivery(REFERENCES / name / lane / "bundle", shape).names


TWO_SOURCES = """spec:
  project: default
  sources:
  - chart: gpu-operator
    helm:
      valueFiles:
      - $values/004-gpu-operator/values.yaml
    repoURL: https://charts.example.com/nvidia
    targetRevision: v26.3.1
  - ref: values
    repoURL: https://git.example/aicr/x.git
    targetRevision: main
  destination:
    namespace: gpu-operator
"""


def test_of_two_sources_the_chart_comes_from_its_mirror(tmp_path: Path) -> None:
    """As the aicr command line writes them for Git: the repository of the bundle stays, as does every other line."""
    file = tmp_path / "application.yaml"
    file.write_text(TWO_SOURCES)
    mirrors = {"https://charts.example.com": "oci://localhost:5001/charts"}
    wanted = TWO_SOURCES.replace(
        "repoURL: https://charts.example.com/nvidia", 'repoURL: "oci://localhost:5001/charts/nvidia/gpu-operator"'
    )
    assert mirrored_application(file, mirrors) == wanted
    assert mirrored_application(file, {"https://other.example": "oci://localhost:5001/x"}) == TWO_SOURCES
