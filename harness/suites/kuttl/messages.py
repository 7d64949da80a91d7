"""What kuttl says of a command that failed; its reports have nothing else of it."""

from harness.assertions.go.printing import quoted
from harness.suites.model import Program

_LONGEST = 70


def title(program: Program) -> str:
    """A command as it is written, a script on one line without its comments."""
    if program.words:
        return program.words
    lines = [line.strip() for line in program.content.split("\n")]
    if lines and lines[0].startswith("set -"):
        del lines[0]
    joined = "\\n ".join(line for line in lines if line and not line.startswith("#"))
    return joined if len(joined) <= _LONGEST else f"{joined[: _LONGEST - 3]}..."


def failed(program: Program, error: str) -> str:
    """`error` is what Go says: "exit status 1"."""
    return f"command {quoted(title(program))} failed, {error}"


def timed_out(program: Program, seconds: float) -> str:
    """After so many seconds it was ended."""
    return f"command {quoted(title(program))} exceeded {seconds:g} sec timeout, context deadline exceeded"
