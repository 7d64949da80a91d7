"""Names of the objects that a bundle holds as files."""

from harness.formats.documents import Block


def name_of(item: Block) -> str:
    return item.block("metadata").text("name", required=True)


def namespace_of(item: Block, default: str = "") -> str:
    return item.block("metadata").text("namespace") or default
