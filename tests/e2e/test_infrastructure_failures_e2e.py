"""What a lane delivers through does not come up, for real: each step has its code, and says what was in its way."""

import contextlib
import functools
import http.server
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.cluster.api import Cluster
from harness.exits import Exit
from harness.installers.manifests import DEFINITIONS, SECRETS
from harness.objects import CONFIGMAPS, Kind
from tests.e2e.charts import Quiet
from tests.e2e.failing import Plane, broken_tool, denied, until

pytestmark = pytest.mark.e2e

Tools = Callable[[str], Path]
SCHEMA = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
LABEL = "argocd.argoproj.io/secret-type"


@pytest.fixture(scope="module")
def plane(tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """One control plane, on which no lane ever gets as far as its story."""
    with Plane.up(tools, tmp_path_factory.mktemp("i")) as made:
        yield made


def definition(group: str, plural: str, kind: str) -> dict[str, Any]:
    return {
        "apiVersion": DEFINITIONS.api_version,
        "kind": DEFINITIONS.kind,
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "names": {"plural": plural, "kind": kind},
            "scope": "Namespaced",
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": SCHEMA}}],
        },
    }


@contextlib.contextmanager
def taken(cluster: Cluster, group: str, plural: str, kind: str) -> Iterator[None]:
    """Another CRD of the group has the name of the kind: that of `plural` is accepted, and never established."""

    def state(name: str) -> str:
        return str((cluster.get(DEFINITIONS, "", f"{name}.{group}") or {}).get("status"))

    def gone(name: str) -> bool:
        cluster.delete(DEFINITIONS, "", f"{name}.{group}")
        return cluster.get(DEFINITIONS, "", f"{name}.{group}") is None

    until(lambda: gone(plural))
    cluster.apply(DEFINITIONS, definition(group, "squatters", kind))
    until(lambda: "NoConflicts" in state("squatters"))
    try:
        yield
    finally:
        until(lambda: gone("squatters"))


@pytest.mark.parametrize(
    ("lane", "group", "plural", "kind", "deadline", "code"),
    [
        ("argocd-oci", "argoproj.io", "applications", "Application", "argocd_crd", Exit.ARGOCD_CRD),
        ("flux-oci", "helm.toolkit.fluxcd.io", "helmreleases", "HelmRelease", "flux_crd", Exit.FLUX_CRD),
    ],
)
def test_a_kind_that_is_never_established(
    plane: Plane, tmp_path: Path, lane: str, group: str, plural: str, kind: str, deadline: str, code: Exit
) -> None:
    """31 and 62, with the conditions of the CRD."""
    with taken(plane.cluster, group, plural, kind):
        outcome = plane.cell("crd", lane, tmp_path, deadlines={deadline: 2.0})
    assert outcome.exit == code, outcome.reason
    assert f"{plural}.{group}: " in outcome.reason
    assert f'NamesAccepted=False ("{kind}" is already in use)' in outcome.reason.replace(f"{kind}List", kind)


@pytest.mark.parametrize(
    ("lane", "kind", "example", "unless", "code"),
    [
        (
            "argocd-oci",
            CONFIGMAPS,
            {"metadata": {"name": "argocd-x"}},
            "!object.metadata.name.startsWith('argocd-')",
            Exit.ARGOCD_INSTALL,
        ),
        (
            "argocd-oci",
            SECRETS,
            {"metadata": {"name": "x", "labels": {LABEL: "repository"}}},
            f"!has(object.metadata.labels) || !('{LABEL}' in object.metadata.labels)",
            Exit.ARGOCD_SECRET,
        ),
        (
            "flux-oci",
            DEFINITIONS,
            definition("x.fluxcd.io", "things", "Thing"),
            "!object.spec.group.endsWith('.fluxcd.io')",
            Exit.FLUX_INSTALL,
        ),
    ],
    ids=["argocd-configuration", "argocd-credentials", "flux-manifests"],
)
def test_what_the_api_server_refuses_has_the_code_of_its_step(
    plane: Plane, tmp_path: Path, lane: str, kind: Kind, example: dict[str, Any], unless: str, code: Exit
) -> None:
    """30, 40 and 60, at once and in the words of the policy that denied it."""
    example = {"apiVersion": kind.api_version, "kind": kind.kind} | example
    if kind.namespaced:
        example["metadata"] = example["metadata"] | {"namespace": "default"}
    with denied(plane.cluster, kind, example, unless, "not on this cluster"):
        outcome = plane.cell("denied", lane, tmp_path)
    assert outcome.exit == code, outcome.reason
    assert "not on this cluster" in outcome.reason
    assert next(phase.seconds for phase in outcome.phases if phase.name == "infrastructure") < 20


@pytest.mark.parametrize(
    ("lane", "tool", "code"),
    [
        ("flux-oci", "registry", Exit.REGISTRY_NOT_READY),
        ("argocd-oci", "redis", Exit.ARGOCD_INSTALL),
        ("flux-oci", "helm-controller", Exit.FLUX_ROLLOUT),
    ],
)
def test_a_program_that_does_not_come_up_is_told_with_its_last_words(
    plane: Plane, tools: Tools, tmp_path: Path, lane: str, tool: str, code: Exit
) -> None:
    """20, 30 and 61, when it ends and not at the deadline."""
    broken = broken_tool(tools(tool), tmp_path / "broken", "echo the flux capacitor is empty; exit 3")
    outcome = plane.cell("program", lane, tmp_path, tools=lambda name: broken if name == tool else tools(name))
    assert outcome.exit == code, outcome.reason
    assert "ended with status 3" in outcome.reason
    assert "the flux capacitor is empty" in outcome.reason


@pytest.fixture
def stranger(plane: Plane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Somebody answers at the registry's port of the other `localhost`, which most machines have."""

    class Server(http.server.ThreadingHTTPServer):
        address_family = socket.AF_INET6

    try:
        server = Server(("::1", plane.settings.ports.registry), functools.partial(Quiet, directory=str(tmp_path)))
    except OSError as error:
        pytest.skip(f"there is no ::1 on this machine: {error}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    ask = socket.getaddrinfo

    def both(host: Any, port: Any, *how: Any, **more: Any) -> list[Any]:
        found = ask(host, port, *how, **more)
        return [*ask("::1", port, *how, **more), *found] if host == "localhost" else found

    monkeypatch.setattr(socket, "getaddrinfo", both)
    yield
    server.shutdown()
    server.server_close()


@pytest.mark.usefixtures("stranger")
def test_a_localhost_that_leads_elsewhere(plane: Plane, tmp_path: Path) -> None:
    """21: the registry runs, and clients that try ::1 first would find another."""
    outcome = plane.cell("elsewhere", "flux-oci", tmp_path)
    assert outcome.exit == Exit.REGISTRY_UNREACHABLE, outcome.reason
    assert "localhost leads to ::1, where something else answers" in outcome.reason
