"""Fields of kuttl's own kinds, read strictly: what kuttl would leave out without a word is a problem with its line."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.assertions.errors import ExpressionInvalid
from harness.errors import DataError, did_you_mean
from harness.formats.documents import Block
from harness.suites.kuttl import words as spoken
from harness.suites.kuttl.rules import compile_rule
from harness.suites.model import CelRule, Language, ObjectReference, Operation, Place, Program, Show
from harness.suites.problems import Problems

API_VERSION = "kuttl.dev/v1beta1"
_HEADER = ("apiVersion", "kind", "metadata")


def place_of(block: Block, *path: str | int) -> Place:
    """The line of a block, or of what is below it."""
    file, _, line = block.where(*path).rpartition(":")
    return Place(Path(file), int(line))


def closed(block: Block, problems: Problems, *known: str) -> Block:
    """Every field that is not `known` is a problem; a nearly right name gets the remedy."""
    for key in block.data:
        if key not in known:
            problems.unread(f"unknown field {key!r}: kuttl ignores it", block.where(key), did_you_mean(key, known))
    return block


def headed(block: Block, problems: Problems, *known: str) -> Block:
    """`closed` for a document; what is in its metadata is not looked at, but for the name."""
    return closed(block, problems, *_HEADER, *known)


def seconds(block: Block, key: str) -> float | None:
    """A time in whole seconds, None where it is 0 or not written. Raises DataError for a negative one."""
    value = block.data.get(key)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        raise DataError(f"{key}: expected a whole number of seconds, got {value!r}", where=block.where(key))
    if value < 0:
        do = "write a time of at least 1, or leave it out"
        raise DataError(f"{key} is negative: kuttl looks at nothing and passes", where=block.where(key), do=do)
    return float(value) or None


def listed(block: Block, key: str) -> tuple[str, ...]:
    """A list of texts; the same text may be there twice."""
    value = block.data.get(key)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        raise DataError(f"{key}: expected a list of texts", where=block.where(key))
    return tuple(value)


def reference(block: Block, problems: Problems) -> ObjectReference:
    """What a step deletes: one object by name, those with labels, or all of a kind in a namespace."""
    closed(block, problems, "apiVersion", "kind", "name", "namespace", "labels")
    labels = block.mapping("labels")
    if not all(isinstance(value, str) for value in labels.values()):
        raise DataError("labels: expected texts", where=block.where("labels"), do="put the values into quotes")
    name = block.text("name")
    if name and labels:
        problems.error("kuttl ignores labels if a name is given", block.where("labels"), "write the name or the labels")
    return ObjectReference(
        block.text("apiVersion", required=True),
        block.text("kind", required=True),
        name,
        block.text("namespace"),
        labels,
    )


def command(
    block: Block, problems: Problems, environment: Mapping[str, str], *, of: str, folder: Path | None = None
) -> Operation:
    """A command of a TestSuite, a TestStep or a TestAssert, which `of` names; `folder` is that of the test."""
    further = ("ignoreFailure", "timeout", "background")
    for key in further:
        if of == "TestAssert" and key in block.data:
            problems.unread(f"a command of a TestAssert has no {key}: kuttl ignores it", block.where(key))
    closed(block, problems, "command", "script", "namespaced", "skipLogOutput", *further)
    words, script = block.text("command"), block.text("script")
    if bool(words) == bool(script):
        which = "command and script" if words else "neither command nor script"
        raise DataError(f"{which}: one of them is wanted", where=block.where())
    if script and block.flag("namespaced"):
        do = "use $NAMESPACE in the script"
        raise DataError("a script cannot be namespaced", where=block.where("namespaced"), do=do)
    background = block.flag("background")
    if background and of == "TestStep":
        do = "only a TestSuite has commands in the background"
        raise DataError("kuttl runs this command in the foreground", where=block.where("background"), do=do)
    timeout: float | None = None
    if of != "TestAssert":
        # A negative time says that there is no limit but that of the test.
        value = block.data.get("timeout")
        timeout = math.inf if isinstance(value, int) and value < 0 else seconds(block, "timeout")
    if words:
        spoken.look_at(words, block.where("command"), folder, problems, environment)
    program = Program(
        verb="script" if script else "command",
        content=script,
        words=words,
        namespaced=block.flag("namespaced"),
        background=background,
        ignore_failure=of != "TestAssert" and block.flag("ignoreFailure"),
        log_output=not block.flag("skipLogOutput"),
        language=Language.KUTTL,
    )
    return Operation(program, place_of(block), timeout=timeout)


def collector(block: Block, problems: Problems, environment: Mapping[str, str]) -> Operation:
    """What is collected when a step has failed. Raises DataError for mixtures with which kuttl does nothing."""
    closed(block, problems, "type", "pod", "namespace", "container", "selector", "tail", "command")
    words, pod, selector = block.text("command"), block.text("pod"), block.text("selector")
    kind = block.text("type").lower() or ("command" if words else "pod")
    unwanted = {
        "command": ("pod", "namespace", "container", "selector"),
        "pod": ("command",),
        "events": ("command", "selector", "container"),
    }
    if kind not in unwanted:
        raise DataError(f"type is {kind!r}", where=block.where("type"), do=did_you_mean(kind, unwanted))
    if wrong := next((key for key in unwanted[kind] if block.data.get(key)), None):
        raise DataError(f"a collector of type {kind} has no {wrong}: kuttl does nothing", where=block.where(wrong))
    if kind == "command":
        if not words:
            raise DataError("a collector of type command has no command: kuttl does nothing", where=block.where())
        return Operation(Program("command", words=words, ignore_failure=True), place_of(block))
    if kind == "pod" and not pod and not selector:
        raise DataError("a collector of pods has neither pod nor selector: kuttl does nothing", where=block.where())
    about = ObjectReference("v1", "Pod", pod, block.text("namespace"), selector=selector)
    if kind == "events":
        return Operation(Show("events", about), place_of(block))
    tail = block.data.get("tail")
    if tail is not None and (not isinstance(tail, int) or isinstance(tail, bool)):
        raise DataError(f"tail: expected a whole number, got {tail!r}", where=block.where("tail"))
    lines = tail or (10 if selector else None)
    show = Show("podLogs", about, container=block.text("container"), tail=None if lines and lines < 0 else lines)
    return Operation(show, place_of(block))


def references(blocks: Sequence[Block], problems: Problems) -> dict[str, ObjectReference]:
    """The objects that conditions speak of, by the name that they have there."""
    found: dict[str, ObjectReference] = {}
    for block in blocks:
        closed(block, problems, "apiVersion", "kind", "namespace", "name", "ref")
        name = block.text("ref", required=True)
        if name in found:
            raise DataError(f"ref {name!r} is given twice", where=block.where("ref"))
        found[name] = ObjectReference(
            block.text("apiVersion", required=True),
            block.text("kind", required=True),
            block.text("name", required=True),
            block.text("namespace"),
        )
    return found


def rule(block: Block, key: str, names: Mapping[str, ObjectReference], problems: Problems) -> CelRule | None:
    """assertAny or assertAll; every condition is compiled, so that what is wrong is known before anything runs."""
    texts = []
    for each in block.blocks(key):
        text = closed(each, problems, "celExpr").text("celExpr", required=True)
        try:
            compile_rule(text, names)
        except ExpressionInvalid as error:
            problems.error(f"{error.where}: {error.what}", each.where("celExpr"), error.do)
        texts.append(text)
    return CelRule(tuple(texts), any=key == "assertAny") if texts else None
