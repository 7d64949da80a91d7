"""The images of what runs in the cluster: KWOK, registry, Git server, Argo CD, Redis, the four controllers of Flux.

Each says as much of how it is run as upstream's image does: the manifests, which are upstream's, build on that.
"""

from collections.abc import Iterator
from pathlib import Path

from hack.kind_images.control_plane import Program
from hack.kind_images.images import Image, tag
from hack.kind_images.layers import Directory, File, Files, Link
from hack.kind_images.rootfs import Rootfs
from harness.settings import Settings
from harness.tools.toolchain import FILES

FLUX = ("source-controller", "kustomize-controller", "helm-controller", "source-watcher")
ARGOCD_USER = 999
GITEA_USER = 1000
_ARGOCD_NAMES = (
    "server", "repo-server", "cmp-server", "application-controller", "dex", "notifications",
    "applicationset-controller", "k8s-auth", "commit-server",
)  # fmt: skip

_REGISTRY = """\
version: 0.1
log: {level: info, accesslog: {disabled: true}}
storage:
  filesystem: {rootdirectory: /var/lib/registry}
  delete: {enabled: true}
http:
  addr: :5000
"""
_ARGOCD_SCRIPTS = ("entrypoint.sh", "hack/gpg-wrapper.sh", "hack/git-verify-wrapper.sh")
# Argo CD's manifest gives arguments only.
_REDIS_ENTRYPOINT = '#!/bin/sh\ncase "$1" in ""|-*|*.conf) set -- redis-server "$@" ;; esac\nexec "$@"\n'


def images(settings: Settings, program: Program, system: Rootfs, argocd: Path) -> Iterator[Image]:
    """Under the names in the settings; `system` is the Debian of Gitea, Argo CD and Redis, `argocd` its module."""

    def image(name: str, *layers: Files | Rootfs, **runs: object) -> Image:
        return Image(tag(settings, name), layers, runs, stands_for=settings.images[name])

    def only(name: str) -> Files:
        # a controller's temporary files go to /tmp, which its manifest mounts or does not
        return Files(File(f"usr/local/bin/{name}", program(name), 0o755), Directory("tmp", 0o1777))

    # its configuration is mounted at ~/.kwok, and without a system nobody sets a home directory
    yield image("kwok", only("kwok"), Env=["HOME=/root"], Entrypoint=["/usr/local/bin/kwok"])
    yield image(
        "registry",
        Files(
            File("bin/registry", program("registry"), 0o755),
            File("etc/distribution/config.yml", _REGISTRY.encode()),
            Directory("var/lib/registry"),
            Directory("tmp", 0o1777),
        ),
        Env=["OTEL_TRACES_EXPORTER=none"],
        Entrypoint=["/bin/registry", "serve"],
        Cmd=["/etc/distribution/config.yml"],
        ExposedPorts={"5000/tcp": {}},
        Volumes={"/var/lib/registry": {}},
    )
    beside = program("gitea").parent / FILES
    yield image(
        "gitea",
        system,  # for its git
        Files(
            File("usr/local/bin/gitea", program("gitea"), 0o755),
            *(
                File(f"usr/local/bin/{FILES}/{file.relative_to(beside).as_posix()}", file)
                for file in sorted(beside.rglob("*"))
                if file.is_file()
            ),
            Directory("var/lib/gitea", 0o755, GITEA_USER),
            Directory("tmp", 0o1777),
        ),
        User=f"{GITEA_USER}:{GITEA_USER}",
        WorkingDir="/var/lib/gitea",
        Entrypoint=["/usr/local/bin/gitea"],
        Cmd=["web"],
        ExposedPorts={"3000/tcp": {}},
    )
    for name in FLUX:
        yield image(name, only(name), User="65534:65534", Entrypoint=[f"/usr/local/bin/{name}"])
    yield image(
        "argocd",
        system,
        Files(
            Directory("home/argocd", 0o775, ARGOCD_USER),
            Directory("app/config/ssh"),
            File("app/config/ssh/ssh_known_hosts", b""),
            Directory("app/config/tls"),
            Directory("app/config/gpg/source"),
            Directory("app/config/gpg/keys", 0o700, ARGOCD_USER),
            Link("etc/ssh/ssh_known_hosts", "/app/config/ssh/ssh_known_hosts"),
            *(File(f"usr/local/bin/{Path(name).name}", argocd / name, 0o755) for name in _ARGOCD_SCRIPTS),
            *(File(f"usr/local/bin/{name}", program(name), 0o755) for name in ("argocd", "helm", "kustomize")),
            *(Link(f"usr/local/bin/argocd-{name}", "argocd") for name in _ARGOCD_NAMES),
        ),
        Env=["USER=argocd", f"ARGOCD_USER_ID={ARGOCD_USER}"],
        User=str(ARGOCD_USER),
        WorkingDir="/home/argocd",
        Entrypoint=["/usr/bin/tini", "--"],
    )
    yield image(
        "redis",
        system,
        Files(
            File("usr/local/bin/docker-entrypoint.sh", _REDIS_ENTRYPOINT.encode(), 0o755),
            Directory("data", 0o755, ARGOCD_USER),
        ),
        WorkingDir="/data",
        Entrypoint=["docker-entrypoint.sh"],
        Cmd=["redis-server"],
        ExposedPorts={"6379/tcp": {}},
    )
