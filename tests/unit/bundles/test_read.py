import shutil
from pathlib import Path

import pytest

from harness.bundles.model import Bundle
from harness.bundles.read import read
from harness.errors import DataError
from harness.exits import Exit
from tests.fakes.bundles import GOLDEN, NAME, REFERENCES, needs_references


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A bundle of its own to break."""
    shutil.copytree(GOLDEN / "helm" / NAME, tmp_path / "bundle")
    return tmp_path / "bundle"


def depends_on(bundle: Bundle) -> dict[str, tuple[str, ...]]:
    return {folder.release: folder.depends_on for folder in bundle.folders}


def test_releases_wait_for_the_last_release_of_what_their_component_needs(directory: Path) -> None:
    """pre waits for other components, the chart for pre, post for the chart, and others for post."""
    assert depends_on(read(directory)) == {
        "certificates": (),
        "tuning": (),
        "gpu-operator-pre": ("tuning", "certificates"),
        "gpu-operator": ("gpu-operator-pre",),
        "gpu-operator-post": ("gpu-operator",),
        "scheduler": ("gpu-operator-post",),
    }


def test_charts_are_found_in_a_repository_a_registry_a_copy_and_the_folder_itself(directory: Path) -> None:
    """The four ways in which a folder can name its chart."""
    charts = {folder.release: folder.chart for folder in read(directory).folders}
    assert (charts["gpu-operator"].repository, charts["gpu-operator"].name, charts["gpu-operator"].version) == (
        "https://charts.example.com/nvidia",
        "gpu-operator",
        "v26.3.1",
    )
    assert (charts["scheduler"].repository, charts["scheduler"].name) == (
        "oci://registry.example.com/charts",
        "gang-scheduler",
    )
    assert charts["certificates"].path == directory / "001-certificates" / "chart"
    assert charts["certificates"].version == "1.2.3"
    assert charts["tuning"].path == directory / "002-tuning"
    assert {chart.repository for chart in charts.values() if chart.path} == {""}


def test_namespaces_and_components_come_from_the_recipe(directory: Path) -> None:
    """A -pre and a -post folder belong to the component, and install where it does."""
    folders = {folder.release: folder for folder in read(directory).folders}
    assert {folders[r].component for r in folders if r.startswith("gpu-operator")} == {"gpu-operator"}
    assert folders["gpu-operator-post"].namespace == "gpu-operator"


def test_a_chart_with_a_namespace_of_its_own_is_known(directory: Path) -> None:
    """Helm refuses to install it unless it is told to take the namespace over."""
    assert [folder.release for folder in read(directory).folders if folder.owns_namespace] == ["gpu-operator-pre"]


def test_upstream_env_is_read_without_a_shell(directory: Path) -> None:
    """Quotes are understood; what a shell would run is text."""
    file = directory / "004-gpu-operator" / "upstream.env"
    file.write_text("# comment\nCHART='it'\\''s'\n\nREPO=\"https://x/$(touch pwned)\"\nVERSION=1\n")
    chart = {folder.release: folder.chart for folder in read(directory).folders}["gpu-operator"]
    assert (chart.name, chart.repository, chart.version) == ("it's", "https://x/$(touch pwned)", "1")


def test_a_component_may_be_called_something_post(directory: Path) -> None:
    """A folder belongs to the component of its own name before it belongs to another one's manifests."""
    file = directory / "recipe.yaml"
    text = file.read_text().replace("- gpu-operator\n  name: scheduler", "- certificates\n  name: tuning-post")
    file.write_text(text.replace("- scheduler\n", "- tuning-post\n"))
    (directory / "006-scheduler").rename(directory / "006-tuning-post")
    bundle = read(directory)
    assert bundle.folders[-1].component == "tuning-post"
    assert depends_on(bundle)["tuning-post"] == ("certificates",)
    assert depends_on(bundle)["gpu-operator-pre"] == ("tuning", "certificates")


def test_a_component_that_is_switched_off_needs_no_folder_and_counts_as_provided(directory: Path) -> None:
    """What depends on it is installed without it."""
    file = directory / "recipe.yaml"
    file.write_text(
        file.read_text().replace("  overrides:\n    answer:", "  overrides:\n    enabled: false\n    answer:")
    )
    shutil.rmtree(directory / "002-tuning")
    for number, name in enumerate(sorted(p.name for p in directory.iterdir() if p.is_dir()), start=1):
        (directory / name).rename(directory / f"{number:03d}{name[3:]}")
    assert depends_on(read(directory))["gpu-operator-pre"] == ("certificates",)


def gone(path: str) -> object:
    def change(directory: Path) -> None:
        target = directory / path
        shutil.rmtree(target) if target.is_dir() else target.unlink()

    return change


def written(path: str, text: str) -> object:
    def change(directory: Path) -> None:
        (directory / path).parent.mkdir(exist_ok=True)
        (directory / path).write_text(text)

    return change


