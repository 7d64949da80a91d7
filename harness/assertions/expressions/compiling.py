"""What a part of an expression is compiled to, and what its compiler is given to compile its own parts."""

from collections.abc import Callable
from typing import Any

from harness.assertions.expressions.context import Scope
from harness.assertions.expressions.syntax import Node

Evaluation = Callable[[Any, Scope], Any]
Compile = Callable[[Node], Evaluation]
