"""Which steps of a suite are judged on a runtime, and why the others are not: told before anything is made.

Pods on simulated nodes run nothing, so what follows from execution proves nothing there; where pods are simulated, what
a controller writes may follow from such a pod, and proves nothing either. A skip has to be declared, and to be true.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from harness.assertions.candidates import target_of
from harness.assertions.proof_fields import API, CONTROLLER, EXECUTION, Proof
from harness.endtoend.model import (
    EVERYWHERE,
    HOST,
    INFERRED,
    CaseDeclared,
    EndToEndSuite,
    Pods,
    SetUpStep,
    Skip,
    StandsFor,
    Why,
)
from harness.endtoend.operations import CONTROL, READY
from harness.endtoend.processes.declared import PORT
from harness.endtoend.workloads import KINDS
from harness.errors import UsageError, did_you_mean
from harness.suites.model import (
    Assert,
    Document,
    Documents,
    Error,
    Operation,
    Own,
    Program,
    Proxy,
    Round,
    Show,
    Step,
    Test,
    WaitFor,
)
from harness.suites.running import proofs


@dataclass(frozen=True)
class StepPlan:
    """What becomes of a step: judged, or (`why`) not. `step` is it as it is carried out; `problem` makes its case red.

    `reason` says which operation, with its place, cannot be judged, or what was declared.
    """

    name: str
    step: Step
    why: Why | None = None
    reason: str = ""
    problem: str = ""

    @property
    def judged(self) -> bool:
        return self.why is None


@dataclass(frozen=True)
class CasePlan:
    case: CaseDeclared
    steps: tuple[StepPlan, ...]

    @property
    def judged(self) -> int:
        return sum(step.judged for step in self.steps)


@dataclass(frozen=True)
class Plan:
    """A suite on one runtime: `setup` are the steps that belong there, `cases` those that were chosen and what they
    need; `added` are the names of those that were not asked for.
    """

    suite: EndToEndSuite
    runtime: str
    setup: tuple[SetUpStep, ...]
    cases: tuple[CasePlan, ...]
    added: tuple[str, ...] = ()


def plan(suite: EndToEndSuite, runtime: str, *, pattern: str = "", begin: str = "", gpu: str = "simulated") -> Plan:
    """`pattern` chooses cases by name (as a shell does), `begin` the one to begin with; what they need comes too.

    Raises UsageError where no case is chosen.
    """
    chosen = _chosen(suite, pattern, begin)
    needed = _with_needs(suite, chosen)
    return Plan(
        suite,
        runtime,
        tuple(step for step in suite.setup if runtime in step.runtimes),
        tuple(_Planning(suite, runtime, gpu).case(case) for case in suite.cases if case.name in needed),
        tuple(case.name for case in suite.cases if case.name in needed - chosen),
    )


def _chosen(suite: EndToEndSuite, pattern: str, begin: str) -> set[str]:
    names = [case.name for case in suite.cases]
    if begin:
        if begin not in names:
            raise UsageError(f"{begin!r} is no case of {suite.name}", where="--from", do=did_you_mean(begin, names))
        names = names[names.index(begin) :]
    found = {name for name in names if not pattern or fnmatchcase(name, pattern)}
    if not found:
        raise UsageError(f"no case matches {pattern!r}", where="--case", do=did_you_mean(pattern.strip("*"), names))
    return found


def _with_needs(suite: EndToEndSuite, chosen: set[str]) -> set[str]:
    needs = {case.name: case.needs for case in suite.cases}
    found, left = set[str](), list(chosen)
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += needs[name]
    return found


class _Planning:
    def __init__(self, suite: EndToEndSuite, runtime: str, gpu: str) -> None:
        self._suite = suite
        self._runtime = runtime
        self._gpu = gpu
        self._standing: Mapping[StandsFor, str] = {
            each: name for name, stands in suite.stands_for.items() for each in stands if runtime == HOST
        }

    def case(self, case: CaseDeclared) -> CasePlan:
        [test] = case.suite.tests
        skips = {skip.step: skip for skip in case.skips.get(self._runtime, ())}
        steps = []
        for number, step in enumerate(test.steps, start=1):
            name = step.name or f"step {number}"
            steps.append(self._step(name, self._with_standing(step, test), test, skips.get(name)))
        return CasePlan(case, tuple(steps))

    def _step(self, name: str, step: Step, test: Test, skip: Skip | None) -> StepPlan:
        found = self._unjudged(step, test)
        if skip is not None and skip.why not in INFERRED:
            if skip.why is Why.GPU and self._gpu == "real":
                skip = None
            else:
                return StepPlan(name, step, skip.why, skip.reason)
        if found is None and skip is None:
            return StepPlan(name, step)
        if found is None and skip is not None:
            what = (
                f"{skip.place}: a skip of class {skip.why} is declared, but everything in the step can be judged here"
            )
            return StepPlan(name, step, problem=what)
        why, reason = found if found is not None else (Why.EXECUTION, "")
        if skip is None:
            problem = f"{reason}, and no skip is declared for it on the runtime {self._runtime}"
            return StepPlan(name, step, why, reason, problem)
        if skip.why is not why:
            problem = f"{skip.place}: the skip is declared as {skip.why}, but {reason}"
            return StepPlan(name, step, why, reason, problem)
        return StepPlan(name, step, why, f"{skip.reason} ({reason})")

    def _unjudged(self, step: Step, test: Test) -> tuple[Why, str] | None:
        """The first operation that cannot be judged here."""
        for operation in step.try_:
            if isinstance(operation.action, Own) and self._runtime != HOST:
                if why := self._out_of_reach(operation.action):
                    return Why.SERVICE, f"{operation.verb} at {operation.place} cannot be carried out on pods: {why}"
                continue
            for proof, namespace, what in _needs(operation, test.namespace):
                where = f"{what} at {operation.place}"
                if proof is EXECUTION and not self._executes(namespace):
                    return Why.EXECUTION, f"{where} needs execution, and pods run nothing on simulated nodes"
                if proof is CONTROLLER and self._runtime == HOST and self._suite.cluster.pods is Pods.SIMULATE:
                    return Why.CONTROLLER, f"{where} needs a controller, which may follow pods that are simulated"
        return None

    def _out_of_reach(self, own: Own) -> str:
        """Why an operation on a process cannot be carried out where it is a workload; empty where it can."""
        name = str(own.arguments["process"])
        [process] = [each for each in self._suite.processes if each.name == name]
        workloads = [each for each in self._suite.stands_for.get(name, ()) if each.kind in KINDS]
        purpose = str(own.arguments.get("port", PORT))
        services = [service for service, each in process.names.items() if each == purpose]
        if own.verb in ("pause", "resume"):
            return "a pod cannot be paused"
        if own.verb in (*CONTROL, "requests"):
            if not workloads:
                return f"{name} stands for no Deployment and no StatefulSet"
            namespaces = [each.namespace for each in workloads]
        else:
            if not services:
                return f"no name of {name} leads to its port {purpose!r}"
            namespaces = [each.namespace for each in services]
        simulated = [each for each in namespaces if not self._executes(each)]
        return f"the pods of {name} in {simulated[0]} run nothing" if simulated else ""

    def _executes(self, namespace: str) -> bool:
        """Whether pods of a namespace run; empty: the test's own, made for it."""
        real = self._suite.cluster.real
        return self._runtime != HOST and (EVERYWHERE in real or namespace in real)

    def _with_standing(self, step: Step, test: Test) -> Step:
        """Asserts on what a process stands for become asserts on the rest of it, and on the process being ready."""
        found: list[Operation] = []
        for operation in step.try_:
            if isinstance(operation.action, Assert) and self._standing:
                found += self._standing_in(operation, operation.action, test)
            else:
                found.append(operation)
        return replace(step, try_=tuple(found))

    def _standing_in(self, operation: Operation, action: Assert, test: Test) -> Iterator[Operation]:
        documents, ready = [], []
        for document in action.trees.documents:
            name = self._stands(document, test)
            needed = proofs.of_document(document.value, operation.engine or "jp") is EXECUTION
            if name and needed and _says_ready(document.value.get("status")):
                ready.append(name)
                rest = {key: value for key, value in document.value.items() if key != "status"}
                documents.append(Document(rest, document.place))
            else:
                documents.append(document)
        yield replace(operation, action=Assert(Documents(tuple(documents), action.trees.file)))
        for name in ready:
            yield Operation(
                Own(READY, {"process": name}), operation.place, f"{name} stands for it", timeout=operation.timeout
            )

    def _stands(self, document: Document, test: Test) -> str:
        target = target_of(document.value)
        if target is None:
            return ""
        return self._standing.get(StandsFor(target.kind, target.namespace or test.namespace, target.name), "")


