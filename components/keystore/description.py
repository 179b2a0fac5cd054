"""Certificates and entries as data, in one form for all answers to people and programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes

from components.keystore.entries import Entry, PrivateKeyEntry, SecretKeyEntry
from components.keystore.keys import describe_public_key

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography import x509


def describe_certificate(certificate: x509.Certificate) -> dict[str, str]:
    """A certificate as JSON.

    Returns:
        `subject` and `issuer` (RFC 4514), `serial` (lower-case hex), `not_before` and `not_after`
        (ISO 8601, UTC), `sha256` (fingerprint, 64 lower-case hex digits).
    """
    return {
        "subject": _name(certificate, "subject"),
        "issuer": _name(certificate, "issuer"),
        "serial": f"{certificate.serial_number:x}",
        "not_before": _time(certificate.not_valid_before_utc),
        "not_after": _time(certificate.not_valid_after_utc),
        "sha256": certificate.fingerprint(hashes.SHA256()).hex(),
    }


def describe_entry(alias: str, entry: Entry) -> dict[str, Any]:
    """An entry as JSON.

    Returns:
        `alias`; `kind`: `private-key`, `trusted-certificate` or `secret-key`; `certificate`: as
        `describe_certificate`, null for a secret key; for a private key also `key` (such as `RSA 2048`),
        `exportable` and `chain_length`, for a secret key `key` (such as `AES 256`).
    """
    if isinstance(entry, SecretKeyEntry):
        return {
            "alias": alias,
            "kind": "secret-key",
            "key": f"{entry.algorithm} {entry.size}",
            "certificate": None,
        }
    if isinstance(entry, PrivateKeyEntry):
        return {
            "alias": alias,
            "kind": "private-key",
            "key": describe_public_key(entry.key.public_key),
            "exportable": entry.key.exportable,
            "chain_length": len(entry.chain),
            "certificate": describe_certificate(entry.certificate),
        }
    return {
        "alias": alias,
        "kind": "trusted-certificate",
        "certificate": describe_certificate(entry.certificate),
    }


def _name(certificate: x509.Certificate, field: str) -> str:
    try:
        name: x509.Name = getattr(certificate, field)
        return name.rfc4514_string()
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:  # a certificate may be trusted and yet be odd
        return f"(unreadable: {error})"


def _time(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
