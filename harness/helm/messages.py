"""What helm's messages mean for a person who reads them."""

import re

from harness.gates.messages import API_SERVER_AWAY, served
from harness.processes.commands import CommandFailed

# What helm says in its own terms, and what that means for a recipe.
_KNOWN = tuple(
    (re.compile(pattern, re.DOTALL), meaning, do)
    for pattern, meaning, do in (
        (
            rf"failed to download openapi|Kubernetes cluster unreachable|{API_SERVER_AWAY}",
            "the API server did not answer",
            "see its log among the evidence; this machine may be too busy for it",
        ),
        (
            r"failed (?:pre|post)-\w+: .*(?:timed out waiting|context deadline exceeded)",
            "a hook did not end in time",
            "look at the hook's Job and its pod: one that cannot be scheduled never ends",
        ),
        (
            r"failed (?:pre|post)-\w+:",
            "a hook failed",
            "look at the hook's Job and its pod",
        ),
        (
            r"no matches for kind",
            "it creates objects of a kind that the cluster does not serve",
            "add a dependency on the component that installs the CRD",
        ),
        (
            r"invalid ownership metadata|already exists",
            "it creates an object that another release has created, or that existed before",
            "two components may not share an object",
        ),
        (
            r"failed calling webhook|denied the request",
            "an admission webhook blocked the request",
            "see the setting `webhooks`",
        ),
        (
            r"another operation \(install/upgrade/rollback\) is in progress",
            "an earlier helm was killed while it worked on this release",
            "uninstall the release, or take a new cluster",
        ),
        (
            r"has no deployed releases",
            "an earlier install of this release failed",
            "uninstall the release, or take a new cluster",
        ),
        (
            r"found in Chart\.yaml, but missing in charts/ directory",
            "a chart that it depends on is not in its charts/ directory",
            "run `helm dependency build` on the chart, and commit charts/",
        ),
        (
            r"incompatible with Kubernetes",
            "the chart does not support this Kubernetes version",
            "",
        ),
        (
            r"is not a valid chart repository|failed to (?:fetch|download|do request)|not found in .* repository"
            r"|: not found$|dial tcp|no such host|unexpected status",
            "the chart could not be fetched",
            "check repository, name and version of the chart, and whether this machine reaches it",
        ),
    )
)


def explain(error: CommandFailed) -> tuple[str, str]:
    """Helm's own message without its warnings, led by what it means where that is known; and what to do."""
    lines = error.completed.stderr.strip().splitlines()
    start = next((number for number, line in enumerate(lines) if line.startswith("Error: ")), 0)
    message = "\n".join(lines[start:]).removeprefix("Error: ").strip()
    message = served(message.removesuffix("Use --debug flag to render out invalid YAML").strip())
    if error.timed_out:
        return f"helm was not done in time{': ' if message else ''}{message}", ""
    for pattern, meaning, do in _KNOWN:
        if pattern.search(message):
            return f"{meaning}\n{message}", do
    return message or f"exit status {error.completed.returncode} without a message", ""
