"""`up`, `down`, `status`, `nodes`: the simulated cluster by itself."""

import click

from harness.cli.context import Context, as_json, recipe_names
from harness.cluster.api import Cluster
from harness.cluster.ownership import require_ours
from harness.deadline import Deadline
from harness.errors import ClusterError, UsageError, coming_up
from harness.isolation.marks import Mark, Marks
from harness.isolation.nodes import apply_nodes, delete_nodes
from harness.names import GPU_RESOURCE, NODE_TYPE_LABEL
from harness.objects import NODES, Object
from harness.recipes.model import Criteria
from harness.recipes.resolve import resolve
from harness.runtime import RunningCluster, Runtime

name_argument = click.argument("name", required=False)


@click.command()
@name_argument
@click.option("--recipe", shell_complete=recipe_names, help="Choose the nodes' profile by this recipe's criteria.")
@as_json
@click.pass_obj
def up(context: Context, name: str | None, recipe: str | None, as_json: bool) -> None:
    """Bring the cluster NAME (the setting `cluster` by default) up, with its nodes. One that is up stays as it is."""
    nodes = context.nodes(_criteria(context, recipe))
    with context.console as console, context.toolbox as tools:
        context.settle_runtime(console)
        tools.prepare(context.runtime.tools)
        with coming_up():
            running = context.runtime.up(name or context.settings.cluster, console)
            _apply(context, running, nodes)
    if as_json:
        context.data(_document(running))
        return
    context.console.text(f"{running.name} is up: export KUBECONFIG={running.kubeconfig}")


@click.command()
@name_argument
@click.option("--all", "everything", is_flag=True, help="Take down every cluster of this user's harness.")
@click.pass_obj
def down(context: Context, name: str | None, everything: bool) -> None:
    """Delete the cluster NAME (the setting `cluster` by default), with its processes and files."""
    for platform in context.platforms:
        there = platform.runtime.names()
        for each in there if everything else [name or context.settings.cluster]:
            platform.runtime.down(each)
            Marks(platform.state).remove(each)
            context.console.text(f"{each} is {'down' if each in there else 'not up'} ({platform.runtime.name})")


@click.command()
@as_json
@click.pass_obj
def status(context: Context, as_json: bool) -> None:
    """Show the clusters, whether they run, who uses them, and their nodes by type."""
    rows = [
        _row(platform.runtime, name, Marks(platform.state).read(name))
        for platform in context.platforms
        for name in platform.runtime.names()
    ]
    if as_json:
        context.data(rows)
    elif not rows:
        context.console.text("no cluster is running; `kwok-harness up` creates one")
    else:
        context.console.table(tuple(rows[0]), [tuple(str(value) for value in row.values()) for row in rows])


@click.command()
@click.argument("recipe", required=False, shell_complete=recipe_names)
@click.option("--delete", is_flag=True, help="Remove the simulated nodes instead.")
@click.pass_obj
def nodes(context: Context, recipe: str | None, delete: bool) -> None:
    """Create the nodes for RECIPE's criteria in the running cluster, or delete its nodes."""
    if recipe is None and not delete:
        raise UsageError("RECIPE is missing", do="kwok-harness recipes list shows them")
    with context.console, coming_up():
        running = context.runtime.get(context.settings.cluster)
        if running is None:
            raise ClusterError(f"cluster {context.settings.cluster} is not up", do="kwok-harness up")
        if delete:
            cluster = Cluster(running.kubeconfig, context=running.context)
            require_ours(cluster, running)
            delete_nodes(cluster)
            context.console.text("the simulated nodes were deleted")
            return
        _apply(context, running, context.nodes(_criteria(context, recipe)))


def _criteria(context: Context, recipe: str | None) -> Criteria:
    return resolve(context.catalog, recipe).criteria if recipe else Criteria()


def _apply(context: Context, running: RunningCluster, objects: list[Object]) -> None:
    cluster = Cluster(running.kubeconfig, context=running.context)
    require_ours(cluster, running)
    apply_nodes(cluster, objects, Deadline.after(context.settings.deadlines.nodes_ready), context.console)


def _row(runtime: Runtime, name: str, mark: Mark | None) -> dict[str, str]:
    running, use = runtime.get(name), ""
    if mark is not None:
        use = f"{'kept from' if mark.kept else 'left by' if mark.abandoned else 'used by'} {mark.cell}"
    return {
        "name": name,
        "runtime": runtime.name,
        "state": "up" if running else "stale",
        "use": use,
        **(_look(running) if running else {"server": "", "nodes": "", "gpus": ""}),
        "kubeconfig": str(running.kubeconfig) if running else "",
    }


def _look(running: RunningCluster) -> dict[str, str]:
    """The nodes of a cluster, by type; a server that does not answer is said so."""
    try:
        found = Cluster(running.kubeconfig, context=running.context).list(NODES, timeout=3.0, attempts=1).items
    except ClusterError as error:
        return {"server": f"{running.server} does not answer: {error.what}", "nodes": "", "gpus": ""}
    by_type: dict[str, int] = {}
    gpus = 0
    for node in found:
        kind = node["metadata"].get("labels", {}).get(NODE_TYPE_LABEL, "other")
        by_type[kind] = by_type.get(kind, 0) + 1
        gpus += int(node.get("status", {}).get("allocatable", {}).get(GPU_RESOURCE, 0))
    nodes = ", ".join(f"{count} {kind}" for kind, count in sorted(by_type.items()))
    return {"server": running.server, "nodes": nodes, "gpus": str(gpus)}


def _document(running: RunningCluster) -> dict[str, str]:
    return {
        "name": running.name,
        "kubeconfig": str(running.kubeconfig),
        "context": running.context,
        "server": running.server,
        "runtime": running.runtime,
    }
