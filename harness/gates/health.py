"""Whether what a component's health check asserts holds, all of it at one revision of the cluster."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from harness.assertions.candidates import Assertion, Judgement, Resolved, Standing, Target, compile_assertion
from harness.assertions.expressions.context import Context
from harness.assertions.outcome import CannotEvaluate
from harness.gates.findings import named
from harness.objects import PODS, SERVED, Kind, Object, Objects, key_of
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

    @cached_property
    def _resolved(self) -> Resolved | CannotEvaluate:
        return self.assertion.resolve(Context())

    @property
    def target(self) -> Target:
        """The objects that it is about."""
        found = None if isinstance(self._resolved, CannotEvaluate) else self._resolved.target
        found = found or Target("", self.kind.kind)
        return found if self.kind.namespaced else replace(found, namespace="")

    @property
    def subject(self) -> str:
        """The same, as a verdict names it."""
        return named(self.kind, (self.target.namespace, self.target.name or "*"))

    def found(self, objects: Objects) -> list[Object]:
        target = self.target
        return [item for item in objects.all(self.kind) if target.selects(item)]

    def judge(self, objects: Objects) -> tuple[Judgement, int]:
        """What there is to say, and how many pods were left out since they are being deleted."""
        if isinstance(self._resolved, CannotEvaluate):
            return Judgement(Standing.CANNOT_BE_EVALUATED, str(self._resolved)), 0
        found = self.found(objects)
        # A pod on its way out says nothing of those that replace it.
        kept = [item for item in found if self.kind != PODS or not item["metadata"].get("deletionTimestamp")]
        judge = self._resolved.judge_assert if self.wanted else self._resolved.judge_error
        return judge(kept, Context()), len(found) - len(kept)


@dataclass(frozen=True)
class Healthy:
    """Every assert holds, and nothing matches an error; what is wrong first, in the order of the check, is told.

    An object that is not there is doomed: whoever waits gives it a grace, and not the whole time of the check. So are
    errors without any assert that have nothing to look at: they would pass where nothing is installed.
    """

    looks: tuple[Look, ...]

    @property
    def kinds(self) -> tuple[Kind, ...]:
        return tuple(dict.fromkeys(look.kind for look in self.looks))

    def __call__(self, objects: Objects) -> Verdict:
        left_out, seen = 0, 0
        for look in self.looks:
            judgement, leaving = look.judge(objects)
            left_out, seen = left_out + leaving, seen + judgement.candidates
            if judgement.standing is Standing.HOLDS:
                continue
            nearest = judgement.nearest
            subject = look.subject if nearest is None else named(look.kind, key_of(nearest))
            reason = f"{look.title}: {judgement.text}"
            if judgement.standing is Standing.CANNOT_BE_EVALUATED:
                return Failed(reason, subject, kind=CauseKind.SETTINGS)
            absent = look.wanted and not judgement.candidates
            return Waiting(reason, subject, kind=CauseKind.RECONCILE, doomed=reason if absent else "")
        if not seen:
            reason = f"there is no {self.looks[0].kind.kind} to look at, and nothing asserts that there is one"
            return Waiting(reason, self.looks[0].subject, kind=CauseKind.RECONCILE, doomed=reason)
        asserts = sum(look.wanted for look in self.looks)
        errors = len(self.looks) - asserts
        parts = [f"{asserts} asserts hold"] if asserts else []
        parts += [f"nothing matches {errors} errors"] if errors else []
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
        reason = f"the server does not serve the kind {kind} of {version}"
        return Waiting(reason, f"{kind} {version}", kind=CauseKind.RECONCILE, doomed=reason)
