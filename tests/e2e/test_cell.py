"""A recipe under the helm lane on a real control plane, as a user runs it: through the command, in its own process."""

import json
import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from harness.exits import Exit
from harness.processes import commands
from tests.e2e.machine import LIMIT, Machine, wait_for

pytestmark = pytest.mark.e2e


def test_a_recipe_passes_and_leaves_nothing(machine: Machine) -> None:
    """Exit code 0, every workload on its nodes, and afterwards no process, no cluster, no evidence."""
    done = machine.run("run", "eks-training", "--deployer", "helm", "--json")
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    assert outcome["passed"]
    assert "pods of 20 workloads are where they belong, on 6 nodes" in outcome["reason"]
    assert {phase["name"] for phase in outcome["phases"]} >= {"cluster", "bundle", "render", "install", "verify"}
    assert any("cert-manager-webhook" in note for note in outcome["notes"])
    assert machine.processes() == []
    assert machine.clusters() == []
    assert [each.name for each in machine.artifacts.iterdir()] == [Path(outcome["facts"]["recording"]).parent.name]
    assert all(0 < each["applied"] <= each["ready"] for each in outcome["facts"]["components"])
    explained = machine.run("explain", outcome["runId"])
    assert explained.returncode == 0, explained.stdout + explained.stderr
    assert "all as recorded" in explained.stdout
    assert machine.run("explain").stdout == explained.stdout


@pytest.mark.parametrize("recipe", ["gb200-eks-training", "h100-aks-training", "h100-eks-ubuntu-training-kubeflow"])
def test_recipes_of_other_services_and_accelerators_pass(machine: Machine, recipe: str) -> None:
    """The nodes come from the recipe's own profile: arm64 GB200 nodes, AKS nodes, and a platform mixin."""
    done = machine.run("run", recipe)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"PASSED {recipe} under helm" in done.stdout


def test_a_pod_that_fits_nowhere_is_explained(machine: Machine) -> None:
    """Exit code 1 long before the deadline, with the nodes that were close and what was missing, and evidence."""
    done = machine.run("run", "eks-training", "--set", "gpu-operator:operator.resources.requests.cpu=1000")
    assert done.returncode == 1
    assert "FAILED eks-training under helm: Deployment gpu-operator/gpu-operator" in done.stdout
    assert "needs cpu 1000, has 16" in done.stdout
    assert "lacks label aicr.nvidia.com/node-type=system" in done.stdout
    evidence = machine.evidence()
    cluster = json.loads((evidence / "run.json").read_text())["cluster"]
    expected = {f"{cluster}-{name}.txt" for name in ("resources", "nodes", "events", "pods", "unscheduled")}
    assert expected | {"run.json", "summary.txt", "recipe.yaml"} <= {each.name for each in evidence.iterdir()}
    assert "gpu-operator" in (evidence / f"{cluster}-pods.txt").read_text()
    assert "FailedScheduling" in (evidence / f"{cluster}-unscheduled.txt").read_text()
    assert (evidence / f"{cluster}-logs" / "kube-scheduler.log").read_text()
    assert (evidence / "bundle" / "recipe.yaml").is_file()
    assert machine.processes() == []
    assert machine.clusters() == []


def test_a_control_plane_that_does_not_come_up_is_no_failure_of_the_recipe(machine: Machine) -> None:
    """Exit code 11, the words of what is not ready, and nothing left; `up` ends so too."""
    late = ("-o", "deadlines.cluster_ready=200ms")
    for words in (("run", "eks"), ("up",)):
        done = machine.run(*late, *words)
        assert done.returncode == Exit.CLUSTER_NOT_READY, done.stdout + done.stderr
        assert "the control plane is not ready after 0.2 s" in done.stdout + done.stderr
    outcome = json.loads((machine.evidence() / "run.json").read_text())
    assert (outcome["exitName"], outcome["cause"]["kind"]) == ("CLUSTER_NOT_READY", "infrastructure")
    assert machine.processes() == []
    assert machine.clusters() == []


