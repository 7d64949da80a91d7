"""The verdict on Argo CD's Applications, row by row of its decision table."""

from itertools import product
from typing import Any

import pytest

from harness.gates.argocd.application import APPLICATIONS
from harness.gates.argocd.attention import progress, waiting_for_nothing
from harness.gates.argocd.synced import RootThere, Synced
from harness.objects import CLAIMS, Object, Objects, key_of
from harness.verdict import CauseKind, Failed, Passed, Verdict, Waiting
from tests.fakes.gitops import DIGEST, OLD, URL, application, changed, objects_of, root

ROOT = root("web")
WEB = application("web")
HTTP = {"repoURL": "https://charts.example", "chart": "web", "targetRevision": "1.20.2"}

PASSES = {
    *(("Synced", health, phase) for health in ("Healthy", "Progressing") for phase in ("", "Failed", "Error")),
    *(("Synced", health, "Succeeded") for health in ("Healthy", "Progressing", "Degraded")),
    ("OutOfSync", "Healthy", "Succeeded"),
    ("Synced", "Suspended", "Succeeded"),
}
STATES = list(
    product(
        ("Synced", "OutOfSync", "Unknown"),
        ("Healthy", "Progressing", "Degraded", "Suspended", "Missing", "Unknown"),
        ("", "Running", "Succeeded", "Failed", "Error"),
    )
)


def judge(*items: Object, children: tuple[str, ...] = ("web",), digest: str = DIGEST) -> Verdict:
    return Synced("root", children, digest)(objects_of(items))


def failing(item: Object, *, retries: int, message: str, phase: str = "Running", running: bool = False) -> Object:
    """An operation that failed `retries` times, and waits for its next attempt."""
    for path, value in {
        "phase": phase,
        "retryCount": retries,
        "message": message,
        "syncResult.resources": [{"kind": "Job", "name": "hook", "hookPhase": "Running"}] if running else [],
    }.items():
        item = changed(item, f"status.operationState.{path}", value)
    return item


def condition(item: Object, kind: str, message: str) -> Object:
    return changed(item, "status.conditions", [{"type": kind, "message": message}])


@pytest.mark.parametrize(("sync", "health", "phase"), STATES, ids=lambda value: value or "none")
def test_a_child_passes_in_the_documented_states_only(sync: str, health: str, phase: str) -> None:
    """Those pass that the documented table has, and no other."""
    verdict = judge(ROOT, application("web", sync, health, phase))
    assert isinstance(verdict, Passed) is ((sync, health, phase) in PASSES)


@pytest.mark.parametrize(("sync", "health", "phase"), STATES, ids=lambda value: value or "none")
def test_a_root_passes_only_synced_and_healthy_or_progressing(sync: str, health: str, phase: str) -> None:
    """What is forgiven to a child after a successful operation is not forgiven to the root."""
    verdict = judge(root("web", sync=sync, health=health, phase=phase), WEB)
    assert isinstance(verdict, Passed) is (
        sync == "Synced" and health in ("Healthy", "Progressing") and phase != "Running"
    )


def test_the_pass_says_what_was_seen() -> None:
    """How many Applications, and at which digest."""
    assert judge(ROOT, WEB) == Passed(f"root and its 1 Applications are synced, at {DIGEST}")


def test_no_child_expected_is_a_failure() -> None:
    """Nothing is green because nothing was asked for."""
    assert isinstance(judge(ROOT, WEB, children=()), Failed)


@pytest.mark.parametrize(
    "items", [[], [WEB], [changed(ROOT, "metadata.namespace", "other"), WEB]], ids=["none", "child", "other-namespace"]
)
def test_without_its_root_nothing_passes(items: list[Object]) -> None:
    """A child alone proves nothing; the verdict names the root."""
    assert judge(*items) == Waiting("is not there", "Application argocd/root")


