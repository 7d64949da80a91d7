import shutil
from pathlib import Path

import pytest
import yaml

from harness.bundles.bundlers.aicr import AicrBundler, find_aicr
from harness.errors import DataError, HarnessError, ToolError, UsageError
from harness.exits import Exit
from harness.recipes.load import Catalog
from harness.recipes.resolve import resolve
from harness.recipes.values import parse_set
from tests.fakes.aicr import StandIn, options
from tests.fakes.bundles import GOLDEN, NAME, REAL, REFERENCES, needs_references, small, tree


@pytest.fixture
def answer(tmp_path: Path) -> Path:
    """A bundle for the stand-in to answer with."""
    shutil.copytree(GOLDEN / "helm" / NAME, tmp_path / "answer")
    return tmp_path / "answer"


def test_the_recipe_is_asked_for_by_all_its_criteria(tmp_path: Path, answer: Path) -> None:
    """Platform too, whose absence made the bash harness test parents; generic criteria are left out."""
    aicr = StandIn(tmp_path, answer)
    AicrBundler(aicr.binary).make(small(), "helm", tmp_path / "bundle")
    verb, *rest = aicr.calls[0]
    assert verb == "recipe"
    assert rest[:8] == ["--service", "eks", "--accelerator", "h100", "--intent", "training", "--platform", "kubeflow"]
    assert rest[8] == "--output"
    assert len(rest) == 10


def test_the_bundle_is_asked_for_with_the_placement_of_simulated_nodes(tmp_path: Path, answer: Path) -> None:
    """The flags of the bash harness, for the recipe that was just written; helm is not named, being the default."""
    aicr = StandIn(tmp_path, answer)
    AicrBundler(aicr.binary).make(small(), "helm", tmp_path / "bundle")
    verb, *rest = aicr.calls[1]
    assert verb == "bundle"
    assert options(rest, "--recipe") == options(aicr.calls[0], "--output")
    assert options(rest, "--deployer") == []
    assert options(rest, "--system-node-selector") == ["aicr.nvidia.com/node-type=system"]
    assert options(rest, "--accelerated-node-selector") == ["aicr.nvidia.com/node-type=accelerated"]
    assert options(rest, "--system-node-toleration") == ["kwok.x-k8s.io/node=fake:NoSchedule"]
    assert options(rest, "--accelerated-node-toleration") == [
        "nvidia.com/gpu=present:NoSchedule",
        "kwok.x-k8s.io/node=fake:NoSchedule",
    ]


def test_the_bundle_is_what_the_command_line_wrote(tmp_path: Path, answer: Path) -> None:
    """Nothing is added, changed or left behind."""
    aicr = StandIn(tmp_path, answer)
    bundle = AicrBundler(aicr.binary).make(small(), "helm", tmp_path / "out" / "bundle")
    assert tree(bundle.directory) == tree(answer)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["bundle"]
    assert bundle.folders[0].release == "certificates"


def test_overrides_are_passed_only_for_components_of_the_recipe(tmp_path: Path, answer: Path) -> None:
    """The command line refuses an override of an absent component; an override key is as good as the name."""
    aicr = StandIn(tmp_path, answer)
    sets = [parse_set(text) for text in ("gpuoperator:a.b=1", "tuning:enabled=false", "certmanager:a=b")]
    AicrBundler(aicr.binary, sets).make(small(), "helm", tmp_path / "bundle")
    assert options(aicr.calls[1], "--set") == ["gpuoperator:a.b=1", "tuning:enabled=false"]


@pytest.mark.parametrize(
    ("before", "what"),
    [
        pytest.param("sys.exit('no such criteria')", "aicr recipe failed: (?s:.*)no such criteria", id="recipe fails"),
        pytest.param("sys.exit(0)", "aicr recipe succeeded, but wrote no recipe", id="recipe silent"),
        pytest.param("time.sleep(60)", "aicr recipe failed: .*not done after 1 s", id="recipe hangs"),
        pytest.param("verb == 'bundle' and sys.exit('boom')", "aicr bundle failed: (?s:.*)boom", id="bundle fails"),
        pytest.param("verb == 'bundle' and sys.exit(0)", "succeeded, but wrote no bundle", id="bundle silent"),
        pytest.param(
            "verb == 'bundle' and time.sleep(60)", "aicr bundle failed: .*not done after 1", id="bundle hangs"
        ),
    ],
)
def test_a_command_line_that_fails_is_one_clear_error(tmp_path: Path, answer: Path, before: str, what: str) -> None:
    """What it said, what to do, and no half bundle."""
    aicr = StandIn(tmp_path, answer, before)
    with pytest.raises(HarnessError, match=what) as caught:
        AicrBundler(aicr.binary, timeout=1.0).make(small(), "helm", tmp_path / "out" / "bundle")
    assert "bundler: builtin" in caught.value.do
    assert list((tmp_path / "out").iterdir()) == []


