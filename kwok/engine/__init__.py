"""The container engine: its client, its images."""