def test_the_grace_is_over_once_the_root_is_there() -> None:
    """It asks for nothing but existence."""
    assert isinstance(RootThere("root")(objects_of([WEB])), Waiting)
    assert isinstance(RootThere("root")(objects_of([changed(ROOT, "status", None)])), Passed)


def test_every_named_child_has_to_be_there() -> None:
    """One that is there does not stand for the others."""
    verdict = judge(root("web", "db"), WEB, children=("web", "db"))
    assert verdict == Waiting("is not there yet", "Application argocd/db")


def test_a_child_in_another_namespace_does_not_count() -> None:
    """The same name elsewhere is another Application."""
    assert isinstance(judge(ROOT, changed(WEB, "metadata.namespace", "other")), Waiting)


CONFIG = {"kind": "ConfigMap", "name": "settings", "status": "Synced"}


@pytest.mark.parametrize(
    ("item", "expected", "text"),
    [
        (changed(ROOT, "status.resources", [CONFIG]), Failed, "makes no Application"),
        (changed(ROOT, "status.resources", []), Waiting, "renders nothing"),
        (changed(root("web", revision=OLD), "status.resources", [CONFIG]), Waiting, "not yet with"),
        (changed(root("web", sync="Unknown"), "status.resources", [CONFIG]), Waiting, "is Unknown"),
        (changed(ROOT, "status.reconciledAt", None), Waiting, "not been compared"),
        (changed(ROOT, "status", None), Waiting, "not been compared"),
        (root("db"), Failed, "does not make web"),
        (root("web", "db"), Passed, "are synced"),
        (changed(ROOT, "status.resources.0.requiresPruning", True), Failed, "makes no Application"),
    ],
    ids=["childless", "empty", "childless-old", "childless-unknown", "new", "bare", "lacks", "more", "prunes"],
)
def test_what_the_root_makes_decides_before_any_child(item: Object, expected: type, text: str) -> None:
    """Freshly compared, it must make what the bundle names; what it made of something else says nothing."""
    verdict = judge(item, WEB)
    assert isinstance(verdict, expected)
    assert text in str(verdict)
    assert "web" in str(verdict) or "root" in str(verdict)


def test_a_root_that_renders_nothing_is_doomed() -> None:
    """It will stay so, but an operator may still be writing its status."""
    verdict = judge(changed(ROOT, "status.resources", []))
    assert isinstance(verdict, Waiting)
    assert verdict.doomed


@pytest.mark.parametrize("health", ["Healthy", "Degraded"])
def test_an_application_that_nobody_named_is_held_to_the_same_table(health: str) -> None:
    """It keeps the pass waiting, and once it passes it is named."""
    verdict = judge(ROOT, WEB, application("old", health=health, phase=""))
    if health == "Healthy":
        assert isinstance(verdict, Passed)
        assert "also old" in verdict.reason
    else:
        assert isinstance(verdict, Waiting)
        assert verdict.subject == "Application argocd/old"


FRESHNESS: list[tuple[str, Any, str]] = [
    ("metadata.deletionTimestamp", "2026-01-01T00:00:00Z", "being deleted"),
    ("status", None, "not been compared"),
    ("status.reconciledAt", None, "not been compared"),
    ("status.sync.revision", OLD, "not yet with"),
    ("status.sync.revision", None, "no revision"),
    ("status.sync.revision", "v1", "not yet with"),
    ("status.sync.comparedTo", None, "since its source changed"),
    ("status.sync.comparedTo.source.path", "elsewhere", "since its source changed"),
    ("spec.source.helm", {"values": "a: 1"}, "since its source changed"),
    ("spec.source.targetRevision", "v2", "since its source changed"),
    ("spec.source.helm", {"valuesObject": {"a": False}}, "since its source changed"),
]


