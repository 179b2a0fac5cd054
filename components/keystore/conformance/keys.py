"""Key pairs: generated, used as handles, and leaving only where that is said."""
# ruff: noqa: S101, D102 - these are tests: they assert, and each one's rule says what.

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from components.keystore.conformance.making import KeystoreUnderTest, check_signature, kind_of_key
from components.keystore.conformance.rules import rule
from components.keystore.conformance.samples import NOW, SUBJECT
from components.keystore.csr import create_csr
from components.keystore.entries import PrivateKeyEntry
from components.keystore.errors import UnsupportedOperationError
from components.keystore.keys import KeyAlgorithm

if TYPE_CHECKING:
    from components.keystore.contract import KeystoreService


class Keys(KeystoreUnderTest):
    """What a keystore does with private keys."""

    @rule(
        "generate_key_pair() stores the key with a self-signed certificate and returns that entry, or raises "
        "UnsupportedOperationError if capabilities.generates_keys is False"
    )
    def test_a_generated_pair_is_stored_with_a_certificate_of_its_own(self, keystore: KeystoreService) -> None:
        capabilities = keystore.capabilities
        if capabilities.read_only or not capabilities.generates_keys:
            with pytest.raises(UnsupportedOperationError):
                keystore.generate_key_pair("pair", KeyAlgorithm.RSA, 2048, subject=SUBJECT, now=NOW)
            return
        for algorithm, size in ((KeyAlgorithm.RSA, 2048), (KeyAlgorithm.EC, 256)):
            if algorithm not in capabilities.key_algorithms:
                continue
            entry = keystore.generate_key_pair("pair", algorithm, size, subject=SUBJECT, now=NOW)
            assert keystore.get("pair") == entry
            assert entry.key.public_key.key_size == size
            certificate = entry.certificate
            certificate.verify_directly_issued_by(certificate)
            assert certificate.subject == SUBJECT
            assert certificate.not_valid_before_utc <= NOW - timedelta(hours=1)
            assert certificate.not_valid_after_utc > NOW
            assert isinstance(certificate.signature_hash_algorithm, hashes.SHA256)
            check_signature(entry)

    @rule("each generated key is another one")
    def test_two_generated_pairs_differ(self, writable: KeystoreService, pair: PrivateKeyEntry) -> None:
        if not writable.capabilities.generates_keys:
            pytest.skip("the keystore generates no keys")
        another = writable.generate_key_pair("another", *kind_of_key(writable), subject=SUBJECT, now=NOW)
        assert another.key.public_key != pair.key.public_key

    @rule("a key that was read signs certification requests")
    def test_a_stored_key_signs_requests(self, writable: KeystoreService, pair: PrivateKeyEntry) -> None:
        stored = writable.get("pair")
        assert isinstance(stored, PrivateKeyEntry)
        request = x509.load_der_x509_csr(create_csr(stored.key, SUBJECT, challenge_password=None))
        assert request.is_signature_valid
        assert request.public_key() == pair.key.public_key

    @rule("an RSA key decrypts what was encrypted for it (PKCS #1 v1.5), as SCEP needs it")
    def test_a_stored_rsa_key_decrypts(self, pair: PrivateKeyEntry) -> None:
        public_key = pair.key.public_key
        if not isinstance(public_key, rsa.RSAPublicKey):
            pytest.skip("the keystore keeps no RSA keys")
        ciphertext = public_key.encrypt(b"content encryption key", padding.PKCS1v15())
        assert pair.key.decrypt(ciphertext, padding.PKCS1v15()) == b"content encryption key"

    @rule("a key is exportable as capabilities.exports_keys says, and export() does accordingly")
    def test_a_key_leaves_only_if_it_says_so(self, writable: KeystoreService, pair: PrivateKeyEntry) -> None:
        assert pair.key.exportable == writable.capabilities.exports_keys
        if pair.key.exportable:
            assert pair.key.export().public_key() == pair.key.public_key
        else:
            with pytest.raises(UnsupportedOperationError):
                pair.key.export()
