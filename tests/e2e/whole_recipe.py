"""The sample recipe eks-training under a lane with controllers, from the command to what is left of it."""

import json
import re

from tests.e2e.machine import Machine


def passes(machine: Machine, lane: str, *, digest: str, phases: set[str]) -> str:
    """The story of a green cell that leaves nothing. `digest` is a pattern, `phases` are some that it has to have."""
    done = machine.run("run", "eks-training", "--deployer", lane, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    outcome = json.loads(done.stdout)
    assert "54 pods of 20 workloads are where they belong, on 6 nodes" in outcome["reason"]
    assert re.fullmatch(digest, outcome["facts"]["digest"])
    assert {phase["name"] for phase in outcome["phases"]} >= phases
    assert machine.processes() == []
    assert machine.clusters() == []
    components = outcome["facts"]["components"]
    assert len(components) == 13
    assert all(0 < each["applied"] <= each["ready"] < outcome["seconds"] for each in components)
    explained = machine.run("explain", outcome["runId"])
    assert explained.returncode == 0, explained.stdout
    assert "all as recorded" in explained.stdout
    return explained.stdout
