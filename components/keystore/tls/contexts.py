"""Making contexts from entries: a pure function of settings and material, but for what OpenSSL does."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from components.keystore.errors import KeystoreError
from components.keystore.tls.errors import TlsConfigurationError, TlsIdentityError
from components.keystore.tls.passing import load_identity, load_revocation_lists
from components.keystore.tls.settings import RevocationCheck

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from components.keystore.tls.settings import TlsMaterial, TlsSettings


VERSIONS: Final = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}
"""The oldest version that is spoken, as the property names it."""


def make_context(settings: TlsSettings, material: TlsMaterial, *, client: bool) -> ssl.SSLContext:
    """A context to connect to servers, or to be connected to by clients that show a certificate.

    Raises:
        TlsIdentityError: There is no such key, or it does not leave its keystore.
        TlsConfigurationError: OpenSSL does not take a setting.
    """
    context = _CheckedContext(ssl.PROTOCOL_TLS_CLIENT if client else ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = VERSIONS[settings.minimum_version]
    context.check_hostname = client and settings.hostname_verification
    context.verify_mode = ssl.CERT_REQUIRED
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
        context.load_verify_locations(cadata=b"".join(one.public_bytes(Encoding.DER) for one in material.trusted))
    _set_revocation(context, settings.revocation, material.crls)
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


def _set_revocation(
    context: _CheckedContext, check: RevocationCheck, crls: Sequence[x509.CertificateRevocationList]
) -> None:
    if check is RevocationCheck.HARD_FAIL:
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
        if crls:
            load_revocation_lists(context, crls)
    elif check is RevocationCheck.SOFT_FAIL and crls:
        by_issuer: dict[bytes, list[x509.CertificateRevocationList]] = {}
        for crl in crls:
            by_issuer.setdefault(crl.issuer.public_bytes(), []).append(crl)
        context.revocation_lists = by_issuer
        context.sslsocket_class = _CheckedSocket
        context.sslobject_class = _CheckedObject


class _CheckedContext(ssl.SSLContext):
    """A context that knows CRLs of some issuers.

    OpenSSL's own check has no soft fail: it refuses each certificate whose issuer has no CRL. So the peer's certificate
    is looked for when the handshake has ended, before the connection is handed out.
    """

    revocation_lists: Mapping[bytes, Sequence[x509.CertificateRevocationList]] = {}  # a mapping is not changed

    def refuse_revoked(self, der: bytes | None) -> None:
        if der is None:
            return
        certificate = x509.load_der_x509_certificate(der)
        for crl in self.revocation_lists.get(certificate.issuer.public_bytes(), ()):
            if crl.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None:
                raise ssl.SSLCertVerificationError(
                    f"certificate verify failed: {certificate.subject.rfc4514_string()} was revoked by its issuer"
                )


class _CheckedSocket(ssl.SSLSocket):
    def do_handshake(self, block: bool = False) -> None:
        super().do_handshake(block)
        if isinstance(self.context, _CheckedContext):
            self.context.refuse_revoked(self.getpeercert(binary_form=True))


class _CheckedObject(ssl.SSLObject):
    def do_handshake(self) -> None:
        super().do_handshake()
        if isinstance(self.context, _CheckedContext):
            self.context.refuse_revoked(self.getpeercert(binary_form=True))
