"""One step: `try` until an operation fails, then `catch`, then always `finally`; and, when its test ends, clean-up."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace

from harness.errors import HarnessError
from harness.suites.model import Block, ClusterReference, Language, Operation, Program, Step, Write
from harness.suites.record import OperationRecord, Status, StepRecord, worst
from harness.suites.running.deletes import remove
from harness.suites.running.failures import OperationFailed
from harness.suites.running.operations import perform
from harness.suites.running.scope import Scope
from harness.suites.running.situation import Created, Situation
from harness.suites.running.writes import named
from harness.waiting.loop import Cancelled


@dataclass
class StepRun:
    """What is known of a step once it has run. `ends_test`: it failed, and not only where it may."""

    step: Step
    name: str
    record: StepRecord
    scope: Scope
    situation: Situation
    ends_test: bool
    interrupted: bool


def run_step(
    step: Step,
    number: int,
    catch: Iterable[Operation],
    scope: Scope,
    situation: Situation,
    language: Language = Language.CHAINSAW,
) -> StepRun:
    """`catch` are the operations of configuration and test, which come before those of the step."""
    begun, name = time.time(), step.name or f"step {number}"
    if situation.witness is not None:
        situation.witness.began(step, name, situation.namespace)
    records: list[OperationRecord] = []
    ends, interrupted, failed, message = False, False, False, ""
    try:
        scope = scope.with_(step={"id": number}).bound(step.bindings)
    except HarnessError as error:
        failed, ends, message = True, True, f"bindings of the step: {error}"
    outputs = scope
    for position, operation in enumerate(step.try_ if not ends else (), start=1):
        if ends and not isinstance(operation.action, Write):
            continue
        done = perform(operation, position, Block.TRY, outputs, situation)
        records += done.records
        outputs = outputs.with_(**done.outputs)
        interrupted = done.interrupted
        failed = failed or done.failed
        if interrupted or (done.failed and not operation.continue_on_error):
            ends = True
            # Where a command fails kuttl applies the objects of the step all the same.
            if interrupted or language is Language.CHAINSAW or not isinstance(operation.action, Program):
                break
    if failed and not interrupted:
        for position, operation in enumerate((*catch, *step.catch), start=1):
            done = perform(operation, position, Block.CATCH, outputs, situation)
            records += done.records
            outputs = outputs.with_(**done.outputs)
    for position, operation in enumerate(step.finally_, start=1):
        done = perform(operation, position, Block.FINALLY, outputs, situation.after_all())
        records += done.records
        outputs = outputs.with_(**done.outputs)
    status = Status.ERROR if message else worst([record.status for record in records])
    record = StepRecord(name, status, begun, time.time(), tuple(records), message)
    if situation.witness is not None:
        record = situation.witness.ended(record)
        ends = ends or (record.status.red and not status.red)
    return StepRun(step, name, record, outputs, situation, ends, interrupted)


def clean_up(run: StepRun, language: Language) -> StepRecord | None:
    """Delete what the step made, in reverse, then its `cleanup`; None where there is nothing to do."""
    situation = run.situation
    created = [] if situation.skip_delete else list(reversed(situation.created))
    if not created and not run.step.cleanup:
        return None
    begun = time.time()
    records = [_removed(made, situation, waits=language is Language.CHAINSAW) for made in created]
    for position, operation in enumerate(run.step.cleanup, start=1):
        records += perform(operation, position, Block.CLEANUP, run.scope, situation.after_all()).records
    status = worst([record.status for record in records])
    return StepRecord(f"cleanup ({run.name})", status, begun, time.time(), tuple(records))


def _removed(made: Created, situation: Situation, *, waits: bool) -> OperationRecord:
    """Of what was made: its deletion. chainsaw waits until it is gone, kuttl does not."""
    begun, status, message = time.time(), Status.PASSED, "deleted"
    try:
        removed(made, situation, waits=waits)
    except HarnessError as error:
        status, message = _unless_gone(error)
    return OperationRecord(
        "delete",
        named(made.kind, made.item),
        Block.CLEANUP,
        status,
        begun,
        time.time(),
        message=message,
        objects=(named(made.kind, made.item),),
    )


def removed(made: Created, situation: Situation, *, waits: bool) -> None:
    """Delete what was made; an interrupt that comes meanwhile shortens it and does not end it. Raises HarnessError."""
    if not waits:
        made.client.delete(made.kind, made.item, propagation=made.propagation, timeout=10.0)
        return
    for _ in range(2):
        now = situation.after_all()
        deadline = now.within(now.timeouts.cleanup)
        try:
            remove(made.kind, made.item, made.client, now, propagation=made.propagation, deadline=deadline)
            return
        except Cancelled:
            continue
    raise OperationFailed("interrupted")


def _unless_gone(error: HarnessError) -> tuple[Status, str]:
    return (Status.PASSED, "already deleted") if getattr(error, "status", None) == 404 else (Status.FAILED, str(error))


def situation_of(step: Step, outer: Situation) -> Situation:
    """What a step says otherwise than its test."""
    clusters, cluster = {**outer.clusters, **step.clusters}, step.cluster or outer.cluster
    if step.kubeconfig or step.context:  # kuttl's
        cluster = "the step's"
        clusters[cluster] = ClusterReference(step.kubeconfig, step.context)
    return replace(
        outer,
        timeouts=step.timeouts.over(outer.timeouts),
        created=[],
        clusters=clusters,
        cluster=cluster,
        propagation=step.propagation or outer.propagation,
        skip_delete=outer.skip_delete if step.skip_delete is None else step.skip_delete,
    )
