"""Pinned command-line programs: found, built, probed and cached."""
