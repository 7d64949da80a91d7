"""What `chainsaw assert --resource` does: a tree against objects of a file, without a cluster."""

from collections.abc import Sequence

from harness.assertions.candidates import Judgement, Standing, compile_assertion
from harness.assertions.outcome import CannotEvaluate
from harness.suites.model import Document
from harness.suites.running.scope import Scope


def judge(tree: Document, objects: Sequence[Document], scope: Scope) -> Judgement:
    """The first object answers where the tree has a name, all of them where it has none.

    Kinds and names of the objects are not compared before the tree is. Raises TreeInvalid.
    """
    assertion = compile_assertion(tree.value, engine=scope.engine, template=scope.template)
    resolved = assertion.resolve(scope.context())
    if isinstance(resolved, CannotEvaluate):
        return Judgement(Standing.CANNOT_BE_EVALUATED, str(resolved))
    named = resolved.target is not None and resolved.target.name
    candidates = [document.value for document in (objects[:1] if named else objects)]
    return resolved.judge_assert(candidates, scope.context())
