"""A Kind cluster as installers see it."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from harness.cluster.api import Cluster
from harness.installers.installer import KindSite
from harness.progress import Silent
from harness.settings import Settings
from kwok.kind.runtime import KindRuntime

REGISTRY_PORT = "5530"  # of the tests' own
OVERRIDES = {"ports.registry": REGISTRY_PORT, "deadlines.cluster_ready": "5m", "deadlines.unschedulable": "4s"}


def site_of(runtime: KindRuntime, settings: Settings, tools: Callable[[str], Path]) -> KindSite:
    """A cluster with nothing in it yet, brought up."""
    begun = time.monotonic()
    running = runtime.up("in-cluster", Silent())
    print(f"cluster up after {time.monotonic() - begun:.1f} s")
    cluster = Cluster(running.kubeconfig, context=running.context)

    def images(names: Sequence[str]) -> Mapping[str, str]:
        return runtime.load(running, names, Silent())

    return KindSite(settings, tools, running, cluster, images, lambda: runtime.until_stopped(running), Silent())
