"""`python -m hack.kind_images` (make kind-images): makes images of the Kind runtime that the engine lacks."""

import argparse
import os
import signal
import sys

from hack.kind_images.factory import Factory
from harness import settings
from harness.errors import HarnessError
from harness.exits import Exit
from harness.terminal.console import Console
from harness.tools.toolbox import cache_directory


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m hack.kind_images", description="Makes images that the engine lacks."
    )
    parser.add_argument("--suites", action="store_true", help="only those of the sample suite (make suite-images)")
    asked = parser.parse_args()
    console = Console()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what it has started ends with it, either way
    try:
        Factory(settings.load(), cache_directory(os.environ), console, console.note).run(suites_only=asked.suites)
    except HarnessError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit
    except KeyboardInterrupt:
        print("interrupted; what is whole is kept, and the next run goes on from there", file=sys.stderr)
        return Exit.INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
