"""The steps, in order: what is there already is passed over, and each that is taken says how long it took."""

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from hack.kind_images import base, checks, control_plane, node, pins, preconditions, suites, upstream, workloads
from hack.kind_images.control_plane import Program
from hack.kind_images.images import MADE_FROM, Image, tag
from hack.kind_images.layers import File, Files
from hack.kind_images.python_packages import CHECKS, SUITE, PythonPackages
from hack.kind_images.rootfs import Rootfs
from hack.kind_images.workshop import Refused, Workshop
from harness.errors import ToolError
from harness.processes.commands import Scope
from harness.progress import Progress
from harness.settings import Settings
from harness.tools.cache import exclusive
from harness.tools.toolbox import WRAPPERS, Toolbox
from harness.tools.toolchain import Toolchain
from kwok.engine.client import Engine

_REQUEST_SECONDS = 600.0  # the engine takes a whole image in one request
_SHARED = (
    *("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl"),
    *("kwok", "registry", "gitea", "argocd", "helm", "kustomize", *workloads.FLUX),
)
_NODE_RUNS = {
    "Env": ["container=docker"],
    "StopSignal": "SIGRTMIN+3",
    "Entrypoint": ["/usr/local/bin/entrypoint", "/sbin/init"],
}


class Factory:
    """Makes every image that the engine does not have. `cache` is the tool cache; what is large is kept below it.

    `tell` is given lines for people. `run` raises HarnessError; whatever ends it, the next run goes on from there.
    """

    def __init__(self, settings: Settings, cache: Path, progress: Progress, tell: Callable[[str], None]) -> None:
        self._settings = settings
        self._pins = pins.load(settings.tools)
        self._cache = cache
        self._directory = cache / "kind"
        self._work = self._directory / "work"
        self._progress = progress
        self._tell = tell
        self._timeout = settings.deadlines.tool_build

    def run(self, *, suites_only: bool = False) -> None:
        """`suites_only`: the images of the sample suite, for an engine that can pull the others."""
        begun = time.monotonic()
        preconditions.check()
        self._directory.mkdir(parents=True, exist_ok=True)
        lock = self._directory / "factory.lock"
        engine = Engine.connect()
        with (
            closing(Workshop(engine.address, _REQUEST_SECONDS)) as workshop,
            exclusive(lock, self._timeout, threading.Event(), lambda: self._tell("waiting for another run")),
            self._emptied(),
            self._programs(
                suites.TOOLS if suites_only else (*_SHARED, *suites.TOOLS), nodes=not suites_only
            ) as program,
        ):
            self._tell(f"{engine.name}; work directory {self._directory}")
            made = [] if suites_only else self._runtime(engine, workshop, program)
            images = suites.images(program, self._system("python"), self._packages(SUITE))
            made += [self._have(engine, workshop, image) for image in images]
        self._tell(f"{sum(made)} of {len(made)} images made, {time.monotonic() - begun:.1f} s in all")

    def _runtime(self, engine: Engine, workshop: Workshop, program: Program) -> list[bool]:
        """The images of the Kind runtime itself; which of them had to be made."""
        self._try_privileged(engine, workshop, program)
        made = [self._node(engine, workshop, program)]
        debian = self._system("argocd")
        images = workloads.images(self._settings, program, debian, self._module("argocd"))
        made += [self._have(engine, workshop, image) for image in images]
        image = checks.validators(self._system("python"), self._packages(CHECKS))
        return [*made, self._have(engine, workshop, image)]

    def _packages(self, requirements: Path) -> PythonPackages:
        return PythonPackages(requirements, self._directory, timeout=self._timeout, did=self._did)

    def _node(self, engine: Engine, workshop: Workshop, program: Program) -> bool:
        """The node's image, and in it those of the control plane; whether it had to be made."""
        version = self._settings.tools.pins["kube-apiserver"].version
        pinned = {name: pin.version for name, pin in {**self._settings.tools.pins, **self._pins.tools.pins}.items()}
        references = control_plane.wanted(program("kubeadm"), version)
        debian = self._system("node")
        inner = list(control_plane.images(references, pinned, program, debian))
        places = {f"usr/bin/{name}": program(name) for name in ("kubeadm", "kubelet", "kubectl")}
        entries = base.node_entries(
            self._module("kind") / "images" / "base" / "files",
            version,
            references["pause"],
            {**places, "usr/local/bin/crictl": program("crictl")},
        )
        below = Image(f"kwok-harness/node-base:{version}", [debian, Files(*entries)], _NODE_RUNS)
        reference = f"{tag(self._settings, 'node').rpartition(':')[0]}:{version}"
        keys = [each.key for each in inner]
        image = Image(reference, below.layers, below.runs, self._settings.images["node"], [*keys, node.key()])
        if _holds(engine, image):
            self._there(image)
            return False
        debian.file()  # a step of its own, not a part of the first that has it as a layer
        archives = []
        for each in inner:
            archives.append(self._archives() / f"{each.reference.replace('/', '_').replace(':', '_')}.tar")
            with self._step(f"archive {each.reference}"):
                each.write(archives[-1], self._work)
        self._load(engine, below)
        with self._step(f"commit {reference}"), self._replacing(engine, workshop, image):
            node.make(workshop, image, below, archives)
        workshop.forget(below.reference)
        shutil.rmtree(self._archives())
        return True

    def _have(self, engine: Engine, workshop: Workshop, image: Image) -> bool:
        if _holds(engine, image):
            self._there(image)
            return False
        with self._replacing(engine, workshop, image):
            self._load(engine, image)
        return True

    @contextmanager
    def _replacing(self, engine: Engine, workshop: Workshop, image: Image) -> Iterator[None]:
        """Remove the image of that name that an earlier run made: it would stay without a name, out of sight."""
        before = engine.image(image.reference)
        yield
        if before is not None and MADE_FROM in before.labels:
            workshop.forget(before.id)

    def _load(self, engine: Engine, image: Image) -> None:
        archive = self._work / "image.tar"
        for layer in image.layers:
            if isinstance(layer, Rootfs | PythonPackages):
                layer.file()
        with self._step(f"archive {image.reference}"):
            image.write(archive, self._work)
        with self._step(f"load {image.reference}"), archive.open("rb") as stream:
            engine.load(stream)
        archive.unlink()

    def _try_privileged(self, engine: Engine, workshop: Workshop, program: Program) -> None:
        """A Kind node is a privileged container: whether the engine can have one is asked before the long steps."""
        check = Image(
            "kwok-harness/privileged-check:latest",
            [Files(File("pause", program("pause"), 0o755))],
            {"Entrypoint": ["/pause"]},
        )
        archive = self._work / "check.tar"
        check.write(archive, self._work)
        try:
            with self._step("try a privileged container"), archive.open("rb") as stream:
                engine.load(stream)
                workshop.try_privileged(check.reference, ["-v"])
        except Refused as error:
            front = program(preconditions.RUNTIME)
            raise ToolError(
                f"the engine refuses privileged containers: {error.what}", do=preconditions.bounded_runtime(front)
            ) from error
        finally:
            workshop.forget(check.reference)

    def _module(self, tool: str) -> Path:
        """The files of the module that a tool of the settings is built from, for what of them goes into images."""
        tools = self._settings.tools
        chain = Toolchain(
            tools, self._cache, WRAPPERS, environment=dict(os.environ), scope=Scope(), cancelled=threading.Event()
        )
        go = chain.choose(tools.pins[tool])
        chain.install(go, self._timeout, self._tell)
        return upstream.directory(tools.pins[tool], go.command, self._work, self._timeout)

    def _system(self, name: str) -> Rootfs:
        return Rootfs(name, self._pins.rootfs[name], self._directory, timeout=self._timeout, did=self._did)

    @contextmanager
    def _programs(self, tools: Sequence[str], *, nodes: bool) -> Iterator[Program]:
        """Programs by name: `tools` of the harness, and those that only a node has. All are begun at once."""
        own = self._pins.tools
        with (
            Toolbox(self._settings.tools, self._cache, self._progress, timeout=self._timeout) as shared,
            Toolbox(own, self._cache, self._progress, timeout=self._timeout, wrappers=pins.WRAPPERS) as more,
        ):
            if nodes:
                more.prepare(list(own.pins))
            shared.prepare(tools)
            yield lambda name: (more if name in own.pins else shared).path(name)

    @contextmanager
    def _emptied(self) -> Iterator[None]:
        """The directory for what is half made; an interrupted run may have left some."""
        shutil.rmtree(self._work, ignore_errors=True)
        self._work.mkdir()
        try:
            yield
        finally:
            shutil.rmtree(self._work, ignore_errors=True)

    def _archives(self) -> Path:
        directory = self._work / "archives"
        directory.mkdir(exist_ok=True)
        return directory

    @contextmanager
    def _step(self, what: str) -> Iterator[None]:
        begun = time.monotonic()
        yield
        self._did(what, time.monotonic() - begun)

    def _did(self, what: str, seconds: float) -> None:
        self._tell(f"{what:<72} {seconds:6.1f} s")

    def _there(self, image: Image) -> None:
        self._tell(f"{image.reference:<72}  there")


def _holds(engine: Engine, image: Image) -> bool:
    """Whether the very image is there: that name, made from the same things."""
    found = engine.image(image.reference)
    return found is not None and found.labels.get(MADE_FROM) == image.key
