"""From one document of an assert or error to objects: which ones it is about, and what is to be said of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Any

from harness.assertions.errors import EvaluationFailed, TreeInvalid
from harness.assertions.expressions.context import Context
from harness.assertions.keys import JMESPATH
from harness.assertions.outcome import INTERNAL, CannotEvaluate, Holds, Mismatch, NotYet, Outcome
from harness.assertions.report import block, reference
from harness.assertions.template import ReferenceTemplate, Template, compile_reference, compile_template
from harness.assertions.tree import Tree, compile_tree

BLOCKS = 20  # objects whose differences are told
Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Target:
    """Which objects to look at: one by name, or all of a kind, in a namespace ('' is all), with these labels."""

    api_version: str
    kind: str
    name: str = ""
    namespace: str = ""
    labels: tuple[tuple[str, str], ...] = ()

    def selects(self, item: Object) -> bool:
        """Whether a list of this kind would have `item`; its kind and version are not compared."""
        metadata = item.get("metadata") or {}
        labels = metadata.get("labels") or {}
        return (
            (not self.name or metadata.get("name") == self.name)
            and (not self.namespace or metadata.get("namespace") == self.namespace)
            and (bool(self.name) or all(labels.get(key) == value for key, value in self.labels))
        )


class Standing(Enum):
    HOLDS = "holds"
    NOT_YET = "does not hold yet"
    CANNOT_BE_EVALUATED = "cannot be evaluated"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What an assert or error says now.

    `text` is what chainsaw prints while it does not hold. `matched` of `candidates` objects match. `nearest` is the
    object with the fewest mismatches. `vacuous` names what holds because there was nothing to look at.
    """

    standing: Standing
    text: str = ""
    matched: int = 0
    candidates: int = 0
    nearest: Object | None = None
    vacuous: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Resolved:
    """A document whose templates are evaluated: `target` is None for one that is about no object."""

    tree: Tree
    source: Any
    target: Target | None
    _template: Template | None

    def judge_assert(self, candidates: Sequence[Object], context: Context, *, every: bool = False) -> Judgement:
        """Any match passes, or (`every`) only if all of them do. Without a target, the tree is judged against null and
        `candidates` are not looked at.
        """
        if self.target is None:
            return self._alone(context)
        outcomes = [self.tree.judge(item, context) for item in candidates]
        matched = [item for item, outcome in zip(candidates, outcomes, strict=True) if isinstance(outcome, Holds)]
        judged = partial(Judgement, matched=len(matched), candidates=len(candidates))
        for item, outcome in zip(candidates, outcomes, strict=True):
            if isinstance(outcome, Holds) and (not every or len(matched) == len(candidates)):
                return judged(Standing.HOLDS, nearest=item, vacuous=outcome.vacuous)
            if isinstance(outcome, CannotEvaluate):
                return judged(Standing.CANNOT_BE_EVALUATED, str(outcome), nearest=item)
        if not candidates:
            found = "actual resource not found" if self.target.name else "no actual resource found"
            return Judgement(Standing.NOT_YET, found)
        differing = [
            (item, outcome) for item, outcome in zip(candidates, outcomes, strict=True) if isinstance(outcome, NotYet)
        ]
        nearest = min(differing, key=lambda pair: len(pair[1].mismatches))[0]
        return judged(Standing.NOT_YET, self._blocks(differing, context), nearest=nearest)

    def judge_error(self, candidates: Sequence[Object], context: Context) -> Judgement:
        """Passes while nothing matches; `candidates` must be complete, an empty list is taken for none."""
        if self.target is None:
            alone = self._alone(context)
            if alone.standing is Standing.HOLDS:
                return Judgement(Standing.NOT_YET, "expectation matched", vacuous=alone.vacuous)
            return alone if alone.standing is Standing.CANNOT_BE_EVALUATED else Judgement(Standing.HOLDS)
        matching: list[Object] = []
        for item in candidates:
            outcome = self.tree.judge(item, context)
            if isinstance(outcome, CannotEvaluate):
                standing = Standing.CANNOT_BE_EVALUATED
                return Judgement(standing, str(outcome), len(matching), len(candidates), item)
            if isinstance(outcome, Holds):
                matching.append(item)
        if matching:
            text = "; ".join(f"{reference(item)} - resource matches expectation" for item in matching)
            return Judgement(Standing.NOT_YET, text, len(matching), len(candidates), matching[0])
        vacuous = () if candidates else (f"there is no {self.target.kind} to look at",)
        return Judgement(Standing.HOLDS, candidates=len(candidates), vacuous=vacuous)

    def _alone(self, context: Context) -> Judgement:
        outcome: Outcome = self.tree.judge(None, context)
        match outcome:
            case Holds(vacuous):
                return Judgement(Standing.HOLDS, vacuous=vacuous)
            case NotYet():
                return Judgement(Standing.NOT_YET, "; ".join(map(str, outcome.mismatches)))
        return Judgement(Standing.CANNOT_BE_EVALUATED, str(outcome))

    def _blocks(self, differing: list[tuple[Object, NotYet]], context: Context) -> str:
        """All of them, or of very many the nearest and how many there are: each is a diff, made at every look."""
        shown, more = differing, ""
        if len(differing) > BLOCKS:
            shown = sorted(differing, key=lambda pair: len(pair[1].mismatches))[:BLOCKS]
            more = f"; and {len(differing) - BLOCKS} more objects"
        return "; ".join(self._block(item, outcome, context) for item, outcome in shown) + more

    def _block(self, item: Object, outcome: NotYet, context: Context) -> str:
        expected, note = self.source, ""
        if self._template is not None:
            try:
                expected = self._template.render(self.source, context)
            except EvaluationFailed as error:
                note = str(error)
        return block(expected, item, outcome, note)


