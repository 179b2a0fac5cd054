"""OpenSSL's `cms` verifies and opens the messages of both sides: client and CA share code, so a third must judge."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from components.keystore import KeyAlgorithm, SoftwarePrivateKey, create_csr, self_signed_certificate
from components.scep.message import (
    Cipher,
    Digest,
    MessageAttributes,
    MessageType,
    encode_pki_message,
    envelope,
)
from components.scep.transaction import Capabilities, SecurityProfile, build_request
from components.scep.trust import CertificatePin, verify_ca_certificates
from framework.clock import SystemClock
from metatype import Secret
from tests.interop.development_ca import CHALLENGE, run, write_key
from tools.scep_ca import IssuancePolicy, ScepCa

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.peer("openssl")

SUBJECT = x509.Name.from_rfc4514_string("CN=device-7,O=Acme")
NOW = SystemClock().now()
NONCE = bytes.fromhex("00112233445566778899aabbccddeeff")

SCEP_ATTRIBUTES = "2.16.840.1.113733.1.9."


@pytest.fixture(scope="module")
def key() -> SoftwarePrivateKey:
    return SoftwarePrivateKey.generate(KeyAlgorithm.RSA, 2048)


@pytest.fixture(scope="module")
def certificate(key: SoftwarePrivateKey) -> x509.Certificate:
    return self_signed_certificate(key, SUBJECT, NOW)


@pytest.fixture
def ca(tmp_path: Path, key: SoftwarePrivateKey, certificate: x509.Certificate) -> Iterator[ScepCa]:
    """A CA in `ca/`, beside the client's `key.pem` and `client.pem`."""
    write_key(tmp_path / "key.pem", key)
    (tmp_path / "client.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    with ScepCa.open(tmp_path / "ca", IssuancePolicy(Secret(CHALLENGE))) as ca:
        yield ca


def csr(key: SoftwarePrivateKey, challenge: str = CHALLENGE) -> bytes:
    return create_csr(key, SUBJECT, challenge_password=Secret(challenge))


def request(
    ca: ScepCa,
    key: SoftwarePrivateKey,
    certificate: x509.Certificate,
    *,
    challenge: str = CHALLENGE,
    cipher: Cipher = Cipher.AES128,
    digest: Digest = Digest.SHA256,
) -> bytes:
    return encode_pki_message(
        MessageAttributes(MessageType.PKCS_REQ, "0123456789abcdef", sender_nonce=NONCE),
        envelope(csr(key, challenge), ca.certificate, cipher),
        key=key,
        certificate=certificate,
        digest=digest,
    )


def openssl(directory: Path, command: str) -> bytes:
    """What OpenSSL writes, after it succeeded."""
    return run("openssl", *command.split(), directory=directory).stdout


def verified(directory: Path, message: bytes, options: str) -> bytes:
    """The content of a message that OpenSSL found rightly signed."""
    (directory / "message.der").write_bytes(message)
    return openssl(directory, f"cms -verify -binary -inform DER -in message.der {options}")


def decrypted(directory: Path, content: bytes, key: str, certificate: str) -> bytes:
    """What OpenSSL finds in an envelope, with that key and certificate only."""
    (directory / "envelope.der").write_bytes(content)
    return openssl(directory, f"cms -decrypt -binary -inform DER -in envelope.der -inkey {key} -recip {certificate}")


def printed(directory: Path, message: bytes) -> str:
    """OpenSSL's picture of a message."""
    (directory / "message.der").write_bytes(message)
    return openssl(directory, "cms -cmsout -print -noout -inform DER -in message.der").decode()


def test_the_clients_request_is_signed_by_itself_and_readable_by_the_ca_only(
    ca: ScepCa, key: SoftwarePrivateKey, certificate: x509.Certificate, tmp_path: Path
) -> None:
    built = build_request(
        trust=verify_ca_certificates([ca.certificate], CertificatePin(ca.certificate), NOW),
        capabilities=Capabilities.parse(ca.get_ca_caps().decode()),
        profile=SecurityProfile.STRICT,
        key=key,
        signer_certificate=certificate,
        csr=csr(key),
        transaction_id="0123456789abcdef",
    )

    content = verified(tmp_path, built.data, "-CAfile client.pem -signer signer.pem")
    opened = decrypted(tmp_path, content, "ca/ca.key", "ca/ca.pem")

    assert x509.load_pem_x509_certificate((tmp_path / "signer.pem").read_bytes()) == certificate
    assert opened == csr(key)
    (tmp_path / "csr.der").write_bytes(opened)
    openssl(tmp_path, "req -inform DER -in csr.der -noout -verify")
    assert CHALLENGE.encode() in opened
    assert CHALLENGE.encode() not in built.data


def test_the_signed_attributes_are_of_the_rfcs_types(
    ca: ScepCa, key: SoftwarePrivateKey, certificate: x509.Certificate, tmp_path: Path
) -> None:
    asked = request(ca, key, certificate)

    picture = {
        "request": printed(tmp_path, asked),
        "reply": printed(tmp_path, ca.pki_operation(asked)),
        "refusal": printed(tmp_path, ca.pki_operation(request(ca, key, certificate, challenge="guess"))),
    }

    assert _value(picture["request"], "2") == "PRINTABLESTRING:19"
    assert _value(picture["reply"], "2") == "PRINTABLESTRING:3"
    assert _value(picture["reply"], "3") == "PRINTABLESTRING:0"
    assert _value(picture["refusal"], "3") == "PRINTABLESTRING:2"
    assert _value(picture["refusal"], "4") == "PRINTABLESTRING:2"
    assert _value(picture["request"], "5") == "OCTET STRING:"
    assert _value(picture["reply"], "6") == "OCTET STRING:"
    assert {_value(one, "7") for one in picture.values()} == {"PRINTABLESTRING:0123456789abcdef"}
    assert "UTF8STRING:the challenge password is wrong" in picture["refusal"]


def _value(picture: str, number: str) -> str:
    """How OpenSSL shows the value of an attribute of SCEP."""
    lines = iter(picture.splitlines())
    for line in lines:
        if f"({SCEP_ATTRIBUTES}{number})" in line or line.strip().endswith(f" {SCEP_ATTRIBUTES}{number}"):
            break
    return next(line.strip() for line in lines if "STRING:" in line)


@pytest.mark.parametrize("cipher", [Cipher.AES128, Cipher.AES192, Cipher.AES256, Cipher.DES3])
@pytest.mark.parametrize("digest", [Digest.SHA256, Digest.SHA384, Digest.SHA512])
def test_the_cas_reply_is_signed_by_it_and_readable_by_the_client_only(
    ca: ScepCa,
    key: SoftwarePrivateKey,
    certificate: x509.Certificate,
    tmp_path: Path,
    cipher: Cipher,
    digest: Digest,
) -> None:
    reply = ca.pki_operation(request(ca, key, certificate, cipher=cipher, digest=digest))

    content = verified(tmp_path, reply, "-CAfile ca/ca.pem")
    (tmp_path / "issued.p7").write_bytes(decrypted(tmp_path, content, "key.pem", "client.pem"))
    openssl(tmp_path, "pkcs7 -inform DER -in issued.p7 -print_certs -out issued.pem")

    assert [entry.certificate for entry in ca.issued()] == x509.load_pem_x509_certificates(
        (tmp_path / "issued.pem").read_bytes()
    )
    openssl(tmp_path, "verify -x509_strict -purpose sslclient -CAfile ca/ca.pem issued.pem")


def test_a_refusal_is_signed_though_it_has_no_content(
    ca: ScepCa, key: SoftwarePrivateKey, certificate: x509.Certificate, tmp_path: Path
) -> None:
    reply = ca.pki_operation(request(ca, key, certificate, challenge="guess"))

    assert verified(tmp_path, reply, "-CAfile ca/ca.pem -content /dev/null") == b""
