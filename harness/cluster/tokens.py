"""Tokens of ServiceAccounts, for programs outside of pods: a permission that is missing fails as it would in a pod."""

from harness.cluster.api import Cluster, address
from harness.objects import SERVICE_ACCOUNTS

_SHORTEST = 600  # seconds: an API server gives no shorter ones


def token(cluster: Cluster, namespace: str, account: str, seconds: float) -> str:
    """A token of the ServiceAccount, valid for about so many seconds and at least ten minutes.

    Raises ClusterError, an ApiError 404 where there is no such account.
    """
    path = f"{address(SERVICE_ACCOUNTS, namespace, account)}/token"
    spec = {"expirationSeconds": max(_SHORTEST, int(seconds))}
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    return str(cluster.request("POST", path, body=body)["status"]["token"])
