"""What is worth a warning in the words of a command, which kuttl runs without a shell in the folder of the test."""

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.errors import DataError
from harness.suites.problems import Problems

_VARIABLE = re.compile(r"\$(?:\$|\{([^}]*)\}|([A-Za-z_][A-Za-z0-9_]*))")
_GIVEN = {"NAMESPACE", "KUBECONFIG", "PATH"}  # set for each command
_SHELL = {"|", "||", "&&", ";", ">", ">>", "<", "2>&1", "&"}

# The conditions that Kubernetes itself sets. Those of a readiness gate have a slash in their names.
_POD = ("Ready", "PodScheduled", "Initialized", "ContainersReady", "PodReadyToStartContainers", "DisruptionTarget")
_CONDITIONS: dict[str, tuple[str, ...]] = {
    "Pod": (*_POD, "PodResizePending", "PodResizeInProgress"),
    "Deployment": ("Available", "Progressing", "ReplicaFailure"),
    "ReplicaSet": ("ReplicaFailure",),
    "StatefulSet": (),
    "DaemonSet": (),
    "Job": ("Complete", "Failed", "Suspended", "FailureTarget", "SuccessCriteriaMet"),
}
_SHORT = {"po": "Pod", "deploy": "Deployment", "rs": "ReplicaSet", "sts": "StatefulSet", "ds": "DaemonSet"}
_KINDS = _SHORT | {name: kind for kind in _CONDITIONS for name in (kind.lower(), f"{kind.lower()}s")}


def look_at(text: str, where: str, folder: Path | None, problems: Problems, environment: Mapping[str, str]) -> None:
    """Warn of what does something else than it says. Raises DataError for a text that does not split into words.

    `folder` is where the command runs, None where that is not known: paths are not looked at then.
    """
    try:
        words = shlex.split(text, comments=True)
    except ValueError as error:
        raise DataError(f"command does not split into words: {error}", where=where) from error
    if not words:
        raise DataError("command is empty", where=where)
    for found in {found[0]: found for found in _VARIABLE.finditer(text)}.values():
        name = found[1] if found[1] is not None else found[2]
        if name is not None and name not in _GIVEN and name not in environment:
            problems.warning(
                f"kuttl replaces {found[0]} before a shell sees it, and it is not in the environment: it is empty",
                where,
                f"write $${found[0].removeprefix('$')}, or a script",
            )
    if shell := next((word for word in words if word in _SHELL), None):
        problems.warning(f"no shell reads a command: {shell!r} is an argument", where, "write a script")
    for word in words:
        path = word.partition("=")[2] if word.startswith("-") else word
        if (
            folder is not None
            and path.startswith("../")
            and not set(path) & set("$*?[ \n")
            and not (folder / path).exists()
        ):
            do = "commands run in the folder of their test"
            problems.warning(f"{path} does not exist, seen from {folder}", where, do)
    _look_at_wait(words, where, problems)


def _look_at_wait(words: Sequence[str], where: str, problems: Problems) -> None:
    """`kubectl wait` for a condition that nothing sets runs into its timeout."""
    if Path(words[0]).name != "kubectl" or "wait" not in words[1:]:
        return
    kind = next((kind for word in words[1:] if (kind := _kind(word))), "")
    for condition in _awaited(words):
        if not kind or "/" in condition or condition.lower() in {known.lower() for known in _CONDITIONS[kind]}:
            continue
        phase = kind == "Pod" and condition in ("Running", "Succeeded")
        known = f"it has {', '.join(_CONDITIONS[kind])}" if _CONDITIONS[kind] else "wait with kubectl rollout status"
        do = f"{condition} is a phase: --for=jsonpath={{.status.phase}}={condition}" if phase else known
        problems.warning(f"nothing sets a condition {condition} of a {kind}: this runs into its timeout", where, do)


def _awaited(words: Sequence[str]) -> list[str]:
    """The conditions of `--for=condition=NAME[=VALUE]`, also as two words."""
    after = ["", *words[:-1]]
    said = [word.removeprefix("--for=") for word in words if word.startswith("--for=")]
    said += [word for word, before in zip(words, after, strict=True) if before == "--for"]
    return [one.split("=")[1] for one in said if one.startswith("condition=")]


def _kind(word: str) -> str:
    """The kind that `pod`, `pods/NAME` or `deployments.apps` names, empty for another word."""
    return _KINDS.get(word.partition("/")[0].partition(".")[0].lower(), "")
