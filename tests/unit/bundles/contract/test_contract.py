import gzip
import io
import json
import shutil
import tarfile
from pathlib import Path

import pytest

from harness.bundles.contract.artifact import ENTRY
from harness.bundles.contract.check import ContractBroken, Violation, check
from harness.bundles.delivery import Target
from harness.bundles.shape import PulledShape
from harness.bundles.shapes import SHAPES as DEFINED
from harness.errors import UsageError, VerdictFailed
from harness.publishing.oci.artifact import Artifact, pack_chart, pack_directory
from tests.fakes.bad_bundles import BAD, IDS, Bad, Published, good
from tests.fakes.bad_git_bundles import GIT_BAD, GIT_IDS
from tests.fakes.bundles import GIT_SHAPES, GOLDEN, LANES, NAME, REFERENCES, TARGETS, needs_references

SHAPES = sorted(LANES)


def published(shape: str, tmp_path: Path) -> tuple[Published, Artifact]:
    """A good bundle of its own, and the artifact that it makes."""
    directory = tmp_path / "bundle"
    shutil.copytree(GOLDEN / shape / NAME, directory)
    artifact = (pack_chart if shape == "argocd-helm" else pack_directory)(directory)
    return good(shape, directory, {} if shape in GIT_SHAPES else json.loads(artifact.manifest)), artifact


def judge(it: Published, shape: str) -> tuple[Violation, ...]:
    return check(it.directory, shape, it.manifest, it.target, applied=it.applied)


@pytest.mark.parametrize("bad", [*BAD, *GIT_BAD], ids=[*IDS, *GIT_IDS])
def test_a_bad_bundle_breaks_its_rule_and_no_other(bad: Bad, tmp_path: Path) -> None:
    """One way to be wrong, one rule that says so, and where."""
    it, _ = published(bad.shape, tmp_path)
    assert judge(it, bad.shape) == ()
    bad.damage(it)
    found = judge(it, bad.shape)
    assert {violation.rule for violation in found} == {bad.rule}
    assert any(bad.says in violation.what for violation in found) or any(bad.says in v.where for v in found)
    assert all(violation.where and violation.do for violation in found)


def test_every_rule_has_a_bad_bundle_in_every_shape_that_it_is_for() -> None:
    """A rule that nothing breaks is not known to work."""
    pulled = [shape for shape in DEFINED if isinstance(shape, PulledShape)]
    rules = {(rule.name, shape.name) for shape in pulled for rule in (ENTRY, *shape.rules)}
    assert {(bad.rule, bad.shape) for bad in (*BAD, *GIT_BAD)} == rules


@pytest.mark.parametrize("shape", SHAPES)
def test_the_layer_has_the_files_where_the_consumer_looks(shape: str, tmp_path: Path) -> None:
    """Argo CD and Flux at the root, Helm in one directory with the name of the chart."""
    it, artifact = published(shape, tmp_path)
    parcel, other = (pack_chart, pack_directory) if shape == "argocd-helm" else (pack_directory, pack_chart)
    assert artifact.layer == parcel(it.directory).layer
    assert check(it.directory, shape, it.manifest, it.target, layer=artifact.layer) == ()
    (it.directory / "Chart.yaml").write_text(f"name: {NAME}\nversion: 0.1.0\n")
    (violation,) = check(GOLDEN / shape / NAME, shape, it.manifest, it.target, layer=other(it.directory).layer)
    assert violation.rule == "files-at-root"
    assert violation.where == "layer"


def layer(*names: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(name))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("shape", "blob", "says"),
    [
        pytest.param("flux", layer("./kustomization.yaml"), "", id="a dot before the names"),
        pytest.param("flux", layer("bundle/kustomization.yaml"), "but bundle/kustomization.yaml", id="one level down"),
        pytest.param("flux", layer(), "but nothing", id="nothing"),
        pytest.param(
            "argocd-helm", layer(f"{NAME}/Chart.yaml", "README.md"), "more than the directory", id="beside it"
        ),
        pytest.param("argocd-helm", layer("other/Chart.yaml"), "but other/Chart.yaml", id="other name"),
        pytest.param("argocd", b"no tar", "is not a tar archive", id="no tar"),
        pytest.param("argocd", gzip.compress(b"x" * 2000), "is not a tar archive", id="no tar in gzip"),
        pytest.param("argocd", layer("app-of-apps.yaml")[:40], "is not a tar archive", id="cut off"),
    ],
)
def test_what_a_layer_may_look_like(shape: str, blob: bytes, says: str) -> None:
    """Whoever packed it: the aicr command line pushes by itself."""
    directory = GOLDEN / shape / NAME
    pack = pack_chart if shape == "argocd-helm" else pack_directory
    manifest = json.loads(pack(directory).manifest)
    found = check(directory, shape, manifest, TARGETS[shape], layer=blob)
    assert [violation.rule for violation in found] == (["files-at-root"] if says else [])
    assert all(says in violation.what for violation in found)


def test_without_tls_is_only_asked_about_where_there_is_none(tmp_path: Path) -> None:
    """A registry with TLS needs no exception, and what is not known to be applied is not judged."""
    for shape in SHAPES:
        it, _ = published(shape, tmp_path / shape)
        secure = Target(it.target.repository, it.target.tag, plain_http=False)
        assert check(it.directory, shape, it.manifest, secure, applied=[]) == ()
        assert check(it.directory, shape, it.manifest, it.target) == ()


def test_a_secret_that_is_encoded_counts_too(tmp_path: Path) -> None:
    """As the API server gives it back."""
    it, _ = published("argocd", tmp_path)
    url = "b2NpOi8vcmVnaXN0cnkuZXhhbXBsZTo1MDAw"  # oci://registry.example:5000
    secret = it.applied[0] | {"stringData": None, "data": {"url": url, "insecureOCIForceHttp": "dHJ1ZQ=="}}
    assert check(it.directory, "argocd", it.manifest, it.target, applied=[secret]) == ()


def test_a_broken_contract_names_every_violation(tmp_path: Path) -> None:
    """It is a verdict about the bundle, told in one message."""
    it, _ = published("flux", tmp_path)
    it.layers()
    it.edit("tuning/artifactgenerator.yaml", "@artifact/tuning/", "@artifact/")
    found = judge(it, "flux")
    assert [violation.rule for violation in found] == ["single-layer", "chart-directory"]
    error = ContractBroken(found, where=it.target.repository)
    assert isinstance(error, VerdictFailed)
    assert error.violations == found
    for violation in found:
        assert violation.where in str(error)
        assert violation.do in str(error)


def test_the_helm_shape_has_no_contract(tmp_path: Path) -> None:
    """It is no artifact."""
    with pytest.raises(UsageError, match="no controller pulls"):
        check(GOLDEN / "helm" / NAME, "helm", {}, TARGETS["flux"])


@needs_references
@pytest.mark.parametrize("name", ["eks-training", "h100-eks-ubuntu-training-kubeflow", "kind-inference"])
@pytest.mark.parametrize("shape", SHAPES)
def test_real_bundles_keep_the_contract(shape: str, name: str) -> None:
    """What the aicr command line makes, with the manifest under which the registry had it."""
    lane = LANES[shape]
    directory = REFERENCES / name / lane
    manifest = json.loads((directory / "manifest.json").read_text())
    tag = f"{'0.0.0-' if shape == 'argocd-helm' else ''}abc1234-{lane}"
    target = Target(f"registry.aicr-registry.svc.cluster.local:5000/aicr/{name}", tag, plain_http=True)
    assert check(directory / "bundle", shape, manifest, target) == ()
