"""The helm command line, and what its messages mean."""
