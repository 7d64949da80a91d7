"""What the lanes of Argo CD wait for, and what they have recorded of it."""

from types import SimpleNamespace
from typing import Any, cast

from harness.cells.run import Run
from harness.gates.argocd.synced import RootThere
from harness.installers.argocd.configuration import WAVE_SECONDS
from harness.publishing.transport import Published
from harness.settings import load
from harness.verdict import Passed, Waiting
from lanes import argocd_oci


def test_the_root_settles_for_nothing_and_the_delay_of_a_wave_is_recorded() -> None:
    """The gate of the delivery asks for the root again; how long Argo CD sleeps nobody else can tell."""
    waits: list[tuple[Any, dict[str, Any]]] = []
    facts: dict[str, Any] = {}

    def expect(gate: Any, **how: Any) -> Passed:
        waits.append((gate, how))
        return Passed("as intended")

    fake: Any = SimpleNamespace
    run = fake(
        settings=load(environment={}),
        pushed=fake(delivery=fake(root="root", applications=("web",))),
        recorder=fake(fact=lambda **told: facts.update(told)),
        expect=expect,
        expect_delivered=expect,
        expectation=fake(expected=fake(workloads=()), watch=lambda objects: Waiting("not yet")),
        pauses=0,
        pushed_before="",
        timeline=fake(observing=lambda progress: None),
    )
    argocd_oci.synced(cast(Run, run), cast(Published, fake(digest="sha256:1")))
    (there, first), (_, then) = waits
    assert (there, first["settle"]) == (RootThere("root"), 0.0)
    assert "settle" not in then
    assert facts == {"timers": {"wave delay": WAVE_SECONDS}}
