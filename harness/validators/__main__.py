"""The entry point of the container: `python -m harness.validators PHASE NAME`, by the contract of its exit codes.

With NAME alone, as the arguments of a catalog are, the phase is that of AICR_VALIDATOR_PHASE.
0 passed, 1 failed, 2 skipped, and what kept it from a verdict is 3: neither.
"""

import gc
import os
import sys
from importlib import import_module
from pathlib import Path

from harness.errors import HarnessError
from harness.validators import CHECKS, PHASES, CheckFailed, Skipped
from harness.validators.context import Context

PASSED, FAILED, SKIPPED, BROKEN = range(4)
TERMINATION_LOG = "/dev/termination-log"
MESSAGE_BYTES = 4096


def main(words: list[str]) -> int:
    """Carry out one check; its exit code."""
    if len(words) == 1:
        words = [os.environ.get("AICR_VALIDATOR_PHASE", ""), *words]
    if len(words) < 2 or words[0] not in PHASES:
        return end(FAILED, f"usage: python -m harness.validators {'|'.join(PHASES)} NAME")
    phase, name = words[:2]
    import_module(f"harness.validators.{phase}")
    found = CHECKS.get(name)
    if found is None or found.phase != phase:
        return end(FAILED, f"unknown check: {name}")
    try:
        context = Context.load(os.environ, phase, say, _warn)
    except (HarnessError, OSError) as error:
        return end(FAILED, f"failed to load context: {error}")
    say(f"{phase} check {name} of run {context.run_id or '-'}")
    try:
        found.carry_out(context)
        unjudged = context.not_judged
    except Skipped as skipped:
        return end(SKIPPED, str(skipped))
    except CheckFailed as failed:
        return end(FAILED, str(failed))
    except HarnessError as error:
        return end(FAILED, f"cannot be judged: {error}")
    except MemoryError:
        return end(BROKEN, "out of memory")
    return end(SKIPPED, unjudged) if unjudged else end(PASSED, "")


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _warn(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def end(code: int, message: str) -> int:
    """Leave the message where who runs the check looks for it."""
    if message:
        _warn(message)
        try:
            file = Path(os.environ.get("AICR_TERMINATION_LOG", TERMINATION_LOG))
            file.write_bytes(message.encode(errors="replace")[:MESSAGE_BYTES])
        except OSError as error:
            _warn(f"the message cannot be written: {error}")
    return code


if __name__ == "__main__":
    code = main(sys.argv[1:])
    gc.freeze()  # or the interpreter looks at every object once more before it ends
    sys.exit(code)
