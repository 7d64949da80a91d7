"""One cell: a recipe under one lane, from its data to an Outcome.

The cluster boots while the bundle is made and rendered, because neither needs the other. Whatever happens: evidence is
taken before anything is cleaned, the first failure is the one that is told, and the cluster is given back.
"""

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

from harness.bundles.model import Bundler
from harness.cells.aftermath import Aftermath
from harness.cells.budget import Budget
from harness.cells.health import checks_of_recipe, judge_health
from harness.cells.lane import Lane
from harness.cells.prepare import Installed, Prepared, prepare
from harness.cells.run import Run, Watched, unwatched
from harness.cells.upgrade import BEFORE, converged, deliver_first, require_change
from harness.cells.validate import Validating
from harness.cells.webhooks import unexercised
from harness.cluster.api import Cluster
from harness.deadline import Deadline
from harness.diagnosis.first_cause import first_cause
from harness.errors import HarnessError, Terminated, coming_up
from harness.evidence.recorder import FILE, Recorder
from harness.evidence.redaction import Redactor
from harness.exits import Exit
from harness.helm.client import Helm
from harness.installers.installer import Infrastructure
from harness.installers.platform import Platform
from harness.isolation.reservation import Stay
from harness.objects import NODES, Object, Reference
from harness.parity import check as parity
from harness.processes import commands
from harness.processes.commands import Scope
from harness.processes.threads import Background, all_done
from harness.publishing.publication import content_of
from harness.publishing.transport import Access
from harness.recipes.model import Recipe
from harness.results.journal import Journal
from harness.results.outcome import Outcome
from harness.settings import Settings

_BOOTING = "cluster"  # the thread that boots, and the beginning of the names of those that it starts
PATIENCE = 8.0  # seconds for a boot or a bundle under way to notice that it is not wanted any more