@dataclass(frozen=True, slots=True)
class Assertion:
    """One compiled document of an assert or error operation."""

    source: Any
    tree: Tree
    engine: str
    _reference: ReferenceTemplate | None
    _template: Template | None

    def resolve(self, context: Context) -> Resolved | CannotEvaluate:
        """Evaluates what its kind, name, namespace and labels are; do so once per look at the objects."""
        source, tree = self.source, self.tree
        if self._reference is not None:
            try:
                source = self._reference.render(source, context)
                tree = tree if source == self.source else compile_tree(source, engine=self.engine)
            except (EvaluationFailed, TreeInvalid) as error:
                return CannotEvaluate(Mismatch("<nil>", INTERNAL, None, str(error)))
        return Resolved(tree, source, target_of(source), self._template)


def compile_assertion(source: Any, *, engine: str = JMESPATH, template: bool = True) -> Assertion:
    """Compiles one document; without `template`, kind, name and labels are as they are written. Raises TreeInvalid."""
    if not isinstance(source, dict):
        raise TreeInvalid(f"expected a mapping, got {type(source).__name__}", path="<nil>")
    return Assertion(
        source,
        compile_tree(source, engine=engine),
        engine,
        compile_reference(source, engine=engine) if template else None,
        compile_template(source, engine=engine) if template else None,
    )


def target_of(source: Mapping[str, Any]) -> Target | None:
    """The objects that a document is about, None where apiVersion or kind is missing."""
    api_version, kind = _text(source.get("apiVersion")), _text(source.get("kind"))
    if not api_version or not kind:
        return None
    metadata = source.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    labels = metadata.get("labels")
    # One label that is no plain text, and none of them selects.
    plain = isinstance(labels, dict) and all(
        isinstance(key, str) and isinstance(value, str) for key, value in labels.items()
    )
    return Target(
        api_version,
        kind,
        _text(metadata.get("name")),
        _text(metadata.get("namespace")),
        tuple(sorted(labels.items())) if plain and labels else (),
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
