"""One operation: what is evaluated around it, what it does, and the records that it leaves."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from harness.assertions.proof_fields import API, EXECUTION, Proof
from harness.errors import ClusterError, HarnessError
from harness.suites.model import (
    Assert,
    Block,
    Delete,
    Document,
    Error,
    Operation,
    Own,
    Program,
    Proxy,
    Round,
    Show,
    Sleep,
    WaitFor,
    Write,
)
from harness.suites.record import OperationRecord, Status
from harness.suites.running import deletes, late, programs, proofs, reads, rounds, writes
from harness.suites.running.clients import Client
from harness.suites.running.direct import Direct
from harness.suites.running.failures import NotJudged, OperationFailed
from harness.suites.running.gates import asserted
from harness.suites.running.judging import Finding, Judging
from harness.suites.running.options import NO_LIMIT
from harness.suites.running.scope import Scope
from harness.suites.running.situation import Situation
from harness.suites.running.witness import Objection
from harness.waiting.loop import Cancelled

_AT_ONCE = 3.0  # seconds for a look at what nobody will change
_PAUSE = 0.5  # seconds between two looks at what holds and is no proof yet

INTERRUPTED = "interrupted"


@dataclass
class Performed:
    """What an operation left: a record for each of its documents, bindings for what follows."""

    records: list[OperationRecord] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)
    interrupted: bool = False

    @property
    def failed(self) -> bool:
        return any(record.status.red for record in self.records)


def timeout_of(operation: Operation, situation: Situation) -> float:
    """Seconds, by what an operation is; 0 written in a suite is no limit."""
    times = situation.timeouts
    by_verb = {
        "apply": times.apply,
        "create": times.apply,
        "update": times.apply,
        "patch": times.apply,
        "assert": times.assert_,
        "round": times.assert_,
        "error": times.error,
        "delete": times.delete,
    }
    seconds = operation.timeout if operation.timeout is not None else by_verb.get(operation.verb, times.exec)
    return seconds or NO_LIMIT


def perform(operation: Operation, number: int, block: Block, scope: Scope, situation: Situation) -> Performed:
    """Carry out an operation, the `number`th of its block. Raises nothing that a suite can cause."""
    return _Performing(operation, number, block, scope, situation).run()


class _Performing:
    def __init__(self, operation: Operation, number: int, block: Block, scope: Scope, situation: Situation) -> None:
        self._operation = operation
        self._number = number
        self._block = block
        self._scope = scope.under(operation.engine, template=operation.template)
        self._situation = situation
        self._timeout = timeout_of(operation, situation)
        self._done = Performed()
        self._client: Client | None = situation.client

    def run(self) -> Performed:
        begun = time.time()
        if self._situation.cancelled.is_set():
            return self._stopped(begun)
        if self._situation.deadline.expired:
            self._record(begun, Status.FAILED, "not begun: the time budget is used up")
            return self._done
        try:
            self._act()
        except Cancelled:
            return self._stopped(begun)
        except HarnessError as error:
            self._failed(begun, error)
        if not self._done.records:  # nothing passes because nothing was there
            self._record(begun, Status.ERROR, "the operation found no object to inspect")
        return self._done

    def _stopped(self, begun: float) -> Performed:
        self._record(begun, Status.ERROR, INTERRUPTED)
        self._done.interrupted = True
        return self._done

    def _act(self) -> None:
        operation, situation, action = self._operation, self._situation, self._operation.action
        needs_cluster = not isinstance(action, Sleep | Program | Assert | Error | Own)
        if needs_cluster or operation.cluster or situation.cluster:
            self._client = situation.client_of(operation, self._scope)
            shown = Direct(self._client)
            self._scope = self._scope.with_(client=shown, config=shown)
        match action:
            case Write():
                self._each(action.objects, trees=False)
            case Assert(trees=trees) | Error(trees=trees):
                self._each(trees, trees=True)
            case Delete():
                self._delete(action)
            case Round():
                self._round(action)
            case _:
                self._single()

    # Operations on documents: one record for each

    def _each(self, wanted: Any, *, trees: bool) -> None:
        base = self._bound(1)
        documents = late.documents(wanted, base, self._situation.folder, trees=trees)
        for position, document in enumerate(documents, start=1):
            begun = time.time()
            try:
                scope = self._bound(position)
                if trees:
                    self._judge(document, scope, begun)
                else:
                    self._write(document, scope, begun)
            except Cancelled:
                raise
            except HarnessError as error:
                self._failed(begun, error, document)

    def _bound(self, position: int) -> Scope:
        """Bindings of the operation, with the outputs of the documents before."""
        scope = self._scope.with_(**self._done.outputs, operation={"id": self._number, "resourceId": position})
        return scope.bound(self._operation.bindings)

    def _write(self, document: Document, scope: Scope, begun: float) -> None:
        action, client = self._operation.action, self._client
        assert isinstance(action, Write)  # noqa: S101 - told by `_act`
        assert client is not None  # noqa: S101 - likewise
        done, what = writes.written(action, document, client, scope, self._situation, self._timeout)
        outputs = scope.outputs(self._operation.outputs, done, {"error": None})
        self._done.outputs.update(outputs)
        name = f"{done.get('kind')} {_name_of(done)}"
        if self._situation.witness is not None:
            self._situation.witness.wrote(done)
        self._record(begun, Status.PASSED, what, document=document, objects=(name,), proof=API)

    def _judge(self, document: Document, scope: Scope, begun: float) -> None:
        situation, wanted = self._situation, isinstance(self._operation.action, Assert)
        gate = asserted(
            document.value,
            scope,
            self._client,
            namespace=situation.namespace or "default",
            wanted=wanted,
            strict_vacuous=situation.options.strict_vacuous,
            every=situation.options.all_match,
            staying=situation.options.ignore_leaving,
        )
        proof = proofs.of_document(document.value, scope.engine)
        why = proofs.without_controller(proofs.api_version_of(document.value), proof, situation.options)
        judging = Judging(self._client, situation.recorder, situation.cancelled)
        deadline = situation.within(min(self._timeout, _AT_ONCE) if why else self._timeout)
        finding = judging.judge(gate, deadline)
        if wanted and not why:
            while (objection := self._objection(document, finding)) is not None:
                if not objection.may_change or deadline.remaining <= _PAUSE:
                    finding = replace(finding, status=Status.FAILED, message=objection.why)
                    break
                situation.pause(_PAUSE)
                again = judging.judge(gate, deadline)
                if again.status is Status.ERROR:  # the time was up before anything was seen, or nobody answers
                    finding = replace(again, status=Status.FAILED, message=f"{objection.why}; then {again.message}")
                    break
                finding = again
        if situation.witness is not None:
            situation.witness.judged(finding.items, finding.diff)
        if why and (finding.status is Status.FAILED if wanted else finding.status is Status.PASSED):
            finding = replace(finding, status=Status.SKIPPED, message=why, diff="")
        elif finding.status is Status.PASSED and proofs.proves_nothing(proof, situation.options):
            finding = replace(finding, status=Status.SIMULATED)
        self._found(finding, document, begun, proof)

    def _objection(self, document: Document, finding: Finding) -> Objection | None:
        witness = self._situation.witness
        if witness is None or finding.status is not Status.PASSED:
            return None
        return witness.objection(document, finding.items, self._scope.engine)

    def _found(self, finding: Finding, document: Document, begun: float, proof: Proof, kind: str = "") -> None:
        self._record(
            begun,
            finding.status,
            finding.message,
            document=document,
            kind=kind,
            diff=finding.diff,
            objects=finding.objects,
            candidates=finding.candidates,
            matched=finding.matched,
            vacuous=finding.vacuous,
            changed=finding.changed,
            notes=finding.notes,
            proof=proof,
        )

    def _round(self, action: Round) -> None:
        begun = time.time()
        assert self._client is not None  # noqa: S101 - told by `_act`
        found = rounds.judged(action, self._client, self._scope, self._situation, self._timeout)
        for document, wanted, finding in found.documents:
            if self._situation.witness is not None:
                self._situation.witness.judged(finding.items, finding.diff)
            if wanted and (objection := self._objection(document, finding)) is not None:
                finding = replace(finding, status=Status.FAILED, message=objection.why)
            proof = proofs.of_document(document.value, "jp")
            self._found(finding, document, begun, proof, "assert" if wanted else "error")
        if found.rest is not None:
            self._record(begun, found.rest.status, found.rest.message, output=found.rest.output)

    def _delete(self, action: Delete) -> None:
        client, scope, situation = self._client, self._bound(1), self._situation
        assert client is not None  # noqa: S101 - told by `_act`
        references = [(action.reference, self._operation.place)] if action.reference is not None else []
        references += [
            (deletes.reference_to(scope.rendered(document.value)), document.place)
            for document in late.documents(action.objects, scope, situation.folder, trees=False)
        ]
        for reference, place in references:
            begun = time.time()
            try:
                names = deletes.deleted(
                    reference,
                    action.expect,
                    client,
                    scope,
                    situation,
                    propagation=action.propagation or situation.propagation,
                    timeout=self._timeout,
                )
                what = "deleted" if names else "nothing to delete"
                self._record(begun, Status.PASSED, what, objects=tuple(names), place=str(place))
            except Cancelled:
                raise
            except HarnessError as error:
                self._failed(begun, error)

    # Operations that leave one record

    def _single(self) -> None:
        begun, situation, client = time.time(), self._situation, self._client
        scope, action = self._bound(1), self._operation.action
        status, proof, output, said = Status.PASSED, API, "", ""
        given: Mapping[str, Any] = {}
        match action:
            case Sleep(seconds=seconds):
                situation.pause(min(seconds, situation.deadline.remaining))
                said = f"slept {seconds:g} s"
            case Own():
                said = self._carried(action, scope)
            case Program():
                ended = programs.carried_out(action, client, scope, situation, self._timeout)
                proof, output, given = proofs.of_program(action), ended.shown(action), ended.given
            case WaitFor() if client is not None:
                said = reads.awaited(action, client, scope, situation, self._timeout)
                proof = proofs.of_wait(action)
            case Show() if client is not None:
                output = reads.shown(action, client, scope, situation, self._timeout)
            case Proxy() if client is not None:
                output, proof = reads.proxied(action, client, scope, situation, self._timeout), EXECUTION
                given = {"stdout": output, "stderr": "", "error": None}
        self._done.outputs.update(scope.with_(**given).outputs(self._operation.outputs, None, given))
        if proofs.proves_nothing(proof, situation.options):
            status = Status.SIMULATED
        self._record(begun, status, said, output=output, proof=proof)

    def _carried(self, action: Own, scope: Scope) -> str:
        if self._situation.carry is None:
            raise NotJudged(f"{action.verb} is an operation of end-to-end suites only")
        return self._situation.carry(action, scope, self._situation, self._timeout)

    def _failed(self, begun: float, error: HarnessError, document: Document | None = None) -> None:
        status, output = Status.ERROR, ""
        if isinstance(error, OperationFailed):
            status, output = error.status, error.output
        self._record(begun, status, _text(error), document=document, output=output)

    def _record(
        self,
        begun: float,
        status: Status,
        message: str = "",
        *,
        document: Document | None = None,
        kind: str = "",
        place: str = "",
        proof: Proof | None = None,
        **facts: Any,
    ) -> None:
        operation = self._operation
        self._done.records.append(
            OperationRecord(
                kind or operation.verb,
                operation.description or f"operation {self._number}",
                self._block,
                status,
                begun,
                time.time(),
                place or str(document.place if document is not None else operation.place),
                message,
                proof=proofs.named(proof) if proof is not None else "",
                **facts,
            )
        )


def _text(error: HarnessError) -> str:
    """What the server says, with where it was asked for; else what and what to do."""
    return str(error) if isinstance(error, ClusterError) or error.where else "\n  ".join(_parts(error))


def _parts(error: HarnessError) -> Iterator[str]:
    yield error.what
    if error.do:
        yield error.do


def _name_of(item: Mapping[str, Any]) -> str:
    metadata = item.get("metadata") or {}
    return "/".join(filter(None, (metadata.get("namespace"), metadata.get("name"))))
