"""Our protocol layers enrol with the SCEP server that Debian ships: nobody here wrote it."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from components.keystore import KeyAlgorithm, SoftwarePrivateKey, create_csr, self_signed_certificate
from components.scep.client import ScepClient, locate_server
from components.scep.errors import (
    HttpStatusError,
    OperationUnsupportedError,
    TransportError,
    UntrustedCaError,
    WeakAlgorithmError,
)
from components.scep.message import MessageType, decode_envelope, decode_pki_message
from components.scep.probe import probe
from components.scep.transaction import (
    Capabilities,
    Issued,
    Refused,
    Reply,
    SecurityProfile,
    build_poll,
    build_request,
    new_transaction_id,
    read_reply,
    renewal_forms,
)
from components.scep.trust import CertificatePin, FingerprintPin, Pin, fingerprint, verify_ca_certificates
from framework.clock import SystemClock
from metatype import Secret
from tests.interop.answer_table import Answer
from tests.interop.development_ca import rsa_key

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import DebianScepServer, MakeScepServer
    from tests.interop.conftest import RecordAnswer

pytestmark = pytest.mark.peer("scepserver")

SUBJECT = x509.Name.from_rfc4514_string("CN=gateway-7,OU=Edge,O=Acme,C=XX")
CLOCK = SystemClock()
KEY_SIZES = (1024, 2048, 3072, 4096)
GATEWRIGHT = "Gatewright, scepserver"
"""Who asks whom, in the table of answers."""


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


def enrol(
    server: DebianScepServer,
    *,
    pin: Pin | None = None,
    challenge: str | None = None,
    key: SoftwarePrivateKey | None = None,
    subject: x509.Name = SUBJECT,
    names: tuple[x509.GeneralName, ...] = (),
    profile: SecurityProfile = SecurityProfile.STANDARD,
    answers: list[bytes] | None = None,
) -> Reply:
    """A whole enrolment: find the server, verify its CA, ask, and read the reply, which is put among `answers`."""
    now = datetime.now(UTC)
    key = key or SoftwarePrivateKey.generate(KeyAlgorithm.RSA, 2048)
    location = locate_server(server.endpoint, clock=CLOCK)
    trust = verify_ca_certificates(location.certificates, pin or CertificatePin(server.ca_certificate), now)
    certificate = self_signed_certificate(key, subject, now)
    request = build_request(
        trust=trust,
        capabilities=location.capabilities,
        profile=profile,
        key=key,
        signer_certificate=certificate,
        csr=create_csr(
            key,
            subject,
            challenge_password=Secret(server.challenge if challenge is None else challenge),
            subject_alternative_names=names,
        ),
        transaction_id=new_transaction_id(key.public_key),
    )
    answer = ScepClient(location.url, clock=CLOCK).pki_operation(request.data, location.capabilities)
    if answers is not None:
        answers.append(answer)
    return read_reply(
        answer,
        request,
        trust=trust,
        profile=profile,
        key=key,
        signer_certificate=certificate,
        subject=subject,
        now=now,
    )


def test_the_server_is_found_and_says_what_it_can(scep_server: DebianScepServer) -> None:
    location = locate_server(scep_server.endpoint, clock=CLOCK)
    assert location.url == scep_server.url
    assert location.certificates == (scep_server.ca_certificate,)
    assert {"scepstandard", "postpkioperation", "aes", "sha-256"} <= location.capabilities.keywords


def algorithms_of(answer: bytes) -> str:
    """What a reply is encrypted and signed with."""
    message = decode_pki_message(answer)
    return f"{decode_envelope(message.content).cipher.value}, {message.signature.digest.value}"


@pytest.mark.peer("openssl")
@pytest.mark.parametrize("size", KEY_SIZES)
@pytest.mark.parametrize("profile", [SecurityProfile.STANDARD, SecurityProfile.LEGACY])
@pytest.mark.requirement("mission: key length", "design 6: profiles")
def test_each_key_size_is_enrolled(
    scep_server: DebianScepServer,
    tmp_path: Path,
    record_answer: RecordAnswer,
    size: int,
    profile: SecurityProfile,
) -> None:
    answers: list[bytes] = []
    reply = enrol(scep_server, key=rsa_key(size), profile=profile, answers=answers)
    assert isinstance(reply, Issued)
    outcome = f"{algorithms_of(answers[0])}: enrolled, with {len(reply.warnings)} warnings"
    record_answer(Answer(GATEWRIGHT, f"RSA {size}, CA RSA 2048", profile.value, outcome))
    leaf, *issuers = reply.chain
    assert leaf.public_key() == rsa_key(size).public_key
    assert leaf.subject == SUBJECT
    assert issuers == [scep_server.ca_certificate]
    assert len(scep_server.issued()) == 1

    (tmp_path / "leaf.pem").write_bytes(leaf.public_bytes(Encoding.PEM))
    verify = ["openssl", "verify", "-CAfile", str(scep_server.depot / "ca.pem"), str(tmp_path / "leaf.pem")]
    subprocess.run(verify, check=True, capture_output=True)


@pytest.mark.requirement("RFC 8894 2.2: fingerprint", "mission: verification method")
def test_a_fingerprint_is_as_good_as_the_certificate(scep_server: DebianScepServer) -> None:
    pin = FingerprintPin(fingerprint(scep_server.ca_certificate))
    assert isinstance(enrol(scep_server, pin=pin), Issued)


def test_with_a_wrong_fingerprint_nothing_is_asked(scep_server: DebianScepServer) -> None:
    with pytest.raises(UntrustedCaError) as caught:
        enrol(scep_server, pin=FingerprintPin("0" * 64))
    assert caught.value.found == (fingerprint(scep_server.ca_certificate),)
    assert scep_server.issued() == []


@pytest.mark.parametrize("challenge", ["wrong", "", "sésame"])
def test_a_wrong_challenge_password_is_refused(scep_server: DebianScepServer, challenge: str) -> None:
    reply = enrol(scep_server, challenge=challenge)
    assert isinstance(reply, Refused)
    assert reply.reason == "badRequest"
    assert "challenge password" in reply.hint
    assert scep_server.issued() == []


@pytest.mark.parametrize("challenge", ["with blank", "näh", "*&@_"])
def test_challenge_passwords_of_any_characters_arrive(make_scep_server: MakeScepServer, challenge: str) -> None:
    assert isinstance(enrol(make_scep_server(challenge=challenge)), Issued)


def test_standard_reads_the_servers_des_and_warns(scep_server: DebianScepServer) -> None:
    reply = enrol(scep_server, profile=SecurityProfile.STANDARD)
    assert isinstance(reply, Issued)
    warnings = " ".join(reply.warnings)
    assert "DES" in warnings
    assert "SHA-1" in warnings


@pytest.mark.parametrize("size", KEY_SIZES)
@pytest.mark.requirement("design 6: profiles")
def test_strict_refuses_the_servers_des(scep_server: DebianScepServer, record_answer: RecordAnswer, size: int) -> None:
    answers: list[bytes] = []
    with pytest.raises(WeakAlgorithmError, match=r"security\.profile=standard"):
        enrol(scep_server, key=rsa_key(size), profile=SecurityProfile.STRICT, answers=answers)
    outcome = f"{algorithms_of(answers[0])}: refused by us"
    record_answer(Answer(GATEWRIGHT, f"RSA {size}, CA RSA 2048", "strict", outcome))


def test_requested_alternative_names_are_in_the_certificate(scep_server: DebianScepServer) -> None:
    names = (x509.DNSName("gateway-7.example.net"), x509.UniformResourceIdentifier("urn:gateway:7"))
    reply = enrol(scep_server, names=names)
    assert isinstance(reply, Issued)
    granted = reply.chain[0].extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(granted) == set(names)


def test_two_gateways_get_two_certificates(scep_server: DebianScepServer) -> None:
    serials = set()
    for name in ("one", "two"):
        reply = enrol(scep_server, subject=x509.Name.from_rfc4514_string(f"CN={name}"))
        assert isinstance(reply, Issued)
        serials.add(reply.chain[0].serial_number)
    assert len(serials) == len(scep_server.issued()) == 2


@pytest.mark.parametrize("size", [2048, 3072, 4096])
def test_the_ca_may_have_another_key_size(
    make_scep_server: MakeScepServer, record_answer: RecordAnswer, size: int
) -> None:
    server = make_scep_server(key_size=size)
    key = server.ca_certificate.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    assert key.key_size == size
    answers: list[bytes] = []
    reply = enrol(server, key=rsa_key(2048), answers=answers)
    assert isinstance(reply, Issued)
    outcome = f"{algorithms_of(answers[0])}: enrolled, with {len(reply.warnings)} warnings"
    record_answer(Answer(GATEWRIGHT, f"RSA 2048, CA RSA {size}", "standard", outcome))


def test_what_the_server_does_not_know_is_an_error_with_its_words(scep_server: DebianScepServer) -> None:
    location = locate_server(scep_server.endpoint, clock=CLOCK)
    client = ScepClient(location.url, clock=CLOCK)
    with pytest.raises(HttpStatusError) as caught:
        client.pki_operation(b"\x30\x00", location.capabilities)
    assert caught.value.status == 500
    with pytest.raises(TransportError):
        ScepClient(scep_server.endpoint + "/nowhere", clock=CLOCK).get_ca_cert()


def test_quirk_7_a_renewal_goes_through_with_the_challenge_and_not_without(scep_server: DebianScepServer) -> None:
    now = datetime.now(UTC)
    key = SoftwarePrivateKey.generate(KeyAlgorithm.RSA, 2048)
    location = locate_server(scep_server.endpoint, clock=CLOCK)
    trust = verify_ca_certificates(location.certificates, CertificatePin(scep_server.ca_certificate), now)
    first = enrol(scep_server, key=key)
    assert isinstance(first, Issued)
    present = first.chain[0]
    outcomes = []
    for form in renewal_forms(location.capabilities, has_challenge=True):
        challenge = Secret(scep_server.challenge) if form.challenge else None
        request = build_request(
            trust=trust,
            capabilities=location.capabilities,
            profile=SecurityProfile.STANDARD,
            key=key,
            signer_certificate=present,
            csr=create_csr(key, SUBJECT, challenge_password=challenge),
            transaction_id=new_transaction_id(key.public_key),
            message_type=form.message_type,
        )
        reply = read_reply(
            ScepClient(location.url, clock=CLOCK).send(request, location.capabilities),
            request,
            trust=trust,
            profile=SecurityProfile.STANDARD,
            key=key,
            signer_certificate=present,
            subject=SUBJECT,
            now=now,
            replaces=present,
        )
        outcomes.append((form.message_type, form.challenge, type(reply)))
        if isinstance(reply, Issued):
            assert reply.chain[0].serial_number != present.serial_number
            break
    assert outcomes == [(MessageType.RENEWAL_REQ, False, Refused), (MessageType.RENEWAL_REQ, True, Issued)]


def test_quirk_10_what_the_server_lacks_is_unsupported_and_it_lives_on(scep_server: DebianScepServer) -> None:
    now = datetime.now(UTC)
    key = SoftwarePrivateKey.generate(KeyAlgorithm.RSA, 2048)
    location = locate_server(scep_server.endpoint, clock=CLOCK)
    client = ScepClient(location.url, clock=CLOCK)
    poll = build_poll(
        trust=verify_ca_certificates(location.certificates, CertificatePin(scep_server.ca_certificate), now),
        capabilities=location.capabilities,
        profile=SecurityProfile.STANDARD,
        key=key,
        signer_certificate=self_signed_certificate(key, SUBJECT, now),
        subject=SUBJECT,
        transaction_id="abc",
    )
    with pytest.raises(OperationUnsupportedError):
        client.send(poll, location.capabilities)
    with pytest.raises(OperationUnsupportedError):
        client.get_next_ca_cert()
    assert isinstance(enrol(scep_server, key=key), Issued)


def test_a_request_in_the_url_is_granted_too(scep_server: DebianScepServer) -> None:
    """Quirk 15: base64 must be escaped whole; a bare plus sign is a blank to the server."""
    now = datetime.now(UTC)
    key = SoftwarePrivateKey.generate(KeyAlgorithm.RSA, 2048)
    location = locate_server(scep_server.endpoint, clock=CLOCK)
    certificate = self_signed_certificate(key, SUBJECT, now)
    trust = verify_ca_certificates(location.certificates, CertificatePin(scep_server.ca_certificate), now)
    request = build_request(
        trust=trust,
        capabilities=Capabilities(),
        profile=SecurityProfile.STANDARD,
        key=key,
        signer_certificate=certificate,
        csr=create_csr(key, SUBJECT, challenge_password=Secret(scep_server.challenge)),
        transaction_id=new_transaction_id(key.public_key),
    )
    reply = read_reply(
        ScepClient(location.url, clock=CLOCK).send(request, Capabilities()),
        request,
        trust=trust,
        profile=SecurityProfile.STANDARD,
        key=key,
        signer_certificate=certificate,
        subject=SUBJECT,
        now=now,
    )
    assert isinstance(reply, Issued)


def test_scep_probe_shows_the_server(scep_server: DebianScepServer) -> None:
    """Quirk 5: a CA whose key usage does not allow it is what messages are encrypted for all the same."""
    report = probe(scep_server.endpoint, clock=CLOCK, pin=FingerprintPin(scep_server.fingerprint))
    (certificate,) = report.certificates
    assert certificate.roles == ("pinned", "CA", "issues", "messages are encrypted for it")
    assert report.would_enrol
    assert scep_server.issued() == []
