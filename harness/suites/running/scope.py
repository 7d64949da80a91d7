"""What an expression of a suite sees: bindings, the environment that is let through, the time; and its evaluation."""

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from harness.assertions.errors import EvaluationFailed, TreeInvalid
from harness.assertions.expressions.context import Context
from harness.assertions.outcome import CannotEvaluate, Holds, NotYet
from harness.assertions.template import compile_template
from harness.assertions.tree import compile_tree
from harness.errors import HarnessError
from harness.suites.model import Binding, Output


class Unevaluated(HarnessError):
    """A binding, a template or a check has no value; what it says is what chainsaw says."""


@dataclass(frozen=True)
class Scope:
    """The bindings at one place of a test. `engine` and `template` are what the nearest that says so has written."""

    bindings: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    engine: str = "jp"
    template: bool = True
    strict: bool = False

    def with_(self, **values: Any) -> "Scope":
        """The same place with more bindings."""
        return replace(self, bindings={**self.bindings, **values})

    def under(self, engine: str = "", *, template: bool | None = None) -> "Scope":
        """The same, where something says otherwise of the engine or of templates."""
        return replace(self, engine=engine or self.engine, template=self.template if template is None else template)

    def bound(self, bindings: Iterable[Binding]) -> "Scope":
        """With `bindings` in order, each seeing those before it. Raises Unevaluated."""
        scope = self
        for binding in bindings:
            scope = scope.with_(**{scope.text(binding.name): scope.value(binding.value, engine=binding.engine)})
        return scope

    def value(self, source: Any, *, seen: Any = None, engine: str = "") -> Any:
        """A tree of expressions as a value; each sees `seen` as `@`. Raises Unevaluated."""
        try:
            return compile_template(source, engine=engine or self.engine).render(seen, self.context())
        except (EvaluationFailed, TreeInvalid) as error:
            raise Unevaluated(str(error)) from error

    def text(self, source: str) -> str:
        """A text that may be an expression. Raises Unevaluated, also where it gives no text."""
        if not source.startswith(("(", "\\")):
            return source
        value = self.value(source)
        if not isinstance(value, str):
            raise Unevaluated(f"{source}: expected text, got {value!r}")
        return value

    def rendered(self, source: Any) -> Any:
        """An object that is a template, where templates are on: each expression sees its own text."""
        return self.value(source, seen=source) if self.template else source

    def differences(self, tree: Any, value: Any, *, engine: str = "") -> list[str]:
        """Why `value` does not fit a tree; empty where it does. Raises Unevaluated."""
        try:
            outcome = compile_tree(tree, engine=engine or self.engine).judge(value, self.context())
        except TreeInvalid as error:
            raise Unevaluated(str(error)) from error
        match outcome:
            case Holds():
                return []
            case NotYet():
                return outcome.lines()
            case CannotEvaluate():
                raise Unevaluated(str(outcome))

    def outputs(self, outputs: Iterable[Output], value: Any, given: Mapping[str, Any]) -> dict[str, Any]:
        """The bindings that outputs make of a result; each sees those before it. Raises Unevaluated."""
        made: dict[str, Any] = {}
        for output in outputs:
            scope = self.with_(**given, **made)
            engine = output.binding.engine
            if output.match is not None and self.unbound().differences(output.match, value, engine=engine):
                continue
            made[scope.text(output.binding.name)] = scope.value(output.binding.value, seen=value, engine=engine)
        return made

    def unbound(self) -> "Scope":
        """The same place without bindings: how `match` is judged."""
        return replace(self, bindings={})

    def context(self) -> Context:
        return Context(self.bindings, self.environment, datetime.now(UTC), random.randrange, self.strict)
