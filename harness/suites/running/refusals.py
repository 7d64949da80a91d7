"""What a run refuses before anything of it begins: programs, writes and clusters that it was not allowed."""

from harness.errors import UsageError
from harness.excerpts import some
from harness.suites.checking import operations_of
from harness.suites.model import Delete, Operation, Program, Proxy, Round, Suite, Write
from harness.suites.running.options import RunOptions

_SHOWN = 5


def refuse(suite: Suite, options: RunOptions, *, foreign: str) -> None:
    """Raises UsageError with file and line of the first operations that may not be carried out.

    `foreign` is the context of a cluster that the harness did not make, empty for its own.
    """
    found = list(operations_of(suite))
    programs = [operation for operation in found if _runs_program(operation.action)]
    writes = [operation for operation in found if isinstance(operation.action, Write | Delete | Proxy)]
    if options.read_only and (programs or writes):
        what = f"{_counted(programs + writes)} may not be carried out with --read-only: {_places(programs + writes)}"
        raise UsageError(what, do="only assert, error, wait, sleep, get, describe, events and podLogs are read-only")
    if programs and not options.scripts:
        verb = "runs a program" if len(programs) == 1 else "run programs"
        raise UsageError(
            f"{_counted(programs)} {verb}: {_places(programs)}",
            do="read them, and add --allow-scripts if they may run on this machine",
        )
    if foreign and not options.read_only and foreign not in options.writable_contexts:
        raise UsageError(
            f"the cluster of context {foreign} was not created by the harness, and a test writes to it",
            do=f"add --read-only, or --allow-writes --context {foreign}",
        )


def _runs_program(action: object) -> bool:
    return isinstance(action, Program) or (isinstance(action, Round) and bool(action.commands))


def _places(operations: list[Operation]) -> str:
    return some([f"{operation.verb} at {operation.place}" for operation in operations], _SHOWN)


def _counted(operations: list[Operation]) -> str:
    return f"{len(operations)} operation" if len(operations) == 1 else f"{len(operations)} operations"
