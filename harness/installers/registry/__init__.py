"""An OCI registry, as a process beside a cluster or as a workload in it."""
