"""Making contexts from entries: a pure function of settings and material, but for what OpenSSL does."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.serialization import Encoding

from components.keystore.errors import KeystoreError
from components.keystore.tls.errors import TlsConfigurationError, TlsIdentityError
from components.keystore.tls.passing import load_identity
from components.keystore.tls.revocation import CheckedContext
from components.keystore.tls.settings import ClientAuthentication, RevocationCheck

if TYPE_CHECKING:
    from components.keystore.tls.settings import TlsMaterial, TlsSettings


VERSIONS: Final = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}
"""The oldest version that is spoken, as the property names it."""
CLIENT_CERTIFICATES: Final = {
    ClientAuthentication.REQUIRE: ssl.CERT_REQUIRED,
    ClientAuthentication.WANT: ssl.CERT_OPTIONAL,
    ClientAuthentication.NONE: ssl.CERT_NONE,
}
"""What a server's context asks of its clients."""


def make_context(settings: TlsSettings, material: TlsMaterial, *, client: bool) -> ssl.SSLContext:
    """A context to connect to servers, or to be connected to by clients.

    Raises:
        TlsIdentityError: There is no such key, or it does not leave its keystore.
        TlsConfigurationError: OpenSSL does not take a setting.
    """
    context = CheckedContext(ssl.PROTOCOL_TLS_CLIENT if client else ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = VERSIONS[settings.minimum_version]
    context.check_hostname = client and settings.hostname_verification
    context.verify_mode = ssl.CERT_REQUIRED if client else CLIENT_CERTIFICATES[settings.client_authentication]
    # Whatever is in the truststore is an anchor, as in Java: also an intermediate CA whose root is not there.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if settings.ciphers:
        try:
            context.set_ciphers(settings.ciphers)
        except ssl.SSLError:
            raise TlsConfigurationError(
                "ssl.default.cipherSuites", f"OpenSSL knows none of {settings.ciphers!r}; see `openssl ciphers`"
            ) from None
    if material.trusted:
        # Not as DER: at its end, ssl takes for its own what error another user of OpenSSL has left there, such as a
        # token's module. The end of PEM has an error of its own.
        trusted = b"".join(one.public_bytes(Encoding.PEM) for one in material.trusted)
        context.load_verify_locations(cadata=trusted.decode("ascii"))
    if settings.revocation is not RevocationCheck.OFF:
        context.check_revocation(settings.revocation, material.revocation)
    if material.alias:
        _set_identity(context, material)
    elif not client:
        raise TlsConfigurationError("ssl.key.alias", "a server shows a certificate: name the key pair that it uses")
    return context


def _set_identity(context: ssl.SSLContext, material: TlsMaterial) -> None:
    def failure(reason: str) -> TlsIdentityError:
        return TlsIdentityError(material.keystore, material.alias, reason)

    entry = material.identity
    if entry is None:
        raise failure("there is no such private key; enrol, or name another one in ssl.key.alias")
    if not entry.key.exportable:
        raise failure(
            "its key does not leave the keystore, and OpenSSL as Python has it takes keys from files only: enrol "
            "the identity for TLS into a keystore that exports keys (gatewright.keystore.FilesystemKeystore), or let "
            "a TLS proxy with a PKCS #11 provider make the connections"
        )
    try:
        load_identity(context, entry.key.export(), entry.chain)
    except (KeystoreError, ssl.SSLError, OSError) as error:
        raise failure(str(error)) from error
