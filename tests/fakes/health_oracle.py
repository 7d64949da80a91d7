"""What the expressions of the real health checks mean, written out in Python: a second opinion on the same objects."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

Object = Mapping[str, Any]


class CannotTell(Exception):
    """chainsaw ends here: a wrong type, or the length of nothing."""


def at(value: Any, *path: str) -> Any:
    """What is below `path`, None where there is nothing."""
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def compared(left: Any, right: Any, how: Callable[[Any, Any], bool]) -> bool | None:
    """An ordering of two numbers, None of anything else."""
    return how(left, right) if number(left) and number(right) else None


def more(left: Any, right: Any) -> bool | None:
    return compared(left, right, lambda a, b: a > b)


def least(left: Any, right: Any) -> bool | None:
    return compared(left, right, lambda a, b: a >= b)


def less(left: Any, right: Any) -> bool | None:
    return compared(left, right, lambda a, b: a < b)


def items(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise CannotTell
    return value


def filtered(value: Any, test: Callable[[Any], Any]) -> list[Any] | None:
    """A filter of a list; of what is no list, null."""
    return [each for each in value if test(each)] if isinstance(value, list) else None


def has(value: Any, wanted: str) -> bool:
    """contains()"""
    if isinstance(value, list | str):
        return wanted in value
    raise CannotTell


def conditions(value: Any, *status: str, kind: str) -> list[Any] | None:
    return filtered(value, lambda each: at(each, "type") == kind and (not status or at(each, "status") == status[0]))


BAD = ("CrashLoopBackOff", "ImagePullBackOff", "ErrImagePull", "CreateContainerConfigError")
WAITING = "[?" + " || ".join(f"state.waiting.reason == '{reason}'" for reason in BAD) + "] | length(@) > `0`)"
HOOK = "preflight.nvsentinel.nvidia.com"
MOUNT = "?name == 'audit-logs' && mountPath == '/var/log/nvsentinel'"


def waiting(field: str) -> Callable[[Any], Any]:
    return lambda v: any(at(each, "state", "waiting", "reason") in BAD for each in items(at(v, field) or []))


def mounted(field: str, name: str) -> Callable[[Any], Any]:
    def holds(value: Any) -> bool:
        mounts = [
            mount
            for each in items(at(value, field) or [])
            if at(each, "name") == name
            for mount in at(each, "volumeMounts") or []
        ]
        return any(at(m, "name") == "audit-logs" and at(m, "mountPath") == "/var/log/nvsentinel" for m in mounts)

    return holds


def hooks(test: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def holds(value: Any) -> bool:
        found = filtered(at(value, "webhooks"), lambda each: at(each, "name") == HOOK and test(each))
        return len(items(found)) == 1

    return holds


def rules_with(value: Any) -> bool:
    found = filtered(
        value,
        lambda rule: (
            has(at(rule, "apiGroups"), "scheduling.run.ai")
            and has(at(rule, "resources"), "podgroups")
            and has(at(rule, "verbs"), "get")
        ),
    )
    return len(items(found)) > 0


def long_verbs(rule: Any) -> Any:
    return len(items(filtered(at(rule, "verbs"), lambda verb: verb not in ("get", "list", "watch")))) > 0


def sized(value: Any) -> int:
    if not isinstance(value, list | dict | str):
        raise CannotTell
    return len(value)


def keyed(key: str) -> Callable[[Any], Any]:
    def holds(value: Any) -> bool:
        data = at(value, "data")
        if not isinstance(data, Mapping):
            raise CannotTell
        return key in data

    return holds


def of_type(kind: str, value: Any) -> Any:
    return conditions(at(value, "conditions"), kind=kind)


def true_condition(kind: str, *, path: tuple[str, ...] = ("conditions",), empty: bool = False) -> Callable[[Any], Any]:
    """`[?type == KIND && status == 'True'] | length(@) > 0`; `empty`: of nothing as of an empty list."""

    def holds(value: Any) -> bool:
        found = at(value, *path)
        return len(items(conditions((found or []) if empty else found, "True", kind=kind))) > 0

    return holds


def established(value: Any) -> Any:
    found = conditions(at(value, "conditions"), kind="Established")
    return at(found[0], "status") if found else None


def topology(value: Any) -> bool:
    text = at(value, "topology.conf")
    return has(text, "SwitchName") and not has(text, "aicr-preseed")


def ready_generations(value: Any) -> bool:
    found = conditions(at(value, "status", "conditions") or [], "True", kind="Ready")
    generations = [at(each, "observedGeneration") for each in items(found)]
    return at(value, "metadata", "generation") in [each for each in generations if each is not None]


EXPRESSIONS: Mapping[str, Callable[[Any], Any]] = {
    "(contains((status.conditions || `[]`)[?type == 'Ready' && status == 'True'].observedGeneration, "
    "metadata.generation))": ready_generations,
    "(status.observedGeneration == metadata.generation)": lambda v: (
        at(v, "status", "observedGeneration") == at(v, "metadata", "generation")
    ),
    "((rules || `[]`)[?contains(apiGroups, 'scheduling.run.ai') && contains(resources, 'podgroups') && "
    "contains(verbs, 'get')] | length(@) > `0`)": lambda v: rules_with(at(v, "rules") or []),
    "(rules[?contains(apiGroups, 'scheduling.run.ai') && contains(resources, 'podgroups') && contains(verbs, 'get')] "
    "| length(@) > `0`)": lambda v: rules_with(at(v, "rules")),
    "(rules[?contains(resources, 'pods')] | length(@))": lambda v: len(
        items(filtered(at(v, "rules"), lambda rule: has(at(rule, "resources"), "pods")))
    ),
    "(rules[?length(verbs[?@ != 'get' && @ != 'list' && @ != 'watch']) > `0`] | length(@))": lambda v: len(
        items(filtered(at(v, "rules"), long_verbs))
    ),
    "(length(rules))": lambda v: sized(at(v, "rules")),
    "(rules[?length(resources) != `1`] | length(@))": lambda v: len(
        items(filtered(at(v, "rules"), lambda rule: sized(at(rule, "resources")) != 1))
    ),
    "(contains(\"topology.conf\", 'SwitchName') && !contains(\"topology.conf\", 'aicr-preseed'))": topology,
    "(conditions[?type == 'Established'] | [0].status)": established,
    "((status.desiredNumberScheduled || `0`) > `0`)": lambda v: more(at(v, "status", "desiredNumberScheduled") or 0, 0),
    "((status.numberReady || `0`) == status.desiredNumberScheduled)": lambda v: (
        (at(v, "status", "numberReady") or 0) == at(v, "status", "desiredNumberScheduled")
    ),
    "((status.observedGeneration || `0`) == metadata.generation)": lambda v: (
        (at(v, "status", "observedGeneration") or 0) == at(v, "metadata", "generation")
    ),
    "((status.updatedNumberScheduled || `0`) == status.desiredNumberScheduled)": lambda v: (
        (at(v, "status", "updatedNumberScheduled") or 0) == at(v, "status", "desiredNumberScheduled")
    ),
    f"(((containers || `[]`)[?name == 'platform-connector'].volumeMounts[] || `[]`) | [{MOUNT}] "
    "| length(@) > `0`)": mounted("containers", "platform-connector"),
    f"(((containers || `[]`)[?name == 'labeler'].volumeMounts[] || `[]`) | [{MOUNT}] | length(@) > `0`)": mounted(
        "containers", "labeler"
    ),
    f"(((initContainers || `[]`)[?name == 'fix-audit-log-permissions'].volumeMounts[] || `[]`) | [{MOUNT}] "
    "| length(@) > `0`)": mounted("initContainers", "fix-audit-log-permissions"),
    "((volumes || `[]`)[?name == 'audit-logs' && hostPath.path == '/var/log/nvsentinel' && "
    "hostPath.type == 'DirectoryOrCreate'] | length(@) > `0`)": lambda v: any(
        at(each, "name") == "audit-logs"
        and at(each, "hostPath", "path") == "/var/log/nvsentinel"
        and at(each, "hostPath", "type") == "DirectoryOrCreate"
        for each in items(at(v, "volumes") or [])
    ),
    "(desiredNumberScheduled > `0`)": lambda v: more(at(v, "desiredNumberScheduled"), 0),
    "(numberReady == desiredNumberScheduled)": lambda v: at(v, "numberReady") == at(v, "desiredNumberScheduled"),
    "(numberReady >= desiredNumberScheduled && desiredNumberScheduled > `0`)": lambda v: (
        least(at(v, "numberReady"), at(v, "desiredNumberScheduled")) and more(at(v, "desiredNumberScheduled"), 0)
    ),
    "(updatedNumberScheduled == desiredNumberScheduled)": lambda v: (
        at(v, "updatedNumberScheduled") == at(v, "desiredNumberScheduled")
    ),
    "(numberReady < desiredNumberScheduled)": lambda v: less(at(v, "numberReady"), at(v, "desiredNumberScheduled")),
    "((spec.replicas || `0`) > `0`)": lambda v: more(at(v, "spec", "replicas") or 0, 0),
    "((status.availableReplicas || `0`) == spec.replicas)": lambda v: (
        (at(v, "status", "availableReplicas") or 0) == at(v, "spec", "replicas")
    ),
    "((status.replicas || `0`) == spec.replicas)": lambda v: (
        (at(v, "status", "replicas") or 0) == at(v, "spec", "replicas")
    ),
    "((status.updatedReplicas || `0`) == spec.replicas)": lambda v: (
        (at(v, "status", "updatedReplicas") or 0) == at(v, "spec", "replicas")
    ),
    "(status.readyReplicas == spec.replicas)": lambda v: at(v, "status", "readyReplicas") == at(v, "spec", "replicas"),
    "(replicas > `0`)": lambda v: more(at(v, "replicas"), 0),
    "(availableReplicas > `0`)": lambda v: more(at(v, "availableReplicas"), 0),
    "(availableReplicas >= `1`)": lambda v: least(at(v, "availableReplicas"), 1),
    "(readyReplicas >= replicas)": lambda v: least(at(v, "readyReplicas"), at(v, "replicas")),
    "(spec.replicas > `0` && (status.readyReplicas || `0`) == spec.replicas)": lambda v: (
        more(at(v, "spec", "replicas"), 0) and (at(v, "status", "readyReplicas") or 0) == at(v, "spec", "replicas")
    ),
    f"(webhooks[?name == '{HOOK}' && failurePolicy == 'Ignore'] | length(@) == `1`)": hooks(
        lambda each: at(each, "failurePolicy") == "Ignore"
    ),
    f"(webhooks[?name == '{HOOK}' && length(clientConfig.caBundle || '') > `0`] | length(@) == `1`)": hooks(
        lambda each: sized(at(each, "clientConfig", "caBundle") or "") > 0
    ),
    f"(webhooks[?name == '{HOOK}'] | length(@) == `1`)": hooks(lambda each: True),
    f"(webhooks[?name == '{HOOK}' && namespaceSelector.matchLabels.\"nvsentinel.nvidia.com/preflight\" == 'enabled'] "
    "| length(@) == `1`)": hooks(
        lambda each: at(each, "namespaceSelector", "matchLabels", "nvsentinel.nvidia.com/preflight") == "enabled"
    ),
    "(containerStatuses[?restartCount > `0`] | length(@))": lambda v: len(
        items(filtered(at(v, "containerStatuses"), lambda each: more(at(each, "restartCount"), 0)))
    ),
    "(keys(data)[?@ == 'MONGODB_URI'] | length(@) == `1`)": keyed("MONGODB_URI"),
    "(keys(data)[?@ == 'password'] | length(@) == `1`)": keyed("password"),
    "((status.observedGeneration || `0`) < metadata.generation)": lambda v: less(
        at(v, "status", "observedGeneration") or 0, at(v, "metadata", "generation")
    ),
    "((status.updatedNumberScheduled || `0`) < status.desiredNumberScheduled)": lambda v: less(
        at(v, "status", "updatedNumberScheduled") or 0, at(v, "status", "desiredNumberScheduled")
    ),
    "((status.availableReplicas || `0`) < (spec.replicas || `1`))": lambda v: less(
        at(v, "status", "availableReplicas") or 0, one_of(at(v, "spec", "replicas"))
    ),
    "((status.updatedReplicas || `0`) < (spec.replicas || `1`))": lambda v: less(
        at(v, "status", "updatedReplicas") or 0, one_of(at(v, "spec", "replicas"))
    ),
    "((status.readyReplicas || `0`) < spec.replicas)": lambda v: less(
        at(v, "status", "readyReplicas") or 0, at(v, "spec", "replicas")
    ),
    "((status.updatedReplicas || `0`) < spec.replicas)": lambda v: less(
        at(v, "status", "updatedReplicas") or 0, at(v, "spec", "replicas")
    ),
    "((status.replicas || `0`) > (status.updatedReplicas || `0`))": lambda v: more(
        at(v, "status", "replicas") or 0, at(v, "status", "updatedReplicas") or 0
    ),
    "((status.replicas || `0`) > spec.replicas)": lambda v: more(
        at(v, "status", "replicas") or 0, at(v, "spec", "replicas")
    ),
    f"((containerStatuses || `[]`){WAITING}": waiting("containerStatuses"),
    f"((initContainerStatuses || `[]`){WAITING}": waiting("initContainerStatuses"),
    **{
        f"(conditions[?type == '{kind}'])": partial(of_type, kind)
        for kind in ("Available", "Established", "Ready", "ParamsReady")
    },
    **{
        f"(conditions[?type == '{kind}' && status == 'True'] | length(@) > `0`)": true_condition(kind)
        for kind in ("Ready", "Established")
    },
    "((conditions || `[]`)[?type == 'Active' && status == 'True'] | length(@) > `0`)": true_condition(
        "Active", empty=True
    ),
}


def one_of(value: Any) -> Any:
    """`value || 1`: the number 0 is true in JMESPath."""
    return 1 if value in (None, "", [], {}) and not number(value) else value


def matches(expected: Any, actual: Any) -> bool:
    """Whether a tree holds of a value. Raises CannotTell where chainsaw ends."""
    if isinstance(expected, Mapping):
        if not expected:
            return actual is not None
        found = []
        for key, below in expected.items():
            if key.startswith("("):
                found.append(matches(below, EXPRESSIONS[key](actual)))
            elif actual is None:
                found.append(False)
            elif not isinstance(actual, Mapping):
                raise CannotTell
            else:
                found.append(key in actual and matches(below, actual[key]))
        return all(found)
    if isinstance(expected, list):
        if actual is None:
            return False
        if not isinstance(actual, list):
            raise CannotTell
        return len(expected) == len(actual) and all(matches(*pair) for pair in zip(expected, actual, strict=True))
    if actual is None or expected is None:
        return actual is expected
    if number(expected) and number(actual):
        return bool(expected == actual)
    if type(expected) is not type(actual):
        raise CannotTell
    return bool(expected == actual)
