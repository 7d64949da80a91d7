"""What a check may do on the cluster: a ServiceAccount of the run, and for each check no more than it declares.

The rules of one role are replaced before each check, so that a permission that one check lacks is not lent by another:
it fails here as it would alone. cluster-admin is given only to an entry that asks for it, and told.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.cluster.api import ApiError, Cluster, address
from harness.cluster.tokens import token
from harness.deadline import MONOTONIC, Clock, Deadline
from harness.errors import ClusterError, HarnessError
from harness.objects import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    NAMESPACES,
    ROLE_BINDINGS,
    ROLES,
    SERVICE_ACCOUNTS,
    Kind,
)
from harness.validation.checks.catalog import Access, Entry, Rule

NAMESPACE = "aicr-validation"
CLUSTER_ADMIN = "cluster-admin"
SPREADING_SECONDS = 10.0  # until an API server's authorizer knows of a new role
_READ = ("get", "list")
# For an entry that declares nothing: what the older agent of the reference tool had.
MINIMUM = Access(
    rules=(
        Rule(("apps",), ("deployments", "daemonsets", "statefulsets", "replicasets"), _READ),
        Rule(("",), ("pods", "services", "nodes"), _READ),
    ),
    namespaced=(
        Rule(("",), ("namespaces", "events", "services", "endpoints"), _READ),
        Rule(("",), ("configmaps", "pods"), (*_READ, "create", "update", "patch")),
        Rule(("batch",), ("jobs",), _READ),
    ),
)


class AccessRefused(ClusterError):
    """The namespace, the account or a role of a run may not be made by whoever runs it."""


def labels(run_id: str, **more: str) -> dict[str, str]:
    """The labels of everything that a run makes; `more` are in the domain of the reference tool."""
    return {
        "app.kubernetes.io/name": "aicr",
        "app.kubernetes.io/component": "validation",
        "app.kubernetes.io/managed-by": "aicr",
        "aicr.nvidia.com/run-id": run_id,
        **{f"aicr.nvidia.com/{key.replace('_', '-')}": value for key, value in more.items()},
    }


@dataclass
class Account:
    """The ServiceAccount of a run. `notes` tell what was given beyond what checks declare."""

    cluster: Cluster
    run_id: str
    namespace: str = NAMESPACE
    clock: Clock = MONOTONIC
    notes: list[str] = field(default_factory=list)
    _made: dict[Kind, str] = field(default_factory=dict)  # what was made or may have been, and its namespace

    @property
    def name(self) -> str:
        return f"aicr-validator-{self.run_id}"

    @property
    def made(self) -> bool:
        """Whether there is anything to remove."""
        return bool(self._made)

    def create(self) -> None:
        """Make namespace and account. Raises AccessRefused that names what may not be made."""
        if self.cluster.get(NAMESPACES, "", self.namespace) is None:
            of = {key: value for key, value in labels(self.run_id).items() if not key.endswith("run-id")}
            self._make(NAMESPACES, {"metadata": {"name": self.namespace, "labels": of}})
        self._make(SERVICE_ACCOUNTS, {"metadata": self._metadata(self.namespace)})

    def grant(self, entry: Entry) -> None:
        """Give the account what `entry` declares and nothing else, and wait until the API server knows."""
        access = entry.access
        if access is None:
            access = MINIMUM
            self._note(
                f"{entry.name} declares no permissions: it gets read access to workloads, pods, services and nodes"
            )
        if access.cluster_admin:
            self._note(f"{entry.name} runs with {CLUSTER_ADMIN}, as its entry requires")
        self._role(CLUSTER_ROLES, "", access.rules)
        self._role(ROLES, self.namespace, access.namespaced)
        self._bind(CLUSTER_ROLE_BINDINGS, "", "ClusterRole", CLUSTER_ADMIN if access.cluster_admin else self.name)
        self._bind(ROLE_BINDINGS, self.namespace, "Role", self.name)
        wanted = (Rule(("*",), ("*",), ("*",)),) if access.cluster_admin else access.rules
        for rules, namespace in ((wanted, ""), (access.namespaced, self.namespace)):
            if rules:
                self._spread(rules[-1], namespace)

    def token(self, seconds: float) -> str:
        """A token of the account, valid for about `seconds` and at least the ten minutes that an API server gives."""
        return token(self.cluster, self.namespace, self.name, int(seconds) + 300)

    def remove(self, deadline: Deadline) -> list[str]:
        """Take away what was made, the namespace apart, within `deadline`; what could not be, each with its reason."""
        left: list[str] = []
        for kind, namespace in reversed(self._made.items()):
            try:
                path = address(kind, namespace, self.name)
                self.cluster.request("DELETE", path, timeout=max(0.1, min(10.0, deadline.remaining)), attempts=2)
            except ApiError as error:
                if error.status != 404:
                    left.append(f"{kind.kind} {self.name}: {error}")
            except HarnessError as error:
                left.append(f"{kind.kind} {self.name}: {error}")
        return left

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def _metadata(self, namespace: str) -> dict[str, Any]:
        of = {**labels(self.run_id), "app.kubernetes.io/name": "aicr-validator"}
        return {"name": self.name, "labels": of} | ({"namespace": namespace} if namespace else {})

    def _role(self, kind: Kind, namespace: str, rules: tuple[Rule, ...]) -> None:
        self._make(kind, {"metadata": self._metadata(namespace), "rules": [rule.document() for rule in rules]})

    def _bind(self, kind: Kind, namespace: str, role: str, name: str) -> None:
        """A binding's role cannot be changed: one to another role is made anew."""
        wanted = {"apiGroup": "rbac.authorization.k8s.io", "kind": role, "name": name}
        found = self.cluster.get(kind, namespace, self.name)
        if found is not None and found.get("roleRef") != wanted:
            self.cluster.delete(kind, namespace, self.name)
        subject = {"kind": "ServiceAccount", "name": self.name, "namespace": self.namespace}
        self._make(kind, {"metadata": self._metadata(namespace), "roleRef": wanted, "subjects": [subject]})

    def _make(self, kind: Kind, item: Mapping[str, Any]) -> None:
        """Apply, and note it for `remove`, unless the API server refuses: an answer that is lost may have been yes."""
        namespace = item["metadata"].get("namespace", "")
        there = kind in self._made
        if kind != NAMESPACES:  # which stays
            self._made[kind] = namespace
        try:
            self.cluster.apply(kind, {"apiVersion": kind.api_version, "kind": kind.kind, **item})
        except ApiError as error:
            if error.status not in (401, 403, 422):
                raise
            if not there:
                self._made.pop(kind, None)
            what = f"{kind.kind} {item['metadata']['name']} cannot be created: {error}"
            do = "grant this user permission to create ServiceAccounts, and roles with what the checks declare"
            if kind == NAMESPACES:
                do = "have it created by somebody who may, or name another with --namespace"
            raise AccessRefused(what, do=do) from error

    def _spread(self, rule: Rule, namespace: str) -> None:
        """Wait until the authorizer allows the last of the rules."""
        user = f"system:serviceaccount:{self.namespace}:{self.name}"
        resource, _, sub = rule.resources[-1].partition("/")
        asked = {"group": rule.groups[-1], "resource": resource, "verb": rule.verbs[-1], "namespace": namespace}
        spec = {"user": user, "resourceAttributes": asked | ({"subresource": sub} if sub else {})}
        body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
        deadline = Deadline.after(SPREADING_SECONDS, clock=self.clock)
        while True:
            answer = self.cluster.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", body=body)
            if (answer.get("status") or {}).get("allowed"):
                return
            if deadline.expired:
                what = f"the API server does not allow {rule.verbs[-1]} {resource} after {SPREADING_SECONDS:g} s"
                raise AccessRefused(what, where=f"ServiceAccount {self.namespace}/{self.name}")
            self.clock.sleep(0.05)
