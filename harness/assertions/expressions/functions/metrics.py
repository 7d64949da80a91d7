"""x_metrics_decode: samples in the text format of Prometheus."""

import math
import re
from typing import Any

from harness.assertions.expressions.functions.signature import Call, Table
from harness.assertions.go.clock import Time

TABLE = Table()

_SAMPLE = re.compile(
    r"([a-zA-Z_:][a-zA-Z0-9_:]*)[ \t]*(?:\{(.*)\})?[ \t]*([^ \t{}]+)(?:[ \t]+(-?[0-9]+))?[ \t]*", re.ASCII
)
_LABEL = re.compile(r'[ \t]*([a-zA-Z_][a-zA-Z0-9_]*)[ \t]*=[ \t]*"((?:[^"\\\n]|\\.)*)"[ \t]*(,|\Z)', re.ASCII)
_ESCAPES = {"\\n": "\n", '\\"': '"', "\\\\": "\\"}
_EPOCH = 719_162 * 86_400  # seconds from the year 1 to 1970


@TABLE.function("x_metrics_decode", "string", pure=False)
def metrics_decode(call: Call, text: str) -> list[Any]:
    """One object per sample: `metric` (labels, with the name as `__name__`), `value`, `timestamp` in seconds."""
    now = call.scope.context.now
    seconds = Time.of(now).instant / 1e9 - _EPOCH if now else 0.0
    call.reserve(len(text))
    samples = [
        _sample(call, line.strip(" \t\r"), seconds)
        for line in text.split("\n")
        if line.strip(" \t\r") and not line.lstrip(" \t").startswith("#")
    ]
    return sorted(samples, key=lambda sample: (len(sample["metric"]), sorted(sample["metric"].items())))


def _sample(call: Call, line: str, now: float) -> dict[str, Any]:
    match = _SAMPLE.fullmatch(line)
    if match is None:
        raise call.refuse(f"not a sample: {line[:60]!r}")
    try:
        value = float(match[3].replace("_", "?"))
    except ValueError:
        raise call.refuse(f"not a number: {match[3][:40]!r}") from None
    metric = {"__name__": match[1], **_labels(call, match[2] or "")}
    seconds = int(match[4][:16]) / 1000 if match[4] else now
    return {"metric": metric, "value": math.nan if value != value else value, "timestamp": seconds}


def _labels(call: Call, text: str) -> dict[str, str]:
    labels: dict[str, str] = {}
    at = 0
    while at < len(text.rstrip(" \t")):
        match = _LABEL.match(text, at)
        if match is None:
            raise call.refuse(f"not a label: {text[at : at + 60]!r}")
        labels[match[1]] = re.sub(r"\\.", lambda escape: _ESCAPES.get(escape[0], escape[0]), match[2])
        at = match.end()
    return labels