@dataclass
class Cell:
    """A recipe under a lane on a cluster. `nodes` are its Node and StorageClass objects; `keep` leaves it as it ends up
    (`keep_failed`: where the cell fails); `budget` is what the job leaves; `watched` hears what is waited for;
    `parity` compares what the lane made with what helm would make; `health` judges the health checks of the components,
    `validating` carries out the recipe's checks; `upgrade_from` is delivered first, and then `recipe` in its place.

    `tools` gives a program's path and waits for its build; `cancel` ends builds that are under way.
    """

    recipe: Recipe
    nodes: Sequence[Object]
    lane: Lane
    settings: Settings
    bundler: Bundler
    platform: Platform
    stay: Stay
    tools: Callable[[str], Path]
    cancel: Callable[[], None]
    journal: Journal
    run_id: str
    keep: bool = False
    parity: bool = True
    health: bool = False
    upgrade_from: Recipe | None = None
    validating: Validating | None = None
    keep_failed: bool = False
    budget: Budget = field(default_factory=Budget)
    watched: Watched = unwatched
    outcome: Outcome | None = None  # once it has ended, well or not
    _facts: dict[str, Any] = field(default_factory=dict)
    _scope: Scope = field(default_factory=Scope)
    _background: list[Background[Any]] = field(default_factory=list)  # what other threads do for the cell
    _aftermath: Aftermath | None = None
    _services: Infrastructure | None = None
    _passed: str = ""
    _error: BaseException | None = None  # the first one: what the cell ends with
    _hurried: bool = False  # somebody wants the harness to end

    def carry_out(self) -> Outcome:
        """Run the cell to its end. Raises nothing but defects of the harness, and those only after cleaning."""
        self._started, self._begun = datetime.now(UTC), time.monotonic()
        with tempfile.TemporaryDirectory(prefix="kwok-harness-", ignore_cleanup_errors=True) as directory:
            work = Path(directory)
            begun = self.journal.seconds
            recorder = Recorder(
                work / FILE,
                run_id=self.run_id,
                recipe=self.recipe.name,
                deployer=self.lane.name,
                cluster=self.stay.name,
                limit=self.settings.recording,
            )
            self.journal.progress = recorder.telling(self.journal.progress)
            aftermath = self._aftermath = self._left(work)
            self._step(lambda: self._tell(work, recorder))
            if self._error is not None:
                self._step(lambda: aftermath.take_evidence(self._services, self._outcome, hurried=self._hurried))
            self._step(lambda: aftermath.keep_recording(recorder, self._facts))
            self._step(lambda: aftermath.tell_critical_path(self._facts, begun))
            self._step(lambda: self._give_back(work))
            if self.stay.open:  # interrupted while it was given back
                with commands.undisturbed():
                    self._step(lambda: self._give_back(work))
        outcome = self.outcome = self._outcome()
        aftermath.close(outcome)
        if self._error is not None and not isinstance(self._error, HarnessError | Terminated | KeyboardInterrupt):
            raise self._error
        return outcome

    def _step(self, work: Callable[[], None]) -> None:
        """Carry out a part; the first error of all parts is kept, and an interrupt makes what is left short."""
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - nothing may keep the cluster from being given back
            if self._error is None:
                self._error = error
            self._hurried = self._hurried or isinstance(error, KeyboardInterrupt | Terminated)
            self._stop_work()

    def _stop_work(self) -> None:
        """End what other threads still do for the cell: commands, builds, and the boot of a cluster."""
        (commands.ALL if self._hurried else self._scope).stop()
        deadline = Deadline.after(PATIENCE)
        for background in self._background:
            if not background.wait(0):
                self.cancel()
                background.wait(deadline.remaining)
        (commands.ALL if self._hurried else self._scope).reopen()

    # The story

    def _tell(self, work: Path, recorder: Recorder) -> None:
        self.budget.require()
        checks = checks_of_recipe(self.recipe) if self.health else ()  # what is wrong in them ends the cell at once
        self._access()  # before anything else is begun: what is wrong with it is wrong now
        booting = Background(self._boot, _BOOTING)
        preparing = Background(lambda: self._prepare(work), "bundle")
        self._background += [booting, preparing]
        all_done(booting, preparing)
        before, prepared = preparing.result()
        cluster, services = booting.result()
        access = self._access()
        helm = self._helm(work, cluster.kubeconfig)
        with self.journal.phase("render on cluster") as phase:
            before = before and before.on(cluster, helm)
            prepared = prepared.on(cluster, helm)
            phase.detail = f"{len(prepared.expectation.expected.workloads)} workloads expected"

        @cache
        def installed() -> Installed:
            return prepared.installed(cluster, helm, upgraded=before is not None)

        run = Run(
            recipe=self.recipe,
            settings=self.settings,
            bundle=prepared.bundle,
            expectation=prepared.expectation,
            cluster=cluster,
            helm=helm,
            journal=self.journal,
            scope=self._scope,
            services=services,
            recorder=recorder,
            publication=prepared.publication,
            access=access,
            name=self.recipe.name,
            replaces=before.bundle if before else None,
            facts=self._facts,
            budget=self.budget,
            watched=self.watched,
            installed=lambda: installed().expectation,
        )
        kept: tuple[Reference, ...] = ()
        try:
            if before is not None:
                self._facts["upgraded from"] = deliver_first(run, self.lane, before)
            self._passed = self.lane.story(run).reason
            if before is not None:
                kept = converged(run, self.lane, before, prepared)
        except HarnessError:
            services.check()  # where something has ended, that is the news, and not what came of it
            raise
        finally:
            for note in unexercised(cluster, self.settings.webhooks):
                self.journal.note(note)
        if self.health:
            judge_health(run, checks)
        if self.parity:
            with self.journal.phase("parity") as phase:
                now = installed()
                report = parity.check(
                    cluster,
                    prepared.bundle,
                    prepared.rendered,
                    again=now.again,
                    released=now.made,
                    served=now.served,
                    kept=kept,
                )
                for note in report.notes():
                    self.journal.note(note)
                report.require()
                count = "1 object is the one" if report.compared == 1 else f"{report.compared} objects are those"
                phase.detail = f"{count} that helm would make"
        if self.validating is not None:
            self.validating.carry_out(self.recipe, cluster, self.journal, self._scope, self._facts)

    def _access(self) -> Access | None:
        """How to get at what the lane's bundles are pushed to; what is secret of it is told to nobody."""
        if self.lane.store is None:
            return None
        access = self.lane.store.here(self.settings, self.stay.running)
        if self._aftermath is not None:
            self._aftermath.secrets = access.secrets
        return access

    def _boot(self) -> tuple[Cluster, Infrastructure]:
        with self.journal.phase("tools") as phase:
            for name in self.platform.runtime.tools:
                self.tools(name)
            phase.detail = f"{len(self.platform.runtime.tools)} for the cluster"
        with coming_up(), self.journal.phase("cluster") as phase:
            running, cluster = self.stay.begin(self.nodes)
            phase.detail = f"{self.stay.name}, {sum(each['kind'] == NODES.kind for each in self.nodes)} nodes"
        services = self._services = self.platform.infrastructure(running, cluster, self.tools, self.journal.progress)
        if self.lane.infrastructure:
            with self.journal.phase("infrastructure"):
                self._install(services)
        with coming_up():
            self.stay.remember()
        return cluster, services

    def _install(self, services: Infrastructure) -> None:
        """Side by side where they are processes: none needs another. Into a node images go one after another."""
        if not self.platform.here:
            for installer in self.lane.infrastructure:
                services.install(installer)
            return
        installing = [
            Background(partial(services.install, installer), f"{_BOOTING}: {installer.name}")
            for installer in self.lane.infrastructure
        ]
        self._background += installing
        all_done(*installing)

    def _prepare(self, work: Path) -> tuple[Prepared | None, Prepared]:
        """What an upgrade starts from, if this is one, and the recipe itself."""
        prepared = self._prepare_one(self.recipe, self.journal, work)
        self._facts["bundle"] = content_of(prepared.bundle.directory)
        if self.upgrade_from is None:
            return None, prepared
        (work / BEFORE).mkdir()
        before = self._prepare_one(self.upgrade_from, self.journal.staged(BEFORE), work / BEFORE)
        require_change(before, prepared)
        self._facts["bundle"] += f" over {content_of(before.bundle.directory)}"
        return before, prepared

    def _prepare_one(self, recipe: Recipe, journal: Journal, work: Path) -> Prepared:
        store = self.lane.store
        return prepare(
            recipe,
            self.lane,
            settings=self.settings,
            name=self.recipe.name,
            place=store.place(self.settings, here=self.platform.here) if store is not None else None,
            here=self.platform.here,
            bundler=self.bundler,
            helm=self._helm(work),
            journal=journal,
            work=work,
        )

    def _helm(self, work: Path, kubeconfig: Path | None = None) -> Helm:
        return Helm(self.tools("helm"), work / "helm", kubeconfig, scope=self._scope)

    # The end

    def _left(self, work: Path) -> Aftermath:
        return Aftermath(
            recipe=self.recipe,
            lane=self.lane,
            settings=self.settings,
            runtime=self.platform.runtime,
            stay=self.stay,
            tools=self.tools,
            helm=lambda kubeconfig: self._helm(work, kubeconfig),
            journal=self.journal,
            run_id=self.run_id,
            work=work,
        )

    def _give_back(self, work: Path) -> None:
        """A teardown that fails is told and changes nothing."""
        try:
            with self.journal.phase("teardown") as phase:
                hurried = not self._withdraw() or self._hurried
                phase.detail = self.stay.end(
                    lambda running: self._helm(work, running.kubeconfig), keep=self._keeping, hurried=hurried
                )
        except HarnessError as error:
            self.journal.note(f"cluster {self.stay.name} was not given back: {error}")
        if self.stay.cleaned:
            self._resume()

    @property
    def _keeping(self) -> bool:
        return self.keep or (self.keep_failed and self._error is not None)

    def _withdraw(self) -> bool:
        """See that nobody makes again what is taken away; False where that cannot be had, so that cleaning is vain."""
        if self._services is None or self._keeping:
            return True
        if self.stay.restorable and not self._hurried:
            try:
                self._services.stop(*self.lane.reconcilers)
            except HarnessError as error:
                self.journal.note(f"the controllers do not stop: {error}")
            else:
                return True
        self._services.close()  # they go with the cluster: no ending is a death
        return not self.stay.restorable

    def _resume(self) -> None:
        """Have the infrastructure running again for the next cell, which would otherwise do it."""
        if self._services is None or not self.lane.infrastructure:
            return
        try:
            with self.journal.phase("infrastructure again"):
                self._install(self._services)
        except HarnessError as error:
            self.journal.note(f"the next run has to put the infrastructure right: {error}")

    def _outcome(self) -> Outcome:
        code, reason = _judged(self._error)
        evidence = self._aftermath and self._aftermath.evidence
        redactor = evidence.redactor if evidence else Redactor(self._aftermath.secrets if self._aftermath else ())
        return Outcome(
            recipe=self.recipe.name,
            deployer=self.lane.name,
            run_id=self.run_id,
            runtime=self.platform.runtime.name,
            cluster=self.stay.name,
            started=self._started,
            seconds=time.monotonic() - self._begun,
            exit=code,
            reason=redactor.text(reason or self._passed),
            phases=self.journal.phases,
            notes=tuple(self.journal.notes),
            evidence=str(evidence.path) if evidence else "",
            facts=dict(self._facts),
            cause=first_cause(self._error, self.journal.phases, redactor),
        )


def _judged(error: BaseException | None) -> tuple[Exit, str]:
    match error:
        case None:
            return Exit.OK, ""
        case HarnessError():
            return error.exit, str(error)
        case KeyboardInterrupt():
            return Exit.INTERRUPTED, "interrupted"
        case Terminated():
            return Exit.TERMINATED, "terminated"
    return Exit.FAILURE, f"a defect of the harness: {type(error).__name__}: {error}"
