"""Profiles: ours, the real ones, what is selected, and which faults are told."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.errors import DataError, UsageError
from harness.recipes.profiles import NoProfile, Profiles, load_profiles, select
from harness.settings import ROOT

OURS = ROOT / "kwok" / "profiles"
REAL = ROOT.parent / "shared" / "aicr-recipes" / "profiles"

Edit = Callable[[dict[str, Any]], object]


def document(provider: str, name: str, accelerator: str = "") -> dict[str, Any]:
    labels = {"provider": provider, "nodeType": "accelerated" if accelerator else "system"}
    spec: dict[str, Any] = {
        "instanceType": "m1",
        "arch": "amd64",
        "osImage": "An OS",
        "resources": {"cpu": "4", "memory": "16Gi", "storage": "100Gi"},
    }
    if accelerator:
        labels["accelerator"] = accelerator
        spec["gpu"] = {
            "product": "GPU-1",
            "count": 8,
            "memory": 81920,
            "driver": "570.1",
            "driverMajor": "570",
            "driverMinor": "1",
        }
    return {
        "apiVersion": "aicr.nvidia.com/v1alpha1",
        "kind": "KWOKNodeProfile",
        "metadata": {"name": name, "labels": labels},
        "spec": spec,
    }


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two providers: acme is complete, bare has no system profile."""
    for provider, name, accelerator in [("acme", "system", ""), ("acme", "big", "h100"), ("bare", "big", "h100")]:
        put(tmp_path, document(provider, name, accelerator))
    return tmp_path


def put(root: Path, profile: dict[str, Any], *, file: str = "", provider: str = "") -> Path:
    directory = root / (provider or profile["metadata"]["labels"]["provider"])
    directory.mkdir(exist_ok=True)
    path = directory / (file or f"{profile['metadata']['name']}.yaml")
    path.write_text(yaml.safe_dump(profile))
    return path


def names(root: Path, service: str, accelerator: str, **options: Any) -> tuple[str, str]:
    chosen = select(root, service, accelerator, **options)
    return str(chosen.system), str(chosen.accelerated)


@pytest.mark.parametrize(
    ("service", "accelerator", "system", "accelerated"),
    [
        ("eks", "h100", "eks/system-m7i", "eks/p5-h100"),
        ("eks", "gb200", "eks/system-m7i", "eks/p6-gb200"),
        ("eks", "any", "eks/system-m7i", "eks/p5-h100"),
        ("any", "any", "eks/system-m7i", "eks/p5-h100"),
        ("", "", "eks/system-m7i", "eks/p5-h100"),
        ("any", "gb200", "eks/system-m7i", "eks/p6-gb200"),
        ("aks", "h100", "aks/system-d16s", "aks/nd96isr-h100"),
        ("gke", "any", "gke/system-n2", "gke/a3-mega-h100"),
    ],
)
def test_our_profiles_answer_the_criteria(service: str, accelerator: str, system: str, accelerated: str) -> None:
    """Open criteria stand for the documented defaults, eks and h100."""
    assert names(OURS, service, accelerator) == (system, accelerated)


def test_the_eks_figures_are_the_documented_ones() -> None:
    """The nodes of the bash harness, to the gibibyte."""
    figures = {}
    for each in load_profiles(OURS / "eks"):
        resources = each.spec.resources
        amounts = (resources.cpu, resources.memory, resources.storage)
        figures[each.name] = (each.spec.instanceType, each.spec.arch, *amounts)
    assert figures == {
        "system-m7i": ("m7i.4xlarge", "amd64", "16", "64Gi", "100Gi"),
        "p5-h100": ("p5.48xlarge", "amd64", "192", "2048Gi", "3800Gi"),
        "p6-gb200": ("p6.48xlarge", "arm64", "288", "3072Gi", "7600Gi"),
    }


def test_every_profile_of_ours_loads() -> None:
    """Each provider has one system profile, and something accelerated."""
    for provider in sorted(each for each in OURS.iterdir() if each.is_dir()):
        types = [profile.node_type for profile in load_profiles(provider)]
        assert types.count("system") == 1, provider
        assert "accelerated" in types, provider


@pytest.mark.skipif(not REAL.is_dir(), reason="the real profiles are not beside this repository")
def test_the_real_profiles_load_and_equal_ours() -> None:
    """The format is theirs; what it cannot say is that of our own, so the same nodes come of it."""
    ours = load_profiles(OURS / "eks")
    assert [each.completed(ours) for each in load_profiles(REAL / "eks")] == ours


