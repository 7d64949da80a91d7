"""Operations that end-to-end suites have beside chainsaw's: how each is written."""

from collections.abc import Mapping
from typing import Any

from harness.suites.chainsaw.operations import Readers
from harness.suites.fields import Fields

CONTROL = ("kill", "stop", "start", "restart", "pause", "resume")
READY = "ready"  # made by the plan where a process stands for a workload; nobody writes it


def _process(fields: Fields) -> dict[str, Any]:
    return {"process": fields.text("process", required=True)}


def _http(fields: Fields) -> dict[str, Any]:
    return {
        **_process(fields),
        "port": fields.text("port", required=True),
        "path": fields.text("path") or "/",
        "method": fields.text("method") or "GET",
        "body": fields.text("body"),
        "status": fields.integer("status", least=100) or 200,
        "contains": fields.text("contains"),
    }


def _requests(fields: Fields) -> dict[str, Any]:
    at_least, at_most = fields.integer("atLeast"), fields.integer("atMost")
    if at_least is None and at_most is None:
        fields.wrong("atLeast or atMost is missing")
    return {
        **_process(fields),
        "method": fields.text("method") or "GET",
        "path": fields.text("path", required=True),
        "at_least": at_least,
        "at_most": at_most,
    }


def _object(fields: Fields) -> dict[str, Any]:
    texts = {key: fields.text(key, required=True) for key in ("bucket", "key", "sha256")}
    return {**_process(fields), **texts}


def _artifact(fields: Fields) -> dict[str, Any]:
    return {
        **_process(fields),
        "repository": fields.text("repository", required=True),
        "reference": fields.text("reference", required=True),
    }


READERS: Readers = {
    **dict.fromkeys(CONTROL, _process),
    "http": _http,
    "requests": _requests,
    "object": _object,
    "artifact": _artifact,
}


def processes_of(arguments: Mapping[str, Any]) -> str:
    """The process that an operation is about."""
    return str(arguments["process"])
