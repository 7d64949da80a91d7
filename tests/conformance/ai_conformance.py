"""The AI-conformance suite of the samples as plain data, for tests of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from harness.assertions.expressions.context import Context
from harness.assertions.template import compile_template
from harness.formats.documents import Document
from harness.settings import ROOT

SUITE = ROOT / "kwok" / "suites" / "ai-conformance"
CLUSTER = SUITE / "cluster"
OFFLINE = SUITE / "offline"
RECIPE = "h100-eks-ubuntu-inference-dynamo"
TEST_FILE = "chainsaw-test.yaml"
NOT_OF_THE_STACK = {"nfd", "prometheus-operator-crds"}  # what every recipe of the samples begins with
OFF_IN_THE_RECIPE = "aws-ebs-csi-driver"


def documents(file: Path, work: Path) -> Iterator[dict[str, Any]]:
    """The documents of a file, each read strictly, by way of a file of its own in `work`."""
    for part in file.read_text(encoding="utf-8").split("\n---\n"):
        alone = work / file.name
        alone.write_text(part, encoding="utf-8")
        read = Document.read(alone).data
        assert read == yaml.safe_load(part)
        yield read


def read_test(folder: Path) -> dict[str, Any]:
    """The one Test of a folder."""
    found = Document.read(folder / TEST_FILE).data
    assert isinstance(found, dict)
    return found


def trees(folder: Path) -> list[Path]:
    """The files of a folder that asserts are in."""
    return sorted(file for file in folder.glob("*.yaml") if file.name != TEST_FILE)


def bindings(listed: list[dict[str, Any]], known: dict[str, Any]) -> dict[str, Any]:
    """`known` and the bindings of a test, a step or an operation, evaluated one after another."""
    for each in listed:
        known = {**known, each["name"]: compile_template(each["value"]).render(None, Context(bindings=known))}
    return known


def asserted(folder: Path, values: Any) -> list[Path]:
    """The files that the asserts of a test name under `values`, in the order of its steps."""
    spec = read_test(folder)["spec"]
    test = bindings(spec["bindings"], {"values": values})
    files = []
    for step in spec["steps"]:
        known = bindings(step.get("bindings", []), test)
        for operation in step["try"]:
            file = compile_template(operation["assert"]["file"]).render(None, Context(bindings=known))
            files.append((folder / file).resolve())
    return files
