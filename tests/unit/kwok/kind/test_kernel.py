"""What the kubelet of a Kind node would change of a machine."""

from pathlib import Path

from kwok.kind.kernel import SET_BY_KUBELET, differences


def machine(root: Path, **values: str) -> Path:
    """A /proc/sys with what a kubelet sets, but for `values` (dots are underscores twice)."""
    for name, value in {**SET_BY_KUBELET, **{key.replace("__", "."): each for key, each in values.items()}}.items():
        file = root / name.replace(".", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(value + "\n")
    return root


def test_only_what_would_be_another_value_is_named(tmp_path: Path) -> None:
    """With the value of now, which is what a person would set it back to."""
    root = machine(tmp_path, vm__overcommit_memory="0", kernel__panic_on_oops="0")
    assert list(differences(root)) == ["vm.overcommit_memory=1 (now 0)", "kernel.panic_on_oops=1 (now 0)"]


def test_a_machine_that_has_had_a_kubelet_has_nothing_to_change(tmp_path: Path) -> None:
    """And a setting that this kernel does not have is none."""
    root = machine(tmp_path)
    (root / "kernel" / "keys" / "root_maxkeys").unlink()
    assert list(differences(root)) == []
