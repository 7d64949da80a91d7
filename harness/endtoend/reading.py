"""suite.yaml, read strictly: every problem of it and of its cases is told at once, with file and line."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from harness.endtoend.model import (
    EVERYWHERE,
    RUNTIMES,
    CaseDeclared,
    ClusterWanted,
    EndToEndSuite,
    Fixtures,
    Pods,
    Skip,
    Started,
    Why,
)
from harness.endtoend.operations import READERS, processes_of
from harness.endtoend.processes.declared import HttpStub, ObjectStore, Process, Registry
from harness.endtoend.reading_processes import processes
from harness.endtoend.reading_setup import setup_steps
from harness.errors import UsageError, did_you_mean
from harness.suites import checking, kuttl
from harness.suites.chainsaw import configuration, tests
from harness.suites.chainsaw.discovery import file_with_tests
from harness.suites.chainsaw.operations import operations
from harness.suites.fields import Fields, documents
from harness.suites.model import Language, Operation, Own, Suite
from harness.suites.problems import Problems

FILE = "suite.yaml"
API_VERSION, SUITE = "kwok-harness/v1", "EndToEndSuite"
GPUS = ("auto", "simulated", "real")
_STAND_IN = {"requests": HttpStub, "object": ObjectStore, "artifact": Registry}  # what an operation can be asked of


def load(folder: Path) -> tuple[EndToEndSuite, list[str]]:
    """The suite in a folder, and warnings. Raises SuiteInvalid with everything that is wrong, UsageError where there
    is no suite.
    """
    file = folder / FILE
    if not file.is_file():
        raise UsageError(f"{FILE} not found", where=str(folder), do="name the folder of an end-to-end suite")
    problems = Problems()
    suite: EndToEndSuite | None = None
    found = documents(file, problems)
    if len(found) > 1:
        problems.error(f"expected one {SUITE}, got {len(found)} documents", str(file))
    elif found:
        suite = _suite(Fields(found[0], problems), folder)
    problems.found = list(dict.fromkeys(problems.found))
    problems.require()
    if suite is None:
        raise ValueError("a suite that is not there is a problem")
    return suite, [str(each) for each in problems.warnings]


def _suite(fields: Fields, folder: Path) -> EndToEndSuite | None:
    version = fields.text("apiVersion", required=True)
    kind = fields.text("kind", required=True)
    if (version, kind) != (API_VERSION, SUITE):
        if version and kind:
            fields.wrong(f"expected a {SUITE} of {API_VERSION}, got a {kind} of {version}")
        return None
    name = ""
    if (about := fields.below("metadata")) is not None:
        name = about.text("name", required=True)
        about.done()
    else:
        fields.wrong("metadata is missing")
    declared, stands_for = processes(fields, folder)
    suite = EndToEndSuite(
        name=name,
        folder=folder,
        place=fields.place(),
        cluster=_cluster(fields),
        setup=setup_steps(fields, folder),
        processes=declared,
        cases=tuple(_cases(fields, folder)),
        stands_for=stands_for,
        finally_=operations(fields, "finally", folder, READERS),
        **_artifacts(fields),
    )
    fields.done()
    _cross_check(suite, fields)
    return suite


def _artifacts(fields: Fields) -> dict[str, bool]:
    below = fields.below("artifacts")
    if below is None:
        return {}
    found = {key: below.flag(key) is not False for key in ("logs", "events")}
    below.done()
    return found


def _cluster(fields: Fields) -> ClusterWanted:
    below = fields.below("cluster")
    if below is None:
        return ClusterWanted()
    system = accelerated = None
    if (nodes := below.below("nodes")) is not None:
        system, accelerated = nodes.integer("system"), nodes.integer("accelerated")
        nodes.done()
    profile = below.text_map("profile")
    for key in profile:
        if key not in ("service", "accelerator"):
            below.wrong(f"unknown field {key!r}", "profile", key, do=did_you_mean(key, ("service", "accelerator")))
    found = ClusterWanted(
        runtime=below.text("runtime", choices=("auto", *RUNTIMES)) or "auto",
        profile=profile,
        system=system,
        accelerated=accelerated,
        gpu=below.text("gpu", choices=GPUS) or "auto",
        pods=Pods(below.text("pods", choices=tuple(Pods)) or Pods.HOLD),
        real=below.texts("real"),
    )
    if EVERYWHERE in found.real and len(found.real) > 1:
        below.wrong(f"{EVERYWHERE!r} stands for all namespaces", "real", do="remove the others")
    below.done()
    return found


def _cases(fields: Fields, folder: Path) -> Iterator[CaseDeclared]:
    known: list[str] = []
    each: Fields
    for each in fields.each("cases"):
        name, path = each.text("name", required=True), each.text("path", required=True)
        needs, retries = each.texts("needs"), each.integer("retries") or 0
        for need in needs:
            if need not in known:
                each.wrong(f"needs: {need!r} is no case before this one", "needs", do=did_you_mean(need, known))
        skips = _skips(each)
        each.done()
        if name in known:
            each.wrong(f"two cases are called {name!r}", "name", do="rename one")
        if "/" in name:
            each.wrong(f"name: {name!r} has a slash in it", "name", do="cases are folders of the artifacts")
        known.append(name)
        suite = _case_suite(folder / path, each) if path else None
        if suite is not None and name:
            case = CaseDeclared(name, suite, each.place(), needs, retries, skips)
            _check_steps(case, each)
            yield case
    if not known:
        fields.wrong("cases is missing or empty: nothing would be judged")


def _skips(fields: Fields) -> dict[str, tuple[Skip, ...]]:
    below = fields.below("skips")
    if below is None:
        return {}
    found: dict[str, tuple[Skip, ...]] = {}
    for runtime in RUNTIMES:
        skips = []
        for each in below.each(runtime):
            step, reason = each.text("step", required=True), each.text("why", required=True)
            why = each.text("class", required=True, choices=tuple(Why))
            if step and why:
                skips.append(Skip(step, Why(why), reason, each.place()))
            each.done()
        found[runtime] = tuple(skips)
    below.done()
    return found


def _case_suite(folder: Path, fields: Fields) -> Suite | None:
    """The folder of a case as a suite with one test."""
    problems = fields.problems
    if not folder.is_dir():
        fields.wrong(f"{folder}: folder not found", "path")
        return None
    file = file_with_tests(folder, sorted(each.name for each in folder.iterdir()), configuration.TEST_FILE)
    if file is None:
        suite = configuration.DEFAULT
        with problems.caught():
            suite = kuttl.single(folder, problems)
    else:
        suite = replace(configuration.DEFAULT, tests=tuple(tests.read(file, problems, READERS)))
        checking.check(suite, problems)
        if len(suite.tests) > 1:
            problems.error(f"expected one Test, got {len(suite.tests)}", str(file), "a case is one test")
    for test in suite.tests:
        if not any(step.try_ for step in test.steps):
            problems.error("the case has no operation", str(test.place), "add steps that assert something")
        if test.scenarios:
            problems.error("a case has no scenarios", str(test.place), "make each of them a case")
        if test.skip:
            problems.error("a case has no skip", str(test.place), f"declare what is not judged, below skips in {FILE}")
    return suite if len(suite.tests) == 1 else None


def step_names(suite: Suite) -> tuple[str, ...]:
    """The steps of a case's one test, called as records call them."""
    return tuple(step.name or f"step {number}" for number, step in enumerate(suite.tests[0].steps, start=1))


