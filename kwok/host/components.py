"""The plan of a control plane: what kwokctl is told, as data. Nothing here touches a file or a process.

Three promises are kept here. Nothing is downloaded: every program is named, so kwokctl has no reason to. Nothing is
reachable from outside: all listen on loopback. And nothing leaves the machine: API server calls to Services and pods,
which run nothing here and whose addresses would follow the default route, are handed to a socket that does not exist.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from harness.names import NOWHERE
from kwok.simulation import SERVICE_RANGE, Pods, Webhooks, disabled_admission, simulation

# Component as kwokctl calls it -> the tool that is its program, in the order in which they are needed.
PROGRAMS: Mapping[str, str] = {
    "etcd": "etcd",
    "kube-apiserver": "kube-apiserver",
    "kube-controller-manager": "kube-controller-manager",
    "kube-scheduler": "kube-scheduler",
    "kwok-controller": "kwok",
}
# kwokctl's option for each port -> what listens there.
PORTS: Mapping[str, str] = {
    "etcdPort": "etcd",
    "etcdPeerPort": "etcd",
    "kubeApiserverPort": "kube-apiserver",
    "kubeControllerManagerPort": "kube-controller-manager",
    "kubeSchedulerPort": "kube-scheduler",
    "kwokControllerPort": "kwok-controller",
}
_BINARY_OPTIONS: Mapping[str, str] = {
    "etcd": "etcdBinary",
    "kube-apiserver": "kubeApiserverBinary",
    "kube-controller-manager": "kubeControllerManagerBinary",
    "kube-scheduler": "kubeSchedulerBinary",
    "kwok-controller": "kwokControllerBinary",
}

# Without it the API server looks for the address of the default route, and does not start on a machine without one.
ADVERTISED = "198.19.255.254"

# A claim whose binding met a conflict is looked at again after this. With the default of 15 s, its pod would have no
# node for about as long as a verdict is patient.
BINDER_LOOKS_AGAIN = "1s"

CONFIGURATION = "kwokctl.yaml"
EGRESS = "egress.yaml"


def configuration(
    binaries: Mapping[str, Path],
    ports: Mapping[str, int],
    directory: Path,
    webhooks: Webhooks,
    pods: Pods,
    kubectl: Path,
) -> list[dict[str, Any]]:
    """The documents of kwokctl's configuration file: `binaries` by component, `ports` by option.

    `kubectl` stands for the client by which kwokctl itself waits; the harness does that better, so `true` will do.
    """
    options: dict[str, Any] = {
        "runtime": "binary",
        "bindAddress": "127.0.0.1",
        "securePort": True,
        # A few hundred objects a second are no reason to queue where client and server share two cores.
        "disableQPSLimits": True,
        # Heartbeats every 1,000 s, a grace of 4,000 s: a thousand nodes write nothing while a cell runs.
        "heartbeatFactor": 100,
        # What charts with DRA still ask for, and what admission policies are served by, as on the Kind runtime.
        "kubeRuntimeConfig": "resource.k8s.io/v1beta1=true,admissionregistration.k8s.io/v1beta1=true",
        "kubectlBinary": str(kubectl),
        **{_BINARY_OPTIONS[component]: str(binaries[component]) for component in PROGRAMS},
        **{option: ports[option] for option in PORTS},
    }
    apiserver = {
        "advertise-address": ADVERTISED,
        "disable-admission-plugins": ",".join(disabled_admission(webhooks)),
        "egress-selector-config-file": str(directory / EGRESS),
        "feature-gates": "MutatingAdmissionPolicy=true",  # kwok/admission.py
        "service-cluster-ip-range": SERVICE_RANGE,
    }
    alone = {"leader-elect": "false"}
    extra = {
        # The data does not outlive the process anyway. Its only member waits for half an election timeout (1 s by
        # default) before it takes itself for the leader, and until then the API server waits, too.
        "etcd": {"unsafe-no-fsync": "true", "heartbeat-interval": "20", "election-timeout": "100"},
        "kube-apiserver": apiserver,
        "kube-controller-manager": {**alone, "pvclaimbinder-sync-period": BINDER_LOOKS_AGAIN},
        "kube-scheduler": alone,
    }
    return [
        {
            "apiVersion": "config.kwok.x-k8s.io/v1alpha1",
            "kind": "KwokctlConfiguration",
            "options": options,
            "componentsPatches": [
                {"name": name, "extraArgs": [{"key": key, "value": value} for key, value in arguments.items()]}
                for name, arguments in extra.items()
            ],
        },
        *simulation(pods),
    ]


def egress(directory: Path) -> dict[str, Any]:
    """The API server's egress rules: calls to Services, pods and nodes fail at once, its own stay as they are."""
    nowhere = {"proxyProtocol": "HTTPConnect", "transport": {"uds": {"udsName": str(directory / NOWHERE)}}}
    return {
        "apiVersion": "apiserver.k8s.io/v1beta1",
        "kind": "EgressSelectorConfiguration",
        "egressSelections": [
            {"name": "cluster", "connection": nowhere},
            {"name": "controlplane", "connection": {"proxyProtocol": "Direct"}},
            {"name": "etcd", "connection": {"proxyProtocol": "Direct"}},
        ],
    }


def files(
    binaries: Mapping[str, Path],
    ports: Mapping[str, int],
    directory: Path,
    webhooks: Webhooks,
    pods: Pods,
    kubectl: Path,
) -> dict[str, str]:
    """The files that have to lie in `directory` before kwokctl runs, by name."""
    documents = configuration(binaries, ports, directory, webhooks, pods, kubectl)
    return {
        CONFIGURATION: yaml.safe_dump_all(documents, sort_keys=False),
        EGRESS: yaml.safe_dump(egress(directory), sort_keys=False),
    }