@pytest.mark.parametrize(("path", "value", "text"), FRESHNESS, ids=[f"{p}={v}"[:40] for p, v, _ in FRESHNESS])
def test_a_status_of_something_else_does_not_count(path: str, value: Any, text: str) -> None:
    """Whether of an old revision, an old source, or of no comparison: it waits, and says which."""
    for verdict in (judge(ROOT, changed(WEB, path, value)), judge(changed(ROOT, path, value), WEB)):
        assert isinstance(verdict, Waiting)
        assert text in verdict.reason
        assert not verdict.doomed


@pytest.mark.parametrize(
    ("asked", "compared"),
    [
        ({"helm": {"values": ""}}, {}),
        ({"directory": {"recurse": False}}, {}),
        ({"helm": {"valuesObject": {"a": {"b": None}}}}, {"helm": {"valuesObject": {"a": {}}}}),
    ],
    ids=["empty-text", "false", "null-in-values"],
)
def test_zero_values_that_a_status_leaves_out_make_no_difference(asked: Any, compared: Any) -> None:
    """Argo CD's own encoding drops them; waiting for them would never end."""
    item = application("web", source={"repoURL": URL, **compared})
    item["spec"]["source"] = {"repoURL": URL, **asked}
    assert isinstance(judge(ROOT, item), Passed)


def test_false_within_values_is_a_value() -> None:
    """The chart's default may be true."""
    item = application("web", source={"repoURL": URL, "helm": {"valuesObject": {"a": False}}})
    item["spec"]["source"]["helm"] = {"valuesObject": {}}
    assert isinstance(judge(ROOT, item), Waiting)


@pytest.mark.parametrize(
    ("source", "revision", "passes"),
    [
        (HTTP, "1.20.2", True),
        (HTTP, "1.20.1", False),
        (HTTP, "", False),
        ({**HTTP, "targetRevision": "1.x"}, "1.20.2", True),
        ({**HTTP, "targetRevision": "1.x"}, "", False),
        ({**HTTP, "repoURL": "oci://charts.example/web"}, OLD, True),
        ({**HTTP, "repoURL": "oci://charts.example/web"}, "1.20.2", False),
        ({"repoURL": f"{URL}/", "path": "a"}, DIGEST, True),
        ({"repoURL": f"{URL}/", "path": "a"}, OLD, False),
    ],
    ids=["http", "http-other", "http-none", "range", "range-none", "oci", "oci-unresolved", "slash", "slash-old"],
)
def test_the_revision_is_what_the_source_must_resolve_to(source: Any, revision: str, passes: bool) -> None:
    """The pushed digest for the bundle, the asked version for a chart over HTTP, some digest for another OCI chart."""
    assert isinstance(judge(ROOT, application("web", source=source, revision=revision)), Passed) is passes


@pytest.mark.parametrize(
    ("revisions", "passes"),
    [
        ([DIGEST, "1.20.2"], True),
        ([OLD, "1.20.2"], False),
        ([DIGEST, "1.0.0"], False),
        ([DIGEST], False),
        (None, False),
    ],
    ids=["both", "old", "other-chart", "one", "none"],
)
def test_each_of_several_sources_has_its_revision(revisions: Any, passes: bool) -> None:
    """In the order of the sources."""
    sources = [{"repoURL": URL, "ref": "values"}, HTTP]
    item = changed(changed(WEB, "spec.source", None), "spec.sources", sources)
    item = changed(changed(item, "status.sync.comparedTo", {"sources": sources}), "status.sync.revisions", revisions)
    assert isinstance(judge(ROOT, item), Passed) is passes


@pytest.mark.parametrize("state", [("OutOfSync", "Healthy"), ("Synced", "Degraded")], ids="-".join)
@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("status.operationState.syncResult.revision", OLD),
        ("status.operationState.syncResult.source", {"repoURL": "elsewhere"}),
        ("status.operationState.syncResult", {"source": {}}),
        ("status.operationState", None),
    ],
    ids=["revision", "source", "nothing", "none"],
)
def test_the_success_of_an_earlier_operation_excuses_nothing(state: tuple[str, str], path: str, value: Any) -> None:
    """Right after an upgrade the last operation still succeeded, with the old artifact."""
    assert isinstance(judge(ROOT, application("web", *state)), Passed)
    assert isinstance(judge(ROOT, changed(application("web", *state), path, value)), Waiting)


