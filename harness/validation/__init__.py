"""Checks of a recipe on a cluster that runs it."""
