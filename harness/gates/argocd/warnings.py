"""What Argo CD warns of while it calls an Application synced: objects that it leaves out, or that two of them make.

| condition               | means                                                              | verdict         |
|-------------------------|--------------------------------------------------------------------|-----------------|
| ExcludedResourceWarning | an object of the chart is of a kind that Argo CD's settings leave  | Failed          |
|                         | out, so it is not in the cluster and never will be                 |                 |
| SharedResourceWarning   | an object is made by another Application too: each puts its own    | Waiting, doomed |
|                         | back. After an upgrade that moved it, until the next comparison    |                 |
| the same, of a CRD      | two releases bring one CRD; that differs in them is found before   | nothing         |
|                         | anything is delivered, that it is the same is noted there          |                 |
"""

from dataclasses import dataclass

from harness.gates.argocd.application import APPLICATIONS, NAMESPACE
from harness.gates.findings import Finding, Gate, Level, overall, shortened, subject
from harness.objects import Kind, Objects
from harness.verdict import CauseKind, Passed, Verdict

_EQUAL = "CustomResourceDefinition/"  # "KIND/NAME is part of applications A and B"
_LEVELS = {"ExcludedResourceWarning": Level.FAILED, "SharedResourceWarning": Level.DOOMED}


@dataclass(frozen=True)
class WithoutWarnings:
    """`gate` passes, and no Application warns of what makes its being synced mean less."""

    gate: Gate

    @property
    def kinds(self) -> tuple[Kind, ...]:
        return self.gate.kinds

    def __call__(self, objects: Objects) -> Verdict:
        verdict = self.gate(objects)
        if not isinstance(verdict, Passed):
            return verdict
        findings = [
            Finding(
                _LEVELS[each["type"]],
                subject(APPLICATIONS, app),
                f"{each['type']}: {shortened(each.get('message'))}",
                kind=CauseKind.APPLY,
            )
            for app in objects.all(APPLICATIONS)
            if app["metadata"]["namespace"] == NAMESPACE
            for each in (app.get("status") or {}).get("conditions") or ()
            if each.get("type") in _LEVELS and not str(each.get("message")).startswith(_EQUAL)
        ]
        return overall(findings) if findings else verdict
