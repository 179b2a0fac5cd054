"""The object identifiers of PKCS #12 (RFC 7292), PKCS #5 (RFC 8018) and what they build on."""

from __future__ import annotations

from typing import Final

DATA: Final = "1.2.840.113549.1.7.1"
SIGNED_DATA: Final = "1.2.840.113549.1.7.2"
ENCRYPTED_DATA: Final = "1.2.840.113549.1.7.6"

KEY_BAG: Final = "1.2.840.113549.1.12.10.1.1"
SHROUDED_KEY_BAG: Final = "1.2.840.113549.1.12.10.1.2"
CERT_BAG: Final = "1.2.840.113549.1.12.10.1.3"
SECRET_BAG: Final = "1.2.840.113549.1.12.10.1.5"  # noqa: S105  # an object identifier
X509_CERTIFICATE: Final = "1.2.840.113549.1.9.22.1"

FRIENDLY_NAME: Final = "1.2.840.113549.1.9.20"
LOCAL_KEY_ID: Final = "1.2.840.113549.1.9.21"
TRUSTED_KEY_USAGE: Final = "2.16.840.1.113894.746875.1.1"
"""Java's mark of a certificate that is trusted; its value is a set of extended key usages."""
ANY_EXTENDED_KEY_USAGE: Final = "2.5.29.37.0"
CHAIN: Final = "2.25.51426736696999487435999750107371294949"
"""Ours, on a key: the SHA-256 digests of its chain, own certificate first. Names alone do not tell which of
two CA certificates of the same name and key a chain was stored with."""

PBES2: Final = "1.2.840.113549.1.5.13"
PBKDF2: Final = "1.2.840.113549.1.5.12"
PBMAC1: Final = "1.2.840.113549.1.5.14"
PBE_SHA1_RC2_128: Final = "1.2.840.113549.1.12.1.5"
PBE_SHA1_RC2_40: Final = "1.2.840.113549.1.12.1.6"
PBE_SHA1_KEY_SIZES: Final = {
    "1.2.840.113549.1.12.1.3": 24,  # triple DES
    "1.2.840.113549.1.12.1.4": 16,  # triple DES of two keys
    PBE_SHA1_RC2_128: 16,
    PBE_SHA1_RC2_40: 5,
}
HMAC_SHA1: Final = "1.2.840.113549.2.7"
HMAC_SHA256: Final = "1.2.840.113549.2.9"
AES_256_CBC: Final = "2.16.840.1.101.3.4.1.42"
DES_EDE3_CBC: Final = "1.2.840.113549.3.7"
SHA256: Final = "2.16.840.1.101.3.4.2.1"

DIGESTS: Final = {
    "1.3.14.3.2.26": "sha1",
    "2.16.840.1.101.3.4.2.4": "sha224",
    SHA256: "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
}
OTHER_MACS: Final = {
    PBMAC1: "PBMAC1",
    "1.2.840.113549.2.5": "MD5",
    "1.3.36.3.2.1": "RIPEMD-160",
    "1.2.156.10197.1.401": "SM3",
    "1.2.643.7.1.1.2.2": "Streebog-256",
    "1.2.643.7.1.1.2.3": "Streebog-512",
}
"""What else files are made with, by other programs; whatever is none of these either is damage."""

HMACS: Final = {
    HMAC_SHA1: "sha1",
    "1.2.840.113549.2.8": "sha224",
    HMAC_SHA256: "sha256",
    "1.2.840.113549.2.10": "sha384",
    "1.2.840.113549.2.11": "sha512",
}
AES_CBC_KEY_SIZES: Final = {
    "2.16.840.1.101.3.4.1.2": 16,
    "2.16.840.1.101.3.4.1.22": 24,
    AES_256_CBC: 32,
}

SECRET_KEY_ALGORITHMS: Final = {
    "2.16.840.1.101.3.4.1": "AES",
    "1.3.14.3.2.7": "DES",
    DES_EDE3_CBC: "DESede",
    HMAC_SHA1: "HmacSHA1",
    "1.2.840.113549.2.8": "HmacSHA224",
    HMAC_SHA256: "HmacSHA256",
    "1.2.840.113549.2.10": "HmacSHA384",
    "1.2.840.113549.2.11": "HmacSHA512",
}
"""Java's names of what secret keys are for."""

MARKS: Final = (bytes.fromhex("2a864886f70d01"), bytes.fromhex("2a8648ce3d02"))
"""How identifiers of PKCS and of elliptic curves begin in DER: what was decrypted aright has one of them."""
