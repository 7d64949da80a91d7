"""What `--help`, `--version` and the tab key import: a second of CPU is spent by those who use it."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
import pytest

from harness.cli import Verb, cli

NEEDED = {
    "harness",
    "harness.__main__",
    "harness.cli",
    "harness.errors",
    "harness.exits",
    "harness.processes",
    "harness.processes.signals",
    "harness.names",
}
HEAVY = {"kubernetes", "docker", "pydantic", "rich", "requests", "urllib3", "tenacity", "yaml", "psutil", "filelock"}
REPORT = """
import sys
from harness.__main__ import run
try:
    run(sys.argv[1:])
finally:
    print("IMPORTED", *sorted(sys.modules), file=sys.stderr)
"""


def imported(words: Sequence[str], variables: Mapping[str, str] | None = None) -> set[str]:
    """The modules that a command line of its own process imports."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("KWOK_", "COVERAGE", "COV_"))}
    done = subprocess.run(
        [sys.executable, "-c", REPORT, *words],
        env={**environment, **(variables or {})},
        capture_output=True,
        text=True,
    )
    [line] = [line for line in done.stderr.splitlines() if line.startswith("IMPORTED")]
    return set(line.split()[1:])


def ours(modules: set[str]) -> set[str]:
    return {name for name in modules if name.partition(".")[0] in ("harness", "kwok", "lanes")}


@pytest.mark.parametrize("word", ["--help", "--version"])
def test_help_and_version_import_nothing_but_the_command_line(word: str) -> None:
    """These seven modules of ours, and of others click alone."""
    modules = imported([word])
    assert ours(modules) == NEEDED
    assert not modules & HEAVY


def test_the_completion_script_imports_its_own_verb() -> None:
    """A shell evaluates it whenever it starts."""
    modules = imported(["completion", "bash"])
    assert ours(modules) == NEEDED | {"harness.cli.completion", "harness.cli.context", "kwok"}
    assert not modules & HEAVY


def test_the_tab_key_after_the_program_imports_no_verb() -> None:
    """The names of verbs are known without them."""
    words = {"COMP_WORDS": "kwok-harness r", "COMP_CWORD": "1", "_KWOK_HARNESS_COMPLETE": "bash_complete"}
    modules = imported([], words)
    assert ours(modules) == NEEDED
    assert not modules & HEAVY


@pytest.mark.parametrize("verb", ["run", "bundle"])
def test_the_tab_key_after_a_verb_imports_its_options_and_the_recipes(verb: str) -> None:
    """The names of recipes need settings and recipe data, and nothing that a cell is made with."""
    words = {"COMP_WORDS": f"kwok-harness {verb} ", "COMP_CWORD": "2", "_KWOK_HARNESS_COMPLETE": "bash_complete"}
    modules = imported([], words)
    assert {name.split(".")[1] for name in ours(modules) if name.startswith("harness.")} <= {
        *("__main__", "cli", "errors", "excerpts", "exits", "formats", "names", "objects", "processes", "recipes"),
        *("settings", "regular_files", "assertions"),  # of these the durations of health checks in recipe data
    }
    assert "harness.recipes.load" in modules
    assert not modules & (HEAVY - {"pydantic", "yaml"})


def test_a_verb_without_a_cluster_imports_no_client_of_one() -> None:
    """`run --help`, and the tab key after `run`, do without the libraries for Kubernetes."""
    assert "kubernetes" not in imported(["run", "--help"])


@pytest.mark.parametrize("verb", cli.commands.values(), ids=lambda verb: verb.name)
def test_a_verb_is_what_the_list_says(verb: click.Command) -> None:
    """Its name, and the first sentence of its own help, stand in the list of verbs too."""
    assert isinstance(verb, Verb)
    command = verb.load()
    assert command.name == verb.name
    assert command.get_short_help_str(limit=500) == verb.short_help


@pytest.mark.parametrize(
    ("streams", "code", "told"),
    [
        ("2>/dev/full", 0, ""),
        (">/dev/full", 1, "error: output: cannot be written: No space left on device\n  free some space\n"),
        (">/dev/full 2>&1", 1, ""),
        (">&- 2>&-", 0, ""),
    ],
)
def test_streams_that_take_nothing_end_with_a_documented_code(streams: str, code: int, told: str) -> None:
    """A full disk below stdout is a failure with one message; below stderr nothing is lost that decides."""
    words = [sys.executable, "-m", "harness", "recipes", "list", "--json"]
    done = subprocess.run(["sh", "-c", f'exec "$@" {streams}', "sh", *words], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (code, told)


@pytest.mark.parametrize("words", [("recipes", "list"), ("recipes", "list", "--json"), ("--help",)])
def test_a_reader_that_leaves_changes_no_verdict(words: tuple[str, ...]) -> None:
    """`| true` ends neither with a traceback nor with another code than the verb's own."""
    script = 'set -o pipefail; "$@" | true'
    done = subprocess.run(
        ["bash", "-c", script, "bash", sys.executable, "-m", "harness", *words], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("words", "code"), [(("explain", "PIPE"), 64), (("--settings", "PIPE", "doctor"), 10), (("lint", "PIPE"), 10)]
)
def test_a_pipe_in_the_place_of_a_file_is_one_error(tmp_path: Path, words: tuple[str, ...], code: int) -> None:
    """It is not read, which could wait for ever."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    command = [sys.executable, "-m", "harness", *(str(pipe) if word == "PIPE" else word for word in words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == code
    assert "not a regular file" in done.stdout + done.stderr
