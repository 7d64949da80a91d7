"""Assertion trees as chainsaw writes them: compiled once, judged against any number of values."""

from dataclasses import dataclass, field
from typing import Any

from harness.assertions.compare import matches
from harness.assertions.errors import EvaluationFailed, ExpressionInvalid, TreeInvalid
from harness.assertions.expressions.context import Context, Scope
from harness.assertions.expressions.values import GoInt
from harness.assertions.go.printing import plain, quoted, syntax
from harness.assertions.keys import DEFAULT_ENGINE, ENGINES, JMESPATH, Notation, notation
from harness.assertions.outcome import INTERNAL, INVALID, REQUIRED, CannotEvaluate, Holds, Mismatch, NotYet, Outcome
from harness.assertions.programs import Program, compile_program

# Trees are judged level by level on the stack; real ones have some twenty levels.
DEEPEST = 150
# Aliases of YAML can make a small file a tree without end.
MOST_NODES = 100_000


class _Ended(Exception):
    """The evaluation ends here; nothing else of the tree matters."""

    def __init__(self, path: str, kind: str, actual: Any, reason: str) -> None:
        super().__init__(reason)
        self.mismatch = Mismatch(path or "<nil>", kind, actual, reason)


@dataclass(slots=True)
class _Found:
    mismatches: list[Mismatch] = field(default_factory=list)
    vacuous: list[str] = field(default_factory=list)

    def differs(self, path: str, kind: str, actual: Any, reason: str) -> None:
        self.mismatches.append(Mismatch(path or "<nil>", kind, actual, reason))


@dataclass(frozen=True, slots=True)
class Placed:
    """An expression of a tree: where it stands, and whether it is a key, which projects, or an expected value.

    `column` is where its text starts in the key or value. `expected` is what a key's result is compared with.
    """

    path: str
    program: Program
    is_key: bool
    column: int
    expected: Any = None


@dataclass(frozen=True, slots=True)
class _Scalar:
    literal: Any
    program: Program | None

    def judge(self, path: str, value: Any, scope: Scope, found: _Found) -> None:
        try:
            expected = self.literal if self.program is None else self.program(value, scope)
            same = matches(expected, value, scope.budget)
        except EvaluationFailed as error:
            raise _Ended(path, INTERNAL, None, str(error)) from error
        if not same:
            found.differs(path, INVALID, value, f"Expected value: {_shown(expected)}")


def _shown(expected: Any) -> str:
    if isinstance(expected, str):
        return quoted(expected)
    if isinstance(expected, bool | int | float):
        return plain(expected)
    return syntax(expected)


@dataclass(frozen=True, slots=True)
class _List:
    items: tuple["_Node", ...]

    def judge(self, path: str, value: Any, scope: Scope, found: _Found) -> None:
        if value is None:
            found.differs(path, INVALID, value, "value is null")
        elif not isinstance(value, list):
            raise _Ended(path, INVALID, value, "expected a slice")
        elif len(value) != len(self.items):
            found.differs(path, INVALID, value, "lengths of slices don't match")
        else:
            for index, (item, element) in enumerate(zip(self.items, value, strict=True)):
                item.judge(f"{path}[{index}]", element, scope, found)


@dataclass(frozen=True, slots=True)
class _Entry:
    """One key of an object, and what its projection must be."""

    key: str
    notation: Notation
    program: Program | None
    below: "_Node"

    def judge(self, path: str, value: Any, scope: Scope, found: _Found) -> None:
        path = f"{path}.{self.key or '[]'}" if path else self.key or "[]"
        if self.program is not None:
            try:
                projected = self.program(value, scope)
            except EvaluationFailed as error:
                raise _Ended(path, INTERNAL, None, str(error)) from error
            if projected == [] and self.program.filters:
                found.vacuous.append(path)
        else:
            if value is None or (isinstance(value, dict) and self.notation.statement not in value):
                found.differs(path, REQUIRED, None, "field not found in the input object")
                return
            if not isinstance(value, dict):
                raise _Ended(path, INTERNAL, None, "projection not recognized")
            projected = value[self.notation.statement]
        if self.notation.binding:
            scope = scope.bind({self.notation.binding: projected})
        if self.notation.foreach is None:
            self.below.judge(path, projected, scope, found)
        else:
            self._judge_each(path, projected, scope, found)

    def _judge_each(self, path: str, projected: Any, scope: Scope, found: _Found) -> None:
        elements: list[tuple[Any, Any]]
        if isinstance(projected, list):
            elements = [(GoInt(index), element) for index, element in enumerate(projected)]
        elif isinstance(projected, dict):
            elements = [(key, projected[key]) for key in sorted(projected, key=str)]
        else:
            raise _Ended(path, INVALID, projected, "expected a slice or a map")
        if not elements:
            found.vacuous.append(path)
        scope.budget.spend(len(elements))
        name = self.notation.foreach
        for index, element in elements:
            self.below.judge(f"{path}[{index}]", element, scope.bind({name: index}) if name else scope, found)


