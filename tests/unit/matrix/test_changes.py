"""Which recipes a branch touches, on the real data with a git history made for the test, and on ours."""

import shutil
from pathlib import Path

import pytest
import yaml

from harness.errors import DataError
from harness.matrix import changes
from harness.matrix.model import Tier
from harness.matrix.tiers import select
from harness.recipes.load import Catalog
from harness.recipes.profiles import Profiles
from harness.recipes.why import why
from harness.settings import DEFAULT_FILE
from tests.fakes.matrix import LANES, OURS, REAL, History, needs_real_data


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> History:
    return History(tmp_path_factory.mktemp("real"), REAL)


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> History:
    return History(tmp_path_factory.mktemp("ours"), OURS)


def accelerated(catalog: Catalog, **criteria: str) -> set[str]:
    """The recipes of tier 2 by nothing but the criteria in their files."""
    return {
        name
        for name in set(catalog.testable()) - set(catalog.generic())
        if all(getattr(catalog.overlays[name].criteria, key) == value for key, value in criteria.items())
    }


def selected(history: History) -> dict[str, str]:
    """The recipes of tier 2 on the current branch, and why; those without nodes are none."""
    selection = select(
        history.catalog, history.profiles, Tier.TOUCHED, deployers=("helm",), touched=history.since().touched
    )
    assert all(cell.deployer == "helm" for cell in selection.cells)
    return {cell.recipe: cell.reason for cell in selection.cells}


def with_nodes(history: History, names: set[str]) -> set[str]:
    return {cell.recipe for cell in select(history.catalog, history.profiles, deployers=LANES).cells} & names


@needs_real_data
def test_a_base_overlay_touches_what_is_based_on_it_and_nothing_else(real: History) -> None:
    """The reason shows the chain down to the file; recipes for other services are left alone."""
    real.branch().touch("recipes/overlays/eks.yaml")
    found = selected(real)
    assert set(found) == accelerated(real.catalog, service="eks")
    assert len(found) == 14
    assert found["h100-eks-training"] == (
        "base chain h100-eks-training → eks-training → eks: overlays/eks.yaml changed"
    )


@needs_real_data
def test_its_own_overlay_touches_a_recipe(real: History) -> None:
    """A leaf touches itself, and only itself."""
    real.branch().touch("recipes/overlays/h100-eks-ubuntu-training-slurm.yaml")
    assert selected(real) == {
        "h100-eks-ubuntu-training-slurm": "its own overlay: overlays/h100-eks-ubuntu-training-slurm.yaml changed"
    }


@needs_real_data
def test_an_overlay_that_matches_from_the_side_touches_too(real: History) -> None:
    """h100-any is on nobody's chain, and is applied to every recipe for h100 all the same."""
    real.branch().touch("recipes/overlays/h100-any.yaml")
    found = selected(real)
    assert set(found) == with_nodes(real, accelerated(real.catalog, accelerator="h100"))
    assert found["h100-eks-training"].startswith("h100-any applies too (it matches accelerator h100)")


@needs_real_data
@pytest.mark.parametrize("mixin", ["os-ubuntu", "platform-inference"])
def test_a_mixin_touches_who_uses_it(real: History, mixin: str) -> None:
    """By itself or by what it is based on, which the test reads from the files without the harness."""
    real.branch().touch(f"recipes/mixins/{mixin}.yaml")
    specs = {
        file.stem: yaml.safe_load(file.read_text())["spec"] for file in (real.top / "recipes/overlays").glob("*.yaml")
    }

    def uses(name: str) -> bool:
        spec = specs[name]
        return mixin in (spec.get("mixins") or ()) or (name != "base" and uses(spec.get("base") or "base"))

    users = with_nodes(real, {name for name in accelerated(real.catalog) if uses(name)})
    found = selected(real)
    assert set(found) == users
    assert users
    assert all(f"mixin {mixin} of " in reason for reason in found.values())


