"""The verdict on HelmReleases and on a whole Flux bundle, row by row of its decision table."""

from typing import Any

import pytest

from harness.gates.flux import releases
from harness.gates.flux.releases import HELMRELEASES, Reconciled, releases_ready
from harness.objects import Object
from harness.verdict import Failed, Passed, Verdict, Waiting
from tests.fakes.gitops import (
    DIGEST,
    FLUX,
    OLD,
    WEB_KEY,
    changed,
    condition,
    external,
    generator,
    helm_repository,
    kustomization,
    objects_of,
    release,
    remote_release,
    repository,
    stalled,
    unready,
)

WEB = release("web")
REMOTE = remote_release("web")
CHART = [generator("web"), external("web")]
BOTTOM = [repository(), kustomization()]
READY = condition("Ready", "True", "InstallSucceeded", "fine")
RECONCILING = condition("Reconciling", "True", "Progressing", "Fulfilling prerequisites")
NOT_RECONCILED = "HelmChart 'a/b' is not ready: latest generation of object has not been reconciled"


def judge(*items: Object, expected: tuple[str, ...] = ("web",)) -> Verdict:
    return releases_ready([(FLUX, name) for name in expected])(objects_of([*BOTTOM, *items]))


def local(*items: Object) -> Verdict:
    """With the chart that release web is of."""
    return judge(*CHART, *items)


def is_hopeful(verdict: Verdict) -> bool:
    return isinstance(verdict, Waiting) and not verdict.doomed


def is_doomed(verdict: Verdict) -> bool:
    return isinstance(verdict, Waiting) and bool(verdict.doomed)


def is_failed(verdict: Verdict) -> bool:
    return isinstance(verdict, Failed)


def is_passed(verdict: Verdict) -> bool:
    return isinstance(verdict, Passed)


STATES = [
    ("ready", lambda item: item, is_passed, "1 HelmReleases are ready"),
    ("deleted", lambda item: changed(item, "metadata.deletionTimestamp", "now"), is_hopeful, "being deleted"),
    ("suspended", lambda item: changed(item, "spec.suspend", True), is_doomed, "suspended"),
    ("bare", lambda item: changed(item, "status", None), is_hopeful, "not been looked at"),
    ("new-generation", lambda item: changed(item, "metadata.generation", 2), is_hopeful, "generation 2"),
    ("not-observed", lambda item: changed(item, "status.observedGeneration", 0), is_hopeful, "not been observed"),
    (
        "not-attempted",
        lambda item: changed(item, "status.lastAttemptedGeneration", 0),
        is_hopeful,
        "generation 1 has not been attempted",
    ),
    ("again", lambda item: changed(item, "status.conditions", [RECONCILING, READY]), is_hopeful, "prerequisites"),
    ("installs", lambda item: unready(item, "Progressing", "Running 'install'", "Unknown"), is_hopeful, "'install'"),
    ("failed", lambda item: unready(item, "InstallFailed", "no such kind"), is_doomed, "InstallFailed: no such kind"),
    ("upgrade", lambda item: unready(item, "UpgradeFailed", "timed out"), is_doomed, "UpgradeFailed: timed out"),
    ("rolled-back", lambda item: unready(item, "RollbackSucceeded", "back"), is_doomed, "RollbackSucceeded"),
    ("no-source", lambda item: unready(item, "ArtifactFailed", "not found"), is_doomed, "ArtifactFailed: not found"),
    ("source-new", lambda item: unready(item, "SourceNotReady", NOT_RECONCILED), is_hopeful, "latest generation"),
    ("source-bad", lambda item: unready(item, "SourceNotReady", "no chart of that name"), is_doomed, "no chart of"),
    ("no-history", lambda item: changed(item, "status.history", None), is_hopeful, "has no release"),
    ("half-done", lambda item: changed(item, "status.history.0.status", "pending-install"), is_hopeful, "pending"),
    ("other-deployed", lambda item: changed(item, "status.history.0.chartVersion", "0.9.0"), is_hopeful, "0.9.0"),
]


@pytest.mark.parametrize("item", [WEB, REMOTE], ids=["local", "remote"])
@pytest.mark.parametrize(("change", "expected", "text"), [row[1:] for row in STATES], ids=[row[0] for row in STATES])
def test_a_release_passes_once_it_is_deployed_as_asked(item: Object, change: Any, expected: Any, text: str) -> None:
    """Ready for its generation, with the attempted chart deployed; each reason names the release."""
    verdict = judge(*CHART, helm_repository(), change(item))
    assert expected(verdict)
    assert text in verdict.reason
    if expected is not is_passed:
        assert verdict.subject == "HelmRelease flux-system/web"


