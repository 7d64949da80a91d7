"""Has the scheduler look again at pods of which it believes that their claims are not bound yet.

That a claim is bound reaches the scheduler's queue and its memory of claims side by side. A pod that the one makes it
try before the other has heard is refused once more, and stays so until another volume changes or five minutes are over
(Kubernetes 1.34: plugins/volumebinding and util/assumecache). Seen in 2 of some 100 cells, at a load of 11 on 2 cores:
claims bound, and pods refused for the 20 s that a verdict is patient. So a volume is changed a little.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

from harness.gates.findings import listed
from harness.names import BELL
from harness.objects import PERSISTENT_VOLUMES, PODS, Objects, condition
from harness.waiting.nudges import Hasten, Subject

_BELIEVED = "unbound immediate PersistentVolumeClaims"
_VOLUME: Subject = (PERSISTENT_VOLUMES, ("", BELL))  # any does: the scheduler does not ask whose it is


def refused(objects: Objects) -> Mapping[Subject, str]:
    """The volume to change, where pods are refused for claims."""
    names = [
        f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
        for pod in objects.all(PODS)
        if not pod["spec"].get("nodeName") and _BELIEVED in str(condition(pod, "PodScheduled").get("message"))
    ]
    return {_VOLUME: f"refused for unbound claims: {listed(names)}"} if names else {}


# Most claims are bound, and their pods looked at, within the first second.
LOOK_AGAIN = Hasten(refused, "kwok-harness/look-again", lambda: datetime.now(UTC).isoformat(), after=1.0, again=2.0)
