"""Gates for tests of waiting: the objects say what the verdict is."""

from harness.objects import PODS, Objects
from harness.verdict import Failed, Passed, Verdict, Waiting


def obedient(objects: Objects) -> Verdict:
    """Pods say what the verdict is; none of them waits."""
    for pod in objects.all(PODS):
        word, _, rest = str(pod["says"]).partition(" ")
        subject = f"Pod default/{pod['metadata']['name']}"
        match word:
            case "fail":
                return Failed(rest, subject)
            case "doom":
                return Waiting("not scheduled", subject, doomed=rest)
            case "wait":
                return Waiting(rest, subject)
    return Passed(f"{objects.count(PODS)} pods") if objects.count(PODS) else Waiting("no pods")