@pytest.mark.parametrize("phase", ["Failed", "Error"])
def test_an_operation_without_retries_left_ends_the_wait(phase: str) -> None:
    """Argo CD does not try the same revision again; its message and the resource that failed are told."""
    item = failing(
        application("web", "OutOfSync", "Missing", phase), retries=5, message="denied by policy", phase=phase
    )
    refused = {"kind": "Deployment", "name": "web", "status": "SyncFailed", "message": "denied: no"}
    item = changed(item, "status.operationState.syncResult.resources", [refused])
    verdict = judge(ROOT, item)
    assert verdict == Failed(
        f"is OutOfSync and Missing; operation {phase} (retry 5 of 5): denied by policy; Deployment web: denied: no",
        "Application argocd/web",
    )


@pytest.mark.parametrize(
    ("item", "doomed"),
    [
        (changed(application("web", "OutOfSync", "Missing", "Failed"), "status.sync.revision", OLD), False),
        (
            changed(
                application("web", "OutOfSync", "Missing", "Failed"), "status.operationState.syncResult.revision", OLD
            ),
            False,
        ),
        (application("web", "Unknown", "Missing", "Failed"), True),
        (application("web", "Synced", "Degraded", "Failed"), True),
        (application("web", "OutOfSync", "Missing", "Running"), False),
    ],
    ids=["other-comparison", "other-operation", "not-compared", "may-become-healthy", "running"],
)
def test_a_failed_operation_of_something_else_does_not_end_the_wait(item: Object, doomed: bool) -> None:
    """Only of this revision, and only while something is out of sync, is it the last word."""
    verdict = judge(ROOT, item)
    assert isinstance(verdict, Waiting)
    assert bool(verdict.doomed) is doomed


@pytest.mark.parametrize(
    ("retries", "message", "running", "doomed"),
    [
        (1, "one or more objects failed to apply", False, False),
        (2, "one or more objects failed to apply", False, False),
        (3, "one or more objects failed to apply", False, True),
        (3, "one or more objects failed to apply", True, False),
    ],
    ids=["first", "second", "third", "under-way"],
)
def test_retries_are_hopeful_at_first(retries: int, message: str, running: bool, doomed: bool) -> None:
    """From the third on they are doomed, unless something runs."""
    item = failing(
        application("web", "OutOfSync", "Missing", "Running"), retries=retries, message=message, running=running
    )
    verdict = judge(ROOT, item)
    assert isinstance(verdict, Waiting)
    assert bool(verdict.doomed) is doomed
    assert f"retry {retries} of 5" in verdict.reason


@pytest.mark.parametrize("health", ["Healthy", "Progressing"])
@pytest.mark.parametrize(
    ("operation", "hook_type", "hook_phase", "retries", "level"),
    [
        ("Running", "PostSync", "Running", 0, Waiting),
        ("Running", "PostSync", "Failed", 1, "doomed"),
        ("Running", "PostSync", "Error", 2, "doomed"),
        ("Running", "PostSync", "Failed", 3, Failed),
        ("Running", "PostSync", "Running", 3, Waiting),
        ("Failed", "PostSync", "Failed", 0, Failed),
        ("Error", "PostSync", "Error", 5, Failed),
        ("Succeeded", "PostSync", "Succeeded", 0, Passed),
    ],
    ids=["runs", "failed", "failed-again", "fails", "tried-again", "ended", "exhausted", "done"],
)
def test_a_hook_has_to_end_well(
    operation: str, hook_type: str, hook_phase: str, retries: int, level: object, health: str
) -> None:
    """All is in sync while a hook runs after it, and stays so when the hook fails: helm would not call it done."""
    item = failing(application("web", "Synced", health, operation), retries=retries, message="hooks", phase=operation)
    hook = {"kind": "Job", "name": "check", "hookType": hook_type, "hookPhase": hook_phase, "message": "too late"}
    verdict = judge(ROOT, changed(item, "status.operationState.syncResult.resources", [hook]))
    if level == "doomed":
        assert isinstance(verdict, Waiting)
        assert verdict.doomed
    else:
        assert isinstance(level, type)
        assert isinstance(verdict, level)
        assert not (isinstance(verdict, Waiting) and verdict.doomed)
    if hook_phase in ("Failed", "Error"):
        assert "Job check: too late" in str(verdict)


