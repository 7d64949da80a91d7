"""What an assert can prove, told from its text: the API, a controller, or that something really ran.

On simulated nodes nothing runs, so an assert that needs execution proves nothing there; on real nodes all of it counts.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.assertions.candidates import target_of
from harness.assertions.errors import ExpressionInvalid
from harness.assertions.expressions.reads import OF_CLUSTER, UNKNOWN, Path, Reads, calls
from harness.assertions.keys import CEL, DEFAULT_ENGINE, JMESPATH, Notation, notation
from harness.assertions.programs import Program, compile_program
from harness.assertions.proof_fields import API, EXECUTION, Proof, proof_of_field

_GIVEN = (("apiVersion",), ("kind",))  # what every object of a kind has


@dataclass(frozen=True, slots=True)
class Claim:
    """One place that an assert looks at, and what it takes for it to prove something."""

    path: str
    proof: Proof
    kind: str


def proof_of(claims: Iterable[Claim]) -> Proof:
    """What an assert needs as a whole: the most that one of its claims needs. No claim is about the API alone."""
    return max((claim.proof for claim in claims), default=API)


def claims_of(source: Any, *, engine: str = JMESPATH) -> tuple[Claim, ...]:
    """The claims of one document of an assert or error, chainsaw's or kuttl's, that compiles.

    What an expression reads counts. Where that cannot be told (CEL, a computed kind), it counts as execution.
    """
    target = target_of(source) if isinstance(source, Mapping) else None
    walk = _Walk(target.api_version if target else "", target.kind if target else "", engine)
    walk.below(source, (), {})
    paths = [path for path in walk.reads.longest() if path not in _GIVEN]
    claims = [Claim(".".join(path), *walk.judged(path)) for path in paths]
    return (*claims, *walk.opaque)


@dataclass(slots=True)
class _Walk:
    """Goes through a tree, and notes where its expectations look."""

    api_version: str
    kind: str
    engine: str
    reads: Reads = field(default_factory=Reads)
    opaque: list[Claim] = field(default_factory=list)

    def judged(self, path: Path) -> tuple[Proof, str]:
        if path[:1] != (OF_CLUSTER,):
            return proof_of_field(self.api_version, self.kind, path), self.kind
        api_version, kind, *rest = path[1:]
        if "?" in (api_version, kind):
            return (EXECUTION if rest else API), "?"
        rest = rest[1:] if rest[:1] == ["items"] else rest
        return proof_of_field(api_version, kind, tuple(rest)), kind

    def below(self, source: Any, here: Path, bindings: Mapping[str, Path]) -> None:
        if isinstance(source, dict):
            kind = source.get("type")
            if here[-1:] == ("conditions",) and isinstance(kind, str) and notation(kind).engine is None:
                here = (*here, f"[{kind}]")
            if not source:
                self._note(here)
            for key, value in source.items():
                self._entry(str(key), value, here, bindings)
        elif isinstance(source, list):
            if not source:
                self._note(here)
            for item in source:
                self.below(item, here, bindings)
        else:
            self._note(here)
            parsed = notation(source) if isinstance(source, str) else None
            # CEL sees nothing here but this place, and bindings.
            if parsed is not None and (bindings or self._engine_of(parsed) != CEL):
                self._program(parsed, here, bindings)

    def _entry(self, key: str, value: Any, here: Path, bindings: Mapping[str, Path]) -> None:
        parsed = notation(key)
        below = (*here, parsed.statement) if parsed.engine is None else self._program(parsed, here, bindings)
        if parsed.binding:
            bindings = {**bindings, parsed.binding: below}
        if parsed.foreach:
            bindings = {**bindings, parsed.foreach: UNKNOWN}
        self.below(value, below, bindings)

    def _engine_of(self, parsed: Notation) -> str | None:
        return self.engine if parsed.engine == DEFAULT_ENGINE else parsed.engine

    def _note(self, path: Path) -> None:
        if path and UNKNOWN[0] not in path:
            self.reads.found.append(path)

    def _program(self, parsed: Notation, here: Path, bindings: Mapping[str, Path]) -> Path:
        if parsed.engine is None:
            return here
        engine = self._engine_of(parsed) or JMESPATH
        try:
            program: Program | None = compile_program(engine, parsed.statement)
        except ExpressionInvalid:
            program = None
        if program is None or program.node is None:
            self.opaque.append(Claim(parsed.statement, EXECUTION, self.kind))
            return UNKNOWN
        if any(call.name == "x_metrics_decode" for call in calls(program.node)):
            self.opaque.append(Claim(parsed.statement, EXECUTION, "metrics"))
        seen = len(self.reads.found)
        path = self.reads.follow(program.node, here, bindings)
        # What comes from a value that was computed was counted where that was read.
        self.reads.found[seen:] = [read for read in self.reads.found[seen:] if UNKNOWN[0] not in read]
        return path
