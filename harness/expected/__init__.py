"""What a bundle should lead to: rendered manifests, workloads and objects."""