@pytest.mark.parametrize("health", ["Healthy", "Progressing"])
@pytest.mark.parametrize(
    ("awaited", "passes"),
    [
        ((), False),
        (("Namespace",), False),
        (("Deployment",), False),
        (("Prometheus", "Job"), False),
        (("Namespace", "Prometheus"), True),
        (("Prometheus",), True),
        (("Service", "Prometheus"), True),
    ],
    ids=["nothing", "namespace", "workload", "both", "namespace-too", "operand", "operands"],
)
def test_an_operation_that_will_go_on_is_waited_for(awaited: tuple[str, ...], passes: bool, health: str) -> None:
    """Its hooks are not begun before its workloads are ready, and may fail: only what never ends is passed over."""
    item = failing(application("web", "Synced", health, "Running"), retries=0, message="waiting for healthy state")
    waits = [{"kind": kind, "name": "x", "hookPhase": "Running"} for kind in awaited]
    done = {"kind": "Deployment", "name": "y", "hookPhase": "Succeeded"}
    verdict = judge(ROOT, changed(item, "status.operationState.syncResult.resources", [*waits, done]))
    assert isinstance(verdict, Passed if passes else Waiting)
    assert not (isinstance(verdict, Waiting) and verdict.doomed)


def test_a_hook_of_an_earlier_operation_is_nobodys() -> None:
    """What failed for the artifact before is no doubt about this one."""
    item = failing(application("web", phase="Failed"), retries=0, message="hooks", phase="Failed")
    hook = {"kind": "Job", "name": "check", "hookType": "PostSync", "hookPhase": "Failed", "message": "too late"}
    item = changed(item, "status.operationState.syncResult.resources", [hook])
    assert isinstance(judge(ROOT, changed(item, "status.operationState.syncResult.revision", OLD)), Passed)


@pytest.mark.parametrize(
    "message",
    [
        'one or more objects failed to apply, reason: admission webhook "a.b" denied the request: no',
        'one or more objects failed to apply, reason: deployments.apps "web" is forbidden: '
        "ValidatingAdmissionPolicy 'p' with binding 'p' denied request: no",
        'one or more objects failed to apply, reason: Deployment.apps "web" is invalid: spec.replicas: Invalid value',
        "one or more objects failed to apply, reason: failed to create typed patch object (web/web; apps/v1, "
        'Kind=Deployment): .spec.template.spec.containers[name="web"].env: duplicate entries for key [name="A"]',
    ],
    ids=["webhook", "policy", "invalid", "duplicate"],
)
def test_what_the_api_server_refuses_twice_is_not_waited_for(message: str) -> None:
    """The answer depends on nothing that another attempt changes; once may have been too early."""
    for retries, expected in ((1, Waiting), (2, Failed), (3, Failed)):
        item = failing(application("web", "OutOfSync", "Missing", "Running"), retries=retries, message=message)
        verdict = judge(ROOT, item)
        assert isinstance(verdict, expected)
        assert message in str(verdict)


MISSING = [
    'one or more objects failed to apply, reason: Prometheus.monitoring.coreos.com "main" not found',
    "one or more synchronization tasks are not valid",
    'one or more objects failed to apply, reason: resource mapping not found for name: "web": no matches for kind '
    '"PodMonitor" in version "monitoring.coreos.com/v1"',
    'one or more objects failed to apply, reason: namespaces "monitoring" not found',
    "one or more objects failed to apply, reason: failed to create typed patch object (web/p; example.com/v1, "
    "Kind=Policy): .spec.driver: field not declared in schema",
]


