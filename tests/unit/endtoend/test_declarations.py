"""Declared processes: texts that are filled in, names of Services, and the order in which processes are started."""

from pathlib import Path

import pytest

from harness.endtoend.processes.declared import HttpStub, Process, PythonFile
from harness.endtoend.processes.filling import filled
from harness.endtoend.processes.names import ServiceName
from harness.endtoend.processes.order import levels, needed
from harness.errors import DataError


def process(name: str, *after: str) -> Process:
    return Process(name, PythonFile(Path("nothing.py")), after=after)


def test_names_in_a_text_become_their_values() -> None:
    """Each $(name) is filled in, as often as it is there; $$( stands for itself."""
    values = {"ports.health": "1234", "home": "/h"}
    text = filled("--port=$(ports.health) $(home)/a $(ports.health) $$(home)", values, where="here")
    assert text == "--port=1234 /h/a 1234 $(home)"


def test_an_unknown_name_in_a_text_is_an_error_that_names_a_near_one() -> None:
    """A text that would be passed on as it stands fails where it is written."""
    with pytest.raises(DataError, match=r"here: \$\(ports.helth\) is not known\n  did you mean ports.health\?"):
        filled("$(ports.helth)", {"ports.health": "1"}, where="here")


@pytest.mark.parametrize("host", ["a.b", "a.b.svc", "a.b.svc.cluster.local", "a.b.svc.cluster.local."])
def test_the_name_of_a_service_may_be_short(host: str) -> None:
    """All that a pod of another namespace may write is the same name."""
    assert ServiceName.parse(f"{host}:80") == ServiceName("a", "b", 80)


@pytest.mark.parametrize("text", ["a.b", "a:80", "a.b:0", "a.b:x", "a.b.example.com:80", "127.0.0.1:80"])
def test_what_is_no_name_of_a_service_is_refused(text: str) -> None:
    """A name needs a namespace and a port."""
    with pytest.raises(DataError, match="expected the name and port of a Service"):
        ServiceName.parse(text)


def test_processes_start_after_those_that_they_name_and_else_at_once() -> None:
    """One group after another; within one, nobody waits for anybody."""
    declared = [process("operator", "s3", "stub"), process("s3"), process("stub"), process("late", "operator")]
    assert [[each.name for each in level] for level in levels(declared)] == [["s3", "stub"], ["operator"], ["late"]]


def test_a_cycle_is_told_as_it_runs() -> None:
    """The error names every process of the cycle."""
    with pytest.raises(DataError, match=r"wait for each other: (a after b after a|b after a after b)"):
        levels([process("a", "b"), process("b", "a")])


def test_unknown_and_double_names_are_refused() -> None:
    """With the nearest name that there is."""
    with pytest.raises(DataError, match=r"processes.a.after: unknown process 'opertor'\n  did you mean operator\?"):
        levels([process("a", "opertor"), process("operator")])
    with pytest.raises(DataError, match="two processes are called 'a'"):
        levels([process("a"), process("a")])


def test_a_process_brings_those_that_it_comes_after() -> None:
    """Only some are started where some are named, and never without what they need."""
    declared = [process("s3"), process("operator", "s3"), process("other")]
    assert [each.name for each in needed(declared, ["operator"])] == ["s3", "operator"]
    assert needed(declared, []) == declared


def test_a_stand_in_has_ports_of_its_own() -> None:
    """Before those that the suite declares, each once."""
    assert Process("stub", HttpStub(), ports=("http", "more")).purposes == ("http", "control", "more")
