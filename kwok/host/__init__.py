"""A control plane as processes of this machine."""