def lacking(message: str, *, ended: str = "2026-01-01T00:01:00Z") -> Object:
    """Its fifth attempt ended so, with these words."""
    item = failing(application("web", "OutOfSync", "Missing", "Running"), retries=5, message=message)
    return changed(item, "status.operationState.finishedAt", ended)


@pytest.mark.parametrize("message", MISSING)
def test_what_another_application_may_bring_is_waited_for(message: str) -> None:
    """While one is on its way, or is not there yet: it may be the one with the CRD."""
    for other in ([application("crds", "OutOfSync", "Missing", "Running")], []):
        verdict = judge(root("web", "crds"), lacking(message), *other, children=("web", "crds"))
        assert isinstance(verdict, Waiting)
        assert not verdict.doomed


def with_crds(ended: str | None) -> list[Object]:
    """A root of two, and the other one, which has ended then."""
    return [root("web", "crds"), changed(application("crds"), "status.operationState.finishedAt", ended)]


@pytest.mark.parametrize("message", MISSING)
def test_what_nobody_brings_any_more_fails(message: str) -> None:
    """All others had ended before the last attempt began: another one would be refused in the same words."""
    for others, names in ((with_crds("2026-01-01T00:00:20Z"), ("web", "crds")), ([ROOT], ("web",))):
        verdict = judge(*others, lacking(message), children=names)
        assert isinstance(verdict, Failed)
        assert message in verdict.reason
        assert verdict.kind is CauseKind.APPLY


@pytest.mark.parametrize("message", MISSING)
def test_what_has_only_just_come_is_worth_another_attempt(message: str) -> None:
    """The last attempt may have begun before the other had ended, and the next one may be under way."""
    for others, web in (
        (with_crds("2026-01-01T00:00:50Z"), lacking(message)),
        (with_crds("2026-01-01T00:00:20Z"), changed(lacking(message), "status.operationState.finishedAt", None)),
    ):
        verdict = judge(*others, web, children=("web", "crds"))
        assert isinstance(verdict, Waiting)
        assert not verdict.doomed


def test_two_that_wait_for_each_other_fail() -> None:
    """Neither is on its way: what both lack is not going to come."""
    other = lacking(MISSING[1], ended="2026-01-01T00:00:55Z")
    other["metadata"]["name"] = "crds"
    verdict = judge(root("web", "crds"), lacking(MISSING[0]), other, children=("web", "crds"))
    assert isinstance(verdict, Failed)
    assert "Prometheus" in verdict.reason


def test_an_attempt_that_has_just_begun_is_of_what_was_asked() -> None:
    """It has no result yet, and stays doomed until something of it runs."""
    item = failing(application("web", "OutOfSync", "Missing", "Running"), retries=3, message="Retrying operation.")
    verdict = judge(ROOT, changed(item, "status.operationState.syncResult", None))
    assert isinstance(verdict, Waiting)
    assert verdict.doomed


def test_the_time_of_the_next_attempt_is_no_part_of_a_reason() -> None:
    """Reasons are compared, and a replay must agree."""
    texts = {
        str(
            judge(
                ROOT,
                failing(
                    application("web", "OutOfSync", "Missing", "Running"),
                    retries=1,
                    message=f"failed to apply. Retrying attempt #1 at {hour}:04PM.",
                ),
            )
        )
        for hour in (3, 4)
    }
    assert len(texts) == 1
    assert texts.pop().endswith("failed to apply")


