"""The image of the checks: the one that the catalog names, with the harness and what it needs."""

from typing import Any

import yaml

from hack.kind_images import pins, python_packages
from hack.kind_images.checks import validators
from hack.kind_images.layers import File, Files
from harness.settings import ROOT, load


def test_the_suite_has_the_interpreter_that_packages_are_for() -> None:
    """Debian 12 has Python 3.11."""
    system = pins.load(load(environment={}).tools).rootfs["python"]
    assert (system.suite, python_packages.VERSION) == ("bookworm", "3.11")
    assert "python3" in system.packages


def test_the_image_of_the_checks_is_the_one_that_the_catalog_names() -> None:
    """With the harness and what it needs; it runs without rights, and compiled files do not count."""
    layer: Any = Files()
    image = validators(layer, layer)
    catalog = yaml.safe_load((ROOT / "kwok/validators/catalog.yaml").read_text())
    assert {entry["image"] for entry in catalog["validators"]} == {image.reference}
    assert image.runs["Entrypoint"] == ["python3", "-m", "harness.validators"]
    assert image.runs["User"] == "65534:65534"
    sources = image.layers[-1]
    assert isinstance(sources, Files)
    paths = {entry.path for entry in sources.entries if isinstance(entry, File)}
    assert "opt/kwok-harness/harness/validators/__main__.py" in paths
    assert not [path for path in paths if "__pycache__" in path]


def test_the_containerfile_makes_the_same_image() -> None:
    """The same entry point and user."""
    text = (ROOT / "Containerfile").read_text()
    assert 'ENTRYPOINT ["python3", "-m", "harness.validators"]' in text
    assert "USER 65534:65534" in text
