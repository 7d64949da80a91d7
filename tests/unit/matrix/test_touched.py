"""What a recipe is made of, what everything depends on, and what cannot be known without git."""

from pathlib import Path

import pytest

from harness.matrix import changes
from harness.matrix.touched import State, _how, _uses, touched
from harness.recipes.load import Catalog
from harness.recipes.profiles import Profiles
from harness.recipes.registry import FILE as REGISTRY
from harness.recipes.resolve import resolve
from harness.settings import DEFAULT_FILE, ROOT
from tests.fakes.matrix import OURS
from tests.fakes.recipes import REAL, Data, needs_real_data, ref


@pytest.fixture
def data(tmp_path: Path) -> Data:
    """Two recipes with a component each, and one that nothing concerns."""
    data = Data(tmp_path, "a", "b", "c")
    for name in ("a", "b"):
        data.file(f"components/{name}/values.yaml", "")
        data.overlay(name, {"criteria": {"service": name, "accelerator": "h100"}, "componentRefs": [ref(name)]})
    data.overlay("c", {"criteria": {"service": "c"}, "componentRefs": [{**ref("c"), "manifestFiles": ["m.yaml"]}]})
    data.file("m.yaml", "")
    return data


def state(data: Data) -> State:
    return State(data.load(), Profiles(data.directory.parent / "profiles", OURS / "profiles"))


def test_every_file_of_a_recipe_touches_it() -> None:
    """All that our samples are made of, as the recipe itself lists it: nothing is overlooked."""
    _each_file_counts(Catalog.load(OURS / "recipes"))


@needs_real_data
def test_every_file_of_a_real_recipe_touches_it() -> None:
    """All that the real recipes are made of."""
    _each_file_counts(Catalog.load(REAL))


def _each_file_counts(catalog: Catalog) -> None:
    now = State(catalog, Profiles(OURS / "nothing", OURS / "profiles"))
    assert catalog.testable()
    for name in catalog.testable():
        uses = _uses(now, name)
        files = resolve(catalog, name).files
        assert [file for file in files if not _how(uses, file.resolve()) and file.name != REGISTRY] == []
        of_profiles = {path for path in uses if path.is_relative_to(OURS / "profiles")}
        whole_charts = {path for path in uses if path.is_dir()}
        assert {*uses} - of_profiles - whole_charts <= {file.resolve() for file in files}


@pytest.mark.parametrize("path", ["p5-h100.yaml", "storage/classes.yaml"])
def test_what_completes_a_cluster_touches_its_recipes(tmp_path: Path, path: str) -> None:
    """Our own profile of the same instance, and the classes of the provider: also where the profiles are a user's."""
    data = Data(tmp_path, "a", "b")
    for name, service in (("a", "eks"), ("b", "gke")):
        data.overlay(name, {"criteria": {"service": service, "accelerator": "h100"}, "componentRefs": [ref(name)]})
    theirs = data.directory.parent / "profiles" / "eks"
    theirs.mkdir(parents=True)
    for file in ("p5-h100.yaml", "system-m7i.yaml"):
        (theirs / file).write_text((OURS / "profiles" / "eks" / file).read_text(encoding="utf-8"), encoding="utf-8")
    now = state(data)
    assert set(touched(now, {OURS / "profiles" / "eks" / path}, now)) == {"a"}


@pytest.mark.parametrize(
    "path",
    [
        "harness/cells/cell.py",
        "kwok/nodes.py",
        "kwok/overrides.yaml",
        "kwok/wrappers/helm/go.mod",
        "lanes/helm.py",
        "harness/settings.yaml",
        "pyproject.toml",
    ],
)
def test_the_harness_itself_promotes_all(data: Data, path: str) -> None:
    """A change of what decides about verdicts is tested with every recipe."""
    now = state(data)
    assert touched(now, {ROOT / path}, now) == dict.fromkeys("abc", f"the harness itself: {path} changed")


@pytest.mark.parametrize(
    "path", ["kwok/recipes/x", "kwok/charts/x", "kwok/profiles/x", "kwok/suites/x", "docs/x", "tests/x", "harnesses"]
)
def test_samples_pages_and_tests_promote_nothing(data: Data, path: str) -> None:
    """The samples count for the recipes that are made of them."""
    now = state(data)
    assert touched(now, {ROOT / path}, now) == {}


