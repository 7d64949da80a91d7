"""Which cluster a verb works on: the harness's own, or one that a kubeconfig and a context name.

The same rule for every verb. Without --kubeconfig it is the harness's cluster that is up. A cluster that the harness
did not create needs its --context, so that nobody writes to one by accident; verbs that only read, and say so, may take
the current context of the kubeconfig.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from harness.cli.context import Context
from harness.errors import ClusterError, UsageError
from harness.exits import Exit

if TYPE_CHECKING:
    from harness.cluster.api import Cluster
    from harness.runtime import RunningCluster

_Command = TypeVar("_Command", bound=Callable[..., object])
CONTEXT = "The context in the kubeconfig."
READS_ONLY = "The context in the kubeconfig; its current one if absent, because nothing is written."


@dataclass(frozen=True)
class Connected:
    """`own` is the cluster of the harness that it is, None for one of somebody else."""

    cluster: "Cluster"
    own: "RunningCluster | None"


def which_cluster(context: str = CONTEXT) -> Callable[[_Command], _Command]:
    """The options `kubeconfig` and `context_name` of a verb; `context` is the help of the latter."""

    def decorate(command: _Command) -> _Command:
        file = click.option(
            "--kubeconfig",
            type=click.Path(dir_okay=False, path_type=Path),
            help="A cluster that the harness did not create.  [default: the cluster of the harness that is up]",
        )
        return file(click.option("--context", "context_name", help=context)(command))

    return decorate


def connecting(
    context: Context, kubeconfig: Path | None, name: str | None, *, writes: bool = True
) -> "Callable[[], Cluster]":
    """Connects, once, when a cluster is first needed; what is wrong with the options alone is told at once."""
    _require_sense(kubeconfig, name)

    @cache
    def once() -> "Cluster":
        return connect(context, kubeconfig, name, writes=writes).cluster

    return once


def connect(context: Context, kubeconfig: Path | None, name: str | None, *, writes: bool = True) -> Connected:
    """Raises UsageError for a foreign cluster without its context, ClusterError where no cluster is up.

    `writes` false is for verbs that only read, and whose help says that the current context is taken.
    """
    from harness.cluster.api import Cluster
    from harness.cluster.ownership import require_ours

    _require_sense(kubeconfig, name)
    if kubeconfig is None:
        running = context.runtime.get(context.settings.cluster)
        if running is None:
            error = ClusterError(f"cluster {context.settings.cluster} is not up")
            error.do = "kwok-harness up, or --kubeconfig FILE --context NAME"
            error.exit = Exit.CLUSTER_NOT_READY
            raise error
        cluster = Cluster(running.kubeconfig, context=running.context)
        require_ours(cluster, running)
        return Connected(cluster, running)
    for running in _ours(context):
        if running.kubeconfig.resolve() == kubeconfig.resolve() and name in (None, running.context):
            cluster = Cluster(running.kubeconfig, context=running.context)
            require_ours(cluster, running)
            return Connected(cluster, running)
    if name is None and writes:
        raise UsageError("the context is missing", where=f"--kubeconfig {kubeconfig}", do="add --context NAME")
    return Connected(Cluster(kubeconfig, context=name), None)


def _require_sense(kubeconfig: Path | None, name: str | None) -> None:
    if kubeconfig is None and name is not None:
        raise UsageError("--context without --kubeconfig names no cluster", do="add --kubeconfig FILE")
    if kubeconfig is not None and not kubeconfig.is_file():
        what = "it is not a regular file" if kubeconfig.exists() else "file not found"
        raise UsageError(what, where=f"--kubeconfig {kubeconfig}")


def _ours(context: Context) -> "list[RunningCluster]":
    found = [platform.runtime.get(name) for platform in context.platforms for name in platform.runtime.names()]
    return [running for running in found if running is not None]
