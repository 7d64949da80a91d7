"""Configurations of chainsaw: v1alpha2, and v1alpha1 with its flat fields."""

from dataclasses import replace
from pathlib import Path

from harness.formats.documents import Document as Yaml
from harness.suites.chainsaw.operations import ENGINES, PROPAGATIONS, clusters, operations
from harness.suites.chainsaw.tests import headed, metadata, timeouts
from harness.suites.fields import Fields, documents
from harness.suites.model import DEFAULT_TIMEOUTS, Language, Operation, ReportWanted, Suite
from harness.suites.problems import Problems

FILE = ".chainsaw.yaml"
TEST_FILE = "chainsaw-test"
REPORTS = ("JSON", "XML", "JUNIT-TEST", "JUNIT-STEP", "JUNIT-OPERATION")
DEFAULT = Suite(Language.CHAINSAW, (), test_file=TEST_FILE)


def read(file: Path, problems: Problems) -> Suite:
    """The configuration of a file, with no tests yet."""
    found = documents(file, problems)
    if len(found) != 1:
        if found:
            problems.error(f"expected one Configuration, got {len(found)} documents", str(file))
        return DEFAULT
    return _configuration(Fields(found[0], problems), file.parent)


def _configuration(fields: Fields, folder: Path) -> Suite:
    version = headed(fields, "Configuration", ("v1alpha1", "v1alpha2"))
    if not version:
        return DEFAULT
    metadata(fields)
    spec = fields.below("spec")
    if spec is None:
        fields.wrong("spec is missing")
        return DEFAULT
    found = (_flat if version == "v1alpha1" else _grouped)(spec, folder)
    suite = replace(
        found,
        place=fields.place(),
        timeouts=timeouts(spec).over(DEFAULT_TIMEOUTS),
        clusters=clusters(spec),
        test_file=found.test_file or TEST_FILE,
        propagation=found.propagation or DEFAULT.propagation,
        engine=found.engine or DEFAULT.engine,
    )
    spec.done()
    fields.done()
    return suite


def _grouped(spec: Fields, folder: Path) -> Suite:
    groups = {
        name: spec.below(name) or Fields(Yaml(folder, {}, {}), spec.problems)
        for name in (
            "cleanup",
            "deletion",
            "discovery",
            "error",
            "execution",
            "namespace",
            "templating",
        )
    }
    cleanup, execution, discovery = groups["cleanup"], groups["execution"], groups["discovery"]
    namespace, templating = groups["namespace"], groups["templating"]
    suite = Suite(
        Language.CHAINSAW,
        (),
        catch=operations(groups["error"], "catch", folder),
        engine=templating.text("compiler", choices=ENGINES),
        template=templating.flag("enabled") is not False,
        parallel=execution.integer("parallel", least=1),
        repeat=execution.integer("repeatCount", least=1) or 1,
        fail_fast=bool(execution.flag("failFast")),
        namespace=namespace.text("name"),
        namespace_template=namespace.anything("template"),
        namespace_engine=namespace.text("compiler", choices=ENGINES),
        skip_delete=bool(cleanup.flag("skipDelete")),
        fast_namespace_deletion=bool(namespace.flag("fastDelete")),
        propagation=groups["deletion"].text("propagation", choices=PROPAGATIONS),
        grace_period=execution.seconds("forceTerminationGracePeriod"),
        delay_before_cleanup=cleanup.seconds("delayBeforeCleanup"),
        full_name=bool(discovery.flag("fullName")),
        include=discovery.text("includeTestRegex"),
        exclude=discovery.text("excludeTestRegex"),
        report=_report(spec),
        test_file=discovery.text("testFile"),
    )
    for group in groups.values():
        group.done()
    return suite


def _report(spec: Fields) -> ReportWanted | None:
    below = spec.below("report")
    if below is None:
        return None
    wanted = ReportWanted(
        below.text("format", choices=REPORTS) or "JSON",
        Path(below.text("path") or "."),
        below.text("name") or "chainsaw-report",
    )
    below.done()
    return wanted


def _flat(spec: Fields, folder: Path) -> Suite:
    catch: tuple[Operation, ...] = operations(spec, "catch", folder)
    form, path, name = spec.text("reportFormat", choices=REPORTS), spec.text("reportPath"), spec.text("reportName")
    return Suite(
        Language.CHAINSAW,
        (),
        catch=catch,
        engine=spec.text("compiler", choices=ENGINES),
        template=spec.flag("template") is not False,
        parallel=spec.integer("parallel", least=1),
        repeat=spec.integer("repeatCount", least=1) or 1,
        fail_fast=bool(spec.flag("failFast")),
        namespace=spec.text("namespace"),
        namespace_template=spec.anything("namespaceTemplate"),
        namespace_engine=spec.text("namespaceTemplateCompiler", choices=ENGINES),
        skip_delete=bool(spec.flag("skipDelete")),
        fast_namespace_deletion=bool(spec.flag("fastNamespaceDeletion")),
        propagation=spec.text("deletionPropagationPolicy", choices=PROPAGATIONS),
        grace_period=spec.seconds("forceTerminationGracePeriod"),
        delay_before_cleanup=spec.seconds("delayBeforeCleanup"),
        full_name=bool(spec.flag("fullName")),
        include=spec.text("includeTestRegex"),
        exclude=spec.text("excludeTestRegex"),
        report=ReportWanted(form, Path(path or "."), name or "chainsaw-report") if form else None,
        test_file=spec.text("testFile"),
    )
