"""`test`: suites of chainsaw and kuttl, run against a cluster without their programs."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from harness.cli.connecting import Connected, connect, which_cluster
from harness.cli.context import Context
from harness.cli.durations import DURATION
from harness.cli.interruptible import interruptible
from harness.cli.suite_results import asked_for, require_writable, show, verdict, write_reports
from harness.cluster.api import Cluster
from harness.errors import UsageError, coming_up
from harness.evidence import recorder as recording
from harness.evidence import recordings
from harness.evidence.directory import DEBUG, GREEN, EvidenceDirectory, new_run_id
from harness.evidence.recorder import Recorder
from harness.exits import Exit
from harness.reports.suites import Format, telling
from harness.suites import kuttl
from harness.suites.chainsaw import values
from harness.suites.chainsaw.operations import PROPAGATIONS
from harness.suites.kuttl.templates import HelmTemplates
from harness.suites.load import Overrides, Selection, load
from harness.suites.model import ClusterReference, Language, Suite, Timeouts
from harness.suites.problems import Problems
from harness.suites.record import RunRecord
from harness.suites.running.clients import Client
from harness.suites.running.nodes import Nodes, nodes_of
from harness.suites.running.options import NO_LIMIT, RunOptions
from harness.suites.running.refusals import refuse
from harness.suites.running.run import Run

LANGUAGES, REPORTS = [each.value for each in Language], [each.value for each in Format]
COMPATIBLE = ("strict", "chainsaw", "kuttl")  # kuttl's asserts have Go's types in any case
# What expressions and programs see of the environment; more by name with --env.
PASSED_ON = ("PATH", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "TERM", "TZ", "USER", "SHELL")


def _options(command: Callable[..., Exit]) -> Callable[..., Exit]:
    """All that `test` can be told, by what it is about."""
    file = click.Path(dir_okay=False, path_type=Path)
    timeout_words = ("apply", "assert", "cleanup", "delete", "error", "exec")
    timeouts = [
        click.option(f"--{word}-timeout", type=DURATION, help=f"The time limit of each {word}.")
        for word in timeout_words
    ]
    options = [
        # which tests
        click.option("--language", type=click.Choice(LANGUAGES), help="Whose suites they are."),
        click.option("--config", type=file, help="The Configuration (chainsaw) or TestSuite (kuttl)."),
        click.option("--test-file", help="The name of chainsaw's files with tests."),
        click.option("--include", metavar="PATTERN", help="Only tests whose name matches, a Go test pattern."),
        click.option("--exclude", metavar="PATTERN", help="No tests whose name matches."),
        click.option("--selector", default="", help="Only tests with these labels: name=value, name!=value, name."),
        click.option("--shard-index", type=click.IntRange(min=0), default=0, help="Which share of the tests, from 0."),
        click.option("--shard-count", type=click.IntRange(min=1), help="Into how many shares the tests are cut."),
        click.option("--repeat-count", type=click.IntRange(min=1), help="How often each test is run."),
        click.option("--full-name", is_flag=True, help="Name tests with their folder."),
        # what they are given
        click.option("--values", "files", type=file, multiple=True, help="A file with values; later ones win."),
        click.option("--set", "set_", multiple=True, metavar="NAME=VALUE", help="A single value, as for Helm."),
        click.option("--set-string", multiple=True, metavar="NAME=TEXT", help="The same, always text."),
        click.option("--env", "names", multiple=True, metavar="NAME", help="Pass on a variable of the environment."),
        click.option("--template-var", multiple=True, metavar="NAME=VALUE", help="A variable for templates of kuttl."),
        click.option("--test-run-labels", default="", metavar="NAME=VALUE,...", help="Labels of the run, for kuttl."),
        click.option("--cluster", "clusters", multiple=True, metavar="NAME=FILE[:CONTEXT]", help="Another cluster."),
        click.option("-n", "--namespace", help="One namespace for all tests, created if it does not exist."),
        # what they may do
        click.option("--allow-scripts", is_flag=True, help="Run commands and scripts of the suites on this machine."),
        click.option("--no-cluster", is_flag=True, help="Run without any API server."),
        click.option("--read-only", is_flag=True, help="Refuse suites that would write or run programs."),
        click.option("--allow-writes", is_flag=True, help="Write to the cluster of --context, though it is not ours."),
        # how they are run
        click.option("--parallel", type=click.IntRange(min=1), help="How many tests at once."),
        click.option("--fail-fast", is_flag=True, help="Begin no new test after a failure."),
        click.option("--skip-delete", is_flag=True, help="Leave objects and namespaces of the tests in the cluster."),
        click.option("--deletion-propagation-policy", "propagation", type=click.Choice(PROPAGATIONS)),
        click.option("--force-termination-grace-period", "grace_period", type=DURATION, help="Of pods that are made."),
        click.option("--template/--no-template", default=None, help="Whether expressions in objects are evaluated."),
        click.option("--cleanup-delay", type=DURATION, help="How long to wait before cleaning up after a test."),
        click.option("--budget", type=DURATION, default=None, help="How long the whole run may take."),
        click.option("--test-budget", type=DURATION, default=None, help="How long each test may take."),
        *timeouts,
        # how they are judged and reported
        click.option("--compat", type=click.Choice(COMPATIBLE), help="Go's types; the exit codes of that program."),
        click.option("--strict-vacuous", is_flag=True, help="Fail what holds only because no object matches."),
        click.option("--all-match", is_flag=True, help="An assert holds if all its objects match, not if any does."),
        click.option("--ignore-leaving", is_flag=True, help="Leave out what is being deleted, and pods of lost nodes."),
        click.option("--report", "reports", multiple=True, type=click.Choice(REPORTS), help="Write this report."),
        click.option("--report-path", type=click.Path(file_okay=False, path_type=Path), default=Path(), help="Where."),
        click.option("--report-name", default="kwok-suites", show_default=True),
    ]  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


@click.command()
@click.argument("places", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="DIR...")
@which_cluster()
@_options
@click.pass_obj
def test(context: Context, /, places: tuple[Path, ...], **said: Any) -> Exit:
    """Run test suites of chainsaw and kuttl below each DIR, without their programs.

    Without --kubeconfig they run on the cluster that is up. Exit code 0 when all tests passed, 1 when one did not or
    nothing was judged, 10 when a file is wrong, 64 when something is not allowed: nothing was run then.
    """
    _require_sense(said)
    problems = Problems()
    suites, options = _loaded(context, places, said, problems)
    for problem in dict.fromkeys(problems.warnings):
        context.console.note(f"warning: {problem}")
    connected = None if said["no_cluster"] else connect(context, said["kubeconfig"], said["context_name"])
    foreign = connected.cluster.context_name if connected is not None and connected.own is None else ""
    how = options(connected)
    for suite in suites:
        refuse(suite, how, foreign=foreign)
    if connected is not None:
        how = _on_nodes(context, how, connected.cluster)
    record, code = _run(context, suites, connected, how)
    show(context, record)
    wanted = [([Format(each)], said["report_path"], said["report_name"], "step") for each in said["reports"]]
    try:
        write_reports(context, record, [*wanted, *asked_for(suites)])
    finally:
        verdict(context, record)
    if code is not None:
        return code
    if said["compat"] in ("chainsaw", "kuttl"):
        return Exit.FAILURE if any(each.status.red for each in record.tests) else Exit.OK
    return Exit.OK if telling.green(record) else Exit.FAILURE


def _require_sense(said: dict[str, Any]) -> None:
    if said["no_cluster"] and (said["kubeconfig"] or said["context_name"]):
        raise UsageError("--no-cluster and --kubeconfig exclude each other")
    if said["read_only"] and said["allow_writes"]:
        raise UsageError("--read-only and --allow-writes exclude each other")
    if said["allow_writes"] and not said["context_name"]:
        raise UsageError("--allow-writes needs --context NAME: the cluster that may be written to")
    if said["report_name"] in ("", ".", "..") or os.sep in said["report_name"]:
        what = f"{said['report_name']!r} is not the name of a file"
        raise UsageError(what, where="--report-name", do="name the folder with --report-path")
    if said["reports"]:
        require_writable(said["report_path"])
    if said["shard_index"] and not said["shard_count"]:
        raise UsageError("--shard-index needs --shard-count")


def _loaded(
    context: Context, places: tuple[Path, ...], said: dict[str, Any], problems: Problems
) -> tuple[list[Suite], Callable[[Connected | None], RunOptions]]:
    given = values.read(said["files"], problems, set_=said["set_"], set_string=said["set_string"])
    times = (said[f"{word}_timeout"] for word in ("apply", "assert", "cleanup", "delete", "error", "exec"))
    overrides = Overrides(
        test_file=said["test_file"],
        include=said["include"],
        exclude=said["exclude"],
        full_name=said["full_name"] or None,
        fail_fast=said["fail_fast"] or None,
        parallel=said["parallel"],
        repeat=said["repeat_count"],
        namespace=said["namespace"],
        skip_delete=said["skip_delete"] or None,
        delay_before_cleanup=said["cleanup_delay"],
        propagation=said["propagation"],
        grace_period=said["grace_period"],
        template=said["template"],
        timeouts=Timeouts(*times),
    )
    variables = {name: os.environ[name] for name in (*PASSED_ON, *said["names"]) if name in os.environ}
    for name in said["names"]:
        if name not in os.environ:
            raise UsageError(f"{name} is not set", where="--env")
    for_kuttl = kuttl.Options(
        config=said["config"] if said["language"] == Language.KUTTL else None,
        namespace=said["namespace"] or "",
        variables=_pairs(said["template_var"], "--template-var"),
        labels=_pairs(said["test_run_labels"].split(",") if said["test_run_labels"] else (), "--test-run-labels"),
        environment=variables,
        render=HelmTemplates(context.toolbox.path("helm")) if _has_templates(places) else None,
    )
    suites = load(
        places,
        problems,
        config=said["config"] if said["language"] != Language.KUTTL else None,
        overrides=overrides,
        selection=Selection(said["selector"], said["shard_index"], said["shard_count"] or 0),
        language=Language(said["language"]) if said["language"] else None,
        options=for_kuttl,
    )
    problems.found = list(dict.fromkeys(problems.found))
    problems.require()
    clusters = {name: _cluster(place) for name, place in _pairs(said["clusters"], "--cluster").items()}
    suites = [replace(suite, clusters={**suite.clusters, **clusters}) for suite in suites]

    def options(connected: Connected | None) -> RunOptions:
        return RunOptions(
            scripts=said["allow_scripts"],
            read_only=said["read_only"],
            no_cluster=said["no_cluster"],
            writable_contexts=frozenset([said["context_name"]] if said["allow_writes"] else []),
            values=given,
            variables=variables,
            path=_path_of_kubectl(context) if said["allow_scripts"] and connected is not None else (),
            strict=said["compat"] in ("strict", "chainsaw"),
            strict_vacuous=said["strict_vacuous"],
            all_match=said["all_match"],
            ignore_leaving=said["ignore_leaving"],
            test_budget=said["test_budget"] or NO_LIMIT,
            run_budget=said["budget"] or NO_LIMIT,
        )

    return suites, options


def _on_nodes(context: Context, options: RunOptions, cluster: Cluster) -> RunOptions:
    """What the nodes prove. It is the first request: without an answer to it the cluster is not up."""
    with coming_up():
        nodes = nodes_of(cluster)
    if nodes is Nodes.UNKNOWN:
        context.console.note("the nodes may not be listed: what needs pods that run is told apart as simulated")
    return replace(options, simulated=nodes is Nodes.SIMULATED, unproven=nodes is Nodes.UNKNOWN)


def _pairs(texts: tuple[str, ...] | list[str], option: str) -> dict[str, str]:
    for text in texts:
        if "=" not in text:
            raise UsageError(f"{text!r} is not NAME=VALUE", where=option)
    return {name: value for name, _, value in (text.partition("=") for text in texts)}


def _cluster(place: str) -> ClusterReference:
    """A kubeconfig, relative to the working directory, and a context of it after a colon."""
    file, _, name = place.partition(":")
    return ClusterReference(str(Path(file).resolve()), name)


def _has_templates(places: tuple[Path, ...]) -> bool:
    return any(place.is_dir() and next(place.rglob("*.gotmpl.yaml"), None) for place in places)


def _path_of_kubectl(context: Context) -> tuple[Path, ...]:
    """Suites call kubectl; where the machine has none, the harness's own is found."""
    return () if shutil.which("kubectl") else (context.toolbox.path("kubectl").parent,)


