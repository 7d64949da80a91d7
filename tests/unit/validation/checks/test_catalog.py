"""The validator catalog, and the images of its checks."""

from typing import Any

import pytest
import yaml

from harness.errors import DataError
from harness.formats.documents import Document
from harness.validation.checks.catalog import READS, Affinity, Catalog
from harness.validation.checks.images import Images
from tests.fakes.validation import SHARED, cases, needs_validation_data

NOTHING = [pytest.param({}, marks=pytest.mark.skip(reason="the real validation data is not beside this clone"))]
HEAD = {
    "apiVersion": "validator.nvidia.com/v1alpha1",
    "kind": "ValidatorCatalog",
    "metadata": {"name": "mine", "version": "1.0.0"},
}


def catalog(*validators: dict[str, Any], **head: Any) -> Catalog:
    text = yaml.safe_dump({**head, "validators": list(validators)}, sort_keys=False)
    return Catalog.of(Document.parse(text, "catalog.yaml"))


def entry(name: str = "a", **more: Any) -> dict[str, Any]:
    return {"name": name, "phase": "deployment", "image": "reg.io/a/b:c", **more}


@needs_validation_data
@pytest.mark.parametrize(
    ("age", "counts"),
    [("v0.11.1", (4, 11, 1)), ("2026-06-22", (4, 11, 4)), ("2026-08-19", (5, 13, 4))],
)
def test_the_real_catalogs_are_read(age: str, counts: tuple[int, int, int]) -> None:
    """Three ages; ai-service-metrics wants to be beside Prometheus, but for the first."""
    found = Catalog.load(SHARED / "catalogs" / f"catalog-{age}.yaml")
    assert tuple(len(found.of_phase(p)) for p in ("deployment", "conformance", "performance")) == counts
    beside = (Affinity("kube-prometheus-stack", {"app.kubernetes.io/name": "prometheus"}),)
    assert found.entries["ai-service-metrics"].affinity == (() if age == "v0.11.1" else beside)
    assert found.entries["expected-resources"].timeout == (300 if age == "v0.11.1" else 480)
    assert found.entries["dra-support"].args == ("dra-support",)


@needs_validation_data
def test_what_each_check_reads_is_known_of_every_check_of_the_guides_date() -> None:
    """So that a constraint which nobody reads is a finding."""
    found = Catalog.load(SHARED / "catalogs" / "catalog-2026-06-22.yaml")
    assert set(found.entries) - set(READS) == set()


@pytest.mark.parametrize("case", cases("catalog-errors.yaml", "cases") or NOTHING, ids=lambda case: case.get("why"))
def test_a_catalog_that_must_be_refused_is_refused(case: dict[str, Any]) -> None:
    """With the sentence of the table."""
    with pytest.raises(DataError) as caught:
        Catalog.of(Document.parse(yaml.safe_dump(case["catalog"]), "catalog.yaml"))
    assert case["why"] in caught.value.what


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"name": "A"}, "the name cannot be used"),
        ({"name": "a" * 50}, "the name cannot be used"),
        ({"timeout": "2 minutes"}, "timeout is '2 minutes'"),
        ({"timeout": "-2m"}, "timeout is negative"),
        ({"resources": {"cpu": "many", "memory": "1Gi"}}, "resources.cpu is 'many'"),
        ({"resources": {"cpu": "0", "memory": "1Gi"}}, "resources.cpu is '0'"),
        ({"args": "a"}, "args must be a list of text"),
        ({"command": ["a"]}, "unknown field 'command'"),
        ({"env": [{"name": "A"}, {"name": "A"}]}, 'variable "A" is given twice'),
        ({"env": [{"name": "A", "from": "b"}]}, "unknown field 'from'"),
        ({"access": {"clusterAdmin": True, "rules": [{"verbs": ["get"]}]}}, "has both clusterAdmin and rules"),
    ],
)
def test_a_field_that_cannot_be_used_is_refused(changes: dict[str, Any], what: str) -> None:
    """At load: nothing is deployed before somebody notices."""
    with pytest.raises(DataError) as caught:
        catalog(entry(**changes))
    assert what in caught.value.what
    assert caught.value.where.startswith("catalog.yaml:")


@pytest.mark.parametrize("missing", ["apiVersion", "kind"])
def test_with_metadata_version_and_kind_are_required(missing: str) -> None:
    """Without it both may be absent."""
    with pytest.raises(DataError, match=f"unsupported {missing}"):
        catalog(entry(), **{key: value for key, value in HEAD.items() if key != missing})
    assert catalog(entry()).entries["a"].phase == "deployment"
    assert catalog(entry(), **HEAD).name == "mine"


