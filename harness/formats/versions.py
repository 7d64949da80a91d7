"""Versions as Helm and the registries write them."""

import re


def exact(version: str) -> bool:
    """Whether a chart's version is one, and no range: a range is answered with a version that is not known before."""
    return re.fullmatch(r"v?\d+\.\d+\.\d+([-+][\w.+-]*)?", version) is not None
