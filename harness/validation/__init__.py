"""Checks of a recipe: what it asks of a cluster, evaluated on a snapshot, on objects, and at bundle time."""
