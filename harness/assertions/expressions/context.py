"""What an evaluation may ask of the world, supplied by the caller: time, environment, clusters."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from harness.assertions.errors import EvaluationFailed

# Elements looked at and characters written in one evaluation; 10,000 list elements take some ten thousand of them.
MOST_STEPS = 2_000_000


@runtime_checkable
class Cluster(Protocol):
    """What the bindings $client and $config hold for the functions x_k8s_*.

    A method raises EvaluationFailed where the API server refuses; an absent object is None.
    """

    def get(self, api_version: str, kind: str, namespace: str, name: str) -> Mapping[str, Any] | None: ...

    def list(self, api_version: str, kind: str, namespace: str) -> Sequence[Mapping[str, Any]]: ...

    def serves(self, api_version: str, kind: str) -> bool: ...

    def version(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class Context:
    """One evaluation: bindings by name without the dollar, and what impure functions answer.

    `now` is aware of its zone. `choose(n)` answers 0 <= i < n, for `random`. `strict` compares Go's types as chainsaw
    does: an integer of an object never equals a literal, and functions of numbers refuse it.
    """

    bindings: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    now: datetime | None = None
    choose: Callable[[int], int] | None = None
    strict: bool = False


@dataclass(slots=True)
class Budget:
    """Bounds one evaluation, so that no expression keeps a run busy for ever."""

    left: int = MOST_STEPS

    def spend(self, steps: int) -> None:
        self.left -= steps
        if self.left < 0:
            raise EvaluationFailed(f"the expression takes more than {MOST_STEPS:,} steps")


@dataclass(frozen=True, slots=True)
class Scope:
    """Where an expression is evaluated: the bindings that it sees, and the context around them."""

    bindings: Mapping[str, Any]
    context: Context
    budget: Budget = field(default_factory=Budget)

    @classmethod
    def of(cls, context: Context) -> "Scope":
        return cls(dict(context.bindings), context)

    def bind(self, values: Mapping[str, Any]) -> "Scope":
        """The same place, with more bindings; those outside are shadowed."""
        return Scope({**self.bindings, **values}, self.context, self.budget)

    @property
    def strict(self) -> bool:
        return self.context.strict
