import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from harness.bundles.bundlers.builtin import BuiltinBundler
from harness.errors import DataError, HarnessError, UsageError
from harness.formats.go_yaml import load_all
from harness.recipes.load import Catalog
from harness.recipes.resolve import resolve
from harness.recipes.values import NodePlacement, parse_set
from tests.fakes.bundles import GOLDEN, NAME, REAL, REFERENCES, needs_references, small, tree


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The data root of the small recipe, to be changed."""
    shutil.copytree(GOLDEN / "data", tmp_path / "data")
    return tmp_path / "data"


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_the_bundle_of_the_small_recipe_is_the_committed_one(tmp_path: Path) -> None:
    """Every byte of a bundle is reviewed. KWOK_UPDATE_GOLDEN=1 writes what is made now."""
    golden = GOLDEN / "helm" / NAME
    BuiltinBundler().make(small(), "helm", tmp_path / "bundle")
    if os.environ.get("KWOK_UPDATE_GOLDEN") == "1":
        shutil.rmtree(golden, ignore_errors=True)
        shutil.copytree(tmp_path / "bundle", golden)
    assert tree(tmp_path / "bundle") == tree(golden)


def test_the_same_input_gives_the_same_bytes_and_modes(data: Path, tmp_path: Path) -> None:
    """Neither the place of the data, nor that of the bundle, nor the umask leaves a trace."""
    old = os.umask(0o077)
    try:
        BuiltinBundler().make(small(data), "helm", tmp_path / "one" / "bundle")
        os.umask(0)
        BuiltinBundler().make(small(), "helm", tmp_path / "other")
    finally:
        os.umask(old)
    one, other = tmp_path / "one" / "bundle", tmp_path / "other"
    assert tree(one) == tree(other)
    modes = [{p.relative_to(d).as_posix(): oct(p.stat().st_mode) for p in (d, *d.rglob("*"))} for d in (one, other)]
    assert modes[0] == modes[1]
    assert {path for path, mode in modes[0].items() if mode == "0o100755"} == {"deploy.sh"}
    assert set(modes[0].values()) == {"0o100755", "0o100644", "0o40755"}


def test_no_path_of_this_machine_is_in_a_bundle(tmp_path: Path) -> None:
    """Bundles are published."""
    directory = tmp_path / "bundle"
    BuiltinBundler().make(small(), "helm", directory)
    for path, content in tree(directory).items():
        assert str(tmp_path).encode() not in content, path
        assert str(GOLDEN).encode() not in content, path


def test_checksums_cover_every_file_and_verify(tmp_path: Path) -> None:
    """What `sha256sum --check` reads; it knows of every file but itself."""
    directory = tmp_path / "bundle"
    BuiltinBundler().make(small(), "helm", directory)
    listed = [line.split("  ", 1)[1] for line in (directory / "checksums.txt").read_text().splitlines()]
    assert listed == sorted(set(tree(directory)) - {"checksums.txt"})
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "checksums.txt"], cwd=directory, check=True)


def test_a_local_chart_is_copied_untouched(tmp_path: Path) -> None:
    """Its own values.yaml stays the chart's defaults; dependencies in charts/ come along."""
    data = tmp_path / "data"
    shutil.copytree(GOLDEN / "data", data)
    (data / "charts" / "certificates" / "charts" / "sub").mkdir(parents=True)
    (data / "charts" / "certificates" / "charts" / "sub" / "Chart.yaml").write_text("name: sub\nversion: 0.1.0\n")
    (data / "charts" / "certificates" / "Chart.lock").write_bytes(b"\x00\xff")
    BuiltinBundler().make(small(data), "helm", tmp_path / "bundle")
    assert tree(tmp_path / "bundle" / "001-certificates" / "chart") == tree(data / "charts" / "certificates")


def values(directory: Path, folder: str) -> dict[str, object]:
    found: dict[str, object] = yaml.safe_load((directory / folder / "values.yaml").read_text())
    return found


