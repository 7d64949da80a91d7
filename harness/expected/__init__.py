"""What a bundle should lead to: rendered charts, and what helm has kept of its releases."""
