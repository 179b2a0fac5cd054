"""What the development CA does beside issuing: RAs, chains, approval, renewal, rollover, retrieval, revocation."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from components.scep.errors import OldCertificateError
from components.scep.message import FailInfo, MessageType, decode_certificates, decode_pki_message
from components.scep.transaction import (
    FoundCertificate,
    FoundCrl,
    Issued,
    Pending,
    Refused,
    SecurityProfile,
    build_get_cert,
    build_get_crl,
    read_get_cert_reply,
    read_get_crl_reply,
    read_next_ca,
)
from components.scep.trust import is_ca
from framework.clock import SystemClock
from metatype import Secret
from tests.components.scep.device import CHALLENGE, Device
from tools.scep_ca import CaParameters, IssuancePolicy, ScepCa, UnknownEntryError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

    from components.keystore import SoftwarePrivateKey

NOBODYS = 12345


@contextmanager
def running(directory: Path, parameters: CaParameters | None = None, **policy: Any) -> Iterator[ScepCa]:
    with ScepCa.open(directory, IssuancePolicy(Secret(CHALLENGE), **policy), parameters=parameters) as ca:
        yield ca


SHAPES = {
    "root": CaParameters(),
    "RAs": CaParameters(registration_authority=True),
    "intermediate": CaParameters(intermediate=True),
    "RAs under an intermediate": CaParameters(intermediate=True, registration_authority=True),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_each_shape_of_a_ca_issues_and_is_the_same_after_a_restart(
    tmp_path: Path, client_key: SoftwarePrivateKey, shape: str
) -> None:
    with running(tmp_path / "ca", SHAPES[shape]) as ca:
        before = ca.fingerprint, ca.certificates
        device = Device.of(ca, client_key).enrolled()
        chain = device.trust.chain_of(device.certificate)
        assert len(chain) == (3 if SHAPES[shape].intermediate else 2)
        assert device.trust.issuer == ca.certificate
        assert is_ca(device.trust.recipient) is not SHAPES[shape].registration_authority
    with running(tmp_path / "ca") as ca:
        assert (ca.fingerprint, ca.certificates) == before


def test_a_request_waits_for_a_person_and_is_granted_once_approved(
    ca_directory: Path, client_key: SoftwarePrivateKey
) -> None:
    with running(ca_directory, approval=True) as ca:
        device = Device.of(ca, client_key)
        request = device.request()
        assert device.ask(request) == Pending()
        assert device.ask(device.poll(request.transaction_id)) == Pending()
        (waiting,) = ca.pending()
        assert (waiting.transaction_id, waiting.request.subject) == (
            request.transaction_id,
            device.certificate.subject,
        )
    with running(ca_directory, approval=True) as ca:
        device = replace(device, ca=ca)
        assert device.ask(device.poll(request.transaction_id)) == Pending()
        ca.approve(request.transaction_id)
        assert ca.pending() == ()
        reply = device.ask(device.poll(request.transaction_id))
        assert isinstance(reply, Issued)
        assert device.ask(device.poll(request.transaction_id)) == reply
        assert device.ask(request) == reply
        assert len(ca.issued()) == 1


def test_a_rejected_request_is_refused(ca_directory: Path, client_key: SoftwarePrivateKey) -> None:
    with running(ca_directory, approval=True) as ca:
        device = Device.of(ca, client_key)
        request = device.request()
        device.ask(request)
        ca.reject(request.transaction_id)
        reply = device.ask(device.poll(request.transaction_id))
        assert isinstance(reply, Refused)
        assert reply.fail_info == FailInfo.BAD_REQUEST
        with pytest.raises(UnknownEntryError):
            ca.approve(request.transaction_id)


@pytest.mark.parametrize("decided", [False, True], ids=["waiting", "approved"])
def test_what_was_not_put_before_a_person_is_not_granted(
    ca_directory: Path, client_key: SoftwarePrivateKey, decided: bool
) -> None:
    with running(ca_directory, approval=True) as ca:
        device = Device.of(ca, client_key)
        request = device.request()
        assert device.ask(request) == Pending()
        if decided:
            ca.approve(request.transaction_id)
        reply = device.ask(device.request(subject="somebody else", transaction_id=request.transaction_id))
        assert isinstance(reply, Refused)
        assert "another request" in str(reply.text)
        assert ca.issued() == ()
        assert [one.request.subject for one in ca.pending()] == ([] if decided else [device.certificate.subject])


def test_a_poll_finds_its_own_request_only(
    ca_directory: Path, client_key: SoftwarePrivateKey, other_key: SoftwarePrivateKey
) -> None:
    with running(ca_directory, approval=True) as ca:
        device, other = Device.of(ca, client_key), Device.of(ca, other_key)
        request = device.request()
        device.ask(request)
        for asker, poll in (
            (device, device.poll("unknown")),
            (device, device.poll(request.transaction_id, subject="somebody")),
            (other, other.poll(request.transaction_id)),
        ):
            reply = asker.ask(poll)
            assert isinstance(reply, Refused)
            assert reply.fail_info == FailInfo.BAD_CERT_ID


def test_the_challenge_password_of_a_waiting_request_is_not_kept(
    ca_directory: Path, client_key: SoftwarePrivateKey
) -> None:
    with running(ca_directory, approval=True) as ca:
        device = Device.of(ca, client_key)
        device.ask(device.request())
    assert all(CHALLENGE.encode() not in path.read_bytes() for path in ca_directory.iterdir())


RENEWALS = [MessageType.RENEWAL_REQ, MessageType.UPDATE_REQ, MessageType.PKCS_REQ]


@pytest.mark.parametrize("kind", RENEWALS)
def test_a_certificate_is_renewed_with_its_key_and_without_the_challenge(
    ca_directory: Path, client_key: SoftwarePrivateKey, kind: MessageType
) -> None:
    with running(ca_directory, approval=True) as ca:
        device = Device.of(ca, client_key)
        request = device.request()
        device.ask(request)
        ca.approve(request.transaction_id)
        first = device.ask(device.poll(request.transaction_id))
        assert isinstance(first, Issued)
        device = replace(device, certificate=first.chain[0])
        renewal = device.request(message_type=kind, challenge="")
        reply = device.ask(renewal, replaces=device.certificate)
        assert isinstance(reply, Issued)
        assert reply.chain[0].serial_number > device.certificate.serial_number


def test_a_renewal_may_be_for_another_key(
    ca_directory: Path, client_key: SoftwarePrivateKey, other_key: SoftwarePrivateKey
) -> None:
    with running(ca_directory) as ca:
        device = Device.of(ca, client_key).enrolled()
        request = device.request(message_type=MessageType.RENEWAL_REQ, challenge="", key=other_key)
        reply = device.ask(request, key=other_key)
        assert isinstance(reply, Issued)
        assert reply.chain[0].public_key() == other_key.public_key


def test_a_renewal_may_have_to_carry_the_challenge(ca_directory: Path, client_key: SoftwarePrivateKey) -> None:
    with running(ca_directory, renewal_challenge=True) as ca:
        device = Device.of(ca, client_key).enrolled()
        refused = device.ask(device.request(message_type=MessageType.RENEWAL_REQ, challenge=""))
        assert isinstance(refused, Refused)
        assert refused.fail_info == FailInfo.BAD_REQUEST
        assert isinstance(device.ask(device.request(message_type=MessageType.RENEWAL_REQ)), Issued)


def test_who_is_not_enrolled_or_was_revoked_renews_nothing(ca_directory: Path, client_key: SoftwarePrivateKey) -> None:
    with running(ca_directory) as ca:
        stranger = Device.of(ca, client_key)
        device = stranger.enrolled()
        ca.revoke(device.certificate.serial_number)
        for asker in (stranger, device):
            reply = asker.ask(asker.request(message_type=MessageType.RENEWAL_REQ))
            assert isinstance(reply, Refused)
            assert reply.fail_info == FailInfo.BAD_MESSAGE_CHECK


def test_a_renewal_for_another_subject_is_refused(ca_directory: Path, client_key: SoftwarePrivateKey) -> None:
    with running(ca_directory) as ca:
        device = Device.of(ca, client_key).enrolled()
        reply = device.ask(device.request(message_type=MessageType.RENEWAL_REQ, subject="somebody"))
        assert isinstance(reply, Refused)
        assert "subject" in str(reply.text)


def test_a_server_that_returns_the_old_certificate_is_noticed(
    ca_directory: Path, client_key: SoftwarePrivateKey
) -> None:
    policy = IssuancePolicy(Secret(CHALLENGE))
    with ScepCa.open(ca_directory, policy, faults=["old-certificate"]) as ca:
        device = Device.of(ca, client_key).enrolled()
        with pytest.raises(OldCertificateError):
            device.ask(device.request(message_type=MessageType.RENEWAL_REQ), replaces=device.certificate)


def test_a_rollover_is_announced_used_in_advance_and_made(ca_directory: Path, client_key: SoftwarePrivateKey) -> None:
    with running(ca_directory) as ca:
        device = Device.of(ca, client_key).enrolled()
        following = ca.prepare_rollover()
        assert ca.prepare_rollover() == following
        now = SystemClock().now()
        found = read_next_ca(ca.get_next_ca_cert(), trust=device.trust, profile=SecurityProfile.STRICT, now=now)
        assert found.trust.anchor == following
        early = replace(device, trust=found.trust)
        reply = early.ask(early.request(message_type=MessageType.RENEWAL_REQ))
        assert isinstance(reply, Issued)
        assert reply.chain == (reply.chain[0], following)
        assert isinstance(device.ask(device.request(message_type=MessageType.RENEWAL_REQ)), Issued)
    with running(ca_directory) as ca:
        ca.roll_over()
        assert decode_certificates(ca.get_ca_cert()) == (following,)
    with running(ca_directory) as ca:
        assert ca.certificate == following
        after = replace(early, ca=ca, certificate=reply.chain[0])
        assert isinstance(after.ask(after.request(message_type=MessageType.RENEWAL_REQ)), Issued)


@pytest.mark.requirement("mission: CRL retrieval", "RFC 8894 3.3.4: GetCert and GetCRL")
def test_certificates_and_crls_are_given_out(ca_directory: Path, client_key: SoftwarePrivateKey) -> None:
    with running(ca_directory) as ca:
        device = Device.of(ca, client_key).enrolled()
        serial_number = device.certificate.serial_number
        common: dict[str, Any] = {
            "trust": device.trust,
            "profile": device.profile,
            "key": device.key,
            "signer_certificate": device.certificate,
        }
        asked = {**common, "capabilities": device.capabilities, "transaction_id": "abc"}

        request = build_get_cert(**asked, serial_number=serial_number)
        found = read_get_cert_reply(ca.pki_operation(request.data), request, **common, serial_number=serial_number)
        assert found == FoundCertificate(device.certificate, ())

        ca.revoke(serial_number)
        ca.revoke(serial_number)
        request = build_get_crl(**asked, serial_number=serial_number)
        reply = ca.pki_operation(request.data)
        listed = read_get_crl_reply(reply, request, **common, issuer=ca.certificate.subject, now=SystemClock().now())
        assert isinstance(listed, FoundCrl)
        assert [one.serial_number for one in listed.crl] == [serial_number]

        for request in (build_get_cert(**asked, serial_number=NOBODYS), build_get_crl(**asked, serial_number=NOBODYS)):
            refusal = decode_pki_message(ca.pki_operation(request.data)).attributes
            assert refusal.fail_info == FailInfo.BAD_CERT_ID
        with pytest.raises(UnknownEntryError):
            ca.revoke(NOBODYS)


def test_a_ledger_of_the_first_version_is_taken_over(ca_directory: Path, client_key: SoftwarePrivateKey) -> None:
    import sqlite3  # noqa: PLC0415  # here only
    from contextlib import closing  # noqa: PLC0415

    with running(ca_directory) as ca:
        certificate = Device.of(ca, client_key).enrolled().certificate
    with closing(sqlite3.connect(ca_directory / "issued.db", isolation_level=None)) as connection:
        for statement in (
            "ALTER TABLE issued DROP COLUMN revoked_at",
            "DROP TABLE held",
            "DROP TABLE facts",
            "PRAGMA user_version = 1",
        ):
            connection.execute(statement)
    with running(ca_directory) as ca:
        assert [entry.certificate for entry in ca.issued()] == [certificate]
        ca.revoke(certificate.serial_number)
        assert ca.issued()[0].revoked_at is not None
