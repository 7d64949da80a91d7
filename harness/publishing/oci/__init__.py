"""An OCI registry: its protocol, and what a bundle is as an artifact."""