def test_no_release_expected_is_a_failure() -> None:
    """Nothing is green because nothing was asked for."""
    assert is_failed(judge(WEB, *CHART, expected=()))


def test_every_expected_release_has_to_be_there() -> None:
    """After the Kustomization was applied nobody will make it."""
    verdict = judge(*CHART, WEB, expected=("web", "db"))
    assert is_doomed(verdict)
    assert verdict.subject == "HelmRelease flux-system/db"


def test_the_same_name_elsewhere_is_another_release() -> None:
    """Keys have a namespace."""
    assert is_doomed(local(changed(WEB, "metadata.namespace", "other")))


def test_a_release_that_nobody_named_must_be_ready_too() -> None:
    """And is named in the pass."""
    other = remote_release("old")
    assert is_doomed(local(WEB, unready(other, "InstallFailed", "no")))
    verdict = local(WEB, other)
    assert is_passed(verdict)
    assert "also old" in verdict.reason


@pytest.mark.parametrize(
    ("held", "tried", "expected"),
    [
        ("latest@sha256:1", "latest@sha256:1", is_passed),
        ("sha256:1", "sha256:1", is_passed),
        ("1.0.0@sha256:1", "sha256:1", is_passed),
        ("latest@sha256:2", "latest@sha256:1", is_hopeful),
        ("1.0.0@sha256:2", "sha256:1", is_hopeful),
        ("latest@sha256:1", None, is_hopeful),
        (None, "latest@sha256:1", is_hopeful),
        ("", "", is_hopeful),
    ],
    ids=["whole", "digest", "version", "newer", "newer-version", "not-tried", "no-artifact", "nothing"],
)
@pytest.mark.parametrize("kind", ["ExternalArtifact", "OCIRepository"])
def test_ready_counts_for_the_chart_that_the_source_holds_now(held: Any, tried: Any, expected: Any, kind: str) -> None:
    """A new chart behind the same spec changes no generation: Ready stays True until the controller sees it."""
    held_by = changed(changed(external("web"), "status.artifact.revision", held), "kind", kind)
    item = changed(changed(WEB, "status.lastAttemptedRevisionDigest", tried), "spec.chartRef.kind", kind)
    assert expected(judge(item, held_by))


@pytest.mark.parametrize(
    ("asked", "tried", "expected"),
    [
        ("1.20.2", "1.20.2", is_passed),
        ("1.20.2", "v1.20.2", is_passed),
        ("v1.20.2", "1.20.2+abc", is_passed),
        ("1.20.2", "1.20.1", is_hopeful),
        ("1.20.2", "1.20.2-rc.1", is_hopeful),
        ("1.x", "1.20.2", is_passed),
        ("", "1.20.2", is_passed),
    ],
)
def test_an_exact_version_is_the_one_that_was_attempted(asked: str, tried: str, expected: Any) -> None:
    """A range may lead to any."""
    item = changed(REMOTE, "spec.chart.spec.version", asked)
    item = changed(changed(item, "status.lastAttemptedRevision", tried), "status.history.0.chartVersion", tried)
    assert expected(judge(item, helm_repository()))


@pytest.mark.parametrize("item", [WEB, REMOTE], ids=["local", "remote"])
def test_exhausted_retries_end_the_wait_with_all_that_the_controller_said(item: Object) -> None:
    """That it gave up, why the last attempt failed, and what Helm has."""
    item = changed(
        stalled(item, "RetriesExceeded", "Failed to install after 1 attempt(s)"), "status.history.0.status", "failed"
    )
    verdict = judge(*CHART, item)
    assert is_failed(verdict)
    assert verdict.subject == "HelmRelease flux-system/web"
    assert "RetriesExceeded: Failed to install after 1 attempt(s); InstallFailed: hook failed" in verdict.reason
    assert "release apps/web is failed at web" in verdict.reason


def test_what_failed_before_the_first_release_is_told_without_one() -> None:
    """No history, no empty words."""
    item = changed(stalled(WEB, "RetriesExceeded", "gave up"), "status.history", None)
    assert local(item).reason == "is stalled: RetriesExceeded: gave up; InstallFailed: hook failed"


