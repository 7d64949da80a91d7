"""Checks as containers: their catalog, how they are run, and what becomes of them."""
