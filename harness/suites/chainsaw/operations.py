"""Operations as chainsaw writes them, with every field of each, in the blocks where each may stand."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from harness.errors import DataError, did_you_mean
from harness.suites import objects
from harness.suites.fields import Fields
from harness.suites.model import (
    Action,
    Assert,
    Binding,
    ClusterReference,
    Condition,
    Delete,
    Documents,
    Error,
    Expectation,
    ObjectReference,
    Operation,
    Output,
    Own,
    Program,
    Proxy,
    Show,
    Sleep,
    WaitFor,
    Write,
)

ENGINES = ("jp", "cel")
Readers = Mapping[str, Callable[[Fields], Mapping[str, Any]]]  # of operations that chainsaw does not have, by verb
NONE: Readers = {}
PROPAGATIONS = ("Orphan", "Background", "Foreground")


def bindings(fields: Fields, key: str = "bindings") -> tuple[Binding, ...]:
    """A list of names with their values."""
    found = []
    for each in fields.each(key):
        found.append(_binding(each))
        each.done()
    return tuple(found)


def _binding(fields: Fields) -> Binding:
    name = fields.text("name", required=True)
    expression = name.startswith("(") and name.endswith(")") and len(name) > 2
    if name and not expression and not (name.isascii() and name.replace("_", "a").isalnum()):
        fields.wrong(f"name: {name!r} is neither a word nor an expression", "name", do="write letters, digits and _")
    return Binding(name, fields.anything("value", required=True), fields.text("compiler", choices=ENGINES))


def clusters(fields: Fields) -> dict[str, ClusterReference]:
    found = {}
    for name, each in fields.named("clusters").items():
        found[name] = ClusterReference(each.text("kubeconfig"), each.text("context"))
        each.done()
    return found


def operations(fields: Fields, key: str, folder: Path, own: Readers = NONE) -> tuple[Operation, ...]:
    """The operations of a block; `key` is its name, `folder` that of the test. Those of `own` may stand anywhere."""
    allowed = (*(_ANYWHERE if key in ("catch", "finally", "cleanup") else _TRIED), *own)
    found = [_operation(each, key, allowed, folder, own) for each in fields.each(key)]
    return tuple(operation for operation in found if operation is not None)


def _operation(fields: Fields, block: str, allowed: tuple[str, ...], folder: Path, own: Readers) -> Operation | None:
    description, engine = fields.text("description"), fields.text("compiler", choices=ENGINES)
    continues = fields.flag("continueOnError") if block == "try" else None
    verbs = [verb for verb in allowed if fields.has(verb)]
    unknown = [key for key in fields.data if key not in (*allowed, "description", "compiler", "continueOnError")]
    for key in unknown:
        elsewhere = f"{key} is only allowed in try" if key in _TRIED else f"unknown field {key!r}"
        fields.wrong(elsewhere, key, do=did_you_mean(key, allowed))
    if len(verbs) != 1 and not (unknown and not verbs):
        what = f"the operation has {len(verbs)} actions: {', '.join(verbs)}" if verbs else "the operation has no action"
        fields.wrong(what, do=f"write one of {', '.join(allowed)}")
    if block != "try" and fields.has("continueOnError"):
        fields.wrong(f"continueOnError has no place in {block}: all of its operations are run", "continueOnError")
    if len(verbs) != 1:
        return None
    verb = verbs[0]
    below = fields.below(verb)
    if below is None:
        return None
    timeout = below.seconds("timeout") if verb != "sleep" else None
    action = Own(verb, own[verb](below)) if verb in own else _ACTIONS[verb](below, verb, folder)
    operation = Operation(
        action,
        fields.place(verb),
        description,
        bool(continues),
        timeout,
        engine,
        below.flag("template") if verb in _WITH_OBJECTS else None,
        below.text("cluster") if verb not in ("sleep", *own) else "",
        clusters(below) if verb not in ("sleep", *own) else {},
        bindings(below) if verb in (*_WITH_OBJECTS, "command", "script") else (),
        _outputs(below) if verb in _WITH_OUTPUTS else (),
    )
    below.done()
    return operation


def _outputs(fields: Fields) -> tuple[Output, ...]:
    found = []
    for each in fields.each("outputs"):
        found.append(Output(_binding(each), each.anything("match")))
        each.done()
    return tuple(found)


def _expectations(fields: Fields) -> tuple[Expectation, ...]:
    found = []
    for each in fields.each("expect"):
        found.append(Expectation(each.anything("check", required=True), each.anything("match")))
        each.done()
    return tuple(found)


def _documents(fields: Fields, folder: Path, *, trees: bool = False, other: str = "") -> Documents:
    """What is given inline or by file; a file that is not there yet is left to the run."""
    choices = [name for name in ("resource", "file", other) if name and fields.has(name)]
    if len(choices) != 1:
        names = " or ".join(filter(None, ("resource" if other != "ref" else "", "file", other)))
        fields.wrong(f"{' and '.join(choices)} exclude each other" if choices else f"{names} is missing")
        return Documents()
    if choices == ["resource"]:
        value = fields.anything("resource")
        return Documents(tuple(objects.expanded(value, fields.place("resource"), fields.problems, objects=not trees)))
    if choices != ["file"]:
        return Documents()
    name = fields.text("file", required=True)
    if name.startswith(objects.WRITTEN_AS_URL) or _is_expression(name):
        return Documents(file=name)
    try:
        files = objects.matching(folder, name)
    except DataError as error:
        place = str(fields.place("file"))
        fields.problems.warning(error.what, place, "it must be there when the operation begins: check the path")
        return Documents(file=name)
    read = (objects.read(file, fields.problems, objects=not trees) for file in files)
    return Documents(tuple(document for documents in read for document in documents))


def _is_expression(text: str) -> bool:
    return text.startswith("(") and text.endswith(")")


def _write(fields: Fields, verb: str, folder: Path) -> Action:
    return Write(
        verb,
        _documents(fields, folder),
        bool(fields.flag("dryRun")),
        fields.text("subresource") if verb == "patch" else "",
        _expectations(fields),
    )


def _delete(fields: Fields, verb: str, folder: Path) -> Action:
    documents = _documents(fields, folder, other="ref")
    below = fields.below("ref")
    reference = None
    if below is not None:
        reference = ObjectReference(
            below.text("apiVersion", required=True),
            below.text("kind", required=True),
            below.text("name"),
            below.text("namespace"),
            below.text_map("labels"),
        )
        below.done()
    propagation = fields.text("deletionPropagationPolicy", choices=PROPAGATIONS)
    return Delete(reference, documents, propagation, _expectations(fields))


def _judged(fields: Fields, verb: str, folder: Path) -> Action:
    trees = _documents(fields, folder, trees=True)
    return Assert(trees) if verb == "assert" else Error(trees)


def _program(fields: Fields, verb: str, folder: Path) -> Action:
    environment = bindings(fields, "env")
    check, directory = fields.anything("check"), fields.text("workDir")
    output, shown = not fields.flag("skipLogOutput"), not fields.flag("skipCommandOutput")
    if verb == "command":
        entrypoint, arguments = fields.text("entrypoint", required=True), fields.texts("args")
        return Program(
            verb,
            entrypoint,
            arguments,
            environment=environment,
            work_directory=directory,
            check=check,
            log_output=output,
            log_command=shown,
        )
    return Program(
        verb,
        content=fields.text("content"),
        shell=fields.text("shell") or "sh",
        shell_arguments=fields.texts("shellArgs") if fields.has("shellArgs") else ("-c",),
        environment=environment,
        work_directory=directory,
        check=check,
        log_output=output,
        log_command=shown,
    )


def _sleep(fields: Fields, verb: str, folder: Path) -> Action:
    return Sleep(fields.seconds("duration", required=True) or 0.0)


def _selected(fields: Fields, *, typed: bool) -> ObjectReference:
    """Objects by name or selector; events and podLogs have no kind of their own."""
    name, selector = fields.text("name"), fields.text("selector")
    if name and selector:
        fields.wrong("name and selector exclude each other", "selector")
    return ObjectReference(
        fields.text("apiVersion", required=True) if typed else "v1",
        fields.text("kind", required=True) if typed else "",
        name,
        fields.text("namespace"),
        selector=selector,
    )


def _format(fields: Fields) -> str:
    text = fields.text("format")
    if text and text not in ("json", "yaml") and not _is_expression(text):
        fields.wrong(f"format: {text!r} is not valid", "format", do="write json or yaml")
    return text


def _wait(fields: Fields, verb: str, folder: Path) -> Action:
    reference, form = _selected(fields, typed=True), _format(fields)
    condition = Condition("creation")
    below = fields.below("for")
    if below is None:
        fields.wrong("for is missing")
        return WaitFor(reference, condition, form)
    chosen = [what for what in ("creation", "deletion", "condition", "jsonPath") if below.has(what)]
    if len(chosen) != 1:
        below.wrong("write one of creation, deletion, condition, jsonPath below for")
    elif (inner := below.below(chosen[0])) is not None:
        condition = Condition(chosen[0])
        if chosen[0] == "condition":
            condition = Condition("condition", inner.text("name", required=True), inner.text("value") or None)
        elif chosen[0] == "jsonPath":
            value = inner.text("value") if inner.has("value") else None
            condition = Condition("jsonPath", inner.text("path", required=True), value)
        inner.done()
    below.done()
    return WaitFor(reference, condition, form)


def _show(fields: Fields, verb: str, folder: Path) -> Action:
    reference = _selected(fields, typed=verb in ("get", "describe"))
    if verb == "podLogs":
        if not reference.name and not reference.selector:
            fields.wrong("podLogs needs a name or a selector")
        return Show(verb, reference, container=fields.text("container"), tail=fields.integer("tail", least=-1))
    if verb == "describe":
        shown = fields.flag("showEvents")
        return Show(verb, reference, show_events=shown is not False)
    return Show(verb, reference, _format(fields))


def _proxy(fields: Fields, verb: str, folder: Path) -> Action:
    reference = ObjectReference(
        fields.text("apiVersion", required=True),
        fields.text("kind", required=True),
        fields.text("name"),
        fields.text("namespace"),
    )
    return Proxy(reference, fields.text("port"), fields.text("path"))


_ACTIONS: dict[str, Callable[[Fields, str, Path], Action]] = {
    "apply": _write,
    "assert": _judged,
    "command": _program,
    "create": _write,
    "delete": _delete,
    "describe": _show,
    "error": _judged,
    "events": _show,
    "get": _show,
    "patch": _write,
    "podLogs": _show,
    "proxy": _proxy,
    "script": _program,
    "sleep": _sleep,
    "update": _write,
    "wait": _wait,
}
_TRIED = tuple(_ACTIONS)
_ANYWHERE = ("command", "delete", "describe", "events", "get", "podLogs", "script", "sleep", "wait")
_WITH_OBJECTS = ("apply", "assert", "create", "delete", "error", "patch", "update")
_WITH_OUTPUTS = ("apply", "command", "create", "patch", "proxy", "script", "update")
