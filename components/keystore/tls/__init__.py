"""TLS from keystores: contexts of `ssl` made from entries, and made anew when the entries change."""

from components.keystore.tls.errors import TlsConfigurationError, TlsError, TlsIdentityError
from components.keystore.tls.service import TLS_CHANGED_TOPIC, SslContextService

__all__ = [
    "TLS_CHANGED_TOPIC",
    "SslContextService",
    "TlsConfigurationError",
    "TlsError",
    "TlsIdentityError",
]
