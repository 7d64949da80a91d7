"""The one place that exits: every way to end becomes a documented code here."""

import errno
import gc
import io
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import click

from harness.cli import cli
from harness.errors import HarnessError, Terminated, UsageError
from harness.exits import Exit
from harness.names import PROGRAM
from harness.processes import signals

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EIO)  # of a disk, a user, a terminal that was closed


def run(words: Sequence[str] | None = None) -> Exit:
    """Carry out a command line and say how it ended; a defect of the harness keeps its traceback and is code 1."""
    try:
        code = cli.main(args=words, prog_name=PROGRAM, standalone_mode=False)
    except click.UsageError as error:
        context = error.ctx.command_path if error.ctx else PROGRAM
        return _failed(UsageError(error.format_message(), do=f"see {context} --help"))
    except HarnessError as error:
        return _failed(error)
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        where = str(error.filename or "output")
        return _failed(HarnessError(f"cannot be written: {error.strerror}", where=where, do="free some space"))
    except (KeyboardInterrupt, click.Abort):
        return Exit.INTERRUPTED
    except Terminated:
        return Exit.TERMINATED
    return Exit(code or 0)


def _failed(error: HarnessError) -> Exit:
    from harness.terminal.console import (
        Console,  # with all that it draws tables with, which a verb has and --help needs not
    )

    with suppress(OSError):  # nobody reads stderr; the code still says it
        Console().error(error)
    return error.exit


class _Descriptor(io.FileIO):
    """A stream whose reader may leave (`| head`): what is written then leads nowhere, and the verdict stays."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())
            return super().write(data)


def _open_streams() -> None:
    """A stream that the harness was started without (`>&-`) leads nowhere, so that all that prints can rely on it."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8"))
            continue
        kept = io.BufferedWriter(_Descriptor(stream.fileno(), "wb", closefd=False))
        lines = stream.line_buffering
        again = io.TextIOWrapper(
            kept, stream.encoding, stream.errors, line_buffering=lines, write_through=name == "stderr"
        )
        setattr(sys, name, again)


def _flushed() -> bool:
    """Whether all of stdout was written. A stream that takes no more leads nowhere from here on: the interpreter
    flushes both once more at its end, and would exit with a code of its own.
    """
    for stream in (sys.stderr, sys.stdout):
        try:
            stream.flush()
        except OSError:
            with suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            if stream is sys.stdout:
                return False
    return True


def main() -> None:
    _open_streams()
    signals.install()
    code = run()
    if not _flushed():
        code = code or Exit.FAILURE
    gc.freeze()  # or the interpreter looks at every object once more before it ends: seconds on a busy machine
    sys.exit(code)


if __name__ == "__main__":
    main()