@pytest.mark.parametrize(
    ("reason", "expected"),
    [("RetriesExceeded", is_hopeful), ("MissingRollbackTarget", is_hopeful), ("AccessDenied", is_failed)],
)
def test_a_newer_chart_gets_its_own_retries(reason: str, expected: Any) -> None:
    """What was given up with the old chart is tried again with the new one; what no chart can heal stays."""
    assert expected(judge(generator("web"), external("web"), stalled(release("web", digest=OLD), reason, "gave up")))


def test_a_stall_of_an_earlier_generation_is_over() -> None:
    """Its spec has changed since."""
    assert is_hopeful(local(changed(stalled(WEB, "RetriesExceeded", "gave up"), "metadata.generation", 2)))


def chain(*names: str, bottom: Any) -> list[Object]:
    """Each release waits for the one before it; `bottom` is what the first one is like."""
    first, *others = (remote_release(name, *names[:place][-1:]) for place, name in enumerate(names))
    return [
        bottom(first),
        *(
            unready(
                item, "DependencyNotReady", f"dependency '{FLUX}/{item['spec']['dependsOn'][0]['name']}' is not ready"
            )
            for item in others
        ),
    ]


def failing(item: Object) -> Object:
    return unready(item, "InstallFailed", "no such kind")


def test_of_a_chain_the_bottom_is_told() -> None:
    """And how many wait for it: not thirteen times that a dependency is not ready."""
    verdict = judge(*chain("a", "b", "c", "d", bottom=failing), helm_repository(), expected=("a", "b", "c", "d"))
    assert verdict == Waiting(
        "is not ready: InstallFailed: no such kind (3 more wait for it)",
        "HelmRelease flux-system/a",
        doomed="is not ready: InstallFailed: no such kind (3 more wait for it)",
    )


def test_a_chain_fails_with_its_bottom() -> None:
    """Once the bottom has given up."""
    items = chain("a", "b", bottom=lambda item: stalled(item, "RetriesExceeded", "gave up"))
    verdict = judge(*items, expected=("a", "b"))
    assert is_failed(verdict)
    assert verdict.subject == "HelmRelease flux-system/a"


def test_a_release_whose_dependencies_are_ready_waits_for_nobody() -> None:
    """It has not asked again yet: hopeful, under its own name."""
    verdict = judge(*chain("a", "b", bottom=lambda item: item), helm_repository(), expected=("a", "b"))
    assert is_hopeful(verdict)
    assert verdict.subject == "HelmRelease flux-system/b"


def test_a_release_that_fails_by_itself_is_told_although_it_also_depends() -> None:
    """Only what says that it waits is taken to wait."""
    verdict = judge(failing(remote_release("a")), failing(remote_release("b", "a")), expected=("a", "b"))
    assert "HelmRelease flux-system/b: is not ready" in verdict.reason


def test_a_dependency_that_nobody_delivers_is_doomed() -> None:
    """Its name is told, and who needs it."""
    verdict = judge(*chain("a", "b", bottom=lambda item: item)[1:], expected=("b",))
    assert is_doomed(verdict)
    assert verdict.subject == "HelmRelease flux-system/a"
    assert verdict.reason == "does not exist, but b depends on it (1 more wait for it)"


def test_releases_that_wait_for_each_other_are_doomed() -> None:
    """Nobody of them can start."""
    items = [unready(remote_release(*pair), "DependencyNotReady", "x") for pair in (("a", "b"), ("b", "a"))]
    verdict = judge(*items, expected=("a", "b"))
    assert is_doomed(verdict)
    assert "wait for each other: a, b" in verdict.reason


def test_dependencies_in_other_namespaces_are_followed() -> None:
    """A reference may name one."""
    bottom = changed(failing(remote_release("a")), "metadata.namespace", "other")
    item = unready(remote_release("web", "a"), "DependencyNotReady", "x")
    verdict = judge(bottom, changed(item, "spec.dependsOn.0.namespace", "other"))
    assert verdict.subject == "HelmRelease other/a"
    assert "HelmRelease flux-system/web" not in verdict.reason


CHARTLESS = unready(WEB, "ArtifactFailed", "could not get Source object: not found")


def test_a_release_without_its_chart_names_the_generator() -> None:
    """Who should have made it, and why it has not: here that nothing has looked at it."""
    verdict = judge(CHARTLESS, changed(generator("web"), "status", None))
    assert verdict.subject == "ArtifactGenerator flux-system/web-chart"
    assert "not been looked at by its controller" in verdict.reason


