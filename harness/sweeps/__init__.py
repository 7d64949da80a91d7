"""Many cells: planned, started as processes, and told when to stop."""
