"""What a cell leaves behind: its recording whatever became of it, and evidence where it failed.

Evidence is taken while everything is still as it was when the cell failed, within a budget that nothing can exceed.
"""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from harness.cells.lane import Lane
from harness.deadline import Deadline
from harness.diagnosis.critical_path import critical_path
from harness.errors import HarnessError
from harness.evidence import collectors
from harness.evidence.collect import Collector, collect, summary
from harness.evidence.collectors import EvidenceSite, Kubectl
from harness.evidence.directory import DEBUG, GREEN, EvidenceDirectory
from harness.evidence.recorder import FILE, Recorder, copy
from harness.evidence.recordings import prune
from harness.evidence.redaction import Redactor
from harness.evidence.replay import replay
from harness.formats.quantity import show
from harness.helm.client import Helm
from harness.installers.installer import Infrastructure
from harness.isolation.reservation import Stay
from harness.progress import task
from harness.recipes.model import Recipe
from harness.results.critical_path import FACT
from harness.results.journal import Journal
from harness.results.outcome import Outcome
from harness.runtime import Runtime
from harness.settings import Settings

_STEP = 16 << 20  # bytes of a recording that are copied in a moment

QUICK = 2.0  # seconds for evidence when somebody wants the harness to end


@dataclass
class Aftermath:
    """Of one cell; `work` is its temporary directory, `evidence` the directory once there is one."""

    recipe: Recipe
    lane: Lane
    settings: Settings
    runtime: Runtime
    stay: Stay
    tools: Callable[[str], Path]
    helm: Callable[[Path], Helm]  # for a kubeconfig
    journal: Journal
    run_id: str
    work: Path
    secrets: frozenset[str] = frozenset()  # beside those that the cluster holds
    evidence: EvidenceDirectory | None = None
    _kept: EvidenceDirectory | None = None

    def take_evidence(self, services: Infrastructure | None, outcome: Callable[[], Outcome], *, hurried: bool) -> None:
        """What the collectors bring, run.json and summary.txt; `services` are those that the cell has started."""
        budget = Deadline.after(QUICK if hurried else self.settings.deadlines.evidence)
        try:
            directory = self.evidence = self._kept = self._directory(DEBUG)
        except HarnessError as error:
            self.journal.note(f"no evidence: {error}")
            return
        with self.journal.phase("evidence") as phase:
            report = collect(directory, self._collectors(directory, services, budget), budget)
            written = len(directory.files())
            phase.detail = f"{written} files" + (f", {len(report.problems)} incomplete" if report.problems else "")
        told = outcome()
        directory.write_json("run.json", told.document())
        directory.write("summary.txt", summary(told, directory, report))

    def keep_recording(self, recorder: Recorder, facts: dict[str, Any]) -> None:
        """Into the evidence; of a cell that leaves none into a directory of its own, of which the newest are kept."""
        problem = recorder.close()
        if self._kept is None:
            try:
                self._kept = self._directory(GREEN)
            except HarnessError as error:
                self.journal.note(f"no recording: {error}")
                return
        problem = self._copied(recorder, self._kept) or problem
        facts["recording"] = str(self._kept.path / FILE)
        if recorder.cut:
            limit = show("memory", Fraction(self.settings.recording))
            self.journal.note(
                f"the recording was cut at {limit} (setting: recording): what was seen later is not in it"
            )
        if problem:
            self.journal.note(f"the recording is not whole: {problem}")
        prune(self.settings.artifacts)

    def tell_critical_path(self, facts: dict[str, Any], begun: float) -> None:
        """What the time was spent on becomes a fact; `begun` is when the recording did, in seconds of the journal.

        Of a large recording it is left to `explain`, since reading that takes seconds. What is read is the copy, which
        has no secrets.
        """
        file = self._kept and self._kept.path / FILE
        if not file or not file.is_file() or file.stat().st_size > _STEP:
            return
        try:
            facts[FACT] = critical_path(replay(file, judge=False)).later(begun).document()
        except Exception as error:  # noqa: BLE001 - nothing that is only told may fail a cell
            self.journal.note(f"the critical path is not known: {type(error).__name__}: {error}")

    def _copied(self, recorder: Recorder, kept: EvidenceDirectory) -> str:
        """Copy the recording without secrets, and say how far that is where it takes more than a moment."""
        progress, told = self.journal.progress, 0

        def tell(done: int, size: int) -> None:
            nonlocal told
            if done - told >= _STEP:
                told = done
                progress.step("recording", f"{done >> 20} of {size >> 20} MiB without secrets")

        large = recorder.path.is_file() and recorder.path.stat().st_size >= _STEP
        with task(progress, "recording") if large else nullcontext():
            return copy(recorder.path, kept.path / FILE, kept.redactor, told=tell)

    def close(self, outcome: Outcome) -> None:
        """Write the outcome as it is at the very end."""
        if self._kept is not None:
            self._kept.write_json("run.json", outcome.document())

    def _directory(self, prefix: str) -> EvidenceDirectory:
        artifacts, recipe = self.settings.artifacts, self.recipe.name
        directory = EvidenceDirectory(artifacts, recipe, self.lane.name, self.run_id, prefix=prefix)
        directory.redactor = Redactor(self.secrets)
        return directory

    def _collectors(
        self, directory: EvidenceDirectory, services: Infrastructure | None, budget: Deadline
    ) -> list[Collector]:
        found = [collectors.of_document("recipe", "recipe.yaml", self.recipe.document(), "the resolved recipe")]
        if (self.work / "bundle").is_dir():
            found.append(collectors.of_bundle(self.work / "bundle"))
        running, cluster = self.stay.running, self.stay.cluster
        if running is None or cluster is None:
            return found
        known = collectors.known_secrets(cluster, timeout=min(5.0, budget.remaining / 4))
        directory.redactor = Redactor(self.secrets | known)
        kubectl = Kubectl(lambda: self.tools("kubectl"), running.kubeconfig, running.context, self.work / "kubectl")
        own: list[Collector] = []
        if services is not None:
            site = EvidenceSite(running.name, kubectl, services.log)
            own = [each for installer in self.lane.infrastructure for each in installer.collectors(site)]
        return [
            *collectors.of_cluster(running.name, kubectl),
            *own,
            collectors.of_releases(running.name, lambda: self.helm(running.kubeconfig)),
            *found,
            *collectors.of_logs(running.name, self.runtime.logs(running)),
        ]
