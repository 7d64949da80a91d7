"""What evidence is made of: what kubectl and helm print, logs, the bundle, the recipe.

Files have the names that the bash harness gave them, so that people find what they know. What only one lane has (its
controllers' objects and logs) the lane brings itself, by an EvidenceSite. Nothing here writes: a collector returns
text, `harness.evidence.collect` redacts and writes it.
"""

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import yaml

from harness.cluster.api import Cluster
from harness.deadline import MONOTONIC, Clock, Deadline
from harness.errors import ClusterError
from harness.evidence.collect import Collector, Files, Incomplete
from harness.evidence.redaction import secret_values
from harness.objects import Kind
from harness.processes import commands
from harness.processes.commands import CommandFailed

LOG_LINES = 2000  # of a component of the control plane
SERVICE_LINES = 500  # of a controller, as documented
LOG_BYTES = 1 << 20  # of one log; lines beyond it are left out even where there are fewer
FILE_BYTES = 1 << 20  # of one file of a bundle
BUNDLE_BYTES = 8 << 20
DESCRIBED = 20  # pods: the others are in the same state for the same reasons, as a rule

UNSCHEDULED = "spec.nodeName=,status.phase!=Succeeded,status.phase!=Failed"


class Releases(Protocol):
    """What `harness.helm.client.Helm` can tell about releases."""

    def releases(self, *, timeout: float) -> list[dict[str, Any]]: ...

    def status(self, release: str, namespace: str, *, timeout: float) -> str: ...


@dataclass(frozen=True)
class Kubectl:
    """A kubectl, and the cluster it speaks to. `cache` is a directory for what it learns of the API."""

    binary: Callable[[], Path]  # asked for when it is needed: one that cannot be built costs its own files only
    kubeconfig: Path
    context: str
    cache: Path

    def run(self, words: Sequence[str], timeout: float) -> str:
        """What kubectl prints. Raises Incomplete where it failed after it had printed something, or CommandFailed."""
        where = [f"--kubeconfig={self.kubeconfig}", f"--context={self.context}", f"--cache-dir={self.cache}"]
        bound = f"--request-timeout={max(1, int(timeout))}s"
        try:
            completed = commands.run([str(self.binary()), *where, bound, *words], timeout=timeout)
        except CommandFailed as error:
            printed = error.completed.stdout
            if not printed.strip():
                raise
            said = error.completed.stderr.strip().splitlines()
            why = f"not done after {timeout:.0f} s" if error.timed_out else f"exit status {error.completed.returncode}"
            raise Incomplete(printed, f"{why}{': ' + said[-1] if said else ''}") from error
        return completed.stdout or completed.stderr  # "No resources found" comes on stderr


@dataclass(frozen=True)
class EvidenceSite:
    """Where a lane takes its evidence from: `cluster` begins the files' names.

    `log` gives the last so many lines of a service by its name, wherever that writes them; it raises where there is no
    such log.
    """

    cluster: str
    kubectl: Kubectl
    log: Callable[[str, int], str]

    def log_of(self, service: str, name: str = "", lines: int = SERVICE_LINES) -> Collector:
        """The end of a service's log, as <cluster>-<name>.log."""
        file = f"{self.cluster}-{name or service}.log"
        return Collector(f"log {service}", file, lambda _: self.log(service, lines), f"the last {lines} lines")

    def objects(self, name: str, kinds: Sequence[Kind]) -> Collector:
        """All objects of these kinds in all namespaces, as <cluster>-<name>.yaml."""
        words = ("get", ",".join(map(str, kinds)), "-A", "-o", "yaml")
        about = ", ".join(kind.plural for kind in kinds)
        return Collector(name, f"{self.cluster}-{name}.yaml", lambda timeout: self.kubectl.run(words, timeout), about)


def of_cluster(cluster: str, kubectl: Kubectl) -> list[Collector]:
    """The tables of a cluster, and why its unscheduled pods are where they are; `cluster` begins the files' names."""

    def get(name: str, about: str, *words: str) -> Collector:
        return Collector(name, f"{cluster}-{name}.txt", lambda timeout: kubectl.run(("get", *words), timeout), about)

    return [
        get("pods", "every pod, and its node", "pods", "-A", "-o", "wide"),
        get("events", "events, the newest last", "events", "-A", "--sort-by=.lastTimestamp"),
        get("resources", "workloads and services of all namespaces", "all", "-A"),
        get("nodes", "the simulated nodes", "nodes", "-o", "wide"),
        get("volumes", "claims and volumes", "persistentvolumeclaims,persistentvolumes", "-A"),
        Collector(
            "unscheduled",
            f"{cluster}-unscheduled.txt",
            lambda timeout: _describe_unscheduled(kubectl, timeout),
            f"what kubectl describes of pods without a node, at most {DESCRIBED}",
        ),
    ]


def of_logs(cluster: str, logs: Mapping[str, Path]) -> list[Collector]:
    """The end of each log of the control plane, by component."""
    return [
        Collector(f"log {name}", f"{cluster}-logs/{name}.log", _tail_of(path), f"the last {LOG_LINES:,} lines")
        for name, path in logs.items()
    ]


