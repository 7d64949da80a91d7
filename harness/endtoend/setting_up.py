"""The set-up of a suite: each step idempotent, each within its time; the first that fails ends the run with code 12."""

import base64
import hashlib
import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from harness.bundles.model import Chart, Folder
from harness.cluster.api import ApiError
from harness.deadline import Deadline
from harness.endtoend import certificates
from harness.endtoend.acting import Acting
from harness.endtoend.model import (
    EVERYWHERE,
    KIND,
    Awaited,
    Certificates,
    ChartInstalled,
    Fixtures,
    Images,
    Manifests,
    SetUpStep,
    Started,
)
from harness.endtoend.plan import Plan
from harness.endtoend.processes.supervised import Processes
from harness.errors import DataError, HarnessError, InfrastructureError
from harness.evidence.recorder import Recorder
from harness.exits import Exit
from harness.gates import conditions
from harness.helm.client import Helm
from harness.names import REAL_NODE_NAMESPACE
from harness.objects import CONFIGMAPS, NAMESPACES
from harness.processes import commands
from harness.processes.threads import Background
from harness.suites import objects
from harness.suites.problems import Problems
from harness.suites.running.clients import Client, KindUnknown
from harness.suites.running.judging import until_passed
from harness.waiting.loop import Cancelled
from harness.waiting.reflector import Narrow

CONFIG_MAP_LIMIT = 1_048_576  # bytes, of Kubernetes: all values of one ConfigMap
_LOOK = 0.05  # seconds between two looks whether a step has ended
_WINDING_UP = 5.0  # seconds for a step to end once it is cancelled
_PAUSE = 0.2  # seconds until a kind is looked for again


class SetUpFailed(InfrastructureError):
    """A set-up step of a suite failed: no case was run, and nothing is known about what they judge."""

    exit = Exit.SUITE_SET_UP

    def __init__(self, step: str, error: HarnessError) -> None:
        super().__init__(f"set-up step {step} failed: {error.what}", where=error.where, do=error.do)
        self.step = step


@dataclass(frozen=True)
class Means:
    """What set-up steps work with. `fixtures` is a directory of the run, `certificates` that of the
    authority; `images` has images of these names on the node of Kind; `cancelled` ends what is under way.
    """

    client: Client
    acting: Acting
    processes: Processes | None
    helm: Callable[[], Helm]
    images: Callable[[tuple[str, ...]], object]
    fixtures: Path
    cancelled: threading.Event
    certificates: Path
    recorder: Recorder | None = None
    scope: commands.Scope = field(default_factory=commands.Scope)  # of the commands of the set-up


