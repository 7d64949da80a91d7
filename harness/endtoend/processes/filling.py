"""What a declared text names, filled in: `$(ports.health)`, as in the arguments of a container.

| name | what it becomes |
|---|---|
| `ports.PURPOSE`, `addresses.PURPOSE` | a port of the process itself: the number, and 127.0.0.1:number |
| `PROCESS.ports.PURPOSE`, `PROCESS.addresses.PURPOSE` | the same of another process |
| `PROCESS.accessKey`, `PROCESS.secretKey`, `PROCESS.region` | of a stand-in for S3 |
| `home`, `suite` | the directory of the process, which it may write, and that of the suite |
| `kubeconfig`, `namespace` | of its ServiceAccount, where it has one |
| `certificates` | the directory of tls.crt, tls.key and ca.crt, where it serves webhooks |

`$$(` stands for `$(` itself. An unknown name is an error: a text that is passed on as it stands fails later, elsewhere.
"""

import re
from collections.abc import Mapping

from harness.errors import DataError, did_you_mean

_PLACE = re.compile(r"\$\$\(|\$\(([^()]*)\)")


def filled(text: str, values: Mapping[str, str], *, where: str) -> str:
    """The text with its values in the places of their names. Raises DataError for a name that is not known."""

    def value(found: re.Match[str]) -> str:
        if found[1] is None:
            return "$("
        if found[1] not in values:
            do = f"{did_you_mean(found[1], values)} For a text that is to be left as it is, write $$({found[1]})"
            raise DataError(f"$({found[1]}) is not known", where=where, do=do)
        return values[found[1]]

    return _PLACE.sub(value, text)
