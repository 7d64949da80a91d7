"""The images of what runs in the cluster: every one that the settings name, run as upstream's manifests expect it."""

from pathlib import Path
from typing import Any

import pytest

from hack.kind_images import workloads
from hack.kind_images.images import Image
from hack.kind_images.layers import Entry, Files, Link
from harness.settings import load

SETTINGS = load(environment={})


class Debian:
    key = "debian"


@pytest.fixture
def images(tmp_path: Path) -> dict[str, Image]:
    (tmp_path / "hack").mkdir()
    for name in ("program", "entrypoint.sh", "hack/gpg-wrapper.sh", "hack/git-verify-wrapper.sh"):
        (tmp_path / name).write_text(name)
    (tmp_path / "files/options/locale").mkdir(parents=True)
    (tmp_path / "files/options/locale/locale_en-US.json").write_text("{}")
    debian: Any = Debian()
    made = workloads.images(SETTINGS, lambda _: tmp_path / "program", debian, tmp_path)
    names = {reference: name for name, reference in SETTINGS.images.items()}
    return {names[each.stands_for]: each for each in made}


def entries(image: Image) -> dict[str, Entry]:
    return {each.path: each for layer in image.layers if isinstance(layer, Files) for each in layer.entries}


def test_every_image_of_the_settings_is_made(images: dict[str, Image]) -> None:
    """Under its own name; the node's is made apart."""
    assert set(images) == set(SETTINGS.images) - {"node"}
    assert all(each.reference == SETTINGS.images[name] for name, each in images.items())


def test_every_entrypoint_is_in_its_image(images: dict[str, Image]) -> None:
    """By its path, or where PATH leads; tini is Debian's."""
    for name, image in images.items():
        program = image.runs["Entrypoint"][0].removeprefix("/")
        assert program in ("usr/bin/tini", *entries(image)) or f"usr/local/bin/{program}" in entries(image), name


def test_gitea_has_the_files_that_its_program_looks_for(images: dict[str, Image]) -> None:
    """Beside it; and git, which is Debian's. It does not run as root, as upstream's rootless image does not."""
    assert "usr/local/bin/files/options/locale/locale_en-US.json" in entries(images["gitea"])
    assert any(isinstance(layer, Debian) for layer in images["gitea"].layers)
    assert images["gitea"].runs["User"] == "1000:1000"


def test_controllers_of_flux_do_not_run_as_root(images: dict[str, Image]) -> None:
    """Their manifests demand it, and leave the user to the image."""
    assert {images[name].runs["User"] for name in workloads.FLUX} == {"65534:65534"}


def test_kwok_has_a_home(images: dict[str, Image]) -> None:
    """Its configuration is mounted below it."""
    assert "HOME=/root" in images["kwok"].runs["Env"]


def test_argocd_has_what_its_processes_call(images: dict[str, Image]) -> None:
    """The names that its manifest runs, and the wrappers of gpg and git, without which the repo server ends at once."""
    found = entries(images["argocd"])
    assert {"helm", "kustomize", "gpg-wrapper.sh", "git-verify-wrapper.sh", "entrypoint.sh"} <= {
        path.removeprefix("usr/local/bin/") for path in found
    }
    assert found["usr/local/bin/argocd-repo-server"] == Link("usr/local/bin/argocd-repo-server", "argocd")


def test_argocd_and_redis_share_their_lowest_layer(images: dict[str, Image]) -> None:
    """An engine keeps it once."""
    assert images["argocd"].layers[0] is images["redis"].layers[0]
