"""`snapshot` and `validate`: what a cluster is, and whether it is what a recipe asks for."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TypeVar

import click

from harness.cli.context import Context
from harness.cluster.api import Cluster
from harness.errors import ClusterError, coming_up
from harness.formats.go_yaml import dump
from harness.names import PROGRAM
from harness.objects import NODES
from harness.validation import sources
from harness.validation.capture import capture
from harness.validation.machine import measure, node_of
from harness.validation.measurements import Snapshot

_Command = TypeVar("_Command", bound=Callable[..., object])


def which_cluster(command: _Command) -> _Command:
    """The options that name a cluster; without them it is the harness's own that is up."""
    file = click.option(
        "--kubeconfig",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="The cluster: a kubeconfig file.  [default: the cluster of the harness that is up]",
    )
    name = click.option(
        "--context", "cluster_context", help="The context of the kubeconfig; its current one if absent."
    )
    return file(name(command))


def connecting(context: Context, kubeconfig: Path | None, cluster_context: str | None) -> Callable[[], Cluster]:
    """Connects, once, when a cluster is first needed. Raises ClusterError where none is up and none was named."""

    @cache
    def connect() -> Cluster:
        if kubeconfig is not None:
            return Cluster(kubeconfig, context=cluster_context)
        running = context.runtime.get(context.settings.cluster)
        if running is None:
            do = f"{PROGRAM} up, or name a cluster with --kubeconfig"
            with coming_up():
                raise ClusterError(f"cluster {context.settings.cluster} is not up", do=do)
        return Cluster(running.kubeconfig, context=cluster_context or running.context)

    return connect


@click.command()
@click.option("--output", metavar="FILE|cm://NAMESPACE/NAME", help="Where it goes.  [default: stdout]")
@which_cluster
@click.option(
    "--machine/--no-machine",
    default=None,
    help="Whether OS and SystemD of this machine belong to it.  [default: where it is a node of the cluster]",
)
@click.pass_obj
def snapshot(
    context: Context, output: str | None, kubeconfig: Path | None, cluster_context: str | None, machine: bool | None
) -> None:
    """Write what a cluster's API server tells of it: the snapshot that constraints are evaluated on."""
    connect = connecting(context, kubeconfig, cluster_context)
    if output and output.startswith(sources.SCHEME):
        sources.configmap_at(output)
    taken = _with_machine(context, capture(connect(), now=datetime.now(UTC), version=_version()), connect(), machine)
    if taken.simulated:
        context.console.note(f"this is a snapshot of a simulated cluster: {taken.simulated}")
    if output is None:
        context.console.text(dump(taken.document()).decode().rstrip())
        return
    sources.write(taken, output, connect)
    context.console.note(f"snapshot of {connect().server}: {output}")


def _with_machine(context: Context, taken: Snapshot, cluster: Cluster, wanted: bool | None) -> Snapshot:
    """The snapshot with what this machine tells of itself, where it belongs there; said where it does not."""
    name = node_of(cluster.list(NODES).items)
    if wanted is False or (wanted is None and not name):
        if wanted is None:
            why = "this machine is no node of the cluster (--machine takes them all the same)"
            context.console.note(f"OS and SystemD are left out: {why}")
        return taken
    metadata = {**taken.metadata, "machine": name or "not a node of the cluster"}
    return Snapshot({**taken.measurements, **measure()}, metadata)


def _version() -> str:
    from importlib.metadata import version

    return version(PROGRAM)