def test_every_field_of_an_entry_is_read() -> None:
    """Variables that belong to the caller are not in it."""
    env = [{"name": name, "value": "x"} for name in ("HF_TOKEN", "A", "AICR_INFERENCE_PERF_NO_CLEANUP")]
    beside = {"componentRef": "p", "podLabelSelector": {"app": "x"}, "requirement": "required", "topologyKey": "zone"}
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}]
    found = catalog(
        entry(
            description="d",
            timeout="1m30s",
            args=["x", "x"],
            env=env,
            resources={"cpu": 2, "memory": "4Gi"},
            dependencyAffinity=[beside],
            localCommand=["{python}", "-m", "x"],
            access={"rules": rules},
        )
    ).entries["a"]
    assert (found.description, found.timeout, found.args, found.env) == ("d", 90, ("x", "x"), {"A": "x"})
    assert (found.cpu, found.memory, found.local_command) == ("2", "4Gi", ("{python}", "-m", "x"))
    assert found.affinity == (Affinity("p", {"app": "x"}, True, "zone"),)
    assert found.access
    assert [rule.document() for rule in found.access.rules] == rules


def test_what_an_entry_leaves_open_has_the_documented_defaults() -> None:
    """Five minutes, one CPU and 1Gi."""
    found = catalog(entry(), entry("b", timeout="0s")).entries
    assert (found["a"].timeout, found["b"].timeout, found["a"].cpu, found["a"].memory) == (300, 300, "1", "1Gi")
    assert found["a"].access is None


def test_an_external_catalog_replaces_by_name_and_is_appended() -> None:
    """The order of the first one stays."""
    found = catalog(entry("a"), entry("b")).with_external(catalog(entry("c"), entry("a", phase="conformance")))
    assert list(found.entries) == ["a", "b", "c"]
    assert found.entries["a"].phase == "conformance"
    assert [each.name for each in found.of_phase("deployment")] == ["b", "c"]
    assert [each.name for each in found.of_phase("deployment", ["c", "z"])] == ["c"]


@pytest.mark.parametrize("case", cases("image-cases.yaml", "resolve") or NOTHING, ids=str)
def test_an_image_is_resolved_as_the_table_says(case: dict[str, str]) -> None:
    """Releases and commits pin `:latest`; tag and registry replace."""
    images = Images(*(case.get(key, "") for key in ("version", "commit", "tag", "registry")))
    assert images.resolve(case["image"]) == case["want"]


@pytest.mark.parametrize("case", cases("image-cases.yaml", "policy") or NOTHING, ids=str)
def test_an_image_is_pulled_as_the_table_says(case: dict[str, str]) -> None:
    """By the text of the reference, and by whether a tag was given."""
    assert Images(tag=case.get("tag", "")).pull_policy(case["image"]) == case["want"]


def test_images_are_told_by_the_environment() -> None:
    """The four variables of the reference tool."""
    names = ("AICR_CLI_VERSION", "AICR_CLI_COMMIT", "AICR_VALIDATOR_IMAGE_TAG", "AICR_VALIDATOR_IMAGE_REGISTRY")
    values = dict(zip(names, ("v1.2.3", "abc1234", "edge", "reg:5000"), strict=True))
    assert Images.of(values) == Images(*values.values())
    assert Images.of({}) == Images()


@needs_validation_data
def test_the_tables_have_rows() -> None:
    """None of the parametrized tests above passes because its table is empty."""
    tables = [("catalog-errors.yaml", "cases"), ("image-cases.yaml", "resolve"), ("image-cases.yaml", "policy")]
    assert [len(cases(*table)) for table in tables] == [10, 15, 9]


@pytest.mark.parametrize(
    ("image", "fits"),
    [
        ("a/b:c", True),
        ("localhost:5000/a/b", True),
        ("GHCR.io/a/b_c:v1.2.3-rc.1", True),
        (f"a/b@sha256:{'0' * 64}", True),
        ("x y", False),
        ("a/B:c", False),
        ("https://a/b", False),
        ("a/b:", False),
        ("a/b@sha256:1", False),
    ],
)
def test_an_image_is_a_reference(image: str, fits: bool) -> None:
    """A kubelet would refuse it, at the end of a check's time."""
    entry = {"name": "a", "phase": "deployment", "image": image}
    document = Document.parse(yaml.safe_dump({"validators": [entry]}), "catalog.yaml")
    if fits:
        assert Catalog.of(document).entries["a"].image == image
    else:
        with pytest.raises(DataError, match="is not an image reference"):
            Catalog.of(document)
