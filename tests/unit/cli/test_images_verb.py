"""`images`: what is printed, and which way a file goes. The engine behind the socket is a fake."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.__main__ import run
from harness.exits import Exit
from harness.settings import load
from tests.fakes.engine import FakeEngine, Stored

REFERENCES = load(environment={}).images
REGISTRY = Stored("sha256:" + "1" * 64, tags=(REFERENCES["registry"],), size=53_000_000)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeEngine]:
    with FakeEngine() as engine:
        monkeypatch.setenv("DOCKER_HOST", engine.environment["DOCKER_HOST"])
        yield engine


def test_every_image_is_listed(fake: FakeEngine, capsys: pytest.CaptureFixture[str]) -> None:
    """A line for each, with its state; for people a size that can be read."""
    fake.images = [REGISTRY]
    assert run(["images", "list"]) is Exit.OK
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert set(lines) == {"image", *REFERENCES}
    assert "here" in lines["registry"]
    assert "53 MB" in lines["registry"]
    assert "missing" in lines["node"]


def test_the_list_for_scripts(fake: FakeEngine, capsys: pytest.CaptureFixture[str]) -> None:
    """Whole ids, and bytes."""
    fake.images = [REGISTRY]
    assert run(["images", "list", "--json"]) is Exit.OK
    [found] = [each for each in json.loads(capsys.readouterr().out) if each["name"] == "registry"]
    assert found == {
        "name": "registry",
        "reference": REFERENCES["registry"],
        "state": "here",
        "tag": REFERENCES["registry"],
        "size": 53_000_000,
        "id": REGISTRY.id,
    }


def test_images_go_into_a_file_and_out_of_it(
    fake: FakeEngine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`save` pulls what is missing, of those that are named; `load` says what is there now."""
    fake.answers = {REFERENCES["registry"]: [REGISTRY]}
    file = str(tmp_path / "images.tar")
    assert run(["images", "save", file, "registry"]) is Exit.OK
    assert capsys.readouterr().out.strip() == file
    assert fake.pulled == [REFERENCES["registry"]]
    fake.images = []
    assert run(["images", "load", file]) is Exit.OK
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines() if line.startswith("registry ")] == [
        "here"
    ]


def test_without_an_engine_the_ways_out_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And no traceback."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none")
    assert run(["images", "pull"]) is Exit.SETTINGS
    assert "no container engine answers" in capsys.readouterr().err


@pytest.mark.usefixtures("fake")
def test_an_unknown_image_is_a_wrong_word(capsys: pytest.CaptureFixture[str]) -> None:
    """With the nearest known one."""
    assert run(["images", "pull", "registyr"]) is Exit.USAGE
    assert "did you mean registry" in capsys.readouterr().err


@pytest.mark.usefixtures("fake")
def test_an_image_that_cannot_be_had_ends_with_10(capsys: pytest.CaptureFixture[str]) -> None:
    """With the reason of the registry."""
    assert run(["images", "pull", "registry"]) is Exit.SETTINGS
    assert "manifest unknown" in capsys.readouterr().err


SUITE = """
apiVersion: kwok-harness/v1
kind: EndToEndSuite
metadata: {name: small}
cluster: {real: [platform]}
setup:
  - {name: images, images: [kwok-harness.invalid/platform:1, "docker.io/library/registry:3.0.0"]}
cases:
  - {name: one, path: cases/one}
"""
CASE = """
apiVersion: chainsaw.kyverno.io/v1alpha1
kind: Test
metadata: {name: one}
spec: {steps: [{name: apply, try: [{apply: {file: map.yaml}}]}]}
"""
MAP = "{apiVersion: v1, kind: ConfigMap, metadata: {name: one}}"
POD = """
kind: Pod
metadata: {name: one, namespace: platform}
spec: {containers: [{name: main, image: registry.example/scoring:2}]}
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    (tmp_path / "suite" / "manifests").mkdir(parents=True)
    (tmp_path / "suite" / "suite.yaml").write_text(SUITE)
    (tmp_path / "suite" / "cases" / "one").mkdir(parents=True)
    (tmp_path / "suite" / "cases" / "one" / "chainsaw-test.yaml").write_text(CASE)
    (tmp_path / "suite" / "cases" / "one" / "map.yaml").write_text(MAP)
    (tmp_path / "suite" / "manifests" / "pod.yaml").write_text(POD)
    return tmp_path / "suite"


def test_images_of_a_suite_are_taken_in(
    fake: FakeEngine, suite: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Listed, pulled, saved and loaded by the references of its files; what the settings name already is not twice."""
    scoring = Stored("sha256:" + "2" * 64, tags=("registry.example/scoring:2",))
    platform = Stored("sha256:" + "3" * 64, tags=("kwok-harness.invalid/platform:1",))
    fake.images, fake.answers = [REGISTRY, platform], {"registry.example/scoring:2": [scoring]}
    assert run(["images", "list", "--suite", str(suite), "--json"]) is Exit.OK
    states = {each["name"]: each["state"] for each in json.loads(capsys.readouterr().out)}
    assert set(states) == {*REFERENCES, "registry.example/scoring:2", "kwok-harness.invalid/platform:1"}
    assert states["registry.example/scoring:2"] == "missing"
    assert run(["images", "pull", "registry", "--suite", str(suite)]) is Exit.OK
    assert fake.pulled == ["registry.example/scoring:2"]
    file = str(tmp_path / "images.tar")
    assert run(["images", "save", file, "registry", "--suite", str(suite)]) is Exit.OK
    fake.images = []
    capsys.readouterr()
    assert run(["images", "load", file, "--suite", str(suite)]) is Exit.OK
    here = [line.split()[0] for line in capsys.readouterr().out.splitlines() if " here " in line]
    assert set(here) == {"registry", "registry.example/scoring:2", "kwok-harness.invalid/platform:1"}


@pytest.mark.usefixtures("fake")
def test_a_missing_image_of_a_suite_has_code_10(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is named, with how it is made."""
    assert run(["images", "pull", "--suite", str(suite)]) is Exit.SETTINGS
    said = capsys.readouterr().err
    assert "kwok-harness.invalid/platform:1" in said
    assert "target suite-images" in said


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        (POD.replace("scoring:2", "scoring:2, imagePullPolicy: Always"), Exit.SETTINGS, "pod.yaml:4"),
        (POD.replace("registry.example/scoring:2", "Not an Image:1"), Exit.SETTINGS, "names no image"),
    ],
)
def test_an_image_that_can_never_be_taken_has_code_10(
    text: str, code: Exit, said: str, suite: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With file and line."""
    (suite / "manifests" / "pod.yaml").write_text(text)
    assert run(["images", "list", "--suite", str(suite)]) is code
    assert said in capsys.readouterr().err


@pytest.mark.usefixtures("fake")
def test_a_folder_that_is_no_suite_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Rather than a suite without images."""
    assert run(["images", "list", "--suite", str(tmp_path)]) is not Exit.OK
    assert "suite.yaml" in capsys.readouterr().err
