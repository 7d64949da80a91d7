"""docs/architecture.md and the import contract say the same of the tree."""

import re
import tomllib

from harness.settings import ROOT

CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
[LAYERS] = [each["layers"] for each in CONTRACTS if each["name"] == "Imports point one way"]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def contract() -> list[set[str]]:
    return [set(layer.split(" | ")) for layer in LAYERS]


def test_every_package_has_a_layer() -> None:
    """One that is missing from the contract could import anything."""
    there = {"lanes", "kwok"}
    for path in (ROOT / "harness").iterdir():
        if path.suffix == ".py" and path.name != "__init__.py":
            there.add(f"harness.{path.stem}")
        elif (path / "__init__.py").is_file():
            there.add(f"harness.{path.name}")
    assert there == set().union(*contract())


def test_the_page_has_the_layers_of_the_contract() -> None:
    """In the same order, each with the packages of its line."""
    rows = re.findall(r"^\| (`(?:harness|lanes|kwok)[^|]*) \|", PAGE, re.MULTILINE)
    assert [set(re.findall(r"`([\w.]+)`", row)) for row in rows if "/" not in row] == contract()


def test_places_that_the_page_names_are_there() -> None:
    """Files and folders in backticks; names in capitals stand for any."""
    places = {each for each in re.findall(r"`((?:harness|kwok|lanes)/[\w./]*)`", PAGE) if "NAME" not in each}
    assert places
    assert [each for each in sorted(places) if not (ROOT / each).exists()] == []
