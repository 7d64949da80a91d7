"""A chart at a Helm repository, with values from the repository of the bundle: `$values` of Argo CD, for real."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.exits import Exit
from harness.gates.argocd.application import APPLICATIONS
from harness.installers.git.configuration import NAME as GITEA
from harness.objects import CONFIGMAPS
from harness.processes import commands
from lanes import find
from tests.e2e.charts import served
from tests.e2e.failing import Plane, in_bundle, recipes, tapped

pytestmark = pytest.mark.e2e

NAME = "remote"
TEMPLATE = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: said}
data: {said: {{ .Values.said | default "nothing" | quote }}}
"""


@pytest.fixture(scope="module")
def plane(tools: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """One control plane, for which all of the lane is ready."""
    for name in (GITEA, "argocd", "redis", "kustomize", "helm"):
        tools(name)
    with Plane.up(tools, tmp_path_factory.mktemp("v")) as plane:
        yield plane


@pytest.fixture(autouse=True)
def cleared(plane: Plane) -> Iterator[None]:
    yield
    plane.clear()


@pytest.fixture
def repository(tools: Callable[[str], Path], tmp_path: Path) -> Iterator[str]:
    """A Helm repository on this machine, with the chart whose values are of interest."""
    recipes(tmp_path / "made", NAME, {"said.yaml": TEMPLATE})
    words: list[str | Path] = [tools("helm"), "package", tmp_path / "made" / "charts" / NAME]
    commands.run([*words, "--destination", tmp_path / "served"], timeout=60)
    with served(tools("helm"), tmp_path / "served") as address:
        yield address


def changed(**values: Any) -> Callable[[Path], None]:
    """The file of values in the bundle has these as well, or instead."""

    def change(directory: Path) -> None:
        [file] = directory.glob(f"*{NAME}/values.yaml")
        file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), **values}))

    return change


def removed(directory: Path) -> None:
    [file] = directory.glob(f"*{NAME}/values.yaml")
    file.unlink()


def said(plane: Plane) -> str:
    found = plane.cluster.get(CONFIGMAPS, NAME, "said")
    assert found is not None
    text: str = found["data"]["said"]
    return text


def test_a_chart_of_a_repository_passes(plane: Plane, repository: str, tmp_path: Path) -> None:
    """Its Application was compared with the version of the chart, and with the commit that its values are in."""
    outcome = plane.cell(NAME, "argocd-git", tmp_path / "cell", repository=repository)
    assert outcome.exit is Exit.OK, outcome.reason
    app = plane.cluster.get(APPLICATIONS, "argocd", NAME)
    assert app is not None
    chart, values = app["spec"]["sources"]
    assert (chart["repoURL"], chart["chart"]) == (repository, NAME)
    [file] = chart["helm"]["valueFiles"]
    assert file.startswith(f"${values['ref']}/")
    assert app["status"]["sync"]["revisions"] == ["1.2.3", outcome.facts["digest"]]
    assert said(plane) == "nothing"


def test_its_values_are_those_that_were_pushed(plane: Plane, repository: str, tmp_path: Path) -> None:
    """Another file in the repository is another object."""
    lane = tapped(find("argocd-git"), before=in_bundle(changed(said="in the repository")))
    outcome = plane.cell(NAME, lane, tmp_path / "cell", repository=repository)
    assert outcome.exit is Exit.OK, outcome.reason
    assert said(plane) == "in the repository"


@pytest.mark.parametrize(
    ("change", "says"),
    [(changed(tolerations=[]), f"{NAME}/{NAME}"), (removed, "values.yaml: no such file or directory")],
    ids=["wrong", "missing"],
)
def test_wrong_values_are_red_before_the_deadline(
    plane: Plane, repository: str, change: Callable[[Path], None], says: str, tmp_path: Path
) -> None:
    """As the scheduler tells it, or Argo CD."""
    lane = tapped(find("argocd-git"), before=in_bundle(change))
    outcome = plane.cell(NAME, lane, tmp_path / "cell", repository=repository, deadlines={"argocd_sync": 60.0})
    assert outcome.exit is Exit.FAILURE, outcome.reason
    assert says in outcome.reason
