"""What preparing a recipe says: notes of the bundler and of what releases share reach the outcome."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.bundles.model import Bundle, Chart, Folder
from harness.cells import prepare as module
from harness.cells.lane import Lane
from harness.cells.prepare import prepare
from harness.progress import Silent
from harness.publishing.oci.address import Address
from harness.recipes.values import SetOverride
from harness.results.journal import Journal
from harness.settings import load
from tests.fakes.bundles import small

NOWHERE: Any = None
FOLDERS = tuple(
    Folder(n, name, name, "ns", Path(), Chart(name, "1")) for n, name in enumerate(("gpu-operator", "scheduler"), 1)
)
CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.example.com"},
    "spec": {"group": "example.com", "names": {"kind": "Widget"}, "scope": "Cluster"},
}


class Bundler:
    sets: Sequence[SetOverride] = ()

    def notes(self, recipe: object) -> tuple[str, ...]:
        return ("set for simulated nodes: scheduler:x=1: because",)

    def make(self, recipe: object, shape: str, directory: Path, target: object = None) -> Bundle:
        return Bundle(directory, shape, FOLDERS, {})


class Renderer:
    def __init__(self, *_: object, **__: object) -> None:
        pass

    def alone(self) -> dict[str, list[dict[str, Any]]]:
        return {"gpu-operator": [CRD], "scheduler": [CRD]}


def test_notes_of_bundler_and_of_shared_crds_are_in_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An outcome has the notes of its journal: what is only printed is lost to the report."""
    monkeypatch.setattr(module, "Renderer", Renderer)
    journal = Journal(Silent())
    prepare(
        small(),
        Lane("helm", "helm", NOWHERE),
        settings=load(environment={}),
        place=Address("localhost:5500", "aicr", plain_http=True),
        name="x",
        here=True,
        bundler=Bundler(),
        helm=NOWHERE,
        journal=journal,
        work=tmp_path,
    )
    assert journal.notes == [
        "set for simulated nodes: scheduler:x=1: because",
        "releases gpu-operator and scheduler bring the same CRD widgets.example.com",
    ]
