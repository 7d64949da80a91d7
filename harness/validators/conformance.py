"""Checks of the phase conformance: what the Kubernetes AI Conformance programme asks of a platform.

Of most of them an API server can tell only a part: that the kinds are served, that the objects are there. The rest is
what a controller or a program does, which nothing shows on simulated nodes.
"""

from collections.abc import Iterable

from harness.objects import DAEMONSETS, DEPLOYMENTS, NAMESPACES, PODS, STATEFULSETS, Kind, Object
from harness.validation.capture import CLUSTER_POLICIES
from harness.validators import API, CONTROLLER, EXECUTION, check
from harness.validators.context import Context, named
from harness.validators.real_nodes import (
    claimed_device,
    gang,
    gpu_metrics,
    prometheus_answers,
    refuses_invalid,
    sees_no_device,
)
from harness.validators.workloads import SERVICES, unhealthy

DEVICE_CLASSES = Kind("resource.k8s.io/v1", "deviceclasses", "DeviceClass", namespaced=False)
RESOURCE_SLICES = Kind("resource.k8s.io/v1", "resourceslices", "ResourceSlice", namespaced=False)
RESOURCE_CLAIMS = Kind("resource.k8s.io/v1", "resourceclaims", "ResourceClaim")
POD_GROUPS = Kind("scheduling.run.ai/v2alpha2", "podgroups", "PodGroup")
QUEUES = Kind("scheduling.run.ai/v2", "queues", "Queue", namespaced=False)
GATEWAY_CLASSES = Kind("gateway.networking.k8s.io/v1", "gatewayclasses", "GatewayClass", namespaced=False)
GATEWAYS = Kind("gateway.networking.k8s.io/v1", "gateways", "Gateway")
HTTP_ROUTES = Kind("gateway.networking.k8s.io/v1", "httproutes", "HTTPRoute")
API_SERVICES = Kind("apiregistration.k8s.io/v1", "apiservices", "APIService", namespaced=False)
NODE_POOLS = Kind("karpenter.sh/v1", "nodepools", "NodePool", namespaced=False)
WEBHOOKS = Kind(
    "admissionregistration.k8s.io/v1", "validatingwebhookconfigurations", "ValidatingWebhookConfiguration", False
)
AUTOSCALERS = Kind("autoscaling/v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler")
SERVICE_MONITORS = Kind("monitoring.coreos.com/v1", "servicemonitors", "ServiceMonitor")
_CONTROLLERS = {
    "dynamo-platform": Kind("nvidia.com/v1alpha1", "dynamographdeployments", "DynamoGraphDeployment"),
    "kubeflow-trainer": Kind("trainer.kubeflow.org/v1alpha1", "trainjobs", "TrainJob"),
}
_SCALERS = ("eks", "gke", "aks", "oke")  # platforms whose nodes come and go by themselves


@check("dra-support", phase="conformance", needs=(API, EXECUTION))
def dra_support(context: Context) -> None:
    """Devices are allocated by claims: the API, a driver that publishes devices, and a pod that gets one."""
    driver = "nvidia-dra-driver-gpu"
    if not context.serves(DEVICE_CLASSES, RESOURCE_SLICES, RESOURCE_CLAIMS):
        context.absent("resource.k8s.io/v1 is not served", driver)
    plugins = _plugins(context, driver)
    if not plugins:
        context.absent("no DaemonSet of a DRA driver was found", driver)
    slices = context.list(RESOURCE_SLICES)
    context.say(
        f"drivers: {named(plugins)}; ResourceSlices: {len(slices)}; DeviceClasses: {_names(context, DEVICE_CLASSES)}"
    )
    if not slices and context.real_nodes:
        context.fail(f"the driver {named(plugins)} publishes no ResourceSlice")
    if not context.real_nodes:
        context.needs_real_node("that a pod gets its device by a claim")
        return
    claimed_device(context, slices)