# One process that is ready stands for a workload with one replica that is available, and for nothing else.
_COUNTS = ("replicas", "readyReplicas", "availableReplicas", "updatedReplicas", "numberReady", "numberAvailable")
_CONDITION = re.compile(r"\(conditions\[\?type == '(?:Available|Ready)'\]\)")


def _says_ready(status: object) -> bool:
    """Whether an asserted status says that one replica is ready, and no more."""
    return (
        isinstance(status, Mapping)
        and bool(status)
        and all(
            (key in _COUNTS and value == 1 and value is not True)
            or (_CONDITION.fullmatch(key) is not None and value == [{"status": "True"}])
            for key, value in status.items()
        )
    )


def _needs(operation: Operation, namespace: str) -> Iterator[tuple[Proof, str, str]]:
    """What each part of an operation needs, in which namespace, and what it is."""
    action, engine = operation.action, operation.engine or "jp"
    match action:
        case Assert(trees=trees) | Error(trees=trees):
            for document in trees.documents:
                yield _of(document, engine, namespace, operation.verb)
        case Round():
            for document in action.asserts:
                yield _of(document, "jp", namespace, "assert")
            for document in action.errors:
                yield _of(document, "jp", namespace, "error")
            for program in action.commands:
                yield proofs.of_program(program), namespace, "command"
            if action.rules:  # what CEL reads cannot be told
                yield EXECUTION, namespace, "celExpr"
        case WaitFor(reference=reference):
            yield proofs.of_wait(action), reference.namespace or namespace, "wait"
        case Program():
            yield proofs.of_program(action), namespace, operation.verb
        case Proxy(reference=reference):
            yield EXECUTION, reference.namespace or namespace, "proxy"
        case Show(verb="podLogs", reference=reference):
            yield EXECUTION, reference.namespace or namespace, "podLogs"
        case _:
            yield API, namespace, operation.verb


def _of(document: Document, engine: str, namespace: str, verb: str) -> tuple[Proof, str, str]:
    target = target_of(document.value)
    named = (target.namespace if target else "") or namespace
    kind = f" of {target.kind}" if target else ""
    return proofs.of_document(document.value, engine), named, f"{verb}{kind}"
