"""Checks as Jobs of the cluster: one container each, watched to its end, and gone before its permissions go.

A Job never goes to a simulated node: KWOK would complete it at once, and nothing would have run.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.assertions.go.duration import text_of
from harness.cluster.api import Cluster
from harness.deadline import Deadline
from harness.errors import HarnessError
from harness.gates.findings import Gate
from harness.objects import CONFIGMAPS, FAILED_CREATES, JOBS, PODS, Kind, Object, Objects, holds
from harness.progress import Progress
from harness.validation.capture import simulated_node
from harness.validation.checks.access import Account, labels
from harness.validation.checks.catalog import Entry
from harness.validation.checks.contract import Inputs
from harness.validation.checks.images import Images
from harness.validation.checks.job_document import JobDocument, data_name, secret_name
from harness.validation.checks.pods import CONTAINER, JOB_LABEL, doomed, ended_of, pods_of, refused, started
from harness.validation.checks.verdict import LINES, Ended, result_of, said
from harness.validation.phases import resolve_affinity
from harness.validation.results import CheckResult
from harness.validation.sources import require_fits
from harness.verdict import Passed, Verdict, Waiting
from harness.waiting.loop import Expired, GateFailed, Judged, wait

SECRETS = Kind("v1", "secrets", "Secret")
GRACE = 30.0  # seconds beyond a check's own timeout
PATIENCE = 60.0  # seconds for which a pod may not be placed, or its image not be pulled
GONE_SECONDS = 60.0


@dataclass(frozen=True)
class JobEnded(Gate):
    """A Job is complete or failed: both are ends, the verdict is the container's. Suspended, say, is none."""

    namespace: str
    name: str
    kinds = (JOBS, PODS, FAILED_CREATES)

    def __call__(self, objects: Objects) -> Verdict:
        subject = f"Job {self.namespace}/{self.name}"
        job = objects.get(JOBS, self.namespace, self.name)
        if job is None:
            return Waiting("is not there", subject, doomed="it was deleted by another client")
        if holds(job, "Complete") or holds(job, "Failed"):
            return Passed("has ended", subject)
        pods = pods_of(objects.all(PODS), self.namespace, self.name)
        why = next((cause for pod in pods if (cause := doomed(pod))), "")
        if not pods:
            why = refused(objects.all(FAILED_CREATES), self.namespace, self.name)
        return Waiting(why or f"runs, {len(pods)} pods", subject, doomed=why)


@dataclass(frozen=True)
class PodsGone(Gate):
    """No pod of a Job is left."""

    namespace: str
    name: str
    kinds = (PODS,)

    def __call__(self, objects: Objects) -> Verdict:
        left = len(pods_of(objects.all(PODS), self.namespace, self.name))
        subject = f"Job {self.namespace}/{self.name}"
        return Waiting(f"{left} pods are left", subject) if left else Passed("has no pod", subject)


