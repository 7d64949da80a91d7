"""What a suite keeps of each step, and what it objects to: artifacts/<case>/<step>/, provenance, pods that moved."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from harness.assertions.candidates import target_of
from harness.endtoend import provenance
from harness.endtoend.plan import CasePlan
from harness.endtoend.provenance import Begun
from harness.errors import HarnessError
from harness.evidence.directory import EvidenceDirectory
from harness.objects import EVENTS, PODS
from harness.suites.model import Assert, Document, Round, Step
from harness.suites.record import Status, StepRecord
from harness.suites.running.clients import Client
from harness.suites.running.nodes import simulated_nodes
from harness.suites.running.witness import Objection

Object = Mapping[str, Any]
Logs = Callable[[], Mapping[str, Path]]  # of every process, by name
PodLogs = Callable[[float], Iterable[tuple[str, str]]]  # names and texts since a time; see pod_logs.py
MOST = 1_000_000  # characters of a log that a step is kept with


@dataclass
class _Step:
    name: str
    namespace: str
    begun: float
    offsets: Mapping[str, int]
    applied: list[Object] = field(default_factory=list)
    before: list[Object] = field(default_factory=list)
    after: dict[str, Object] = field(default_factory=dict)
    diffs: list[str] = field(default_factory=list)


class StepWitness:
    """Of one case. `held`: pods on simulated nodes have to stay Pending, whoever writes them."""

    def __init__(
        self,
        case: CasePlan,
        client: Client,
        artifacts: EvidenceDirectory,
        logs: Logs,
        pod_logs: PodLogs,
        *,
        begun: Begun,
        held: bool,
        with_logs: bool = True,
        with_events: bool = True,
    ) -> None:
        self._case = case
        self._client = client
        self._artifacts = artifacts
        self._logs = logs
        self._pod_logs = pod_logs
        self._held = held
        self._with_logs = with_logs
        self._with_events = with_events
        self._begun = begun
        self._step: _Step | None = None
        self.problems: list[str] = []

    def began(self, step: Step, name: str, namespace: str) -> None:
        offsets = {each: _size(file) for each, file in self._logs().items()} if self._with_logs else {}
        self._step = _Step(name, namespace, time.time(), offsets)
        self._step.before = [item for document in _asserted(step) if (item := self._now(document, namespace))]

    def wrote(self, item: Object) -> None:
        if self._step is not None:
            self._step.applied.append(item)

    def judged(self, items: tuple[Object, ...], diff: str) -> None:
        if self._step is not None:
            self._step.after |= {_key(item): item for item in items}
            self._step.diffs += [diff] if diff else []

    def objection(self, document: Document, items: tuple[Object, ...], engine: str) -> Objection | None:
        return provenance.objection(document.value, items, self._begun, engine=engine)

    def ended(self, record: StepRecord) -> StepRecord:
        step, self._step = self._step, None
        if step is None:
            return record
        if self._held and not record.status.red and (moved := self._moved()):
            record = replace(record, status=Status.FAILED, message=moved)
        self._keep(step, record)
        return record

    def _moved(self) -> str:
        """Pods that are as if they had run, where nothing does."""
        try:
            nodes = simulated_nodes(self._client.cluster)
            for pod in self._client.cluster.list(PODS).items:
                phase = (pod.get("status") or {}).get("phase", "Pending")
                if phase != "Pending" and pod["spec"].get("nodeName") in nodes:
                    writers = sorted({each.manager for each in provenance.writers_of(pod, ("status", "phase"))})
                    by = f", written by {', '.join(writers)}" if writers else ""
                    return (
                        f"{_key(pod)} is {phase}{by}: nothing runs on simulated nodes, so what follows proves nothing"
                    )
        except HarnessError as error:
            return f"whether pods are held could not be seen: {error.what}"
        return ""

    def _now(self, document: Document, namespace: str) -> Object | None:
        target = target_of(document.value)
        if target is None or not target.name or target.kind == "Secret":
            return None
        try:
            kind = self._client.find(target.api_version, target.kind)
            if kind is None:
                return None
            return self._client.get(kind, (target.namespace or namespace) if kind.namespaced else "", target.name)
        except HarnessError:
            return None

    def _keep(self, step: _Step, record: StepRecord) -> None:
        folder = f"artifacts/{_safe(self._case.case.name)}/{_safe(step.name)}"
        texts = {
            "applied.yaml": _yaml(step.applied),
            "asserted-before.yaml": _yaml(step.before),
            "asserted-after.yaml": _yaml(step.after.values()),
            "difference.diff": "\n".join(step.diffs),
            "output.txt": _output(record),
            "events.yaml": _yaml(self._events(step)) if self._with_events else "",
        }
        texts |= {f"logs/{name}.log": text for name, text in self._said(step)} if self._with_logs else {}
        for name, text in texts.items():
            if text and (problem := self._artifacts.write(f"{folder}/{name}", text)):
                self.problems.append(f"{folder}/{name} {problem}")

    def _events(self, step: _Step) -> list[Object]:
        """Those since the step began; the API tells whole seconds."""
        try:
            found = self._client.cluster.list(EVENTS).items
        except HarnessError as error:
            self.problems.append(f"events of {step.name}: {error.what}")
            return []
        return [event for event in found if (_seen(event) or 0.0) >= int(step.begun)]

    def _said(self, step: _Step) -> Iterable[tuple[str, str]]:
        for name, file in self._logs().items():
            try:
                with file.open("rb") as log:
                    log.seek(step.offsets.get(name, 0))
                    text = log.read(MOST).decode(errors="replace")
            except OSError:
                continue
            if text:
                yield name, text
        try:
            yield from self._pod_logs(step.begun)
        except HarnessError as error:
            self.problems.append(f"logs of pods in {step.name}: {error.what}")


def _asserted(step: Step) -> Iterable[Document]:
    for operation in step.try_:
        match operation.action:
            case Assert(trees=trees):
                yield from trees.documents
            case Round(asserts=asserts):
                yield from asserts


def _output(record: StepRecord) -> str:
    parts = []
    for operation in record.operations:
        head = f"{operation.status} {operation.kind} {operation.place}"
        parts.append("\n".join(filter(None, (head, operation.message, operation.output))))
    return "\n".join(filter(None, (record.message, *parts))) + "\n"


def _yaml(items: Iterable[Object]) -> str:
    found = [dict(item) for item in items]
    return yaml.safe_dump_all(found, sort_keys=False) if found else ""


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0


def _seen(event: Object) -> float | None:
    times = (event.get("lastTimestamp"), event.get("eventTime"), event["metadata"].get("creationTimestamp"))
    return next((provenance.seconds(str(each)) for each in times if each), None)


def _key(item: Object) -> str:
    metadata = item["metadata"]
    return f"{item.get('kind') or 'Pod'} {'/'.join(filter(None, (metadata.get('namespace'), metadata.get('name'))))}"


def _safe(name: str) -> str:
    return "".join(each if each.isalnum() or each in "-_." else "_" for each in name).lstrip(".") or "_"
