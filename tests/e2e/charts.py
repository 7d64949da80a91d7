"""A chart repository on this machine."""

import contextlib
import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

from harness.processes import commands


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves a directory without a word."""

    def log_message(self, *arguments: object) -> None: ...


@contextlib.contextmanager
def listening(directory: Path) -> Iterator[str]:
    """The files of a directory over HTTP, for the block."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(directory)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@contextlib.contextmanager
def served(helm: Path, directory: Path, index: str = "") -> Iterator[str]:
    """The packaged charts of `directory` (of `index` below it) as a repository over HTTP, for the block."""
    commands.run([helm, "repo", "index", directory / index], timeout=60)
    with listening(directory) as address:
        yield address