def test_a_daemonset_that_matches_no_node_fails(machine: Machine) -> None:
    """Every controller calls it ready, no pod is pending, and still it is red: the wrong green that others let pass."""
    done = machine.run("run", "eks", "--set", "gpu-operator:devicePlugin.nodeSelector.rack=r1")
    assert done.returncode == 1
    assert "DaemonSet gpu-operator/" in done.stdout
    assert "matches no node" in done.stdout


def test_too_many_gpus_fail(machine: Machine) -> None:
    """Five pods of eight GPUs do not fit on four nodes."""
    done = machine.run("run", "h100-eks-training", "--set", "training-job:workers.replicas=5")
    assert done.returncode == 1
    assert "nvidia.com/gpu" in done.stdout
    assert "not scheduled" in done.stdout


def test_a_chart_that_does_not_render_is_told_before_anything_is_installed(machine: Machine, data: Path) -> None:
    """The component, the file and the line; no release was installed, and the cluster that was booting is gone."""
    (data.parent / "charts" / "network-fabric" / "templates" / "broken.yaml").write_text(
        '{{ fail "no such fabric" }}\n', encoding="utf-8"
    )
    done = machine.run("-o", f"recipes={data}", "run", "eks-training")
    assert done.returncode == 1
    assert "aws-efa" in done.stdout
    assert "no such fabric" in done.stdout
    assert "install" not in done.stdout.split("FAILED")[0].split()
    assert machine.processes() == []
    assert machine.clusters() == []


def test_a_hook_that_can_run_nowhere_ends_the_lane_early(machine: Machine, data: Path) -> None:
    """helm would wait five minutes for the hook's Job without a word; the scheduler's refusal ends it in seconds."""
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "impossible", "annotations": {"helm.sh/hook": "post-install"}},
        "spec": {
            "template": {
                "spec": {
                    "restartPolicy": "Never",
                    "nodeSelector": {"rack": "none"},
                    "containers": [{"name": "c", "image": "registry.example.com/c"}],
                }
            }
        },
    }
    chart = data.parent / "charts" / "network-fabric" / "templates" / "hook.yaml"
    chart.write_text(yaml.safe_dump(job), encoding="utf-8")
    begun = time.monotonic()
    done = machine.run("-o", f"recipes={data}", "-o", "deadlines.unschedulable=5s", "run", "eks-training")
    assert time.monotonic() - begun < 120
    assert done.returncode == 1
    assert "impossible" in done.stdout
    assert "lacks label rack=none" in done.stdout
    assert machine.processes() == []


@pytest.mark.parametrize(
    ("number", "code", "moment"),
    [
        (signal.SIGINT, Exit.INTERRUPTED, "cluster: started"),
        (signal.SIGINT, Exit.INTERRUPTED, "control plane"),
        (signal.SIGTERM, Exit.TERMINATED, "release .*: started"),
        (signal.SIGINT, Exit.INTERRUPTED, "verify: started"),
    ],
    ids=["boot", "control-plane", "install", "verify"],
)
def test_an_interrupt_leaves_nothing_running(machine: Machine, number: signal.Signals, code: Exit, moment: str) -> None:
    """Ctrl-C and SIGTERM at any moment: the documented code, soon, without a traceback, and nothing is left."""
    child = machine.start("run", "eks-training")
    wait_for(child, moment)
    os.kill(child.pid, number)
    begun = time.monotonic()
    out, err = child.communicate(timeout=60)
    assert child.returncode == code, out + err
    assert time.monotonic() - begun < 20
    assert "Traceback" not in out + err
    assert machine.processes() == []
    assert machine.clusters() == []


def test_what_a_killed_run_leaves_is_cleaned_by_the_next(machine: Machine) -> None:
    """kill -9 cannot be handled; the next run says what it found, takes it down, and passes."""
    child = machine.start("run", "eks")
    wait_for(child, "install: started")
    os.killpg(child.pid, signal.SIGKILL)
    child.communicate(timeout=60)
    [left] = machine.clusters()
    done = machine.run("run", "eks")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"cluster {left} was left by a run that was killed" in done.stdout
    assert machine.processes() == []
    assert machine.clusters() == []


