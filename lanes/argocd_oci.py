"""The argocd-oci lane: Argo CD pulls an app-of-apps from the registry and syncs a child for each release.

The root Application is applied as the bundle has it; everything else is Argo CD's work. The gate wants every child that
the bundle names, each bound to the pushed digest, in one of the four states that count on simulated nodes.
"""

from harness.bundles.applications import APP_OF_APPS
from harness.cells.lane import Lane
from harness.cells.run import Run
from harness.errors import RootMissing
from harness.formats.go_yaml import load_all
from harness.gates.argocd.application import APPLICATIONS
from harness.gates.argocd.attention import progress, waiting_for_nothing
from harness.gates.argocd.remade import MadeAgain
from harness.gates.argocd.synced import RootThere, Synced
from harness.gates.argocd.warnings import WithoutWarnings
from harness.gates.combining import UnlessDoomed
from harness.installers.argocd.configuration import WAVE_SECONDS
from harness.installers.catalog import ARGOCD, REGISTRY
from harness.objects import key_of
from harness.publishing.transport import Published
from harness.verdict import Passed
from harness.waiting.nudges import Hasten

REFRESH = "argocd.argoproj.io/refresh"
SERVED_WITHIN = 1.0  # seconds that Argo CD may take to see that what it waits for is there
LOOK_AGAIN_SECONDS = 10.0  # how often it is asked to look at what still waits


def story(run: Run) -> Passed:
    """Push, apply the root, and expect it and all its children."""
    published = run.push()
    with run.journal.phase("sync") as phase:
        file = run.pushed.directory / APP_OF_APPS
        for document in load_all(file.read_text(encoding="utf-8")):
            run.apply(APPLICATIONS, document)
        phase.detail = synced(run, published).reason
    return run.verify()


def synced(run: Run, published: Published) -> Passed:
    """The root appears within its grace, then it and its children are synced."""
    deadlines, delivery = run.settings.deadlines, run.pushed.delivery
    run.recorder.fact(timers={"wave delay": WAVE_SECONDS})
    run.expect(RootThere(delivery.root), within=deadlines.argocd_root_grace, late=RootMissing, settle=0.0)
    passing = frozenset((each.namespace, each.name) for each in run.expectation.expected.workloads if each.transient)
    compared = Synced(delivery.root, delivery.applications, published.digest, run.pushed_before)
    gate = WithoutWarnings(MadeAgain(compared, passing))
    return run.expect_delivered(
        UnlessDoomed(gate, run.expectation.watch),
        within=deadlines.argocd_sync + run.pauses,
        observe=run.timeline.observing(progress),
        hasten=Hasten(waiting_for_nothing, REFRESH, lambda: "normal", after=SERVED_WITHIN, again=LOOK_AGAIN_SECONDS),
    )


def look_again(run: Run) -> None:
    """Have Argo CD render and compare everything once more, from nothing that it remembers."""
    for item in run.cluster.list(APPLICATIONS).items:
        patch = {"metadata": {"annotations": {REFRESH: "hard"}}}
        run.cluster.patch_merge(APPLICATIONS, *key_of(item), patch)


LANE = Lane(
    name="argocd-oci",
    shape="argocd",
    story=story,
    infrastructure=(REGISTRY, ARGOCD),
    look_again=look_again,
)