@check("gang-scheduling", phase="conformance", needs=(API, CONTROLLER))
def gang_scheduling(context: Context) -> None:
    """Pods of a group are scheduled together or not at all: the scheduler, its kinds, and a group that is placed."""
    if not context.serves(POD_GROUPS):
        context.absent("PodGroups of scheduling.run.ai are not served", "kai-scheduler")
    _require_workloads(context, "kai-scheduler", DEPLOYMENTS)
    queues = context.list(QUEUES)
    context.say(f"queues: {named(queues) or 'none'}")
    if not context.real_nodes:
        context.needs_real_node("that a group of pods is placed as a whole (the scheduler does not run)")
        return
    if not queues:
        context.fail("no Queue was found, and a group is placed in one")
    gang(context, POD_GROUPS, str(queues[0]["metadata"]["name"]))


@check("accelerator-metrics", phase="conformance", needs=(API, EXECUTION))
def accelerator_metrics(context: Context) -> None:
    """Metrics of each accelerator: the exporter, its Service, and what it serves."""
    exporters = _containing(context.list(DAEMONSETS, _namespace(context, "gpu-operator")), "dcgm-exporter")
    if not exporters:
        context.absent("no DaemonSet of the DCGM exporter was found", "gpu-operator")
    services = _containing(context.list(SERVICES, _namespace(context, "gpu-operator")), "dcgm-exporter")
    if not services:
        context.fail(f"DaemonSet {named(exporters)} has no Service, so its metrics cannot be read")
    context.say(f"exporter: {named(exporters)}; Service: {named(services)}")
    if not context.real_nodes:
        context.needs_real_node("that the exporter serves metrics of GPUs")
        return
    gpu_metrics(context, services[0])


@check("ai-service-metrics", phase="conformance", needs=(API, EXECUTION))
def ai_service_metrics(context: Context) -> None:
    """Metrics of AI services: Prometheus, what it is told to read, and what it answers."""
    stack = "kube-prometheus-stack"
    services = _containing(context.list(SERVICES, _namespace(context, stack)), "prometheus")
    if not services:
        context.absent("no Service of Prometheus was found", stack)
    monitors = context.list(SERVICE_MONITORS)
    context.say(f"Prometheus: {named(services)}; ServiceMonitors: {len(monitors)}")
    if not context.real_nodes:
        context.needs_real_node("that Prometheus answers a query with metrics of a service")
        return
    prometheus_answers(context, services)


@check("inference-gateway", phase="conformance", needs=(API, CONTROLLER))
def inference_gateway(context: Context) -> None:
    """Inference is reached by a Gateway: the kinds, a class, a Gateway of it, and that it is programmed."""
    if not context.declared.deploys("agentgateway"):
        context.skip("the recipe does not deploy agentgateway")
    if not context.serves(GATEWAY_CLASSES, GATEWAYS, HTTP_ROUTES):
        context.absent("the kinds of gateway.networking.k8s.io are not served", "agentgateway")
    classes = context.list(GATEWAY_CLASSES)
    if not classes:
        context.absent("no GatewayClass was found", "agentgateway")
    gateways = context.list(GATEWAYS)
    context.say(f"classes: {named(classes)}; Gateways: {named(gateways) or 'none'}")
    if not context.real_nodes:
        context.needs_real_node(
            "that a GatewayClass is accepted and a Gateway programmed (the controller does not run)"
        )
        return
    if not any(_condition(each, "Accepted") for each in classes):
        context.fail(f"no GatewayClass is accepted: {named(classes)}")
    if not any(_condition(each, "Programmed") for each in gateways):
        context.fail(f"no Gateway is programmed: {named(gateways) or 'none was found'}")


