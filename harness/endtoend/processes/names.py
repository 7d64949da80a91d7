"""Names of Services, as controllers call them."""

import re
from dataclasses import dataclass

from harness.errors import DataError

_NAME = re.compile(r"([a-z0-9-]+)\.([a-z0-9-]+)(?:\.svc(?:\.cluster\.local)?)?\.?")


@dataclass(frozen=True)
class ServiceName:
    """A port of a Service."""

    name: str
    namespace: str
    port: int

    @classmethod
    def parse(cls, text: str, *, where: str = "") -> "ServiceName":
        """From `trainer.platform.svc.cluster.local:9091`; what follows the namespace may be left out.

        Raises DataError.
        """
        host, _, port = text.rpartition(":")
        found = _NAME.fullmatch(host)
        if found is None or not port.isdigit() or not 0 < int(port) < 1 << 16:
            raise DataError(
                f"expected the name and port of a Service, got {text!r}",
                where=where,
                do="write NAME.NAMESPACE.svc.cluster.local:PORT",
            )
        return cls(found[1], found[2], int(port))

    def __str__(self) -> str:
        return f"{self.name}.{self.namespace}.svc.cluster.local:{self.port}"
