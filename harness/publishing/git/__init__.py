"""Bundles as commits in a Git repository."""
