"""What a simulated cluster has besides its control plane, on either runtime."""

from pathlib import Path

from harness.cluster.api import Cluster
from harness.objects import PERSISTENT_VOLUMES
from harness.settings import Settings
from kwok import admission, cloud
from kwok.storage import bell


def furnish(cluster: Cluster, settings: Settings, directory: Path) -> None:
    """Have the admission policies and the simulated cloud; what is there stays. `directory` is the cluster's own."""
    cloud.ensure(directory, cluster.kubeconfig)
    admission.admit(cluster, settings)
    cluster.apply(PERSISTENT_VOLUMES, bell())