def test_two_runs_at_once_both_pass(machine: Machine) -> None:
    """Each has a control plane of its own; neither disturbs the other."""
    children = [machine.start("run", "eks") for _ in range(2)]
    for child in children:
        out, err = child.communicate(timeout=LIMIT)
        assert child.returncode == 0, out + err
    assert machine.clusters() == []


def test_a_reused_cluster_is_as_it_was(machine: Machine) -> None:
    """The second cell finds the cluster of the first, clean, and passes too; a third at the same time is refused."""
    first = machine.run("run", "eks-training", "--reuse")
    assert first.returncode == 0, first.stdout + first.stderr
    assert "cleaned: the same objects as before" in first.stdout
    assert machine.clusters() == ["test"]
    second = machine.start("run", "gb200-eks-training", "--reuse")
    wait_for(second, "bundle: started")
    wait_for(second, "install: started")
    third = machine.run("run", "eks", "--reuse")
    assert third.returncode == Exit.CLUSTER_NOT_READY
    assert "cluster test is in use (gb200-eks-training under helm" in third.stdout
    out, err = second.communicate(timeout=LIMIT)
    assert second.returncode == 0, out + err
    assert "control plane: starting" not in err
    assert machine.clusters() == ["test"]


def test_a_kept_cluster_can_be_looked_at(machine: Machine, tools: Callable[[str], Path]) -> None:
    """--keep says how to reach the cluster, what was installed is there, and `down` removes it."""
    done = machine.run("run", "eks", "--keep")
    assert done.returncode == 0, done.stdout + done.stderr
    [(kubeconfig, name)] = re.findall(r"export KUBECONFIG=(\S+); remove it with: kwok-harness down (\S+)", done.stdout)
    got = commands.run([tools("kubectl"), f"--kubeconfig={kubeconfig}", "get", "pods", "-A"], timeout=30)
    assert "gpu-operator" in got.stdout
    assert oct(Path(kubeconfig).stat().st_mode & 0o777) == "0o600"
    assert machine.run("down", name).returncode == 0
    assert machine.processes() == []
    assert machine.clusters() == []


def test_up_and_down_by_themselves(machine: Machine) -> None:
    """`up` makes the named cluster with its nodes, `status` shows them, `up` again changes nothing, `down` ends it."""
    assert machine.run("up", "--recipe", "gb200-eks-training").returncode == 0
    [row] = json.loads(machine.run("status", "--json").stdout)
    assert (row["name"], row["state"], row["nodes"], row["gpus"]) == ("test", "up", "4 accelerated, 2 system", "32")
    before = machine.processes()
    again = machine.run("up", "--recipe", "gb200-eks-training")
    assert again.returncode == 0
    assert "is up already" in again.stderr
    assert machine.processes() == before
    assert machine.run("down").returncode == 0
    assert machine.processes() == []
    assert json.loads(machine.run("status", "--json").stdout) == []


def test_the_users_kubeconfig_is_never_touched(machine: Machine) -> None:
    """A kubeconfig that points at somebody else's cluster is neither used nor changed."""
    foreign = machine.home / "foreign.yaml"
    foreign.write_text("apiVersion: v1\nkind: Config\ncurrent-context: production\n", encoding="utf-8")
    before = foreign.read_bytes(), foreign.stat().st_mtime_ns
    machine.environment |= {"KUBECONFIG": str(foreign), "HOME": str(machine.home), "KUBECTL_CONTEXT": "production"}
    machine.environment["XDG_CACHE_HOME"] = os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))
    done = machine.run("run", "eks")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (foreign.read_bytes(), foreign.stat().st_mtime_ns) == before
    assert not (machine.home / ".kube").exists()
