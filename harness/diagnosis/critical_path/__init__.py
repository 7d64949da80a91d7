"""Where the time of a cell went: its critical path, from its recording.

Read backwards: from the end of the cell to what ended last before it, and so on to its beginning. Within a delivery the
same is asked of the objects that deliver: which of them completed the wait, and which of the others it waited for.
"""

from harness.diagnosis.critical_path.path import critical_path

__all__ = ["critical_path"]
