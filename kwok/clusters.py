"""Clusters on disk: a directory each, one owner at a time, and no port promised twice."""

import os
import secrets
import shutil
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from harness.errors import ClusterError, NotOurs
from harness.runtime import RunningCluster, checked_name
from kwok import record as state
from kwok.record import Record

ChoosePorts = Callable[[set[int]], Mapping[str, int]]  # by what they are for; given those that are reserved
Stop = Callable[[Path, Record | None], None]  # ends whatever runs for the cluster of a directory, recorded or not

_DRAFTS = frozenset({state.FILE, f"{state.FILE}.new"})
_PORTS_SECONDS = 30.0


class Clusters:
    """The directories under `home`/clusters, with their locks beside them.

    `stop` is called before a directory is deleted. `half_made` names what may lie in the directory of one who was
    killed before anything was written down.
    """

    def __init__(self, home: Path, half_made: Collection[str], stop: Stop) -> None:
        self.home = home.absolute()
        self._half_made = _DRAFTS | set(half_made)
        self._stop = stop

    def directory(self, name: str) -> Path:
        return self.home / "clusters" / checked_name(name)

    def exists(self, name: str) -> bool:
        return os.path.lexists(self.directory(name))

    def names(self) -> list[str]:
        clusters = self.home / "clusters"
        return sorted(each.name for each in clusters.iterdir()) if clusters.is_dir() else []

    def record(self, name: str) -> Record | None:
        return state.read(self.directory(name))

    def running(self, record: state.Record, runtime: str, kubeconfig: str) -> RunningCluster:
        """The cluster of a record; `kubeconfig` is the name of that file in its directory."""
        directory = self.directory(record.name)
        return RunningCluster(
            name=record.name,
            directory=directory,
            kubeconfig=directory / kubeconfig,
            context=record.context,
            server=record.server,
            runtime=runtime,
            identity=record.identity,
        )

    @contextmanager
    def alone(self, name: str, patience: float) -> Iterator[None]:
        """Nobody else makes or clears this cluster meanwhile, in any thread or process.

        Raises ClusterError after `patience` seconds of waiting for somebody else.
        """
        file = self._lock_file(name)
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = FileLock(file, timeout=patience)
        try:
            lock.acquire()
        except Timeout as error:
            raise ClusterError(
                f"another harness has been busy with the cluster {name!r} for {patience:g} s",
                where=str(file),
                do="wait for it, or end it",
            ) from error
        try:
            yield
        finally:
            lock.release()

    def reserve(self, name: str, made_with: Mapping[str, str], choose: ChoosePorts) -> Record:
        """A new directory, an identity, and ports that no other cluster here has: written down before they are used.

        The caller is `alone` with the name.
        """
        directory = self.directory(name)
        directory.mkdir(mode=0o700, parents=True)
        with FileLock(self.home / "ports.lock", timeout=_PORTS_SECONDS):
            others = [record for each in self.names() if (record := state.read(self.home / "clusters" / each))]
            reserved = {port for record in others for port in record.ports.values()}
            record = Record(
                name=name,
                identity=str(uuid.UUID(bytes=secrets.token_bytes(16), version=4)),
                created=datetime.now(UTC).isoformat(timespec="seconds"),
                made_with=made_with,
                ports=choose(reserved),
            )
            state.write(directory, record)
        return record

    def clear(self, name: str) -> None:
        """End the processes and delete the directory. Raises NotOurs, having touched nothing, where it is not a
        cluster's. The caller is `alone` with the name.
        """
        if not self.exists(name):
            return
        directory, record = self.directory(name), self.record(name)
        strange = self._strange(directory, record)
        if strange:
            raise NotOurs(
                f"it was not made by the harness ({strange}) and was not changed",
                where=str(directory),
                do="move it away, or use another name for the cluster",
            )
        self._stop(directory, record)
        shutil.rmtree(directory)

    def forget(self, name: str) -> None:
        """Remove the lock that the caller holds: whoever waits for it finds it gone, and makes it again."""
        self._lock_file(name).unlink(missing_ok=True)

    def _lock_file(self, name: str) -> Path:
        return self.home / "locks" / f"{checked_name(name)}.lock"

    def _strange(self, directory: Path, record: Record | None) -> str:
        """Why a directory is not a cluster's; empty where it is."""
        if directory.is_symlink() or not directory.is_dir():
            return "it is no directory"
        if record is not None:
            return "" if record.name == directory.name else f"its {state.FILE} names {record.name!r}"
        unknown = sorted(each.name for each in directory.iterdir() if each.name not in self._half_made)
        return f"it holds {unknown[0]}, and no {state.FILE}" if unknown else ""


@contextmanager
def file_errors() -> Iterator[None]:
    """A full or read-only disk is told as such."""
    try:
        yield
    except OSError as error:
        raise ClusterError(
            f"cannot be written: {error.strerror or error}", where=str(error.filename or ""), do="see XDG_STATE_HOME"
        ) from error
