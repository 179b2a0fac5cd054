"""The conformance kit: a pytest class that says whether a keystore keeps the contract.

Subclass it in a test module, and say how a fresh, empty keystore is made:

    class TestVaultKeystore(KeystoreConformance):
        def make_keystore(self) -> KeystoreService:
            return VaultKeystore(self.directory)

        def reopen(self, keystore: KeystoreService) -> KeystoreService:
            return VaultKeystore(self.directory)

What a keystore does not claim in its capabilities is not asked of it.
"""
# ruff: noqa: S101, D102 - these are tests: they assert, and each one's name says what.

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Final, NoReturn

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from components.keystore.certificates import self_signed_certificate
from components.keystore.csr import create_csr
from components.keystore.entries import PrivateKeyEntry, TrustedCertificateEntry
from components.keystore.errors import AliasError, KeystoreError, UnsupportedOperationError
from components.keystore.keys import KeyAlgorithm, PublicKey, SoftwarePrivateKey, as_signing_key

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from components.keystore.contract import KeystoreService

NOW: Final = datetime(2026, 5, 1, tzinfo=UTC)
SUBJECT: Final = x509.Name.from_rfc4514_string("CN=conformance,O=Example")
_PATIENCE_S: Final = 60.0


class KeystoreConformance:
    """The contract of `KeystoreService`, as tests.

    Attributes:
        directory: A fresh directory for each test.
    """

    directory: Path

    def make_keystore(self) -> KeystoreService:
        """Make a fresh, empty keystore; a read-only one may hold entries."""
        raise NotImplementedError("override make_keystore in your subclass")

    def reopen(self, keystore: KeystoreService) -> KeystoreService | None:
        """Open what `keystore` has stored a second time, as after a restart; None if nothing outlives it."""
        del keystore
        return None

    def close(self, keystore: KeystoreService) -> None:
        """Let go of a keystore after a test; override it if yours holds something open."""

    @pytest.fixture
    def keystore(self, tmp_path: Path) -> Iterator[KeystoreService]:
        self.directory = tmp_path
        keystore = self.make_keystore()
        yield keystore
        self.close(keystore)

    @pytest.fixture
    def writable(self, keystore: KeystoreService) -> KeystoreService:
        if keystore.capabilities.read_only:
            pytest.skip("the keystore is read-only")
        return keystore

    @pytest.fixture
    def pair(self, writable: KeystoreService) -> PrivateKeyEntry:
        """A key pair in the keystore under the alias `pair`, made there or brought there."""
        if writable.capabilities.generates_keys:
            return writable.generate_key_pair("pair", *_kind(writable), subject=SUBJECT, now=NOW)
        if not writable.capabilities.stores_foreign_keys:
            pytest.skip("the keystore neither generates keys nor takes foreign ones")
        writable.set("pair", foreign_pair())
        stored = writable.get("pair")
        assert isinstance(stored, PrivateKeyEntry)
        return stored

    # Reading

    def test_an_unknown_alias_is_none(self, keystore: KeystoreService) -> None:
        assert keystore.get("no such alias") is None
        assert "no such alias" not in keystore.aliases()

    def test_aliases_are_sorted_and_agree_with_the_entries(self, keystore: KeystoreService) -> None:
        if not keystore.capabilities.read_only:
            for alias in ("b", "a", "scep-cacerts_0", "Ä umlaut"):
                keystore.set(alias, trusted())
        aliases = keystore.aliases()
        assert isinstance(aliases, tuple)
        assert list(aliases) == sorted(aliases)
        assert tuple(keystore.entries()) == aliases
        for alias, entry in keystore.entries().items():
            assert keystore.get(alias) == entry

    def test_what_was_returned_is_a_snapshot(self, writable: KeystoreService) -> None:
        writable.set("a", trusted())
        entries, aliases = writable.entries(), writable.aliases()
        writable.delete("a")
        assert (tuple(entries), aliases) == (("a",), ("a",))
        assert entries["a"] == trusted()

    # Storing and deleting

    def test_a_trusted_certificate_comes_back(self, writable: KeystoreService) -> None:
        writable.set("ca", trusted())
        assert writable.get("ca") == trusted()

    def test_an_alias_is_case_sensitive(self, writable: KeystoreService) -> None:
        writable.set("ca", trusted())
        assert writable.get("CA") is None

    def test_setting_replaces(self, writable: KeystoreService, pair: PrivateKeyEntry) -> None:
        assert writable.get("pair") == pair
        writable.set("pair", trusted())
        assert writable.get("pair") == trusted()
        assert writable.aliases() == ("pair",)

    def test_deleting_removes_and_deleting_nothing_is_no_error(self, writable: KeystoreService) -> None:
        writable.set("ca", trusted())
        writable.delete("ca")
        writable.delete("ca")
        writable.delete("never there")
        assert writable.aliases() == ()

    @pytest.mark.parametrize("alias", ["", "x" * 256, "tab\t", "escape\x1b[31m", "nul\x00"])
    def test_what_is_no_alias_is_refused(self, writable: KeystoreService, alias: str) -> None:
        with pytest.raises(AliasError):
            writable.set(alias, trusted())
        assert writable.aliases() == ()

    def test_a_foreign_key_comes_back_with_its_chain(self, writable: KeystoreService) -> None:
        entry = foreign_pair()
        if not writable.capabilities.stores_foreign_keys:
            with pytest.raises(UnsupportedOperationError):
                writable.set("foreign", entry)
            assert writable.get("foreign") is None
            return
        writable.set("foreign", entry)
        stored = writable.get("foreign")
        assert isinstance(stored, PrivateKeyEntry)
        assert stored.chain == entry.chain
        assert stored.key.public_key == entry.key.public_key

    def test_an_own_key_can_be_stored_again_with_another_chain(
        self, writable: KeystoreService, pair: PrivateKeyEntry
    ) -> None:
        chain = (issued_to(pair.key.public_key), trusted().certificate)
        with writable.edit() as edit:
            edit.set("enrolled", PrivateKeyEntry(pair.key, chain))
            edit.delete("pair")
        stored = writable.get("enrolled")
        assert isinstance(stored, PrivateKeyEntry)
        assert stored.chain == chain
        assert writable.aliases() == ("enrolled",)
        _check_signature(stored)

    # Edits

    def test_an_edit_is_committed_at_its_end(self, writable: KeystoreService) -> None:
        writable.set("old", trusted())
        with writable.edit() as edit:
            edit.delete("old")
            edit.set("new", trusted())
            edit.set("dropped", trusted())
            edit.delete("dropped")
            assert writable.aliases() == ("old",)
        assert writable.aliases() == ("new",)

    def test_an_edit_that_fails_changes_nothing(self, writable: KeystoreService) -> None:
        writable.set("old", trusted())
        edit = writable.edit()
        edit.delete("old")
        edit.set("new", trusted())
        with pytest.raises(LookupError), edit:
            raise LookupError
        assert writable.aliases() == ("old",)

    def test_a_commit_that_is_refused_changes_nothing(self, writable: KeystoreService) -> None:
        writable.set("old", trusted())
        certificate = self_signed_certificate(foreign_key(), SUBJECT, NOW)
        unmovable = PrivateKeyEntry(_UnmovableKey(foreign_key()), (certificate,))
        try:
            with writable.edit() as edit:
                edit.set("a", trusted())
                edit.set("b", unmovable)
                edit.delete("old")
        except UnsupportedOperationError:
            assert writable.aliases() == ("old",)
        else:
            assert writable.aliases() == ("a", "b")

    def test_an_edit_is_used_once(self, writable: KeystoreService) -> None:
        with writable.edit() as edit:
            edit.set("a", trusted())
        with pytest.raises(KeystoreError):
            edit.set("b", trusted())
        assert writable.aliases() == ("a",)

    # Keys

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
            _check_signature(entry)

    def test_two_generated_pairs_differ(self, writable: KeystoreService, pair: PrivateKeyEntry) -> None:
        if not writable.capabilities.generates_keys:
            pytest.skip("the keystore generates no keys")
        another = writable.generate_key_pair("another", *_kind(writable), subject=SUBJECT, now=NOW)
        assert another.key.public_key != pair.key.public_key

    def test_a_stored_key_signs_requests(self, writable: KeystoreService, pair: PrivateKeyEntry) -> None:
        stored = writable.get("pair")
        assert isinstance(stored, PrivateKeyEntry)
        request = x509.load_der_x509_csr(create_csr(stored.key, SUBJECT, challenge_password=None))
        assert request.is_signature_valid
        assert request.public_key() == pair.key.public_key

    def test_a_stored_rsa_key_decrypts(self, pair: PrivateKeyEntry) -> None:
        public_key = pair.key.public_key
        if not isinstance(public_key, rsa.RSAPublicKey):
            pytest.skip("the keystore keeps no RSA keys")
        ciphertext = public_key.encrypt(b"content encryption key", padding.PKCS1v15())
        assert pair.key.decrypt(ciphertext, padding.PKCS1v15()) == b"content encryption key"

    def test_a_key_leaves_only_if_it_says_so(self, writable: KeystoreService, pair: PrivateKeyEntry) -> None:
        assert pair.key.exportable == writable.capabilities.exports_keys
        if pair.key.exportable:
            assert pair.key.export().public_key() == pair.key.public_key
        else:
            with pytest.raises(UnsupportedOperationError):
                pair.key.export()

    def test_nothing_shows_key_material(self, writable: KeystoreService, pair: PrivateKeyEntry) -> None:
        shown = "".join(f"{each!r}{each}" for each in (writable, pair, pair.key, writable.entries()))
        assert "PRIVATE KEY" not in shown
        if not pair.key.exportable:
            return
        key = pair.key.export()
        numbers = key.private_numbers()
        secret = numbers.d if isinstance(numbers, rsa.RSAPrivateNumbers) else numbers.private_value
        encoded = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        for form in (str(secret), f"{secret:x}", f"{secret:X}", encoded.hex(), repr(encoded)):
            assert form not in shown

    # Threads, restarts, rights

    def test_threads_do_not_lose_each_others_changes(self, writable: KeystoreService) -> None:
        barrier = threading.Barrier(4, timeout=_PATIENCE_S)

        def work(worker: int) -> None:
            barrier.wait()
            for number in range(3):
                with writable.edit() as edit:
                    edit.set(f"{worker}-{number}", trusted())
                    if number:
                        edit.delete(f"{worker}-{number - 1}")
                assert writable.get(f"{worker}-{number}") == trusted()

        with ThreadPoolExecutor(4) as pool:
            for done in [pool.submit(work, worker) for worker in range(4)]:
                done.result(_PATIENCE_S)
        assert writable.aliases() == ("0-2", "1-2", "2-2", "3-2")

    def test_what_was_committed_outlives_the_keystore(self, writable: KeystoreService, pair: PrivateKeyEntry) -> None:
        writable.set("ca", trusted())
        aliases = writable.aliases()
        reopened = self.reopen(writable)
        if reopened is None:
            pytest.skip("nothing outlives this keystore (reopen is not overridden)")
        assert reopened.aliases() == aliases
        assert reopened.get("ca") == trusted()
        stored = reopened.get("pair")
        assert isinstance(stored, PrivateKeyEntry)
        assert stored.chain == pair.chain
        _check_signature(stored)
        if reopened is not writable:
            self.close(reopened)

    def test_a_read_only_keystore_refuses_changes(self, keystore: KeystoreService) -> None:
        if not keystore.capabilities.read_only:
            return
        before = keystore.aliases()
        with pytest.raises(UnsupportedOperationError):
            keystore.set("a", trusted())
        with pytest.raises(UnsupportedOperationError):
            keystore.delete("a")
        with pytest.raises(UnsupportedOperationError):
            keystore.commit({"a": trusted()})
        assert keystore.aliases() == before


