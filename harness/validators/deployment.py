"""Checks of the phase deployment: whether what the recipe deploys is there, healthy, and of the right version."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from harness.errors import ClusterError, DataError
from harness.formats.documents import Document
from harness.objects import DAEMONSETS, DEPLOYMENTS, NAMESPACES, Kind, Object
from harness.recipes.expressions import Expression, ExpressionError
from harness.validation.capture import CLUSTER_POLICIES, simulated_node
from harness.validation.health import Checked, Checking, Health
from harness.validation.health_checks import HealthCheck, read
from harness.validators import API, CONTROLLER, EXECUTION, check
from harness.validators.context import Context, named
from harness.validators.workloads import executed, pods_of, problem_of, running, unhealthy

GPU_OPERATOR = "gpu-operator"
HEALTH_SECONDS = 6 * 60.0  # of one health check, unless it takes less
ABSENT_SECONDS = 30.0  # until an object that was never there fails one
VERSION_CONSTRAINT = "Deployment.gpu-operator.version"
SKYHOOKS = Kind("skyhook.nvidia.com/v1alpha1", "skyhooks", "Skyhook", namespaced=False)
_NAMES = ("gpu-operator", "nvidia-gpu-operator")
_NAMESPACES = ("gpu-operator", "nvidia-gpu-operator", "kube-system")


@check("operator-health", phase="deployment", needs=(API, EXECUTION))
def operator_health(context: Context) -> None:
    """The GPU operator has a pod, and one that runs."""
    namespace = _namespace_of(context, GPU_OPERATOR)
    pods = pods_of(context, namespace, "app=gpu-operator")
    if not pods:
        context.fail(f"no pod with the label app=gpu-operator in namespace {namespace}")
    alive = running(pods)
    context.say(f"pods of the operator: {named(pods)}; running: {named(alive) or 'none'}")
    if not alive:
        phases = ", ".join(f"{named([pod])} is {(pod.get('status') or {}).get('phase')}" for pod in pods)
        context.fail(f"no pod of the operator runs: {phases}")
    if not any(executed(pod, context.nodes) for pod in alive):
        context.needs_real_node("that the operator's process runs (its pod is on a simulated node)")


@check("gpu-operator-version", phase="deployment")
def gpu_operator_version(context: Context) -> None:
    """The version of the operator's Deployment is as the recipe's constraint asks."""
    wanted = context.constraint(VERSION_CONSTRAINT)
    if not wanted:
        context.skip(f"the recipe has no constraint {VERSION_CONSTRAINT}")
    operator = _operator(context)
    if operator is None:
        context.absent("no Deployment of the GPU operator was found", GPU_OPERATOR)
    version, source = version_of(operator)
    if not version:
        context.fail(
            f"the version of Deployment {named([operator])} cannot be determined: no version label and no image tag"
        )
    try:
        holds = Expression.parse(wanted).holds(version)
    except ExpressionError as error:
        context.fail(f"[INVALID_REQUEST] {VERSION_CONSTRAINT} {wanted} cannot be evaluated: {error}")
    context.say(f"RESULT: GPU operator {version} ({source} of Deployment {named([operator])}), wanted {wanted}")
    if not holds:
        context.fail(f"{VERSION_CONSTRAINT}: expected {wanted}, got {version}")


@check("expected-resources", phase="deployment", needs=(API, CONTROLLER))
def expected_resources(context: Context) -> None:
    """Every enabled component has its namespace and the resources that the recipe expects of it, and is healthy."""
    health_checks = list(_health_checks(context))
    issues: list[str] = []
    looked = 0
    for component in context.declared.components.values():
        if not component.enabled:
            continue
        if component.namespace:
            issues += _namespace_problem(context, component.name, component.namespace)
        for resource in component.raw.get("expectedResources") or ():
            looked += 1
            problem = problem_of(context, resource)
            place = "/".join(filter(None, (resource.get("namespace"), resource["name"])))
            line = f"[expectedResources] {resource['kind']} {place} ({component.name}): {problem or 'healthy'}"
            context.say(line)
            issues += [line] if problem else []
    for line in _by_name(context):
        looked += 1
        context.say(line)
        issues += [line] if line.startswith("!") else []
    healthy = _judged(context, health_checks)
    for result in healthy:
        looked += 1
        context.say(str(result))
        issues += [str(result)] if result.health is Health.FAILED else []
    if issues:
        lines = "\n".join(line.removeprefix("!") for line in issues)
        context.fail(f"expected resource check failed: {len(issues)} issue(s):\n{lines}")
    if not looked:
        context.skip("nothing to check: no component of the recipe has expectedResources or a health check")
    if not context.real_nodes or any(result.health is Health.SIMULATED for result in healthy):
        context.extra(simulated=True)


@check("check-nvidia-smi", phase="deployment", needs=(EXECUTION,))
def check_nvidia_smi(context: Context) -> None:
    """On every GPU node, nvidia-smi sees its GPUs."""
    nodes = [node for node in context.nodes if int(_allocatable(node).get("nvidia.com/gpu", 0) or 0) > 0]
    if not nodes:
        context.skip("no node offers nvidia.com/gpu")
    real = [node for node in nodes if not simulated_node(node)]
    if not real:
        context.skip(f"needs a real node: nvidia-smi on {len(nodes)} simulated GPU nodes")
    from harness.validators.pods import nvidia_smi

    nvidia_smi(context, real)


def version_of(deployment: Object) -> tuple[str, str]:
    """The version of an operator with a leading v, and where it was found; empty where it cannot be told."""
    metadata = deployment["metadata"]
    containers = (((deployment.get("spec") or {}).get("template") or {}).get("spec") or {}).get("containers") or ()
    images = [str(container.get("image") or "").partition("@")[0] for container in containers]
    tags = [image.rpartition("/")[2].partition(":")[2] for image in images]
    found = [
        ((metadata.get("labels") or {}).get("app.kubernetes.io/version"), "label"),
        *((tag.partition("-")[0], "image tag") for tag in tags),
        ((metadata.get("annotations") or {}).get("nvidia.com/gpu-operator-version"), "annotation"),
    ]
    for version, source in found:
        if version:
            return f"v{str(version).removeprefix('v')}", source
    return "", ""


def _operator(context: Context) -> dict[str, Any] | None:
    own = _namespace_of(context, GPU_OPERATOR)
    for namespace in dict.fromkeys((own, *_NAMESPACES)):
        for name in _NAMES:
            if found := context.cluster.get(DEPLOYMENTS, namespace, name):
                return found
    return None


def _namespace_of(context: Context, component: str) -> str:
    found = context.declared.components.get(component)
    return found.namespace if found and found.namespace else component


def _namespace_problem(context: Context, component: str, name: str) -> list[str]:
    try:
        found = context.cluster.get(NAMESPACES, "", name)
    except ClusterError as error:
        return [f"[expectedResources] Namespace {name} ({component}): cannot be read: {error}"]
    phase = ((found or {}).get("status") or {}).get("phase")
    if found is not None and phase == "Active":
        return []
    what = "not found" if found is None else f"is {phase}, not Active"
    return [f"[expectedResources] Namespace {name} ({component}): {what}"]


def _by_name(context: Context) -> Iterator[str]:
    """What is looked at for some components whatever the recipe says; lines that begin with ! are problems."""
    if context.declared.deploys(GPU_OPERATOR):
        yield from _state(context, CLUSTER_POLICIES, "cluster-policy", "state", "ready")
    if context.declared.deploys("nodewright-customizations"):
        for skyhook in context.list(SKYHOOKS):
            yield from _state(context, SKYHOOKS, skyhook["metadata"]["name"], "status", "complete")
    if context.declared.deploys("nvidia-dra-driver-gpu"):
        namespace = _namespace_of(context, "nvidia-dra-driver-gpu")
        plugins = [d for d in context.list(DAEMONSETS, namespace) if d["metadata"]["name"].endswith("-kubelet-plugin")]
        if not plugins:
            yield f"!DaemonSet {namespace}/*-kubelet-plugin (nvidia-dra-driver-gpu): not found"
        for plugin in plugins:
            problem = unhealthy(DAEMONSETS, plugin)
            mark = "!" if problem else ""
            yield f"{mark}DaemonSet {named([plugin])} (nvidia-dra-driver-gpu): {problem or 'healthy'}"


def _health_checks(context: Context) -> Iterator[HealthCheck]:
    """Those of all enabled components; what may not be in one fails the check before anything is looked at."""
    for component in context.declared.components.values():
        text = component.raw.get("healthCheckAsserts")
        if not component.enabled or not text or component.raw.get("healthCheckSkip"):
            continue
        try:
            source = Path(f"healthCheckAsserts of {component.name}")
            yield from read(component.name, Document.read_all(source, text))
        except DataError as error:
            context.fail(f"[INVALID_REQUEST] {error}")


def _judged(context: Context, health_checks: Sequence[HealthCheck]) -> Sequence[Checked]:
    """Their results, within the time of this check; parts of which the controller does not run need a real node."""
    if not health_checks:
        return ()
    simulated = any(simulated_node(node) for node in context.nodes)
    checking = Checking(context.cluster, simulated, HEALTH_SECONDS, ABSENT_SECONDS, until=context.deadline)
    results = checking.all(health_checks)
    for result in results:
        for note in result.notes:
            context.needs_real_node(f"{result.component}: {note}")
    return results


def _state(context: Context, kind: Kind, name: str, key: str, wanted: str) -> Iterator[str]:
    """Whether a custom resource says so itself; without a real node nothing writes its status."""
    items = {item["metadata"]["name"]: item for item in context.list(kind)}
    if name not in items:
        yield f"!{kind.kind} {name}: not found"
        return
    state = (items[name].get("status") or {}).get(key)
    if state == wanted:
        yield f"{kind.kind} {name}: {state}"
    elif state is None and not context.real_nodes:
        context.needs_real_node(f"that {kind.kind} {name} is {wanted} (its controller does not run)")
        yield f"{kind.kind} {name}: exists, but no controller has written its status"
    else:
        yield f"!{kind.kind} {name}: expected {wanted}, got {state or 'no state'}"


def _allocatable(node: Object) -> dict[str, Any]:
    return dict((node.get("status") or {}).get("allocatable") or {})
