"""The infrastructure of the Kind runtime: what the host runtime has as processes, as workloads on the real node."""
