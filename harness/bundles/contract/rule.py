"""What a rule of the contract is."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from harness.bundles.contract.delivered import Delivered

Finding = tuple[str, str]  # where, what


@dataclass(frozen=True)
class Rule:
    """`find` yields where the bundle breaks it, and how; `do` is the remedy."""

    name: str
    find: Callable[[Delivered], Iterator[Finding]]
    do: str
