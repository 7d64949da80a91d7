"""kuttl's common round: asserts, errors, conditions in CEL and commands that must hold at the same time."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from harness.assertions.candidates import Judgement, Standing
from harness.assertions.errors import EvaluationFailed, ExpressionInvalid
from harness.deadline import Deadline
from harness.errors import HarnessError
from harness.gates.assertions import KindServed
from harness.gates.rounds import Member, Together
from harness.objects import Kind, Object, Objects
from harness.suites.kuttl.rules import Rule, compile_rule
from harness.suites.model import Document, ObjectReference, Round
from harness.suites.record import Status
from harness.suites.running import programs, proofs
from harness.suites.running.clients import Client
from harness.suites.running.failures import NotJudged, OperationFailed
from harness.suites.running.judging import Finding, recorded, until_passed
from harness.suites.running.scope import Scope
from harness.suites.running.situation import Situation
from harness.verdict import Passed, Verdict, Waiting
from harness.waiting.loop import Cancelled, Expired, GateFailed, Judged, wait
from harness.waiting.reflector import Narrow

PAUSE = 1.0  # seconds between two rounds of commands, as kuttl has it


@dataclass(frozen=True)
class Judgements:
    """What became of each document of a round, and of the rest of it as a whole (None: there is no rest)."""

    documents: tuple[tuple[Document, bool, Finding], ...]
    rest: Finding | None


def judged(action: Round, client: Client, scope: Scope, situation: Situation, timeout: float | None) -> Judgements:
    """Carry out a round until all of it holds at once, or its time is over. Raises Cancelled."""
    return _Round(action, client, scope, situation, situation.within(timeout)).run()


class _Round:
    def __init__(self, action: Round, client: Client, scope: Scope, situation: Situation, deadline: Deadline) -> None:
        self._action = action
        self._client = client
        self._scope = scope
        self._situation = situation
        self._deadline = deadline
        self._last = Objects({})

    def run(self) -> Judgements:
        members: dict[int, Member] = {}
        try:
            for number, (document, wanted) in enumerate(self._documents()):
                members[number] = Member(document.value, self._kind(document), wanted)
            waited = tuple(member for member in members.values() if not self._unwritten(member))
            gate = Together(waited, self._situation.namespace)
            failure = self._until_all_hold(gate)
        except Expired as expired:  # a kind that never came
            return self._all(Finding(Status.FAILED, expired.what))
        except Cancelled:
            raise
        except HarnessError as error:
            return self._all(Finding(Status.ERROR, str(error)))
        whole = Together(tuple(members.values()), self._situation.namespace)
        self._look(whole)
        found = [
            (document, wanted, self._finding(whole, members[number], failure))
            for number, (document, wanted) in enumerate(self._documents())
        ]
        rest = None
        if self._action.commands or self._action.rules:
            rest = failure if failure is not None else Finding(Status.PASSED, "commands and conditions hold")
        elif failure is not None and not any(finding.status.red for *_, finding in found):
            rest = failure
        return Judgements(tuple(found), rest)

    def _documents(self) -> Iterator[tuple[Document, bool]]:
        yield from ((document, True) for document in self._action.asserts)
        yield from ((document, False) for document in self._action.errors)

    def _all(self, finding: Finding) -> Judgements:
        return Judgements(tuple((document, wanted, finding) for document, wanted in self._documents()), finding)

    def _kind(self, document: Document) -> Kind:
        """Waits for a kind that a definition may still bring."""
        api_version, name = str(document.value["apiVersion"]), str(document.value["kind"])
        if self._client.find(api_version, name) is None:
            try:
                return self._client.kind(api_version, name)
            except HarnessError as error:
                if not getattr(error, "may_come", False):
                    raise
            gate = KindServed(api_version, name)
            situation = self._situation
            until_passed(self._client.cluster, gate, self._deadline, situation.recorder, situation.cancelled)
            self._client.forget()
        return self._client.kind(api_version, name)

    def _unwritten(self, member: Member) -> bool:
        proof = proofs.of_document(member.expected, "jp")
        return bool(proofs.without_controller(member.kind.api_version, proof, self._situation.options))

    def _until_all_hold(self, gate: Together) -> Finding | None:
        """None once everything held at once, else why not."""
        while True:
            if (failure := self._objects_hold(gate)) is not None:
                return failure
            if not self._action.commands:
                return None
            failure = self._failed_command()
            if failure is None:
                # The objects held before the commands; they have to hold after them too.
                return self._objects_hold(gate)
            if self._deadline.remaining <= PAUSE:
                return failure
            self._situation.pause(PAUSE)

    def _objects_hold(self, gate: Together) -> Finding | None:
        rules = _Rules(self._action, self._client, self._scope, self._situation)
        kinds = tuple(dict.fromkeys((*gate.kinds, *rules.kinds)))
        if not kinds:
            return None

        def whole(objects: Objects) -> Verdict:
            verdict = gate(objects) if gate.members else Passed("")
            return rules(objects) if isinstance(verdict, Passed) and rules.kinds else verdict

        recorder = self._situation.recorder if not rules.kinds else None  # conditions in CEL are not recorded
        try:
            with recorded(recorder, gate, kinds, self._deadline.remaining, self._seen) as observe:
                wait(
                    self._client.cluster,
                    kinds,
                    whole,
                    self._deadline,
                    observe=observe,
                    cancelled=self._situation.cancelled,
                    narrow=self._narrowed(gate) if not rules.kinds else None,
                )
        except GateFailed as failed:
            return Finding(Status.ERROR, failed.what)
        except Expired as expired:
            text = expired.verdict.reason if expired.verdict is not None else expired.do
            return Finding(Status.FAILED, f"timed out after {expired.seconds:.1f} s: {text}")
        return None

    def _seen(self, judged_: Judged) -> None:
        self._last = judged_.objects

    def _narrowed(self, gate: Together) -> dict[Kind, Narrow]:
        """By namespace, where all members of a kind are in one."""
        spaces: dict[Kind, set[str]] = {}
        for member in gate.members:
            named = (member.expected.get("metadata") or {}).get("namespace") or gate.namespace
            spaces.setdefault(member.kind, set()).add(str(named) if member.kind.namespaced else "")
        return {kind: Narrow(min(found)) for kind, found in spaces.items() if len(found) == 1}

    def _failed_command(self) -> Finding | None:
        for program in self._action.commands:
            timeout = max(1.0, self._deadline.remaining)
            try:
                programs.carried_out(program, self._client, self._scope, self._situation, timeout)
            except NotJudged:
                raise
            except OperationFailed as failed:
                return Finding(Status.FAILED, failed.what, output=failed.output)
        return None

    def _look(self, whole: Together) -> None:
        """Members that were not waited for are looked at once."""
        missing = [kind for kind in whole.kinds if kind not in self._last.kinds]
        if not missing:
            return
        found = {kind: {_key(item): item for item in self._last.all(kind)} for kind in self._last.kinds}
        for kind in missing:
            found[kind] = {_key(item): item for item in self._client.cluster.list(kind).items}
        self._last = Objects(found)

    def _finding(self, whole: Together, member: Member, failure: Finding | None) -> Finding:
        judgement = whole.judge(member, self._last)
        proof = proofs.of_document(member.expected, "jp")
        why = proofs.without_controller(member.kind.api_version, proof, self._situation.options)
        holds = judgement.standing is Standing.HOLDS
        items = tuple(whole.fitting(member, self._last))
        if why and (not holds or not member.wanted):
            return _made(Status.SKIPPED, why, judgement, items)
        if holds:
            simulated = proofs.proves_nothing(proof, self._situation.options)
            return _made(Status.SIMULATED if simulated else Status.PASSED, "", judgement, items)
        prefix = failure.message.partition(": ")[0] if failure is not None else "does not hold"
        return _made(Status.FAILED, f"{prefix}: {judgement.text}", judgement, items)


def _made(status: Status, message: str, judgement: Judgement, items: tuple[Object, ...]) -> Finding:
    return Finding(
        status,
        message,
        candidates=judgement.candidates,
        matched=judgement.matched,
        vacuous=judgement.vacuous,
        items=items,
    )


def _key(item: Object) -> tuple[str, str]:
    return str(item["metadata"].get("namespace", "")), str(item["metadata"]["name"])


class _Rules:
    """The conditions of a TestAssert, over the objects that it names."""

    def __init__(self, action: Round, client: Client, scope: Scope, situation: Situation) -> None:
        self._references: dict[str, tuple[Kind, ObjectReference]] = {}
        self._rules: list[tuple[list[Rule], bool]] = []
        if not action.rules:
            return
        for name, reference in action.references.items():
            kind = client.kind(reference.api_version, reference.kind)
            namespace = reference.namespace or situation.namespace
            self._references[name] = (kind, replace(reference, namespace=namespace if kind.namespaced else ""))
        try:
            self._rules = [
                ([compile_rule(text, self._references) for text in rule.expressions], rule.any) for rule in action.rules
            ]
        except ExpressionInvalid as error:
            raise NotJudged(str(error)) from error

    @property
    def kinds(self) -> tuple[Kind, ...]:
        return tuple(dict.fromkeys(kind for kind, _ in self._references.values()))

    def __call__(self, objects: Objects) -> Verdict:
        found: dict[str, Mapping[str, Any]] = {}
        for name, (kind, reference) in self._references.items():
            item = objects.get(kind, reference.namespace, reference.name)
            if item is None:
                return Waiting(f"{kind.kind} {reference.namespace}/{reference.name} not found")
            found[name] = item
        for rules, any_ in self._rules:
            open_ = [text for rule in rules if (text := _fails(rule, found))]
            if open_ and (not any_ or len(open_) == len(rules)):
                return Waiting("\n".join(open_))
        return Passed("all conditions hold")


def _fails(rule: Rule, found: Mapping[str, Any]) -> str:
    try:
        return "" if rule.holds(found) else f"{rule.text} is false"
    except EvaluationFailed as error:
        return str(error)
