"""kuttl's words for a command that failed."""

import pytest

from harness.suites.kuttl.messages import failed, timed_out, title
from harness.suites.model import Program


@pytest.mark.parametrize(
    ("program", "text"),
    [
        (Program("command", words="kubectl get 'a b'"), "kubectl get 'a b'"),
        (Program("script", content="echo a\n\n# why\n  false\n"), r"echo a\n false"),
        (Program("script", content="set -e\nfalse"), "false"),
        (Program("script", content="x" * 71), "x" * 67 + "..."),
        (Program("script", content="x" * 70), "x" * 70),
    ],
)
def test_a_script_is_told_on_one_line(program: Program, text: str) -> None:
    """Comments, empty lines and a first `set -e` are left out; 70 characters are shown."""
    assert title(program) == text


def test_it_is_said_as_kuttl_says_it() -> None:
    """The command in Go's quotes, and Go's error."""
    program = Program("script", content="echo step stdout\necho >&2 step stderr\nfalse\n")
    expected = r'command "echo step stdout\\n echo >&2 step stderr\\n false" failed, exit status 1'
    assert failed(program, "exit status 1") == expected
    assert timed_out(Program("command", words="sleep 5"), 1.0) == (
        'command "sleep 5" exceeded 1 sec timeout, context deadline exceeded'
    )
