"""OpenSSL judges what enrolments alone never show: polls, queries, CRLs, announced CAs, RAs, OAEP, BER."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from components.keystore import KeyAlgorithm, SoftwarePrivateKey
from components.scep.message import MessageType, decode_pki_message
from components.scep.transaction import build_get_crl
from metatype import Secret
from tests.components.scep.device import CHALLENGE, Device
from tests.interop.development_ca import run, write_key
from tools.scep_ca import CaParameters, IssuancePolicy, ScepCa

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.peer("openssl")


@pytest.fixture(scope="module")
def key() -> SoftwarePrivateKey:
    return SoftwarePrivateKey.generate(KeyAlgorithm.RSA, 2048)


@contextmanager
def enrolled(
    directory: Path, key: SoftwarePrivateKey, *faults: str, **parameters: Any
) -> Iterator[tuple[ScepCa, Device]]:
    """A CA in `ca/`, and a device whose `key.pem` and `client.pem` are beside it."""
    policy = IssuancePolicy(Secret(CHALLENGE))
    with ScepCa.open(directory / "ca", policy, parameters=CaParameters(**parameters)) as ca:
        device = Device.of(ca, key).enrolled()
    write_key(directory / "key.pem", key)
    (directory / "client.pem").write_bytes(device.certificate.public_bytes(Encoding.PEM))
    with ScepCa.open(directory / "ca", policy, faults=faults) as ca:
        yield ca, Device(ca, device.key, device.certificate, device.trust)


def openssl(directory: Path, command: str) -> bytes:
    return run("openssl", *command.split(), directory=directory).stdout


def verified(directory: Path, message: bytes, options: str) -> bytes:
    (directory / "message.der").write_bytes(message)
    return openssl(directory, f"cms -verify -binary -inform DER -in message.der -purpose any {options}")


def decrypted(directory: Path, content: bytes, key: str, certificate: str) -> bytes:
    (directory / "envelope.der").write_bytes(content)
    return openssl(directory, f"cms -decrypt -binary -inform DER -in envelope.der -inkey {key} -recip {certificate}")


def test_a_renewal_is_signed_with_the_enrolled_certificate(tmp_path: Path, key: SoftwarePrivateKey) -> None:
    with enrolled(tmp_path, key) as (_, device):
        request = device.request(message_type=MessageType.RENEWAL_REQ, challenge="")
    content = verified(tmp_path, request.data, "-CAfile ca/ca.pem -signer signer.pem")
    assert x509.load_pem_x509_certificate((tmp_path / "signer.pem").read_bytes()) == device.certificate
    (tmp_path / "csr.der").write_bytes(decrypted(tmp_path, content, "ca/ca.key", "ca/ca.pem"))
    assert b"challenge" not in openssl(tmp_path, "req -inform DER -in csr.der -noout -text -verify").lower()


def test_a_poll_names_issuer_and_subject(tmp_path: Path, key: SoftwarePrivateKey) -> None:
    with enrolled(tmp_path, key) as (_, device):
        poll = device.poll("abc")
    content = verified(tmp_path, poll.data, "-CAfile ca/ca.pem")
    (tmp_path / "names.der").write_bytes(decrypted(tmp_path, content, "ca/ca.key", "ca/ca.pem"))
    picture = openssl(tmp_path, "asn1parse -inform DER -in names.der").decode()
    assert picture.index("Development SCEP CA") < picture.index("device")


def test_a_message_for_an_ra_opens_with_its_key_and_not_with_the_cas(tmp_path: Path, key: SoftwarePrivateKey) -> None:
    with enrolled(tmp_path, key, registration_authority=True) as (ca, device):
        request = device.request(message_type=MessageType.RENEWAL_REQ)
        reply = ca.pki_operation(request.data)
    content = verified(tmp_path, request.data, "-CAfile ca/ca.pem")
    assert decrypted(tmp_path, content, "ca/ra-encryption.key", "ca/ra-encryption.pem")
    verified(tmp_path, reply, "-CAfile ca/ca.pem -signer signer.pem")
    assert (tmp_path / "signer.pem").read_bytes() == (tmp_path / "ca/ra-signing.pem").read_bytes()


def test_a_chain_with_its_ras_verifies(tmp_path: Path, key: SoftwarePrivateKey) -> None:
    with enrolled(tmp_path, key, intermediate=True, registration_authority=True) as (ca, _):
        (tmp_path / "chain.p7").write_bytes(ca.get_ca_cert())
    openssl(tmp_path, "pkcs7 -inform DER -in chain.p7 -print_certs -out chain.pem")
    for name in ("client.pem", "ca/ra-signing.pem", "ca/ra-encryption.pem", "ca/ca.pem"):
        openssl(tmp_path, f"verify -x509_strict -CAfile ca/root.pem -untrusted chain.pem {name}")


def test_a_crl_comes_as_openssl_reads_it(tmp_path: Path, key: SoftwarePrivateKey) -> None:
    with enrolled(tmp_path, key) as (ca, device):
        ca.revoke(device.certificate.serial_number)
        request = build_get_crl(
            trust=device.trust,
            capabilities=device.capabilities,
            profile=device.profile,
            key=device.key,
            signer_certificate=device.certificate,
            serial_number=device.certificate.serial_number,
            transaction_id="abc",
        )
        reply = ca.pki_operation(request.data)
    content = verified(tmp_path, reply, "-CAfile ca/ca.pem")
    (tmp_path / "crl.p7").write_bytes(decrypted(tmp_path, content, "key.pem", "client.pem"))
    openssl(tmp_path, "pkcs7 -inform DER -in crl.p7 -print_certs -out crl.pem")
    openssl(tmp_path, "crl -in crl.pem -CAfile ca/ca.pem -noout -verify")
    check = "verify -crl_check -CRLfile crl.pem -CAfile ca/ca.pem client.pem"
    done = run("openssl", *check.split(), directory=tmp_path, status=2)
    assert b"revoked" in done.stderr


def test_an_announced_ca_is_signed_by_the_present_one(tmp_path: Path, key: SoftwarePrivateKey) -> None:
    with enrolled(tmp_path, key) as (ca, _):
        following = ca.prepare_rollover()
        announced = ca.get_next_ca_cert()
    (tmp_path / "next.p7").write_bytes(verified(tmp_path, announced, "-CAfile ca/ca.pem"))
    openssl(tmp_path, "pkcs7 -inform DER -in next.p7 -print_certs -out next.pem")
    assert x509.load_pem_x509_certificate((tmp_path / "next.pem").read_bytes()) == following


@pytest.mark.parametrize("fault", ["oaep", "indefinite", "constructed", "des", "sha1"])
def test_what_is_unusual_and_legal_is_right_to_openssl_too(tmp_path: Path, key: SoftwarePrivateKey, fault: str) -> None:
    with enrolled(tmp_path, key, fault) as (ca, device):
        reply = ca.pki_operation(device.request(message_type=MessageType.RENEWAL_REQ).data)
        content = verified(tmp_path, reply, "-CAfile ca/ca.pem")
        assert content == decode_pki_message(reply).content
        if fault != "des":  # OpenSSL 3 has it in its legacy provider only
            issued = decrypted(tmp_path, content, "key.pem", "client.pem")
            assert ca.issued()[-1].certificate.public_bytes(Encoding.DER) in issued