class SettingUp:
    """Carries out the set-up of one plan."""

    def __init__(self, plan: Plan, means: Means) -> None:
        self._plan = plan
        self._means = means
        self._cancelled = means.cancelled

    def carry_out(self, step: SetUpStep) -> str:
        """One step; what was done. Raises SetUpFailed, and Cancelled where it is interrupted."""
        tried = 0
        while True:
            try:
                said = self._within(step)
                return said if not tried else f"{said} (after {tried + 1} attempts)"
            except Cancelled:
                raise
            except HarnessError as error:
                if tried >= step.retries:
                    raise SetUpFailed(step.name, error) from error
                tried += 1

    def _within(self, step: SetUpStep) -> str:
        """The step in a thread of its own, so that no step takes longer than its time, whatever it waits for."""
        ended = threading.Event()
        deadline = Deadline.after(step.timeout)
        work = Background(lambda: self._act(step, deadline, ended), f"set-up {step.name}")
        while not work.wait(_LOOK):
            if self._cancelled.is_set() or deadline.expired:
                ended.set()
                if self._cancelled.is_set():
                    self._means.scope.stop()
                work.wait(_WINDING_UP)
                break
        if self._cancelled.is_set():
            raise Cancelled("interrupted")
        if not work.wait(0.0):
            raise HarnessError(f"timed out after {step.timeout:g} s", where=str(step.place), do="raise its timeout")
        try:
            return work.result()
        except Cancelled:
            what = f"timed out after {step.timeout:g} s"
            raise HarnessError(what, where=str(step.place), do="raise its timeout") from None

    def _act(self, step: SetUpStep, deadline: Deadline, ended: threading.Event) -> str:
        action = step.action
        match action:
            case Manifests():
                return self._apply(action, deadline, ended)
            case ChartInstalled():
                return self._install(action, deadline)
            case Images(names=names):
                self._means.images(names)
                return f"{len(names)} images are on the node"
            case Fixtures():
                return self._fixtures(action, deadline)
            case Started(names=names):
                if self._means.processes is None:
                    raise DataError(
                        "processes of this machine are not started on this runtime",
                        where=str(step.place),
                        do="add runtimes: [host] to the step",
                    )
                self._means.processes.start(*names)
                return f"ready: {', '.join(names)}"
            case Awaited():
                return self._await(action, deadline, ended)
            case Certificates():
                return self._certify(action)

    def _apply(self, action: Manifests, deadline: Deadline, ended: threading.Event) -> str:
        documents = _documents(action.path)
        documents.sort(key=lambda item: item["kind"] != NAMESPACES.kind)
        for item in documents:
            self._apply_one(item, deadline, ended)
        if action.definitions:
            self._means.client.forget()
            for item in documents:
                name = str(item["metadata"]["name"])
                established = Awaited(str(item["apiVersion"]), str(item["kind"]), "", name, "Established")
                self._await(established, deadline, ended)
            self._means.client.forget()
        return f"applied {len(documents)} {'object' if len(documents) == 1 else 'objects'}"

    def _apply_one(self, item: dict[str, Any], deadline: Deadline, ended: threading.Event) -> None:
        client = self._means.client
        while True:
            try:
                kind = client.kind(str(item["apiVersion"]), str(item["kind"]))
                break
            except KindUnknown as error:  # a definition that was just applied is served a moment later
                if not error.may_come or deadline.remaining <= _PAUSE or ended.wait(_PAUSE):
                    raise
                client.forget()
        metadata = dict(item["metadata"])
        if kind.namespaced:
            metadata.setdefault("namespace", "default")
        if kind.kind == NAMESPACES.kind and self._is_real(str(metadata.get("name"))):
            label, value = REAL_NODE_NAMESPACE
            metadata["labels"] = {**(metadata.get("labels") or {}), label: value}
        placed: dict[str, Any] = {**item, "metadata": metadata}
        if self._means.processes is not None:
            placed = self._means.processes.led(placed)
        client.cluster.apply(kind, placed, timeout=max(0.1, deadline.remaining))

    def _certify(self, action: Certificates) -> str:
        """Of the authority that processes of the suite trust too."""
        made = certificates.issue(self._means.certificates, action.names)
        item = {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/tls",
            "metadata": {"namespace": action.secret[0], "name": action.secret[1]},
            "data": {
                "tls.crt": _encoded(made.chain),
                "tls.key": _encoded(made.key),
                "ca.crt": _encoded(made.authority),
            },
        }
        self._means.client.cluster.apply(self._means.client.kind("v1", "Secret"), item)
        return f"Secret {'/'.join(action.secret)} has a certificate for {', '.join(action.names)}"

    def _is_real(self, namespace: str) -> bool:
        real = self._plan.suite.cluster.real
        return self._plan.runtime == KIND and (EVERYWHERE in real or namespace in real)

    def _install(self, action: ChartInstalled, deadline: Deadline) -> str:
        values = self._means.fixtures / f"{action.release}.values"
        values.mkdir(mode=0o700, exist_ok=True)
        (values / "values.yaml").write_text(yaml.safe_dump(dict(action.values)), encoding="utf-8")
        chart = Chart(action.path.name, "", path=action.path)
        folder = Folder(1, action.release, action.release, action.namespace, values, chart)
        self._means.helm().install(folder, timeout=max(1.0, deadline.remaining))
        if self._means.processes is not None:
            self._means.processes.lead_webhooks()
        return f"release {action.release} is installed in {action.namespace}"

    def _await(self, action: Awaited, deadline: Deadline, ended: threading.Event) -> str:
        client = self._means.client
        kind = client.kind(action.api_version, action.kind)
        namespace = (action.namespace or "default") if kind.namespaced else ""
        narrow = {kind: Narrow(namespace, action.name)}
        there = conditions.Awaited(kind, "creation", "", None, namespace, action.name)
        gates = [there]
        if action.condition:
            gates.append(conditions.Awaited(kind, "condition", action.condition, None, namespace, action.name))
        for gate in gates:
            passed = until_passed(client.cluster, gate, deadline, self._means.recorder, ended, narrow=narrow)
        return passed.reason

    # Fixtures

    def _fixtures(self, action: Fixtures, deadline: Deadline) -> str:
        files = self.fixture_files(action, deadline)
        where = []
        if action.config_map is not None:
            self._into_config_map(action.config_map, files)
            where.append(f"ConfigMap {'/'.join(action.config_map)}")
        if action.bucket is not None and self._means.processes is not None:
            self._into_bucket(action.bucket, files)
            where.append(f"bucket {action.bucket[1]} of {action.bucket[0]}")
        return f"{len(files)} files are as declared" + (f", in {' and '.join(where)}" if where else "")

    def fixture_files(self, action: Fixtures, deadline: Deadline) -> Mapping[str, bytes]:
        """The files as they are declared, made where they are absent. Raises DataError for one that differs."""
        folder = self._means.fixtures
        for each in action.files:
            kept = self._plan.suite.folder / each.file
            if kept.is_file() and not (folder / each.file).exists():
                shutil.copyfile(kept, folder / each.file)
        if action.command and not all((folder / each.file).is_file() for each in action.files):
            python = [sys.executable] if action.command[0].endswith(".py") else []
            scope = self._means.scope
            seconds, environment = max(1.0, deadline.remaining), {"PATH": os.defpath, "HOME": str(folder)}
            commands.run([*python, *action.command], timeout=seconds, cwd=folder, env=environment, scope=scope)
        found = {}
        for each in action.files:
            file = folder / each.file
            if not file.is_file():
                raise DataError(f"{each.file} was not made by {' '.join(action.command)}", where=str(folder))
            content = file.read_bytes()
            digest = hashlib.sha256(content).hexdigest()
            if (len(content), digest) != (each.size, each.sha256):
                raise DataError(
                    f"{each.file} has {len(content)} bytes and sha256 {digest}, declared are {each.size} bytes and"
                    f" {each.sha256}",
                    where=str(self._plan.suite.place.file),
                    do="correct what makes it, or the declaration if the change is wanted",
                )
            found[each.file] = content
        return found

    def _into_config_map(self, name: tuple[str, str], files: Mapping[str, bytes]) -> None:
        """Server-side: a client-side apply would copy it into an annotation, which is limited to 256 KiB."""
        total = sum(map(len, files.values()))
        if total > CONFIG_MAP_LIMIT:
            raise DataError(f"{total} bytes do not fit into a ConfigMap, which takes {CONFIG_MAP_LIMIT}")
        item = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"namespace": name[0], "name": name[1]},
            "binaryData": {file: base64.b64encode(content).decode() for file, content in files.items()},
        }
        try:
            self._means.client.cluster.apply(CONFIGMAPS, item)
        except ApiError as error:
            raise HarnessError(error.what, where=error.where, do=error.do) from error

    def _into_bucket(self, bucket: tuple[str, str], files: Mapping[str, bytes]) -> None:
        store = self._means.acting.store(bucket[0])
        store.make(bucket[1])
        for file, content in files.items():
            store.write(bucket[1], file, content)
            if store.read(bucket[1], file) != content:
                raise HarnessError(f"{file} was uploaded to {'/'.join(bucket)}, and other bytes came back")


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _documents(path: Path) -> list[dict[str, Any]]:
    problems = Problems()
    files: Iterable[Path] = [path]
    if path.is_dir():
        files = sorted(each for each in path.iterdir() if each.suffix in (".yaml", ".yml"))
    found = [dict(document.value) for file in files for document in objects.read(file, problems, objects=True)]
    problems.require()
    if not found:
        raise DataError("contains no object", where=str(path))
    return found
