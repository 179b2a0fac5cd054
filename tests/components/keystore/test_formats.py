"""Keys and certificates as others hand them over: what is read, and how exactly what is wrong is told."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs7,
)
from hypothesis import given
from hypothesis import strategies as st

from components.keystore import KeystoreError, PrivateKeyEntry, TrustedCertificateEntry, WrongPasswordError
from components.keystore.filesystem import encode_pkcs12
from components.keystore.formats import MaterialError, MaterialPasswordError, entry_of, read_material
from metatype import Secret

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime.now(UTC)
PASSWORD = Secret("s3cret")


def certificate(
    subject: str, key: ec.EllipticCurvePrivateKey, issuer: str, by: ec.EllipticCurvePrivateKey
) -> x509.Certificate:
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name.from_rfc4514_string(f"CN={subject}"))
        .issuer_name(x509.Name.from_rfc4514_string(f"CN={issuer}"))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=1))
        .sign(by, hashes.SHA256())
    )


ROOT_KEY, SUB_KEY, KEY = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
ROOT = certificate("root", ROOT_KEY, "root", ROOT_KEY)
SUB = certificate("sub", SUB_KEY, "root", ROOT_KEY)
OWN = certificate("own", KEY, "sub", SUB_KEY)


def pem(one: x509.Certificate) -> bytes:
    return one.public_bytes(Encoding.PEM)


def key_pem(password: Secret | None = None, form: PrivateFormat = PrivateFormat.PKCS8) -> bytes:
    protection = NoEncryption() if password is None else BestAvailableEncryption(password.reveal().encode())
    return KEY.private_bytes(Encoding.PEM, form, protection)


MESS = (
    b"\xef\xbb\xbf Bag Attributes\r\n    friendlyName: own\r\n\r\nsubject=CN = sub\r\n"
    + pem(SUB).replace(b"\n", b"\r\n")
    + b"\n\n  -- some words --\n"
    + b"\n".join(b"   " + line + b"  " for line in pem(ROOT).splitlines())
    + b"\n-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    + key_pem(form=PrivateFormat.TraditionalOpenSSL)
    + pem(OWN).replace(b"\n", b"\r")
)


@dataclass(frozen=True)
class Given:
    files: tuple[bytes, ...]
    what: str


@pytest.mark.parametrize(
    "given_files",
    [
        Given((MESS,), "mixed content, all line ends, a byte order mark, blanks, certificates in any order"),
        Given((key_pem(), pem(ROOT) + pem(SUB) + pem(OWN)), "key and chain in two files"),
        Given((pem(OWN), pem(ROOT), key_pem(), pem(SUB)), "each in its own file"),
        Given((key_pem(PASSWORD), pem(OWN) + pem(SUB) + pem(ROOT)), "an encrypted key"),
        Given(
            (
                KEY.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
                OWN.public_bytes(Encoding.DER),
                pkcs7.serialize_certificates([ROOT, SUB], Encoding.DER),
            ),
            "DER and PKCS #7",
        ),
        Given((b"0 = own\n" + key_pem(), b"0\n" + pem(OWN) + pem(SUB) + pem(ROOT)), "text that begins as DER does"),
        Given((key_pem(), (pem(OWN) + pem(SUB) + pem(ROOT)).replace(b"\n", b"")), "all in one line"),
        Given((key_pem(), (pem(OWN) + pem(SUB) + pem(ROOT)).decode().encode("utf-16")), "UTF-16"),
        Given(
            (
                KEY.private_bytes(Encoding.DER, PrivateFormat.PKCS8, BestAvailableEncryption(b"s3cret")),
                pem(OWN) + pem(SUB) + pem(ROOT),
            ),
            "an encrypted key in DER",
        ),
        Given((key_pem(), pkcs7.serialize_certificates([SUB, OWN, ROOT], Encoding.PEM)), "PKCS #7 in PEM"),
    ],
    ids=lambda one: one.what,
)
def test_a_key_is_read_with_its_chain_however_they_come(given_files: Given) -> None:
    material = read_material([(f"file {n}", data) for n, data in enumerate(given_files.files)], PASSWORD)
    entry = entry_of(material)
    assert isinstance(entry, PrivateKeyEntry)
    assert entry.chain == (OWN, SUB, ROOT)
    assert material.left_out == []


def test_a_certificate_alone_is_trusted() -> None:
    assert entry_of(read_material([("ca", pem(ROOT))], None)) == TrustedCertificateEntry(ROOT)


def test_what_is_not_kept_is_told() -> None:
    request = b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n"
    assert read_material([("file", b"\n" + request + pem(ROOT))], None).left_out == [
        "file, line 2: CERTIFICATE REQUEST"
    ]


@dataclass(frozen=True)
class Wrong:
    data: bytes
    words: str
    line: int | None


LINES = pem(ROOT).splitlines(keepends=True)


@pytest.mark.parametrize(
    "wrong",
    [
        Wrong(b"", "neither a key nor a certificate", None),
        Wrong(b"hello", "neither a key nor a certificate", None),
        Wrong(b"\n\n" + b"".join(LINES[:-1]), "has no -----END CERTIFICATE-----", 3),
        Wrong(b"".join(LINES[:-1]) + pem(SUB), "has no -----END CERTIFICATE-----", 1),
        Wrong(LINES[0] + LINES[1] + b"!!!\n" + b"".join(LINES[2:]), "no base64", 3),
        Wrong(LINES[0] + LINES[1] + LINES[-1], "cannot be read", 1),
        Wrong(b"x\n" + key_pem().replace(b"MI", b"MA", 1), "no private key, or a damaged one", 2),
        Wrong(key_pem(PASSWORD), "--password-file", 1),
        Wrong(ed25519.Ed25519PrivateKey.generate().private_bytes_raw(), "neither", None),
        Wrong(b"\x30\x03\x02\x01\x01", "--password-file", None),
        Wrong(
            KEY.private_bytes(Encoding.DER, PrivateFormat.PKCS8, BestAvailableEncryption(b"s3cret")),
            "the private key is encrypted",
            None,
        ),
        Wrong(b"\xfe\xed\xfe\xed\x00\x00\x00\x02", "keytool -importkeystore -srckeystore input.pem", None),
    ],
    ids=lambda one: one.words,
)
def test_what_is_wrong_is_told_with_its_place(wrong: Wrong) -> None:
    with pytest.raises(MaterialError) as raised:
        read_material([("input.pem", wrong.data)], None)
    assert wrong.words in str(raised.value)
    assert raised.value.line == wrong.line
    assert raised.value.source == "input.pem"


def test_a_key_of_a_kind_that_is_not_kept_is_told() -> None:
    key = ed25519.Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(MaterialError, match="RSA and EC keys are kept"):
        read_material([("key", key)], None)


def test_a_wrong_password_is_an_error_of_its_own_and_shows_neither() -> None:
    with pytest.raises(WrongPasswordError) as raised:
        read_material([("key", key_pem(PASSWORD))], Secret("guess-canary"))
    assert "canary" not in str(raised.value)
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize(
    "data",
    [
        key_pem(PASSWORD),
        KEY.private_bytes(Encoding.DER, PrivateFormat.PKCS8, BestAvailableEncryption(b"s3cret")),
        encode_pkcs12({"a": TrustedCertificateEntry(ROOT)}, PASSWORD),
    ],
    ids=["PEM", "DER", "PKCS #12"],
)
def test_a_wrong_password_of_a_file_is_told_as_such(data: bytes) -> None:
    with pytest.raises(MaterialPasswordError, match=r"^file: the password is wrong.*--password-file") as raised:
        read_material([("file", data)], Secret("another"))
    assert raised.value.keystore == "file"


def test_what_is_no_pkcs12_that_can_be_read_is_not_called_a_damaged_keystore() -> None:
    with pytest.raises(MaterialError, match="no PKCS #12 file that can be read"):
        read_material([("file", b"\x30\x03\x02\x01\x01")], PASSWORD)


@pytest.mark.peer("openssl")
def test_a_certificate_that_openssl_has_marked_as_trusted_is_read(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(pem(ROOT))
    command = "openssl x509 -in ca.pem -trustout -addtrust serverAuth -out trusted.pem"
    subprocess.run(command.split(), cwd=tmp_path, check=True)
    material = read_material([("trusted.pem", (tmp_path / "trusted.pem").read_bytes())], None)
    assert entry_of(material) == TrustedCertificateEntry(ROOT)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ((pem(ROOT) + pem(SUB),), "2 certificates and no key"),
        ((key_pem(), pem(ROOT)), "none of the 1 certificates"),
        ((key_pem(), key_pem(), pem(OWN)), "2 private keys"),
    ],
)
def test_what_makes_no_entry_is_told(files: tuple[bytes, ...], words: str) -> None:
    with pytest.raises(KeystoreError, match=words):
        entry_of(read_material([("file", data) for data in files], None))


@given(st.binary(max_size=400) | st.text(max_size=400).map(str.encode))
def test_whatever_comes_is_read_or_refused_by_an_own_error(data: bytes) -> None:
    try:
        read_material([("file", data)], PASSWORD)
    except KeystoreError:
        return


@given(st.integers(0, len(MESS) - 1), st.integers(0, 255))
def test_a_damaged_file_is_read_or_refused_by_an_own_error(place: int, octet: int) -> None:
    damaged = MESS[:place] + bytes([octet]) + MESS[place + 1 :]
    try:
        read_material([("file", damaged)], PASSWORD)
    except KeystoreError:
        return


@pytest.mark.peer("openssl")
def test_a_pkcs12_file_of_openssl_is_read_with_its_chain(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_bytes(key_pem())
    (tmp_path / "own.pem").write_bytes(pem(OWN))
    (tmp_path / "chain.pem").write_bytes(pem(ROOT) + pem(SUB))
    command = "openssl pkcs12 -export -inkey key.pem -in own.pem -certfile chain.pem -name mine -out all.p12 -passout"
    subprocess.run([*command.split(), f"pass:{PASSWORD.reveal()}"], cwd=tmp_path, check=True)
    material = read_material([("all.p12", (tmp_path / "all.p12").read_bytes())], PASSWORD)
    entry = entry_of(material)
    assert list(material.entries) == ["mine"]
    assert isinstance(entry, PrivateKeyEntry)
    assert entry.chain == (OWN, SUB, ROOT)
