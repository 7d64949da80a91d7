"""The Git server as a process: Gitea, where bundles are pushed and the controllers pull them.

It has a fixed port, because its address is part of what is pushed. That port may be somebody else's, and `localhost`
may lead to another server: it serves a file with the cluster's identity.
"""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from harness.deadline import Deadline
from harness.errors import GitNotReady, ToolError
from harness.installers.git.configuration import (
    CONFIGURATION,
    HEALTH,
    IDENTITY,
    NAME,
    SERVED,
    configuration,
    user_that_pushes,
)
from harness.installers.installer import Site, failing_as
from harness.installers.reachable import until_reachable
from harness.processes import commands
from harness.processes.ports import GIT, require_free
from harness.processes.services import Probe, Service, ServiceDied
from harness.progress import task

TOOLS = (NAME,)
_ADMINISTER_SECONDS = 60.0


def install(site: Site) -> str:
    """Have the cluster's Git server running and reachable, with a user that pushes; where, as this machine writes it.

    Raises GitNotReady (70), GitUnreachable (71) or GitRefused (72).
    """
    port, deadlines = site.settings.ports.git, site.settings.deadlines
    git = shutil.which("git")
    if git is None:
        raise ToolError("git was not found on PATH", do="install git 2.30 or newer: Gitea, Argo CD and the push use it")
    service = plan(site.tools(NAME), Path(git), site.services.home(NAME), port, site.running.identity)
    with task(site.progress, NAME, f"127.0.0.1:{port}"):
        # Before it is started: one that is there already would answer in its place, and Gitea runs on without a port.
        running = site.services.identity(NAME)
        require_free(port, GIT, running.pid if running is not None else None)
        with failing_as(GitNotReady):
            try:
                site.services.ensure(lambda _: [service], deadlines.git_ready)
            except ServiceDied as died:
                if died.port_taken:
                    require_free(port, GIT)
                raise
        until_reachable(SERVED, port, site.running.identity, Deadline.after(deadlines.git_reachable))

        def administer(words: Sequence[str]) -> str:
            home = site.services.home(NAME)
            environment = {"HOME": str(home), "PATH": f"{home / 'bin'}:{os.defpath}", **service.environment}
            argv: list[str | Path] = [home / NAME, *words, *service.arguments[1:]]
            return commands.run(argv, timeout=_ADMINISTER_SECONDS, env=environment, cwd=home).stdout

        user_that_pushes(site.running, port, administer)
    return f"localhost:{port}"


def plan(program: Path, git: Path, home: Path, port: int, identity: str) -> Service:
    """Gitea as a service."""
    text = configuration(
        port,
        identity,
        listen="127.0.0.1",
        url=f"http://localhost:{port}/",
        home=str(home),
    )
    return Service(
        name=NAME,
        program=program,
        called=NAME,
        arguments=("web", f"--config={home / CONFIGURATION}", f"--work-path={home}"),
        probes=(Probe(port, HEALTH),),
        environment={"GIT_CONFIG_NOSYSTEM": "1", "USER": os.environ.get("USER", "root")},
        commands={"git": git},
        files={CONFIGURATION: text, IDENTITY: identity},
    )