@needs_real_data
@pytest.mark.parametrize(
    ("path", "recipe", "reason"),
    [
        ("components/gpu-operator/values.yaml", "h100-eks-training", "values of gpu-operator: "),
        ("components/gpu-operator/values-eks-training.yaml", "h100-eks-training", "values of gpu-operator: "),
        (
            "components/nodewright-customizations/manifests/tuning.yaml",
            "h100-eks-training",
            "manifests of nodewright-customizations: ",
        ),
        ("checks/gpu-operator/health-check.yaml", "h100-eks-training", "health check of gpu-operator: "),
    ],
)
def test_the_files_of_a_component_touch_who_has_it(real: History, path: str, recipe: str, reason: str) -> None:
    """Values, the values below them that nobody names, manifests and health checks; not those who do without."""
    real.branch().touch(f"recipes/{path}")
    found = selected(real)
    assert found[recipe] == f"{reason}{path} changed"
    catalog = real.catalog
    users = {name for name in accelerated(catalog) if f"recipes/{path}" in why(catalog, name).files}
    assert set(found) == with_nodes(real, users)


@needs_real_data
@pytest.mark.parametrize(
    ("path", "criteria"),
    [
        ("profiles/eks/p6-gb200.yaml", {"service": "eks", "accelerator": "gb200"}),
        ("profiles/eks/system-m7i.yaml", {"service": "eks"}),
    ],
)
def test_a_node_profile_touches_who_runs_on_it(real: History, path: str, criteria: dict[str, str]) -> None:
    """The accelerated one its accelerator, the system one its whole service."""
    real.branch().touch(path)
    found = selected(real)
    assert set(found) == accelerated(real.catalog, **criteria)
    assert all(reason.endswith(f": {path} changed") for reason in found.values())


@needs_real_data
@pytest.mark.parametrize("path", ["recipes/registry.yaml", "recipes/overlays/base.yaml", ".github/workflows/ci.yaml"])
def test_what_every_recipe_depends_on_promotes_all(real: History, path: str) -> None:
    """All 40 recipes with an accelerator are touched; those that have nodes run."""
    real.branch().touch(path)
    every = accelerated(real.catalog)
    assert len(every) == 40
    assert set(selected(real)) == with_nodes(real, every)
    assert len(with_nodes(real, every)) == 25


@needs_real_data
def test_what_no_recipe_is_made_of_touches_none(real: History) -> None:
    """Paths are compared whole, never as parts of each other."""
    real.branch().touch(
        "README.md",
        "docs/eks.yaml",
        "elsewhere/recipes/overlays/eks.yaml",  # ends with the path of an overlay
        "recipes/overlays/eks.md",
        "recipes/components/gpu-operator/values.yaml.orig",  # begins with the path of a values file
        "profiles/eks.yaml",
    )
    change = real.since()
    assert change.touched == {}
    assert change.what.startswith("6 files committed since ")


@needs_real_data
def test_the_tiers_of_the_real_data_have_their_known_sizes(real: History) -> None:
    """57 testable, 17 generic; each testable recipe is selected or left out with a reason, in every tier."""
    history = real.branch()
    assert len(history.catalog.testable()) == 57
    assert len(history.catalog.generic()) == 17
    for tier in Tier:
        found = select(history.catalog, history.profiles, tier, deployers=LANES, touched={})
        names = [*found.recipes, *(each.recipe for each in found.left_out)]
        assert sorted(names) == sorted(history.catalog.testable())
        assert all(cell.reason for cell in found.cells)
        assert all(each.reason for each in found.left_out)


def test_the_overrides_in_use_touch_every_recipe(ours: History) -> None:
    """A committed file of settings or overrides that the run reads; another one at its side touches none."""
    ours.branch().touch("deploy/overrides.yaml")
    for name, touched in (("overrides.yaml", set(ours.catalog.testable())), ("other.yaml", set())):
        used = (ours.top / "deploy" / name,)
        found = changes.since("main", ours.catalog, ours.profiles, used=used, checkout=ours.top)
        assert set(found.touched) == touched


