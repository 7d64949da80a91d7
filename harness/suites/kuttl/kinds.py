"""kuttl's own kinds within a test: TestStep, TestAssert and TestFile."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import DataError, did_you_mean
from harness.formats.documents import Block
from harness.suites.kuttl import fields
from harness.suites.kuttl.fields import API_VERSION
from harness.suites.model import CelRule, ObjectReference, Operation, Place, Program
from harness.suites.problems import Problems

KINDS = ("TestSuite", "TestStep", "TestAssert", "TestFile")


@dataclass(frozen=True, slots=True)
class TestStep:
    """The settings of a step; paths are as they are written."""

    __test__ = False  # pytest collects classes of this name

    place: Place
    name: str = ""
    apply: tuple[str, ...] = ()
    asserts: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    delete: tuple[tuple[ObjectReference, Place], ...] = ()
    commands: tuple[Operation, ...] = ()
    kubeconfig: str = ""
    context: str = ""
    lazy: bool = False


@dataclass(frozen=True, slots=True)
class TestAssert:
    """The settings of a round."""

    __test__ = False

    place: Place = field(compare=False)
    timeout: float | None = None
    commands: tuple[Program, ...] = ()
    collectors: tuple[Operation, ...] = ()
    references: Mapping[str, ObjectReference] = field(default_factory=dict)
    rules: tuple[CelRule, ...] = ()


def is_own(block: Block) -> bool:
    """Whether a document is of a kind of kuttl. Raises DataError where it is one of another version."""
    if block.data.get("kind") not in KINDS:
        return False
    version = block.data.get("apiVersion")
    if version != API_VERSION:
        kind = block.data["kind"]
        raise DataError(
            f"{kind} has apiVersion {version!r}: kuttl refuses it", where=block.where("apiVersion"), do=API_VERSION
        )
    return True


def read_step(block: Block, problems: Problems, environment: Mapping[str, str], folder: Path) -> TestStep:
    """A TestStep; `folder` is that of its test, in which its commands run."""
    known = ("index", "apply", "assert", "error", "delete", "unitTest", "commands")
    clusters = ("kubeconfig", "kubeconfigLoading", "context")
    if "timeout" in block.data:
        do = "write it in a TestAssert, in the step's assert file"
        problems.warning("a TestStep has no timeout: kuttl ignores it", block.where("timeout"), do)
    fields.headed(block, problems, *known, *clusters, "timeout")
    loading = block.text("kubeconfigLoading")
    if loading not in ("", "Eager", "Lazy"):
        where = block.where("kubeconfigLoading")
        raise DataError(f"kubeconfigLoading is {loading!r}", where=where, do=did_you_mean(loading, ("Eager", "Lazy")))
    return TestStep(
        fields.place_of(block),
        name=block.block("metadata").text("name"),
        apply=fields.listed(block, "apply"),
        asserts=fields.listed(block, "assert"),
        errors=fields.listed(block, "error"),
        delete=tuple((fields.reference(each, problems), fields.place_of(each)) for each in block.blocks("delete")),
        commands=tuple(
            fields.command(each, problems, environment, of="TestStep", folder=folder)
            for each in block.blocks("commands")
        ),
        kubeconfig=block.text("kubeconfig"),
        context=block.text("context"),
        lazy=loading == "Lazy",
    )


def read_assert(block: Block, problems: Problems, environment: Mapping[str, str], folder: Path) -> TestAssert:
    """A TestAssert; `folder` is that of its test, in which its commands run."""
    known = ("timeout", "collectors", "commands", "resourceRefs", "assertAny", "assertAll")
    fields.headed(block, problems, *known)
    names = fields.references(block.blocks("resourceRefs"), problems)
    rules = [fields.rule(block, key, names, problems) for key in ("assertAny", "assertAll")]
    commands = [
        fields.command(each, problems, environment, of="TestAssert", folder=folder) for each in block.blocks("commands")
    ]
    return TestAssert(
        fields.place_of(block),
        timeout=fields.seconds(block, "timeout"),
        commands=tuple(each.action for each in commands if isinstance(each.action, Program)),
        collectors=tuple(fields.collector(each, problems, environment) for each in block.blocks("collectors")),
        references=names,
        rules=tuple(each for each in rules if each is not None),
    )


def selected(block: Block, labels: Mapping[str, str], problems: Problems) -> bool:
    """Whether a file with this TestFile takes part in a run with `labels`."""
    selector = fields.headed(block, problems, "testRunSelector").block("testRunSelector")
    if "testRunSelector" not in block.data:
        raise DataError("a TestFile without testRunSelector: kuttl leaves the file out", where=block.where())
    fields.closed(selector, problems, "matchLabels", "matchExpressions")
    wanted = selector.mapping("matchLabels")
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        _matches(each, labels, problems) for each in selector.blocks("matchExpressions")
    )


def _matches(block: Block, labels: Mapping[str, str], problems: Problems) -> bool:
    fields.closed(block, problems, "key", "operator", "values")
    key, values = block.text("key", required=True), fields.listed(block, "values")
    match block.text("operator", required=True):
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case other:
            known = ("In", "NotIn", "Exists", "DoesNotExist")
            raise DataError(f"operator is {other!r}", where=block.where("operator"), do=did_you_mean(other, known))
