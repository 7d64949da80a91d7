"""Judgements of what Flux reports: sources, Kustomizations, HelmReleases."""
