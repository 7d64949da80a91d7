"""Texts that others define: Go's YAML, documents with line numbers, quantities, versions, addresses, media types."""
