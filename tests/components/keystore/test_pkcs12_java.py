"""PKCS #12 files and Java's keytool, in both directions."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from components.keystore import (
    Entry,
    KeyAlgorithm,
    PrivateKeyEntry,
    SecretKeyEntry,
    SoftwarePrivateKey,
    TrustedCertificateEntry,
    as_signing_key,
    describe_public_key,
    self_signed_certificate,
)
from components.keystore.filesystem import decode_pkcs12, encode_pkcs12
from metatype import Secret

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.peer("keytool")

NOW = datetime(2026, 5, 1, tzinfo=UTC)
PASSWORD = Secret("correct horse")
KEYTOOL = ("keytool", "-J-XX:TieredStopAtLevel=1", "-J-Xshare:auto")
STORE = ("-storetype", "PKCS12", "-storepass:env", "P")


def name(text: str) -> x509.Name:
    return x509.Name.from_rfc4514_string(f"CN={text}")


RSA = SoftwarePrivateKey.generate(KeyAlgorithm.RSA, 2048)
EC = SoftwarePrivateKey.generate(KeyAlgorithm.EC, 384)
ROOT_KEY = SoftwarePrivateKey.generate(KeyAlgorithm.EC, 256)
ROOT = self_signed_certificate(ROOT_KEY, name("root"), NOW)
LEAF = (
    x509.CertificateBuilder()
    .subject_name(name("gateway"))
    .issuer_name(name("root"))
    .public_key(RSA.public_key)
    .serial_number(x509.random_serial_number())
    .not_valid_before(NOW)
    .not_valid_after(NOW + timedelta(days=30))
    .sign(as_signing_key(ROOT_KEY), hashes.SHA256())
)
ENTRIES: dict[str, Entry] = {
    "scep-cacerts_0": TrustedCertificateEntry(ROOT),
    "scep-enrolled-key-pair": PrivateKeyEntry(RSA, (LEAF, ROOT)),
    "second": PrivateKeyEntry(EC, (self_signed_certificate(EC, name("second"), NOW),)),
    "shared": SecretKeyEntry("AES", bytes(range(32))),
    "mac": SecretKeyEntry("HmacSHA256", bytes(range(64))),
}


def run(*command: str | Path) -> str:
    """Run a foreign program with the password in its environment variable P."""
    environment = {"PATH": "/usr/bin:/bin", "P": PASSWORD.reveal()}
    result = subprocess.run(command, capture_output=True, check=False, env=environment)
    assert result.returncode == 0, result.stderr.decode() + result.stdout.decode()
    return (result.stdout + result.stderr).decode()


def keytool(*arguments: str | Path) -> str:
    return run(*KEYTOOL, *arguments, *STORE)


def decode(path: Path) -> dict[str, Entry]:
    return decode_pkcs12(path.read_bytes(), PASSWORD, str(path))


def test_java_reads_every_entry_and_we_read_what_java_wrote(tmp_path: Path) -> None:
    ours = tmp_path / "ours.p12"
    ours.write_bytes(encode_pkcs12(ENTRIES, PASSWORD))
    listed = keytool("-list", "-v", "-keystore", ours)
    assert f"{len(ENTRIES)} entries" in listed
    assert listed.count("Entry type: PrivateKeyEntry") == 2
    assert listed.count("Entry type: trustedCertEntry") == 1
    assert listed.count("Entry type: SecretKeyEntry") == 2
    assert "Certificate chain length: 2" in listed
    assert LEAF.fingerprint(hashes.SHA256()).hex(":").upper() in listed

    keytool("-changealias", "-alias", "second", "-destalias", "renamed", "-keystore", ours)
    rewritten = decode(ours)
    assert rewritten == {("renamed" if alias == "second" else alias): entry for alias, entry in ENTRIES.items()}
    for alias in ("renamed", "scep-enrolled-key-pair"):
        entry = rewritten[alias]
        assert isinstance(entry, PrivateKeyEntry)
        assert entry.key == (EC if alias == "renamed" else RSA)


@pytest.mark.parametrize("legacy", [False, True], ids=["as today", "RC2 and triple DES, as it once was"])
def test_a_keystore_of_javas_opens_here_with_all_its_entries(tmp_path: Path, legacy: bool) -> None:
    theirs = tmp_path / "theirs.p12"
    (tmp_path / "root.pem").write_bytes(ROOT.public_bytes(Encoding.PEM))
    flags = ("-J-Dkeystore.pkcs12.legacy",) if legacy else ()
    pair = ("-genkeypair", "-validity", "30")
    keytool(*flags, *pair, "-alias", "rsa", "-keyalg", "RSA", "-dname", "CN=rsa", "-keystore", theirs)
    keytool(*flags, *pair, "-alias", "ec", "-keyalg", "EC", "-dname", "CN=ec", "-keystore", theirs)
    keytool(*flags, "-genseckey", "-alias", "aes", "-keyalg", "AES", "-keysize", "128", "-keystore", theirs)
    certificate = ("-alias", "trusted", "-file", tmp_path / "root.pem")
    keytool(*flags, "-importcert", "-noprompt", *certificate, "-keystore", theirs)
    entries = decode(theirs)
    assert list(entries) == ["aes", "ec", "rsa", "trusted"]
    assert entries["trusted"] == TrustedCertificateEntry(ROOT)
    aes, ec, rsa = entries["aes"], entries["ec"], entries["rsa"]
    assert isinstance(aes, SecretKeyEntry)
    assert (aes.algorithm, aes.size) == ("AES", 128)
    assert isinstance(ec, PrivateKeyEntry)
    assert isinstance(rsa, PrivateKeyEntry)
    assert describe_public_key(ec.key.public_key).startswith("EC ")
    assert rsa.certificate.subject == name("rsa")
    theirs.write_bytes(encode_pkcs12(entries, PASSWORD))
    assert decode(theirs) == entries
    assert "4 entries" in keytool("-list", "-keystore", theirs)
