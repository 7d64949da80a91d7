"""One recipe under one lane: prepared, run, judged, and what is left after it."""
