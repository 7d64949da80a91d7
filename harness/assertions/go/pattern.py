"""Regular expressions in RE2's syntax, as Go reads them: no backreference and no look-around."""

from harness.assertions.go.parts import (
    CLASSES,
    LAST,
    POSIX,
    Assertion,
    Characters,
    Choice,
    Empty,
    Group,
    Part,
    Pattern,
    Repeat,
    Sequence,
    complement,
)

_LONGEST_REPEAT = 1000
_DEEPEST = 100

_ESCAPES = {"a": 7, "f": 12, "t": 9, "n": 10, "r": 13, "v": 11}
_CATEGORIES = {"L", "M", "N", "P", "S", "Z", "C"}


def parse(text: str) -> Pattern:
    """The structure of `text`. Raises ValueError."""
    parser = _Parser(text)
    root = parser.choice(0)
    if parser.at < len(text):
        raise ValueError(f"unexpected ) in the pattern {text[:60]!r}")
    return Pattern(root, parser.groups, parser.names)


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.groups = 0
        self.names: dict[str, int] = {}
        self.flags = {"i": False, "m": False, "s": False, "U": False}

    def _refuse(self, what: str) -> ValueError:
        return ValueError(f"{what} in the pattern {self.text[:60]!r}")

    def _take(self, expected: str) -> bool:
        if self.text.startswith(expected, self.at):
            self.at += len(expected)
            return True
        return False

    def _next(self) -> str:
        if self.at >= len(self.text):
            raise self._refuse("something is missing at the end")
        self.at += 1
        return self.text[self.at - 1]

    def choice(self, depth: int) -> Part:
        if depth > _DEEPEST:
            raise self._refuse(f"more than {_DEEPEST} nested groups")
        flags = dict(self.flags)
        items = [self._sequence(depth)]
        while self._take("|"):
            items.append(self._sequence(depth))
        self.flags = flags
        return items[0] if len(items) == 1 else Choice(items)

    def _sequence(self, depth: int) -> Part:
        items: list[Part] = []
        repeatable = False
        while self.at < len(self.text) and self.text[self.at] not in "|)":
            if (repeat := self._repetition()) is not None:
                if not repeatable:
                    raise self._refuse("nothing to repeat")
                items.append(Repeat(items.pop(), *repeat))
                repeatable = False
                continue
            before = self.at
            item = self._atom(depth)
            repeatable = not (item is None and self.text[before] == "(")
            if item is not None:
                items.append(item)
            elif repeatable:
                items.append(Empty())
        return items[0] if len(items) == 1 else Sequence(items)

    def _repetition(self) -> tuple[int, int | None, bool] | None:
        start = self.at
        bounds: tuple[int, int | None]
        if self._take("*"):
            bounds = (0, None)
        elif self._take("+"):
            bounds = (1, None)
        elif self._take("?"):
            bounds = (0, 1)
        elif self._take("{"):
            least, comma, most = self._digits(), self._take(","), self._digits()
            if not least or not self._take("}") or (most and not comma):
                self.at = start
                return None
            bounds = (int(least), int(most) if most else None if comma else int(least))
            if max(bounds[0], bounds[1] or 0) > _LONGEST_REPEAT or (bounds[1] is not None and bounds[1] < bounds[0]):
                raise self._refuse("invalid repeat count")
        else:
            return None
        greedy = self._take("?") is self.flags["U"]
        return (*bounds, greedy)

    def _digits(self) -> str:
        start = self.at
        while self.at < len(self.text) and self.text[self.at] in "0123456789" and self.at - start < 6:
            self.at += 1
        return self.text[start : self.at]

    def _literal(self, code: int) -> Characters:
        characters = Characters([(code, code)])
        if self.flags["i"]:
            characters.fold()
        return characters

    def _atom(self, depth: int) -> Part | None:
        match self._next():
            case ".":
                return Characters([] if self.flags["s"] else [(10, 10)], negated=True)
            case "^":
                return Assertion("begin-line" if self.flags["m"] else "begin-text")
            case "$":
                return Assertion("end-line" if self.flags["m"] else "end-text")
            case "[":
                return self._class()
            case "(":
                return self._group(depth)
            case "\\":
                return self._escape()
            case character:
                return self._literal(ord(character))

    def _group(self, depth: int) -> Part | None:
        number = 0
        if self._take("?"):
            if self._take("P<") or self._take("<"):
                number = self._named()
            else:
                before = dict(self.flags)
                if not self._flags():
                    return None
                item = self.choice(depth + 1)
                self.flags = before
                return self._closed(item)
        else:
            self.groups += 1
            number = self.groups
        return Group(self._closed(self.choice(depth + 1)), number)

    def _closed(self, item: Part) -> Part:
        if not self._take(")"):
            raise self._refuse("a group is not closed")
        return item

    def _named(self) -> int:
        end = self.text.find(">", self.at)
        name = self.text[self.at : end]
        if end < 0 or not name.isascii() or not name.replace("_", "a").isalnum() or name in self.names:
            raise self._refuse("invalid name of a group")
        self.at = end + 1
        self.groups += 1
        self.names[name] = self.groups
        return self.groups

    def _flags(self) -> bool:
        """Reads `(?flags` up to a colon (true: a group follows) or a closing parenthesis."""
        on = True
        any_flag = False
        while True:
            character = self._next()
            if character == "-" and on:
                on, any_flag = False, False
            elif character in self.flags:
                self.flags[character] = on
                any_flag = True
            elif character in ":)" and (on or any_flag):
                return character == ":"
            else:
                raise self._refuse(f"unsupported group (?{character}")

    def _escape(self) -> Part:
        character = self._next()
        kinds = {"A": "begin-text", "z": "end-text", "b": "boundary", "B": "no-boundary"}
        if character in kinds:
            return Assertion(kinds[character])
        if character == "Q":
            end = self.text.find("\\E", self.at)
            quoted = self.text[self.at : end if end >= 0 else None]
            self.at = len(self.text) if end < 0 else end + 2
            items: list[Part] = [self._literal(ord(one)) for one in quoted]
            return items[0] if len(items) == 1 else Sequence(items)
        characters = Characters()
        if not self._class_escape(character, characters):
            return self._literal(self._code(character))
        return characters

    def _class_escape(self, character: str, into: Characters) -> bool:
        r"""Adds what \\d, \\W or \\p{L} stand for."""
        if character.lower() in CLASSES:
            ranges = CLASSES[character.lower()]
            into.ranges.extend(complement(ranges) if character.isupper() else ranges)
            return True
        if character not in "pP":
            return False
        name = self._next()
        if name == "{":
            end = self.text.find("}", self.at)
            name = self.text[self.at : end] if end >= 0 else ""
            self.at = end + 1
        without = (character == "P") is not name.startswith("^")
        name = name.removeprefix("^")
        if name == "Any":
            into.ranges.extend([] if without else [(0, LAST)])
        elif name[:1] in _CATEGORIES and (len(name) == 1 or (len(name) == 2 and name[1].islower())):
            into.categories.append((name, without))
        else:
            raise self._refuse(f"unknown class \\p{{{name[:20]}}} (scripts are not supported)")
        return True

    def _code(self, character: str) -> int:
        """The character that an escape stands for, its backslash and first character read."""
        if character in _ESCAPES:
            return _ESCAPES[character]
        if character == "x":
            if self._take("{"):
                end = self.text.find("}", self.at)
                digits = self.text[self.at : end] if end >= 0 else ""
                self.at = end + 1
            else:
                digits = self._next() + self._next()
            if not digits or len(digits) > 8 or any(digit not in "0123456789abcdefABCDEF" for digit in digits):
                raise self._refuse("invalid \\x")
            if int(digits, 16) > LAST:
                raise self._refuse("invalid \\x")
            return int(digits, 16)
        following = self.text[self.at : self.at + 1]
        if character == "0" or (character in "1234567" and following and following in "01234567"):
            digits = character
            while len(digits) < 3 and self.at < len(self.text) and self.text[self.at] in "01234567":
                digits += self._next()
            return int(digits, 8)
        if character.isascii() and not character.isalnum():
            return ord(character)
        raise self._refuse(f"invalid escape \\{character}")

    def _class(self) -> Characters:
        characters = Characters()
        negated = self._take("^")
        first = True
        while first or not self._take("]"):
            first = False
            if self.at >= len(self.text):
                raise self._refuse("a [ is not closed")
            if self._take("[:"):
                end = self.text.find(":]", self.at)
                name = self.text[self.at : end] if end >= 0 else ""
                if name.removeprefix("^") in POSIX:
                    self.at = end + 2
                    ranges = POSIX[name.removeprefix("^")]
                    characters.ranges.extend(complement(ranges) if name.startswith("^") else ranges)
                    continue
                if end >= 0:
                    raise self._refuse(f"unknown class [:{name[:20]}:]")
                self.at -= 2
            if self._take("\\"):
                character = self._next()
                if self._class_escape(character, characters):
                    continue
                low = self._code(character)
            else:
                low = ord(self._next())
            characters.ranges.append((low, self._high(low)))
        if self.flags["i"]:
            characters.fold()
        characters.negated = negated
        return characters

    def _high(self, low: int) -> int:
        """The end of a range that starts with `low`, or `low` itself."""
        if not self.text.startswith("-", self.at) or self.text.startswith("-]", self.at):
            return low
        self.at += 1
        high = self._code(self._next()) if self._take("\\") else ord(self._next())
        if high < low:
            raise self._refuse("a range runs backwards")
        return high