@pytest.mark.parametrize(
    ("service", "accelerator", "told"),
    [
        ("mars", "h100", "there are: acme, bare"),
        ("acme", "gb200", "there are: h100"),
        ("bare", "h100", "no system profile"),
    ],
    ids=["no such service", "no such accelerator", "no system profile"],
)
def test_what_nobody_described_is_an_answer_and_lists_what_there_is(
    root: Path, service: str, accelerator: str, told: str
) -> None:
    """And never an H100 in silence."""
    with pytest.raises(NoProfile, match=told) as missing:
        select(root, service, accelerator)
    assert "nodes.generic" in missing.value.do


@pytest.mark.parametrize(("service", "accelerator"), [("kind", "h100"), ("eks", "rtx-pro-6000"), ("oke", "gb200")])
def test_the_generic_profile_stands_in_where_settings_allow_it(service: str, accelerator: str) -> None:
    """For services as for accelerators that have none of their own."""
    with pytest.raises(NoProfile):
        select(OURS, service, accelerator)
    assert names(OURS, service, accelerator, generic=True) == ("generic/system", "generic/accelerated")


def test_the_generic_profile_is_not_taken_where_one_fits() -> None:
    """Allowing it does not prefer it."""
    assert names(OURS, "eks", "h100", generic=True) == ("eks/system-m7i", "eks/p5-h100")


def test_the_generic_profile_does_not_cover_a_fault(root: Path) -> None:
    """A contradiction in the data is told, whatever settings allow."""
    put(root, document("acme", "again", "h100"))
    with pytest.raises(DataError) as fault:
        select(root, "acme", "h100", generic=True)
    assert not isinstance(fault.value, NoProfile)


def test_a_profile_can_be_named() -> None:
    """Criteria do not matter then."""
    assert names(OURS, "eks", "gb200", named="gke/a3-mega-h100") == ("gke/system-n2", "gke/a3-mega-h100")


@pytest.mark.parametrize("named", ["eks/p5-h10", "eks", "eks/system-m7i", "../eks/p5-h100", "mars/p5-h100"])
def test_a_name_that_is_none_of_an_accelerated_profile(named: str) -> None:
    """A usage error that shows near names."""
    with pytest.raises(UsageError) as wrong:
        select(OURS, "eks", "h100", named=named)
    assert wrong.value.do


def remove(*path: str) -> Edit:
    def edit(profile: dict[str, Any]) -> None:
        for part in path[:-1]:
            profile = profile[part]
        del profile[path[-1]]

    return edit


def put_in(value: Any, *path: str) -> Edit:
    def edit(profile: dict[str, Any]) -> None:
        for part in path[:-1]:
            profile = profile[part]
        profile[path[-1]] = value

    return edit


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (put_in("v2", "apiVersion"), "apiVersion"),
        (put_in("Profile", "kind"), "kind"),
        (put_in(1, "spec", "colour"), "spec.colour"),
        (put_in("x", "metadata", "labels", "zone"), "metadata.labels.zone"),
        (put_in("worker", "metadata", "labels", "nodeType"), "metadata.labels.nodeType"),
        (put_in("mips", "spec", "arch"), "spec.arch"),
        (put_in(4, "spec", "resources", "cpu"), "spec.resources.cpu"),
        (put_in("lots", "spec", "resources", "memory"), "spec.resources.memory"),
        (put_in("8", "spec", "resources", "efa"), "efa is not a resource"),
        (put_in("many", "spec", "resources", "rdma/hca"), "spec.resources.rdma/hca"),
        (put_in({"zone": "not a label"}, "spec", "labels"), "spec.labels.zone"),
        (put_in([{"key": "gpu", "effect": "Never"}], "spec", "taints"), "spec.taints.0.effect"),
        (put_in("8", "spec", "gpu", "count"), "spec.gpu.count"),
        (put_in(0, "spec", "gpu", "count"), "spec.gpu.count"),
        (put_in("gpu", "spec", "gpu", "resource"), "spec.gpu.resource"),
        (put_in("-amd.com/gpu", "spec", "gpu", "resource"), "spec.gpu.resource"),
        (put_in("NVIDIA H100", "spec", "gpu", "product"), "spec.gpu.product"),
        (remove("spec", "instanceType"), "spec.instanceType"),
        (remove("spec", "resources"), "spec.resources"),
        (remove("spec", "gpu"), "spec.gpu"),
        (remove("metadata", "labels", "accelerator"), "label accelerator"),
        (put_in("acme2", "metadata", "labels", "provider"), "'acme2' in the directory of 'acme'"),
        (put_in("system", "metadata", "labels", "nodeType"), "a system profile has neither"),
    ],
)
def test_a_wrong_file_is_told_by_path_and_field(root: Path, edit: Edit, told: str) -> None:
    """Also where the request would not have needed that file."""
    profile = document("acme", "other", "gb200")
    edit(profile)
    file = put(root, profile, provider="acme")
    with pytest.raises(DataError) as fault:
        select(root, "acme", "h100")
    assert told in fault.value.what
    assert fault.value.where == str(file)
    assert not isinstance(fault.value, NoProfile)


