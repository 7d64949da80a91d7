"""The delivery paths that the harness tests, one file each, and the one tuple that lists them."""