def test_what_others_did_on_the_base_branch_does_not_count(ours: History) -> None:
    """Compared with where the branch began: the bash harness compared with the tip, and tested others' changes."""
    ours.branch().touch("recipes/overlays/gb200-eks-training.yaml")
    ours.branch("ahead").touch("recipes/overlays/eks.yaml", "recipes/registry.yaml")
    ours.git("checkout", "--quiet", "work")
    assert set(ours.since("ahead").touched) == {"gb200-eks-training"}


def test_an_overlay_that_is_gone_touches_whom_it_applied_to(ours: History) -> None:
    """Nobody names an overlay that applies by its criteria: only the state before the change knows."""
    ours.branch().git("rm", "--quiet", "recipes/overlays/h100-any.yaml")
    ours.commit()
    found = ours.since().touched
    assert set(found) == accelerated(ours.catalog, accelerator="h100")
    assert found["h100-eks-inference"] == (
        "h100-any applies too (it matches accelerator h100), before the change: overlays/h100-any.yaml was deleted"
    )


def test_an_overlay_with_other_criteria_touches_old_and_new(ours: History) -> None:
    """Those that it applied to and those that it applies to now."""
    ours.branch().replace("recipes/overlays/h100-any.yaml", "accelerator: h100", "accelerator: gb200")
    ours.commit()
    assert set(ours.since().touched) == accelerated(ours.catalog)


def test_values_that_are_gone_touch_who_had_them(ours: History) -> None:
    """components/<name>/values.yaml is used without being named."""
    values = "components/gpu-operator/values.yaml"
    start = ours.branch("start")
    start.replace("recipes/overlays/base.yaml", f"valuesFile: {values}", "cleanup: false")
    start.commit()
    ours.branch(start="start").git("rm", "--quiet", f"recipes/{values}")
    ours.commit()
    others = {"components/gpu-operator/values-aks.yaml", "components/gpu-operator/values-training.yaml"}
    catalog = ours.catalog
    users = {
        name for name in catalog.testable() if {f"recipes/{file}" for file in others} & {*why(catalog, name).files}
    }
    assert ours.since("start").touched == dict.fromkeys(
        users, f"values of gpu-operator, before the change: {values} was deleted"
    )
    assert users


def test_a_renamed_file_counts_under_both_names(ours: History) -> None:
    """The recipe that lost its name to another is touched by the new one."""
    ours.branch().git("mv", "recipes/overlays/gb200-eks-training.yaml", "recipes/overlays/gb200-eks-serving.yaml")
    ours.replace("recipes/overlays/gb200-eks-serving.yaml", "name: gb200-eks-training", "name: gb200-eks-serving")
    ours.commit()
    change = ours.since()
    assert sorted(file.name for file in change.files) == ["gb200-eks-serving.yaml", "gb200-eks-training.yaml"]
    assert change.touched["gb200-eks-serving"] == "its own overlay: overlays/gb200-eks-serving.yaml changed"


def test_a_file_of_a_local_chart_touches_who_installs_the_chart(ours: History) -> None:
    """Below the directory of the chart, deleted files too; a chart whose name merely begins alike does not count."""
    ours.branch().git("rm", "--quiet", "charts/inference-server/values.yaml")
    ours.touch("charts/inference/values.yaml")
    found = ours.since().touched
    assert found["h100-eks-inference"] == "chart of inference-server: charts/inference-server/values.yaml was deleted"
    assert "h100-eks-training" not in found


def test_data_that_was_broken_before_touches_everything(ours: History) -> None:
    """What a recipe was made of cannot be told, so it may have changed: the fix of broken data is tested."""
    broken = ours.branch("broken")
    broken.touch("recipes/overlays/unfinished.yaml")
    ours.branch(start="broken").git("rm", "--quiet", "recipes/overlays/unfinished.yaml")
    ours.commit()
    found = ours.since("broken").touched
    assert set(found) == set(ours.catalog.testable())
    assert "cannot be read" in found["h100-eks-inference"]


