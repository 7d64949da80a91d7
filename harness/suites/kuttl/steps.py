"""A folder of a test becomes its steps: numbered files and folders, merged by number, in the order of numbers."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from harness.errors import DataError
from harness.formats.documents import Block, Document
from harness.suites import model
from harness.suites.kuttl import cautions, kinds, names
from harness.suites.kuttl.kinds import TestAssert, TestStep
from harness.suites.kuttl.names import Named, Role
from harness.suites.kuttl.templates import Render, data_of, require_variables
from harness.suites.model import Delete, Documents, Operation, Place, Round, Step, Write
from harness.suites.problems import Problems

_VARIABLE = re.compile(r"\$(?:(\$)|\{([^}]*)\}|([A-Za-z_][A-Za-z0-9_]*))")
_URLS = ("http://", "https://")


@dataclass(frozen=True, slots=True)
class Reading:
    """How files are read: what a run is given, and where problems go.

    `labels` choose files by their TestFile; `environment` is for `$NAME` in paths; without `render` a template is
    refused.
    """

    problems: Problems
    namespace: str
    variables: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    ignored: tuple[str, ...] = ("README*",)
    render: Render | None = None

    def expanded(self, text: str) -> str:
        """`$NAME` and `${NAME}` replaced; what is not in the environment is empty, `$$` is a dollar."""

        def value(found: re.Match[str]) -> str:
            return "$" if found[1] else self.environment.get(found[2] or found[3] or "", "")

        return _VARIABLE.sub(value, text)


@dataclass(slots=True)
class _Parts:
    """What the files of one number add up to."""

    number: int
    place: Place
    word: str = ""
    step: TestStep | None = None
    asserting: TestAssert | None = None
    apply: list[model.Document] = field(default_factory=list)
    fetched: list[tuple[str, Place]] = field(default_factory=list)
    asserts: list[model.Document] = field(default_factory=list)
    errors: list[model.Document] = field(default_factory=list)


def steps_of(folder: Path, reading: Reading) -> tuple[Step, ...]:
    """The steps of a test, in order. What is wrong becomes problems; a step that cannot be read is left out."""
    found: dict[int, _Parts] = {}
    used: set[Path] = set()
    for named in _entries(folder, reading):
        number = named.number if named.number is not None else 0
        parts = found.setdefault(number, _Parts(number, Place(named.path)))
        for file in _files(named, reading):
            with reading.problems.caught():
                _take(file, folder, parts, reading, used)
    for path in sorted(folder.glob("*.yaml")):
        named_file = names.parse(path)
        if named_file and named_file.number is None and path not in used and not _is_ignored(path, reading):
            do = "begin its name with the number of a step and a hyphen, or name it in a TestStep"
            reading.problems.warning("kuttl ignores this file: its name has no number", str(path), do)
    return tuple(_step(found[number], folder, reading) for number in sorted(found))


def _is_ignored(path: Path, reading: Reading) -> bool:
    return any(fnmatch(path.name, pattern) for pattern in reading.ignored)


def _entries(folder: Path, reading: Reading) -> Iterator[Named]:
    for path in sorted(folder.iterdir(), key=lambda each: each.name):
        if _is_ignored(path, reading):
            continue
        named = names.parse(path)
        if named is None:
            if why := names.why_ignored(path):
                reading.problems.error(why, str(path), "rename it to NUMBER-NAME.yaml")
        elif named.number is not None:
            yield named


def _files(named: Named, reading: Reading) -> Iterator[Named]:
    """A numbered file is itself; a numbered folder is all its files, whose names need no number."""
    if not named.path.is_dir():
        yield named
        return
    for path in sorted(named.path.iterdir(), key=lambda each: each.name):
        if _is_ignored(path, reading):
            continue
        inner = names.parse(path)
        if inner is None:
            reading.problems.error("kuttl does not recognize this file name", str(path), "rename it to NAME.yaml")
        elif path.is_dir():
            reading.problems.error("a folder within the folder of a step is not read", str(path))
        else:
            yield inner


def _take(file: Named, folder: Path, parts: _Parts, reading: Reading, used: set[Path]) -> None:
    if file.misleading:
        do = "name it NUMBER-errors.yaml, or give it another name if it is to be applied"
        raise DataError(
            "kuttl applies this file: only the name `errors` makes it a file of errors", where=str(file.path), do=do
        )
    blocks = [document.root() for document in _documents(file, reading)]
    own = [block for block in blocks if kinds.is_own(block)]
    files = [block for block in own if block.data["kind"] == "TestFile"]
    if len(files) > 1:
        raise DataError("more than one TestFile in a file", where=files[1].where())
    if files and not kinds.selected(files[0], reading.labels, reading.problems):
        return
    if file.role is Role.APPLY and not parts.word:
        parts.word = file.word
    for block in blocks:
        with reading.problems.caught():
            if block in own:
                _take_own(block, file, folder, parts, reading, used)
            else:
                _objects(parts, file.role).append(_object(block, file.role, reading))


def _take_own(block: Block, file: Named, folder: Path, parts: _Parts, reading: Reading, used: set[Path]) -> None:
    kind, problems = block.data["kind"], reading.problems
    wanted = {"TestStep": Role.APPLY, "TestAssert": Role.ASSERT}
    if kind == "TestSuite":
        raise DataError("a TestSuite is not allowed in a test", where=block.where(), do="put it into kuttl-test.yaml")
    if kind in wanted and file.role is not wanted[kind]:
        if kind == "TestStep":  # what is wrong within it is told with it
            with problems.caught():
                kinds.read_step(block, problems, reading.environment, folder)
        does = "looks for it in the cluster" if file.role is not Role.APPLY else "applies it to the cluster"
        do = "a TestStep belongs into a file to apply, a TestAssert into an assert file"
        raise DataError(f"kuttl {does}: a {kind} does not count in this file", where=block.where(), do=do)
    if kind == "TestStep":
        if parts.step is not None:
            do = f"the first one is at {parts.step.place}"
            raise DataError(f"more than 1 TestStep in step {parts.number}", where=block.where(), do=do)
        parts.step = kinds.read_step(block, problems, reading.environment, folder)
        _named_files(block, parts.step, folder, parts, reading, used)
    elif kind == "TestAssert":
        asserting = kinds.read_assert(block, problems, reading.environment, folder)
        if parts.asserting is not None and parts.asserting != asserting:
            raise DataError(
                f"a second TestAssert in step {parts.number} that differs: only the last one counts",
                where=block.where(),
                do=f"write one of both; the first one is at {parts.asserting.place}",
            )
        parts.asserting = asserting


def _named_files(block: Block, step: TestStep, folder: Path, parts: _Parts, reading: Reading, used: set[Path]) -> None:
    """What a TestStep names by path: files, folders and addresses."""
    for key, paths in ((Role.APPLY, step.apply), (Role.ASSERT, step.asserts), (Role.ERRORS, step.errors)):
        field_name = "error" if key is Role.ERRORS else key.value
        for position, written in enumerate(paths):
            where = block.where(field_name, position)
            with reading.problems.caught():
                path = reading.expanded(written)
                if path.startswith(_URLS):
                    if key is not Role.APPLY:
                        raise DataError(f"{path}: an address can be applied only", where=where, do="save it as a file")
                    parts.fetched.append((path, Place(Path(block.document.file), int(where.rpartition(":")[2]))))
                    continue
                for file in _yaml_files(folder / path, written, where):
                    used.add(file)
                    for document in Document.read_all(file):
                        inner = document.root()
                        if kinds.is_own(inner):
                            what = f"a {inner.data['kind']} does not count in a file that a TestStep names"
                            raise DataError(what, where=inner.where())
                        _objects(parts, key).append(_object(inner, key, reading))


def _yaml_files(path: Path, written: str, where: str) -> list[Path]:
    found = sorted(path.rglob("*.yaml")) if path.is_dir() else [path]
    if not path.exists() or not found:
        what = "has no .yaml file" if path.is_dir() else "does not exist"
        raise DataError(f"{path} {what}", where=where, do=f"it is written as {written}" if "$" in written else "")
    if template := next((file for file in found if file.name.endswith(".gotmpl.yaml")), None):
        do = "give it a number, so that it is a file of the step"
        raise DataError(f"{template}: kuttl does not render what a TestStep names", where=where, do=do)
    return found


def _documents(file: Named, reading: Reading) -> tuple[Document, ...]:
    if not file.template:
        return Document.read_all(file.path)
    text = file.path.read_text(encoding="utf-8", errors="replace") if file.path.is_file() else ""
    require_variables(file.path, text, reading.variables)
    if reading.render is None:
        raise DataError("a template cannot be rendered without helm", where=str(file.path))
    return Document.read_all(file.path, reading.render(file.path, data_of(reading.namespace, reading.variables)))


def _object(block: Block, role: Role, reading: Reading) -> model.Document:
    for key in ("apiVersion", "kind"):
        block.text(key, required=True)
    cautions.look_at(block, role, reading.problems)
    return model.Document(block.data, Place(Path(block.document.file), block.document.lines.get((), 1)))


def _objects(parts: _Parts, role: Role) -> list[model.Document]:
    return {Role.APPLY: parts.apply, Role.ASSERT: parts.asserts, Role.ERRORS: parts.errors}[role]


def _step(parts: _Parts, folder: Path, reading: Reading) -> Step:
    step, asserting = parts.step, parts.asserting
    operations = [Operation(Delete(reference), place) for reference, place in (step.delete if step else ())]
    operations += step.commands if step else ()
    operations += [Operation(Write("apply", Documents((each,))), each.place) for each in parts.apply]
    operations += [Operation(Write("apply", Documents(file=url)), place) for url, place in parts.fetched]
    common = Round(
        tuple(parts.asserts),
        tuple(parts.errors),
        asserting.commands if asserting else (),
        asserting.rules if asserting else (),
        asserting.references if asserting else {},
    )
    if common != Round():
        first = [*parts.asserts, *parts.errors]
        place = asserting.place if asserting else first[0].place
        operations.append(Operation(common, place, timeout=asserting.timeout if asserting else None))
    kubeconfig = reading.expanded(step.kubeconfig) if step else ""
    return Step(
        name=f"{parts.number}-{(step.name if step else '') or parts.word}",
        place=step.place if step else parts.place,
        try_=tuple(operations),
        catch=asserting.collectors if asserting else (),
        kubeconfig=str(folder / kubeconfig) if kubeconfig else "",
        context=step.context if step else "",
        lazy_kubeconfig=step.lazy if step else False,
    )