@pytest.mark.parametrize(
    ("profile", "told"),
    [
        (document("acme", "another"), "a second system profile beside system.yaml"),
        (document("acme", "another", "h100"), "a second profile for 'h100' beside big.yaml"),
        (document("acme", "big", "gb200"), "a second profile called 'big' beside big.yaml"),
    ],
    ids=["system", "accelerator", "name"],
)
def test_two_profiles_for_one_thing_are_a_fault(root: Path, profile: dict[str, Any], told: str) -> None:
    """Which one is meant cannot be known; files are looked at in order of name."""
    put(root, profile, file="zz.yaml")
    with pytest.raises(DataError, match=told):
        select(root, "acme", "h100")


@pytest.mark.parametrize("text", ["a: [", "", "- a", "\x00"])
def test_a_file_that_is_no_mapping_of_yaml(root: Path, text: str) -> None:
    """Told with its path."""
    (root / "acme" / "broken.yaml").write_text(text)
    with pytest.raises(DataError) as fault:
        select(root, "acme", "h100")
    assert fault.value.where == str(root / "acme" / "broken.yaml")


def test_a_root_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    """Not an answer: nothing was looked at."""
    with pytest.raises(DataError) as fault:
        select(tmp_path / "nothing", "eks", "h100")
    assert not isinstance(fault.value, NoProfile)


def test_profiles_beside_the_recipes_win_over_our_own(root: Path) -> None:
    """By service: ours only serve those that have no directory there; an incomplete one is no reason to take ours."""
    assert str(Profiles(root, OURS).of("acme", "h100").accelerated) == "acme/big"
    assert str(Profiles(root, OURS).of("eks", "any").accelerated) == "eks/p5-h100"
    put(root, document("eks", "own", "h100"))
    with pytest.raises(NoProfile):
        Profiles(root, OURS).of("eks", "h100")


def test_a_named_profile_and_the_generic_ones_serve_every_recipe(root: Path) -> None:
    """The name wins over the criteria; generic ones stand in where the settings allow it."""
    assert str(Profiles(root, OURS, named="eks/p6-gb200").of("acme", "h100").accelerated) == "eks/p6-gb200"
    with pytest.raises(NoProfile):
        Profiles(root, OURS).of("moon", "h100")
    assert Profiles(root, OURS, generic=True).of("moon", "h100").accelerated.provider == "generic"


def further(profile: dict[str, Any], **spec: Any) -> dict[str, Any]:
    resources = {**profile["spec"]["resources"], **spec.pop("resources", {})}
    return {**profile, "spec": {**profile["spec"], "resources": resources, **spec}}


EFA = {"vpc.amazonaws.com/efa": "32", "hugepages-2Mi": "10256Mi"}


def test_what_a_profile_leaves_unsaid_is_that_of_our_own_instance(root: Path, tmp_path_factory: Any) -> None:
    """By instance type: data of the original format gets the devices, labels and taints that its provider documents."""
    own = tmp_path_factory.mktemp("own")
    put(own, further(document("acme", "ours", "h100"), resources=EFA, labels={"rack": "a"}, taints=[]))
    chosen = Profiles(root, own).of("acme", "h100").accelerated.spec
    assert chosen.resources.further == EFA
    assert (chosen.labels, chosen.taints) == ({"rack": "a"}, ())


