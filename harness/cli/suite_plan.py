"""A plan of an end-to-end suite, as text and as data."""

from typing import Any

from harness.cli.context import Context
from harness.endtoend.model import HOST
from harness.endtoend.plan import Plan, StepPlan


def show_plan(context: Context, found: Plan) -> None:
    """Set-up, processes and steps, each on a line."""
    context.console.text(f"{found.suite.name} on the runtime {found.runtime}")
    for step in found.setup:
        context.console.text(f"  set-up {step.name}: {_action(step.action)}, within {step.timeout:g} s")
    if found.runtime == HOST:
        for process in found.suite.processes:
            after = f", after {', '.join(process.after)}" if process.after else ""
            context.console.text(f"  process {process.name}: {type(process.run).__name__}{after}")
    for case in found.cases:
        needs = f", needs {', '.join(case.case.needs)}" if case.case.needs else ""
        context.console.text(f"  case {case.case.name}: {case.judged} of {len(case.steps)} steps are judged{needs}")
        for each in case.steps:
            context.console.text(f"    {_step_line(each)}")


def _step_line(step: StepPlan) -> str:
    if step.problem:
        return f"✗ {step.name}: {step.problem}"
    return f"✓ {step.name}" if step.judged else f"– {step.name}: needs-{step.why}: {step.reason}"


def _action(action: object) -> str:
    return {"ChartInstalled": "chart", "Awaited": "wait", "Started": "processes"}.get(
        type(action).__name__, type(action).__name__.lower()
    )


def plan_document(found: Plan) -> dict[str, Any]:
    """JSON-ready."""
    return {
        "suite": found.suite.name,
        "runtime": found.runtime,
        "setup": [{"name": each.name, "action": _action(each.action), "timeout": each.timeout} for each in found.setup],
        "cases": [
            {
                "name": case.case.name,
                "needs": case.case.needs,
                "steps": [
                    {"name": each.name, "judged": each.judged, "class": each.why, "why": each.reason or each.problem}
                    for each in case.steps
                ],
            }
            for case in found.cases
        ],
    }
