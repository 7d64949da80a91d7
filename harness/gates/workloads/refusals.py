"""Pods that a controller may not make: why, and whether that can still change.

The API server refuses a pod, and its controller tries again, later each time, up to minutes apart. What it was told it
says in an Event (FailedCreate) and some in a condition (ReplicaFailure); both stay when the trouble is over, until the
next attempt. So a refusal is held against the objects as they are now, and against what is still to come:

| refused for                     | out of date when                   | final unless                              |
|---------------------------------|------------------------------------|-------------------------------------------|
| a ServiceAccount, PriorityClass | it is there by now                 | a release that is still to come brings it |
| or RuntimeClass that is missing |                                    | (`default` accounts: the cluster does)    |
| exceeded quota                  | the quota is gone, or has room now | a release still to come brings that quota;|
|                                 |                                    | or the pod would fit it empty, and others |
|                                 |                                    | are about to end (of Jobs, leaving ones,  |
|                                 |                                    | those of an older revision)               |
| Pod Security                    | its namespace enforces another     | a release still to come brings that       |
|                                 | level                              | namespace                                 |
| its own name or labels, such as | never: they follow from the        |                                           |
| one of over 63 characters       | template's                         |                                           |
| anything else: a policy, a      | cannot be known                    | always: somebody may change it, a webhook |
| webhook, a LimitRange           |                                    | may come up                               |

What is out of date, or may still come, waits. What is final ends the wait after `deadlines.refused`: longer than an
account takes to be replaced by a deployer, much shorter than any attempt that would change nothing. Everything else has
the patience of a pod that the scheduler refuses (`deadlines.unschedulable`); while releases are being installed only
for hooks, as nothing waits for other pods then, and what they lack is judged at the end.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction

from harness.errors import DataError
from harness.formats import quantity
from harness.gates.findings import Level
from harness.gates.workloads.arrivals import Arrivals
from harness.gates.workloads.manifest import Identity
from harness.gates.workloads.ownership import Ownership, controller
from harness.objects import (
    FAILED_CREATES,
    NAMESPACES,
    PODS,
    PRIORITY_CLASSES,
    QUOTAS,
    RUNTIME_CLASSES,
    SERVICE_ACCOUNTS,
    Kind,
    Object,
    Objects,
    condition,
    holds,
    phase,
)

KINDS: tuple[Kind, ...] = (FAILED_CREATES, NAMESPACES, PRIORITY_CLASSES, QUOTAS, RUNTIME_CLASSES, SERVICE_ACCOUNTS)

_MISSING = (
    (re.compile(r'serviceaccount "([^"]+)" not found'), SERVICE_ACCOUNTS),
    (re.compile(r"no PriorityClass with name (\S+) was found"), PRIORITY_CLASSES),
    (re.compile(r'RuntimeClass "([^"]+)" not found|runtimeclass\S* "([^"]+)" not found'), RUNTIME_CLASSES),
)
_QUOTA = re.compile(r"exceeded quota: (\S+), requested: (\S+), used: ")
_POD_SECURITY = re.compile(r'violates PodSecurity "([^"]+)"')
_COMBINED = "(combined from similar events): "
_INVALID = re.compile(r"\bis invalid: \[?(?:metadata\.|spec\.(?:hostname|subdomain)\b)")
_ENFORCE = "pod-security.kubernetes.io/enforce"
_LATEST = "latest"  # the version of a level, where a namespace names none
_MADE_BY_THE_CLUSTER = "default"  # the ServiceAccount of each namespace


@dataclass(frozen=True)
class Refusal:
    """What a controller says of the pods that it may not make, and how bad that is."""

    text: str
    level: Level


@dataclass
class Refusals:
    """The refusals that the objects tell of. `arrivals` is what is still to come."""

    ownership: Ownership
    arrivals: Arrivals = field(default_factory=Arrivals)

    def __post_init__(self) -> None:
        self._said: dict[str, Object] = {}  # by uid, the newest
        for event in self.objects.all(FAILED_CREATES) if FAILED_CREATES in self.objects.kinds else ():
            uid = (event.get("involvedObject") or {}).get("uid", "")
            if uid not in self._said or _when(event) >= _when(self._said[uid]):
                self._said[uid] = event

    @property
    def objects(self) -> Objects:
        return self.ownership.objects

    def of(self, live: Object, workload: Identity) -> Refusal | None:
        """Why the controller of `live` makes no pods, where it said so. `workload` is what people know it by."""
        event = self._said.get(live["metadata"].get("uid", "")) or {}
        text = _condition(live) or str(event.get("message") or "").removeprefix(_COMBINED)
        return Refusal(text, self._level(text, live["metadata"].get("namespace", ""), workload)) if text else None

    def _level(self, text: str, namespace: str, workload: Identity) -> Level:
        for pattern, kind in _MISSING:
            if found := pattern.search(text):
                return self._missing(kind, next(filter(None, found.groups())), namespace, workload)
        if found := _QUOTA.search(text):
            return self._quota(found[1], found[2], namespace, workload)
        if found := _POD_SECURITY.search(text):
            return self._pod_security(found[1], namespace, workload)
        if _INVALID.search(text):
            return Level.CERTAIN
        if self.arrivals.under_way and not self.arrivals.holds_back(workload):
            return Level.WAITING
        return Level.DOOMED

    def _missing(self, kind: Kind, name: str, namespace: str, workload: Identity) -> Level:
        where = namespace if kind.namespaced else ""
        if kind == SERVICE_ACCOUNTS and name.rpartition("/")[2] == _MADE_BY_THE_CLUSTER:
            return Level.WAITING
        there = self.objects.get(kind, where, name) is not None
        return Level.WAITING if there else self._final((kind.kind, where, name), workload)

    def _quota(self, name: str, requested: str, namespace: str, workload: Identity) -> Level:
        quota = self.objects.get(QUOTAS, namespace, name)
        if quota is None:
            return Level.WAITING
        status = quota.get("status") or {}
        hard, taken = _amounts(status.get("hard")), _amounts(status.get("used"))
        wanted = _listed(requested)
        if all(amount + taken.get(what, Fraction()) <= hard.get(what, amount) for what, amount in wanted.items()):
            return Level.WAITING
        fits = all(amount <= hard.get(what, amount) for what, amount in wanted.items())
        if fits and any(self._ends_soon(pod) for pod in self.objects.all(PODS) if _in(namespace, pod)):
            return Level.WAITING
        return self._final((QUOTAS.kind, namespace, name), workload)

    def _ends_soon(self, pod: Object) -> bool:
        """Whether the pod is about to give back what it takes of a quota."""
        if phase(pod) in ("Succeeded", "Failed"):
            return False  # it takes nothing any more
        reference = controller(pod)
        if "deletionTimestamp" in pod["metadata"]:
            return True
        if reference is None:
            return False
        return reference["kind"] == "Job" or self.ownership.superseded(reference["uid"])

    def _pod_security(self, level: str, namespace: str, workload: Identity) -> Level:
        found = self.objects.get(NAMESPACES, "", namespace)
        labels = (found or {}).get("metadata", {}).get("labels") or {}
        if level != f"{labels.get(_ENFORCE)}:{labels.get(f'{_ENFORCE}-version', _LATEST)}":
            return Level.WAITING
        return self._final((NAMESPACES.kind, "", namespace), workload)

    def _final(self, wanted: Identity, workload: Identity) -> Level:
        return Level.WAITING if self.arrivals.may_bring(wanted, workload) else Level.CERTAIN


def _condition(live: Object) -> str:
    """Why a controller makes no pods, in the words of its conditions; else empty."""
    if holds(live, "ReplicaFailure"):
        failure = condition(live, "ReplicaFailure")
        return str(failure.get("message") or failure.get("reason"))
    progress = condition(live, "Progressing")
    if progress.get("status") == "False":
        return str(progress.get("message") or progress.get("reason"))
    return ""


def _when(event: Object) -> tuple[str, int]:
    """Orders what was said of one object: by seconds, and within one by the order of writing."""
    at = event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp") or ""
    revision = str(event["metadata"].get("resourceVersion", ""))
    return str(at), int(revision) if revision.isdecimal() else 0


def _amounts(listed: object) -> dict[str, Fraction]:
    """Quantities by resource, those that can be read."""
    found: dict[str, Fraction] = {}
    for what, text in listed.items() if isinstance(listed, dict) else ():
        try:
            found[what] = quantity.parse(text)
        except DataError:
            continue
    return found


def _listed(text: str) -> dict[str, Fraction]:
    """What a message says in the form "cpu=1,memory=2Gi"."""
    return _amounts(dict(part.partition("=")[::2] for part in text.split(",")))


def _in(namespace: str, pod: Object) -> bool:
    return bool(pod["metadata"].get("namespace") == namespace)


def worst(refusals: Iterable[Refusal | None]) -> Refusal | None:
    """The one that says most: the worst, and of equals the first."""
    found = [refusal for refusal in refusals if refusal is not None]
    return max(found, key=lambda refusal: refusal.level) if found else None
