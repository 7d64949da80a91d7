"""Random trees and values of a small alphabet, so that they often touch: each with a fair chance to hold.

Left out is what Go leaves to chance: the order of .*, keys() and values(), bindings that leak to siblings, sort_by()
that sorts the object itself.
"""

from random import Random
from typing import Any

KEYS = ("a", "b", "c")
TEXTS = ("x", "y", "xy", "3", "", "1h", "1Mi", "2024-01-01T00:00:00Z", "ü")


class Generator:
    """Pairs of a tree and a value, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def pair(self) -> tuple[Any, Any]:
        value = self._value(3)
        return self._tree(value, 3), value

    def _one(self, *options: Any) -> Any:
        return self._random.choice(options)

    def _chance(self, percent: int) -> bool:
        return self._random.randrange(100) < percent

    def _scalar(self) -> Any:
        return self._one(None, True, False, 0, 1, 2, 3, -3, 2.5, *TEXTS)

    def _value(self, depth: int) -> Any:
        if depth and self._chance(45):
            return {key: self._value(depth - 1) for key in KEYS if self._chance(60)}
        if depth and self._chance(35):
            if self._chance(50):
                return [self._value(depth - 1) for _ in range(self._random.randrange(3))]
            kind = self._one(
                lambda: self._random.randrange(4), lambda: self._one(*TEXTS), lambda: {"a": self._one("x", "y")}
            )
            return [kind() for _ in range(self._random.randrange(4))]
        return self._scalar()

    # trees, mostly made from the value that they will be judged against

    def _tree(self, value: Any, depth: int) -> Any:
        if self._chance(5):
            value = self._value(depth)
        if depth and (isinstance(value, dict) or (depth and self._chance(12))):
            return self._map(value, depth)
        if isinstance(value, list) and self._chance(70):
            return [self._tree(item, max(0, depth - 1)) for item in (value if self._chance(85) else value[1:])]
        if isinstance(value, str) and self._chance(15):
            return f"\\{value}\\" if value else value
        if self._chance(12):
            return f"({self.expression(2)})"
        return value if self._chance(80) else self._scalar()

    def _map(self, value: Any, depth: int) -> dict[str, Any]:
        tree: dict[str, Any] = {}
        items = list(value.items()) if isinstance(value, dict) else []
        for key, item in items:
            if self._chance(65):
                tree[self._key(key)] = self._tree(item, depth - 1)
        if self._chance(10):
            tree[self._one(*KEYS, "d")] = self._scalar()
        for _ in range(self._one(0, 0, 1, 1, 2)):
            tree[f"({self.expression(2)})"] = self._expected(depth)
        if self._chance(15):
            collection = self._one("(a)", "(b)", "(c || `[]`)", "a", "(@)", "(to_array(a))")
            name = self._one("", "i")
            below = (
                self._one("($i)", {"a": "x"}, {"(to_string($i))": "0"}, "x") if name else self._tree(self._scalar(), 1)
            )
            tree[f"~{name}.{collection}"] = below
        if self._chance(6):
            return {
                f"{self._one('(a)', '(b)', 'a', '(@)')}->v": {
                    f"({self._one('$v', '$v.a', 'to_string($v)')})": self._scalar()
                }
            }
        return tree

    def _key(self, key: str) -> str:
        return str(self._one(key, key, key, f"({key})", f"(@.{key})", f"\\{key}\\", f'("{key}")', f"(jp;{key})"))

    def _expected(self, depth: int) -> Any:
        return self._one(
            True,
            False,
            None,
            0,
            1,
            2,
            3,
            "x",
            "x",
            "3",
            [],
            ["x"],
            {"a": "x"},
            self._tree(self._value(1), min(depth, 1)),
        )

    # expressions

    def expression(self, depth: int) -> str:
        if depth == 0 or self._chance(25):
            return self._atom()
        first, second = self.expression(depth - 1), self.expression(depth - 1)
        function = self._function(first, second)
        return str(
            self._one(
                f"{first} {self._one('==', '!=', '<', '<=', '>', '>=')} {second}",
                f"{first} {self._one('+', '-', '*', '/', '%', '//')} {second}",
                f"{first} || {second}",
                f"{first} && {second}",
                f"!{first}",
                f"({first})",
                f"{first} | {second}",
                f"[{first}, {second}]",
                f"{{a: {first}, b: {second}}}",
                f"{self._atom()}[?{first}]",
                f"{self._atom()}[*].{self._one(*KEYS)}",
                f"{self._atom()}[].{self._one(*KEYS)}",
                f"{self._atom()}[{self._one('0', '-1', '1', ':1', '::-1', '1:')}]",
                f"let $q = {first} in {self._one('$q', '[$q]', second)}",
                function,
                function,
                function,
            )
        )

    def _atom(self) -> str:
        literals = (
            "`1`",
            "`3`",
            "`2.5`",
            "'x'",
            "`true`",
            "`null`",
            "`[]`",
            "`[1, 2]`",
            '`{"a": 1}`',
            "null",
            "'3'",
            "'1h'",
            "'1Mi'",
        )
        return str(self._one(*KEYS, *KEYS, "@", "a.b", "a.a", "b[0]", "$", *literals))

    def _function(self, first: str, second: str) -> str:
        texts = [f"'{self._one(*TEXTS)}'", f"to_string({first})"]
        text, other = self._one(*texts), self._one(*texts)
        number = self._one("`1`", "`2`", "`-1`", "`1.5`", f"to_number({first})", f"length({text})")
        items = self._one(
            "`[1, 2, 3]`", "['x', 'y']", f"to_array({first})", f"[{first}, {second}]", f"({first} || `[]`)"
        )
        return str(
            self._one(
                f"length({self._one(first, items, text)})",
                f"to_string({first})",
                f"to_number({first})",
                f"to_array({first})",
                f"type({first})",
                f"not_null({first}, {second})",
                f"contains({self._one(items, text)}, {second})",
                f"starts_with({text}, {other})",
                f"ends_with({text}, {other})",
                f"join('-', {self._one(items, '[' + text + ', ' + other + ']')})",
                f"split({text}, {other})",
                f"replace_all({text}, {other}, 'z')",
                f"trim({text}, 'x')",
                f"to_upper({text})",
                f"truncate({text}, {number})",
                f"pad_left({text}, {number}, '0')",
                f"abs({number})",
                f"ceil({number})",
                f"floor({self._one(number, first)})",
                f"round({number}, `1`)",
                f"sum({items})",
                f"avg({items})",
                f"max({items})",
                f"min({items})",
                f"sort({items})",
                f"reverse({items})",
                f"map(&to_string(@), {items})",
                f"map(&a, {items})",
                f"zip({items}, {items})",
                f"merge({{a: {first}}}, {{b: {second}}})",
                f"lookup({items}, {number})",
                f"at({items}, `0`)",
                f"length(keys({self._one('@', first)}))",
                f"add({self._one(number, text)}, {self._one(number, other)})",
                f"subtract({number}, {number})",
                f"multiply({self._one(number, text)}, {number})",
                f"divide({self._one(number, text)}, {number})",
                f"modulo({number}, {number})",
                f"compare({text}, {other})",
                f"equal_fold({text}, {other})",
                f"regex_match('{self._one('^x', '[0-9]+$', '(x|y)+', '.')}', {text})",
                f"regex_replace_all('{self._one('x', '[a-z]', '(.)')}', {text}, '<$1>')",
                f"wildcard('{self._one('x*', '?', '*y', '*')}', {text})",
                f"base64_encode({text})",
                f"parse_json(to_string({first}))",
                f"parse_yaml({text})",
                f"items({{a: {first}}}, 'k', 'v')",
                f"from_items([['a', {first}]])",
                f"object_from_lists(['a', 'b'], {items})",
                f"group_by([{{a: 'x'}}, {{a: {text}}}], &a)",
                f"max_by([{{a: `1`}}, {{a: {number}}}], &a)",
                f"sort_by([{{a: `2`}}, {{a: {number}}}], &a)",
                f"find_first({text}, 'y')",
                f"semver_compare('1.2.3', '{self._one('>=1.0.0', '<1.0.0', '1.x', '^1')}')",
                f"time_add({self._one(text, chr(39) + TEXTS[7] + chr(39))}, '1h')",
                f"as_string({first})",
                f"label_match({{a: {text}}}, {{a: {other}}})",
                f"nope({first})",
            )
        )