def _check_steps(case: CaseDeclared, fields: Fields) -> None:
    names = step_names(case.suite)
    for name in sorted({name for name in names if names.count(name) > 1}):
        fields.problems.error(f"two steps are called {name!r}", str(case.suite.tests[0].place), "rename one")
    for skips in case.skips.values():
        for skip in skips:
            if skip.step not in names:
                fields.problems.error(
                    f"step: {skip.step!r} is no step of {case.name}", str(skip.place), did_you_mean(skip.step, names)
                )


def _cross_check(suite: EndToEndSuite, fields: Fields) -> None:
    """That every process that something names is declared, and is of the sort that is needed."""
    known = {process.name: process for process in suite.processes}
    for step in suite.setup:
        named: Iterable[str] = ()
        match step.action:
            case Started(names=names):
                named = names
            case Fixtures(bucket=(process, _)):
                named = [process]
        for name in named:
            _require(name, known, str(step.place), fields.problems)
    for operation in _operations(suite):
        if isinstance(operation.action, Own):
            name = processes_of(operation.action.arguments)
            _require(name, known, str(operation.place), fields.problems)
            wanted = _STAND_IN.get(operation.verb)
            if name in known and wanted is not None and not isinstance(known[name].run, wanted):
                what = f"{operation.verb} cannot be asked of {name}: it is no {wanted.__name__}"
                fields.problems.error(what, str(operation.place), "name the stand-in that counts or keeps it")
            port = operation.action.arguments.get("port")
            if port and name in known and port not in known[name].purposes:
                do = did_you_mean(port, known[name].purposes)
                fields.problems.error(f"{name} has no port {port!r}", str(operation.place), do)


def _require(name: str, known: dict[str, Process], place: str, problems: Problems) -> None:
    if name and name not in known:
        problems.error(f"unknown process {name!r}", place, did_you_mean(name, known))


def _operations(suite: EndToEndSuite) -> Iterator[Operation]:
    yield from suite.finally_
    for case in suite.cases:
        if case.suite.language is Language.CHAINSAW:
            yield from checking.operations_of(case.suite)
