"""The images of the sample suite: what is in them, and as whom they run."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from hack.kind_images import suites
from hack.kind_images.images import Image
from hack.kind_images.layers import Directory, Entry, Files
from harness.settings import ROOT
from kwok.engine.references import Reference

SUITE = ROOT / "kwok" / "suites" / "platform"


class Layer:
    def __init__(self, key: str) -> None:
        self.key = key


@pytest.fixture
def images(tmp_path: Path) -> dict[str, Image]:
    (tmp_path / "s3").write_bytes(b"\x7fELF")
    python: Any = Layer("python")
    packages: Any = Layer("packages")
    made = suites.images(lambda name: tmp_path / name, python, packages)
    return {each.reference.rpartition("/")[2]: each for each in made}


def entries(image: Image) -> dict[str, Entry]:
    return {each.path: each for layer in image.layers if isinstance(layer, Files) for each in layer.entries}


def test_no_registry_has_them(images: dict[str, Image]) -> None:
    """By their names, so a missing one is made, and never pulled from somebody else."""
    assert set(images) == {"platform:1", "http-stub:1", "s3:1"}
    assert all(Reference.parse(each.reference).made_here for each in images.values())


def test_they_run_without_rights(images: dict[str, Image]) -> None:
    """By number, which is what runAsNonRoot can check; only S3 has a directory of its own."""
    assert {each.runs["User"] for each in images.values()} == {"65532:65532"}
    owned = {path for each in images.values() for path, entry in entries(each).items() if getattr(entry, "owner", 0)}
    assert owned == {"data"}
    assert entries(images["s3:1"])["tmp"] == Directory("tmp", 0o1777)


def test_the_platform_has_every_program_of_the_suite(images: dict[str, Image]) -> None:
    """Where the manifests of the suite run them, with the packages that the operator needs."""
    programs = {Path("/", path) for path in entries(images["platform:1"])}
    assert {each.name for each in programs} == {each.name for each in (SUITE / "programs").glob("*.py")}
    assert [getattr(layer, "key", "") for layer in images["platform:1"].layers][:2] == ["python", "packages"]
    for file in (SUITE / "manifests").rglob("*.yaml"):
        for document in yaml.safe_load_all(file.read_text()):
            for container in (document.get("spec") or {}).get("template", {}).get("spec", {}).get("containers", ()):
                if container["image"].endswith("/platform:1"):
                    assert Path(container["command"][1]) in programs, file


def test_the_stub_is_the_one_of_the_host_runtime(images: dict[str, Image]) -> None:
    """It answers what the suite's node is asked, and to whoever asks in the cluster."""
    image, found = images["http-stub:1"], entries(images["http-stub:1"])
    assert getattr(found["opt/http-stub/http_stub.py"], "content") == suites.STUB  # noqa: B009 - of one kind of entry
    routes = json.loads(getattr(found["opt/http-stub/routes.json"], "content"))  # noqa: B009
    assert routes == [{"path": "/healthz", "body": "ok"}]
    assert image.runs["Entrypoint"] == [
        "python3",
        "/opt/http-stub/http_stub.py",
        "8080",
        "8081",
        "/opt/http-stub/routes.json",
    ]
    assert image.runs["Cmd"] == ["0.0.0.0"]  # noqa: S104 - what is asserted


def test_a_changed_program_is_another_image(tmp_path: Path) -> None:
    """And is made anew; what has not changed is not."""
    layer: Any = Layer("any")
    (tmp_path / "operator.py").write_text("1")
    (tmp_path / "s3").write_text("1")

    def keys() -> list[str]:
        return [each.key for each in suites.images(lambda name: tmp_path / name, layer, layer, tmp_path)]

    before = keys()
    (tmp_path / "operator.py").write_text("2")
    assert [one == other for one, other in zip(before, keys(), strict=True)] == [False, True, True]
