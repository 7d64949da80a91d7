"""`assert`: assertion trees against objects of a cluster, or of a file without one."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import click

from harness.assertions.candidates import Standing
from harness.cli.connecting import Connected, connect, which_cluster
from harness.cli.context import Context
from harness.cli.durations import DURATION
from harness.deadline import Deadline
from harness.errors import DataError, UsageError
from harness.exits import Exit
from harness.formats.documents import Document as Yaml
from harness.suites import checking, objects
from harness.suites.chainsaw import configuration
from harness.suites.model import Assert, Document, Documents, Language, Operation, Place, Step, Test
from harness.suites.problems import Problems
from harness.suites.record import Status
from harness.suites.running import offline
from harness.suites.running.scope import Scope

STDIN = Path("-")
NO_LIMIT = 365 * 86400.0
Judge = Callable[[Document], str]  # why a tree does not hold, empty where it does


@click.command("assert")
@click.option("-f", "--file", "files", multiple=True, required=True, type=click.Path(path_type=Path), metavar="TREE")
@click.option(
    "-r",
    "--resource",
    type=click.Path(path_type=Path),
    metavar="OBJECTS",
    help="Objects instead of a cluster; - is stdin.",
)
@click.option(
    "--timeout", type=DURATION, default="30s", show_default=True, help="The time limit for each tree; 0s means none."
)
@click.option("-n", "--namespace", default="default", show_default=True)
@click.option("--compat", type=click.Choice(["strict"]), help="Compare types of Go, as chainsaw does.")
@which_cluster()
@click.pass_obj
def assert_(
    context: Context,
    files: tuple[Path, ...],
    resource: Path | None,
    timeout: float,
    namespace: str,
    compat: str | None,
    kubeconfig: Path | None,
    context_name: str | None,
) -> Exit:
    """Judge assertion trees against a cluster, or against the objects of a file.

    TREE is a file with one tree or several (- is stdin); each must hold, and the first that does not ends it. With -r
    no cluster is needed. Nothing is ever written. Exit code 0 when all hold, 1 when one does not, 10 when one does not
    compile.
    """
    if resource is not None and (kubeconfig is not None or context_name is not None):
        raise UsageError("-r and --kubeconfig exclude each other")
    problems = Problems()
    trees = [document for file in files for document in _read(file, problems)]
    _check(trees, problems)
    problems.require()
    scope = Scope(strict=compat == "strict")
    judge = _offline(_read(resource, problems), scope) if resource is not None else None
    problems.require()
    if judge is None:
        judge = _on_cluster(connect(context, kubeconfig, context_name), scope, namespace, timeout)
    for tree in trees:
        if why := judge(tree):
            context.console.note(f"assertion failed: {tree.place}")
            context.console.text(why)
            return Exit.FAILURE
    context.console.text("Assertion(s) PASSED")
    return Exit.OK


def _read(file: Path, problems: Problems) -> list[Document]:
    if file != STDIN:
        return list(objects.read(file, problems, objects=False))
    found: list[Document] = []
    with problems.caught():
        place = Place(Path("stdin"))
        for yaml in Yaml.read_all(place.file, sys.stdin.read()):
            found += objects.expanded(yaml.data, place, problems, objects=False)
        if not found:
            raise DataError("contains no document", where="stdin")
    return found


def _check(trees: list[Document], problems: Problems) -> None:
    operations = tuple(Operation(Assert(Documents((tree,))), tree.place) for tree in trees)
    place = Place(Path())
    test = Test("", Path(), place, Language.CHAINSAW, (Step("", place, operations),))
    checking.check(replace(configuration.DEFAULT, tests=(test,)), problems)


def _offline(found: list[Document], scope: Scope) -> Judge:
    def judge(tree: Document) -> str:
        judgement = offline.judge(tree, found, scope)
        return "" if judgement.standing is Standing.HOLDS else judgement.text

    return judge


def _on_cluster(connected: Connected, scope: Scope, namespace: str, timeout: float) -> Judge:
    from harness.suites.running.clients import Client
    from harness.suites.running.gates import asserted
    from harness.suites.running.judging import Judging

    client = Client(connected.cluster, read_only=True)
    judging = Judging(client)

    def judge(tree: Document) -> str:
        gate = asserted(tree.value, scope, client, namespace=namespace, wanted=True)
        finding = judging.judge(gate, Deadline.after(timeout or NO_LIMIT))
        if finding.status is Status.PASSED:
            return ""
        return "\n".join([finding.message, *([finding.diff] if finding.diff else []), *finding.notes])

    return judge
