"""The PKCS #12 codec: whole round trips, hostile input, and OpenSSL and Java in both directions."""

from __future__ import annotations

import pickle
import subprocess
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from hypothesis import example, given, settings
from hypothesis import strategies as st

from components.keystore import (
    DamagedKeystoreError,
    Entry,
    KeyAlgorithm,
    KeystoreError,
    PrivateKeyEntry,
    SecretKeyEntry,
    SoftwarePrivateKey,
    TrustedCertificateEntry,
    UnsupportedOperationError,
    WrongPasswordError,
    as_signing_key,
    self_signed_certificate,
)
from components.keystore.filesystem import decode_pkcs12, encode_pkcs12, rc2
from metatype import Secret

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 5, 1, tzinfo=UTC)
PASSWORD = Secret("correct horse")
SOURCE = "test.p12"


def name(text: str) -> x509.Name:
    return x509.Name.from_rfc4514_string(f"CN={text}")


def issue(subject: str, key: SoftwarePrivateKey, issuer: str, issuer_key: SoftwarePrivateKey) -> x509.Certificate:
    return (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .public_key(key.public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=issuer == "root", path_length=None), critical=True)
        .sign(as_signing_key(issuer_key), hashes.SHA256())
    )


RSA = SoftwarePrivateKey.generate(KeyAlgorithm.RSA, 2048)
EC = SoftwarePrivateKey.generate(KeyAlgorithm.EC, 384)
ROOT_KEY = SoftwarePrivateKey.generate(KeyAlgorithm.EC, 256)
SUB_KEY = SoftwarePrivateKey.generate(KeyAlgorithm.EC, 256)
ROOT = issue("root", ROOT_KEY, "root", ROOT_KEY)
ROOT_AGAIN = issue("root", ROOT_KEY, "root", ROOT_KEY)
SUB = issue("sub", SUB_KEY, "root", ROOT_KEY)
LEAF = issue("gateway", RSA, "sub", SUB_KEY)
EC_LEAF = issue("gateway 2", EC, "root", ROOT_KEY)

ENTRIES: dict[str, Entry] = {
    "scep-cacerts_0": TrustedCertificateEntry(ROOT),
    "scep-cacerts_1": TrustedCertificateEntry(SUB),
    "scep-enrolled-key-pair": PrivateKeyEntry(RSA, (LEAF, SUB, ROOT)),
    "sce-request-key-pair": PrivateKeyEntry(RSA, (self_signed_certificate(RSA, name("gateway"), NOW),)),
    "second": PrivateKeyEntry(EC, (EC_LEAF, ROOT_AGAIN)),
    "shared": SecretKeyEntry("AES", bytes(range(32))),
}


def decode(data: bytes, password: Secret = PASSWORD) -> dict[str, Entry]:
    return decode_pkcs12(data, password, SOURCE)


def test_every_entry_comes_back_as_it_was() -> None:
    decoded = decode(encode_pkcs12(ENTRIES, PASSWORD))
    assert decoded == ENTRIES
    assert list(decoded) == sorted(ENTRIES)
    for alias, entry in ENTRIES.items():
        if isinstance(entry, PrivateKeyEntry):
            found = decoded[alias]
            assert isinstance(found, PrivateKeyEntry)
            assert found.key.export().private_numbers() == entry.key.export().private_numbers()


def test_nothing_is_a_keystore_too() -> None:
    assert decode(encode_pkcs12({}, PASSWORD)) == {}


def test_two_files_of_the_same_entries_have_nothing_secret_in_common() -> None:
    first, second = (encode_pkcs12(ENTRIES, PASSWORD) for _ in range(2))
    assert first != second
    assert PASSWORD.reveal().encode() not in first


ALIASES = st.text(min_size=1, max_size=40).filter(str.isprintable)
VALUES = st.sampled_from(list(ENTRIES.values()))


@given(st.dictionaries(ALIASES, VALUES, max_size=6), st.text(st.characters(codec="utf-8"), max_size=30))
@settings(deadline=None, max_examples=25)
def test_any_aliases_and_passwords_round_trip(entries: dict[str, Entry], password: str) -> None:
    assert decode(encode_pkcs12(entries, Secret(password)), Secret(password)) == entries


