"""Jobs that take themselves away once they are done, under a deployer that makes again whatever is gone.

With `ttlSecondsAfterFinished: 0` the Job of an Application is gone as soon as it is done, Argo CD calls the Application
OutOfSync, makes the Job again, and so for ever. What was asked for has happened, so such a Job is taken for in sync
while it is missing and the last operation succeeded; that it runs again and again is a note of the expectation.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.gates.argocd.application import APPLICATIONS
from harness.gates.findings import Gate
from harness.objects import JOBS, Key, Kind, Object, Objects, key_of
from harness.verdict import Verdict


@dataclass(frozen=True)
class MadeAgain:
    """`gate`, to which an Application is in sync that lacks nothing but some of `jobs`."""

    gate: Gate
    jobs: frozenset[Key]

    @property
    def kinds(self) -> tuple[Kind, ...]:
        return self.gate.kinds

    def __call__(self, objects: Objects) -> Verdict:
        seen = {kind: {key_of(item): item for item in objects.all(kind)} for kind in objects.kinds}
        seen[APPLICATIONS] = {key: self._forgiven(app) for key, app in seen[APPLICATIONS].items()}
        return self.gate(Objects(seen))

    def _forgiven(self, app: Object) -> Object:
        """Argo CD 3 says of each resource whether it is in sync, and only of all together whether any is missing."""
        status: Mapping[str, Any] = app.get("status") or {}
        sync, health = status.get("sync") or {}, status.get("health") or {}
        succeeded = (status.get("operationState") or {}).get("phase") == "Succeeded"
        apart = [each for each in status.get("resources") or () if each.get("status") != "Synced"]
        if not succeeded or (sync.get("status"), health.get("status")) != ("OutOfSync", "Missing"):
            return app
        if not apart or not all(map(self._one_of_them, apart)):
            return app
        now = {"sync": {**sync, "status": "Synced"}, "health": {**health, "status": "Progressing"}}
        return {**app, "status": {**status, **now}}

    def _one_of_them(self, resource: Mapping[str, Any]) -> bool:
        key = (resource.get("namespace") or "", resource.get("name") or "")
        return (resource.get("group"), resource.get("kind")) == (JOBS.group, JOBS.kind) and key in self.jobs
