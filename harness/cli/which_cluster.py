"""Which cluster a validation is about: the harness's own that is up, or one of a kubeconfig."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TypeVar

import click

from harness.cli.context import Context
from harness.cluster.api import Cluster
from harness.errors import ClusterError, coming_up
from harness.names import PROGRAM

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


def own_version() -> str:
    """The version of the harness, for documents that name their producer."""
    from importlib.metadata import version

    return version(PROGRAM)