def test_a_wrong_password_is_told_from_damage() -> None:
    data = encode_pkcs12(ENTRIES, PASSWORD)
    with pytest.raises(WrongPasswordError, match=SOURCE):
        decode(data, Secret("wrong"))
    altered = bytearray(data)
    altered[len(data) // 2] ^= 1  # in what is encrypted: only the rest tells that the password is right
    with pytest.raises(DamagedKeystoreError, match="altered"):
        decode(bytes(altered))
    for damaged in (b"", b"hello", data[:-1], data[: len(data) // 2], data + b"\x00", b"\x30\x80" + data):
        with pytest.raises(DamagedKeystoreError, match=SOURCE):
            decode(damaged)


SMALL = encode_pkcs12({"root": TrustedCertificateEntry(ROOT)}, PASSWORD)


@given(st.integers(0, len(SMALL) - 1), st.integers(1, 255))
@settings(deadline=None, max_examples=60)
@example(SMALL.index(b"\x05\x00\x04\x20"), 1)  # the digest's empty parameters, which say nothing
def test_an_altered_file_never_says_anything_else(position: int, difference: int) -> None:
    altered = bytearray(SMALL)
    altered[position] ^= difference
    try:
        entries = decode(bytes(altered))
    except KeystoreError:
        return
    assert entries == decode(SMALL)


@given(st.binary(max_size=200))
def test_noise_is_refused(noise: bytes) -> None:
    with pytest.raises(DamagedKeystoreError):
        decode(noise)


def cryptography_file(encryption: pkcs12.PBES, mac: hashes.HashAlgorithm) -> bytes:
    protection = (
        PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(2000)
        .key_cert_algorithm(encryption)
        .hmac_hash(hashes.SHA1() if encryption is pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC else hashes.SHA512())
        .build(PASSWORD.reveal().encode())
    )
    return pkcs12.serialize_key_and_certificates(b"theirs", RSA.export(), LEAF, [ROOT, SUB], protection)


@pytest.mark.parametrize(
    ("encryption", "mac"),
    [
        (pkcs12.PBES.PBESv2SHA256AndAES256CBC, hashes.SHA512()),
        (pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC, hashes.SHA1()),
    ],
)
def test_files_of_another_library_open_with_their_chain_in_order(
    encryption: pkcs12.PBES, mac: hashes.HashAlgorithm
) -> None:
    expected = {"theirs": PrivateKeyEntry(RSA, (LEAF, SUB, ROOT))}
    assert decode(cryptography_file(encryption, mac)) == expected


def test_another_library_reads_a_file_with_one_key() -> None:
    data = encode_pkcs12({"mine": ENTRIES["scep-enrolled-key-pair"]}, PASSWORD)
    loaded = pkcs12.load_pkcs12(data, PASSWORD.reveal().encode())
    assert loaded.cert is not None
    assert (loaded.cert.certificate, loaded.cert.friendly_name) == (LEAF, b"mine")
    assert loaded.key is not None
    assert loaded.key.public_key() == RSA.public_key
    assert {each.certificate for each in loaded.additional_certs} == {SUB, ROOT}


def test_a_secret_key_shows_nothing_and_is_for_something() -> None:
    entry = SecretKeyEntry("1.3.6.1.4.1.99999.1", b"top secret octets")
    assert decode(encode_pkcs12({"s": entry}, PASSWORD)) == {"s": entry}
    assert repr(entry) == "SecretKeyEntry(1.3.6.1.4.1.99999.1, 136 bits)"
    assert entry not in (SecretKeyEntry("AES", entry.reveal()), SecretKeyEntry(entry.algorithm, b"another"))
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(entry)
    with pytest.raises(UnsupportedOperationError, match="HmacSHA256"):
        encode_pkcs12({"s": SecretKeyEntry("Enigma", b"x")}, PASSWORD)


@pytest.mark.parametrize(
    ("key", "plain", "cipher"),
    [
        ("88bca90e90875a7f0f79c384627bafb2", "0000000000000000", "2269552ab0f85ca6"),
        ("ffffffffffffffff", "ffffffffffffffff", "278b27e42e2f0d49"),
        ("3000000000000000", "1000000000000001", "30649edf9be7d2c2"),
    ],
)
def test_rc2_agrees_with_rfc_2268_section_5(key: str, plain: str, cipher: str) -> None:
    assert rc2.decrypt_cbc(bytes.fromhex(key), bytes(8), bytes.fromhex(cipher)).hex() == plain


def test_a_key_that_would_be_lost_is_refused() -> None:
    data = pkcs12.serialize_key_and_certificates(
        b"bare", RSA.export(), None, None, BestAvailableEncryption(PASSWORD.reveal().encode())
    )
    with pytest.raises(UnsupportedOperationError, match="without a certificate"):
        decode(data)


def run(*command: str | Path) -> str:
    """Run a foreign program with the password in its environment variable P."""
    environment = {"PATH": "/usr/bin:/bin", "P": PASSWORD.reveal()}
    result = subprocess.run(command, capture_output=True, check=False, env=environment)
    assert result.returncode == 0, result.stderr.decode() + result.stdout.decode()
    return (result.stdout + result.stderr).decode()


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    path = tmp_path / "ours.p12"
    path.write_bytes(encode_pkcs12(ENTRIES, PASSWORD))
    return path


@pytest.fixture
def pem(tmp_path: Path) -> Path:
    (tmp_path / "key.pem").write_bytes(RSA.export().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (tmp_path / "leaf.pem").write_bytes(LEAF.public_bytes(Encoding.PEM))
    (tmp_path / "cas.pem").write_bytes(ROOT.public_bytes(Encoding.PEM) + SUB.public_bytes(Encoding.PEM))
    return tmp_path


@pytest.mark.peer("openssl")
def test_openssl_reads_every_entry(ours: Path) -> None:
    shown = run("openssl", "pkcs12", "-info", "-in", ours, "-passin", "env:P", "-nodes")
    assert "MAC: sha256, Iteration 10000" in shown
    assert "PBES2, PBKDF2, AES-256-CBC, Iteration 10000, PRF hmacWithSHA256" in shown
    assert shown.count("BEGIN PRIVATE KEY") == 3
    for alias, entry in ENTRIES.items():
        assert f"friendlyName: {alias}" in shown or isinstance(entry, SecretKeyEntry)
    for certificate in (LEAF, SUB, ROOT, ROOT_AGAIN, EC_LEAF):
        assert certificate.public_bytes(Encoding.PEM).decode().strip() in shown


@pytest.mark.peer("openssl")
@pytest.mark.parametrize(
    "options",
    [
        (),
        ("-macalg", "sha512"),
        ("-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-3DES", "-macalg", "sha1"),
        ("-keypbe", "AES-128-CBC", "-certpbe", "NONE", "-iter", "1"),
        ("-keypbe", "NONE", "-certpbe", "DES-EDE3-CBC"),
        ("-legacy",),
        ("-legacy", "-keypbe", "PBE-SHA1-2DES", "-certpbe", "PBE-SHA1-RC2-128"),
    ],
    ids=lambda options: " ".join(options) or "default",
)
def test_files_of_openssl_open_here(pem: Path, options: tuple[str, ...]) -> None:
    theirs = pem / "theirs.p12"
    files = ("-inkey", pem / "key.pem", "-in", pem / "leaf.pem", "-certfile", pem / "cas.pem", "-out", theirs)
    run("openssl", "pkcs12", "-export", "-name", "theirs", *files, "-passout", "env:P", *options)
    expected = {"theirs": PrivateKeyEntry(RSA, (LEAF, SUB, ROOT))}
    assert decode(theirs.read_bytes()) == expected
    assert decode(encode_pkcs12(decode(theirs.read_bytes()), PASSWORD)) == expected


@pytest.mark.peer("openssl")
def test_certificates_of_openssl_without_a_key_are_trusted_certificates(pem: Path) -> None:
    theirs = pem / "theirs.p12"
    files = ("-nokeys", "-in", pem / "cas.pem", "-out", theirs)
    run("openssl", "pkcs12", "-export", *files, "-passout", "env:P")
    assert decode(theirs.read_bytes()) == {
        "1": TrustedCertificateEntry(ROOT),
        "2": TrustedCertificateEntry(SUB),
    }


@pytest.mark.peer("openssl")
def test_a_file_without_a_mac_is_refused(pem: Path) -> None:
    theirs = pem / "theirs.p12"
    files = ("-inkey", pem / "key.pem", "-in", pem / "leaf.pem", "-out", theirs)
    run("openssl", "pkcs12", "-export", "-nomac", *files, "-passout", "env:P")
    with pytest.raises(DamagedKeystoreError, match="no MAC"):
        decode(theirs.read_bytes())
