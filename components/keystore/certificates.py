"""Certificates that a gateway makes itself: the self-signed one that a new key is stored with."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa

from components.keystore.keys import PrivateKey, as_signing_key

BACKDATING: Final = timedelta(hours=25)
"""How long before now a self-signed certificate begins: servers' clocks differ, by time zones too."""

VALIDITY: Final = timedelta(days=3650)
"""How long a self-signed certificate is valid; it only carries the key, nobody plans by it."""


def self_signed_certificate(key: PrivateKey, subject: x509.Name, now: datetime) -> x509.Certificate:
    """Make a certificate for `key`, signed with itself (SHA-256), as RFC 8894 section 2.3 asks for.

    Key usage is digitalSignature, for an RSA key keyEncipherment also, since the reply is encrypted for it.

    Args:
        key: The key, which may be one that cannot leave its keystore.
        subject: The subject and issuer.
        now: The present (aware). The certificate is valid from `BACKDATING` before it to `VALIDITY` after it.
    """
    encipherment = isinstance(key.public_key, rsa.RSAPublicKey)
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=encipherment,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATING)
        .not_valid_after(now + VALIDITY)
        .add_extension(usage, critical=True)
        .sign(as_signing_key(key), hashes.SHA256())
    )