@dataclass
class JobExecutor:
    """Carries out entries as Jobs in the account's namespace. `nodes` are all of the cluster."""

    account: Account
    inputs: Inputs
    images: Images
    nodes: Sequence[Object]
    progress: Progress
    pull_secrets: tuple[str, ...] = ()
    _handed_over: bool = field(default=False, init=False)

    @property
    def cluster(self) -> Cluster:
        return self.account.cluster

    @property
    def simulated(self) -> list[str]:
        return [str(node["metadata"]["name"]) for node in self.nodes if simulated_node(node)]

    @property
    def possible(self) -> bool:
        """Whether there is a node on which something runs."""
        return len(self.simulated) < len(self.nodes)

    def has_image(self, entry: Entry) -> bool:
        """Whether a real node has the image of an entry already."""
        image = self.images.resolve(entry.image)
        real = (node for node in self.nodes if not simulated_node(node))
        held = {name for node in real for each in _images(node) for name in each.get("names") or ()}
        return any(
            image in (name, name.removeprefix("docker.io/"), name.removeprefix("docker.io/library/")) for name in held
        )

    def require_fits(self) -> None:
        """Refuse input documents that no ConfigMap holds, before anything is made. Raises DataError."""
        for folder, text in self.inputs.documents().items():
            require_fits(len(text.encode()), f"the {folder} document of the run")

    def prepare(self) -> None:
        """Make the ConfigMaps with the input documents."""
        for folder, text in self.inputs.documents().items():
            self.cluster.apply(
                CONFIGMAPS,
                {
                    "apiVersion": "v1",
                    "kind": "ConfigMap",
                    "metadata": {
                        "name": data_name(folder, self.inputs.run_id),
                        "namespace": self.account.namespace,
                        "labels": labels(self.inputs.run_id),
                    },
                    "data": {f"{folder}.yaml": text},
                },
            )

    def remove(self, deadline: Deadline) -> list[str]:
        """Take ConfigMaps and Secret away; what could not be, with its reason."""
        run_id = self.inputs.run_id
        made = [(CONFIGMAPS, data_name(folder, run_id)) for folder in self.inputs.documents()]
        left: list[str] = []
        for kind, name in [(SECRETS, secret_name(run_id))] * self._handed_over + made:
            try:
                self.cluster.delete(kind, self.account.namespace, name)
            except HarnessError as error:
                left.append(f"{kind.kind} {name}: {error}")
            if deadline.expired:
                left.append("time was up")
                break
        return left

    def carry_out(self, entry: Entry) -> CheckResult:
        """Never raises for what happens to the Job: whatever keeps the check from an end of its own is `other`."""
        if not self.possible:
            return result_of(entry, Ended(-1, "not executed: no real node"))
        name = f"aicr-{entry.name}-{secrets.token_hex(4)}"
        try:
            self.account.grant(entry)
            self._tell_lonely(entry)
            self._hand_over(self.inputs.secrets(entry))
            self.cluster.create(JOBS, self.document(entry, name))
        except HarnessError as error:
            return result_of(entry, Ended(-1, f"failed to deploy Job: {error}"))
        try:
            return result_of(entry, self._end(entry, name))
        except HarnessError as error:
            return result_of(entry, Ended(-1, f"the Job could not be followed: {error}"))
        finally:
            self._gone(name)

    def document(self, entry: Entry, name: str) -> dict[str, Any]:
        """The Job of an entry."""
        of_all = JobDocument(
            self.account.name, self.account.namespace, self.inputs, self.images, self.nodes, self.pull_secrets
        )
        return of_all.of(entry, name)

    def _hand_over(self, secrets: Mapping[str, str]) -> None:
        """Make the Secret that the Job of a check refers to, where it has any."""
        if secrets:
            name = secret_name(self.inputs.run_id)
            metadata = {"name": name, "namespace": self.account.namespace, "labels": labels(self.inputs.run_id)}
            item = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": dict(secrets)}
            self._handed_over = True
            self.cluster.apply(SECRETS, item)

    def _tell_lonely(self, entry: Entry) -> None:
        """A note for each dependency that has no pod: a preferred one is then without effect."""
        for each, namespace in resolve_affinity(entry, self.inputs.declared)[0]:
            selector = ",".join(f"{key}={value}" for key, value in sorted(each.labels.items()))
            if not self.cluster.list(PODS, namespace=namespace, label_selector=selector, timeout=5.0).items:
                self.progress.note(f"{entry.name}: no pod of {each.component} ({selector}) is in namespace {namespace}")

    def _end(self, entry: Entry, name: str) -> Ended:
        namespace, timeout = self.account.namespace, text_of(round(entry.timeout * 1e9))
        deadline = Deadline.after(entry.timeout + GRACE)
        why = ""
        seen = [""]

        def observe(judged: Judged) -> None:
            seen[0] = kept_from_running(seen[0], judged.verdict, pods_of(judged.objects.all(PODS), namespace, name))

        gate = JobEnded(namespace, name)
        try:
            wait(self.cluster, gate.kinds, gate, deadline, patience=PATIENCE, observe=observe)
        except GateFailed as failed:
            why = failed.verdict.reason
        except Expired as expired:
            why = f"timeout: validator did not complete within {timeout}: {expired.what}"
        job = self.cluster.get(JOBS, namespace, name)
        listed = self.cluster.list(PODS, namespace=namespace, label_selector=f"{JOB_LABEL}={name}").items
        pods = pods_of(listed, namespace, name)
        ended = Ended(-1, seen[0]) if seen[0] else ended_of(job, pods, self.simulated, timeout)
        if ended.code == -1:
            return Ended(-1, why or ended.message)
        output = self._log(namespace, str(pods[-1]["metadata"]["name"])) if pods else ""
        for line in said(output):
            self.progress.note(f"{entry.name}: {line}")
        return Ended(ended.code, ended.message, ended.seconds, output)

    def _log(self, namespace: str, pod: str) -> str:
        try:
            return self.cluster.log(namespace, pod, CONTAINER, lines=LINES)
        except HarnessError as error:
            self.progress.note(f"the log of pod {pod} cannot be read: {error}")
            return ""

    def _gone(self, name: str) -> None:
        """Delete the Job, and wait for its pods: their permissions must not go before them."""
        namespace = self.account.namespace
        try:
            self.cluster.delete(JOBS, namespace, name, propagation="Foreground")
            wait(self.cluster, (PODS,), PodsGone(namespace, name), Deadline.after(GONE_SECONDS))
        except HarnessError as error:
            self.progress.note(f"Job {namespace}/{name} was not cleaned up: {error}")


def kept_from_running(before: str, verdict: Verdict, pods: Sequence[Object]) -> str:
    """What keeps the pod of a Job from running, or did to its end: at the deadline the pod is taken down, and then no
    longer says why it did not run.
    """
    if isinstance(verdict, Waiting) and verdict.doomed:
        return verdict.doomed
    return "" if any(started(pod) for pod in pods) else before


def _images(node: Object) -> list[Mapping[str, Any]]:
    return list((node.get("status") or {}).get("images") or ())
