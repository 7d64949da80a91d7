"""`agent deploy | logs | result | cleanup`: the older validation agent by hand."""

import re
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import click

from harness.cli.connecting import CONTEXT, READS_ONLY, connect, which_cluster
from harness.cli.context import Context, as_json
from harness.errors import UsageError
from harness.exits import Exit
from harness.validation.checks.access import NAMESPACE
from harness.validation.checks.agent import Agent
from harness.validation.checks.agent_job import IMAGE, Config
from harness.validation.checks.agent_log import PASS, AgentResult
from harness.validation.checks.agent_results import KeptResults
from harness.validation.run import new_run_id

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?")
_Command = TypeVar("_Command", bound=Callable[..., object])


def which_agent(context: str = CONTEXT) -> Callable[[_Command], _Command]:
    """The options that name an agent; `context` is the help of --context."""
    namespace = click.option("--namespace", default=NAMESPACE, show_default=True, help="Where its Job is.")
    name = click.option("--job-name", default="aicr-validator", show_default=True, help="What its Job is called.")
    return lambda command: which_cluster(context)(namespace(name(command)))


@click.group()
def agent() -> None:
    """Run Go tests as one Job, and read their result from its log."""


@agent.command()
@which_agent()
@click.option("--test-package", required=True, help="The package; the program is its last element with .test.")
@click.option("--test-pattern", default="", help="The tests to run, as a pattern of `go test -run`.")
@click.option(
    "--expected-tests", type=click.IntRange(min=0), default=0, help="How many have to run.  [default: any number]"
)
@click.option("--snapshot-config-map", required=True, metavar="NAME", help="Holds snapshot.yaml.")
@click.option("--recipe-config-map", required=True, metavar="NAME", help="Holds recipe.yaml.")
@click.option("--image", default=IMAGE, show_default=True)
@click.option(
    "--timeout",
    "seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=600.0,
    show_default=True,
    help="Seconds until it has to end.",
)
@click.option("--phase", default="deployment", show_default=True, help="The phase that the tests are of.")
@click.option("--run-id", metavar="ID", help="Keep the result under this id.  [default: a new one]")
@click.option("--resume", metavar="ID", help="Go on with this run: a phase that has passed is not run again.")
@click.option("--wait/--no-wait", default=True, help="Whether to show the log and wait for the result.")
@click.pass_obj
def deploy(
    context: Context,
    kubeconfig: Path | None,
    context_name: str | None,
    namespace: str,
    job_name: str,
    test_package: str,
    test_pattern: str,
    expected_tests: int,
    snapshot_config_map: str,
    recipe_config_map: str,
    image: str,
    seconds: float,
    phase: str,
    run_id: str | None,
    resume: str | None,
    wait: bool,
) -> Exit:
    """Make its permissions and its Job; then show the log, and say what became of the tests.

    The result is kept in ConfigMap aicr-validation-result-ID, which outlives the Job.
    """
    if run_id and resume:
        raise UsageError("--run-id and --resume both name a run", do="leave one out")
    for option, text in (("--run-id", run_id), ("--resume", resume), ("--phase", phase)):
        if text is not None and not _NAME.fullmatch(text):
            do = "use up to 40 lower-case letters, digits and inner hyphens"
            raise UsageError(f"{text!r} cannot be part of a ConfigMap's name", where=option, do=do)
    if not wait and (run_id or resume):
        raise UsageError("--no-wait keeps no result", do="leave --run-id and --resume out")
    config = Config(
        namespace,
        job_name,
        test_package,
        snapshot_config_map,
        recipe_config_map,
        image=image,
        test_pattern=test_pattern,
        expected_tests=expected_tests,
        timeout=seconds,
    )
    cluster = connect(context, kubeconfig, context_name).cluster
    now = datetime.now(UTC)
    results = KeptResults(cluster, namespace, resume or run_id or new_run_id(now))
    if resume and phase in results.passed():
        context.console.text(f"pass: phase {phase} passed in run {resume} and was not run again")
        return Exit.OK
    made = Agent(cluster, config)
    made.deploy()
    if not wait:
        context.console.text(f"Job {namespace}/{job_name} was created")
        return Exit.OK
    found = made.follow(context.console.note)
    results.keep(phase, found, now)
    context.console.note(f"the result is in ConfigMap {namespace}/{results.name}")
    return _tell(context, found, as_json=False)


@agent.command()
@which_agent(READS_ONLY)
@click.pass_obj
def logs(context: Context, kubeconfig: Path | None, context_name: str | None, namespace: str, job_name: str) -> None:
    """Print the log of its pod."""
    made = _agent(context, kubeconfig, context_name, namespace, job_name)
    context.console.text(made.get_pod_logs().rstrip())


@agent.command()
@which_agent(READS_ONLY)
@click.option(
    "--expected-tests", type=click.IntRange(min=0), default=0, help="How many have to have run.  [default: any number]"
)
@as_json
@click.pass_obj
def result(
    context: Context,
    kubeconfig: Path | None,
    context_name: str | None,
    namespace: str,
    job_name: str,
    expected_tests: int,
    as_json: bool,
) -> Exit:
    """Read the result from its log; exit code 1 unless every test passed."""
    found = _agent(context, kubeconfig, context_name, namespace, job_name, expected_tests)
    return _tell(context, found.get_result(), as_json=as_json)


@agent.command()
@which_agent()
@click.pass_obj
def cleanup(context: Context, kubeconfig: Path | None, context_name: str | None, namespace: str, job_name: str) -> None:
    """Take away its Job and its permissions."""
    _agent(context, kubeconfig, context_name, namespace, job_name, writes=True).cleanup()
    context.console.text(f"Job {namespace}/{job_name} and its permissions were deleted")


def _agent(
    context: Context,
    kubeconfig: Path | None,
    context_name: str | None,
    namespace: str,
    job: str,
    expected: int = 0,
    *,
    writes: bool = False,
) -> Agent:
    config = Config(namespace, job, "", "", "", expected_tests=expected)
    return Agent(connect(context, kubeconfig, context_name, writes=writes).cluster, config)


def _tell(context: Context, found: AgentResult, *, as_json: bool) -> Exit:
    if as_json:
        context.data(asdict(found))
    else:
        rows = [(test.name, test.status, f"{test.seconds:.1f}") for test in found.tests]
        if rows:
            context.console.table(("test", "status", "seconds"), rows)
        context.console.text(f"{found.verdict}: {found.message}" + (f"; {found.why}" if found.why else ""))
    return Exit.OK if found.verdict == PASS else Exit.FAILURE
