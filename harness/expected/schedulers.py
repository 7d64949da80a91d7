"""Which schedulers a recipe installs: pods may ask for those, and for the cluster's own.

A scheduler is known by the name of its component, release or namespace, of a workload or of its label
app.kubernetes.io/name; by the flag --scheduler-name of a container; or by a profile in a KubeSchedulerConfiguration.
Others that merely mention it (an operator that is told which scheduler to ask for) do not bring it.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from harness.gates import typed
from harness.gates.workloads.manifest import ExpectedWorkload, Rendered, flatten
from harness.names import DEFAULT_SCHEDULER

_FLAG = "--scheduler-name"
_PROFILE = re.compile(r"""["']?schedulerName["']?:\s*["']?([\w.-]+)""")
_NAME_LABEL = "app.kubernetes.io/name"


def asked(workloads: Iterable[ExpectedWorkload]) -> frozenset[str]:
    """The schedulers that workloads name, beside the cluster's own."""
    return frozenset(str(each.spec.get("schedulerName") or DEFAULT_SCHEDULER) for each in workloads) - {
        DEFAULT_SCHEDULER
    }


def brought(
    wanted: Iterable[str],
    components: Iterable[str],
    releases: Iterable[Rendered],
    workloads: Iterable[ExpectedWorkload],
) -> frozenset[str]:
    """Those among `wanted` that the recipe installs. `components` are the names of the recipe's components."""
    releases, workloads = list(releases), list(workloads)
    names = {*components, *(name for each in releases for name in (each.release, each.namespace))}
    ends = {each.name for each in workloads} | set(_labels(releases))
    said = {*_flags(workloads), *_profiles(releases)}
    return frozenset(
        each for each in wanted if each in names | said or any(end == each or end.endswith(f"-{each}") for end in ends)
    )


def _labels(releases: Iterable[Rendered]) -> Iterator[str]:
    for release in releases:
        for item in flatten(release.objects):
            labels = typed.metadata(item).get("labels") or {}
            if item.get("kind") in ("Deployment", "StatefulSet", "DaemonSet") and labels.get(_NAME_LABEL):
                yield str(labels[_NAME_LABEL])


def _flags(workloads: Iterable[ExpectedWorkload]) -> Iterator[str]:
    """The values of --scheduler-name, given with = or as the next word."""
    for workload in workloads:
        for container in workload.spec.get("containers") or ():
            given = [container.get(key) for key in ("command", "args")]
            words = [str(word) for each in given if isinstance(each, list) for word in each]
            for word, following in zip(words, [*words[1:], ""], strict=False):
                name, equals, value = word.partition("=")
                if name == _FLAG:
                    yield value if equals else following


def _profiles(releases: Iterable[Rendered]) -> Iterator[str]:
    for release in releases:
        for item in flatten(release.objects):
            data: Any = item.get("data") if item.get("kind") == "ConfigMap" else None
            for text in (data or {}).values() if isinstance(data, dict) else ():
                if "KubeSchedulerConfiguration" in str(text):
                    yield from _PROFILE.findall(str(text))
