"""The setting flux.wait: whether releases are ready by Flux's own rules or by those of Helm 3."""

import json
from typing import get_args

import pytest

from harness.errors import SettingsError
from harness.settings import Flux, load
from lanes import flux_oci


def test_releases_are_as_the_bundle_has_them_by_default() -> None:
    """Nothing is patched: what is tested is what was pushed."""
    assert load(environment={}).flux.wait == "poller"
    assert "patches" not in flux_oci.kustomization("aicr-demo", wait="poller")["spec"]


def test_every_release_asks_for_the_strategy() -> None:
    """By one patch of the Kustomization, so that the bundle stays as it is."""
    (patch,) = flux_oci.kustomization("aicr-demo", wait="legacy")["spec"]["patches"]
    assert patch["target"] == {"kind": "HelmRelease"}
    assert json.loads(patch["patch"]) == [{"op": "add", "path": "/spec/waitStrategy", "value": {"name": "legacy"}}]


def test_every_strategy_of_the_setting_has_its_interval() -> None:
    """It is recorded, so that the critical path names the right one."""
    assert set(flux_oci.POLLS) == set(get_args(Flux.model_fields["wait"].annotation))


def test_other_strategies_are_no_setting() -> None:
    """Helm knows more of them, of which some wait for nothing."""
    with pytest.raises(SettingsError, match="poller"):
        load(environment={"KWOK_FLUX_WAIT": "hookOnly"})
