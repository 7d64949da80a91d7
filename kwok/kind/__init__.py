"""A control plane on a Kind node."""
