"""Everything of a suite that is compiled at some time is compiled before anything runs: trees, templates, expressions.

Warnings are what `harness.assertions.lint` has to say of trees that compile.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from harness.assertions import lint
from harness.assertions.candidates import compile_assertion
from harness.assertions.errors import TreeInvalid
from harness.assertions.template import compile_template
from harness.assertions.tree import Tree, compile_tree
from harness.suites.model import (
    Assert,
    Binding,
    Delete,
    Documents,
    Error,
    Expectation,
    Language,
    ObjectReference,
    Operation,
    Output,
    Place,
    Program,
    Proxy,
    Show,
    Step,
    Suite,
    Test,
    WaitFor,
    Write,
)
from harness.suites.problems import Problems


def check(suite: Suite, problems: Problems) -> None:
    """What does not compile in the tests of a suite, and in its own blocks."""
    checking = _Checking(problems)
    if suite.place is not None:
        checking.template(suite.namespace_template, suite.place, suite.namespace_engine or suite.engine)
    for operation in (*suite.setup, *suite.catch):
        checking.operation(operation, suite.engine, template=suite.template)
    for test in suite.tests:
        if test.language is Language.CHAINSAW:
            checking.test(test, suite)


class _Checking:
    def __init__(self, problems: Problems) -> None:
        self._problems = problems

    def test(self, test: Test, suite: Suite) -> None:
        engine = test.engine or suite.engine
        template = suite.template if test.template is None else test.template
        self.bindings(test.bindings, test.place, engine)
        for scenario in test.scenarios:
            self.bindings(scenario.bindings, test.place, engine)
        self.texts((test.namespace, test.cluster), test.place, engine)
        self.template(test.namespace_template, test.place, test.namespace_engine or engine)
        for operation in test.catch:
            self.operation(operation, engine, template=template)
        for step in test.steps:
            self.step(step, engine, template=template)

    def step(self, step: Step, engine: str, *, template: bool) -> None:
        engine = step.engine or engine
        template = template if step.template is None else step.template
        self.bindings(step.bindings, step.place, engine)
        self.texts((step.cluster,), step.place, engine)
        for operation in (*step.try_, *step.catch, *step.finally_, *step.cleanup):
            self.operation(operation, engine, template=template)

    def operation(self, operation: Operation, engine: str, *, template: bool) -> None:
        engine, place = operation.engine or engine, operation.place
        template = template if operation.template is None else operation.template
        self.bindings(operation.bindings, place, engine)
        self.texts((operation.cluster,), place, engine)
        for output in operation.outputs:
            self.output(output, place, engine)
        match operation.action:
            case Write(objects=objects, expect=expect):
                self.objects(objects, place, engine, template=template)
                self.expectations(expect, place, engine)
            case Delete(reference=reference, objects=objects, expect=expect):
                self.objects(objects, place, engine, template=template)
                self.reference(reference, place, engine)
                self.expectations(expect, place, engine)
            case Assert(trees=trees) | Error(trees=trees):
                self.texts((trees.file,), place, engine)
                for document in trees.documents:
                    self._compiled(_assertion(document.value, engine, template=template), document.place)
            case Program(environment=environment, check=tree):
                self.bindings(environment, place, engine)
                self.tree(tree, place, engine)
            case WaitFor(reference=reference, format=form) | Show(reference=reference, format=form):
                self.reference(reference, place, engine)
                self.texts((form,), place, engine)
            case Proxy(reference=reference, port=port, path=path):
                self.reference(reference, place, engine)
                self.texts((port, path), place, engine)

    def objects(self, objects: Documents, place: Place, engine: str, *, template: bool) -> None:
        self.texts((objects.file,), place, engine)
        for document in objects.documents if template else ():
            self.template(document.value, document.place, engine)

    def reference(self, reference: ObjectReference | None, place: Place, engine: str) -> None:
        if reference is not None:
            texts = (reference.api_version, reference.kind, reference.name, reference.namespace, reference.selector)
            self.texts((*texts, *reference.labels.values()), place, engine)

    def expectations(self, expectations: Iterable[Expectation], place: Place, engine: str) -> None:
        for expectation in expectations:
            self.tree(expectation.check, place, engine)
            self.tree(expectation.match, place, engine)

    def bindings(self, bindings: Iterable[Binding], place: Place, engine: str) -> None:
        for binding in bindings:
            self.texts((binding.name,), place, engine)
            self.template(binding.value, place, binding.engine or engine)

    def output(self, output: Output, place: Place, engine: str) -> None:
        self.bindings((output.binding,), place, engine)
        self.tree(output.match, place, output.binding.engine or engine)

    def texts(self, texts: Iterable[str], place: Place, engine: str) -> None:
        for text in texts:
            self.template(text, place, engine)

    def template(self, source: Any, place: Place, engine: str) -> None:
        def compiled() -> None:
            compile_template(source, engine=engine)

        self._compiled(compiled, place)

    def tree(self, source: Any, place: Place, engine: str) -> None:
        if source is not None:
            self._compiled(lambda: compile_tree(source, engine=engine), place)

    def _compiled(self, compile_: Callable[[], Tree | None], place: Place) -> None:
        try:
            tree = compile_()
        except TreeInvalid as error:
            where = "" if error.where in ("", "<nil>") else f"{error.where}: "
            self._problems.error(f"{where}{error.what}", str(place), error.do)
            return
        for finding in lint.findings_of(tree) if tree is not None else ():
            where = f"{finding.path}, column {finding.column}" if finding.column else finding.path
            say = self._problems.error if finding.severity is lint.Severity.ERROR else self._problems.warning
            say(f"{where}: {finding.what}", str(place), finding.do)


def _assertion(source: Any, engine: str, *, template: bool) -> Callable[[], Tree]:
    return lambda: compile_assertion(source, engine=engine, template=template).tree


def operations_of(suite: Suite) -> Iterator[Operation]:
    """Every operation of a suite, whatever block it stands in."""
    yield from (*suite.setup, *suite.catch)
    for test in suite.tests:
        yield from test.catch
        for step in test.steps:
            yield from (*step.try_, *step.catch, *step.finally_, *step.cleanup)