@pytest.mark.parametrize("linked", [False, True], ids=["a file", "a symbolic link"])
def test_the_files_in_use_promote_all(data: Data, tmp_path: Path, linked: bool) -> None:
    """Settings and overrides, wherever they are, also when files are named, by the name in use and by their own."""
    file, used = tmp_path / "our-overrides.yaml", tmp_path / "in-use.yaml"
    file.write_text("")
    used = used if linked else file
    if linked:
        used.symlink_to(file)
    now = state(data)
    for name in (file, used):
        found = changes.named([str(name)], now.catalog, now.profiles, used=(DEFAULT_FILE, used))
        assert set(found.touched) == {"a", "b", "c"}


def test_a_file_that_is_gone_touches_every_recipe_where_git_is_not_asked(data: Data) -> None:
    """Who used it cannot be known; outside the data it means nothing."""
    now = state(data)
    gone = data.directory / "components" / "a" / "other.yaml"
    found = changes.named([str(gone)], now.catalog, now.profiles, used=(DEFAULT_FILE,)).touched
    assert set(found) == {"a", "b", "c"}
    assert found["a"].startswith("its users are not known without git: components/a/other.yaml was deleted")
    elsewhere = str(data.directory.parent.parent / "gone")
    assert changes.named([elsewhere], now.catalog, now.profiles, used=(DEFAULT_FILE,)).touched == {}


def test_names_are_relative_to_the_current_directory(data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a shell completes them, by whatever way."""
    monkeypatch.chdir(data.directory / "components")
    now = state(data)
    found = changes.named(["../overlays/../overlays/a.yaml"], now.catalog, now.profiles, used=(DEFAULT_FILE,))
    assert found.touched == {"a": "its own overlay: overlays/a.yaml changed"}
    assert found.what == "1 file named"


def test_a_link_counts_and_so_does_what_it_leads_to(data: Data) -> None:
    """git names the link when it is set anew, and the file when its content changes."""
    real = data.file("shared/values.yaml", "")
    link = data.directory / "components/c/values.yaml"
    link.parent.mkdir(parents=True)
    link.symlink_to("../../shared/values.yaml")
    (data.directory / "overlays/c.yaml").unlink()
    data.overlay(
        "c",
        {"criteria": {"service": "c"}, "componentRefs": [ref("c", valuesFile="components/c/values.yaml")]},
    )
    now = state(data)
    assert set(touched(now, {real}, now)) == set(touched(now, {link}, now)) == {"c"}


def test_what_a_link_in_a_chart_leads_to_counts(data: Data) -> None:
    """A chart's part may lie beside it: Helm follows the link, and a change of that part changes the chart."""
    chart = data.directory.parent / "charts" / "app"
    chart.mkdir(parents=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: app\nversion: 1.0.0\n")
    common = data.file("../charts/common.tpl", "").resolve()
    (chart / "_common.tpl").symlink_to("../common.tpl")
    app = {"name": "c", "source": "file://charts", "chart": "app"}
    data.overlay("c", {"criteria": {"service": "c"}, "componentRefs": [app]})
    now = state(data)
    assert touched(now, {common}, now) == {"c": "chart of c: charts/common.tpl changed"}


def test_a_reason_shows_three_files_and_counts_the_others(data: Data) -> None:
    """Whatever the size of a change, a line stays a line."""
    now = state(data)
    for number in range(5):
        data.file(f"manifests/{number}.yaml", "")
    overlay = {
        "criteria": {"service": "c"},
        "componentRefs": [ref("c", manifestFiles=[f"manifests/{n}.yaml" for n in range(5)])],
    }
    data.overlay("c", overlay)
    now = state(data)
    reason = touched(now, {data.directory / f"manifests/{number}.yaml" for number in range(5)}, now)["c"]
    assert reason.count("manifests of c: ") == 3
    assert reason.endswith("; and 2 more")


def test_a_recipe_that_could_not_be_resolved_before_is_touched(data: Data, tmp_path: Path) -> None:
    """What it was made of cannot be told."""
    before = Data(tmp_path / "before", "a", "b", "c")
    before.overlay("a", {"criteria": {"service": "a"}, "componentRefs": [ref("a", dependencyRefs=["b"])]})
    assert set(touched(state(data), {tmp_path / "anything"}, state(before))) == {"a"}
