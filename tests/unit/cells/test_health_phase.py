"""Health checks as a phase of a cell, and the job's own deadline."""

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from harness.cells.budget import Budget
from harness.cells.health import judge_health
from harness.cells.run import Run
from harness.cluster.api import Cluster
from harness.errors import SyncDeadline
from harness.objects import DEPLOYMENTS, NODES
from harness.progress import Silent
from harness.results.journal import Journal
from harness.settings import load
from harness.validation.health import Unhealthy
from harness.validation.health_checks import HealthCheck, Operation
from tests.fakes.api import FakeApi
from tests.fakes.suite_runs import serve

DEPLOYMENT = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "namespace": "n"}}
CHECK = HealthCheck("c", "c-check", (Operation("s", True, {**DEPLOYMENT, "status": {"readyReplicas": 1}}, "c.yaml:1"),))


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with FakeApi() as fake:
        serve(fake, DEPLOYMENTS)
        fake.put(NODES, {}, name="real")
        yield fake


def run_on(api: FakeApi, directory: Path, budget: Budget) -> Run:
    """As much of a run as the phase asks for."""
    recorder = SimpleNamespace(wait=lambda kinds, gate, within: nullcontext(lambda judged: None))
    services = SimpleNamespace(died=None, check=lambda: None)
    facts: dict[str, Any] = {}
    given = {
        "settings": load(environment={}, overrides={"deadlines.health": "1s"}),
        "journal": Journal(Silent()),
        "facts": facts,
        "budget": budget,
    }
    cluster = Cluster(api.kubeconfig(directory))
    return cast(Run, SimpleNamespace(cluster=cluster, recorder=recorder, services=services, **given))


def test_the_jobs_deadline_ends_a_check_and_is_told(api: FakeApi, tmp_path: Path) -> None:
    """What the job left no time for says nothing of the component: it is 50, and not a failed check."""
    api.put(DEPLOYMENTS, {"status": {"readyReplicas": 0}}, namespace="n", name="d")
    run = run_on(api, tmp_path, Budget(1000.0 + 1e-9, clock=lambda: 1000.0))
    with pytest.raises(SyncDeadline, match="health check failed"):
        judge_health(run, [CHECK])
    assert [each["status"] for each in run.facts["health"]] == ["failed"]


def test_a_check_that_fails_in_time_is_unhealthy(api: FakeApi, tmp_path: Path) -> None:
    """A wrong type ends it at once, whatever time there is."""
    api.put(DEPLOYMENTS, {"status": {"readyReplicas": "one"}}, namespace="n", name="d")
    with pytest.raises(Unhealthy):
        judge_health(run_on(api, tmp_path, Budget()), [CHECK])


def test_a_check_that_holds_is_a_phase(api: FakeApi, tmp_path: Path) -> None:
    """With how many there are of each kind."""
    api.put(DEPLOYMENTS, {"status": {"readyReplicas": 1}}, namespace="n", name="d")
    run = run_on(api, tmp_path, Budget())
    judge_health(run, [CHECK])
    assert [(phase.name, phase.detail) for phase in run.journal.phases] == [("health", "1 passed")]
