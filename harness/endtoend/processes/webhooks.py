"""Webhooks that a process of the suite serves: the API server is led to its port, since Services lead nowhere here.

What names the Service of a process in its clientConfig gets the address of the process and the certificate of our
authority instead. Any other webhook stays as it is, and is refused by the rules of the cluster at once.
"""

import base64
from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

from harness.endtoend.processes.names import ServiceName
from harness.objects import Kind, Object

ADMISSION = tuple(
    Kind("admissionregistration.k8s.io/v1", f"{kind.lower()}s", kind, namespaced=False)
    for kind in ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
)
DEFINITIONS = Kind("apiextensions.k8s.io/v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False)
KINDS = (*ADMISSION, DEFINITIONS)
_PORT = 443  # of a Service that a clientConfig names without a port


def led(obj: Object, ports: Mapping[ServiceName, int], authority: str) -> dict[str, Any]:
    """A copy of the object whose webhooks at these Services lead to these ports of loopback; `authority` is in PEM."""
    found: dict[str, Any] = deepcopy(dict(obj))
    for config in _client_configs(found):
        service = config.get("service") or {}
        name = ServiceName(service.get("name", ""), service.get("namespace", ""), service.get("port") or _PORT)
        if name in ports:
            path = str(service.get("path") or "/")
            config.pop("service")
            config["url"] = f"https://127.0.0.1:{ports[name]}{path if path.startswith('/') else f'/{path}'}"
            config["caBundle"] = base64.b64encode(authority.encode()).decode()
    return found


def _client_configs(obj: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if obj.get("kind") in {kind.kind for kind in ADMISSION}:
        for webhook in obj.get("webhooks") or []:
            yield webhook.get("clientConfig") or {}
    elif obj.get("kind") == DEFINITIONS.kind:
        conversion = (obj.get("spec") or {}).get("conversion") or {}
        yield (conversion.get("webhook") or {}).get("clientConfig") or {}
