"""A TLS server of this machine with a CA of its own."""

from __future__ import annotations

import ssl
from datetime import timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from components.keystore import as_signing_key
from framework.clock import SystemClock
from tests.components.scep.pki import Pki, key_usage, name

if TYPE_CHECKING:
    from pathlib import Path


def tls_server(pki: Pki, directory: Path) -> tuple[ssl.SSLContext, Path]:
    """What a server of `localhost` needs, and the bundle of CAs that it is verified against."""
    root, key = pki.root, pki.key("tls")
    now = SystemClock().now()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name("tls"))
        .issuer_name(name("tls root"))
        .public_key(key.public_key)
        .serial_number(7)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root.key.public_key), critical=False)
        .sign(as_signing_key(root.key), hashes.SHA256())
    )
    anchor = (
        x509.CertificateBuilder()
        .subject_name(name("tls root"))
        .issuer_name(name("tls root"))
        .public_key(root.key.public_key)
        .serial_number(8)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(key_usage(("key_cert_sign",)), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(root.key.public_key), critical=False)
        .sign(as_signing_key(root.key), hashes.SHA256())
    )
    own, bundle = directory / "own.pem", directory / "bundle.pem"
    encoded = key.export().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    own.write_bytes(certificate.public_bytes(Encoding.PEM) + encoded)
    bundle.write_bytes(anchor.public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own)
    return context, bundle
