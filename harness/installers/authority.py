"""The certificate of an authority of the user's own, by which a server that is not the harness's is verified."""

import ssl
from pathlib import Path

from harness.errors import SettingsError


def authority(file: str, setting: str) -> Path | None:
    """The file that a setting names, as an absolute path; None where it names none. Raises SettingsError for a file
    that holds no certificate.
    """
    if not file:
        return None
    try:
        ssl.create_default_context(cafile=file)
    except OSError as error:  # ssl.SSLError is one
        unread = not isinstance(error, ssl.SSLError)
        what = f"cannot be read: {error.strerror}" if unread else "no certificate was found in it"
        raise SettingsError(what, where=f"{setting}={file}", do="name a file with certificates in PEM") from error
    return Path(file).absolute()
