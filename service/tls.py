"""The service's side of TLS: its certificate and key, read once, when the service starts."""

import ssl
from pathlib import Path

from service.errors import SettingsError


def server_context(certificate: str, key: str) -> ssl.SSLContext | None:
    """TLS 1.2 and 1.3; None where there is no certificate. Raises SettingsError."""
    if not certificate:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    for name, file in (("MAXPOOL_TLS_CERTIFICATE", certificate), ("MAXPOOL_TLS_KEY", key)):
        try:
            Path(file).read_bytes()
        except OSError as error:
            raise SettingsError(f"{name} is {file}: it can not be read ({type(error).__name__})") from None
    try:
        context.load_cert_chain(certificate, key, password=lambda: b"")  # nobody is there to be asked for one
    except ssl.SSLError as error:
        raise SettingsError(
            f"MAXPOOL_TLS_CERTIFICATE is {certificate}: with the key in {key} it is no pair of PEM files, or the key "
            f"has a password ({error.reason or error})"
        ) from None
    return context
