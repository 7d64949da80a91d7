"""Suites as both languages load into them: tests of steps, steps of operations, each with the line it stands on.

Nothing here is evaluated yet: texts may be expressions of the engine (`jp` or `cel`) that the operation names. Times
are in seconds; None means that it is not written here, and the next one outwards decides (operation, step, test,
command line, configuration).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any


class Language(StrEnum):
    CHAINSAW = "chainsaw"
    KUTTL = "kuttl"


class Block(StrEnum):
    """Where in a test an operation stands; SETUP and CLEANUP are also what the runner does itself."""

    SETUP = "setup"
    TRY = "try"
    CATCH = "catch"
    FINALLY = "finally"
    CLEANUP = "cleanup"


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a file, counted from 1; 0 where the whole file is meant."""

    file: Path
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else str(self.file)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long each kind of operation may take."""

    apply: float | None = None
    assert_: float | None = None
    cleanup: float | None = None
    delete: float | None = None
    error: float | None = None
    exec: float | None = None

    def over(self, outer: "Timeouts") -> "Timeouts":
        """These, and `outer` where one is not written."""
        own = {name: getattr(self, name) for name in self.__slots__}
        return Timeouts(**{name: getattr(outer, name) if value is None else value for name, value in own.items()})


DEFAULT_TIMEOUTS = Timeouts(apply=5.0, assert_=30.0, cleanup=30.0, delete=15.0, error=30.0, exec=5.0)


@dataclass(frozen=True, slots=True)
class Document:
    """One object, or one assertion tree, as it is written."""

    value: Mapping[str, Any]
    place: Place


@dataclass(frozen=True, slots=True)
class Documents:
    """What an operation is about. `file` is set only where it cannot be read before the run: a URL, or an expression.

    A path is relative to the folder of the test.
    """

    documents: tuple[Document, ...] = ()
    file: str = ""


@dataclass(frozen=True, slots=True)
class Binding:
    """A name for a value; the name may be an expression, the value is a tree of them. `engine` empty: the outer one."""

    name: str
    value: Any
    engine: str = ""


@dataclass(frozen=True, slots=True)
class Output:
    """A binding for what comes later in the step, made of a result that fits `match` (None: of any)."""

    binding: Binding
    match: Any = None


@dataclass(frozen=True, slots=True)
class Expectation:
    """What must hold of the result of an operation on an object that fits `match` (None: any)."""

    check: Any
    match: Any = None


@dataclass(frozen=True, slots=True)
class ClusterReference:
    """Another cluster, by kubeconfig (relative to the test's folder; empty: that of the run) and context."""

    kubeconfig: str = ""
    context: str = ""


@dataclass(frozen=True, slots=True)
class ObjectReference:
    """Objects of one kind: by name, or by labels or selector, or all; `namespace` empty: the test's, "*": all."""

    api_version: str
    kind: str
    name: str = ""
    namespace: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    selector: str = ""


# Actions: what an operation does. Their class says which.


@dataclass(frozen=True, slots=True)
class Write:
    """apply, create, update and patch, which `verb` tells apart."""

    verb: str
    objects: Documents
    dry_run: bool = False
    subresource: str = ""  # of a patch
    expect: tuple[Expectation, ...] = ()


@dataclass(frozen=True, slots=True)
class Delete:
    """Deletes and waits until gone; what is not there is no failure. Either `reference` or `objects`."""

    reference: ObjectReference | None = None
    objects: Documents = field(default_factory=Documents)
    propagation: str = ""
    expect: tuple[Expectation, ...] = ()


@dataclass(frozen=True, slots=True)
class Assert:
    """One or more documents that must hold, each with the whole timeout."""

    trees: Documents


@dataclass(frozen=True, slots=True)
class Error:
    """One or more documents that must not hold, each with the whole timeout."""

    trees: Documents


@dataclass(frozen=True, slots=True)
class Program:
    """command and script. A command is an argv; a script is `content`, given to `shell` with `shell_arguments`.

    `words` (kuttl's command) is one text that is split as a shell would, `$NAME` replaced. `namespaced` (kuttl) adds
    `--namespace`; `background` (kuttl's suite) is not waited for; `ignore_failure` (kuttl) takes any exit code.
    `language` decides how a failure is worded.
    """

    verb: str
    entrypoint: str = ""
    arguments: tuple[str, ...] = ()
    content: str = ""
    shell: str = "sh"
    shell_arguments: tuple[str, ...] = ("-c",)
    words: str = ""
    environment: tuple[Binding, ...] = ()
    work_directory: str = ""
    check: Any = None
    log_output: bool = True
    log_command: bool = True
    namespaced: bool = False
    background: bool = False
    ignore_failure: bool = False
    language: Language = Language.CHAINSAW


@dataclass(frozen=True, slots=True)
class Sleep:
    seconds: float


@dataclass(frozen=True, slots=True)
class Condition:
    """What `wait` waits for: `what` is creation, deletion, condition or jsonPath; `name` is a condition or a path."""

    what: str
    name: str = ""
    value: str | None = None


@dataclass(frozen=True, slots=True)
class WaitFor:
    reference: ObjectReference
    condition: Condition
    format: str = ""


@dataclass(frozen=True, slots=True)
class Show:
    """Something for people to read: get, describe, events and podLogs, which `verb` tells apart; kuttl's collectors."""

    verb: str
    reference: ObjectReference
    format: str = ""
    show_events: bool = True
    container: str = ""
    tail: int | None = None


@dataclass(frozen=True, slots=True)
class Proxy:
    """GET through the API server to a pod, service or node."""

    reference: ObjectReference
    port: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class CelRule:
    """A condition of kuttl's TestAssert over `references`, names for objects: all must hold, or with `any` one."""

    expressions: tuple[str, ...]
    any: bool = False


@dataclass(frozen=True, slots=True)
class Round:
    """kuttl's common round: all of it must hold at the same time, and no error object may match."""

    asserts: tuple[Document, ...] = ()
    errors: tuple[Document, ...] = ()
    commands: tuple[Program, ...] = ()
    rules: tuple[CelRule, ...] = ()
    references: Mapping[str, ObjectReference] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Own:
    """An operation that is neither chainsaw's nor kuttl's: whoever runs the suite reads it and carries it out."""

    verb: str
    arguments: Mapping[str, Any]


Action = Write | Delete | Assert | Error | Program | Sleep | WaitFor | Show | Proxy | Round | Own


@dataclass(frozen=True, slots=True)
class Operation:
    """One action and what surrounds it. `engine` empty: the outer one; `template` None: the outer setting."""

    action: Action
    place: Place
    description: str = ""
    continue_on_error: bool = False
    timeout: float | None = None
    engine: str = ""
    template: bool | None = None
    cluster: str = ""
    clusters: Mapping[str, ClusterReference] = field(default_factory=dict)
    bindings: tuple[Binding, ...] = ()
    outputs: tuple[Output, ...] = ()

    @property
    def verb(self) -> str:
        """As it is written in a suite: apply, assert, podLogs, ..."""
        match self.action:
            case Write(verb=verb) | Program(verb=verb) | Show(verb=verb) | Own(verb=verb):
                return verb
            case WaitFor():
                return "wait"
        return type(self.action).__name__.lower()


@dataclass(frozen=True, slots=True)
class Step:
    """`try_` until one fails, then `catch`, then always `finally_`; `cleanup` when the test ends."""

    name: str
    place: Place
    try_: tuple[Operation, ...] = ()
    catch: tuple[Operation, ...] = ()
    finally_: tuple[Operation, ...] = ()
    cleanup: tuple[Operation, ...] = ()
    description: str = ""
    timeouts: Timeouts = field(default_factory=Timeouts)
    bindings: tuple[Binding, ...] = ()
    engine: str = ""
    template: bool | None = None
    skip_delete: bool | None = None
    propagation: str = ""
    cluster: str = ""
    clusters: Mapping[str, ClusterReference] = field(default_factory=dict)
    kubeconfig: str = ""  # kuttl: another cluster for this step, relative to the test's folder
    context: str = ""
    lazy_kubeconfig: bool = False


@dataclass(frozen=True, slots=True)
class Scenario:
    name: str
    bindings: tuple[Binding, ...] = ()


@dataclass(frozen=True, slots=True)
class Test:
    """One test. `folder` is where it stands, and where its files and programs are looked for."""

    __test__ = False  # pytest collects classes of this name

    name: str
    folder: Path
    place: Place
    language: Language
    steps: tuple[Step, ...]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    description: str = ""
    skip: bool = False
    concurrent: bool | None = None
    timeouts: Timeouts = field(default_factory=Timeouts)
    bindings: tuple[Binding, ...] = ()
    scenarios: tuple[Scenario, ...] = ()
    catch: tuple[Operation, ...] = ()
    engine: str = ""
    template: bool | None = None
    namespace: str = ""
    namespace_template: Any = None
    namespace_engine: str = ""
    skip_delete: bool | None = None
    fast_namespace_deletion: bool | None = None
    propagation: str = ""
    grace_period: float | None = None  # of pods and what makes them, when they are deleted
    delay_before_cleanup: float | None = None
    cluster: str = ""
    clusters: Mapping[str, ClusterReference] = field(default_factory=dict)

    @property
    def labels(self) -> Mapping[str, str]:
        return self.metadata.get("labels") or {}


@dataclass(frozen=True, slots=True)
class ReportWanted:
    """A report that a suite's own configuration asks for; `granularity` is kuttl's step or test."""

    format: str
    path: Path
    name: str
    granularity: str = ""


@dataclass(frozen=True, slots=True)
class Suite:
    """Tests that are run under one configuration. For chainsaw that is a Configuration, for kuttl a TestSuite.

    `setup` runs once, before the tests (kuttl: crdDir, manifestDirs, commands); `catch` is for each step of each test.
    """

    language: Language
    tests: tuple[Test, ...]
    place: Place | None = None
    setup: tuple[Operation, ...] = ()
    catch: tuple[Operation, ...] = ()
    timeouts: Timeouts = DEFAULT_TIMEOUTS
    engine: str = "jp"
    template: bool = True
    parallel: int | None = None
    repeat: int = 1
    fail_fast: bool = False
    namespace: str = ""
    namespace_template: Any = None
    namespace_engine: str = ""
    skip_delete: bool = False
    fast_namespace_deletion: bool = False
    propagation: str = "Background"
    grace_period: float | None = None
    delay_before_cleanup: float | None = None
    full_name: bool = False
    include: str = ""
    exclude: str = ""
    clusters: Mapping[str, ClusterReference] = field(default_factory=dict)
    suppress: tuple[str, ...] = ()  # kuttl: `events`
    report: ReportWanted | None = None
    test_file: str = ""  # chainsaw: the name of a test's file, with or without its ending