@check("pod-autoscaling", phase="conformance", needs=(API, CONTROLLER))
def pod_autoscaling(context: Context) -> None:
    """Pods scale by metrics of accelerators: the metrics API, and an autoscaler that follows it."""
    if not _containing(context.list(DAEMONSETS, _namespace(context, "gpu-operator")), "dcgm-exporter"):
        context.absent("no DaemonSet of the DCGM exporter was found", "gpu-operator")
    suffixes = (".custom.metrics.k8s.io", ".external.metrics.k8s.io")
    metrics = [item for item in context.list(API_SERVICES) if item["metadata"]["name"].endswith(suffixes)]
    if not metrics:
        context.absent("no APIService serves custom or external metrics", "prometheus-adapter")
    context.say(f"metrics APIs: {named(metrics)}")
    if not context.real_nodes:
        context.needs_real_node("that an autoscaler follows a metric")
        return
    scalers = [each for each in context.list(AUTOSCALERS) if _by_own_metrics(each)]
    active = [each for each in scalers if _condition(each, "ScalingActive")]
    context.say(f"autoscalers by such metrics: {named(scalers) or 'none'}; active: {named(active) or 'none'}")
    if not any(_condition(each, "Available") for each in metrics):
        context.fail(f"no metrics API is available: {named(metrics)}")
    if not scalers:
        context.not_seen("that an autoscaler follows a metric: no HorizontalPodAutoscaler uses one")
    elif not active:
        context.fail(f"no HorizontalPodAutoscaler can read its metric: {named(scalers)}")


@check("cluster-autoscaling", phase="conformance", needs=(API, CONTROLLER))
def cluster_autoscaling(context: Context) -> None:
    """Nodes come when pods need them: node pools of Karpenter, or the platform's own."""
    service = context.declared.criteria.get("service", "any")
    if service not in _SCALERS:
        context.skip(f"autoscaling is not supported for the platform {service!r}")
    pools = context.list(NODE_POOLS)
    context.say(f"service {service}; NodePools of Karpenter: {named(pools) or 'none'}")
    part = "that a node is added for a pod that fits on no node, and removed again"
    if not context.real_nodes:
        context.needs_real_node(part)
        return
    if pools and not any(_condition(each, "Ready") for each in pools):
        context.fail(f"no NodePool is ready: {named(pools)}")
    context.not_seen(f"{part}: this would make nodes, which cost money")


@check("robust-controller", phase="conformance", needs=(API, CONTROLLER))
def robust_controller(context: Context) -> None:
    """An operator of AI workloads: its kind is served, it is deployed, and its webhook refuses what is wrong."""
    deployed = [name for name in _CONTROLLERS if context.declared.deploys(name)]
    if not deployed:
        context.skip("the recipe deploys neither dynamo-platform nor kubeflow-trainer")
    for name in deployed:
        kind = _CONTROLLERS[name]
        if not context.serves(kind):
            context.fail(f"{kind} is not served, although the recipe deploys {name}")
        _require_workloads(context, name, DEPLOYMENTS)
        namespace = _namespace(context, name)
        hooks = [item for item in context.list(WEBHOOKS) if _calls(item, namespace)]
        if not hooks:
            context.fail(f"no ValidatingWebhookConfiguration calls a Service in namespace {namespace}")
        context.say(f"{name}: {kind} is served; webhooks: {named(hooks)}")
        if context.real_nodes:
            refuses_invalid(context, kind)
    if not context.real_nodes:
        context.needs_real_node("that the webhook rejects an invalid object")


@check("secure-accelerator-access", phase="conformance", needs=(API, EXECUTION))
def secure_accelerator_access(context: Context) -> None:
    """Workloads get accelerators by claims or resources, and never by the devices of the host."""
    pods = [pod for pod in context.list(PODS) if not _of_daemonset(pod)]
    bad = [pod for pod in pods if _host_devices(pod)]
    if bad:
        context.fail(f"pods mount devices of the host: {named(bad)}")
    context.say(f"{len(pods)} pods of workloads, none mounts a GPU of the host")
    if not context.real_nodes:
        context.needs_real_node("that a container sees its own devices alone")
        return
    sees_no_device(context)


@check("gpu-operator-health", phase="conformance", needs=(API, CONTROLLER))
def gpu_operator_health(context: Context) -> None:
    """The operator is deployed and healthy, and its ClusterPolicy is ready."""
    if not context.declared.deploys("gpu-operator"):
        context.skip("the recipe does not deploy gpu-operator")
    _require_workloads(context, "gpu-operator", DEPLOYMENTS)
    policies = context.list(CLUSTER_POLICIES)
    if not policies:
        context.fail("no ClusterPolicy was found, although the recipe deploys gpu-operator")
    states = {policy["metadata"]["name"]: (policy.get("status") or {}).get("state") for policy in policies}
    context.say(f"ClusterPolicies: {states}")
    if not context.real_nodes and not any(states.values()):
        context.needs_real_node("that the ClusterPolicy is ready (its controller does not run)")
    elif "ready" not in states.values():
        context.fail(f"no ClusterPolicy is ready: {states}")


