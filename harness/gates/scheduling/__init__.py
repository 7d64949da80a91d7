"""Whether a pod would fit a node: resources, and the scheduler's other rules."""
