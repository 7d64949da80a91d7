"""Functions of texts. Where Go counts bytes (find, pad), so do they."""

import posixpath
from collections.abc import Callable

from harness.assertions.expressions.functions.signature import Call, Table, integer
from harness.assertions.expressions.values import GoInt

TABLE = Table()
function = TABLE.function

# Go's unicode.IsSpace; Python counts four control characters as well.
SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))


def utf8(text: str) -> bytes:
    """The bytes of `text`; those that were no UTF-8 when it was decoded come back as they were."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half of a surrogate pair, which Go replaces as well
        return text.encode("utf-8", "replace")


def each_upper(text: str) -> str:
    """Character by character as Go does: ß stays."""
    return "".join(high if len(high := character.upper()) == 1 else character for character in text)


def each_lower(text: str) -> str:
    return "".join(character.lower()[:1] for character in text)


@function("lower", "string")
@function("to_lower", "string")
def lower(_call: Call, text: str) -> str:
    return each_lower(text)


@function("upper", "string")
@function("to_upper", "string")
def upper(_call: Call, text: str) -> str:
    return each_upper(text)


@function("concat", "string", "string")
def concat(call: Call, first: str, second: str) -> str:
    call.reserve(len(first) + len(second))
    return first + second


@function("compare", "string", "string")
def compare(_call: Call, first: str, second: str) -> int:
    return GoInt((first > second) - (first < second))


@function("equal_fold", "string", "string")
def equal_fold(_call: Call, first: str, second: str) -> bool:
    return _folded(first) == _folded(second)


def _folded(text: str) -> str:
    return "".join(fold if len(fold := c.casefold()) == 1 else each_lower(c) for c in text)


@function("starts_with", "string", "string")
def starts_with(_call: Call, text: str, prefix: str) -> bool:
    return text.startswith(prefix)


@function("ends_with", "string", "string")
def ends_with(_call: Call, text: str, suffix: str) -> bool:
    return text.endswith(suffix)


@function("join", "string", "array[string]")
def join(call: Call, glue: str, texts: list[str]) -> str:
    call.reserve(sum(map(len, texts)) + len(glue) * len(texts))
    return glue.join(texts)


@function("split", "string", "string")
def split(call: Call, text: str, separator: str) -> list[str]:
    call.reserve(len(text))
    return text.split(separator) if separator else list(text)


@function("replace", "string", "string", "string", "number")
def replace(call: Call, text: str, old: str, new: str, count: float) -> str:
    most = -1 if count != count or count < 0 else int(min(count, len(text) + 1))
    call.reserve(len(text) + text.count(old) * len(new))
    return text.replace(old, new, most)


@function("replace_all", "string", "string", "string")
def replace_all(call: Call, text: str, old: str, new: str) -> str:
    call.reserve(len(text) + text.count(old) * len(new))
    return text.replace(old, new)


@function("trim", "string", "string")
def trim(_call: Call, text: str, characters: str) -> str:
    return text.strip(characters)


@function("trim_left", "string", "?string")
def trim_left(_call: Call, text: str, characters: str = "") -> str:
    return text.lstrip(characters or SPACE)


@function("trim_right", "string", "?string")
def trim_right(_call: Call, text: str, characters: str = "") -> str:
    return text.rstrip(characters or SPACE)


@function("trim_space", "string")
def trim_space(_call: Call, text: str) -> str:
    return text.strip(SPACE)


@function("trim_prefix", "string", "string")
def trim_prefix(_call: Call, text: str, prefix: str) -> str:
    return text.removeprefix(prefix)


@function("truncate", "string", "number")
def truncate(_call: Call, text: str, length: float) -> str:
    """What is longer than any text can be wraps around, and leaves nothing."""
    return text[: int(min(length, len(text)))] if 1 <= length < 1 << 63 else ""


@function("pad_left", "string", "number", "?string")
def pad_left(call: Call, text: str, width: float, character: str = " ") -> str:
    return _padding(call, text, width, character) + text


@function("pad_right", "string", "number", "?string")
def pad_right(call: Call, text: str, width: float, character: str = " ") -> str:
    return text + _padding(call, text, width, character)


def _padding(call: Call, text: str, width: float, character: str) -> str:
    if integer(call, width, "the width") < 0:
        raise call.refuse("the width must not be negative")
    if len(utf8(character)) > 1:
        raise call.refuse("the padding must be one ASCII character")
    missing = max(0, int(width) - len(utf8(text))) if character else 0
    call.reserve(missing)
    return character * missing


@function("find_first", "string", "string", "?number", "?number")
def find_first(call: Call, text: str, part: str, *bounds: float) -> float | None:
    return _found(call, text, part, bounds, bytes.find)


@function("find_last", "string", "string", "?number", "?number")
def find_last(call: Call, text: str, part: str, *bounds: float) -> float | None:
    return _found(call, text, part, bounds, bytes.rfind)


def _found(
    call: Call, text: str, part: str, bounds: tuple[float, ...], find: Callable[[bytes, bytes], int]
) -> float | None:
    if not text or not part:
        return None
    whole = utf8(text)
    start = integer(call, bounds[0], "the start") if bounds else 0
    end = integer(call, bounds[1], "the end") if len(bounds) > 1 else len(whole)
    start, end = max(0, start), min(end, len(whole))
    offset = find(whole[start:end], utf8(part)) if start <= end else -1  # chainsaw crashes where they cross
    return None if offset < 0 else float(start + offset)


@function("path_canonicalize", "string")
def path_canonicalize(_call: Call, path: str) -> str:
    return posixpath.normpath(path).replace("//", "/") if path else ""