@pytest.mark.parametrize("nested", [True, False])
def test_data_may_lie_anywhere_in_its_repository(nested: bool, tmp_path: Path) -> None:
    """Deep within it, or so that the recipes directory is the repository and profiles are outside."""
    if nested:
        shutil.copytree(OURS / "recipes", tmp_path / "data/deep/recipes")
        shutil.copytree(OURS / "charts", tmp_path / "data/deep/charts")
        history, root = History(tmp_path, tmp_path / "nothing"), tmp_path / "data/deep"
    else:
        shutil.copytree(OURS / "charts", tmp_path / "charts")
        shutil.copytree(OURS / "recipes", tmp_path / "recipes")
        history, root = History(tmp_path / "recipes", tmp_path / "nothing"), tmp_path
    history.branch()
    (root / "recipes/overlays/h100-any.yaml").unlink()
    history.commit()
    catalog, profiles = Catalog.load(root / "recipes"), Profiles(root / "profiles", OURS / "profiles")
    found = changes.since("main", catalog, profiles, used=(DEFAULT_FILE,), checkout=history.top).touched
    if nested:
        assert set(found) == accelerated(catalog, accelerator="h100")
    else:  # the charts are not in its history, so what recipes were made of cannot be told
        assert set(found) == set(catalog.testable())


def test_what_is_not_committed_does_not_count(ours: History) -> None:
    """As in CI, where there is nothing else."""
    ours.branch()
    ours.replace("recipes/overlays/h100-any.yaml", "accelerator: h100", "accelerator: gb200")
    assert ours.since().touched == {}
    assert ours.since().files == ()


def test_data_outside_the_repository_is_told(ours: History) -> None:
    """Recipes that are not committed would never be touched: that is an error, and not an empty selection."""
    ours.branch()
    (ours.top / ".gitignore").write_text("copied\n")
    for name in ("recipes", "charts"):
        shutil.copytree(ours.top / name, ours.top / "copied" / name)
    catalog = Catalog.load(ours.top / "copied" / "recipes")
    with pytest.raises(DataError, match="is not part of the repository"):
        changes.since("main", catalog, ours.profiles, used=(DEFAULT_FILE,), checkout=ours.top)


def test_recipes_of_the_package_are_not_those_of_a_checkout(ours: History) -> None:
    """An installed harness carries samples: no commit changes them, and none is looked for where they lie."""
    ours.branch()
    catalog = Catalog.load(OURS / "recipes")
    with pytest.raises(DataError, match="is not part of the repository") as caught:
        changes.since("main", catalog, ours.profiles, used=(DEFAULT_FILE,), checkout=ours.top / "charts")
    assert "-o recipes=" in caught.value.do


def test_the_harness_of_the_checkout_counts_and_not_the_one_that_runs(tmp_path: Path) -> None:
    """A wheel that was installed from the checkout lies elsewhere: its files are not those that a commit changes."""
    (tmp_path / "kwok").mkdir()
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "kwok-harness"\n')
    for part in ("recipes", "charts", "profiles"):
        shutil.copytree(OURS / part, tmp_path / "kwok" / part)
    history = History(tmp_path, tmp_path / "nothing")
    catalog = Catalog.load(tmp_path / "kwok" / "recipes")
    profiles = Profiles(tmp_path / "kwok" / "profiles", OURS / "profiles")

    def touched(path: str) -> set[str]:
        history.branch().touch(path)
        found = changes.since("main", catalog, profiles, used=(DEFAULT_FILE,), checkout=tmp_path / "kwok")
        return set(found.touched)

    assert touched("harness/settings.yaml") == touched("lanes/helm.py") == set(catalog.testable())
    assert touched("kwok/recipes/overlays/gb200-eks-training.yaml") == {"gb200-eks-training"}
    assert touched("docs/page.md") == set()


def test_a_directory_that_is_called_harness_is_not_the_harness(ours: History) -> None:
    """In a repository of somebody else's it is none of ours."""
    ours.branch().touch("harness/cells/cell.py", "pyproject.toml")
    assert ours.since().touched == {}