@dataclass(frozen=True, slots=True)
class _Map:
    entries: tuple[_Entry, ...]

    def judge(self, path: str, value: Any, scope: Scope, found: _Found) -> None:
        if not self.entries and value is None:
            found.differs(path, INVALID, value, "invalid value, must not be null")
        for entry in self.entries:
            entry.judge(path, value, scope, found)


_Node = _Scalar | _List | _Map


@dataclass(frozen=True, slots=True)
class Tree:
    """A compiled tree: `source` is what it was made of, `expressions` are all of its expressions, in order."""

    source: Any
    expressions: tuple[Placed, ...]
    _root: _Node

    def judge(self, value: Any, context: Context | None = None) -> Outcome:
        """Judges `value`, which is made of what JSON holds. Raises nothing: what cannot be evaluated is an outcome."""
        found = _Found()
        try:
            self._root.judge("", value, Scope.of(context or Context()), found)
        except _Ended as end:
            return CannotEvaluate(end.mismatch)
        except EvaluationFailed as error:
            return CannotEvaluate(Mismatch("<nil>", INTERNAL, None, str(error)))
        except RecursionError:
            return CannotEvaluate(Mismatch("<nil>", INTERNAL, None, "the value is nested too deeply"))
        return NotYet(tuple(found.mismatches)) if found.mismatches else Holds(tuple(found.vacuous))


def compile_tree(source: Any, *, engine: str = JMESPATH) -> Tree:
    """Compiles a tree; `engine` is what expressions without a name are written in. Raises TreeInvalid."""
    if engine not in ENGINES:
        raise TreeInvalid(f"unknown engine {engine!r}", path="compiler", do="write jp or cel")
    if source is None:
        raise TreeInvalid("the tree is empty", path="<nil>", do="write what is expected")
    compiler = _Compiler(engine)
    root = compiler.node(source, "", 0)
    return Tree(source, tuple(compiler.expressions), root)


class _Compiler:
    def __init__(self, engine: str) -> None:
        self._engine = engine
        self._nodes = 0
        self.expressions: list[Placed] = []

    def node(self, source: Any, path: str, depth: int) -> _Node:
        self._nodes += 1
        if depth > DEEPEST:
            raise TreeInvalid(f"the tree has more than {DEEPEST} levels", path=_short(path))
        if self._nodes > MOST_NODES:
            raise TreeInvalid(f"the tree has more than {MOST_NODES:,} nodes", path=_short(path))
        match source:
            case dict():
                return self._map(source, path, depth)
            case list():
                return _List(tuple(self.node(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(source)))
            case str():
                return self._text(source, path)
            case None | bool() | int() | float():
                return _Scalar(source, None)
        raise TreeInvalid(
            f"a {type(source).__name__} has no place in a tree", path=path or "<nil>", do="write it in quotes"
        )

    def _map(self, source: dict[Any, Any], path: str, depth: int) -> _Map:
        entries: dict[str, _Entry] = {}
        for key, value in source.items():
            name = _key(key, path)
            below = f"{path}.{name or '[]'}" if path else name or "[]"
            if name in entries:
                raise TreeInvalid("the key is there twice", path=below)
            parsed = notation(name)
            program = self._program(parsed, below, is_key=True, expected=value)
            entries[name] = _Entry(name, parsed, program, self.node(value, below, depth + 1))
        return _Map(tuple(entries.values()))

    def _text(self, source: str, path: str) -> _Scalar:
        parsed = notation(source)
        for present, what in ((parsed.foreach is not None, "an iteration (~.)"), (parsed.binding, "a binding (->)")):
            if present:
                raise TreeInvalid(
                    f"{what} has no place in a value",
                    path=path or "<nil>",
                    do="escape it where it is meant as text: \\...\\",
                )
        program = self._program(parsed, path, is_key=False)
        return _Scalar(parsed.statement, program)

    def _program(self, parsed: Notation, path: str, *, is_key: bool, expected: Any = None) -> Program | None:
        if parsed.engine is None:
            return None
        engine = self._engine if parsed.engine == DEFAULT_ENGINE else parsed.engine
        try:
            program = compile_program(engine, parsed.statement)
        except ExpressionInvalid as error:
            column = parsed.column + error.column - 1
            raise TreeInvalid(error.what, path=path or "<nil>", column=column, do=error.do) from error
        self.expressions.append(Placed(path or "<nil>", program, is_key, parsed.column, expected))
        return program


def _key(key: Any, path: str) -> str:
    """Keys are texts: YAML's numbers and booleans become what JSON makes of them."""
    if isinstance(key, str):
        return key
    if isinstance(key, bool | int | float):
        return plain(key)
    raise TreeInvalid(f"a {type(key).__name__} cannot be a key", path=path or "<nil>", do="write it in quotes")


def _short(path: str) -> str:
    return path if len(path) < 200 else f"{path[:100]}...{path[-60:]}"
