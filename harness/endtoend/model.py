"""An end-to-end suite as its file says it: a cluster, set-up steps, processes, and cases in order.

Times are in seconds. Paths are absolute: the file's own are relative to its folder.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from harness.endtoend.processes.declared import Process
from harness.suites.model import Operation, Place, Suite

HOST, KIND = "host", "kind"
RUNTIMES = (HOST, KIND)
EVERYWHERE = "*"


class Pods(StrEnum):
    """What simulated nodes do with pods: `hold` leaves them Pending, `simulate` has them run in name."""

    HOLD = "hold"
    SIMULATE = "simulate"


class Why(StrEnum):
    """What a step needs that a runtime does not have."""

    EXECUTION = "execution"
    CONTROLLER = "controller"
    GPU = "gpu"
    SERVICE = "service"


INFERRED = (Why.EXECUTION, Why.CONTROLLER)  # a plan finds these by itself, and compares them with what is declared


@dataclass(frozen=True)
class ClusterWanted:
    """The cluster of a suite. `real` are the namespaces whose pods run on Kind's real node ("*": all).

    `profile` are the criteria (service, accelerator) that nodes are chosen by; None of a number: the settings'.
    """

    runtime: str = "auto"
    profile: Mapping[str, str] = field(default_factory=dict)
    system: int | None = None
    accelerated: int | None = None
    gpu: str = "auto"
    pods: Pods = Pods.HOLD
    real: tuple[str, ...] = ()


@dataclass(frozen=True)
class Manifests:
    """Files of objects that are applied; `definitions`: CRDs, which are waited for."""

    path: Path
    definitions: bool = False


@dataclass(frozen=True)
class ChartInstalled:
    path: Path
    release: str
    namespace: str
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Images:
    names: tuple[str, ...]


@dataclass(frozen=True)
class Fixture:
    """A file with its size in bytes and its SHA-256 in hexadecimal digits."""

    file: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Fixtures:
    """Files that a command makes where one is missing; put into a ConfigMap (namespace, name) or a bucket of S3
    (process, bucket).
    """

    files: tuple[Fixture, ...]
    command: tuple[str, ...] = ()
    config_map: tuple[str, str] | None = None
    bucket: tuple[str, str] | None = None


@dataclass(frozen=True)
class Started:
    """Processes that are running and ready from then on."""

    names: tuple[str, ...]


@dataclass(frozen=True)
class Certificates:
    """A TLS Secret (namespace, name) with a certificate for these DNS names."""

    secret: tuple[str, str]
    names: tuple[str, ...]


@dataclass(frozen=True)
class Awaited:
    """An object that is there and, where a condition is named, has that condition True."""

    api_version: str
    kind: str
    namespace: str
    name: str
    condition: str = ""


SetUpAction = Manifests | ChartInstalled | Images | Fixtures | Started | Certificates | Awaited


@dataclass(frozen=True)
class SetUpStep:
    name: str
    action: SetUpAction
    place: Place
    timeout: float = 60.0
    runtimes: tuple[str, ...] = RUNTIMES
    retries: int = 0


@dataclass(frozen=True)
class StandsFor:
    """The object that a process is in a real cluster."""

    kind: str
    namespace: str
    name: str


@dataclass(frozen=True)
class Skip:
    """A step that is not judged on one runtime, and why."""

    step: str
    why: Why
    reason: str
    place: Place


@dataclass(frozen=True)
class CaseDeclared:
    """A case: one test of chainsaw or kuttl, with what it needs and what is left out of it by runtime."""

    name: str
    suite: Suite
    place: Place
    needs: tuple[str, ...] = ()
    retries: int = 0
    skips: Mapping[str, tuple[Skip, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class EndToEndSuite:
    """A suite as a whole; `folder` is where its file stands, `stands_for` is by process."""

    name: str
    folder: Path
    place: Place
    cluster: ClusterWanted
    setup: tuple[SetUpStep, ...]
    processes: tuple[Process, ...]
    cases: tuple[CaseDeclared, ...]
    stands_for: Mapping[str, tuple[StandsFor, ...]] = field(default_factory=dict)
    finally_: tuple[Operation, ...] = ()
    logs: bool = True
    events: bool = True
