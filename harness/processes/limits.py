"""A program under limits of its own, carried out in the place of this one: run as `python limits.py LIMITS -- WORDS`.

Set by the child itself before it becomes the program: what is done between fork and exec in a process with threads may
hang. LIMITS are `memory=BYTES`, `file=BYTES` and `files=NUMBER`.
"""

import os
import resource
import sys

_KINDS = {"memory": resource.RLIMIT_DATA, "file": resource.RLIMIT_FSIZE, "files": resource.RLIMIT_NOFILE}


def main(words: list[str]) -> None:
    at = words.index("--")
    for text in words[:at]:
        name, _, value = text.partition("=")
        resource.setrlimit(_KINDS[name], (int(value), int(value)))
    try:
        os.execvp(words[at + 1], words[at + 1 :])  # noqa: S606 - what this file is for; there is no shell in it
    except OSError as error:
        sys.stderr.write(f"cannot run {words[at + 1]}: {error.strerror}\n")
        raise SystemExit(127) from error


if __name__ == "__main__":
    main(sys.argv[1:])
