"""Durations as Go's time package reads and prints them: 1h30m, 250ms. All are whole nanoseconds."""

import re

_UNITS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_PART = re.compile(r"([0-9]*)(\.[0-9]*)?([^0-9.]+)")
LONGEST = (1 << 63) - 1


def parse(text: str) -> int:
    """Nanoseconds of `text`. Raises ValueError."""
    body = text[1:] if text[:1] in ("-", "+") else text
    if body == "0":
        return 0
    total, at = 0, 0
    while at < len(body):
        part = _PART.match(body, at)
        if part is None or part[3] not in _UNITS or not (part[1] or len(part[2] or "") > 1) or len(part[1]) > 19:
            raise ValueError(f"time: invalid duration {text!r}")
        unit = _UNITS[part[3]]
        total += int(part[1] or "0") * unit
        digits = (part[2] or ".")[1:][:30]
        total += int(digits or "0") * unit // 10 ** len(digits)
        at = part.end()
    # The most negative duration has no positive counterpart.
    if not body or total > LONGEST + (text[0] == "-"):
        raise ValueError(f"time: invalid duration {text!r}")
    return -total if text[0] == "-" else total


def bounded(nanoseconds: int) -> int:
    """The nearest duration that Go can hold, some 292 years either way."""
    return max(-LONGEST - 1, min(LONGEST, nanoseconds))


def wrapped(nanoseconds: int) -> int:
    """What is left of a sum that does not fit, as integers overflow."""
    return (nanoseconds + LONGEST + 1) % (1 << 64) - LONGEST - 1


def text_of(nanoseconds: int) -> str:
    """1h0m0s, 1.5s, 250ms, 0s."""
    if nanoseconds == 0:
        return "0s"
    sign, rest = ("-", -nanoseconds) if nanoseconds < 0 else ("", nanoseconds)
    if rest < _UNITS["s"]:
        unit = next(unit for unit in ("ms", "µs", "ns") if rest >= _UNITS[unit])
        return f"{sign}{_decimal(rest, _UNITS[unit])}{unit}"
    minutes, rest = divmod(rest, _UNITS["m"])
    seconds = f"{_decimal(rest, _UNITS['s'])}s"
    if minutes == 0:
        return sign + seconds
    hours, minutes = divmod(minutes, 60)
    return f"{sign}{f'{hours}h' if hours else ''}{minutes}m{seconds}"


def _decimal(amount: int, unit: int) -> str:
    whole, rest = divmod(amount, unit)
    fraction = f"{rest:0{len(str(unit)) - 1}d}".rstrip("0") if rest else ""
    return f"{whole}.{fraction}" if fraction else str(whole)
