"""The connection to an API server: requests, lists, watches, errors, and whether a cluster may be written to."""