@pytest.mark.parametrize("kind", ["ComparisonError", "InvalidSpecError", "SyncError", "DeletionError", "UnknownError"])
@pytest.mark.parametrize("state", ["Unknown", "Synced"])
def test_an_error_condition_dooms_with_its_message(kind: str, state: str) -> None:
    """Nothing passes with one; that it stays for all of the patience is what makes it a failure."""
    for health in ("Unknown", "Healthy"):
        item = condition(application("web", state, health, ""), kind, "chart web\n  1.0 not found")
        verdict = judge(ROOT, item)
        assert isinstance(verdict, Waiting)
        assert verdict.doomed == f"{kind}: chart web 1.0 not found"
        assert verdict.subject == "Application argocd/web"


@pytest.mark.parametrize(("other", "doomed"), [("", False), ("no such chart", True)])
def test_a_kind_whose_fields_are_not_known_yet_is_waited_for(other: str, doomed: bool) -> None:
    """Argo CD reads the schema again some time after a CRD has come; any other error beside it dooms as ever."""
    early = "error calculating structured merge diff: unable to resolve parseableType for GroupVersionKind: a/v1, B"
    sick = condition(application("web", "Unknown"), "ComparisonError", early)
    if other:
        sick["status"]["conditions"].append({"type": "SyncError", "message": other})
    verdict = judge(ROOT, sick)
    assert isinstance(verdict, Waiting)
    assert bool(verdict.doomed) is doomed
    assert "parseableType" in verdict.reason


def test_an_application_that_was_never_compared_is_doomed_by_its_error() -> None:
    """Without its project an Application is not compared at all: the error must not hide behind that."""
    item = condition(
        changed(changed(WEB, "status.sync", {}), "status.reconciledAt", None), "InvalidSpecError", "no project"
    )
    verdict = judge(ROOT, item)
    assert isinstance(verdict, Waiting)
    assert verdict.doomed == "InvalidSpecError: no project"


def test_a_warning_dooms_nothing() -> None:
    """Orphans and shared resources are warnings."""
    assert isinstance(judge(ROOT, condition(WEB, "SharedResourceWarning", "shared")), Passed)


def test_what_is_out_of_order_is_named() -> None:
    """An Application that stays OutOfSync says with which resources."""
    resources = [
        {"kind": "DeviceClass", "name": "gpu", "status": "OutOfSync"},
        {"kind": "Deployment", "name": "web", "status": "Synced", "health": {"status": "Degraded"}},
        {"kind": "Service", "name": "web", "status": "Synced", "health": {"status": "Healthy"}},
    ]
    item = changed(application("web", "OutOfSync", "Degraded"), "status.resources", resources)
    verdict = judge(ROOT, item)
    assert "not in order: Deployment web, DeviceClass gpu" in verdict.reason
    assert "Service" not in verdict.reason


def test_the_worst_is_told_first_and_all_of_it() -> None:
    """A failure before a doom before a delay; what has failed is not diluted by what is merely late."""
    late = application("late", "OutOfSync", "Missing", "Running")
    sick = condition(application("sick"), "ComparisonError", "no such chart")
    dead = application("dead", "OutOfSync", "Missing", "Failed")
    names = ("late", "sick", "dead")
    top = root(*names)
    verdict = judge(top, late, sick, children=names)
    assert isinstance(verdict, Waiting)
    assert verdict.subject == "Application argocd/sick"
    assert "no such chart" in verdict.doomed
    assert "late" in verdict.reason
    assert "late" not in verdict.doomed
    verdict = judge(top, late, sick, dead, children=names)
    assert isinstance(verdict, Failed)
    assert verdict.subject == "Application argocd/dead"
    assert "late" not in verdict.reason
    assert "sick" not in verdict.reason


def test_progress_tells_whose_operation_has_begun_and_who_passes() -> None:
    """The same states that the gate lets pass; without an operation nothing was applied."""
    items = [
        application("web"),
        application("slow", sync="OutOfSync", health="Missing", phase="Running"),
        application("changed", sync="OutOfSync"),
        application("refused", sync="OutOfSync", phase="Failed"),
        application("new", sync="OutOfSync", health="Missing", phase=""),
    ]
    found = progress(objects_of(items))
    assert found == {"web": True, "slow": False, "changed": True, "refused": False}


