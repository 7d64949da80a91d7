"""Addresses of registries and repositories that are replaced by others."""
