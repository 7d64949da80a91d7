"""From a document and its scope to the gate that judges it."""

import random
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from harness.assertions.expressions.context import Cluster
from harness.gates.assertions import Asserted
from harness.suites.running.clients import Client
from harness.suites.running.scope import Scope


def asserted(
    document: Mapping[str, Any],
    scope: Scope,
    client: Client | None,
    *,
    namespace: str,
    wanted: bool,
    strict_vacuous: bool = False,
    every: bool = False,
    staying: bool = False,
) -> Asserted:
    """`namespace` is where objects are looked for if the document does not say."""
    bindings = {name: value for name, value in scope.bindings.items() if not isinstance(value, Cluster)}
    return Asserted(
        document,
        wanted,
        None,
        namespace,
        bindings=bindings,
        environment=scope.environment,
        engine=scope.engine,
        template=scope.template,
        now=datetime.now(UTC).isoformat(),
        seed=random.randrange(1 << 32),
        version=client.version() if client is not None and "x_k8s_server_version" in str(document) else {},
        clustered=client is not None,
        strict=scope.strict,
        strict_vacuous=strict_vacuous,
        every=every,
        staying=staying,
    )
