"""Which Applications have begun, and which Argo CD would look at again only at its next resync."""

from harness.gates.argocd.application import (
    APPLICATIONS,
    PASSING,
    PASSING_AFTER_SUCCESS,
    WAITS_FOR,
    awaited_claims,
    errors_of,
    operation_of,
    state_of,
)
from harness.objects import Key, Kind, Object, Objects, key_of, phase

_WAITS_FOR_CRD = f"{WAITS_FOR}apiextensions.k8s.io/CustomResourceDefinition/"


def progress(objects: Objects) -> dict[str, bool]:
    """By name, the Applications of which an operation has begun, and whether they are in a state that passes."""
    found = {}
    for app in objects.all(APPLICATIONS):
        if operation := operation_of(app):
            after_success = operation.get("phase") == "Succeeded" and state_of(app) in PASSING_AFTER_SUCCESS
            found[app["metadata"]["name"]] = state_of(app) in PASSING or after_success
    return found


def waiting_for_nothing(objects: Objects) -> dict[tuple[Kind, Key], str]:
    """Applications that Argo CD would look at again only at its next resync, and why each is worth a look before.

    Their operation waits for CRDs, which are healthy in no time, or for claims that are bound by now; or they could not
    be compared. What is merely out of sync Argo CD comes back to by itself, to heal it.
    """
    return {(APPLICATIONS, key_of(app)): why for app in objects.all(APPLICATIONS) if (why := _asleep(app, objects))}


def _asleep(app: Object, objects: Objects) -> str:
    """Why an Application is worth a look; empty where it is not."""
    operation = operation_of(app)
    message = str(operation.get("message"))
    claims = [phase(claim) for claim in awaited_claims(app, objects)]
    if message.startswith(_WAITS_FOR_CRD) or (claims and all(each == "Bound" for each in claims)):
        return message
    return "; ".join(": ".join(each) for each in errors_of(app))