@cache
def foreign_key() -> SoftwarePrivateKey:
    """A key that was made outside of every keystore."""
    return SoftwarePrivateKey.generate(KeyAlgorithm.RSA, 2048)


@cache
def foreign_pair() -> PrivateKeyEntry:
    """That key with a chain of two certificates."""
    return PrivateKeyEntry(foreign_key(), (issued_to(foreign_key().public_key), trusted().certificate))


@cache
def trusted() -> TrustedCertificateEntry:
    """A CA's certificate."""
    return TrustedCertificateEntry(self_signed_certificate(_ca_key(), _CA, NOW))


def issued_to(public_key: PublicKey) -> x509.Certificate:
    """A certificate for a key, issued by that CA."""
    return (
        x509.CertificateBuilder()
        .subject_name(SUBJECT)
        .issuer_name(_CA)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=30))
        .sign(as_signing_key(_ca_key()), hashes.SHA256())
    )


_CA: Final = x509.Name.from_rfc4514_string("CN=conformance CA")


@cache
def _ca_key() -> SoftwarePrivateKey:
    return SoftwarePrivateKey.generate(KeyAlgorithm.EC, 256)


def _kind(keystore: KeystoreService) -> tuple[KeyAlgorithm, int]:
    """A key that SCEP can use, if the keystore has such."""
    if KeyAlgorithm.RSA in keystore.capabilities.key_algorithms:
        return KeyAlgorithm.RSA, 2048
    return KeyAlgorithm.EC, 256


def _check_signature(entry: PrivateKeyEntry) -> None:
    signature = entry.key.sign(b"data", hashes.SHA256())
    public_key = entry.key.public_key
    if isinstance(public_key, rsa.RSAPublicKey):
        public_key.verify(signature, b"data", padding.PKCS1v15(), hashes.SHA256())
    else:
        public_key.verify(signature, b"data", ec.ECDSA(hashes.SHA256()))


class _UnmovableKey:
    """A key of some other device, which cannot leave it."""

    exportable = False

    def __init__(self, key: SoftwarePrivateKey) -> None:
        self._key = key

    @property
    def public_key(self) -> PublicKey:
        return self._key.public_key

    def sign(self, data: bytes, algorithm: hashes.HashAlgorithm) -> bytes:
        return self._key.sign(data, algorithm)

    def decrypt(self, ciphertext: bytes, padding: padding.AsymmetricPadding) -> bytes:
        return self._key.decrypt(ciphertext, padding)

    def export(self) -> NoReturn:
        raise UnsupportedOperationError("export the key", "it cannot leave its device")