@pytest.mark.parametrize(
    ("message", "found"),
    [
        ("waiting for healthy state of apiextensions.k8s.io/CustomResourceDefinition/a.example.com", True),
        ("waiting for healthy state of apps/Deployment/web", False),
        ("successfully synced (all tasks run)", False),
        (None, False),
    ],
)
def test_an_operation_that_waits_for_a_crd_is_found(message: str | None, found: bool) -> None:
    """Only for a CRD: what a Deployment or a child waits for takes its time, and ends with an event."""
    waits = changed(application("web", phase="Running"), "status.operationState.message", message)
    idle = waiting_for_nothing(objects_of([waits, application("new", phase="")]))
    assert idle == ({(APPLICATIONS, ("argocd", "web")): message} if found else {})


@pytest.mark.parametrize(
    ("item", "why"),
    [
        (
            condition(application("web", "Unknown"), "ComparisonError", "no such chart"),
            "ComparisonError: no such chart",
        ),
        (condition(application("web"), "SharedResourceWarning", "shared"), ""),
        (application("web", "OutOfSync"), ""),
        (application("web", "OutOfSync", "Missing", "Running"), ""),
        (application("web", "Synced", "Degraded"), ""),
        (changed(application("web"), "status", None), ""),
    ],
    ids=["not-compared", "warned", "heals-itself", "under-way", "in-sync", "new"],
)
def test_what_could_not_be_compared_is_found(item: Object, why: str) -> None:
    """To all else Argo CD comes back by itself: to ask for everything keeps it comparing for ever."""
    idle = waiting_for_nothing(objects_of([item]))
    assert idle == ({(APPLICATIONS, ("argocd", "web")): why} if why else {})


def awaiting_claim(claim_phase: str) -> Objects:
    """An operation that waits for a claim, and the claim."""
    waits = changed(application("web", "OutOfSync", "Progressing", "Running"), "status.operationState.message", WAITS)
    result = {"kind": "PersistentVolumeClaim", "namespace": "store", "name": "data", "hookPhase": "Running"}
    waits = changed(waits, "status.operationState.syncResult.resources", [result])
    claim = {"metadata": {"namespace": "store", "name": "data"}, "status": {"phase": claim_phase}}
    apps = {key_of(each): each for each in (waits, root("web"))}
    return Objects({APPLICATIONS: apps, CLAIMS: {("store", "data"): claim}})


WAITS = "waiting for healthy state of /PersistentVolumeClaim/data"


def test_a_claim_whose_pod_comes_in_a_later_wave_is_never_bound() -> None:
    """The class waits for a consumer, Argo CD for the claim: told long before the deadline, with what to do."""
    verdict = Synced("root", ("web",), DIGEST)(awaiting_claim("Pending"))
    assert isinstance(verdict, Waiting)
    assert "PersistentVolumeClaim store/data" in verdict.doomed
    assert "one sync wave" in verdict.doomed


def test_the_claims_that_an_operation_waits_for_are_watched() -> None:
    """Of its own kinds alone the gate says the same: a kind that it does not watch would never be in its objects."""
    gate, seen = Synced("root", ("web",), DIGEST), awaiting_claim("Pending")
    watched = Objects({kind: {key_of(each): each for each in seen.all(kind)} for kind in seen.kinds & set(gate.kinds)})
    assert gate(watched) == gate(seen)


def test_a_claim_that_is_bound_is_no_reason_to_give_up() -> None:
    """Argo CD has not seen it yet, and is told to look."""
    seen = awaiting_claim("Bound")
    verdict = Synced("root", ("web",), DIGEST)(seen)
    assert isinstance(verdict, Waiting)
    assert not verdict.doomed
    assert waiting_for_nothing(seen) == {(APPLICATIONS, ("argocd", "web")): WAITS}
    assert not waiting_for_nothing(awaiting_claim("Pending"))
