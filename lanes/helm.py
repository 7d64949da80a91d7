"""The helm lane: plain Helm installs every release, in the order of the recipe's dependencies.

KWOK plays the kubelet, so "ready" says nothing; what counts is that each release was applied, each hook ran, and each
workload got its pods onto the nodes it was meant for. helm therefore does not wait for workloads (only for hooks), and
the verdict is drawn from the cluster afterwards. While helm works the scheduler is watched: a hook's pod that can run
nowhere ends the lane with its reason instead of running into helm's own timeout.
"""

from collections.abc import Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from graphlib import TopologicalSorter
from typing import Any

from harness.bundles.model import Bundle, Folder
from harness.cells.lane import Lane
from harness.cells.run import Run
from harness.helm.client import InstallFailed
from harness.objects import NAMESPACES
from harness.verdict import Passed

SIDE_BY_SIDE = 4  # helm processes at once: more gains nothing on two cores, and the API server has other callers


def story(run: Run) -> Passed:
    """Install the releases, then expect every workload on its nodes."""
    run.recorder.fact(releases=recorded(run.bundle, run.expectation.after))
    with run.journal.phase("install") as phase:
        run.while_schedulable(lambda: install(run, run.bundle))
        phase.detail = f"{len(run.bundle.folders)} releases"
    if run.replaces is not None:
        remove(run, run.replaces)
    return run.verify()


def order_of(bundle: Bundle, after: Iterable[tuple[str, str]]) -> TopologicalSorter[str]:
    """Which release comes when."""
    return TopologicalSorter(waited_for(bundle, after))


def recorded(bundle: Bundle, after: Iterable[tuple[str, str]]) -> list[dict[str, Any]]:
    """What a recording has to say of each release, so that its critical path is known: helm itself tells nobody."""
    earlier = waited_for(bundle, after)
    return [
        {"name": folder.release, "namespace": folder.namespace, "after": sorted(earlier[folder.release])}
        for folder in bundle.folders
    ]


def waited_for(bundle: Bundle, after: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    """By release, those that come before it: those that it depends on, and the one that `after` names beside it.

    Of releases that bring the same CRD the one that is later in the bundle waits: helm leaves a CRD alone that is
    there, and goes on before it is served where somebody else has just made it.
    """
    earlier = {folder.release: set(folder.depends_on) for folder in bundle.folders}
    for release, other in after:
        earlier[release].add(other)
    return earlier


def install(run: Run, bundle: Bundle) -> None:
    """Independent releases side by side; a release starts when those it depends on are in. The first failure wins."""
    folders = {folder.release: folder for folder in bundle.folders}
    order = order_of(bundle, run.expectation.after)
    order.prepare()
    pool = ThreadPoolExecutor(SIDE_BY_SIDE, thread_name_prefix="helm")
    under_way: dict[Future[None], str] = {}
    try:
        while order.is_active():
            under_way |= {pool.submit(install_release, run, folders[name]): name for name in order.get_ready()}
            done, _ = wait(under_way, return_when=FIRST_COMPLETED)
            for future in done:
                future.result()
                order.done(under_way.pop(future))
    except BaseException:
        run.scope.stop()  # what is under way is in vain, and nothing may begin when the scope is open again
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def install_release(run: Run, folder: Folder) -> None:
    with run.task(f"release {folder.release}"), run.timeline.applying(folder.release):
        wanted = run.settings.deadlines.release
        within = run.budget.within(wanted)
        if folder.owns_namespace and run.cluster.get(NAMESPACES, "", folder.namespace) is None:
            # helm makes it only after it has looked for what to take over, and then finds it there.
            run.apply(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": folder.namespace}})
        try:
            run.helm.install(folder, timeout=within)
        except InstallFailed as error:
            if within < wanted and not run.budget.remaining:
                raise run.budget.over(str(error)) from error
            raise


def remove(run: Run, earlier: Bundle) -> None:
    """Uninstall the releases that the bundle does not have any more, those first that others needed last."""
    kept = {(folder.namespace, folder.release) for folder in run.bundle.folders}
    for folder in reversed(earlier.folders):
        if (folder.namespace, folder.release) not in kept:
            with run.task(f"uninstall {folder.release}"):
                run.helm.uninstall(folder.release, folder.namespace, timeout=run.settings.deadlines.release)


LANE = Lane(name="helm", shape="helm", tools=("helm",), story=story)