def of_releases(cluster: str, helm: Callable[[], Releases], clock: Clock = MONOTONIC) -> Collector:
    """`helm list`, and `helm status` of each release."""

    def produce(timeout: float) -> str | Files:
        return _releases(helm(), Deadline.after(timeout, clock=clock))

    return Collector("helm releases", f"{cluster}-helm", produce, "helm list, and helm status")


def of_bundle(directory: Path) -> Collector:
    """The text files of the bundle that was delivered."""
    return Collector("bundle", "bundle", lambda _: _bundle(directory), "what was delivered")


def of_document(name: str, file: str, document: Mapping[str, Any], about: str = "") -> Collector:
    """A document as YAML: the resolved recipe."""
    return Collector(
        name, file, lambda _: yaml.safe_dump(dict(document), sort_keys=False, allow_unicode=True, width=120), about
    )


def known_secrets(cluster: Cluster, timeout: float = 5.0) -> set[str]:
    """The values that the cluster holds in Secrets, for the redactor; none where the cluster does not answer.

    Helm's own release records are left out: they are large, packed, and shown by nothing that is collected.
    """
    query = {"fieldSelector": "type!=helm.sh/release.v1"}
    try:
        found = cluster.request("GET", "/api/v1/secrets", query=query, timeout=timeout)
    except ClusterError:
        return set()
    return secret_values(found.get("items") or [])


def _describe_unscheduled(kubectl: Kubectl, timeout: float) -> str:
    deadline = Deadline.after(timeout)
    columns = 'jsonpath={range .items[*]}{.metadata.namespace}{" "}{.metadata.name}{"\\n"}{end}'
    listed = kubectl.run(("get", "pods", "-A", f"--field-selector={UNSCHEDULED}", "-o", columns), timeout)
    pods = [line.split() for line in listed.splitlines() if line.strip()]
    if not pods:
        return "Every pod has a node.\n"
    by_namespace: dict[str, list[str]] = {}
    for namespace, name in pods[:DESCRIBED]:
        by_namespace.setdefault(namespace, []).append(name)
    described = [f"{len(pods)} pods without a node; described: {min(len(pods), DESCRIBED)}\n"]
    for namespace, names in by_namespace.items():
        words = ("describe", "pods", "-n", namespace, *names)
        try:
            described.append(kubectl.run(words, max(0.5, deadline.remaining)))
        except (CommandFailed, Incomplete) as error:
            if isinstance(error, Incomplete):
                described.append(str(error.content))
            raise Incomplete("\n".join(described), f"kubectl {shlex.join(words)} failed") from error
    return "\n".join(described)


def tail(path: Path, lines: int) -> str:
    """The last whole lines of a log, of at most its last LOG_BYTES."""
    with path.open("rb") as stream:
        size = stream.seek(0, 2)
        stream.seek(max(0, size - LOG_BYTES))
        found = stream.read(LOG_BYTES).decode("utf-8", errors="replace").splitlines(keepends=True)
    if size > LOG_BYTES:
        del found[:1]  # its beginning was cut off
    return "".join(found[-lines:])


def _tail_of(path: Path) -> Callable[[float], str]:
    return lambda _: tail(path, LOG_LINES)


def _releases(helm: Releases, deadline: Deadline) -> str | Files:
    releases = helm.releases(timeout=deadline.budget)
    columns = ("name", "namespace", "revision", "updated", "status", "chart", "app_version")
    rows = [tuple(column.upper().replace("_", " ") for column in columns)]
    rows += [tuple(str(release.get(column, "")) for column in columns) for release in releases]
    files = {"list.txt": "".join("\t".join(row) + "\n" for row in rows)}
    for number, release in enumerate(releases):
        if deadline.expired:
            raise Incomplete(files, f"no time was left for {len(releases) - number} of {len(releases)} releases")
        name, namespace = str(release["name"]), str(release["namespace"])
        try:
            files[f"{namespace}.{name}.txt"] = helm.status(name, namespace, timeout=max(1.0, deadline.remaining))
        except CommandFailed as error:
            files[f"{namespace}.{name}.txt"] = f"{error}\n"
    return files


def _bundle(directory: Path) -> Files:
    """Every text file that is no symbolic link; what is too large or no text is named in LEFT-OUT.txt."""
    files: dict[str, str] = {}
    left_out: list[str] = []
    size = 0
    for path in sorted(directory.rglob("*")):
        if not path.is_symlink() and path.is_dir():
            continue
        name = path.relative_to(directory).as_posix()
        try:
            reason, text = _text_of(path, BUNDLE_BYTES - size)
        except OSError as error:
            reason, text = str(error.strerror), ""
        if reason:
            left_out.append(f"{name}: {reason}\n")
        else:
            files[name] = text
            size += len(text)
    if left_out:
        files["LEFT-OUT.txt"] = "".join(left_out)
    return files


def _text_of(path: Path, room: int) -> tuple[str, str]:
    """Why a file is left out, or an empty text and what is in it."""
    if path.is_symlink():
        return "a symbolic link", ""
    size = path.stat().st_size
    if size > FILE_BYTES or size > room:
        return f"too large ({size} bytes)", ""
    try:
        return "", path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return "no text", ""
