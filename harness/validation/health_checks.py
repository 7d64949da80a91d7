"""Health checks as recipe data has them: read, and held against the allowlist, before anything is looked at.

A check is one or more chainsaw Tests that only assert (assert and error), or plain objects that must all be there. It
comes from `healthCheckAsserts` of a component, else from the file that the registry names.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.assertions.candidates import compile_assertion, target_of
from harness.assertions.errors import TreeInvalid
from harness.assertions.go import duration
from harness.errors import DataError, did_you_mean
from harness.formats.documents import Block, Document
from harness.formats.files import inside
from harness.recipes.model import Component, Recipe

API_VERSION = "chainsaw.kyverno.io/v1alpha1"
NO_OP = "aicr/no-op-check"  # annotation of a check that has nothing to look at, on purpose

_ALLOWED = ("assert", "error")
_OPERATIONS = (
    *("apply", "assert", "command", "create", "delete", "describe", "error", "events", "get", "patch", "podLogs"),
    *("proxy", "script", "sleep", "update", "wait"),
)
_BESIDE = ("description", "compiler")  # fields of an operation that are no action
_IMPURE = {"env", "random"}


@dataclass(frozen=True)
class Operation:
    """One assert, or (`wanted` false) one error; `where` is file:line."""

    step: str
    wanted: bool
    document: Mapping[str, Any]
    where: str


@dataclass(frozen=True)
class HealthCheck:
    """One Test, or all plain objects of a file. `seconds` is what it gives itself, None where it says nothing.

    Without operations it is one that says of itself that it looks at nothing.
    """

    component: str
    name: str
    operations: tuple[Operation, ...]
    seconds: float | None = None
    where: str = ""


def checks_of(recipe: Recipe, component: Component) -> tuple[HealthCheck, ...]:
    """The checks of a component; none where it has none, or `healthCheckSkip` says so.

    Raises DataError, with file and line, for what is not allowed, does not compile, or would pass looking at nothing.
    """
    if component.health_check_skip:
        return ()
    if component.health_check_asserts:
        source = Path(f"healthCheckAsserts of {component.name}")
        return read(component.name, Document.read_all(source, component.health_check_asserts))
    if not component.entry.health_check:
        return ()
    file = inside(recipe.data, component.entry.health_check, component.entry.where)
    return read(component.name, Document.read_all(file))


def read(component: str, documents: Iterable[Document]) -> tuple[HealthCheck, ...]:
    """The checks that documents of one file are. Raises DataError."""
    blocks = [document.root() for document in documents]
    if not blocks:
        raise DataError(f"the health check of {component} is empty", where=component)
    tests = [_is_test(block) for block in blocks]
    if all(tests):
        for number, block in enumerate(blocks):
            _require_allowed(component, number, block)
        return tuple(_test(component, block) for block in blocks)
    if any(tests):
        other = blocks[tests.index(False)]
        raise DataError("tests and plain objects in one health check", where=other.where(), do="write one or the other")
    return (_plain(component, blocks),)


def _is_test(block: Block) -> bool:
    version = str(block.data.get("apiVersion", ""))
    if not version.startswith("chainsaw.kyverno.io/"):
        return False
    if version != API_VERSION or block.data.get("kind") != "Test":
        what = f"{block.data.get('kind')} of {version} is not a health check"
        raise DataError(what, where=block.where("kind"), do=f"it must be a Test of {API_VERSION}")
    return True


def _plain(component: str, blocks: list[Block]) -> HealthCheck:
    operations = []
    for block in blocks:
        for key in ("apiVersion", "kind"):
            block.text(key, required=True)
        block.block("metadata").text("name", required=True)
        operations.append(_operation(component, "objects", block, wanted=True))
    return HealthCheck(component, "objects", tuple(operations), where=blocks[0].where())


# What may be in a Test, before anything of it is read further.


def _require_allowed(component: str, number: int, block: Block) -> None:
    place = f'component "{component}" doc[{number}]'
    spec = block.data.get("spec")
    if not isinstance(spec, dict):
        raise DataError("spec is missing", where=block.where())
    for position, item in enumerate(_items(spec, "catch", block)):
        raise _not_allowed(f"{place} spec.catch[{position}]", item, block.where("spec", "catch", position))
    for index, step in enumerate(_items(spec, "steps", block)):
        if not isinstance(step, dict):
            raise DataError("a step must be a mapping", where=block.where("spec", "steps", index))
        name = step.get("name") or f"step[{index}]"
        for part in ("try", "catch", "finally", "cleanup"):
            for position, item in enumerate(_items(step, part, block)):
                if part != "try" or _action(item) not in _ALLOWED:
                    where = block.where("spec", "steps", index, part, position)
                    raise _not_allowed(f'{place} step "{name}" {part}[{position}]', item, where)


def _items(value: Mapping[str, Any], key: str, block: Block) -> list[Any]:
    found = value.get(key)
    if found is not None and not isinstance(found, list):
        raise DataError(f"{key} must be a list, not {found!r}", where=block.where("spec"))
    return found or []


def _action(item: Any) -> str:
    """The one operation of an entry; "" where it has none, or more than one."""
    keys = [key for key in item if key not in _BESIDE] if isinstance(item, dict) else []
    return str(keys[0]) if len(keys) == 1 else ""


def _not_allowed(place: str, item: Any, where: str) -> DataError:
    names = [key for key in item if key in _OPERATIONS] if isinstance(item, dict) else []
    if len(names) > 1:
        return DataError(f"{place}: one operation is wanted, not {' and '.join(names)}", where=where)
    name = names[0] if names else "<unrecognized>"
    return DataError(f'{place}: operation "{name}" is not in the read-only allowlist (assert, error)', where=where)


# What it asserts


def _test(component: str, block: Block) -> HealthCheck:
    block.closed("apiVersion", "kind", "metadata", "spec")
    metadata = block.block("metadata")
    name = metadata.text("name") or component
    spec = block.block("spec").closed("description", "timeouts", "steps")
    operations = tuple(
        operation
        for index, step in enumerate(spec.blocks("steps"))
        for operation in _operations(component, index, step)
    )
    no_op = metadata.block("annotations").text("aicr/no-op-check") == "true"
    if no_op and operations:
        raise DataError(f"it has operations, but is annotated with {NO_OP}", where=metadata.where("annotations"))
    if not no_op and not operations:
        do = f'assert that an object is there, or annotate {NO_OP}: "true"'
        raise DataError(
            f"the health check {name} has no operation: it passes where nothing is", where=block.where(), do=do
        )
    return HealthCheck(component, name, operations, _seconds(spec.block("timeouts")), block.where())


def _operations(component: str, index: int, step: Block) -> Iterable[Operation]:
    step.closed("name", "description", "try", "catch", "finally", "cleanup")
    name = step.text("name") or f"step[{index}]"
    for entry in step.blocks("try"):
        action = _action(entry.data)
        about = entry.block(action).closed("resource")
        if "resource" not in about.data:
            raise DataError(f"{action} has no resource", where=entry.where(action))
        yield _operation(component, name, about.block("resource"), wanted=action == "assert")


def _operation(component: str, step: str, block: Block, *, wanted: bool) -> Operation:
    where = block.where()
    try:
        assertion = compile_assertion(block.data)
    except TreeInvalid as error:
        raise DataError(f"{error.where}: {error.what}", where=where, do=error.do) from error
    if target_of(block.data) is None:
        raise DataError("apiVersion and kind are wanted: a health check is about objects", where=where)
    for placed in assertion.tree.expressions:
        for node in placed.program.node.walk() if placed.program.node else ():
            if node.kind == "call" and (node.value in _IMPURE or re.match("x_k8s_|time_", str(node.value))):
                what = f"{placed.path}: {node.value}() is not for a health check: it looks at the objects only"
                raise DataError(what, where=where)
    return Operation(step, wanted, block.data, where)


def _seconds(block: Block) -> float | None:
    """What the check gives itself: its time for asserts."""
    known = ("apply", "assert", "cleanup", "delete", "error", "exec")
    for key in block.data:
        if key not in known:
            raise DataError(f"unknown field {key!r}", where=block.where(key), do=did_you_mean(key, known))
    text = block.text("assert")
    if not text:
        return None
    try:
        seconds = duration.parse(text) / 1e9
    except ValueError:
        seconds = 0.0
    if seconds <= 0:
        raise DataError(f"assert: expected a duration such as 5m, got {text!r}", where=block.where("assert"))
    return seconds