def test_overrides_and_placement_reach_the_values(tmp_path: Path) -> None:
    """--set and the run's node selectors are in values.yaml, for manifests below the component's name."""
    directory = tmp_path / "bundle"
    placement = NodePlacement({"a": "b"}, [], {"c": "d"}, [])
    sets = [parse_set("gpuoperator:driver.version=1.2.3"), parse_set("tuning:build=none")]
    BuiltinBundler(sets, placement).make(small(), "helm", directory)
    assert values(directory, "001-certificates")["nodeSelector"] == {"a": "b"}
    assert values(directory, "002-tuning") == {
        "tuning": {"acceleratedNodeSelector": {"c": "d"}, "answer": "y", "build": "none", "mode": "0644"}
    }
    assert values(directory, "004-gpu-operator")["driver"]["version"] == "1.2.3"  # type: ignore[index]
    assert values(directory, "005-gpu-operator-post")["gpu-operator"]["driver"]["version"] == "1.2.3"  # type: ignore[index]


def test_a_component_can_be_switched_off(tmp_path: Path) -> None:
    """--set NAME:enabled=false leaves no folder, no gap in the numbers, and nobody waiting for it."""
    bundle = BuiltinBundler([parse_set("tuning:enabled=false")]).make(small(), "helm", tmp_path / "bundle")
    assert [folder.path.name for folder in bundle.folders] == [
        "001-certificates",
        "002-gpu-operator-pre",
        "003-gpu-operator",
        "004-gpu-operator-post",
        "005-scheduler",
    ]
    assert bundle.folders[1].depends_on == ("certificates",)


def test_an_override_for_an_absent_component_is_left_out_with_a_note(tmp_path: Path) -> None:
    """The same command line can serve many recipes, and nothing is dropped silently."""
    bundler = BuiltinBundler([parse_set("absent:a=b")], overrides=())
    bundler.make(small(), "helm", tmp_path / "bundle")
    assert bundler.notes(small()) == (f"--set absent:a=b left out: {small().name} has no component absent",)


def run_script(directory: Path, cwd: Path, *arguments: str) -> list[list[str]]:
    """The helm calls that deploy.sh makes."""
    helm = cwd / "bin" / "helm"
    helm.parent.mkdir()
    helm.write_text('#!/bin/sh\n(printf "%s|" "$@"; echo) >>"$LOG"\n')
    helm.chmod(0o755)
    kubectl = helm.with_name("kubectl")
    kubectl.write_text('#!/bin/sh\necho "$@" >>"$LOG.kubectl"\n[ "$1" = create ]\n')
    kubectl.chmod(0o755)
    environment = {"PATH": f"{helm.parent}:{os.environ['PATH']}", "LOG": str(cwd / "log"), "CDPATH": str(cwd)}
    script = os.path.relpath(directory / "deploy.sh", cwd)
    subprocess.run(["bash", script, *arguments], cwd=cwd, env=environment, check=True, capture_output=True)
    return [line.split("|")[:-1] for line in (cwd / "log").read_text().splitlines()]


def test_the_script_installs_every_folder_in_order_from_anywhere(tmp_path: Path) -> None:
    """deploy.sh does by hand what the lane does: one upgrade --install for each folder."""
    bundle = BuiltinBundler().make(small(), "helm", tmp_path / "with space" / "bundle")
    cwd = tmp_path / "elsewhere"
    cwd.mkdir()
    calls = run_script(bundle.directory, cwd)
    assert [call[2] for call in calls] == [folder.release for folder in bundle.folders]
    assert calls[0] == [
        "upgrade",
        "--install",
        "certificates",
        "./001-certificates/chart",
        "--namespace",
        "certificates",
        "--create-namespace",
        "--values",
        "001-certificates/values.yaml",
        "--values",
        "001-certificates/cluster-values.yaml",
    ]
    assert calls[2][3:5] == ["./003-gpu-operator-pre", "--take-ownership"]
    namespaces = (cwd / "log.kubectl").read_text().splitlines()
    assert namespaces == ["get namespace gpu-operator", "create namespace gpu-operator"]
    assert calls[3][3:8] == ["gpu-operator", "--repo", "https://charts.example.com/nvidia", "--version", "v26.3.1"]
    assert calls[5][3:6] == ["oci://registry.example.com/charts/gang-scheduler", "--version", "0.14.1"]


def test_arguments_of_the_script_reach_every_call(tmp_path: Path) -> None:
    """--dry-run is worth nothing if one release ignores it."""
    bundle = BuiltinBundler().make(small(), "helm", tmp_path / "bundle")
    cwd = tmp_path / "elsewhere"
    cwd.mkdir()
    calls = run_script(bundle.directory, cwd, "--dry-run", "--timeout", "1 m")
    assert [call[-3:] for call in calls] == [["--dry-run", "--timeout", "1 m"]] * 6
    assert not (cwd / "log.kubectl").exists()