def test_what_a_profile_says_wins_over_our_own(root: Path, tmp_path_factory: Any) -> None:
    """Label by label it is the user's file; of resources those that it names."""
    own = tmp_path_factory.mktemp("own")
    put(own, further(document("acme", "ours", "h100"), resources=EFA, labels={"rack": "a"}))
    put(root, further(document("acme", "big", "h100"), resources={"vpc.amazonaws.com/efa": "16"}, labels={"row": "1"}))
    chosen = Profiles(root, own).of("acme", "h100").accelerated.spec
    assert chosen.resources.further == {**EFA, "vpc.amazonaws.com/efa": "16"}
    assert chosen.labels == {"row": "1"}


def test_gpu_nodes_are_tainted_unless_their_profile_says_otherwise() -> None:
    """The taint of GKE, which AICR's recipes tolerate; a list of taints, also an empty one, takes its place."""
    [gpu] = [each.spec for each in load_profiles(OURS / "eks") if each.accelerator == "h100"]
    [system] = [each.spec for each in load_profiles(OURS / "eks") if not each.accelerator]
    assert gpu.all_taints == ({"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"},)
    assert system.all_taints == ()
    assert gpu.model_copy(update={"taints": ()}).all_taints == ()


@pytest.mark.parametrize(("name", "accelerator"), [("mine", "h100"), ("mine", "")], ids=["accelerated", "system"])
def test_a_profile_can_be_a_file_of_the_users_own(root: Path, name: str, accelerator: str) -> None:
    """Wherever it lies; the other type of node stays that of its provider."""
    file = put(root, document("acme", name, accelerator), provider="elsewhere")
    chosen = Profiles(root, OURS, named=str(file)).of("eks", "h100")
    assert (chosen.accelerated if accelerator else chosen.system).file == file
    assert str(chosen.system if accelerator else chosen.accelerated) == ("acme/system" if accelerator else "acme/big")


@pytest.mark.parametrize("text", [None, "apiVersion: v2", "[]"], ids=["not there", "another format", "a list"])
def test_a_faulty_file_of_the_users_own_is_told(tmp_path: Path, text: str | None) -> None:
    """With its path, and as a fault of the data."""
    file = tmp_path / "mine.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(DataError) as fault:
        Profiles(tmp_path, OURS, named=str(file)).of("eks", "h100")
    assert fault.value.where == str(file)


@pytest.mark.parametrize(
    ("service", "default"), [("eks", "gp2"), ("gke", "standard-rwo"), ("aks", "default"), ("generic", "standard")]
)
def test_each_provider_has_one_default_class_which_waits_for_its_consumer(service: str, default: str) -> None:
    """As on the clouds, so that what waits for its own consumer stands still here too."""
    accelerator = "generic" if service == "generic" else "h100"
    classes = Profiles(OURS, OURS).of(service, accelerator).storage_classes
    marked = [each for each in classes if each["metadata"].get("annotations")]
    assert [each["metadata"]["name"] for each in marked] == [default]
    assert marked[0]["volumeBindingMode"] == "WaitForFirstConsumer"


def test_storage_classes_beside_the_recipes_win(root: Path) -> None:
    """A cluster of one's own has classes of its own."""
    (root / "acme" / "storage").mkdir()
    file = root / "acme" / "storage" / "classes.yaml"
    file.write_text("kind: StorageClass\nmetadata: {name: fast}\nprovisioner: nfs.example.com\n")
    [found] = Profiles(root, OURS).of("acme", "h100").storage_classes
    assert found["metadata"]["name"] == "fast"
    file.write_text("kind: ConfigMap\nmetadata: {name: fast}\n")
    with pytest.raises(DataError, match="expected StorageClass") as fault:
        Profiles(root, OURS).of("acme", "h100")
    assert fault.value.where == str(file)


@pytest.mark.parametrize(
    ("service", "label"),
    [
        ("gke", ("cloud.google.com/gke-accelerator", "nvidia-h100-mega-80gb")),
        ("aks", ("feature.node.kubernetes.io/pci-15b3.present", "true")),
        ("eks", ("feature.node.kubernetes.io/pci-10de.present", "true")),
    ],
)
def test_accelerated_nodes_have_the_labels_that_recipes_select_them_by(service: str, label: tuple[str, str]) -> None:
    """Those of their provider, and those that node-feature-discovery would set."""
    labels = select(OURS, service, "h100").accelerated.spec.labels
    assert labels is not None
    assert label in labels.items()
