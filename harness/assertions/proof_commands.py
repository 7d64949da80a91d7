"""Commands that prove something only where pods run: rollout status, wait for Ready, logs, exec, helm --wait."""

import re
import shlex
from collections.abc import Iterator, Sequence

from harness.assertions.proof import Claim
from harness.assertions.proof_fields import EXECUTION

_ENDS = re.compile(r"\n|;|&&|\|\||\||&")
_KUBECTL_RUNS = {"logs", "exec", "port-forward", "attach", "cp", "debug", "top"}
# Conditions that a cluster fulfils without running anything.
_WITHOUT_PODS = {"podscheduled", "established", "namesaccepted", "suspended"}
_HELM_WAITS = ("--wait", "--atomic", "--wait-for-jobs", "--rollback-on-failure")
_WITH_VALUE = {"-n", "--namespace", "--context", "--kubeconfig", "--kube-context", "-l", "--selector", "-s", "--server"}


def claims_of_command(command: str | Sequence[str]) -> tuple[Claim, ...]:
    """What of a command line, or of a shell script, needs pods that run; empty where nothing is recognised."""
    lines = [list(command)] if not isinstance(command, str) else list(_commands(command))
    return tuple(Claim(" ".join(words), EXECUTION, "command") for words in lines if _runs(words))


def _commands(script: str) -> Iterator[list[str]]:
    for part in _ENDS.split(script.replace("\\\n", " ")):
        try:
            words = shlex.split(part, comments=True)
        except ValueError:  # a quote that another part closes
            words = part.split()
        if words:
            yield words


def _runs(words: list[str]) -> bool:
    for position, word in enumerate(words):
        program = re.split(r"[/(`=]", word)[-1]
        following = words[position + 1 :]
        if program in ("kubectl", "oc"):
            return _kubectl(following)
        if program == "helm":
            verbs = _verbs(following)
            waits = any(
                option.partition("=")[0] in _HELM_WAITS and not option.endswith("=false") for option in following
            )
            return verbs[:1] == ["test"] or (verbs[:1] in (["install"], ["upgrade"], ["rollback"]) and waits)
    return False


def _verbs(words: list[str]) -> list[str]:
    """The words that are no options."""
    verbs: list[str] = []
    skip = False
    for word in words:
        if skip:
            skip = False
        elif word.startswith("-"):
            skip = word in _WITH_VALUE
        else:
            verbs.append(word)
    return verbs


def _kubectl(words: list[str]) -> bool:
    verbs = _verbs(words)
    if verbs[:1] == ["wait"]:
        return _waits_for_pods(words)
    if verbs[:1] == ["run"]:
        return any(option in ("-i", "-it", "-ti", "--stdin", "--attach") for option in words)
    return verbs[:2] == ["rollout", "status"] or (bool(verbs) and verbs[0] in _KUBECTL_RUNS)


def _waits_for_pods(words: list[str]) -> bool:
    text = " ".join(words).lower()
    condition = re.search(r"--for[= ]condition=([a-z]+)", text)
    if condition:
        return condition[1] not in _WITHOUT_PODS
    return ".status" in text
