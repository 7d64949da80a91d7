"""One assert or error of a suite as a gate: pure, so that a recording of it is judged again offline.

What an expression asks of the cluster (`x_k8s_list` and its like) is answered from the objects that were shown. What
was not watched raises Unwatched: whoever waits then watches it too, and asks again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from random import Random
from typing import Any

from harness.assertions.candidates import Assertion, Judgement, Object, Resolved, Standing, Target, compile_assertion
from harness.assertions.errors import EvaluationFailed, TreeInvalid
from harness.assertions.expressions.context import Context
from harness.assertions.outcome import CannotEvaluate, Outcome
from harness.assertions.report import reference
from harness.assertions.template import compile_template
from harness.gates.findings import named
from harness.objects import CLOCK, SERVED, Key, Kind, Objects, key_of
from harness.verdict import CauseKind, Failed, Passed, Verdict, Waiting

_OF_TIME = ("time_now", "time_now_utc", "time_since")


class Unwatched(Exception):
    """An expression asks for a kind that is not watched; `kind` empty: for what the server serves."""

    def __init__(self, api_version: str, kind: str) -> None:
        super().__init__(f"{api_version}/{kind} is not watched")
        self.api_version = api_version
        self.kind = kind


@dataclass(frozen=True)
class Asserted:
    """A document that must hold of any object that it is about, or (`wanted` false) of none.

    `kind` is what it is about, None for nothing; `namespace` is where that is looked for if the document does not say.
    `watched` are all kinds that are shown; `unknown` are those (version/Kind) that the server does not have. `bindings`
    are values by name, without $client and $config. `now` is when the operation began, `version` the server's. `every`:
    an assert holds only if all objects match. `staying`: objects on their way out are left out.
    """

    document: Mapping[str, Any]
    wanted: bool = True
    kind: Kind | None = None
    namespace: str = ""
    watched: tuple[Kind, ...] = ()
    unknown: tuple[str, ...] = ()
    bindings: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    engine: str = "jp"
    template: bool = True
    now: str = ""
    seed: int = 0
    version: Mapping[str, Any] = field(default_factory=dict)
    clustered: bool = True
    strict: bool = False
    strict_vacuous: bool = False
    every: bool = False
    staying: bool = False

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """What is watched; the clock where an expression asks for the time."""
        own = () if self.kind is None else (self.kind,)
        return tuple(dict.fromkeys((*own, *self.watched, *((CLOCK,) if self._timed else ()))))

    @cached_property
    def assertion(self) -> Assertion:
        return compile_assertion(self.document, engine=self.engine, template=self.template)

    @cached_property
    def _timed(self) -> bool:
        nodes = (placed.program.node for placed in self.assertion.tree.expressions)
        return any(each.value in _OF_TIME for node in nodes if node for each in node.walk() if each.kind == "call")

    def target(self) -> Target | CannotEvaluate | None:
        """The objects that it is about, with their namespace. Needs no objects."""
        resolved = self.assertion.resolve(self._context(Objects({})))
        return resolved if isinstance(resolved, CannotEvaluate) else self._placed(resolved)

    def judge(self, objects: Objects) -> Judgement:
        """What there is to say of these objects. Raises Unwatched."""
        context = self._context(objects)
        resolved = self.assertion.resolve(context)
        if isinstance(resolved, CannotEvaluate):
            return Judgement(Standing.CANNOT_BE_EVALUATED, str(resolved))
        candidates = self._candidates(resolved, objects)
        if self.wanted:
            return resolved.judge_assert(candidates, context, every=self.every)
        return resolved.judge_error(candidates, context)

    def compare(self, item: Object, objects: Objects) -> Outcome:
        """How one object compares with the document."""
        context = self._context(objects)
        resolved = self.assertion.resolve(context)
        return resolved if isinstance(resolved, CannotEvaluate) else resolved.tree.judge(item, context)

    def rendered(self, objects: Objects) -> Any:
        """The document with its templates evaluated, as it is where they cannot be."""
        try:
            template = compile_template(self.document, engine=self.engine) if self.template else None
            return template.render(self.document, self._context(objects)) if template else self.document
        except (EvaluationFailed, TreeInvalid):
            return self.document

    def __call__(self, objects: Objects) -> Verdict:
        judgement = self.judge(objects)
        subject, left_out = self._subject(judgement), self._left_out(objects)
        match judgement.standing:
            case Standing.HOLDS if judgement.vacuous and self.strict_vacuous:
                return Waiting(f"holds only because there is nothing to look at: {listed(judgement.vacuous)}", subject)
            case Standing.HOLDS:
                return Passed(_held(judgement, wanted=self.wanted) + left_out, subject)
            case Standing.NOT_YET:
                return Waiting(judgement.text + left_out, subject)
        return Failed(judgement.text, subject, kind=CauseKind.RECONCILE)

    def _candidates(self, resolved: Resolved, objects: Objects) -> Sequence[Object]:
        target = self._placed(resolved)
        if target is None or self.kind is None:
            return ()
        found = [item for item in objects.all(self.kind) if target.selects(item)]
        return [item for item in found if not _leaving(item)] if self.staying else found

    def _left_out(self, objects: Objects) -> str:
        target = self.target() if self.staying else None
        if not isinstance(target, Target) or self.kind is None:
            return ""
        count = sum(target.selects(item) and _leaving(item) for item in objects.all(self.kind))
        return f"; left out, since on their way out: {count}" if count else ""

    def _placed(self, resolved: Resolved) -> Target | None:
        target = resolved.target
        if target is None or self.kind is None or not self.kind.namespaced or target.namespace:
            return target
        return replace(target, namespace=self.namespace)

    def _subject(self, judgement: Judgement) -> str:
        if self.kind is not None and judgement.nearest is not None and "metadata" in judgement.nearest:
            return named(self.kind, key_of(judgement.nearest))
        target = self.target()
        if not isinstance(target, Target):
            return ""
        key: Key = (target.namespace, target.name or "*")
        return f"{target.kind} {'/'.join(filter(None, key))}"

    def _context(self, objects: Objects) -> Context:
        clock = next(iter(objects.all(CLOCK)), None) if CLOCK in objects.kinds else None
        now = str(clock["now"]) if clock else self.now
        shown = {"client": _Shown(objects, self), "config": _Shown(objects, self)} if self.clustered else {}
        return Context(
            bindings={**shown, **self.bindings},
            environment=self.environment,
            now=datetime.fromisoformat(now) if now else None,
            choose=Random(self.seed).randrange,
            strict=self.strict,
        )


@dataclass(frozen=True)
class KindServed:
    """The server serves a kind."""

    api_version: str
    kind: str

    @property
    def kinds(self) -> tuple[Kind, ...]:
        return (SERVED,)

    def __call__(self, objects: Objects) -> Verdict:
        if objects.get(SERVED, "", f"{self.api_version}/{self.kind}") is None:
            return Waiting(f"the server does not serve the kind {self.kind} of {self.api_version}")
        return Passed("the kind is served")


class _Shown:
    """What $client and $config are to an expression: the objects that were shown, as a cluster."""

    def __init__(self, objects: Objects, gate: Asserted) -> None:
        self._objects = objects
        self._gate = gate

    def get(self, api_version: str, kind: str, namespace: str, name: str) -> Object | None:
        found = self._kind(api_version, kind)
        return self._objects.get(found, namespace if found.namespaced else "", name)

    def list(self, api_version: str, kind: str, namespace: str) -> list[Object]:
        found = self._kind(api_version, kind)
        return [item for item in self._objects.all(found) if namespace in ("", key_of(item)[0])]

    def serves(self, api_version: str, kind: str) -> bool:
        if SERVED not in self._objects.kinds:
            raise Unwatched("", "")
        return self._objects.get(SERVED, "", f"{api_version}/{kind}") is not None

    def version(self) -> Mapping[str, Any]:
        return self._gate.version

    def _kind(self, api_version: str, kind: str) -> Kind:
        for name in (kind, kind.removesuffix("List")):
            for known in self._gate.watched:
                if (known.api_version, known.kind) == (api_version, name):
                    return known
        if f"{api_version}/{kind}" in self._gate.unknown:
            raise EvaluationFailed(f'no matches for kind "{kind}" in version "{api_version}"')
        raise Unwatched(api_version, kind)


def _leaving(item: Object) -> bool:
    """It is being deleted, or its node is lost."""
    return bool(item["metadata"].get("deletionTimestamp")) or (item.get("status") or {}).get("reason") == "NodeLost"


def _held(judgement: Judgement, *, wanted: bool) -> str:
    vacuous = f"; vacuous: {listed(judgement.vacuous)}" if judgement.vacuous else ""
    if not wanted:
        looked = f"none of {judgement.candidates} matches" if judgement.candidates else "nothing matches"
        return looked + vacuous
    if not judgement.candidates:
        return "holds" + vacuous
    shown = f": {reference(judgement.nearest)}" if judgement.nearest is not None else ""
    return f"{judgement.matched} of {judgement.candidates} matched{shown}{vacuous}"


def listed(places: Sequence[str]) -> str:
    """The first of them, and how many more."""
    more = f" and {len(places) - 3} more" if len(places) > 3 else ""
    return ", ".join(place or "the value itself" for place in places[:3]) + more
