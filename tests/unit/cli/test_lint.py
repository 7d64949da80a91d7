"""`lint` prints every problem, and its exit code says whether there is an error."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli import cli
from harness.errors import UsageError
from harness.exits import Exit

GOOD = "apiVersion: chainsaw.kyverno.io/v1alpha1\nkind: Test\nmetadata: {name: a}\nspec: {steps: []}\n"


def lint(*words: str) -> tuple[Exit, str]:
    result = CliRunner().invoke(cli, ["lint", *words], standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return Exit(result.return_value), result.output


def test_a_good_folder_is_code_0(tmp_path: Path) -> None:
    """And the tests are counted."""
    (tmp_path / "chainsaw-test.yaml").write_text(GOOD)
    assert lint(str(tmp_path)) == (Exit.OK, "1 test, 0 errors, 0 warnings\n")


def test_an_error_is_code_10_with_file_and_line(tmp_path: Path) -> None:
    """Invalid data, as everywhere else; nothing ran."""
    file = tmp_path / "chainsaw-test.yaml"
    file.write_text(GOOD.replace("steps: []", "steps: [], concurent: true"))
    code, output = lint(str(tmp_path))
    assert code is Exit.SETTINGS
    assert output.splitlines()[:2] == [f"{file}:4: error: unknown field 'concurent'", "  did you mean concurrent?"]


def test_the_same_as_json(tmp_path: Path) -> None:
    """Counts, and each problem with its place."""
    (tmp_path / "chainsaw-test.yaml").write_text(GOOD.replace("steps: []", "steps: [], concurent: true"))
    found = json.loads(lint(str(tmp_path), "--json")[1])
    assert (found["tests"], found["errors"], found["warnings"]) == (1, 1, 0)
    assert found["problems"][0]["place"].endswith("chainsaw-test.yaml:4")


def test_a_single_file_may_be_a_configuration(tmp_path: Path) -> None:
    """Files are told apart by their kind."""
    file = tmp_path / "any.yaml"
    file.write_text("apiVersion: chainsaw.kyverno.io/v1alpha2\nkind: Configuration\nspec: {parallel: 1}\n")
    code, output = lint(str(file))
    assert code is Exit.SETTINGS
    assert "unknown field 'parallel'" in output


def test_no_test_and_no_such_folder_are_usage_errors(tmp_path: Path) -> None:
    """A green that looked at nothing would be the worst."""
    with pytest.raises(UsageError, match="no test found"):
        lint(str(tmp_path))
    with pytest.raises(UsageError, match="file or folder not found"):
        lint(str(tmp_path / "nope"))
