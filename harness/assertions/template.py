"""Templates: what expressions in the values of an object stand for, before the object is used."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.assertions.errors import EvaluationFailed, ExpressionInvalid, TreeInvalid
from harness.assertions.expressions.context import Context, Scope
from harness.assertions.keys import DEFAULT_ENGINE, JMESPATH, expression
from harness.assertions.programs import Program, compile_program
from harness.assertions.tree import DEEPEST

_REFERENCE = ("apiVersion", "kind")
_IN_METADATA = ("name", "namespace")


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled template; texts that are expressions are programs, all else is itself."""

    _root: Any

    def render(self, value: Any, context: Context) -> Any:
        """The template, evaluated: each expression sees what `value` has in its place. Raises EvaluationFailed."""
        try:
            return _rendered(self._root, value, Scope.of(context), "")
        except RecursionError:
            raise EvaluationFailed("the value is nested too deeply") from None


def compile_template(source: Any, *, engine: str = JMESPATH) -> Template:
    """Compiles a template: keys are never expressions, and an escape stays as it is written. Raises TreeInvalid."""
    return Template(_compiled(source, engine, "", 0))


def _compiled(source: Any, engine: str, path: str, depth: int) -> Any:
    if depth > DEEPEST:
        raise TreeInvalid(f"the template has more than {DEEPEST} levels", path=path[:200])
    if isinstance(source, dict):
        return {
            key: _compiled(value, engine, f"{path}.{key}" if path else str(key), depth + 1)
            for key, value in source.items()
        }
    if isinstance(source, list):
        return [_compiled(item, engine, f"{path}[{index}]", depth + 1) for index, item in enumerate(source)]
    if not isinstance(source, str):
        return source
    parsed = expression(source)
    if parsed.engine is None:
        return source
    try:
        return compile_program(engine if parsed.engine == DEFAULT_ENGINE else parsed.engine, parsed.statement)
    except ExpressionInvalid as error:
        column = parsed.column + error.column - 1
        raise TreeInvalid(error.what, path=path or "<nil>", column=column, do=error.do) from error


def _rendered(template: Any, value: Any, scope: Scope, path: str) -> Any:
    if isinstance(template, dict):
        below = value if isinstance(value, dict) else {}
        return {
            key: _rendered(item, below.get(key), scope, f"{path}.{key}" if path else str(key))
            for key, item in template.items()
        }
    if isinstance(template, list):
        if value is not None and not isinstance(value, list):
            raise EvaluationFailed(f"{path}: expected a slice or array")
        below_list = value or []
        return [
            _rendered(item, below_list[index] if index < len(below_list) else None, scope, f"{path}[{index}]")
            for index, item in enumerate(template)
        ]
    if isinstance(template, Program):
        try:
            return template(value, scope)
        except EvaluationFailed as error:
            raise EvaluationFailed(f"{path}: {error}") from error
    return template


@dataclass(frozen=True, slots=True)
class ReferenceTemplate:
    """The places of a tree that say which objects it is about: kind, name, namespace and labels may be expressions."""

    _programs: tuple[tuple[tuple[str, ...], Program], ...]

    def render(self, source: Mapping[str, Any], context: Context) -> dict[str, Any]:
        """The tree with these places evaluated; each expression sees its own text as `@`. Raises EvaluationFailed."""
        scope = Scope.of(context)
        result = dict(source)
        for path, program in self._programs:
            try:
                value = program(_at(source, path), scope)
            except EvaluationFailed as error:
                raise EvaluationFailed(f"{'.'.join(path)}: {error}") from error
            if path[:2] != ("metadata", "labels") and not isinstance(value, str):
                raise EvaluationFailed(f"{'.'.join(path)}: the expression must give a text")
            result = _with(result, path, value)
        return result


def compile_reference(source: Mapping[str, Any], *, engine: str = JMESPATH) -> ReferenceTemplate:
    """What is templated in a tree with apiVersion and kind; nothing in any other. Raises TreeInvalid."""
    programs: list[tuple[tuple[str, ...], Program]] = []
    if all(isinstance(source.get(key), str) and source[key] for key in _REFERENCE):
        metadata = source.get("metadata")
        metadata = metadata if isinstance(metadata, dict) else {}
        labels = metadata.get("labels")
        places = [(key,) for key in _REFERENCE]
        places += [("metadata", key) for key in _IN_METADATA if isinstance(metadata.get(key), str)]  # type: ignore[misc]
        places += [("metadata", "labels", key) for key in (labels if isinstance(labels, dict) else {})]  # type: ignore[misc]
        for place in places:
            compiled = _compiled(_at(source, place), engine, ".".join(map(str, place)), 0)
            if isinstance(compiled, Program):
                programs.append((place, compiled))
    return ReferenceTemplate(tuple(programs))


def _at(source: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    value: Any = source
    for key in path:
        value = value[key]
    return value


def _with(source: Mapping[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """`source` with one value replaced; what is not on the way to it is shared."""
    key, *rest = path
    return {**source, key: _with(source[key], tuple(rest), value) if rest else value}
