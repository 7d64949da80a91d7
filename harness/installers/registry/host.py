"""The registry (distribution), where bundles are pushed and the controllers pull them.

It has a fixed port, because its address is part of what is pushed. That port may be somebody else's, and `localhost`
may lead to another registry: each answer carries the cluster's identity, since an open port proves nothing.
"""

from harness.deadline import Deadline
from harness.errors import RegistryNotReady
from harness.installers.installer import Site, failing_as
from harness.installers.reachable import until_reachable
from harness.installers.registry.configuration import NAME, SERVED, configuration
from harness.processes.ports import require_free
from harness.processes.services import Probe, Service, ServiceDied
from harness.progress import task

_CONFIGURATION = "config.yml"


def install(site: Site) -> str:
    """Have the cluster's registry running and reachable; where, as programs on this machine write it.

    Raises RegistryNotReady (20) or RegistryUnreachable (21).
    """
    port, deadlines = site.settings.ports.registry, site.settings.deadlines
    service = Service(
        name=NAME,
        program=site.tools("registry"),
        arguments=("serve", _CONFIGURATION),
        probes=(Probe(port, "/v2/"),),
        environment={"OTEL_TRACES_EXPORTER": "none"},  # or it looks for somebody to send them to
        files={_CONFIGURATION: configuration(f"127.0.0.1:{port}", site.running.identity)},
    )
    with task(site.progress, NAME, f"127.0.0.1:{port}"):
        if site.services.identity(NAME) is None:
            # Before it is started: one that is there already would answer in its place.
            require_free(port)
        with failing_as(RegistryNotReady):
            try:
                site.services.ensure(lambda _: [service], deadlines.registry_ready)
            except ServiceDied as died:
                if died.port_taken:
                    require_free(port)
                raise
        until_reachable(SERVED, port, site.running.identity, Deadline.after(deadlines.registry_reachable))
    return f"localhost:{port}"
