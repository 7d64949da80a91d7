"""Argo CD, as processes beside a cluster or as workloads in it."""
