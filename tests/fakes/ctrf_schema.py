"""What the Common Test Report Format demands, as a JSON schema: the fields that each of its objects may have.

Written from the specification's tables (version 0.0 drafts to the present one; the fields here are in all of them).
"""

from typing import Any

TEXT: dict[str, Any] = {"type": "string"}
NAME: dict[str, Any] = {"type": "string", "minLength": 1}
WHOLE: dict[str, Any] = {"type": "integer", "minimum": 0}
FREE: dict[str, Any] = {"type": "object"}
UUID: dict[str, Any] = {"type": "string", "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"}
STATUS: dict[str, Any] = {"enum": ["passed", "failed", "skipped", "pending", "other"]}


def closed(required: str, **properties: Any) -> dict[str, Any]:
    """An object with these properties, `extra`, and no others."""
    return {
        "type": "object",
        "required": required.split(),
        "properties": {**properties, "extra": FREE},
        "additionalProperties": False,
    }


def several(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


TEST = closed(
    "name status duration",
    id=UUID,
    name=NAME,
    status=STATUS,
    duration=WHOLE,
    start=WHOLE,
    stop=WHOLE,
    suite=several(TEXT) | {"minItems": 1},
    message=TEXT,
    trace=TEXT,
    stdout=several(TEXT),
    rawStatus=TEXT,
    tags=several(TEXT),
    type=TEXT,
    filePath=TEXT,
    flaky={"type": "boolean"},
    steps=several(closed("name status", name=TEXT, status=STATUS)),
    attachments=several(closed("name contentType path", name=TEXT, contentType=TEXT, path=TEXT)),
)
SUMMARY = closed(
    "tests passed failed skipped pending other start stop",
    **dict.fromkeys(("tests", *STATUS["enum"], "flaky", "suites", "start", "stop", "duration"), WHOLE),
)
SCHEMA = closed(
    "reportFormat specVersion results",
    reportFormat={"const": "CTRF"},
    specVersion={"type": "string", "pattern": r"^\d+\.\d+\.\d+$"},
    reportId=UUID,
    timestamp={
        "type": "string",
        "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$",
    },
    generatedBy=TEXT,
    results=closed(
        "tool summary tests",
        tool=closed("name", name=NAME, version=TEXT),
        summary=SUMMARY,
        tests=several(TEST),
        environment=closed("", appName=TEXT, appVersion=TEXT, testEnvironment=TEXT),
    ),
)
