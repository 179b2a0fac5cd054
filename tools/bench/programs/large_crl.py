"""Writes a large CRL and the certificate of its CA: what that costs in memory is not to be measured with the rest."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from components.asn1 import der
from components.keystore import KeyAlgorithm, SoftwarePrivateKey, as_signing_key

NOW: Final = datetime(2026, 1, 2, tzinfo=UTC)
_FIRST: Final = 1 << 80
"""Serial numbers as CAs draw them are long."""


def main(file: Path, certificate_file: Path, entries: int) -> None:
    """Write both, in DER and in PEM."""
    key = SoftwarePrivateKey.generate(KeyAlgorithm.EC, 256)
    file.write_bytes(_crl(key, entries))
    certificate_file.write_bytes(_certificate(key, x509.random_serial_number()).public_bytes(Encoding.PEM))


def _certificate(key: SoftwarePrivateKey, number: int) -> x509.Certificate:
    name = x509.Name.from_rfc4514_string("CN=bench")
    builder = x509.CertificateBuilder(name, name, key.public_key, number)
    builder = builder.not_valid_before(NOW - timedelta(days=1)).not_valid_after(NOW + timedelta(days=99))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return builder.sign(as_signing_key(key), hashes.SHA256())


def _crl(key: SoftwarePrivateKey, entries: int) -> bytes:
    """A CRL, put together here: cryptography's builder takes minutes for so many."""
    name = x509.Name.from_rfc4514_string("CN=bench")
    builder = x509.CertificateRevocationListBuilder(name, NOW - timedelta(hours=1), NOW + timedelta(days=7))
    builder = builder.add_revoked_certificate(x509.RevokedCertificateBuilder(1, NOW).build())
    builder = builder.add_extension(x509.CRLNumber(1), critical=False)
    small = builder.sign(as_signing_key(key), hashes.SHA256()).public_bytes(Encoding.DER)
    parts = [part.encoded for part in der.decode(small).children().next().children()]
    reason = bytes.fromhex("300c300a0603551d1504030a0101")
    date = b"\x17\x0d260101000000Z"
    listed = b"".join(der.sequence(der.integer(_FIRST + one), date, reason) for one in range(entries))
    version, algorithm, issuer, made, due, _, extensions = parts
    signed = der.sequence(version, algorithm, issuer, made, due, der.sequence(listed), extensions)
    signature = der.encode(0x03, b"\x00", key.sign(signed, hashes.SHA256()))
    return der.sequence(signed, algorithm, signature)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
