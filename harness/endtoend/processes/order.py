"""In which order processes are started: each after those that it names, and all that may start together at once."""

from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from harness.endtoend.processes.declared import Process
from harness.errors import DataError, did_you_mean


def levels(processes: Sequence[Process]) -> list[tuple[Process, ...]]:
    """Processes in groups: those of one wait for none of their own group. Raises DataError for a name that two have
    or none has, and for a cycle, which is told as it runs.
    """
    known: dict[str, Process] = {}
    for process in processes:
        if process.name in known:
            raise DataError(f"two processes are called {process.name!r}", where="processes", do="rename one")
        known[process.name] = process
    for process in processes:
        for name in process.after:
            if name not in known:
                where = f"processes.{process.name}.after"
                raise DataError(f"unknown process {name!r}", where=where, do=did_you_mean(name, known))
    sorter = TopologicalSorter({process.name: process.after for process in processes})
    try:
        sorter.prepare()
    except CycleError as error:
        cycle = " after ".join(reversed(error.args[1]))
        raise DataError(f"processes wait for each other: {cycle}", where="processes", do="remove one `after`") from None
    found: list[tuple[Process, ...]] = []
    while sorter.is_active():
        ready = set(sorter.get_ready())
        found.append(tuple(process for process in processes if process.name in ready))
        sorter.done(*ready)
    return found


def needed(processes: Sequence[Process], names: Sequence[str]) -> list[Process]:
    """Those of these names and all that have to be ready before, in the order in which they are declared; all of them
    where none is named. Raises DataError for an unknown name.
    """
    known: Mapping[str, Process] = {process.name: process for process in processes}
    wanted: set[str] = set()
    left = list(names or known)
    while left:
        name = left.pop()
        if name not in known:
            raise DataError(f"unknown process {name!r}", where="processes", do=did_you_mean(name, known))
        if name not in wanted:
            wanted.add(name)
            left += known[name].after
    return [process for process in processes if process.name in wanted]
