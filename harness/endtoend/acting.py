"""The operations that suites have beside chainsaw's, carried out: on processes, and on what stands in for services."""

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

import urllib3

from harness.endtoend.object_store import ObjectStoreClient
from harness.endtoend.processes.declared import CONTROL, PORT, Probe, Process
from harness.endtoend.processes.supervised import Processes
from harness.endtoend.workloads import Workloads
from harness.errors import HarnessError
from harness.excerpts import first_line
from harness.processes.service import Probe as Dialled
from harness.processes.service import ServiceDied
from harness.publishing.oci.registry import Registry
from harness.settings import Retries
from harness.suites.model import Own
from harness.suites.running.failures import NotJudged, OperationFailed
from harness.suites.running.scope import Scope
from harness.suites.running.situation import Situation
from harness.waiting.loop import Cancelled

_PAUSE = 0.25  # seconds between two looks
_ONCE = 10.0  # seconds for one request
_SHOWN = 300  # characters of an answer


class _Final(OperationFailed):
    """Waiting changes nothing."""


class Acting:
    """Carries operations out on the processes of a suite, or on the workloads that they are; None where it has none."""

    def __init__(
        self, declared: tuple[Process, ...], processes: Processes | Workloads | None, retries: Retries
    ) -> None:
        self._declared = {process.name: process for process in declared}
        self._processes = processes
        self._retries = retries
        self._ended: dict[str, str] = {}  # what steps did to processes that are not ready for it

    def carry(self, own: Own, scope: Scope, situation: Situation, timeout: float) -> str:
        """What was done or seen. Raises OperationFailed."""
        arguments = {
            key: scope.text(value) if isinstance(value, str) else value for key, value in own.arguments.items()
        }
        name = arguments.pop("process")
        if self._processes is None:
            raise NotJudged(f"{own.verb}: {name} is no process of this machine on this runtime")
        if own.verb in ("pause", "resume") and isinstance(self._processes, Workloads):
            raise NotJudged(f"{own.verb}: {name} is a pod, which cannot be paused")
        try:
            return self._carry(own.verb, name, arguments, situation, timeout)
        except (ServiceDied, OperationFailed, Cancelled):
            raise
        except HarnessError as error:
            raise OperationFailed(str(error)) from error

    def _carry(self, verb: str, name: str, arguments: Mapping[str, Any], situation: Situation, timeout: float) -> str:
        match verb:
            case "kill" | "stop" | "start" | "restart" | "pause" | "resume":
                getattr(self._there(name), verb)(name)
                done = {"kill": "killed", "stop": "stopped", "pause": "paused"}
                if verb in done:
                    self._ended[name] = done[verb]
                else:
                    self._ended.pop(name, None)
                return f"{name} was {done.get(verb, f'{verb}ed')}"
            case "ready":
                return self._until(lambda: self._ready(name), situation, timeout)
            case "http":
                return self._until(lambda: self._answered(name, arguments), situation, timeout)
            case "requests":
                return self._until(lambda: self._counted(name, arguments), situation, timeout)
            case "object":
                return self._until(lambda: self._stored(name, arguments), situation, timeout)
            case "artifact":
                return self._until(lambda: self._pushed(name, arguments), situation, timeout)
        raise NotJudged(f"{verb} is not known")

    def _until(self, look: Callable[[], str], situation: Situation, timeout: float) -> str:
        """Looks until it is so; the last reason is what failed."""
        deadline = situation.within(timeout)
        while True:
            try:
                return look()
            except (NotJudged, _Final, ServiceDied):
                raise
            except HarnessError as failed:
                if deadline.remaining <= _PAUSE:
                    raise OperationFailed(f"timed out after {deadline.budget:g} s: {failed}") from failed
            situation.pause(_PAUSE)

    def _ready(self, name: str) -> str:
        process, ports = self._declared[name], self._ports(name)
        self._there(name).check()
        if ended := self._ended.get(name):
            raise OperationFailed(f"{name} was {ended} by a step")
        for probe in process.probes or [Probe(purpose) for purpose in process.purposes]:
            if trouble := Dialled(ports[probe.port], probe.path).trouble():
                raise OperationFailed(f"{name} is not ready: {trouble}")
        return f"{name} is ready"

    def _answered(self, name: str, arguments: Mapping[str, Any]) -> str:
        port = self._ports(name)[arguments["port"]]
        method, path = arguments["method"], arguments["path"]
        status, text = _asked(method, port, path, arguments["body"])
        said = f"{name} answers {status} to {method} {path}"
        if status != arguments["status"]:
            raise OperationFailed(f"{said}, expected {arguments['status']}: {text[:_SHOWN]}")
        if arguments["contains"] not in text:
            raise OperationFailed(f"{said}, without {arguments['contains']!r}: {text[:_SHOWN]}")
        return said

    def _counted(self, name: str, arguments: Mapping[str, Any]) -> str:
        status, text = _asked("GET", self._ports(name)[CONTROL], "/requests")
        if status != 200:
            raise OperationFailed(f"{name} does not tell its requests: {status} {first_line(text)}")
        what = f"{arguments['method']} {arguments['path']}"
        counted = int(json.loads(text).get(what, 0))
        said = f"{name} was asked {what} {counted} {'time' if counted == 1 else 'times'}"
        least, most = arguments["at_least"], arguments["at_most"]
        if most is not None and counted > most:
            raise _Final(f"{said}, at most {most} are allowed")
        if least is not None and counted < least:
            raise OperationFailed(f"{said}, expected at least {least}")
        return said

    def _stored(self, name: str, arguments: Mapping[str, Any]) -> str:
        content = self.store(name).read(arguments["bucket"], arguments["key"])
        found = hashlib.sha256(content).hexdigest()
        where = f"{arguments['bucket']}/{arguments['key']}"
        if found != arguments["sha256"]:
            raise OperationFailed(f"{where} has sha256 {found}, expected {arguments['sha256']}")
        return f"{where} is there: {len(content)} bytes, sha256 {found}"

    def _pushed(self, name: str, arguments: Mapping[str, Any]) -> str:
        repository, reference = arguments["repository"], arguments["reference"]
        registry = Registry(f"localhost:{self._ports(name)[PORT]}", retries=self._retries, plain_http=True)
        manifest, digest = registry.manifest(repository, reference)
        where = f"{repository}@{reference}" if reference.startswith("sha256:") else f"{repository}:{reference}"
        if reference.startswith("sha256:") and digest != reference:
            raise OperationFailed(f"{where}: the manifest has the digest {digest}")
        blobs = [manifest.get("config"), *(manifest.get("layers") or ())]
        if not manifest.get("layers"):
            raise OperationFailed(f"{where}: the manifest has no layer")
        for blob in blobs:
            if not isinstance(blob, dict) or "digest" not in blob:
                raise OperationFailed(f"{where}: not every blob of the manifest has a digest")
            found = f"sha256:{hashlib.sha256(registry.blob(repository, blob['digest'])).hexdigest()}"
            if found != blob["digest"]:
                raise OperationFailed(f"{where}: a blob of the manifest is {blob['digest']}, what came is {found}")
        return f"{where} is there with {len(blobs)} blobs, digest {digest}"

    def store(self, name: str) -> ObjectStoreClient:
        """A client of a stand-in for S3. Raises NotJudged where there is none on this runtime."""
        return self._there(name).store(name)

    def _ports(self, name: str) -> Mapping[str, int]:
        return self._there(name).ports(name)

    def _there(self, name: str) -> Processes | Workloads:
        if self._processes is None:
            raise NotJudged(f"{name} is no process of this machine on this runtime")
        return self._processes


def _asked(method: str, port: int, path: str, body: str = "") -> tuple[int, str]:
    """Status and text of one answer. Raises OperationFailed where there is none."""
    url = f"http://127.0.0.1:{port}{path}"
    try:
        with urllib3.PoolManager(retries=False, timeout=_ONCE) as pool:
            answer = pool.request(method, url, body=body.encode() or None)
            return answer.status, answer.data.decode(errors="replace")
    except urllib3.exceptions.HTTPError as error:
        raise OperationFailed(f"{method} {url}: no answer: {error}") from error