def test_a_binary_for_another_machine_is_one_clear_error(tmp_path: Path) -> None:
    """Whatever is executable was found; whether it runs is seen when it does not."""
    (tmp_path / "aicr").write_bytes(b"\x7fELFnothing")
    (tmp_path / "aicr").chmod(0o755)
    with pytest.raises(HarnessError, match=r"cannot run .*aicr: Exec format error"):
        AicrBundler(tmp_path / "aicr").make(small(), "helm", tmp_path / "bundle")


def changed(answer: Path, old: str, new: str) -> None:
    file = answer / "recipe.yaml"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("  name: tuning\n", "  name: turning\n", "it lacks tuning; it has turning besides"),
        ("  - eks-training-kubeflow\n", "  - eks-training\n", "eks-training-kubeflow was not applied, but base, eks-"),
    ],
)
def test_another_recipe_than_the_one_that_was_named_is_refused(
    tmp_path: Path, answer: Path, old: str, new: str, what: str
) -> None:
    """A bundle of the recipe's parent must never pass for the recipe's."""
    changed(answer, old, new)
    aicr = StandIn(tmp_path, answer)
    with pytest.raises(DataError, match=what):
        AicrBundler(aicr.binary).make(small(), "helm", tmp_path / "bundle")
    assert [call[0] for call in aicr.calls] == ["recipe"]


def test_a_bundle_that_does_not_add_up_is_refused(tmp_path: Path, answer: Path) -> None:
    """It is read before it takes its place."""
    shutil.rmtree(answer / "006-scheduler")
    with pytest.raises(DataError, match="no folder for component scheduler"):
        AicrBundler(StandIn(tmp_path, answer).binary).make(small(), "helm", tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


def test_an_unknown_shape_is_named(tmp_path: Path) -> None:
    """A usage error, before anything runs."""
    with pytest.raises(UsageError, match="unknown shape 'zarf'"):
        AicrBundler(tmp_path / "absent").make(small(), "zarf", tmp_path / "bundle")


def executable(file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("#!/bin/sh\n")
    file.chmod(0o755)
    return file


def test_the_command_line_is_looked_for_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The setting, then dist/ (this machine's build before any other), then PATH."""
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    setting = executable(tmp_path / "mine" / "aicr")
    on_path = executable(tmp_path / "bin" / "aicr")
    monkeypatch.setenv("PATH", str(on_path.parent))
    assert find_aicr("", tmp_path) == on_path
    foreign = executable(tmp_path / "dist" / "aicr_darwin_all" / "aicr")
    assert find_aicr("", tmp_path) == foreign
    native = executable(tmp_path / "dist" / "aicr_linux_arm64_v8.0" / "aicr")
    assert find_aicr("", tmp_path) == native
    plain = executable(tmp_path / "dist" / "aicr")
    assert find_aicr("", tmp_path) == plain
    plain.chmod(0o644)
    assert find_aicr("", tmp_path) == native
    assert find_aicr(str(setting), tmp_path) == setting


@pytest.mark.parametrize("setting", ["", "/nowhere/aicr"])
def test_a_missing_command_line_says_where_it_was_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    """A setting that is wrong is an error, not an invitation to take another one."""
    monkeypatch.setenv("PATH", str(tmp_path))
    if setting:
        executable(tmp_path / "dist" / "aicr")
    with pytest.raises(ToolError, match=setting or "dist and PATH") as caught:
        find_aicr(setting, tmp_path)
    assert caught.value.exit is Exit.SETTINGS


@needs_references
@pytest.mark.parametrize("name", ["eks-training", "h100-eks-ubuntu-training-kubeflow", "kind-inference"])
def test_real_recipes_run_through_the_command_line(name: str, tmp_path: Path) -> None:
    """What the real command line resolved is what our resolver makes of the overlay that was named."""
    aicr = StandIn(tmp_path, REFERENCES / name / "helm" / "bundle")
    recipe = resolve(Catalog.load(REAL), name)
    bundle = AicrBundler(aicr.binary).make(recipe, "helm", tmp_path / "bundle")
    order = yaml.safe_load((bundle.directory / "recipe.yaml").read_text())["deploymentOrder"]
    assert list(dict.fromkeys(folder.component for folder in bundle.folders)) == order
    given = options(aicr.calls[1], "--set")
    assert "certmanager:startupapicheck.enabled=false" in given
    assert not any(text.startswith("dynamoplatform") for text in given)
    assert ("kubeflow" in options(aicr.calls[0], "--platform")) == name.endswith("kubeflow")


def test_the_command_line_runs_in_a_directory_of_its_own(
    tmp_path: Path, answer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It writes to where it is started, for some outputs, and that is not the user's directory.

    Relative paths are the user's all the same.
    """
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    StandIn(tmp_path, answer, before="pathlib.Path('trace').touch()")
    AicrBundler(Path("../aicr")).make(small(), "helm", Path("bundle"))
    assert tree(tmp_path / "here" / "bundle") == tree(answer)
    assert [path.name for path in (tmp_path / "here").iterdir()] == ["bundle"]
