"""Functions that ask a cluster or the environment, through what the caller bound to $client and $config."""

from typing import Any

from harness.assertions.errors import EvaluationFailed
from harness.assertions.expressions.context import Cluster
from harness.assertions.expressions.functions.signature import Call, Table

TABLE = Table()
function = TABLE.function


def _cluster(call: Call, value: Any, binding: str = "$client") -> Cluster:
    if not isinstance(value, Cluster):
        raise call.refuse(f"the first argument must be {binding}")
    return value


@function("env", "string", pure=False)
def env(call: Call, name: str) -> str:
    return call.scope.context.environment.get(name, "")


@function("x_k8s_get", "any", "string", "string", "string", "string", pure=False)
def get(call: Call, client: Any, api_version: str, kind: str, namespace: str, name: str) -> Any:
    found = _cluster(call, client).get(api_version, kind, namespace, name)
    if found is None:
        raise EvaluationFailed(f"{kind} {namespace}/{name} not found" if namespace else f"{kind} {name} not found")
    return found


@function("x_k8s_exists", "any", "string", "string", "string", "string", pure=False)
def exists(call: Call, client: Any, api_version: str, kind: str, namespace: str, name: str) -> bool:
    return _cluster(call, client).get(api_version, kind, namespace, name) is not None


@function("x_k8s_list", "any", "string", "string", "?string", pure=False)
def listed(call: Call, client: Any, api_version: str, kind: str, namespace: str = "") -> dict[str, Any]:
    found = list(_cluster(call, client).list(api_version, kind, namespace))
    call.reserve(len(found))
    return {"apiVersion": api_version, "kind": f"{kind.removesuffix('List')}List", "items": found}


@function("x_k8s_resource_exists", "any", "string", "string", pure=False)
def resource_exists(call: Call, client: Any, api_version: str, kind: str) -> bool:
    return _cluster(call, client).serves(api_version, kind)


@function("x_k8s_server_version", "any", pure=False)
def server_version(call: Call, config: Any) -> Any:
    return _cluster(call, config, "$config").version()
