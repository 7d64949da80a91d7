"""What a lane is.

There is no `if lane == ...` anywhere: a new lane is a new file under lanes/ and a line in its tuple.
"""

from collections.abc import Callable
from dataclasses import dataclass

from harness.cells.run import Run
from harness.installers.installer import Installer, Store
from harness.verdict import Passed


def at_nothing(run: Run) -> None:
    """What a lane without controllers looks at once more."""


@dataclass(frozen=True)
class Lane:
    """A delivery path: the bundle's shape, the tools beyond the runtime's own, and the story.

    `infrastructure` has to be on the cluster before the story begins, in this order; it is put there while the bundle
    is made. `look_again` has the controllers reconcile everything once more, without being told of a change.
    """

    name: str
    shape: str
    story: Callable[[Run], Passed]
    tools: tuple[str, ...] = ()
    infrastructure: tuple[Installer, ...] = ()
    look_again: Callable[[Run], None] = at_nothing

    @property
    def reconcilers(self) -> tuple[str, ...]:
        """What has to stand still while a cluster is cleaned."""
        return tuple(name for installer in self.infrastructure for name in installer.reconcilers)

    @property
    def store(self) -> Store | None:
        """What its bundles are pushed to; None where nothing is pushed."""
        return next((installer.store for installer in self.infrastructure if installer.store is not None), None)
