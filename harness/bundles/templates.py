"""Go's template language, carried out: what a manifest of a recipe says with the values of its component."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.bundles.template_functions import ANY, FUNCTIONS, WrongArgument, kind_of, text_of, truth
from harness.bundles.template_syntax import (
    Block,
    Fields,
    Function,
    Jump,
    Literal,
    Node,
    Operand,
    Pipeline,
    TemplateError,
    Text,
    Variable,
    parse,
)

_NOTHING: Any = type(
    "Nothing", (), {"__bool__": lambda self: False}
)()  # a key that is not there; its keys are not either


class _Jumped(Exception):
    """break or continue."""


def render(text: str, data: Mapping[str, Any]) -> str:
    """`text` with `data` as its dot. Raises TemplateError with the line."""
    parts: list[str] = []
    _Run(data, parts).all(parse(text), data)
    return "".join(parts)


class _Run:
    def __init__(self, data: Mapping[str, Any], parts: list[str]) -> None:
        self._parts = parts
        self._variables: list[tuple[str, Any]] = [("$", data)]
        self._line = 1

    def all(self, nodes: Sequence[Node], dot: Any) -> None:
        """Carry out nodes; variables that they declare end with them."""
        known = len(self._variables)
        for node in nodes:
            match node:
                case Text(text):
                    self._parts.append(text)
                case Jump(word):
                    raise _Jumped(word)
                case Block():
                    self._block(node, dot)
        del self._variables[known:]

    def _block(self, block: Block, dot: Any) -> None:
        known = len(self._variables)
        if block.word == "range":
            self._range(block, dot)
        else:
            value = self._pipeline(block.pipeline, dot)
            if block.word:
                then = value if block.word == "with" else dot
                self.all(block.body, then) if truth(value) else self.all(block.otherwise, dot)
            elif not block.pipeline.variables:
                self._parts.append("<no value>" if value is None or value is _NOTHING else text_of(value))
        if block.word:
            del self._variables[known:]

    def _range(self, block: Block, dot: Any) -> None:
        pipeline = block.pipeline
        value = self._value(pipeline, dot)
        items = list(self._items(value))
        if isinstance(value, int) and len(pipeline.variables) > 1:
            raise TemplateError(f"range over {value} has one variable", self._line)
        if not items:
            self.all(block.otherwise, dot)
        for key, item in items:
            known = len(self._variables)
            names = pipeline.variables
            for name, each in zip(names, (key, item) if len(names) == 2 else (item,), strict=False):
                self._assign(name, each) if pipeline.assigns else self._variables.append((name, each))
            try:
                self.all(block.body, item)
            except _Jumped as jump:
                if str(jump) == "break":
                    break
            finally:
                del self._variables[known:]

    def _items(self, value: Any) -> Iterator[tuple[Any, Any]]:
        if isinstance(value, Mapping):
            yield from sorted(value.items())
        elif isinstance(value, list):
            yield from enumerate(value)
        elif isinstance(value, int) and not isinstance(value, bool):
            yield from ((number, number) for number in range(value))
        elif value is not None and value is not _NOTHING:
            raise TemplateError(f"range cannot go over {kind_of(value)}", self._line)

    def _pipeline(self, pipeline: Pipeline, dot: Any) -> Any:
        value = self._value(pipeline, dot)
        for name in pipeline.variables:
            self._assign(name, value) if pipeline.assigns else self._variables.append((name, value))
        return value

    def _value(self, pipeline: Pipeline, dot: Any) -> Any:
        self._line = pipeline.line
        piped: list[Any] = []
        for command in pipeline.commands:
            piped = [self._command(command, dot, piped)]
        return piped[0]

    def _assign(self, name: str, value: Any) -> None:
        for position in range(len(self._variables) - 1, -1, -1):
            if self._variables[position][0] == name:
                self._variables[position] = (name, value)
                return
        raise TemplateError(f"undefined variable {name}", self._line)

    def _command(self, command: tuple[Operand, ...], dot: Any, piped: list[Any]) -> Any:
        first = command[0]
        if isinstance(first, Function):
            return self._call(first.name, command[1:], dot, piped)
        if len(command) > 1:
            raise TemplateError("arguments are passed to something that is not a function", self._line)
        return self._operand(first, dot)

    def _operand(self, operand: Operand, dot: Any) -> Any:
        match operand:
            case Literal(value):
                return value
            case Variable(""):
                return dot
            case Variable(name):
                for known, value in reversed(self._variables):
                    if known == name:
                        return value
                raise TemplateError(f"undefined variable {name}", self._line)
            case Function(name):
                return self._call(name, (), dot, [])
            case Fields(below, names):
                value = self._operand(below, dot)
                for name in names:
                    value = self._field(value, name)
                return value
            case Pipeline():
                return self._value(operand, dot)

    def _field(self, value: Any, name: str) -> Any:
        if value is _NOTHING:
            return value
        if isinstance(value, Fixed) and name not in value:
            raise TemplateError(f"there is no .{name} in a manifest; known: {', '.join(sorted(value))}", self._line)
        if isinstance(value, Mapping):
            return value.get(name, _NOTHING)
        raise TemplateError(f"cannot take .{name} of {kind_of(value)}", self._line)

    def _call(self, name: str, operands: Sequence[Operand], dot: Any, piped: list[Any]) -> Any:
        if name in ("and", "or"):
            return self._shortened(name, operands, dot, piped)
        if name not in FUNCTIONS:
            known = ", ".join(sorted((*FUNCTIONS, "and", "or")))
            raise TemplateError(f"function {name} is not known in manifests; known: {known}", self._line)
        function, kinds, repeats = FUNCTIONS[name]
        values = [*(self._operand(operand, dot) for operand in operands), *piped]
        arguments = [None if value is _NOTHING else value for value in values]
        if len(arguments) < len(kinds) - repeats or (len(arguments) > len(kinds) and not repeats):
            raise TemplateError(f"wrong number of arguments for {name}: {len(arguments)}", self._line)
        for position, argument in enumerate(arguments):
            kind = kinds[min(position, len(kinds) - 1)]
            if kind is not ANY and (not isinstance(argument, kind) or (kind is int and isinstance(argument, bool))):
                wanted = "text" if kind is str else "a number"
                raise TemplateError(f"{name} takes {wanted}, not {kind_of(argument)}", self._line)
        try:
            return function(*arguments)
        except WrongArgument as error:
            raise TemplateError(f"{name}: {error}", self._line) from error

    def _shortened(self, name: str, operands: Sequence[Operand], dot: Any, piped: list[Any]) -> Any:
        """and, or: the first value that decides, and what comes after it is not looked at."""
        value: Any = None
        for operand in operands:
            value = self._operand(operand, dot)
            if truth(value) is (name == "or"):
                return value
        if not operands and not piped:
            raise TemplateError(f"wrong number of arguments for {name}: 0", self._line)
        return piped[0] if piped else value


class Fixed(dict[str, Any]):
    """Data whose names are known: asking for another is an error, where in values it is nothing."""