def renamed(path: str, to: str) -> object:
    return lambda directory: (directory / path).rename(directory / to)


@pytest.mark.parametrize(
    ("change", "where", "what"),
    [
        pytest.param(gone("recipe.yaml"), "recipe.yaml", "cannot be read", id="no recipe"),
        pytest.param(written("recipe.yaml", "a: [\n"), "recipe.yaml:2", "not valid YAML", id="broken recipe"),
        pytest.param(written("recipe.yaml", "kind: RecipeResult\n"), "recipe.yaml", "componentRefs", id="empty recipe"),
        pytest.param(
            written("recipe.yaml", "componentRefs: [{name: a}]\n"),
            "recipe.yaml:1",
            "namespace is missing",
            id="no namespace",
        ),
        pytest.param(gone("006-scheduler"), "bundle", "no folder for component scheduler", id="lost last folder"),
        pytest.param(gone("005-gpu-operator-post"), "006-scheduler", "number 6 where 5 should be", id="gap"),
        pytest.param(
            written("006-tuning/values.yaml", ""), "006-tuning", "number 6 where 7 should be", id="double number"
        ),
        pytest.param(written("007-other/values.yaml", ""), "007-other", "belongs to no component", id="unknown folder"),
        pytest.param(
            written("007-tuning/values.yaml", ""), "007-tuning", "second folder for release tuning", id="double release"
        ),
        pytest.param(renamed("001-certificates", "001-certificate"), "001-certificate", "belongs to no", id="misspelt"),
        pytest.param(gone("002-tuning/values.yaml"), "002-tuning", "has no values.yaml", id="no values"),
        pytest.param(
            gone("002-tuning/cluster-values.yaml"), "002-tuning", "no cluster-values.yaml", id="no cluster values"
        ),
        pytest.param(gone("002-tuning/Chart.yaml"), "002-tuning", "neither upstream.env nor a chart", id="no chart"),
        pytest.param(
            written("004-gpu-operator/Chart.yaml", "name: x\nversion: 1.0.0\n"),
            "004-gpu-operator",
            "upstream.env and Chart.yaml",
            id="two charts",
        ),
        pytest.param(
            written("002-tuning/Chart.yaml", "name: x\n"), "Chart.yaml:1", "version is missing", id="no version"
        ),
        pytest.param(
            written("004-gpu-operator/upstream.env", "CHART='a\n"),
            "upstream.env:1",
            "not quoted properly",
            id="open quote",
        ),
        pytest.param(
            written("004-gpu-operator/upstream.env", "CHART=a b\n"), "upstream.env:1", "none of CHART", id="two words"
        ),
        pytest.param(
            written("004-gpu-operator/upstream.env", "PATH=a\n"), "upstream.env:1", "none of CHART", id="unknown key"
        ),
        pytest.param(
            written("004-gpu-operator/upstream.env", "CHART=a\nREPO=https://x\n"),
            "upstream.env",
            "its version",
            id="no chart version",
        ),
    ],
)
def test_what_does_not_add_up_is_refused(directory: Path, change: object, where: str, what: str) -> None:
    """One clear error that names the folder or file, exit code 10."""
    assert callable(change)
    change(directory)
    with pytest.raises(DataError, match=what) as caught:
        read(directory)
    assert caught.value.where.endswith(where)
    assert caught.value.exit is Exit.SETTINGS


def test_a_folder_before_its_dependency_is_refused(directory: Path) -> None:
    """The numbers are the order of installation, so they must respect the dependencies."""
    (directory / "001-certificates").rename(directory / "tmp")
    (directory / "006-scheduler").rename(directory / "001-scheduler")
    (directory / "tmp").rename(directory / "006-certificates")
    with pytest.raises(DataError, match="comes before gpu-operator-post, which it depends on"):
        read(directory)


def test_a_directory_without_folders_is_no_bundle(tmp_path: Path) -> None:
    """An empty bundle would be a green run of nothing."""
    (tmp_path / "recipe.yaml").write_text("componentRefs: [{name: a, namespace: b}]\n")
    with pytest.raises(DataError, match="has no component folders"):
        read(tmp_path)


@needs_references
@pytest.mark.parametrize(
    ("name", "folders", "release", "needs"),
    [
        ("eks-training", 13, "gpu-operator", ("nfd", "cert-manager", "kube-prometheus-stack")),
        ("h100-eks-ubuntu-training-kubeflow", 16, "kubeflow-trainer-post", ("kubeflow-trainer",)),
        ("kind-inference", 16, "agentgateway", ("agentgateway-crds-post", "cert-manager")),
    ],
)
def test_bundles_of_the_aicr_command_line_are_understood(
    name: str, folders: int, release: str, needs: tuple[str, ...]
) -> None:
    """Both bundlers write the same shape."""
    bundle = read(REFERENCES / name / "helm" / "bundle")
    assert len(bundle.folders) == folders
    assert depends_on(bundle)[release] == needs
