"""The plan of the control plane is data: held against golden files, and against what it promises."""

from pathlib import Path

import pytest
import yaml

from kwok.host.components import CONFIGURATION, EGRESS, PORTS, PROGRAMS, files
from kwok.simulation import ARGUMENTS, Pods, Webhooks

GOLDEN = Path(__file__).resolve().parents[3] / "golden" / "host"
DIRECTORY = Path("/state/clusters/one")


def plan(webhooks: Webhooks = "skip", pods: Pods = "simulate") -> dict[str, str]:
    programs = {component: Path("/tools") / tool for component, tool in PROGRAMS.items()}
    ports = {option: 10_001 + index for index, option in enumerate(PORTS)}
    return files(programs, ports, DIRECTORY, webhooks, pods, Path("/bin/true"))


def arguments(component: str, webhooks: Webhooks = "skip") -> dict[str, str]:
    document = next(yaml.safe_load_all(plan(webhooks)[CONFIGURATION]))
    patch = next(each for each in document["componentsPatches"] if each["name"] == component)
    return {each["key"]: each["value"] for each in patch["extraArgs"]}


@pytest.mark.parametrize("name", [CONFIGURATION, EGRESS])
def test_the_plan_is_the_one_that_was_reviewed(name: str) -> None:
    """A change of the plan shows as a change of its golden file."""
    assert plan()[name] == (GOLDEN / name).read_text(encoding="utf-8")


def test_kwokctl_has_nothing_to_download() -> None:
    """Every program, kubectl among them, is a path of this machine; no URL is left in the plan."""
    options = next(yaml.safe_load_all(plan()[CONFIGURATION]))["options"]
    binaries = {key: value for key, value in options.items() if key.endswith("Binary")}
    assert set(binaries.values()) == {"/bin/true", *(f"/tools/{tool}" for tool in PROGRAMS.values())}
    assert "://" not in plan()[CONFIGURATION]


def test_all_listen_on_loopback_over_tls() -> None:
    """kwokctl would bind every address of the machine."""
    options = next(yaml.safe_load_all(plan()[CONFIGURATION]))["options"]
    assert (options["bindAddress"], options["securePort"]) == ("127.0.0.1", True)


def test_pods_that_are_held_have_the_stage_of_their_deletion_alone() -> None:
    """Of nodes no stage is given, so KWOK takes its own; of pods one is, so it takes none of its own."""
    stages = [each for each in yaml.safe_load_all(plan(pods="hold")[CONFIGURATION]) if each["kind"] == "Stage"]
    assert [stage["spec"]["resourceRef"]["kind"] for stage in stages] == ["Pod"]
    assert stages[0]["spec"]["next"] == {"finalizers": {"empty": True}, "delete": True}
    assert plan(pods="simulate") == plan()


@pytest.mark.parametrize(("webhooks", "left_out"), [("skip", True), ("refuse", False)])
def test_the_webhooks_policy_decides_over_the_admission_plugins(webhooks: Webhooks, left_out: bool) -> None:
    """skip leaves the two webhook plug-ins out, refuse leaves them in."""
    disabled = arguments("kube-apiserver", webhooks)["disable-admission-plugins"].split(",")
    assert ("ValidatingAdmissionWebhook" in disabled) is left_out
    assert ("MutatingAdmissionWebhook" in disabled) is left_out


def test_calls_to_services_go_nowhere_and_the_api_server_still_reaches_etcd() -> None:
    """Only the egress to the cluster is a socket that nobody makes, inside the cluster's own directory."""
    rules = {rule["name"]: rule["connection"] for rule in yaml.safe_load(plan()[EGRESS])["egressSelections"]}
    assert rules["cluster"]["proxyProtocol"] == "HTTPConnect"
    assert rules["cluster"]["transport"]["uds"]["udsName"].startswith(f"{DIRECTORY}/")
    assert rules["etcd"] == rules["controlplane"] == {"proxyProtocol": "Direct"}
    assert arguments("kube-apiserver")["egress-selector-config-file"] == f"{DIRECTORY}/{EGRESS}"


def test_no_leases_are_written() -> None:
    """The one option that has no place in kwokctl's file: 0 there means its default of 40 seconds."""
    assert ARGUMENTS == ("--node-lease-duration-seconds", "0")
