"""From started to ready: the API server answers, the controllers work, and nothing has died on the way.

The controller manager gives up when the API server does not answer for ten seconds, which happens on a busy machine;
what ends before the API server is ready is started once more. Whatever ends again, or cannot be done without, ends
the boot with its last words instead of a timeout.
"""

from collections.abc import Callable
from pathlib import Path

from harness.cluster.api import Cluster
from harness.deadline import Deadline
from harness.errors import ClusterError
from harness.names import OWNER_MARKER
from harness.objects import NAMESPACES, SERVICE_ACCOUNTS, Objects
from harness.processes import commands
from harness.processes.daemons import Identity, alive
from harness.processes.service import last_lines
from harness.verdict import Passed, Verdict, Waiting
from harness.waiting.loop import Expired, wait
from kwok.host.launch import ComponentDied, log_file

_LOOK_SECONDS = 0.5  # between two looks at the processes
_INDISPENSABLE = ("etcd", "kube-apiserver")


def controllers_work(objects: Objects) -> Verdict:
    """The API server has made its own namespace, and the controller manager the account that pods run under."""
    marker_namespace = OWNER_MARKER[0]
    if objects.get(NAMESPACES, "", marker_namespace) is None:
        return Waiting("the API server has not created it yet", f"Namespace {marker_namespace}")
    if objects.get(SERVICE_ACCOUNTS, "default", "default") is None:
        return Waiting("the controller manager has not created it yet", "ServiceAccount default/default")
    return Passed("the API server and the controller manager work")


class Boot:
    """A control plane under way: `components` are its processes by name, replaced where one is started again."""

    def __init__(
        self,
        directory: Path,
        components: dict[str, Identity],
        start_again: Callable[[str], Identity],
        deadline: Deadline,
    ) -> None:
        self.components = components
        self._directory = directory
        self._start_again = start_again
        self._deadline = deadline
        self._again: set[str] = set()

    def until_serving(self, cluster: Cluster) -> None:
        """Wait for the API server. Raises ComponentDied, or ClusterError at the deadline."""
        while not cluster.healthy(min(_LOOK_SECONDS, self._deadline.remaining)):
            self._look(serving=False)
            self._expect("kube-apiserver", "it is not ready")

    def until_working(self, cluster: Cluster) -> None:
        """Wait for the controllers, and see that every component runs. Raises as `until_serving` does."""
        while True:
            self._look(serving=True)
            try:
                wait(cluster, [NAMESPACES, SERVICE_ACCOUNTS], controllers_work, self._deadline.within(2.0))
            except Expired as expired:
                self._expect("kube-controller-manager", str(expired.verdict))
            else:
                break
        self._look(serving=True)

    def _look(self, *, serving: bool) -> None:
        if commands.ALL.stopping():
            raise ClusterError("the harness was stopped while the control plane started")
        for component, identity in list(self.components.items()):
            if alive(identity):
                continue
            died = ComponentDied(component, self._directory)
            if component in _INDISPENSABLE or component in self._again or died.port_taken:
                raise died
            if serving:
                self._again.add(component)
                self.components[component] = self._start_again(component)

    def _expect(self, component: str, why: str) -> None:
        if self._deadline.expired:
            words = last_lines(log_file(self._directory, component))
            raise ClusterError(
                f"the control plane is not ready after {self._deadline.budget:g} s: {why}; the last words of "
                f"{component}:\n{words or '(none)'}",
                do="give it more time on a slow machine: deadlines.cluster_ready",
            )
