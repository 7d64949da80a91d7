"""The `setup` of a suite file: steps with one action each."""

import re
from pathlib import Path
from typing import Any

from harness.endtoend.model import (
    RUNTIMES,
    Awaited,
    Certificates,
    ChartInstalled,
    Fixture,
    Fixtures,
    Images,
    Manifests,
    SetUpAction,
    SetUpStep,
    Started,
)
from harness.endtoend.reading_processes import named
from harness.errors import did_you_mean
from harness.suites.fields import Fields

_ACTIONS = ("crds", "manifests", "chart", "images", "fixtures", "processes", "certificates", "wait")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SECONDS = 60.0


def setup_steps(fields: Fields, folder: Path) -> tuple[SetUpStep, ...]:
    """All of them that can be read, in order."""
    found: list[SetUpStep] = []
    for each in fields.each("setup"):
        step = _step(each, folder)
        each.done()
        if step is None:
            continue
        if step.name in {other.name for other in found}:
            each.wrong(f"two steps are called {step.name!r}", "name", do="rename one")
        found.append(step)
    return tuple(found)


def _step(fields: Fields, folder: Path) -> SetUpStep | None:
    name, timeout = fields.text("name", required=True), fields.seconds("timeout")
    runtimes, retries = fields.texts("runtimes"), fields.integer("retries") or 0
    for runtime in runtimes:
        if runtime not in RUNTIMES:
            fields.wrong(f"runtimes: {runtime!r} is not valid", "runtimes", do=did_you_mean(runtime, RUNTIMES))
    chosen = [action for action in _ACTIONS if fields.has(action)]
    if len(chosen) != 1:
        what = f"the step has {len(chosen)} actions: {', '.join(chosen)}" if chosen else "the step has no action"
        fields.wrong(what, do=f"write one of {', '.join(_ACTIONS)}")
        return None
    action = _action(fields, chosen[0], folder)
    if action is None or not name:
        return None
    return SetUpStep(
        name, action, fields.place(), _SECONDS if timeout is None else timeout, runtimes or RUNTIMES, retries
    )


def _action(fields: Fields, key: str, folder: Path) -> SetUpAction | None:
    if key in ("crds", "manifests"):
        path = _path(fields, key, folder)
        return Manifests(path, definitions=key == "crds") if path is not None else None
    if key in ("images", "processes"):
        names = fields.texts(key)
        if not names:
            fields.wrong(f"{key} is empty", key)
        return Images(names) if key == "images" else Started(names)
    below = fields.below(key)
    if below is None:
        return None
    made = {"chart": _chart, "fixtures": _fixtures, "certificates": _certificates, "wait": _wait}[key](below, folder)
    below.done()
    return made


def _path(fields: Fields, key: str, folder: Path) -> Path | None:
    text = fields.text(key, required=True)
    path = (folder / text).resolve()
    if not text:
        return None
    if not path.exists():
        fields.wrong(f"{text}: file or folder not found in {folder}", key)
        return None
    return path


def _chart(fields: Fields, folder: Path) -> SetUpAction | None:
    path, values = _path(fields, "path", folder), fields.mapping("values")
    release, namespace = fields.text("release", required=True), fields.text("namespace", required=True)
    if path is not None and not (path / "Chart.yaml").is_file():
        fields.wrong(f"{path}: no Chart.yaml in it", "path")
    return ChartInstalled(path, release, namespace, values) if path is not None else None


def _fixtures(fields: Fields, folder: Path) -> SetUpAction:
    files = []
    for each in fields.each("files"):
        file, size, sha256 = each.text("file", required=True), each.integer("size"), each.text("sha256", required=True)
        if size is None:
            each.wrong("size is missing")
        if sha256 and not _SHA256.fullmatch(sha256):
            each.wrong(f"sha256: expected 64 hexadecimal digits in lower case, got {sha256!r}", "sha256")
        if Path(file).name != file:
            each.wrong(f"file: {file!r} is not the name of a file", "file")
        files.append(Fixture(file, size or 0, sha256))
        each.done()
    if not files:
        fields.wrong("files is missing or empty")
    bucket: Any = None
    if (below := fields.below("bucket")) is not None:
        bucket = (below.text("process", required=True), below.text("name", required=True))
        below.done()
    command = fields.texts("command")
    if command and command[0].endswith(".py"):
        path = (folder / command[0]).resolve()
        if not path.is_file():
            fields.wrong(f"{command[0]}: file not found in {folder}", "command")
        command = (str(path), *command[1:])
    if not command:
        missing = [each.file for each in files if not (folder / each.file).is_file()]
        if missing:
            fields.wrong(f"{missing[0]}: file not found in {folder}, and no command makes it", "files")
    return Fixtures(tuple(files), command, named(fields, "configMap"), bucket)


def _certificates(fields: Fields, folder: Path) -> SetUpAction | None:
    secret, names = named(fields, "secret", required=True), fields.texts("names")
    if not names:
        fields.wrong("names is missing or empty")
    return Certificates(secret, names) if secret else None


def _wait(fields: Fields, folder: Path) -> SetUpAction:
    required = {key: fields.text(key, required=True) for key in ("apiVersion", "kind", "name")}
    return Awaited(
        required["apiVersion"],
        required["kind"],
        fields.text("namespace"),
        required["name"],
        fields.text("condition"),
    )
