"""Suites of chainsaw and kuttl: read, run against a cluster without their programs, and recorded for reports."""
