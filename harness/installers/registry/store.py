"""The registry as what bundles are pushed to and pulled from."""

from harness.installers.installer import Store
from harness.installers.registry import configuration, kind
from harness.installers.registry.external import check

STORE = Store(
    here=lambda settings, _: configuration.access(settings),
    inside=lambda settings, _: kind.access(settings),
    elsewhere=lambda settings: settings.registry.address,
    setting="registry.address",
    example=("registry", "registry.example.com/team"),
    external=check,
)
