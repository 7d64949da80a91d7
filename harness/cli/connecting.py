"""Which cluster a verb works on: the harness's own, or one that a kubeconfig and a context name."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.context import Context
from harness.errors import ClusterError, UsageError
from harness.exits import Exit

if TYPE_CHECKING:
    from harness.cluster.api import Cluster
    from harness.runtime import RunningCluster


@dataclass(frozen=True)
class Connected:
    """`own` is the cluster of the harness that it is, None for one of somebody else."""

    cluster: "Cluster"
    own: "RunningCluster | None"


kubeconfig_option = click.option(
    "--kubeconfig",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A cluster that the harness did not make; its --context must be named.",
)
context_option = click.option("--context", "context_name", help="The context in the kubeconfig.")


def connect(context: Context, kubeconfig: Path | None, name: str | None) -> Connected:
    """Raises UsageError for a foreign cluster without its context, ClusterError where no cluster is up."""
    from harness.cluster.api import Cluster
    from harness.cluster.ownership import require_ours

    if kubeconfig is None:
        if name is not None:
            raise UsageError("--context without --kubeconfig names no cluster", do="add --kubeconfig FILE")
        running = context.runtime.get(context.settings.cluster)
        if running is None:
            error = ClusterError(f"cluster {context.settings.cluster} is not up")
            error.do = "kwok-harness up, or --kubeconfig FILE --context NAME"
            error.exit = Exit.CLUSTER_NOT_READY
            raise error
        cluster = Cluster(running.kubeconfig, context=running.context)
        require_ours(cluster, running)
        return Connected(cluster, running)
    if not kubeconfig.is_file():
        raise UsageError("file not found", where=f"--kubeconfig {kubeconfig}")
    for running in _ours(context):
        if running.kubeconfig.resolve() == kubeconfig.resolve() and name in (None, running.context):
            cluster = Cluster(running.kubeconfig, context=running.context)
            require_ours(cluster, running)
            return Connected(cluster, running)
    if name is None:
        raise UsageError("the context is missing", where=f"--kubeconfig {kubeconfig}", do="add --context NAME")
    return Connected(Cluster(kubeconfig, context=name), None)


def _ours(context: Context) -> "list[RunningCluster]":
    found = [platform.runtime.get(name) for platform in context.platforms for name in platform.runtime.names()]
    return [running for running in found if running is not None]