@check("platform-health", phase="conformance")
def platform_health(context: Context) -> None:
    """Every enabled component has its namespace, and every workload in it the replicas that it asks for."""
    problems: list[str] = []
    looked = 0
    for component in context.declared.components.values():
        if not component.enabled or not component.namespace:
            continue
        found = context.cluster.get(NAMESPACES, "", component.namespace)
        phase = ((found or {}).get("status") or {}).get("phase")
        if phase != "Active":
            what = "not found" if found is None else f"is {phase}"
            problems.append(f"Namespace {component.namespace} ({component.name}): {what}")
    namespaces = {each.namespace for each in context.declared.components.values() if each.enabled and each.namespace}
    for kind in (DEPLOYMENTS, STATEFULSETS, DAEMONSETS):
        for item in context.list(kind):
            idle = kind == DAEMONSETS and not (item.get("status") or {}).get("desiredNumberScheduled")
            if item["metadata"].get("namespace") not in namespaces or idle:
                continue
            looked += 1
            if problem := unhealthy(kind, item):
                problems.append(f"{kind.kind} {named([item])}: {problem}")
    context.say(f"{looked} workloads in {len(namespaces)} namespaces")
    if problems:
        context.fail(f"{len(problems)} problem(s):\n" + "\n".join(problems))
    if not looked:
        context.skip("nothing to check: the recipe's namespaces have no workloads")
    if not context.real_nodes:
        context.extra(simulated=True)


def _namespace(context: Context, component: str) -> str:
    found = context.declared.components.get(component)
    return found.namespace if found and found.namespace else component


def _require_workloads(context: Context, component: str, kind: Kind) -> None:
    """Fail or skip unless the namespace of a component has workloads of a kind, all of them healthy."""
    namespace = _namespace(context, component)
    items = context.list(kind, namespace)
    if not items:
        context.absent(f"namespace {namespace} has no {kind.kind}", component)
    sick = [f"{kind.kind} {named([item])}: {problem}" for item in items if (problem := unhealthy(kind, item))]
    if sick:
        context.fail("\n".join(sick))
    context.say(f"{component}: {named(items)}")


def _plugins(context: Context, component: str) -> list[Object]:
    items = context.list(DAEMONSETS, _namespace(context, component))
    return [item for item in items if item["metadata"]["name"].endswith("kubelet-plugin")]


def _names(context: Context, kind: Kind) -> str:
    return named(context.list(kind)) or "none"


def _containing(items: Iterable[Object], word: str) -> list[Object]:
    return [item for item in items if word in item["metadata"]["name"]]


def _condition(item: Object, name: str) -> bool:
    conditions = (item.get("status") or {}).get("conditions") or ()
    return any(each.get("type") == name and each.get("status") == "True" for each in conditions)


def _calls(configuration: Object, namespace: str) -> bool:
    services = ((hook.get("clientConfig") or {}).get("service") or {} for hook in configuration.get("webhooks") or ())
    return any(service.get("namespace") == namespace for service in services)


def _by_own_metrics(autoscaler: Object) -> bool:
    metrics = (autoscaler.get("spec") or {}).get("metrics") or ()
    return any(each.get("type") in ("Pods", "Object", "External") for each in metrics)


def _of_daemonset(pod: Object) -> bool:
    return any(owner.get("kind") == "DaemonSet" for owner in pod["metadata"].get("ownerReferences") or ())


def _host_devices(pod: Object) -> bool:
    volumes = (pod.get("spec") or {}).get("volumes") or ()
    return any(str((volume.get("hostPath") or {}).get("path", "")).startswith("/dev/nvidia") for volume in volumes)
