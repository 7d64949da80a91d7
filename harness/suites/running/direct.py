"""A cluster as expressions outside of asserts see it ($client, $config): read when they ask."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from harness.assertions.errors import EvaluationFailed
from harness.errors import ClusterError
from harness.suites.running.clients import Client, KindUnknown


class Direct:
    """Answers the functions x_k8s_* from the API server."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def get(self, api_version: str, kind: str, namespace: str, name: str) -> Mapping[str, Any] | None:
        with _evaluated():
            return self._client.get(self._client.kind(api_version, kind), namespace, name)

    def list(self, api_version: str, kind: str, namespace: str) -> Sequence[Mapping[str, Any]]:
        with _evaluated():
            found = self._client.find(api_version, kind) or self._client.kind(api_version, kind.removesuffix("List"))
            return self._client.cluster.list(found, namespace=namespace).items

    def serves(self, api_version: str, kind: str) -> bool:
        with _evaluated():
            return self._client.find(api_version, kind) is not None

    def version(self) -> Mapping[str, Any]:
        with _evaluated():
            return self._client.version()


@contextmanager
def _evaluated() -> Iterator[None]:
    try:
        yield
    except (ClusterError, KindUnknown) as error:
        raise EvaluationFailed(error.what) from error
