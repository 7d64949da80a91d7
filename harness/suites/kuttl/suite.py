"""kuttl-test.yaml, and the folders in which tests are looked for."""

import random
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.errors import DataError
from harness.formats.documents import Block, Document
from harness.suites import model
from harness.suites.kuttl import fields, kinds, names
from harness.suites.kuttl.steps import Reading, steps_of
from harness.suites.kuttl.templates import Render
from harness.suites.model import (
    Condition,
    Documents,
    Language,
    ObjectReference,
    Operation,
    Place,
    ReportWanted,
    Suite,
    Test,
    Timeouts,
    WaitFor,
    Write,
)
from harness.suites.problems import Problems

FILE = "kuttl-test.yaml"
TIMEOUT = 30.0  # seconds, of everything that has no time of its own
PARALLEL = 8
_CRDS = 10.0  # seconds until definitions are established
_REPORT = "kuttl-report"

_CLUSTER = (
    *("startControlPlane", "controlPlaneArgs", "attachControlPlaneOutput", "startKIND", "kindConfig", "kindContext"),
    *("kindNodeCache", "kindContainers", "skipClusterDelete", "config"),
)
_ADJECTIVES = ("able", "bold", "calm", "deft", "even", "fair", "glad", "kind", "neat", "proud", "quick", "warm")
_NOUNS = ("ant", "bear", "crow", "deer", "eel", "fox", "gull", "hare", "lark", "mole", "owl", "wren")


@dataclass(frozen=True)
class Options:
    """What the command line says. `labels` are those of the run, `variables` are for templates, which `render` renders.

    `config` is the suite file where it is not kuttl-test.yaml in the folder; `namespace` is one for all tests.
    """

    lenient: bool = False
    config: Path | None = None
    namespace: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    render: Render | None = None


@dataclass(frozen=True, slots=True)
class _Settings:
    """A TestSuite, as it is written; `folder` is what its paths are relative to."""

    folder: Path
    block: Block | None = None

    def paths(self, key: str) -> list[Path]:
        return [self.folder / each for each in (fields.listed(self.block, key) if self.block else ())]

    def text(self, key: str) -> str:
        return self.block.text(key) if self.block else ""


def is_kuttl(directory: Path) -> bool:
    """Whether a folder is one of kuttl's: it has a suite file, or a step in it has a document or template of kuttl."""
    return (directory / FILE).is_file() or any(map(_is_kuttls, _numbered(directory)))


def _numbered(directory: Path) -> Iterator[Path]:
    """The files of steps below a folder of tests, those in folders of steps among them."""
    for path in directory.glob("*/*"):
        named = names.parse(path)
        if named is not None and named.number is not None:
            yield from path.glob("*.yaml") if path.is_dir() else (path,)


def _is_kuttls(file: Path) -> bool:
    named = names.parse(file)
    if named is None or not file.is_file():
        return False
    return named.template or b"kuttl.dev/" in file.read_bytes()[:100_000]


def load(directory: Path, options: Options, problems: Problems) -> Suite:
    """The suite of a folder of tests, or of one with kuttl-test.yaml, which says where tests are.

    What is wrong becomes problems; a suite with errors is not to be run.
    """
    if not directory.is_dir():
        raise DataError("folder not found", where=str(directory))
    settings = _settings(directory, options, problems)
    reading = Reading(
        problems,
        options.namespace or settings.text("namespace"),
        options.variables,
        options.labels,
        options.environment,
        tuple(fields.listed(settings.block, "ignoreFiles")) or ("README*",) if settings.block else ("README*",),
        options.render,
    )
    suite = _suite(settings, reading)
    tests = tuple(test for folder in _test_folders(settings, directory, problems) for test in _tests(folder, reading))
    if not tests:
        problems.error("no test: no folder in it has numbered files", str(directory), f"see {FILE}: testDirs")
    return replace(suite, tests=tests)


def single(folder: Path, problems: Problems) -> Suite:
    """The one test whose steps are in a folder, without any suite file. What is wrong becomes problems."""
    reading = Reading(problems, "")
    suite = _suite(_Settings(folder), reading)
    if not any(map(_belongs_to_step, folder.iterdir())):
        problems.error("no step: no name in it begins with a number", str(folder))
        return suite
    return replace(suite, tests=(_test(folder, reading),))


def _settings(directory: Path, options: Options, problems: Problems) -> _Settings:
    file = options.config or directory / FILE
    if not options.config and not file.exists():
        return _Settings(directory)
    documents = Document.read_all(file)
    if len(documents) != 1:
        raise DataError(f"expected one TestSuite, got {len(documents)} documents", where=str(file))
    block = documents[0].root()
    if not kinds.is_own(block) or block.data["kind"] != "TestSuite":
        raise DataError(f"kind is {block.data.get('kind')!r}", where=block.where("kind"), do="it must be TestSuite")
    known = (
        *("crdDir", "manifestDirs", "testDirs", "namespace", "timeout", "parallel", "skipDelete", "commands"),
        *("artifactsDir", "reportFormat", "reportName", "reportGranularity", "suppress", "ignoreFiles"),
    )
    fields.headed(block, problems, *known, *_CLUSTER)
    for key in _CLUSTER:
        if block.data.get(key):
            do = "bring it up with kwok-harness up, or name one with --kubeconfig"
            problems.warning(f"{key}: tests run on the cluster of the harness", block.where(key), do)
    return _Settings(file.parent, block)


