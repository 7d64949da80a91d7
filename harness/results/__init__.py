"""What became of a cell and of a sweep, and what follows from results alone."""
