"""The older validation agent as a library: one Job for a phase, whose Go tests are run in one container.

Its Job completes whatever the tests did where its script does not say otherwise, so the result is read from the log
(`agent_log`), and kept beside it (`agent_results`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from harness.cluster.api import Cluster, address
from harness.cluster.wire import wire_errors
from harness.deadline import Deadline
from harness.errors import ClusterError, DataError, HarnessError, VerdictFailed
from harness.excerpts import ending
from harness.gates.findings import Gate
from harness.objects import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    CONFIGMAPS,
    FAILED_CREATES,
    JOBS,
    NODES,
    PODS,
    ROLE_BINDINGS,
    ROLES,
    SERVICE_ACCOUNTS,
    Kind,
    Object,
    Objects,
    holds,
    phase,
)
from harness.validation.capture import simulated_node
from harness.validation.checks.access import MINIMUM
from harness.validation.checks.agent_job import Config, job, reason_of
from harness.validation.checks.agent_log import FAIL, NOT_EXECUTED, AgentResult, parse
from harness.validation.checks.pods import CONTAINER, JOB_LABEL, doomed, pods_of, refused
from harness.verdict import Failed, Passed, Verdict, Waiting
from harness.waiting.loop import Expired, GateFailed, wait

READY_SECONDS, GONE_SECONDS = 60.0, 60.0
PATIENCE = 60.0  # seconds for which an image may not be pulled


class AgentFailed(VerdictFailed):
    """The Job of an agent failed, or did not end in time; the message tells the cause apart."""


class AgentOverdue(AgentFailed):
    """It did not end in time, or its pod did not begin to run."""


@dataclass(frozen=True)
class _JobDone(Gate):
    """Complete passes; failed fails; a pod that cannot run is doomed."""

    namespace: str
    name: str
    kinds = (JOBS, PODS, FAILED_CREATES)

    def __call__(self, objects: Objects) -> Verdict:
        subject = f"Job {self.namespace}/{self.name}"
        job = objects.get(JOBS, self.namespace, self.name)
        pods = pods_of(objects.all(PODS), self.namespace, self.name)
        if job is not None and holds(job, "Complete"):
            return Passed("complete", subject)
        if job is not None and holds(job, "Failed"):
            return Failed(reason_of(job, pods), subject)
        why = next((cause for pod in pods if (cause := doomed(pod))), "")
        if not pods:
            why = refused(objects.all(FAILED_CREATES), self.namespace, self.name)
        return Waiting(why or "runs", subject, doomed=why)


@dataclass(frozen=True)
class _PodPhase(Gate):
    """A pod of the Job is in one of the phases; with `gone`, no pod is enough."""

    namespace: str
    name: str
    phases: tuple[str, ...]
    gone: bool = False
    kinds = (PODS, FAILED_CREATES)

    def __call__(self, objects: Objects) -> Verdict:
        subject = f"Job {self.namespace}/{self.name}"
        pods = pods_of(objects.all(PODS), self.namespace, self.name)
        if (self.gone and not pods) or any(phase(pod) in self.phases for pod in pods):
            return Passed("so it is", subject)
        why = next((cause for pod in pods if (cause := doomed(pod))), "")
        if not pods:
            why = refused(objects.all(FAILED_CREATES), self.namespace, self.name)
        return Waiting(why or f"pods: {', '.join(phase(pod) for pod in pods) or 'none'}", subject)


@dataclass
class Agent:
    """One agent on a cluster. Every method raises ClusterError where the API server says no."""

    cluster: Cluster
    config: Config
    _rbac: bool = field(default=False, init=False)

    def deploy(self) -> None:
        """Permissions, then the Job."""
        self.ensure_rbac()
        self.deploy_job()

    def ensure_rbac(self) -> None:
        """Make account, roles and bindings, or put them right. Repeatable."""
        name, namespace = self.config.service_account_name, self.config.namespace
        subject = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
        self._apply(SERVICE_ACCOUNTS, name, namespace, {})
        for role, binding, of, where, rules in (
            (ROLES, ROLE_BINDINGS, name, namespace, MINIMUM.namespaced),
            (CLUSTER_ROLES, CLUSTER_ROLE_BINDINGS, f"{name}-cluster", "", MINIMUM.rules),
        ):
            self._apply(role, of, where, {"rules": [rule.document() for rule in rules]})
            reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": role.kind, "name": of}
            self._apply(binding, of, where, {"roleRef": reference, "subjects": [subject]})
        self._rbac = True

    def deploy_job(self) -> None:
        """Make the Job, once one of its name is gone. Raises DataError for a ConfigMap that is not there."""
        config = self.config
        for what, name in (("snapshot", config.snapshot_config_map), ("recipe", config.recipe_config_map)):
            if self.cluster.get(CONFIGMAPS, config.namespace, name) is None:
                raise DataError(f'[NOT_FOUND] {what} ConfigMap "{name}" not found', where=config.namespace)
        if self.cluster.get(JOBS, config.namespace, config.job_name) is not None:
            self.cleanup_job()
        self.cluster.create(JOBS, job(self.config, self.cluster.list(NODES).items))

    def wait_for_pod_ready(self, seconds: float = READY_SECONDS) -> None:
        """Until the pod runs or has ended. Raises AgentFailed."""
        gate = _PodPhase(self.config.namespace, self.config.job_name, ("Running", "Succeeded", "Failed"))
        try:
            wait(self.cluster, gate.kinds, gate, Deadline.after(seconds))
        except Expired as error:
            raise AgentOverdue(f"[TIMEOUT] timed out waiting for pod ready: {error.what}") from error

    def wait_for_completion(self, deadline: Deadline | None = None) -> None:
        """Until the Job is complete. Raises AgentFailed with the cause, AgentOverdue for one that takes too long."""
        gate = _JobDone(self.config.namespace, self.config.job_name)
        try:
            wait(self.cluster, gate.kinds, gate, deadline or Deadline.after(self.config.timeout), patience=PATIENCE)
        except GateFailed as error:
            raise AgentFailed(f"Job failed: {error.verdict.reason}{self._last_lines()}") from error
        except Expired as error:
            raise AgentOverdue(f"[TIMEOUT] job completion timeout: {error.what}{self._last_lines()}") from error

    def wait_for_job_pod_termination(self, seconds: float = GONE_SECONDS) -> None:
        """Until the pod has ended or is gone; time that is up is no error."""
        gate = _PodPhase(self.config.namespace, self.config.job_name, ("Succeeded", "Failed"), gone=True)
        try:
            wait(self.cluster, gate.kinds, gate, Deadline.after(seconds))
        except Expired:
            return

    def stream_logs(self, heard: Callable[[str], None], deadline: Deadline | None = None) -> None:
        """Tell each line of the log as it comes, until the container has ended or time is up. Raises ClusterError."""
        deadline = deadline or Deadline.after(self.config.timeout)
        path = f"{address(PODS, self.config.namespace, self._pod_name())}/log"
        query = {"container": CONTAINER, "follow": "true"}
        rest = b""
        try:
            with (
                wire_errors(self.cluster.server),
                self.cluster.stream(path, query, silence=max(0.1, deadline.remaining)) as response,
            ):
                for chunk in response.stream(1 << 16):
                    *lines, rest = (rest + chunk).split(b"\n")
                    for line in lines:
                        heard(line.decode(errors="replace"))
                    if deadline.expired:
                        return
        except ClusterError:
            if not deadline.expired:
                raise
        if rest:
            heard(rest.decode(errors="replace"))

    def follow(self, heard: Callable[[str], None]) -> AgentResult:
        """Tell the log as it comes; what the tests came to when the Job has ended, or its time is up.

        A Job that is overdue is deleted, so that nothing of it runs on. A Job that failed though its log says pass has
        failed. Raises AgentFailed where there is no log.
        """
        failure: AgentFailed | None = None
        deadline = Deadline.after(self.config.timeout)
        try:
            self.wait_for_pod_ready()
            self.stream_logs(heard, deadline)
            self.wait_for_completion(deadline)
        except AgentFailed as error:
            failure = error
        try:
            result = self.get_result()
        except HarnessError:
            if failure is None:
                raise
            self._end_overdue(failure)
            raise failure from None
        if failure is None:
            return result
        self._end_overdue(failure)
        return replace(result, verdict=FAIL, why=failure.what.partition("\n")[0])

    def _end_overdue(self, failure: AgentFailed) -> None:
        if isinstance(failure, AgentOverdue):
            self.cleanup_job()

    def get_pod_logs(self) -> str:
        """The whole log of the Job's newest pod. Raises DataError where it has none."""
        path = f"{address(PODS, self.config.namespace, self._pod_name())}/log"
        return self.cluster.text(path, {"container": CONTAINER}, timeout=60.0)

    def get_result(self) -> AgentResult:
        """From the log; what a simulated node says to have run is not executed."""
        pod = self._pod()
        nodes = {node["metadata"]["name"]: node for node in self.cluster.list(NODES).items}
        node = (pod.get("spec") or {}).get("nodeName")
        result = parse(self.get_pod_logs(), self.config.expected_tests)
        if node in nodes and simulated_node(nodes[node]):
            why = f"not executed: simulated node {node}"
            return AgentResult(result.status, result.message, result.tests, result.details, NOT_EXECUTED, why)
        return result

    def cleanup_job(self) -> None:
        """Delete the Job, and wait until it and its pods are gone."""
        namespace, name = self.config.namespace, self.config.job_name
        self.cluster.delete(JOBS, namespace, name, propagation="Foreground")

        def gone(objects: Objects) -> Verdict:
            left = pods_of(objects.all(PODS), namespace, name)
            there = objects.get(JOBS, namespace, name) is not None or bool(left)
            return Waiting("is there still", f"Job {namespace}/{name}") if there else Passed("is gone")

        wait(self.cluster, (JOBS, PODS), gone, Deadline.after(GONE_SECONDS))

    def cleanup_rbac(self) -> None:
        """Take away account, roles and bindings."""
        name, namespace = self.config.service_account_name, self.config.namespace
        for kind, of, where in (
            (CLUSTER_ROLE_BINDINGS, f"{name}-cluster", ""),
            (CLUSTER_ROLES, f"{name}-cluster", ""),
            (ROLE_BINDINGS, name, namespace),
            (ROLES, name, namespace),
            (SERVICE_ACCOUNTS, name, namespace),
        ):
            self.cluster.delete(kind, where, of)

    def cleanup(self) -> None:
        """Both, where the configuration wants it; tries everything. Raises HarnessError that counts what failed."""
        if not self.config.cleanup:
            return
        errors: list[HarnessError] = []
        for step in (self.cleanup_job, self.cleanup_rbac):
            try:
                step()
            except HarnessError as error:
                errors.append(error)
        if errors:
            told = "\n  ".join(map(str, errors))
            raise HarnessError(f"cleanup failed with {len(errors)} error(s):\n  {told}")

    def _pod(self) -> Object:
        selector = f"{JOB_LABEL}={self.config.job_name}"
        listed = self.cluster.list(PODS, namespace=self.config.namespace, label_selector=selector).items
        pods = pods_of(listed, self.config.namespace, self.config.job_name)
        if not pods:
            raise DataError(f"Job {self.config.namespace}/{self.config.job_name} has no pod")
        return max(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp", "")))

    def _pod_name(self) -> str:
        return str(self._pod()["metadata"]["name"])

    def _last_lines(self) -> str:
        try:
            return "\n" + ending(self.get_pod_logs(), 10)
        except HarnessError:
            return ""

    def _apply(self, kind: Kind, name: str, namespace: str, body: Mapping[str, Any]) -> None:
        labels = {"app.kubernetes.io/name": "aicr-validator", "app.kubernetes.io/managed-by": "aicr"}
        metadata = {"name": name, "labels": labels} | ({"namespace": namespace} if namespace else {})
        self.cluster.apply(kind, {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, **body})
