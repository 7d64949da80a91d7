"""`snapshot`: what a cluster is."""

from datetime import UTC, datetime
from pathlib import Path

import click

from harness.cli.connecting import connecting, which_cluster
from harness.cli.context import Context
from harness.cluster.api import Cluster
from harness.formats.go_yaml import dump
from harness.names import own_version
from harness.objects import NODES
from harness.validation import sources
from harness.validation.capture import capture
from harness.validation.machine import measure, node_of
from harness.validation.measurements import Snapshot


@click.command()
@click.option("--output", metavar="FILE|cm://NAMESPACE/NAME", help="The destination.  [default: stdout]")
@which_cluster("The context in the kubeconfig; its current one if absent, unless --output writes to the cluster.")
@click.option(
    "--machine/--no-machine",
    default=None,
    help="Whether OS and SystemD of this machine belong to it.  [default: where it is a node of the cluster]",
)
@click.pass_obj
def snapshot(
    context: Context, output: str | None, kubeconfig: Path | None, context_name: str | None, machine: bool | None
) -> None:
    """Write a snapshot of a cluster from its API server, on which constraints are evaluated."""
    writes = output is not None and output.startswith(sources.SCHEME)
    connect = connecting(context, kubeconfig, context_name, writes=writes)
    if output and writes:
        sources.configmap_at(output)
    taken = _with_machine(context, capture(connect(), now=datetime.now(UTC), version=own_version()), connect(), machine)
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
            why = "this machine is not a node of the cluster (--machine includes them anyway)"
            context.console.note(f"OS and SystemD are left out: {why}")
        return taken
    metadata = {**taken.metadata, "machine": name or "not a node of the cluster"}
    return Snapshot({**taken.measurements, **measure()}, metadata)
