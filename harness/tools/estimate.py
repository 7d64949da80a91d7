"""The first line on a cold machine: what will be prepared, and about how long that takes."""

import math
from collections.abc import Container, Mapping

from harness.settings import Pin


def announcement(missing: Mapping[str, Pin], downloaded: Container[str], *, may_build: bool = True) -> str:
    """The line for these pins, of which some are `downloaded` and the others built, if anything may be."""
    tools = "1 tool" if len(missing) == 1 else f"{len(missing)} tools"
    seconds = sum(pin.build for name, pin in missing.items() if name not in downloaded)
    building = f"about {math.ceil(seconds / 60)} min on two cores" if seconds >= 60 else "less than a minute"
    begin = f"preparing {tools} (first time on this machine): {', '.join(missing)}"
    built = [name for name in missing if name not in downloaded and may_build]
    if len(built) == len(missing):
        return f"{begin}: {building}"
    megabytes = sum(_size(pin) for name, pin in missing.items() if name in downloaded) / 1e6
    downloads = f"about {megabytes:.0f} MB to download ({math.ceil(megabytes * 8 / 100)} s at 100 Mbit/s)"
    some = downloads if megabytes >= 1 else "less than a minute"
    return (
        begin
        + (f": {some}" if any(name in downloaded for name in missing) else "")
        + (f"; {', '.join(built)} built meanwhile, {building}" if built else "")
    )


def _size(pin: Pin) -> int:
    """Bytes that are about to be downloaded; 0 where nobody knows."""
    published = pin.release or pin.image
    return published.size if published is not None else 0
