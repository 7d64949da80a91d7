"""The one place that exits: every way to end becomes a documented code here."""

import gc
import sys
from collections.abc import Sequence

import click

from harness.cli import cli
from harness.errors import HarnessError, Terminated, UsageError
from harness.exits import Exit
from harness.names import PROGRAM
from harness.processes import signals


def run(words: Sequence[str] | None = None) -> Exit:
    """Carry out a command line and say how it ended; a defect of the harness keeps its traceback and is code 1."""
    try:
        code = cli.main(args=words, prog_name=PROGRAM, standalone_mode=False)
    except click.UsageError as error:
        context = error.ctx.command_path if error.ctx else PROGRAM
        return _failed(UsageError(error.format_message(), do=f"see {context} --help"))
    except HarnessError as error:
        return _failed(error)
    except (KeyboardInterrupt, click.Abort):
        return Exit.INTERRUPTED
    except Terminated:
        return Exit.TERMINATED
    return Exit(code or 0)


def _failed(error: HarnessError) -> Exit:
    from harness.terminal.console import (
        Console,  # with all that it draws tables with, which a verb has and --help needs not
    )

    Console().error(error)
    return error.exit


def main() -> None:
    signals.install()
    code = run()
    gc.freeze()  # or the interpreter looks at every object once more before it ends: seconds on a busy machine
    sys.exit(code)


if __name__ == "__main__":
    main()
