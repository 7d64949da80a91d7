"""Checks of the phase performance. What they would need is planned and checked; a figure comes from real GPUs only."""

from harness.objects import PODS
from harness.validation.capture import simulated_node
from harness.validators import EXECUTION, CheckFailed, check
from harness.validators.benchmarks import GPU, Gpus, Inference, InvalidKnob, Threshold, variant_of
from harness.validators.context import Context


def _bandwidth(name: str) -> None:
    @check(name, phase="performance", needs=(EXECUTION,))
    def carry_out(context: Context) -> None:
        """The bus bandwidth of an all-reduce over all GPU nodes is what the constraint of the same name asks."""
        asked = context.constraint(name)
        if not asked:
            context.skip(f"the recipe has no constraint {name}")
        try:
            threshold = Threshold.parse(name, asked)
        except InvalidKnob as error:
            raise CheckFailed(str(error)) from error
        criteria = context.declared.criteria
        variant = variant_of(criteria)
        if not variant:
            platform = f"{criteria.get('service', 'any')} with {criteria.get('accelerator', 'any')}"
            context.skip(f"{name} has no variant for {platform}")
        gpus = _gpus(context)
        context.say(
            f"variant {variant}; {gpus.total} GPUs on {len(gpus.nodes)} nodes; asked {threshold.operator} "
            f"{threshold.value:g} GB/s, a tenth less is enough"
        )
        _nothing_measured(context, gpus)


for _name in ("nccl-all-reduce-bw", "nccl-all-reduce-bw-net", "nccl-all-reduce-bw-nvls"):
    _bandwidth(_name)


@check("inference-perf", phase="performance", needs=(EXECUTION,))
def inference_perf(context: Context) -> None:
    """Throughput and time to the first token of a served model are what the constraints ask."""
    block = context.declared.phases.get("performance")
    constraints = {each.name: each.value for each in block.constraints} if block else {}
    if not {"inference-throughput", "inference-ttft-p99"} & set(constraints):
        context.skip("the recipe has neither a constraint inference-throughput nor inference-ttft-p99")
    try:
        settings = Inference.of(constraints, context.environment)
    except InvalidKnob as error:
        raise CheckFailed(str(error)) from error
    gpus = _gpus(context)
    context.say(
        f"{settings.model} with {settings.concurrency} requests per GPU by {settings.routing}; "
        f"{gpus.free} of {gpus.total} GPUs are free"
    )
    _nothing_measured(context, gpus)


def _gpus(context: Context) -> Gpus:
    gpus = Gpus.of(context.nodes, context.list(PODS))
    if not gpus.total:
        context.skip(f"no node offers {GPU}")
    return gpus


def _nothing_measured(context: Context, gpus: Gpus) -> None:
    """A figure that nobody measured is none: a skip on simulated nodes, and a failure where there are real ones."""
    real = [node for node in context.nodes if not simulated_node(node) and node["metadata"]["name"] in gpus.nodes]
    if real:
        context.fail(f"not measured: this harness has no benchmark for real GPUs, which {len(real)} nodes have")
    context.skip(f"needs a real GPU: {gpus.total} GPUs on {len(gpus.nodes)} simulated nodes compute nothing")
