"""A small data directory to write test recipes into, and where the real data stands."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.names import API_VERSION
from harness.recipes.load import Catalog
from harness.settings import ROOT

REAL = ROOT.parent / "shared" / "aicr-recipes" / "recipes"
REFERENCES = ROOT.parent / "shared" / "aicr-bundles"
needs_real_data = pytest.mark.skipif(
    not (REAL.is_dir() and REFERENCES.is_dir()), reason="the real recipe data (../shared) is not beside this clone"
)

Spec = dict[str, Any]


class Data:
    """A data root below `root`: `base` without components, a registry of `names`, more by its methods."""

    def __init__(self, root: Path, *names: str) -> None:
        self.directory = root / "recipes"
        self.registry(*({"name": name, "helm": {"defaultRepository": "", "defaultNamespace": name}} for name in names))
        self.file("manifests/some.yaml", "")
        self.overlay("base", {})

    def file(self, path: str, text: str | bytes) -> Path:
        file = self.directory / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        return file

    def registry(self, *entries: Spec) -> Path:
        return self._document("registry.yaml", "ComponentRegistry", {"components": list(entries)})

    def overlay(self, name: str, spec: Spec) -> Path:
        return self._document(f"overlays/{name}.yaml", "RecipeMetadata", {"metadata": {"name": name}, "spec": spec})

    def mixin(self, name: str, spec: Spec) -> Path:
        return self._document(f"mixins/{name}.yaml", "RecipeMixin", {"metadata": {"name": name}, "spec": spec})

    def load(self) -> Catalog:
        return Catalog.load(self.directory)

    def _document(self, path: str, kind: str, body: Spec) -> Path:
        return self.file(path, yaml.safe_dump({"apiVersion": API_VERSION, "kind": kind, **body}, sort_keys=False))


def ref(name: str, **fields: Any) -> Spec:
    """A componentRef with a manifest, so that it is deployable without a chart."""
    return {"name": name, "manifestFiles": ["manifests/some.yaml"], **fields}
