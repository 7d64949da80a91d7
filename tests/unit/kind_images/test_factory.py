"""The factory's steps: what is there is passed over, an engine that cannot says so early, nothing half made stays."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

import pytest

from hack.kind_images.factory import Factory
from hack.kind_images.images import MADE_FROM, Image
from hack.kind_images.layers import File, Files
from hack.kind_images.workshop import Refused
from harness.errors import ToolError
from harness.progress import Silent
from harness.settings import load


class Engine:
    """Has the images that were loaded, by reference, with the labels that it was told of beforehand."""

    def __init__(self) -> None:
        self.labels: dict[str, dict[str, str]] = {}
        self.loaded: list[bytes] = []

    def image(self, reference: str) -> SimpleNamespace | None:
        return (
            SimpleNamespace(id=f"id of {reference}", labels=self.labels[reference])
            if reference in self.labels
            else None
        )

    def load(self, tar: IO[bytes]) -> None:
        self.loaded.append(tar.read())


class Workshop:
    def __init__(self, refusal: Exception | None = None) -> None:
        self.refusal = refusal
        self.forgotten: list[str] = []

    def try_privileged(self, reference: str, words: Sequence[str]) -> None:
        if self.refusal:
            raise self.refusal

    def forget(self, reference: str) -> None:
        self.forgotten.append(reference)


class Making:
    """A factory on stand-ins, and what it told."""

    def __init__(self, directory: Path) -> None:
        self.told: list[str] = []
        self.factory: Any = Factory(load(environment={}), directory, Silent(), self.told.append)
        self.factory._work.mkdir(parents=True)
        (directory / "program").write_bytes(b"\x7fELF")
        self.program = directory / "program"
        self.engine, self.workshop = Engine(), Workshop()

    def left(self) -> list[Path]:
        return list(self.factory._work.iterdir())


@pytest.fixture
def making(tmp_path: Path) -> Making:
    return Making(tmp_path)


IMAGE = Image("a.example/x:1", [Files(File("x", b"1"))])


def test_an_image_that_the_engine_lacks_is_made(making: Making) -> None:
    """Loaded, told with its time, and its archive is gone."""
    assert making.factory._have(making.engine, making.workshop, IMAGE) is True
    assert len(making.engine.loaded) == 1
    assert making.told[-1].startswith("load a.example/x:1")
    assert making.told[-1].endswith(" s")
    assert making.left() == []


def test_an_image_made_from_the_same_things_is_not_made_again(making: Making) -> None:
    """And that is said."""
    making.engine.labels[IMAGE.reference] = {MADE_FROM: IMAGE.key}
    assert making.factory._have(making.engine, making.workshop, IMAGE) is False
    assert making.engine.loaded == []
    assert making.told[-1].split() == ["a.example/x:1", "there"]


@pytest.mark.parametrize("labels", [{}, {MADE_FROM: "other"}])
def test_another_image_of_that_name_does_not_count(making: Making, labels: dict[str, str]) -> None:
    """Upstream's own, or one made from other things: the one that belongs there is made.

    It takes the name; an older one of the factory's goes, and nothing of anybody else's.
    """
    making.engine.labels[IMAGE.reference] = labels
    assert making.factory._have(making.engine, making.workshop, IMAGE) is True
    assert making.workshop.forgotten == (["id of a.example/x:1"] if labels else [])


def test_an_engine_that_refuses_a_privileged_container_is_told_what_to_do(making: Making) -> None:
    """With its own words and the lines for it; the image of the trial is gone."""
    workshop = Workshop(Refused("unable to apply caps: operation not permitted"))
    with pytest.raises(ToolError) as raised:
        making.factory._try_privileged(making.engine, workshop, lambda _: making.program)
    assert "unable to apply caps" in raised.value.what
    assert f"install -m 0755 {making.program} " in raised.value.do
    assert '"default-runtime": "runc-bounded"' in raised.value.do
    assert workshop.forgotten == ["kwok-harness/privileged-check:latest"]


def test_an_engine_that_starts_one_is_asked_no_more(making: Making) -> None:
    """The image of the trial is gone here too."""
    workshop = Workshop()
    making.factory._try_privileged(making.engine, workshop, lambda _: making.program)
    assert workshop.forgotten == ["kwok-harness/privileged-check:latest"]


def test_what_an_interrupted_run_left_in_the_work_directory_goes(making: Making) -> None:
    """Before anything is made, and again at the end, whatever it was."""
    (making.factory._work / "image.tar").touch()
    with making.factory._emptied():
        assert making.left() == []
        (making.factory._work / "archives").mkdir()
    assert not making.factory._work.exists()