def _run(
    context: Context, suites: list[Suite], connected: Connected | None, options: RunOptions
) -> tuple[RunRecord, Exit | None]:
    client = None if connected is None else Client(connected.cluster, read_only=options.read_only)
    with context.console as console, _recording(context, connected) as recorder:
        run = Run(client, options, console, recorder[0])

        def interrupted() -> None:
            run.interrupt()
            console.note("interrupted: cleaning up for at most 30 s; once more ends at once")

        record, code = interruptible(lambda: run.run(suites), interrupted, "suites")
        recorder[1](telling.green(record))
        return record, code


@contextmanager
def _recording(context: Context, connected: Connected | None) -> Iterator[tuple[Recorder, Callable[[bool], None]]]:
    """A recording of the run, kept where those of cells are; the function keeps it, and hears whether it was green."""
    run_id = new_run_id()
    name = "none" if connected is None else connected.own.name if connected.own else connected.cluster.context_name
    artifacts = context.settings.artifacts
    with tempfile.TemporaryDirectory(prefix="kwok-suites-") as directory:
        file = Path(directory) / recording.FILE
        recorder = Recorder(file, run_id=run_id, recipe="suites", deployer="test", cluster=name)

        def keep(green: bool) -> None:
            problem = recorder.close()
            kept = EvidenceDirectory(artifacts, "suites", "test", run_id, prefix=GREEN if green else DEBUG)
            problem = problem or recording.copy(file, kept.path / recording.FILE, kept.redactor)
            if problem:
                context.console.note(problem)
            else:
                context.console.note(f"recorded: kwok-harness explain {run_id}")
            recordings.prune(artifacts)

        try:
            yield recorder, keep
        finally:
            recorder.close()
