"""Host processes that belong to a cluster: a registry, the controllers of Flux and of Argo CD.

They live as long as the cluster, which may be longer than the harness: what is known of each lies in its directory
below the cluster's, so that a later run finds it again, and the cluster's directory is in its environment, so that
`down` finds it and whatever it has started. A death is noticed when it happens, not when a deadline passes.
"""

import json
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from harness.deadline import Deadline
from harness.processes import daemons
from harness.processes.daemons import Identity
from harness.processes.ports import FreePorts, free_ports
from harness.processes.service import (
    MARK,
    Plan,
    Ports,
    Probe,
    Service,
    ServiceDied,
    ServiceFailed,
    ServiceNotReady,
    last_lines,
)
from harness.replacing import replace

__all__ = ["Plan", "Ports", "Probe", "Service", "ServiceDied", "ServiceFailed", "ServiceNotReady", "Services"]

_RECORD = "service.json"
_PORTS = "ports.json"
_STOP_SECONDS = 3.0
_BACK_SECONDS, _LOOK_SECONDS = 5.0, 0.2  # until what others start is there again; between two looks
_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.02, 0.1  # between two probes of a service that is starting
# Charts and images that a recipe names may be behind a proxy; loopback never is (Go's own rule).
_PASSED_ON = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")

Find = Callable[[], Identity | None]  # the process of that name now


@dataclass
class _Attended:
    """A running service and, once it has ended without being told to, how.

    `successor` finds the process that has taken its place, of one that others start.
    """

    identity: Identity
    log: Path
    successor: Find | None = None
    missing: bool = False  # it has ended, and may come back
    death: ServiceDied | None = None

    @property
    def unsettled(self) -> bool:
        """Whether it has ended, and it is not known yet how, or what takes its place."""
        return self.missing or (self.death is None and not daemons.alive(self.identity))


