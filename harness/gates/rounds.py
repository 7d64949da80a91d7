"""kuttl's common round as a gate: all asserts hold, and no error object matches, in the same objects."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.assertions import kuttl
from harness.assertions.candidates import Judgement, Standing
from harness.objects import Kind, Object, Objects
from harness.verdict import Failed, Passed, Verdict, Waiting


@dataclass(frozen=True)
class Member:
    """One object of an assert file, or (`wanted` false) of an errors file; `kind` is as the server has it."""

    expected: Mapping[str, Any]
    kind: Kind
    wanted: bool = True


@dataclass(frozen=True)
class Together:
    """The members of a round; `namespace` is where objects are looked for that name none."""

    members: tuple[Member, ...]
    namespace: str

    @property
    def kinds(self) -> tuple[Kind, ...]:
        return tuple(dict.fromkeys(member.kind for member in self.members))

    def candidates(self, member: Member, objects: Objects) -> Sequence[Object]:
        """The objects that a member is about."""
        target = kuttl.target(member.expected)
        if member.kind.namespaced and not target.namespace:
            target = replace(target, namespace=self.namespace)
        return [item for item in objects.all(member.kind) if target.selects(item)]

    def judge(self, member: Member, objects: Objects) -> Judgement:
        """What there is to say of one member."""
        judge = kuttl.judge_assert if member.wanted else kuttl.judge_error
        return judge(member.expected, self.candidates(member, objects))

    def fitting(self, member: Member, objects: Objects) -> list[Object]:
        """The candidates that fit a member; all where none does."""
        about = self.candidates(member, objects)
        fits = kuttl.judge_assert
        return [each for each in about if fits(member.expected, [each]).standing is Standing.HOLDS] or list(about)

    def __call__(self, objects: Objects) -> Verdict:
        judged = [(member, self.judge(member, objects)) for member in self.members]
        open_ = [(member, each) for member, each in judged if each.standing is not Standing.HOLDS]
        if not open_:
            wanted = sum(member.wanted for member in self.members)
            return Passed(f"{wanted} asserts hold, {len(self.members) - wanted} errors match nothing")
        text = "\n".join(each.text for _, each in open_)
        target = kuttl.target(open_[0][0].expected)
        subject = f"{target.kind} {'/'.join(filter(None, (target.namespace or self.namespace, target.name or '*')))}"
        if any(each.standing is Standing.CANNOT_BE_EVALUATED for _, each in open_):
            return Failed(text, subject)
        return Waiting(text, subject)