def test_the_script_stops_at_the_first_failure(tmp_path: Path) -> None:
    """What comes later depends on what failed."""
    bundle = BuiltinBundler().make(small(), "helm", tmp_path / "bundle")
    helm = tmp_path / "helm"
    helm.write_text(f"#!/bin/sh\necho call >>{tmp_path}/log\nexit 3\n")
    helm.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    ended = subprocess.run([bundle.directory / "deploy.sh"], env=environment, check=False, capture_output=True)
    assert ended.returncode == 3
    assert (tmp_path / "log").read_text() == "call\n"


def test_a_full_directory_is_left_alone(tmp_path: Path) -> None:
    """A bundle never mixes with what was there before."""
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "mine").write_text("precious")
    with pytest.raises(DataError, match="is not empty"):
        BuiltinBundler().make(small(), "helm", tmp_path / "bundle")
    assert tree(tmp_path) == {"bundle/mine": b"precious"}


def test_an_empty_directory_is_used(tmp_path: Path) -> None:
    """`mktemp -d` and --output are friends."""
    (tmp_path / "bundle").mkdir()
    assert BuiltinBundler().make(small(), "helm", tmp_path / "bundle").directory == tmp_path / "bundle"


def test_an_unknown_shape_is_named(tmp_path: Path) -> None:
    """A usage error, before anything is written."""
    with pytest.raises(UsageError, match="unknown shape 'helmfile'"):
        BuiltinBundler().make(small(), "helmfile", tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


def test_a_bundle_that_cannot_be_written_is_one_clear_error_and_leaves_nothing(tmp_path: Path) -> None:
    """The parent is a file here; a full disk takes the same way."""
    (tmp_path / "file").write_text("")
    with pytest.raises(HarnessError, match=r"bundle: cannot be written: (Not a directory|File exists)"):
        BuiltinBundler().make(small(), "helm", tmp_path / "file" / "bundle")
    assert tree(tmp_path) == {"file": b""}


def two_manifests_of_one_name(data: Path) -> None:
    (data / "recipes" / "components" / "tuning" / "sysctl.yaml").write_text("")
    base = data / "recipes" / "overlays" / "base.yaml"
    replace(
        base,
        "[components/tuning/manifests/sysctl.yaml]",
        "[components/tuning/manifests/sysctl.yaml, components/tuning/sysctl.yaml]",
    )


def a_link_out_of_a_chart(data: Path) -> None:
    (data / "charts" / "certificates" / "secret").symlink_to("/etc/hostname")


def a_link_to_nowhere(data: Path) -> None:
    (data / "charts" / "certificates" / "secret").symlink_to("nowhere")


def a_link_in_a_circle(data: Path) -> None:
    (data / "charts" / "certificates" / "templates" / "all").symlink_to("..")


def manifest(text: str) -> Callable[[Path], None]:
    def change(data: Path) -> None:
        (data / "recipes" / "components" / "tuning" / "manifests" / "sysctl.yaml").write_text(text)

    return change


def registry(old: str, new: str) -> Callable[[Path], None]:
    return lambda data: replace(data / "recipes" / "registry.yaml", old, new)


KUSTOMIZATION = """\
    kustomize:
      defaultSource: https://example.com/x
      defaultPath: x
      defaultNamespace: x
"""
SCHEDULER = """\
    helm:
      defaultRepository: oci://registry.example.com/charts
      defaultChart: gang-scheduler
      defaultVersion: 0.14.1
      defaultNamespace: scheduler
"""


@pytest.mark.parametrize(
    ("change", "what"),
    [
        pytest.param(two_manifests_of_one_name, "two manifests called sysctl.yaml", id="two of one name"),
        pytest.param(a_link_out_of_a_chart, "leaves", id="link out of the data"),
        pytest.param(a_link_to_nowhere, "secret", id="link to nowhere"),
        pytest.param(a_link_in_a_circle, "is a link to a directory that it is in", id="link in a circle"),
        pytest.param(manifest("a: {{ lookup }}"), "does not render: function lookup is not known", id="function"),
        pytest.param(manifest("\n{{ if }}"), "does not render: missing value", id="template"),
        pytest.param(manifest("a: [{{ 1 }}"), "renders to invalid YAML", id="rendered YAML"),
        pytest.param(manifest("- a"), "renders something that is not an object", id="rendered list"),
        pytest.param(registry(": 1.2.3", ": 1.2.4"), "version 1.2.4 of a chart that is at 1.2.3", id="other version"),
        pytest.param(registry("      defaultVersion: v26.3.1\n", ""), "chart without a version", id="no version"),
        pytest.param(registry("      defaultNamespace: scheduler\n", ""), "has no namespace", id="no namespace"),
        pytest.param(registry(SCHEDULER, KUSTOMIZATION), "scheduler is a kustomization", id="kustomization"),
    ],
)
def test_what_cannot_be_bundled_is_refused(
    data: Path, tmp_path: Path, change: Callable[[Path], None], what: str
) -> None:
    """One clear error, and no bundle."""
    change(data)
    with pytest.raises(DataError, match=what) as caught:
        BuiltinBundler().make(small(data), "helm", tmp_path / "out" / "bundle")
    assert caught.value.where
    assert tree(tmp_path / "out") == {}


def test_a_file_that_cannot_be_read_is_one_clear_error(data: Path, tmp_path: Path) -> None:
    """Recipe data may change, or its disk fail, after it was loaded."""
    recipe = small(data)
    manifest = data / "recipes" / "components" / "tuning" / "manifests" / "sysctl.yaml"
    manifest.unlink()
    manifest.mkdir()
    with pytest.raises(DataError, match="cannot be read: Is a directory") as caught:
        BuiltinBundler().make(recipe, "helm", tmp_path / "bundle")
    assert caught.value.where == str(manifest)


@needs_references
@pytest.mark.parametrize("name", ["eks-training", "h100-eks-ubuntu-training-kubeflow", "kind-inference"])
def test_real_recipes_bundle_as_the_aicr_command_line_bundles_them(name: str, tmp_path: Path) -> None:
    """The same folders, chart references to the byte, values, and objects of manifests.

    The reference has nodewright-customizations, which simulated runs switch off.
    """
    recipe = resolve(Catalog.load(REAL), name)
    bundle = BuiltinBundler([parse_set("nodewright-customizations:enabled=true")]).make(recipe, "helm", tmp_path / "b")
    reference = REFERENCES / name / "helm" / "bundle"
    assert [folder.path.name for folder in bundle.folders] == sorted(p.name for p in reference.iterdir() if p.is_dir())
    for folder in bundle.folders:
        theirs = values(reference, folder.path.name)
        expected = {folder.component: theirs} if folder.chart.path else theirs
        assert values(bundle.directory, folder.path.name) == expected, folder.release
        made = bundle.directory / folder.path.name / "templates"
        for file in (reference / folder.path.name / "templates").glob("*.yaml"):
            theirs_objects = [item for item in load_all(file.read_text()) if item]
            assert [item for item in load_all((made / file.name).read_text()) if item] == theirs_objects
        if not folder.chart.path:
            environment = f"{folder.path.name}/upstream.env"
            assert (bundle.directory / environment).read_bytes() == (reference / environment).read_bytes()


@needs_references
@pytest.mark.parametrize(
    "name",
    [
        "gb200-eks-ubuntu-inference-dynamo",
        "h100-aks-ubuntu-training-kubeflow",
        "h100-eks-ubuntu-inference-nim",
        "h100-gke-cos-training-slurm",
        "h100-kind-inference",
    ],
)
def test_real_components_can_be_bundled_in_every_form(name: str, tmp_path: Path) -> None:
    """These recipes have every component of the real data, with and without chart, pre and post manifests."""
    recipe = resolve(Catalog.load(REAL), name)
    bundle = BuiltinBundler().make(recipe, "helm", tmp_path / name)
    off = {"nodewright-customizations"}
    assert {folder.component for folder in bundle.folders} == {c.name for c in recipe.components} - off
    for component in recipe.components:
        releases = [folder.release for folder in bundle.folders if folder.component == component.name]
        before = bool(component.pre_manifest_files) or recipe.needs_quota(component)
        assert (f"{component.name}-pre" in releases) == before
        assert (f"{component.name}-post" in releases) == bool(component.manifest_files and component.chart)