class Services:
    """The services of the cluster in `cluster`; safe for several threads. One object for each cluster and process.

    `died` is set as soon as one that was started or found here has ended without being told to: pass it to whatever
    waits, and then ask `check`.
    """

    def __init__(
        self, cluster: Path, *, choose_ports: FreePorts = free_ports, environment: Mapping[str, str] = os.environ
    ) -> None:
        self.directory = cluster / "services"
        self.died = threading.Event()
        self._choose_ports = choose_ports
        wanted = [*_PASSED_ON, *(name.lower() for name in _PASSED_ON)]
        self._environment = {name: environment[name] for name in wanted if environment.get(name)}
        self._environment |= {MARK: str(cluster)}
        self._attended: dict[str, _Attended] = {}
        self._closed = False
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)

    def ensure(self, plan: Plan, within: float, *, ports: Sequence[str] = ()) -> tuple[str, ...]:
        """Have the services of the plan running and ready within so many seconds; those that are, stay as they are.

        The plan gets a free port for each purpose that `ports` names, the same ones each time. Returns the names of
        those that had to be started. Raises ServiceDied at once, ServiceNotReady at the deadline.
        """
        deadline = Deadline.after(within)
        try:
            return self._ensure(plan(self.ports(ports)), deadline)
        except ServiceDied as died:
            if not died.port_taken or not ports:
                raise
        services = plan(self.ports(ports))  # somebody was quicker: once more, with others
        self.stop(*(service.name for service in services))
        self.forget_ports(ports)
        return self._ensure(plan(self.ports(ports)), deadline)

    def attend(self, name: str, find: Find, log: Path) -> None:
        """Notice also the death of a process that others have started, and may start again within seconds."""
        with self._lock:
            if not self._closed and (identity := find()) is not None:
                self._attend(name, _Attended(identity, log, find))

    def check(self, *names: str) -> None:
        """Raise ServiceDied if one of these (of all, where none is named) has ended without being told to.

        What has ended and may come back is waited for, and so is the news of what has ended just now: who meets the
        closed port of a service may be quicker than the thread that follows it.
        """

        def concerned() -> list[_Attended]:
            return [each for name, each in self._attended.items() if name in names or not names]

        with self._changed:
            self._changed.wait_for(lambda: not any(each.unsettled for each in concerned()), _BACK_SECONDS)
            for attended in concerned():
                if attended.death is not None:
                    raise attended.death

    def stop(self, *names: str) -> None:
        """End these services together (TERM, then KILL): an ending that is wanted, and no death."""
        with self._lock:
            identities = [identity for name in names if (identity := self.identity(name)) is not None]
            for name in names:
                self._attended.pop(name, None)
            daemons.stop(identities, _STOP_SECONDS)
            for name in names:
                (self.home(name) / _RECORD).unlink(missing_ok=True)
            self._tell()

    def kill(self, name: str) -> None:
        """End a service and what it has started as a crash would, with KILL: an ending that is wanted, and no death."""
        with self._lock:
            self._send(name, signal.SIGKILL)
            self.stop(name)

    def pause(self, name: str) -> None:
        """Have a service and what it has started stand still (SIGSTOP): its ports stay open, and nobody answers."""
        self._send(name, signal.SIGSTOP)

    def resume(self, name: str) -> None:
        """Have what was paused go on."""
        self._send(name, signal.SIGCONT)

    def attends(self, name: str) -> bool:
        """Whether the death of one of that name would be noticed, or has been."""
        with self._lock:
            return name in self._attended

    def close(self) -> None:
        """The cluster is about to go: from now on nothing is started, by whatever thread, and no ending is a death."""
        with self._lock:
            self._closed = True
            self._attended.clear()
            self._tell()

    def home(self, name: str) -> Path:
        """The directory of one service: its log, its files, all that it keeps."""
        return self.directory / name

    def identity(self, name: str) -> Identity | None:
        """The process of the service, if that very process still runs."""
        record = self._record(name)
        return record[0] if record is not None and daemons.alive(record[0]) else None

    def ports(self, wanted: Sequence[str]) -> Ports:
        """A free port for each purpose, the same ones each time."""
        with self._lock, self._writing():
            known = self._known_ports()
            missing = [each for each in wanted if each not in known]
            if missing:
                known |= zip(missing, self._choose_ports(len(missing), set(known.values())), strict=True)
                self._write(self.directory / _PORTS, known)
            return {each: known[each] for each in wanted}

    def forget_ports(self, unwanted: Sequence[str]) -> None:
        """Have others chosen for these purposes from now on: somebody was quicker to take one."""
        with self._lock, self._writing():
            kept = {purpose: port for purpose, port in self._known_ports().items() if purpose not in unwanted}
            self._write(self.directory / _PORTS, kept)

    def logs(self) -> dict[str, Path]:
        """The log of each service that was ever started here."""
        return {log.parent.name: log for log in sorted(self.directory.glob("*/log"))}

    def _send(self, name: str, number: signal.Signals) -> None:
        """Raises ServiceDied, or ServiceFailed, where the service does not run."""
        with self._lock:
            identity = self.identity(name)
            if identity is None:
                self.check(name)
                raise ServiceFailed(f"{name} does not run")
            daemons.send(daemons.carrying("HOME", str(self.home(name))) or [identity], number)

    def _ensure(self, services: Sequence[Service], deadline: Deadline) -> tuple[str, ...]:
        started = tuple(service.name for service in services if self._start(service))
        names = [service.name for service in services]
        for service in services:
            for probe in service.probes:
                self._until_answered(service.name, probe, names, deadline)
        self.check(*names)
        return started

    def _until_answered(self, name: str, probe: Probe, names: Sequence[str], deadline: Deadline) -> None:
        """Ends at once with the death of any of `names`, which may be why this one does not answer."""
        pause = _PAUSE_SECONDS
        while trouble := probe.trouble():
            self.check(*names)
            if self._closed:
                raise ServiceFailed(f"{name} is not waited for any longer: the cluster is about to go")
            if deadline.expired:
                log = self.home(name) / "log"
                raise ServiceNotReady(
                    f"{name} runs, but {probe} did not answer within {deadline.budget:g} s ({trouble}). "
                    f"Its last words:\n{last_lines(log) or '(none)'}",
                    where=str(log),
                )
            with self._changed:
                self._changed.wait(min(pause, deadline.remaining))
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _start(self, service: Service) -> bool:
        """Whether it had to be started: it did not run, or with other words, or was found and does not answer."""
        with self._lock, self._writing():
            if self._closed:
                raise ServiceFailed(f"{service.name} was not started: the cluster is about to go")
            record = self._record(service.name)
            if record is not None and daemons.alive(record[0]):
                found = service.name not in self._attended  # of an earlier harness: it has had its time to start
                answers = not found or all(probe.answered() for probe in service.probes)
                if record[1] == service.fingerprint and answers:
                    self._attend(service.name, _Attended(record[0], self.home(service.name) / "log"))
                    return False
                self.stop(service.name)
            home = self._furnished(service)
            environment = {"HOME": str(home), "TMPDIR": str(home / "tmp"), "PATH": f"{home / 'bin'}:{os.defpath}"}
            identity = daemons.start(
                [service.program if service.in_place else home / service.called_as, *service.arguments],
                env={**self._environment, **environment, **service.environment},
                cwd=home,
                log=home / "log",
            )
            self._write(home / _RECORD, {"identity": asdict(identity), "fingerprint": service.fingerprint})
            self._attend(service.name, _Attended(identity, home / "log"))
            return True

    def _furnished(self, service: Service) -> Path:
        """The service's directory with what it finds there; what earlier ones have kept stays."""
        home = self.home(service.name)
        self.directory.mkdir(mode=0o700, exist_ok=True)  # and no parents: a cluster that is gone stays gone
        for fresh in (home / "tmp", home / "bin"):
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir(mode=0o700, parents=True)
        for name, text in service.files.items():
            (home / name).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            (home / name).touch(mode=0o600)  # there may be credentials in it
            (home / name).write_text(text, encoding="utf-8")
        for name, program in service.commands.items():
            (home / "bin" / name).symlink_to(program)
        (home / service.called_as).unlink(missing_ok=True)
        (home / service.called_as).symlink_to(service.program)
        return home

    def _attend(self, name: str, attended: _Attended) -> None:
        known = self._attended.get(name)
        if known is not None and known.identity == attended.identity:
            return
        self._attended[name] = attended
        self._tell()
        threading.Thread(target=partial(self._follow, name, attended), name=f"service {name}", daemon=True).start()

    def _follow(self, name: str, attended: _Attended) -> None:
        """The thread of one service: blocks until it has ended."""
        status = daemons.until_ended(attended.identity)
        while self._came_back(name, attended):
            status = daemons.until_ended(attended.identity)
        with self._lock:
            attended.missing = False
            if self._attended.get(name) is attended:
                attended.death = ServiceDied(name, status, attended.log)
            self._tell()

    def _came_back(self, name: str, attended: _Attended) -> bool:
        """Whether another process has taken the place of one that has ended."""
        if attended.successor is None:
            return False
        deadline = Deadline.after(_BACK_SECONDS)
        with self._changed:
            attended.missing = True
            while self._attended.get(name) is attended and not deadline.expired:
                found = attended.successor()
                if found is not None and found != attended.identity and daemons.alive(found):
                    attended.identity, attended.missing = found, False
                    self._tell()
                    return True
                self._changed.wait(min(_LOOK_SECONDS, deadline.remaining))
        return False

    def _tell(self) -> None:
        if any(attended.death is not None for attended in self._attended.values()):
            self.died.set()
        else:
            self.died.clear()
        self._changed.notify_all()

    def _known_ports(self) -> dict[str, int]:
        try:
            found: dict[str, int] = json.loads((self.directory / _PORTS).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found

    def _record(self, name: str) -> tuple[Identity, str] | None:
        try:
            data = json.loads((self.home(name) / _RECORD).read_text(encoding="utf-8"))
            return Identity(**data["identity"]), str(data["fingerprint"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _write(self, file: Path, document: Mapping[str, object]) -> None:
        """Replace the file in one step."""
        self.directory.mkdir(mode=0o700, exist_ok=True)
        replace(file, json.dumps(document, indent=2) + "\n")

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ServiceFailed(
                f"cannot be written: {error.strerror or error}", where=str(error.filename or self.directory)
            ) from error