@pytest.mark.parametrize(
    "items", [[], CHART, [changed(generator("db"), "status", None)]], ids=["nobody", "made-by-now", "another-chart"]
)
def test_a_release_without_its_chart_speaks_for_itself_else(items: list[Object]) -> None:
    """There is no generator to blame."""
    verdict = judge(CHARTLESS, *items)
    assert verdict.subject == "HelmRelease flux-system/web"
    assert is_doomed(verdict)


@pytest.mark.parametrize(
    ("repositories", "subject", "text"),
    [
        ([unready(helm_repository(), "Failed", "no such host")], "HelmRepository flux-system/charts", "no such host"),
        ([], "HelmRepository flux-system/charts", "is not there"),
        ([helm_repository()], "HelmRelease flux-system/web", "no chart"),
        ([changed(helm_repository(), "status", None)], "HelmRelease flux-system/web", "no chart"),
    ],
    ids=["fails", "absent", "fine", "of-type-oci"],
)
def test_a_chart_that_cannot_be_fetched_names_the_repository(repositories: Any, subject: str, text: str) -> None:
    """Unless the repository is fine, or of the type that has no status."""
    verdict = judge(unready(REMOTE, "SourceNotReady", "no chart"), *repositories)
    assert is_doomed(verdict)
    assert verdict.subject == subject
    assert text in verdict.reason


def test_a_repository_is_not_blamed_for_what_helm_did() -> None:
    """A failed install has its chart already."""
    verdict = judge(failing(REMOTE), unready(helm_repository(), "Failed", "no such host"))
    assert verdict.subject == "HelmRelease flux-system/web"


def bundle(*items: Object, digest: str = DIGEST) -> Verdict:
    gate = Reconciled(
        digest,
        source=(FLUX, "aicr-bundle"),
        kustomization=(FLUX, "aicr-demo"),
        releases=(WEB_KEY,),
        generators=((FLUX, "web-chart"),),
    )
    return gate(objects_of(items))


WHOLE = [repository(), kustomization(), *CHART, WEB]
STEPS = [
    "OCIRepository flux-system/aicr-bundle",
    "Kustomization flux-system/aicr-demo",
    "HelmRelease flux-system/web",
    "ArtifactGenerator flux-system/web-chart",
]


def test_a_bundle_passes_as_a_whole() -> None:
    """The pass says of how many objects and at which digest."""
    assert bundle(*WHOLE) == Passed(f"1 HelmReleases and 1 ArtifactGenerators are ready, at {DIGEST}")


@pytest.mark.parametrize("step", range(4), ids=["source", "kustomization", "release", "generator"])
def test_each_step_is_asked_after_the_one_before(step: int) -> None:
    """With everything from a step on out of order, that step is the one that is told."""
    items = list(WHOLE)
    for place in ((0, 1, 4, 2))[step:]:
        items[place] = unready(items[place], "Progressing", "busy", "Unknown")
    verdict = bundle(*items)
    assert is_hopeful(verdict)
    assert verdict.subject == STEPS[step]


@pytest.mark.parametrize("step", range(5), ids=["source", "kustomization", "generator", "artifact", "release"])
def test_what_is_left_of_the_old_bundle_never_passes(step: int) -> None:
    """Every object Ready, but one (and all that follow from it) still of the digest before: the upgrade is not over."""
    old = [repository(OLD), kustomization(OLD), generator("web", OLD), external("web", OLD), release("web", digest=OLD)]
    assert not is_passed(bundle(*WHOLE[:step], *old[step:]))
    assert not is_passed(bundle(*WHOLE[:step], old[step], *WHOLE[step + 1 :]))


def test_another_digest_is_another_bundle() -> None:
    """Everything ready, but of something that was not pushed."""
    assert is_doomed(bundle(*WHOLE, digest=OLD))


def test_progress_tells_who_waits_for_nothing_and_who_is_done() -> None:
    """Not begun while it waits for another or for its chart; Ready alone, of an older chart, is not done."""
    stale = changed(release("old"), "status.lastAttemptedRevisionDigest", "latest@sha256:0")
    items = [
        *(release("web"), external("web"), stale, external("old")),
        unready(release("later", "web"), "DependencyNotReady", "dependency 'flux-system/web' is not ready"),
        unready(release("bare"), "SourceNotReady", "no artifact"),
        unready(release("slow"), "Progressing", "Running 'install' action", "Unknown"),
        changed(release("new"), "status", None),
    ]
    assert releases.progress(objects_of(items)) == {"web": True, "old": False, "slow": False}


