"""What a check gets: the cluster, the recipe, the snapshot, and how to say what it saw."""

import json
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn, Self

from harness.assertions.go import duration
from harness.cluster.api import ApiError, Cluster
from harness.deadline import Deadline
from harness.errors import HarnessError
from harness.objects import NODES, Kind, Object
from harness.validation.capture import simulated_node
from harness.validation.checks.placement import node_selector
from harness.validation.declared import Declared
from harness.validation.measurements import Snapshot
from harness.validators import CheckFailed, Skipped

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
DEFAULT_TIMEOUT = 55 * 60.0  # seconds, where AICR_CHECK_TIMEOUT says nothing that can be used


@dataclass
class Context:
    """One check under way. `say` writes a line of evidence, `warn` one of the log.

    `unjudged` are the parts that this cluster cannot show: a check with such a part has not passed.
    """

    cluster: Cluster
    declared: Declared
    snapshot: Snapshot | None
    namespace: str
    phase: str
    deadline: Deadline
    say: Callable[[str], None]
    warn: Callable[[str], None]
    run_id: str = ""
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[Mapping[str, str], ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    unjudged: list[str] = field(default_factory=list)

    @classmethod
    def load(
        cls, environment: Mapping[str, str], phase: str, say: Callable[[str], None], warn: Callable[[str], None]
    ) -> Self:
        """From the variables of the contract. Raises HarnessError for inputs that cannot be read."""
        recipe = Path(environment.get("AICR_RECIPE_PATH", "/data/recipe/recipe.yaml"))
        snapshot = Path(environment.get("AICR_SNAPSHOT_PATH", "/data/snapshot/snapshot.yaml"))
        return cls(
            cluster=_cluster(environment),
            declared=Declared.of_file(recipe),
            snapshot=Snapshot.parse(snapshot.read_text(encoding="utf-8"), snapshot) if snapshot.is_file() else None,
            namespace=_namespace(environment),
            phase=phase,
            deadline=Deadline.after(seconds(environment.get("AICR_CHECK_TIMEOUT", ""), warn)),
            say=say,
            warn=warn,
            run_id=environment.get("AICR_RUN_ID", ""),
            node_selector=selector(environment.get("AICR_NODE_SELECTOR", "")),
            tolerations=tolerations(environment.get("AICR_TOLERATIONS", "")),
            environment=environment,
        )

    @cached_property
    def nodes(self) -> list[dict[str, Any]]:
        return self.cluster.list(NODES).items

    @cached_property
    def real_nodes(self) -> list[dict[str, Any]]:
        """Those on which workloads run. The real node of a Kind cluster of the harness is none beside simulated ones:
        workloads go to those.
        """
        real = [node for node in self.nodes if not simulated_node(node)]
        return [] if len(real) < len(self.nodes) and node_selector(self.nodes) else real

    def constraint(self, name: str) -> str:
        """The value of a constraint of the phase, by its exact name; empty where there is none."""
        block = self.declared.phases.get(self.phase)
        return next((each.value for each in block.constraints if each.name == name), "") if block else ""

    def skip(self, reason: str) -> NoReturn:
        raise Skipped(reason)

    def fail(self, reason: str) -> NoReturn:
        raise CheckFailed(reason)

    def absent(self, what: str, component: str) -> NoReturn:
        """Something is not there: a failure where the recipe deploys the component that brings it, else a skip."""
        if self.declared.deploys(component):
            raise CheckFailed(f"{what}, although the recipe deploys {component}")
        raise Skipped(f"{what}, and the recipe does not deploy {component}")

    @property
    def not_judged(self) -> str:
        """Why a check that has come to its end has not passed all the same; empty where it has."""
        if not self.unjudged:
            return ""
        where = "not judged here" if self.real_nodes else "needs a real node"
        return f"everything that was checked is correct; {where}: {'; '.join(self.unjudged)}"

    def needs_real_node(self, part: str) -> None:
        """Note a part that only a node that runs something can show."""
        self.unjudged.append(part)

    def not_seen(self, part: str) -> None:
        """Note a part that could not be judged, though the nodes are real; it says why."""
        self.unjudged.append(part)

    def extra(self, **data: Any) -> None:
        """Data for programs that read the report."""
        self.say(f"##AICR-EXTRA## {json.dumps(data, sort_keys=True)}")

    def timeout(self, seconds: float) -> Deadline:
        """A deadline within the check's own."""
        return self.deadline.within(seconds)

    def list(self, kind: Kind, namespace: str = "", labels: str = "") -> list[dict[str, Any]]:
        """Objects of a kind; none where the API server does not serve it."""
        try:
            return self.cluster.list(kind, namespace=namespace, label_selector=labels).items
        except ApiError as error:
            if error.status == 404:
                return []
            raise

    def serves(self, *kinds: Kind) -> bool:
        """Whether the API server serves all of these kinds."""
        served = {(kind.group, kind.plural) for kind in self.cluster.resources().kinds}
        return {(kind.group, kind.plural) for kind in kinds} <= served


def seconds(text: str, warn: Callable[[str], None]) -> float:
    """A timeout as Go writes it; what is malformed, zero or negative means 55 minutes, with a warning."""
    try:
        found = duration.parse(text) / 1e9
    except ValueError:
        found = 0.0
    if found > 0:
        return found
    warn(f"AICR_CHECK_TIMEOUT is {text!r}: {DEFAULT_TIMEOUT / 60:g} minutes are taken")
    return DEFAULT_TIMEOUT


def selector(text: str) -> dict[str, str]:
    """`k=v,k=v`."""
    pairs = (part.partition("=") for part in text.split(",") if part)
    return {key: value for key, _, value in pairs}


def tolerations(text: str) -> tuple[Mapping[str, str], ...]:
    """`k=v:Effect`, `k:Effect` or `*`, comma-separated, as pod specs spell them."""
    found: list[Mapping[str, str]] = []
    for part in filter(None, text.split(",")):
        if part == "*":
            found.append({"operator": "Exists"})
            continue
        key, _, effect = part.partition(":")
        name, equals, value = key.partition("=")
        toleration = {"key": name, "operator": "Equal" if equals else "Exists", "value": value, "effect": effect}
        found.append({field: text for field, text in toleration.items() if text})
    return tuple(found)


def named(items: Iterable[Object]) -> str:
    """namespace/name of objects, for a sentence."""
    return ", ".join("/".join(filter(None, (i["metadata"].get("namespace"), i["metadata"]["name"]))) for i in items)


def _cluster(environment: Mapping[str, str]) -> Cluster:
    if file := environment.get("KUBECONFIG"):
        return Cluster(Path(file))
    return Cluster(in_pod(environment))


def in_pod(environment: Mapping[str, str], account: Path = ACCOUNT) -> Path:
    """A kubeconfig of the pod's own ServiceAccount. Raises HarnessError outside of a pod."""
    host, port = environment.get("KUBERNETES_SERVICE_HOST"), environment.get("KUBERNETES_SERVICE_PORT")
    if not host or not (account / "token").is_file():
        raise HarnessError("neither KUBECONFIG nor the ServiceAccount of a pod was found")
    server = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "pod",
        "clusters": [{"name": "pod", "cluster": {"server": server, "certificate-authority": str(account / "ca.crt")}}],
        "contexts": [{"name": "pod", "context": {"cluster": "pod", "user": "pod"}}],
        "users": [{"name": "pod", "user": {"tokenFile": str(account / "token")}}],
    }
    handle, name = tempfile.mkstemp(suffix=".kubeconfig")
    with os.fdopen(handle, "w") as file:
        json.dump(document, file)
    return Path(name)


def _namespace(environment: Mapping[str, str]) -> str:
    """Of the ServiceAccount, else what the environment says, else `default`."""
    try:
        return (ACCOUNT / "namespace").read_text().strip()
    except OSError:
        return environment.get("AICR_NAMESPACE") or "default"
