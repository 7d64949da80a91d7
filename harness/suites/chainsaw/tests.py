"""Tests and step templates of chainsaw (v1alpha1)."""

from pathlib import Path

from harness.errors import DataError
from harness.suites import objects
from harness.suites.chainsaw.operations import (
    ENGINES,
    NONE,
    PROPAGATIONS,
    Readers,
    bindings,
    clusters,
    operations,
)
from harness.suites.fields import Fields, documents
from harness.suites.model import Binding, Language, Scenario, Step, Test, Timeouts
from harness.suites.problems import Problems

GROUP = "chainsaw.kyverno.io"
_METADATA = ("generateName", "namespace", "uid", "resourceVersion", "creationTimestamp", "selfLink")


def read(file: Path, problems: Problems, own: Readers = NONE) -> list[Test]:
    """The tests of a file, one for each of its documents; `own` are operations that chainsaw does not have."""
    tests = [_test(Fields(document, problems), file.parent, own) for document in documents(file, problems)]
    return [test for test in tests if test is not None]


def headed(fields: Fields, kind: str, versions: tuple[str, ...]) -> str:
    """The version that a document is written in, empty where it is another kind of document."""
    api_version, found = fields.text("apiVersion", required=True), fields.text("kind", required=True)
    group, _, version = api_version.rpartition("/")
    if found != kind or group != GROUP or version not in versions:
        if api_version and found:
            wanted = " or ".join(f"{GROUP}/{each}" for each in versions)
            fields.wrong(f"expected a {kind} of {wanted}, got a {found} of {api_version}")
        return ""
    return version


def metadata(fields: Fields) -> dict[str, object]:
    """Name, labels and annotations, and what else objects of Kubernetes may have there."""
    below = fields.below("metadata")
    if below is None:
        return {}
    below.text("name"), below.text_map("labels"), below.text_map("annotations")
    below.anything("finalizers"), below.anything("ownerReferences"), below.anything("managedFields")
    for key in _METADATA:
        below.text(key)
    below.done()
    return below.data


def timeouts(fields: Fields) -> Timeouts:
    below = fields.below("timeouts")
    if below is None:
        return Timeouts()
    names = ("apply", "assert", "cleanup", "delete", "error", "exec")
    found = Timeouts(*(below.seconds(name) for name in names))
    below.done()
    return found


def _test(fields: Fields, folder: Path, own: Readers) -> Test | None:
    if not headed(fields, "Test", ("v1alpha1",)):
        return None
    about = metadata(fields)
    spec = fields.below("spec")
    if spec is None:
        fields.wrong("spec is missing")
        return None
    spec.flag("failFast")  # accepted; chainsaw does nothing with it
    test = Test(
        name=str(about.get("name") or folder.name),
        folder=folder,
        place=fields.place(),
        language=Language.CHAINSAW,
        steps=tuple(_steps(spec, folder, own)),
        metadata=about,
        description=spec.text("description"),
        skip=bool(spec.flag("skip")),
        concurrent=spec.flag("concurrent"),
        timeouts=timeouts(spec),
        bindings=bindings(spec),
        scenarios=_scenarios(spec),
        catch=operations(spec, "catch", folder, own),
        engine=spec.text("compiler", choices=ENGINES),
        template=spec.flag("template"),
        namespace=spec.text("namespace"),
        namespace_template=spec.anything("namespaceTemplate"),
        namespace_engine=spec.text("namespaceTemplateCompiler", choices=ENGINES),
        skip_delete=spec.flag("skipDelete"),
        fast_namespace_deletion=spec.flag("fastNamespaceDeletion"),
        propagation=spec.text("deletionPropagationPolicy", choices=PROPAGATIONS),
        grace_period=spec.seconds("forceTerminationGracePeriod"),
        delay_before_cleanup=spec.seconds("delayBeforeCleanup"),
        cluster=spec.text("cluster"),
        clusters=clusters(spec),
    )
    spec.done()
    fields.done()
    return test


def _scenarios(spec: Fields) -> tuple[Scenario, ...]:
    found = []
    for each in spec.each("scenarios"):
        found.append(Scenario(each.text("name"), bindings(each)))
        each.done()
    return tuple(found)


def _steps(spec: Fields, folder: Path, own: Readers) -> list[Step]:
    if "steps" not in spec.data or spec.data["steps"] is None:
        spec.wrong("steps is missing")
    return [_step(each, folder, own) for each in spec.each("steps")]


def _step(fields: Fields, folder: Path, own: Readers) -> Step:
    if not fields.has("try") and not fields.has("use"):
        fields.wrong("the step has neither try nor use")
    template = _used(fields, folder)
    blocks = {key: operations(fields, key, folder, own) for key in ("try", "catch", "finally", "cleanup")}
    step = Step(
        name=fields.text("name"),
        place=fields.place(),
        try_=blocks["try"] + template.try_,
        catch=blocks["catch"] + template.catch,
        finally_=blocks["finally"] + template.finally_,
        cleanup=blocks["cleanup"] + template.cleanup,
        description=fields.text("description"),
        timeouts=timeouts(fields),
        bindings=bindings(fields) + template.bindings,
        engine=fields.text("compiler", choices=ENGINES),
        template=fields.flag("template"),
        skip_delete=fields.flag("skipDelete"),
        propagation=fields.text("deletionPropagationPolicy", choices=PROPAGATIONS),
        cluster=fields.text("cluster"),
        clusters=clusters(fields),
    )
    fields.done()
    return step


def _used(fields: Fields, folder: Path) -> Step:
    """The blocks of the step template that is used, and its bindings followed by those given to it."""
    nothing = Step("", fields.place())
    use = fields.below("use")
    if use is None:
        return nothing
    name = use.text("template", required=True)
    given: tuple[Binding, ...] = ()
    if (arguments := use.below("with")) is not None:
        given = bindings(arguments)
        arguments.done()
    use.done()
    if not name:
        return nothing
    try:
        [file, *others] = objects.matching(folder, name)
    except DataError as error:
        use.wrong(error.what, "template")
        return nothing
    found = documents(file, fields.problems)
    if len(found) != 1 or others:
        if found:
            fields.problems.error("expected one StepTemplate, got several", str(file))
        return nothing
    template = step_template(Fields(found[0], fields.problems), folder)
    return Step(
        "",
        template.place,
        template.try_,
        template.catch,
        template.finally_,
        template.cleanup,
        bindings=template.bindings + given,
    )


def step_template(fields: Fields, folder: Path) -> Step:
    """A StepTemplate; its files are looked for in the folder of the test that uses it."""
    if not headed(fields, "StepTemplate", ("v1alpha1",)):
        return Step("", fields.place())
    metadata(fields)
    spec = fields.below("spec")
    if spec is None:
        fields.wrong("spec is missing")
        return Step("", fields.place())
    if not spec.has("try"):
        spec.wrong("try is missing")
    step = Step(
        "",
        fields.place(),
        operations(spec, "try", folder),
        operations(spec, "catch", folder),
        operations(spec, "finally", folder),
        operations(spec, "cleanup", folder),
        bindings=bindings(spec),
    )
    spec.done()
    fields.done()
    return step
