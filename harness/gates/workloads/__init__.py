"""Judgements of workloads and their pods: all there, all on nodes of the right kind."""
