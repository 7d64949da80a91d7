"""The images of the sample suite: its own programs, and stand-ins that are processes on the host runtime.

No registry has them. They run as any user without rights, and write nothing outside /tmp and /data.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from hack.kind_images.control_plane import Program
from hack.kind_images.images import Image
from hack.kind_images.layers import Directory, File, Files, Layer
from harness.endtoend.stand_ins.http_stub import CONTROL_PORT
from harness.settings import ROOT
from kwok.engine.references import OWN_HOST

PROGRAMS = ROOT / "kwok" / "suites" / "platform" / "programs"
STUB = ROOT / "harness" / "endtoend" / "stand_ins" / "http_stub.py"
TOOLS = ("s3",)  # of the harness, that these images have besides Python
USER = 65532
_PYTHON = ["PYTHONUNBUFFERED=1", "PYTHONDONTWRITEBYTECODE=1"]
_ROUTES = [{"path": "/healthz", "body": "ok"}]


def images(program: Program, python: Layer, packages: Layer, programs: Path = PROGRAMS) -> Iterator[Image]:
    """`python` is a Debian with python3, `packages` what the operator needs besides (kopf)."""
    user = {"User": f"{USER}:{USER}"}
    files = sorted(programs.glob("*.py"))
    yield Image(
        f"{OWN_HOST}/platform:1",
        [python, packages, Files(*(File(f"opt/platform/programs/{each.name}", each) for each in files))],
        {**user, "Env": _PYTHON, "Entrypoint": ["python3"], "WorkingDir": "/tmp"},  # noqa: S108 - the image's own
    )
    yield Image(
        f"{OWN_HOST}/http-stub:1",
        [
            python,
            Files(
                File("opt/http-stub/http_stub.py", STUB),
                File("opt/http-stub/routes.json", json.dumps(_ROUTES).encode()),
            ),
        ],
        {
            **user,
            "Env": _PYTHON,
            "Entrypoint": [
                "python3",
                "/opt/http-stub/http_stub.py",
                "8080",
                str(CONTROL_PORT),
                "/opt/http-stub/routes.json",
            ],
            "Cmd": ["0.0.0.0"],  # noqa: S104 - in a pod
            "ExposedPorts": {"8080/tcp": {}, f"{CONTROL_PORT}/tcp": {}},
        },
    )
    yield Image(
        f"{OWN_HOST}/s3:1",
        [
            Files(
                File("usr/local/bin/s3", program("s3"), 0o755),
                Directory("tmp", 0o1777),
                Directory("data", 0o755, USER),
            )
        ],
        {
            **user,
            "WorkingDir": "/data",
            "Entrypoint": ["/usr/local/bin/s3"],
            "Cmd": ["0.0.0.0:9000", "/data/objects.db"],
            "ExposedPorts": {"9000/tcp": {}},
        },
    )
