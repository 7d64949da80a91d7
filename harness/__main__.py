"""The one place that exits: every way to end becomes a documented code here."""

import gc
import sys
from collections.abc import Sequence

import click

from harness.cli import cli
from harness.errors import HarnessError, Terminated, UsageError
from harness.exits import Exit
from harness.processes import signals
from harness.terminal.console import Console


def run(words: Sequence[str] | None = None) -> Exit:
    """Carry out a command line and say how it ended; a defect of the harness keeps its traceback and is code 1."""
    try:
        code = cli.main(args=words, prog_name="kwok-harness", standalone_mode=False)
    except click.UsageError as error:
        context = error.ctx.command_path if error.ctx else "kwok-harness"
        Console().error(UsageError(error.format_message(), do=f"see {context} --help"))
        return Exit.USAGE
    except HarnessError as error:
        Console().error(error)
        return error.exit
    except (KeyboardInterrupt, click.Abort):
        return Exit.INTERRUPTED
    except Terminated:
        return Exit.TERMINATED
    return Exit(code or 0)


def main() -> None:
    signals.install()
    code = run()
    gc.freeze()  # or the interpreter looks at every object once more before it ends: seconds on a busy machine
    sys.exit(code)


if __name__ == "__main__":
    main()
