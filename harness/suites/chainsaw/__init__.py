"""Suites of chainsaw: how its files are found and read. What they do is in `harness.suites.running`."""
