"""Functions of times. Texts are RFC 3339 unless a layout is given; what time it is comes from the context."""

from datetime import UTC

from harness.assertions.expressions.functions.signature import Call, Table
from harness.assertions.go import clock, duration
from harness.assertions.go.clock import Time

TABLE = Table()
function = TABLE.function


def _read(text: str, layout: str = "") -> Time:
    return clock.parse(layout or clock.RFC3339, text)


def _now(call: Call) -> Time:
    now = call.scope.context.now
    if now is None:
        raise call.refuse("the time is not known here")
    return Time.of(now)


def _between(start: Time, end: Time) -> str:
    return duration.text_of(duration.bounded(end.instant - start.instant))


@function("time_now", pure=False)
def time_now(call: Call) -> str:
    return _now(call).text()


@function("time_now_utc", pure=False)
def time_now_utc(call: Call) -> str:
    now = call.scope.context.now
    return _now(call).text() if now is None else Time.of(now.astimezone(UTC)).text()


@function("time_since", "string", "string", "string", pure=False)
def time_since(call: Call, layout: str, start: str, end: str) -> str:
    """From `start` to `end`; until now where the end is ''."""
    return _between(_read(start, layout), _read(end, layout) if end else _now(call))


@function("time_parse", "string", "string")
def time_parse(_call: Call, layout: str, text: str) -> str:
    return clock.parse(layout, text).text()


@function("time_add", "string", "string")
def time_add(call: Call, text: str, length: str) -> str:
    time = _read(text)
    later = Time(time.instant + duration.parse(length), time.offset)
    if not 0 <= later.local()[0] <= 9999:
        raise call.refuse("the year is out of range")
    return later.text()


@function("time_diff", "string", "string")
def time_diff(_call: Call, start: str, end: str) -> str:
    return _between(_read(start), _read(end))


@function("time_before", "string", "string")
def time_before(_call: Call, first: str, second: str) -> bool:
    return _read(first).instant < _read(second).instant


@function("time_after", "string", "string")
def time_after(_call: Call, first: str, second: str) -> bool:
    return _read(first).instant > _read(second).instant


@function("time_between", "string", "string", "string")
def time_between(_call: Call, text: str, start: str, end: str) -> bool:
    """Both ends are left out."""
    return _read(start).instant < _read(text).instant < _read(end).instant


@function("time_truncate", "string", "string")
def time_truncate(_call: Call, text: str, length: str) -> str:
    return _read(text).truncated(duration.parse(length)).text()


@function("time_utc", "string")
def time_utc(_call: Call, text: str) -> str:
    return Time(_read(text).instant).text()


@function("time_to_cron", "string")
def time_to_cron(_call: Call, text: str) -> str:
    """Minute, hour, day, month and weekday."""
    time = _read(text)
    _, month, day, rest = time.local()
    minutes = rest // 60_000_000_000
    return f"{minutes % 60} {minutes // 60} {day} {month} {time.weekday()}"
