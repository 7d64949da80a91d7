"""Expressions in CEL, where the extra `kwok-harness[cel]` is installed; without it they do not compile.

`object` is the value that is looked at, `bindings.resolve('name')` a binding. The Kubernetes libraries that chainsaw
adds (URL, IP, quantity, ...) and sets are not there: what uses them does not compile.
"""

import importlib
import re
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any

from harness.assertions.errors import EvaluationFailed, ExpressionInvalid
from harness.assertions.expressions.context import Scope

_REFUSED = (RuntimeError, ValueError, TypeError, OverflowError)
_PLACE = re.compile(r"<input>:1:(\d+): (.*)")
# The library is written in C++: its own stack bounds how deep a value may be.
_DEEPEST = 200
_LONGEST = 20_000


def compile_expression(text: str) -> Callable[[Any, Scope], Any]:
    """A function of the value and its scope. Raises ExpressionInvalid, also where CEL is not installed."""
    if len(text) > _LONGEST:
        raise ExpressionInvalid(f"longer than {_LONGEST:,} characters", column=1)
    try:
        environment = _environment()
    except ImportError as error:
        raise ExpressionInvalid(
            "this expression is written in CEL, which is not installed", column=1, do="install kwok-harness[cel]"
        ) from error
    try:
        program = environment.compile(text)
    except _REFUSED as error:
        place = _PLACE.search(str(error))
        column, what = (int(place[1]), place[2]) if place else (1, str(error).splitlines()[0])
        raise ExpressionInvalid(what, column=max(1, column)) from error

    def evaluate(value: Any, scope: Scope) -> Any:
        bindings = {name: bound for name, bound in scope.bindings.items() if _plain(bound)}
        if _depth(value) > _DEEPEST or _depth(bindings) > _DEEPEST:
            raise EvaluationFailed("the value is nested too deeply")
        try:
            result = program.eval(data={"object": value, "bindings": bindings})
            if result.type().name() == "*error*" or result.type() == _module().Type.ERROR:
                raise EvaluationFailed(str(result.plain_value()))
            return result.plain_value()
        except _REFUSED as error:
            raise EvaluationFailed(str(error).splitlines()[0]) from error

    return evaluate


def _module() -> ModuleType:
    return importlib.import_module("cel_expr_python.cel")


@cache
def _environment() -> Any:
    cel = _module()
    extensions = [
        importlib.import_module(f"cel_expr_python.ext.{module}").__dict__[name]()
        for module, name in (("ext_strings", "ExtStrings"), ("ext_optional", "ExtOptional"))
    ]
    bound = cel.Type.Map(cel.Type.STRING, cel.Type.DYN)
    resolve = cel.Overload("bindings_resolve_string", cel.Type.DYN, [bound, cel.Type.STRING], True, _resolved)
    return cel.NewEnv(
        variables={"object": cel.Type.DYN, "bindings": bound},
        extensions=extensions,
        functions=[cel.FunctionDecl("resolve", [resolve])],
    )


def _resolved(bindings: Any, name: str) -> Any:
    if name not in bindings:
        raise ValueError(f"variable not defined: ${name}")
    return bindings[name]


def _plain(value: Any) -> bool:
    return value is None or isinstance(value, bool | int | float | str | list | dict)


def _depth(value: Any) -> int:
    """How many levels `value` has, counted no further than matters."""
    level, depth = [value], 0
    while level and depth <= _DEEPEST:
        depth += 1
        level = [
            below
            for item in level
            if isinstance(item, list | dict)
            for below in (item.values() if isinstance(item, dict) else item)
        ]
    return depth