@pytest.mark.parametrize(
    ("others", "free"),
    [
        ((release("a"), external("a"), release("b"), external("b")), True),
        ((release("a"), external("a")), False),
        ((release("a"), external("a"), unready(release("b"), "Progressing", "installs", "Unknown")), False),
    ],
)
def test_a_release_is_unblocked_when_all_it_waits_for_is_ready(others: tuple[Object, ...], free: bool) -> None:
    """Until then telling helm-controller to look changes nothing; releases that are under way are left alone."""
    waits = unready(release("web", "a", "b"), "DependencyNotReady", "dependency 'flux-system/b' is not ready")
    found = releases.unblocked(objects_of([waits, *others]))
    assert found == ({(HELMRELEASES, (FLUX, "web")): "what it depends on is ready"} if free else {})


def refused(item: Object, message: str, *, attempts: int, trying: bool = False) -> Object:
    """A release whose install has failed so often; `trying`: the next attempt is under way."""
    ready = (
        condition("Ready", "Unknown", "Progressing", "Running 'install' action")
        if trying
        else condition("Ready", "False", "InstallFailed", message)
    )
    conditions = [ready, condition("Released", "False", "InstallFailed", message)]
    return changed(changed(item, "status.conditions", conditions), "status.failures", attempts)


TWICE = 'error while running post render on files: mapping key "level" already defined at line 9'
FIELD = "failed to create typed patch object (a/p; example.com/v1, Kind=Policy): .spec.x: field not declared in schema"
HOOK = "failed pre-install: 1 error occurred: job web-check failed: BackoffLimitExceeded"
LATE = "context deadline exceeded"


@pytest.mark.parametrize("trying", [False, True], ids=["says-so", "tries-again"])
@pytest.mark.parametrize(
    ("message", "attempts", "failed"),
    [
        (TWICE, 1, False),
        (TWICE, 2, True),
        (FIELD, 1, False),
        (FIELD, 2, True),
        (HOOK, 2, False),
        (HOOK, 3, True),
        (LATE, 3, True),
        ("dial tcp 127.0.0.1:6443: connect: connection refused", 9, False),
        ('Operation cannot be fulfilled on services "a": the object has been modified; please apply again', 9, False),
        ("etcdserver: request timed out", 9, False),
    ],
)
def test_the_same_refusal_again_and_again_is_final(message: str, attempts: int, failed: bool, trying: bool) -> None:
    """helm-controller alternates between refusal and next attempt, for ever. A server that is away refuses nothing."""
    verdict = local(refused(WEB, message, attempts=attempts, trying=trying))
    assert is_failed(verdict) is failed
    if failed:
        assert f"has failed {attempts} times: InstallFailed: {message}" in verdict.reason


def test_attempts_at_an_earlier_chart_count_for_nothing() -> None:
    """The chart of the upgrade has not been tried."""
    item = refused(WEB, TWICE, attempts=5, trying=True)
    assert is_hopeful(local(changed(item, "status.lastAttemptedRevisionDigest", OLD)))
    assert is_hopeful(local(changed(item, "metadata.generation", 2)))


def test_what_another_release_may_bring_is_waited_for() -> None:
    """While one is on its way a missing kind or field may come; once none is, what is missing stays missing."""
    item, other = refused(WEB, FIELD, attempts=7), remote_release("crds")
    installing = unready(other, "Progressing", "Running 'install'", "Unknown")
    names = ("web", "crds")
    assert is_hopeful(judge(*CHART, helm_repository(), item, installing, expected=names))
    assert is_doomed(judge(*CHART, helm_repository(), item, other, expected=names))
    behind = unready(remote_release("crds", "web"), "DependencyNotReady", "dependency 'flux-system/web' is not ready")
    assert is_doomed(judge(*CHART, helm_repository(), item, behind, expected=names))


def test_what_lacks_something_is_asked_again_when_another_release_is_ready() -> None:
    """helm-controller's pauses grow to minutes, and what was missing may be there by now."""
    item, other = refused(WEB, FIELD, attempts=7), remote_release("crds")
    before = unready(other, "Progressing", "Running 'install'", "Unknown")
    key = (HELMRELEASES, WEB_KEY)
    found = [releases.unblocked(objects_of([*BOTTOM, *CHART, item, each]))[key] for each in (before, other)]
    assert found[0] != found[1]
    assert key not in releases.unblocked(objects_of([*BOTTOM, *CHART, refused(WEB, TWICE, attempts=7)]))
