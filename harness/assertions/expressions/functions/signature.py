"""How a function is declared: its name, the types of its arguments, and what is refused before it is called."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from harness.assertions.errors import EvaluationFailed
from harness.assertions.expressions.context import Scope
from harness.assertions.expressions.values import Reference, is_number, kind_of, to_float


@dataclass(frozen=True, slots=True)
class Call:
    """One call: the name it was made by, and where it is evaluated."""

    name: str
    scope: Scope

    def refuse(self, why: str) -> EvaluationFailed:
        return EvaluationFailed(f"{self.name}(): {why}")

    def reserve(self, characters: int) -> None:
        """Takes the cost of a long result before it is made."""
        self.scope.budget.spend(characters)


Handler = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Function:
    """`types` has one word or several per argument (`string|number`), `?` before it: optional, `*`: one or more."""

    name: str
    types: tuple[str, ...]
    handler: Handler
    pure: bool = True

    def __call__(self, call: Call, arguments: list[Any]) -> Any:
        """The result. Raises EvaluationFailed for wrong arguments, and for what the handler refuses."""
        checked = self._checked(call, arguments) if self.types else []
        try:
            result = self.handler(call, *checked)
        except (ValueError, ArithmeticError) as error:
            raise call.refuse(str(error)) from error
        call.scope.budget.spend(1 + (len(result) if isinstance(result, str | list) else 0))
        return result

    def _checked(self, call: Call, arguments: list[Any]) -> list[Any]:
        types = self.types
        least = sum(not kind.startswith("?") for kind in types)
        if types[-1].startswith("*"):
            types = types[:-1] + (types[-1],) * max(1, len(arguments) - len(types) + 1)
        if not least <= len(arguments) <= len(types):
            wanted = str(least) if least == len(types) else f"{least} to {len(types)}"
            raise call.refuse(f"wants {wanted} arguments, got {len(arguments)}")
        return [
            _checked(call, position, kind.lstrip("?*").split("|"), argument)
            for position, (kind, argument) in enumerate(zip(types, arguments, strict=False), start=1)
        ]


def _checked(call: Call, position: int, kinds: list[str], argument: Any) -> Any:
    for kind in kinds:
        accepted, value = _ACCEPTS[kind](argument, call.scope.strict)
        if accepted:
            return value
    wanted = " or ".join(kinds)
    hint = ""
    if call.scope.strict and "number" in wanted and isinstance(argument, int | list):
        hint = "; chainsaw takes no integer of an object here, write to_number(...)"
    raise call.refuse(f"argument {position} must be {wanted}, not {_named(argument)}{hint}")


def _named(argument: Any) -> str:
    return {"invalid": "null", "func": "an expression", "slice": "array", "map": "object", "ptr": "opaque"}.get(
        kind := kind_of(argument), kind
    )


Acceptance = tuple[bool, Any]


def _number(value: Any, strict: bool) -> Acceptance:
    if isinstance(value, float):
        return True, value
    return (True, to_float(value)) if is_number(value) and not strict else (False, None)


def _numbers(value: Any, strict: bool) -> Acceptance:
    if not isinstance(value, list):
        return False, None
    checked = [_number(item, strict) for item in value]
    return all(ok for ok, _ in checked), [number for _, number in checked]


def _strings(value: Any, _strict: bool) -> Acceptance:
    return isinstance(value, list) and all(isinstance(item, str) for item in value), value


_ACCEPTS: dict[str, Callable[[Any, bool], Acceptance]] = {
    "any": lambda value, _strict: (True, value),
    "number": _number,
    "string": lambda value, _strict: (isinstance(value, str), value),
    "array": lambda value, _strict: (isinstance(value, list), value),
    "object": lambda value, _strict: (isinstance(value, dict), value),
    "array[number]": _numbers,
    "array[string]": _strings,
    "expression": lambda value, _strict: (isinstance(value, Reference), value),
}


class Table(dict[str, Function]):
    """Functions by name; a module of functions has one, and fills it by decorating."""

    def function(self, name: str, *types: str, pure: bool = True) -> Callable[[Handler], Handler]:
        def declare(handler: Handler) -> Handler:
            self[name] = Function(name, types, handler, pure)
            return handler

        return declare


def integer(call: Call, value: float, what: str) -> int:
    """A float that is whole, as an int."""
    if value != value or value in (float("inf"), float("-inf")) or value != int(value):
        raise call.refuse(f"{what} must be an integer")
    return int(value)
