"""The kubeconfig of a process under test: the API server, and the token of a ServiceAccount in the place of our own
credentials.
"""

import json
from pathlib import Path

from harness.cluster.api import ApiError, Cluster
from harness.cluster.tokens import token
from harness.endtoend.processes.declared import ServiceAccount
from harness.errors import ClusterError
from harness.replacing import replace

TOKEN_SECONDS = 24 * 3600.0  # beyond any suite, so that no client has to be able to renew it


def write_kubeconfig(cluster: Cluster, account: ServiceAccount, file: Path) -> None:
    """Write the file anew, for its owner alone, with a token of the account. Raises ClusterError."""
    try:
        given = token(cluster, account.namespace, account.name, TOKEN_SECONDS)
    except ApiError as error:
        if error.status != 404:
            raise
        raise ClusterError(
            "not found", where=f"ServiceAccount {account}", do="create it in the set-up, before the process is started"
        ) from error
    replace(file, json.dumps(cluster.kubeconfig_of(given, account.namespace)), mode=0o600)
