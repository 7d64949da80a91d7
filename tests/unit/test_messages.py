"""What the harness says is for somebody who installed a wheel: no make target, no page and no file of a checkout."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.settings import ROOT

FILES = [file for folder in ("harness", "kwok", "lanes") for file in sorted((ROOT / folder).rglob("*.py"))]
TARGETS = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
CHECKOUT = re.compile(
    rf"\bmake (?:{'|'.join(TARGETS)})\b|\b(?:docs|tests|hack)/[\w./-]+|\.venv\b|\b(?:README|CONTRIBUTING)\.md\b"
    r"|\bsettings\.yaml\b"
)
ALLOWED = {
    "build it (`make build` in its repository), set AICR_BIN, or take the built-in bundler",  # of aicr's repository
    "README.md",  # of a bundle
    "settings.yaml",  # the name of the file itself
}


def said(file: Path) -> Iterator[tuple[int, str]]:
    """Every text of a module that is no docstring, with its line."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.lineno, node.value


def help_of_commands(file: Path) -> Iterator[tuple[int, str]]:
    """The docstrings that `--help` shows."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef) and node.decorator_list and (text := ast.get_docstring(node)):
            yield node.lineno, text


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_no_message_names_what_a_wheel_does_not_have(file: Path) -> None:
    """A remedy is a verb, an option or a variable: those everybody has."""
    texts = [*said(file), *(help_of_commands(file) if file.parent.name == "cli" else ())]
    found = [f"line {line}: {text!r}" for line, text in texts if text not in ALLOWED and CHECKOUT.search(text)]
    assert found == []


@pytest.mark.parametrize(
    "text", ["make kind-images, which builds them", "see docs/kind.md", ".venv/bin/x", "set it in settings.yaml"]
)
def test_such_a_message_is_seen(text: str) -> None:
    """The check itself."""
    assert CHECKOUT.search(text)
