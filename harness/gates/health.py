"""Whether what a component's health check asserts holds, all of it at one revision of the cluster."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from harness.assertions.candidates import Assertion, Judgement, Standing, Target, compile_assertion
from harness.assertions.expressions.context import Context
from harness.assertions.outcome import CannotEvaluate
from harness.gates.findings import named
from harness.objects import PODS, SERVED, Key, Kind, Object, Objects, key_of
from harness.verdict import CauseKind, Failed, Passed, Verdict, Waiting


@dataclass(frozen=True)
class Look:
    """One document of an assert, or (`wanted` false) of an error; `step` is where it is written."""

    step: str
    wanted: bool
    document: Mapping[str, Any]
    kind: Kind

    @cached_property
    def assertion(self) -> Assertion:
        return compile_assertion(self.document)

    @property
    def title(self) -> str:
        return f'step "{self.step}" {"assert" if self.wanted else "error"}'

    def judge(self, objects: Objects) -> tuple[Judgement, Target, int]:
        """What there is to say, of which objects, and how many pods were left out since they are being deleted."""
        resolved = self.assertion.resolve(Context())
        if isinstance(resolved, CannotEvaluate):
            return Judgement(Standing.CANNOT_BE_EVALUATED, str(resolved)), Target("", self.kind.kind), 0
        target = resolved.target or Target("", self.kind.kind)
        if not self.kind.namespaced:
            target = replace(target, namespace="")
        found = [item for item in objects.all(self.kind) if target.selects(item)]
        # A pod on its way out says nothing of those that replace it.
        kept = [item for item in found if not (self.kind == PODS and _terminating(item))]
        judge = resolved.judge_assert if self.wanted else resolved.judge_error
        return judge(kept, Context()), target, len(found) - len(kept)


def _terminating(item: Object) -> bool:
    return bool(item["metadata"].get("deletionTimestamp"))


@dataclass(frozen=True)
class Healthy:
    """Every assert holds, and nothing matches an error; what is wrong first, in the order of the check, is told.

    An object that is not there is doomed: whoever waits gives it a grace, and not the whole time of the check.
    """

    looks: tuple[Look, ...]

    @property
    def kinds(self) -> tuple[Kind, ...]:
        return tuple(dict.fromkeys(look.kind for look in self.looks))

    def __call__(self, objects: Objects) -> Verdict:
        left_out = 0
        for look in self.looks:
            judgement, target, leaving = look.judge(objects)
            left_out += leaving
            if judgement.standing is Standing.HOLDS:
                continue
            subject = _subject(look.kind, target, judgement)
            reason = f"{look.title}: {judgement.text}"
            if judgement.standing is Standing.CANNOT_BE_EVALUATED:
                return Failed(reason, subject, kind=CauseKind.SETTINGS)
            absent = look.wanted and not judgement.candidates
            return Waiting(reason, subject, kind=CauseKind.RECONCILE, doomed=reason if absent else "")
        asserts = sum(look.wanted for look in self.looks)
        errors = len(self.looks) - asserts
        parts = [f"{asserts} asserts hold", *([f"nothing matches {errors} errors"] if errors else [])]
        if left_out:
            parts.append("pods that are being deleted were left out")
        return Passed(", ".join(parts))


@dataclass(frozen=True)
class AllServed:
    """The server serves every one of these kinds, "apps/v1/Deployment"; one that is missing is doomed."""

    wanted: tuple[str, ...]

    @property
    def kinds(self) -> tuple[Kind, ...]:
        return (SERVED,)

    def __call__(self, objects: Objects) -> Verdict:
        missing = [name for name in self.wanted if objects.get(SERVED, "", name) is None]
        if not missing:
            return Passed(f"{len(self.wanted)} kinds are served")
        version, _, kind = missing[0].rpartition("/")
        reason = f"the server does not know the kind {kind} of {version}"
        return Waiting(reason, f"{kind} {version}", kind=CauseKind.RECONCILE, doomed=reason)


def _subject(kind: Kind, target: Target, judgement: Judgement) -> str:
    if judgement.nearest is not None:
        return named(kind, key_of(judgement.nearest))
    key: Key = (target.namespace, target.name or "*")
    return named(kind, key)
