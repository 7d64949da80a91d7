"""From text to a tree of nodes: a Pratt parser with the binding powers of jmespath-community."""

from harness.assertions.errors import ExpressionInvalid
from harness.assertions.expressions.syntax import DEEPEST, IDENTITY, Node
from harness.assertions.expressions.tokens import Token, tokenize

# A star multiplies more strongly than any other operator binds: a / b * c is a / (b * c). So it is in the original.
_POWERS = {
    "=": 1,
    "|": 1,
    "||": 2,
    "&&": 3,
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">="), 5),
    **dict.fromkeys(("+", "-"), 6),
    **dict.fromkeys(("/", "//", "%", "×"), 7),
    "[]": 9,
    "*": 20,
    "[?": 21,
    ".": 40,
    "!": 45,
    "{": 50,
    "[": 55,
    "(": 60,
}
_ENDS_A_PROJECTION = 10
_ARITHMETIC = {"+", "-", "*", "×", "/", "//", "%"}
_COMPARISONS = {"==", "!=", "<", "<=", ">", ">="}
_INT64 = 1 << 63


def parse(text: str) -> Node:
    """The tree of `text`. Raises ExpressionInvalid with the column where it cannot be read on."""
    return _Parser(tokenize(text)).whole()


class _Parser:
    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._index = 0
        self._nesting = 0

    def whole(self) -> Node:
        node = self._expression(0)
        if self._current.kind != "end":
            raise self._unexpected("after the end of the expression")
        return node

    @property
    def _current(self) -> Token:
        return self._tokens[self._index]

    def _peek(self, ahead: int) -> str:
        return self._tokens[min(self._index + ahead, len(self._tokens) - 1)].kind

    def _advance(self) -> Token:
        token = self._current
        self._index += 1
        return token

    def _match(self, kind: str) -> Token:
        if self._current.kind != kind:
            raise self._unexpected(f"where {kind} was expected")
        return self._advance()

    def _unexpected(self, where: str) -> ExpressionInvalid:
        token = self._current
        if token.kind == "end":
            return ExpressionInvalid("the expression is incomplete", column=token.column)
        shown = token.value if isinstance(token.value, str) else token.kind
        hint = f"write numbers in backticks: `{shown}`" if token.kind == "number" else ""
        return ExpressionInvalid(f"unexpected {shown!r} {where}", column=token.column, do=hint)

    def _expression(self, power: int) -> Node:
        self._nesting += 1
        if self._nesting > DEEPEST:
            raise ExpressionInvalid(f"nested more than {DEEPEST} levels deep", column=self._current.column)
        node = self._prefix()
        while power < _POWERS.get(self._current.kind, 0):
            node = self._infix(self._advance(), node)
        self._nesting -= 1
        return node

    # what an expression starts with

    def _prefix(self) -> Node:
        if self._current.kind == "end":
            raise self._unexpected("")
        token = self._advance()
        kind, column = token.kind, token.column
        match kind:
            case "variable":
                return Node("variable", token.value, (), column)
            case "json" | "text":
                return Node("literal", token.value, (), column)
            case "name" if token.value == "let" and self._current.kind == "variable":
                return self._let(column)
            case "name":
                return Node("field", token.value, (), column)
            case "quoted":
                if self._current.kind == "(":
                    raise ExpressionInvalid("a quoted name is no name of a function", column=column)
                return Node("field", token.value, (), column)
            case "+" | "-":
                return Node("sign", kind, (self._expression(_POWERS[kind]),), column)
            case "*":
                right = IDENTITY if self._current.kind == "]" else self._projected(_POWERS["*"])
                return Node("values", None, (IDENTITY, right), column)
            case "[?":
                return self._filter(IDENTITY, column)
            case "{":
                return self._hash(column)
            case "[]":
                return self._flattened(IDENTITY, column)
            case "[":
                return self._bracket(column)
            case "@":
                return Node("current", None, (), column)
            case "$":
                return Node("root", None, (), column)
            case "&":
                return Node("reference", None, (self._expression(0),), column)
            case "!":
                return Node("not", None, (self._expression(_POWERS["!"]),), column)
            case "(":
                inside = self._expression(0)
                self._match(")")
                return inside
        self._index -= 1
        raise self._unexpected("at the start of an expression")

    def _bracket(self, column: int) -> Node:
        if self._current.kind in ("number", ":"):
            return self._indexed(IDENTITY, column)
        if self._current.kind == "*" and self._peek(1) == "]":
            self._index += 2
            return Node("projection", None, (IDENTITY, self._projected(_POWERS["*"])), column)
        return self._list(column)

    def _let(self, column: int) -> Node:
        bindings: list[Node] = []
        while not (self._current.kind == "name" and self._current.value == "in"):
            at = self._current.column
            binding = self._expression(0)
            if binding.kind != "binding" or binding.children[0].kind != "variable":
                raise ExpressionInvalid("`let` wants $name = expression", column=at)
            bindings.append(binding)
            if self._current.kind == ",":
                self._advance()
        self._advance()
        return Node("let", None, (*bindings, self._expression(0)), column)

    # what goes on after a complete expression

    def _infix(self, token: Token, left: Node) -> Node:
        kind, column = token.kind, token.column
        match kind:
            case "." if self._current.kind == "*":
                self._advance()
                return Node("values", None, (left, self._projected(_POWERS["."])), column)
            case ".":
                return Node("child", None, (left, self._after_dot(_POWERS["."])), column)
            case "|":
                return Node("pipe", None, (left, self._expression(_POWERS["|"])), column)
            case "||":
                return Node("or", None, (left, self._expression(_POWERS["||"])), column)
            case "&&":
                return Node("and", None, (left, self._expression(_POWERS["&&"])), column)
            case "(":
                if left.kind != "field":
                    raise ExpressionInvalid("only a name can be called", column=column)
                return Node("call", left.value, self._arguments(), left.column)
            case "[?":
                return self._filter(left, column)
            case "[]":
                return self._flattened(left, column)
            case "=":
                return Node("binding", None, (left, self._expression(0)), column)
            case "[" if self._current.kind in ("number", ":"):
                return self._indexed(left, column)
            case "[":
                self._match("*")
                self._match("]")
                return Node("projection", None, (left, self._projected(_POWERS["*"])), column)
        if kind in _ARITHMETIC:
            return Node("arithmetic", kind, (left, self._expression(_POWERS[kind])), column)
        if kind in _COMPARISONS:
            return Node("comparison", kind, (left, self._expression(_POWERS[kind])), column)
        self._index -= 1
        raise self._unexpected("after a complete expression")

    def _arguments(self) -> tuple[Node, ...]:
        arguments: list[Node] = []
        while self._current.kind != ")":
            arguments.append(self._expression(0))
            if self._current.kind == ",":
                self._advance()
        self._advance()
        return tuple(arguments)

    def _flattened(self, left: Node, column: int) -> Node:
        flat = Node("flatten", None, (left,), column)
        return Node("projection", None, (flat, self._projected(_POWERS["[]"])), column)

    def _filter(self, left: Node, column: int) -> Node:
        condition = self._expression(0)
        self._match("]")
        right = IDENTITY if self._current.kind == "[]" else self._projected(_POWERS["[?"])
        return Node("filter", None, (left, right, condition), column)

    def _projected(self, power: int) -> Node:
        kind = self._current.kind
        if _POWERS.get(kind, 0) < _ENDS_A_PROJECTION:
            return IDENTITY
        if kind in ("[", "[?"):
            return self._expression(power)
        if kind == ".":
            self._advance()
            return self._after_dot(power)
        raise self._unexpected("after a projection")

    def _after_dot(self, power: int) -> Node:
        column = self._current.column
        match self._current.kind:
            case "quoted" | "name" | "*":
                return self._expression(power)
            case "[":
                self._advance()
                return self._list(column)
            case "{":
                self._advance()
                return self._hash(column)
        raise self._unexpected("after a dot")

    def _list(self, column: int) -> Node:
        items = [self._expression(0)]
        while self._current.kind != "]":
            self._match(",")
            items.append(self._expression(0))
        self._advance()
        return Node("list", None, tuple(items), column)

    def _hash(self, column: int) -> Node:
        names: list[str] = []
        values: list[Node] = []
        while True:
            if self._current.kind not in ("name", "quoted"):
                raise self._unexpected("where a name was expected")
            names.append(self._advance().value)
            self._match(":")
            values.append(self._expression(0))
            if self._current.kind == ",":
                self._advance()
            elif self._current.kind == "}":
                self._advance()
                return Node("hash", tuple(names), tuple(values), column)

    def _indexed(self, left: Node, column: int) -> Node:
        if self._current.kind == ":" or self._peek(1) == ":":
            cut = Node("child", None, (left, Node("slice", self._slice(), (), column)), column)
            return Node("projection", None, (cut, self._projected(_POWERS["*"])), column)
        index = self._integer(self._match("number"))
        self._match("]")
        return Node("child", None, (left, Node("index", index, (), column)), column)

    def _slice(self) -> tuple[int | None, int | None, int | None]:
        parts: list[int | None] = [None, None, None]
        part = 0
        while self._current.kind != "]":
            if self._current.kind == "number":
                parts[part] = self._integer(self._advance())
            elif self._current.kind == ":" and part < 2:
                part += 1
                self._advance()
            else:
                raise self._unexpected("in a slice")
        self._advance()
        return parts[0], parts[1], parts[2]

    @staticmethod
    def _integer(token: Token) -> int:
        number = int(token.value) if len(token.value) < 21 else _INT64
        if not -_INT64 <= number < _INT64:
            raise ExpressionInvalid(f"{token.value[:24]} is out of range", column=token.column)
        return number