def _suite(settings: _Settings, reading: Reading) -> Suite:
    block, problems = settings.block, reading.problems
    if block is None:
        return Suite(Language.KUTTL, (), timeouts=_timeouts(TIMEOUT), parallel=PARALLEL, namespace=reading.namespace)
    setup: list[Operation] = []
    with problems.caught():
        setup = [*_setup(settings, block), *_commands(block, reading)]
    report: ReportWanted | None = None
    with problems.caught():
        report = _report(settings, block)
    parallel = block.integer("parallel") or PARALLEL
    suppress = fields.listed(block, "suppress")
    for unknown in set(suppress) - {"events"}:
        problems.unread(f"suppress {unknown!r}: kuttl only supports events", block.where("suppress"))
    return Suite(
        Language.KUTTL,
        (),
        place=fields.place_of(block),
        setup=tuple(setup),
        timeouts=_timeouts(fields.seconds(block, "timeout") or TIMEOUT),
        parallel=parallel,
        namespace=reading.namespace,
        skip_delete=block.flag("skipDelete"),
        suppress=suppress,
        report=report,
    )


def _timeouts(seconds: float) -> Timeouts:
    return Timeouts(seconds, seconds, seconds, seconds, seconds, seconds)


def _report(settings: _Settings, block: Block) -> ReportWanted | None:
    written, granularity = block.text("reportFormat"), block.text("reportGranularity") or "step"
    if granularity not in ("step", "test"):
        raise DataError(
            f"reportGranularity is {granularity!r}", where=block.where("reportGranularity"), do="step or test"
        )
    if not written:
        return None
    if written.lower() not in ("xml", "json"):
        raise DataError(f"reportFormat is {written!r}", where=block.where("reportFormat"), do="xml or json")
    if written != written.lower():
        do = f"write {written.lower()}"
        raise DataError(f"reportFormat {written}: kuttl writes JSON", where=block.where("reportFormat"), do=do)
    directory = settings.folder / (block.text("artifactsDir") or ".")
    return ReportWanted(written, directory, block.text("reportName") or _REPORT, granularity)


def _commands(block: Block, reading: Reading) -> list[Operation]:
    found = []
    for each in block.blocks("commands"):
        if "NAMESPACE" in each.text("command") + each.text("script") or each.data.get("namespaced"):
            what = "commands of a suite run before its tests: their namespace is default"
            reading.problems.warning(what, each.where())
        found.append(fields.command(each, reading.problems, reading.environment, of="TestSuite"))
    return found


def _setup(settings: _Settings, block: Block) -> Iterator[Operation]:
    """Definitions first, then, once they are established, manifests."""
    if directory := block.text("crdDir"):
        definitions = list(_objects(settings.folder / directory, block.where("crdDir")))
        yield from (Operation(Write("apply", Documents((each,))), each.place) for each in definitions)
        for each in definitions:
            if each.value.get("kind") == "CustomResourceDefinition":
                name = str((each.value.get("metadata") or {}).get("name", ""))
                about = ObjectReference("apiextensions.k8s.io/v1", "CustomResourceDefinition", name)
                yield Operation(
                    WaitFor(about, Condition("condition", "Established", "true")), each.place, timeout=_CRDS
                )
    for position, path in enumerate(settings.paths("manifestDirs")):
        for each in _objects(path, block.where("manifestDirs", position)):
            yield Operation(Write("apply", Documents((each,))), each.place)


def _objects(path: Path, where: str) -> Iterator[model.Document]:
    found = sorted(path.rglob("*.yaml")) if path.is_dir() else [path]
    if not path.exists() or not found:
        what = "has no .yaml file" if path.is_dir() else "does not exist"
        raise DataError(f"{path} {what}", where=where)
    for file in found:
        for document in Document.read_all(file):
            block = document.root()
            block.text("apiVersion", required=True)
            block.text("kind", required=True)
            yield model.Document(block.data, Place(file, document.lines.get((), 1)))


def _test_folders(settings: _Settings, directory: Path, problems: Problems) -> list[Path]:
    written = settings.paths("testDirs")
    for position, path in enumerate(written):
        where = settings.block.where("testDirs", position) if settings.block else ""
        if "://" in str(path):
            problems.error("tests at an address are not fetched", where, "fetch and unpack them, and name the folder")
        elif not path.is_dir():
            problems.error(f"{path} is not a folder", where)
    found = [path for path in written if path.is_dir()]
    if not found and any(_numbered(directory)):
        return [directory]  # also where testDirs leads nowhere: then what is wrong in these tests is told with it
    return found or ([] if written else [directory])


def _tests(directory: Path, reading: Reading) -> Iterator[Test]:
    """One test for each folder directly below, by name."""
    for folder in sorted(path for path in directory.iterdir() if path.is_dir()):
        if not any(map(_belongs_to_step, folder.iterdir())):
            if not folder.name.startswith((".", "_")):
                what = "no step: no name in it begins with a number; kuttl runs it as a test that passes"
                reading.problems.warning(what, str(folder), "it is left out")
            continue
        yield _test(folder, reading)


def _test(folder: Path, reading: Reading) -> Test:
    own = replace(reading, namespace=reading.namespace or _namespace())
    return Test(
        name=folder.name,
        folder=folder,
        place=Place(folder),
        language=Language.KUTTL,
        steps=steps_of(folder, own),
        metadata={"name": folder.name},
        namespace=own.namespace,
    )


def _belongs_to_step(path: Path) -> bool:
    named = names.parse(path)
    return (named is not None and named.number is not None) or bool(names.why_ignored(path))


def _namespace() -> str:
    """A new name, in the form that kuttl gives."""
    choose = random.SystemRandom()
    letters = "".join(choose.choice(string.ascii_lowercase + string.digits) for _ in range(4))
    return f"kuttl-{choose.choice(_ADJECTIVES)}-{choose.choice(_NOUNS)}-{letters}"
