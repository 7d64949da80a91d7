"""Conditions in CEL over named objects, as kuttl's TestAssert has them; they need the extra `kwok-harness[cel]`."""

import importlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from harness.assertions.errors import EvaluationFailed, ExpressionInvalid

_REFUSED = (RuntimeError, ValueError, TypeError, OverflowError)
_PLACE = re.compile(r"<input>:1:(\d+): (.*)")


@dataclass(frozen=True, slots=True)
class Rule:
    """One compiled condition."""

    text: str
    _program: Any

    def holds(self, objects: Mapping[str, Any]) -> bool:
        """Whether it is true of the objects, by name. Raises EvaluationFailed where it has no value, or another one."""
        try:
            result = self._program.eval(data=dict(objects))
            if result.type() == _cel().Type.ERROR:
                raise EvaluationFailed(f"{self.text}: {result.plain_value()}")
            value = result.plain_value()
        except _REFUSED as error:
            raise EvaluationFailed(f"{self.text}: {str(error).splitlines()[0]}") from error
        if not isinstance(value, bool):
            raise EvaluationFailed(f"{self.text}: expected true or false, got {value!r}")
        return value


def compile_rule(text: str, names: Iterable[str]) -> Rule:
    """Compiles a condition over `names`. Raises ExpressionInvalid, also where CEL is not installed."""
    try:
        cel = _cel()
    except ImportError as error:
        raise ExpressionInvalid(
            "this condition is written in CEL, which is not installed", column=1, do="install kwok-harness[cel]"
        ) from error
    try:
        environment = cel.NewEnv(variables=dict.fromkeys(names, cel.Type.DYN))
        return Rule(text, environment.compile(text))
    except _REFUSED as error:
        place = _PLACE.search(str(error))
        column, what = (int(place[1]), place[2]) if place else (1, str(error).splitlines()[0])
        raise ExpressionInvalid(what, column=max(1, column)) from error


def _cel() -> Any:
    return importlib.import_module("cel_expr_python.cel")
