"""Handles stand in for keys wherever cryptography asks for one, and show nothing of the material."""

from __future__ import annotations

import copy
import pickle
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NoReturn

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs7,
)

from components.keystore import (
    EntryError,
    KeyAlgorithm,
    PrivateKey,
    PrivateKeyEntry,
    PublicKey,
    SoftwarePrivateKey,
    UnsupportedOperationError,
    as_rsa_private_key,
    as_signing_key,
    describe_public_key,
    self_signed_certificate,
)

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.padding import AsymmetricPadding

NAME = x509.Name.from_rfc4514_string("CN=gateway,O=Example")
NOW = datetime(2026, 5, 1, tzinfo=UTC)


class TokenKey:
    """A key that cannot leave its token."""

    def __init__(self, key: SoftwarePrivateKey) -> None:
        self._key = key

    @property
    def public_key(self) -> PublicKey:
        return self._key.public_key

    @property
    def exportable(self) -> bool:
        return False

    def sign(self, data: bytes, algorithm: hashes.HashAlgorithm) -> bytes:
        return self._key.sign(data, algorithm)

    def decrypt(self, ciphertext: bytes, padding: AsymmetricPadding) -> bytes:
        return self._key.decrypt(ciphertext, padding)

    def export(self) -> NoReturn:
        raise UnsupportedOperationError("export the key", "it cannot leave the token")


RSA = TokenKey(SoftwarePrivateKey.generate(KeyAlgorithm.RSA, 2048))
EC = TokenKey(SoftwarePrivateKey.generate(KeyAlgorithm.EC, 256))


def test_handles_satisfy_the_protocol() -> None:
    assert isinstance(RSA, PrivateKey)
    assert isinstance(SoftwarePrivateKey.generate(KeyAlgorithm.EC, 384), PrivateKey)


@pytest.mark.parametrize("key", [RSA, EC], ids=["RSA", "EC"])
@pytest.mark.requirement("RFC 8894 2.3: self-signed certificate")
def test_a_handle_signs_a_certificate_of_its_own(key: TokenKey) -> None:
    certificate = self_signed_certificate(key, NAME, NOW)
    certificate.verify_directly_issued_by(certificate)
    assert (NOW - certificate.not_valid_before_utc).total_seconds() >= 3600
    assert certificate.not_valid_after_utc > NOW
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature
    assert usage.key_encipherment == (key is RSA)


def test_a_handle_signs_and_opens_pkcs7() -> None:
    certificate = self_signed_certificate(RSA, NAME, NOW)
    signed = (
        pkcs7.PKCS7SignatureBuilder()
        .set_data(b"data")
        .add_signer(certificate, as_rsa_private_key(RSA), hashes.SHA256())
        .sign(Encoding.DER, [])
    )
    assert pkcs7.load_der_pkcs7_certificates(signed) == [certificate]
    enveloped = (
        pkcs7.PKCS7EnvelopeBuilder()
        .set_data(b"data")
        .add_recipient(certificate)
        .encrypt(Encoding.DER, [pkcs7.PKCS7Options.Binary])
    )
    assert pkcs7.pkcs7_decrypt_der(enveloped, certificate, as_rsa_private_key(RSA), []) == b"data"


def test_a_handle_that_cannot_leave_gives_no_material() -> None:
    handle = as_rsa_private_key(RSA)
    assert handle.key_size == 2048
    assert copy.copy(handle) is handle
    assert copy.deepcopy(handle) is handle
    with pytest.raises(UnsupportedOperationError):
        handle.private_numbers()
    with pytest.raises(UnsupportedOperationError):
        handle.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(UnsupportedOperationError):
        handle.sign(b"data", padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())


def test_a_handle_on_an_exportable_key_gives_its_material() -> None:
    rsa_key = SoftwarePrivateKey.generate(KeyAlgorithm.RSA, 2048)
    exported = rsa_key.export()
    assert isinstance(exported, rsa.RSAPrivateKey)
    assert as_rsa_private_key(rsa_key).private_numbers() == exported.private_numbers()
    ec_key = SoftwarePrivateKey.generate(KeyAlgorithm.EC, 521)
    handle = as_signing_key(ec_key)
    assert isinstance(handle, ec.EllipticCurvePrivateKey)
    assert handle.key_size == 521
    assert handle.private_numbers() == ec_key.export().private_numbers()


def test_an_ec_key_is_no_rsa_key() -> None:
    with pytest.raises(UnsupportedOperationError, match="EC 256"):
        as_rsa_private_key(EC)
    with pytest.raises(UnsupportedOperationError):
        EC.decrypt(b"", padding.PKCS1v15())


@pytest.mark.parametrize(
    ("algorithm", "size"),
    [
        (KeyAlgorithm.RSA, 512),
        (KeyAlgorithm.RSA, 8193),
        (KeyAlgorithm.RSA, 100_000),
        (KeyAlgorithm.EC, 2048),
        (KeyAlgorithm.EC, 0),
    ],
)
def test_impossible_sizes_are_refused(algorithm: KeyAlgorithm, size: int) -> None:
    with pytest.raises(UnsupportedOperationError):
        SoftwarePrivateKey.generate(algorithm, size)


def test_a_software_key_shows_only_its_kind_and_is_not_pickled() -> None:
    key = SoftwarePrivateKey.generate(KeyAlgorithm.RSA, 2048)
    assert repr(key) == "SoftwarePrivateKey(RSA 2048)"
    assert repr(as_rsa_private_key(key)) == "_RSAHandle(SoftwarePrivateKey(RSA 2048))"
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(key)


def test_software_keys_are_equal_if_they_are_the_same_key() -> None:
    key = SoftwarePrivateKey.generate(KeyAlgorithm.EC, 256)
    again = SoftwarePrivateKey(key.export())
    assert (key, hash(key)) == (again, hash(again))
    assert key != SoftwarePrivateKey.generate(KeyAlgorithm.EC, 256)


def test_an_entry_holds_a_key_and_its_own_certificate() -> None:
    certificate = self_signed_certificate(RSA, NAME, NOW)
    assert PrivateKeyEntry(RSA, (certificate,)).certificate == certificate
    with pytest.raises(EntryError, match="another key"):
        PrivateKeyEntry(EC, (certificate,))
    with pytest.raises(EntryError, match="self-signed"):
        PrivateKeyEntry(RSA, ())


@pytest.mark.parametrize(
    ("curve", "told"),
    [
        (ec.SECP256R1(), "EC 256"),
        (ec.SECP256K1(), "EC 256 (secp256k1)"),
        (ec.BrainpoolP384R1(), "EC 384 (brainpoolP384r1)"),
    ],
)
def test_a_curve_that_is_not_nists_is_told_by_its_name(curve: ec.EllipticCurve, told: str) -> None:
    assert describe_public_key(ec.generate_private_key(curve).public_key()) == told
