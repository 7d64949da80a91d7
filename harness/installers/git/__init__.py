"""A Git server (Gitea), as a process beside a cluster or as a workload in it."""
