"""Text from tools and controllers, made fit for XML, HTML and a terminal."""

import re

_ESCAPES = re.compile(  # ECMA-48: CSI sequences, OSC strings (titles, links), two-character escapes
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]"
)
# What XML 1.0 does not allow (it has no way to write it either), and what only changes how the rest is shown.
_CONTROLS = re.compile("[^\t\n\x20-\x7e\xa0-\u2029\u202f-\u2065\u206a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def plain(text: str) -> str:
    """The text without terminal sequences and control characters; lines end with a newline character."""
    text = _ESCAPES.sub("", text.replace("\r\n", "\n"))
    return _CONTROLS.sub("", text.replace("\r", "\n"))
