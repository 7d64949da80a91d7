"""What a sweep leaves for people and for other programs, all of it drawn from one Results: nothing decides again.

`write` after every cell, `announce` once at the end, `merge` where one run was many jobs.
"""

from harness.reports.announcing import announce
from harness.reports.reading import Merged, history, merge, read
from harness.reports.writing import RESULTS_FILE, write

__all__ = ["RESULTS_FILE", "Merged", "announce", "history", "merge", "read", "write"]
