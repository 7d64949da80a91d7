"""The namespace of a test: which one it is, made where it is not there, deleted by whoever made it."""

import random
import string
from collections.abc import Mapping
from typing import Any

from harness.cluster.api import ApiError
from harness.deadline import Deadline
from harness.errors import ClusterError
from harness.gates.combining import there
from harness.objects import NAMESPACES, SERVICE_ACCOUNTS
from harness.suites.merging import merged
from harness.suites.model import Suite, Test
from harness.suites.running.clients import Client
from harness.suites.running.failures import OperationFailed
from harness.suites.running.scope import Scope
from harness.suites.running.situation import Situation
from harness.waiting.loop import Expired, wait
from harness.waiting.reflector import Narrow

ACCOUNT_SECONDS = 60.0
_ADJECTIVES = (
    "able",
    "bold",
    "brief",
    "calm",
    "clear",
    "deep",
    "fair",
    "firm",
    "keen",
    "mild",
    "neat",
    "quick",
    "warm",
)
_ANIMALS = ("ant", "bat", "bee", "cod", "crab", "deer", "duck", "eel", "fox", "goat", "hare", "lynx", "mole", "owl")


def generated() -> str:
    """A name such as chainsaw-calm-otter, with a few characters that make it unlikely to be taken."""
    tail = "".join(random.choices(string.ascii_lowercase + string.digits, k=4))
    return f"chainsaw-{random.choice(_ADJECTIVES)}-{random.choice(_ANIMALS)}-{tail}"


def wanted(test: Test, suite: Suite, scope: Scope) -> str:
    """The name that is written, of the test or of all; empty where one is to be generated."""
    return scope.text(test.namespace) or scope.text(suite.namespace)


def document(name: str, template: Any, engine: str, scope: Scope) -> dict[str, Any]:
    """The namespace as it is made: a template is merged into it, and may rename it."""
    base: dict[str, Any] = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    if template is None:
        return base
    over = scope.value(template, seen=base, engine=engine)
    if not isinstance(over, dict):
        raise OperationFailed("the namespace template is not a mapping")
    return merged(base, over)


def made(client: Client, item: Mapping[str, Any], *, timeout: float) -> dict[str, Any] | None:
    """Create it; None where it is there already, also for those who may not create any."""
    try:
        return client.create(NAMESPACES, item, dry_run=False, timeout=timeout)
    except ApiError as error:
        if error.status == 409:
            return None
        if error.status == 403 and client.get(NAMESPACES, "", str(item["metadata"]["name"])) is not None:
            return None
        raise


def require(client: Client, name: str) -> None:
    """Raises OperationFailed where it is not there: an error would hold of nothing. Who may not look is believed."""
    try:
        there_ = client.get(NAMESPACES, "", name)
    except ApiError as error:
        if error.status == 403:
            return
        raise
    if there_ is None:
        raise OperationFailed(f"namespace {name} not found, and it cannot be created on a read-only cluster")


def with_account(client: Client, namespace: str, situation: Situation) -> None:
    """Wait for the default ServiceAccount, without which no pod is admitted. Raises OperationFailed."""
    key = (namespace, "default")
    deadline: Deadline = situation.within(ACCOUNT_SECONDS)
    try:
        wait(
            client.cluster,
            [SERVICE_ACCOUNTS],
            there(SERVICE_ACCOUNTS, key),
            deadline,
            cancelled=situation.cancelled,
            narrow={SERVICE_ACCOUNTS: Narrow(namespace, "default")},
        )
    except (Expired, ClusterError) as error:
        raise OperationFailed(f"namespace {namespace} has no ServiceAccount default: {error.what}") from error
