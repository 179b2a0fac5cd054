"""What an enrolled gateway asks of its CA while servers change: RAs replaced, a CA handing over, another bootstrap."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
from cryptography import x509

from components.keystore.crl import CrlSource
from components.scep import inquiry
from components.scep.client import ScepClient
from components.scep.errors import HttpStatusError
from components.scep.message import Cipher, decode_envelope, decode_pki_message
from components.scep.transaction import build_get_crl
from components.scep.trust import fingerprint
from framework.clock import SystemClock
from framework.testing import FakeClock
from tests.components.scep.enrolled_gateway import CertificateAuthority, EnrolledGateway
from tests.components.scep.test_enrolment_changed_servers import WITH_RA, have_faults, replace_ra
from tests.components.scep.test_retrieval_commands import ABSENT, ask, refused
from tests.components.scep.test_successor import move_the_server

if TYPE_CHECKING:
    from pathlib import Path

    from components.scep.client import ServerLocation
    from components.scep.transaction import Capabilities, PkiRequest
    from tests.components.scep.enrolled_gateway import Begin


def serial_of(gateway: EnrolledGateway) -> str:
    return f"{gateway.identity.chain[0].serial_number:x}"


@pytest.mark.requirement("RFC 8894 3.3.4: GetCert and GetCRL")
def test_an_ra_that_was_replaced_is_found_by_who_asks(begin: Begin) -> None:
    gateway, authority = begin(parameters=WITH_RA)
    replace_ra(authority, gateway)
    known = gateway.ca_certificates
    serial = serial_of(gateway)
    assert ask(gateway, f"cert get {serial}").data["serial"] == serial
    assert ask(gateway, "cert crl").data["revoked"] == 0
    found = gateway.harness.registry.find(CrlSource)
    assert found is not None
    source = gateway.harness.registry.get(found)
    assert isinstance(source, CrlSource)
    assert x509.load_der_x509_crl(source.fetch()).issuer == authority.ca.certificate.subject
    assert gateway.ca_certificates == known, "who asks changes nothing of what is trusted"


def test_a_server_that_shows_nothing_new_is_asked_once(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway, authority = begin(parameters=WITH_RA)
    have_faults(authority, "wrong-signer")
    asked = []
    send, describe = ScepClient.send, ScepClient.describe

    def sending(client: ScepClient, request: PkiRequest, capabilities: Capabilities) -> bytes:
        asked.append(request.message_type.name)
        return send(client, request, capabilities)

    def describing(client: ScepClient) -> ServerLocation:
        asked.append("look")
        return describe(client)

    monkeypatch.setattr(ScepClient, "send", sending)
    monkeypatch.setattr(ScepClient, "describe", describing)
    assert refused(gateway, "cert crl").exit_status == 3
    assert asked == ["GET_CRL", "look"]
    have_faults(authority)
    assert refused(gateway, f"cert get {ABSENT}").exit_status == 2
    assert asked[2:] == ["GET_CERT"], "that it has none is an answer"


def in_overlap(begin: Begin) -> tuple[EnrolledGateway, CertificateAuthority, str]:
    """A gateway that moved to the CA's successor, before the CA has handed over; and its certificate before."""
    gateway, authority = begin()
    first = serial_of(gateway)
    authority.ca.prepare_rollover()
    gateway.service.force_rollover()
    gateway.harness.settle()
    assert serial_of(gateway) != first
    return gateway, authority, first


def test_through_the_overlap_of_a_rollover_both_cas_answer(begin: Begin) -> None:
    gateway, authority, first = in_overlap(begin)
    old = authority.ca.certificate
    answer = ask(gateway, "cert crl")
    assert fingerprint(old) in " ".join(answer.data["warnings"])
    assert x509.load_pem_x509_crl(answer.data["pem"].encode()).is_signature_valid(old.public_key())  # type: ignore[arg-type]  # it has an RSA key
    for serial in (first, serial_of(gateway)):
        assert ask(gateway, f"cert get {serial}").data["serial"] == serial

    authority.ca.roll_over()
    assert ask(gateway, "cert crl").data["warnings"] == []
    for serial in (first, serial_of(gateway)):
        assert ask(gateway, f"cert get {serial}").data["serial"] == serial


def test_a_server_without_its_successors_key_is_asked_as_the_ca_that_it_shows(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway, authority, _ = in_overlap(begin)
    old = authority.ca.certificate
    asked_as: list[x509.Certificate] = []
    build, send = build_get_crl, ScepClient.send

    def building(**facts: object) -> PkiRequest:
        asked_as.append(facts["trust"].recipient)  # type: ignore[attr-defined]  # a CaTrust
        return build(**facts)  # type: ignore[arg-type]  # passed on

    def sending(client: ScepClient, *rest: object) -> bytes:
        if asked_as[-1] != old:
            raise HttpStatusError(client.url, 500, "cannot decrypt")
        return send(client, *rest)  # type: ignore[arg-type]  # passed on

    monkeypatch.setattr(inquiry, "build_get_crl", building)
    monkeypatch.setattr(ScepClient, "send", sending)
    assert ask(gateway, "cert crl").data["revoked"] == 0
    assert len(asked_as) == 2


def test_the_present_identitys_server_is_asked_while_another_has_yet_to_decide(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    with contextlib.ExitStack() as stack:
        clock = FakeClock(SystemClock().now())
        one = CertificateAuthority(stack, tmp_path / "one", clock)
        two = CertificateAuthority(stack, tmp_path / "two", clock, approval=True)
        gateway = EnrolledGateway(stack, tmp_path / "state", clock, one)
        gateway.start()
        serial = serial_of(gateway)
        gateway.set(server__url=two.server.url, server__ca__fingerprint=two.ca.fingerprint)
        assert gateway.status["state"] == "pending"
        gateway.stop()
        gateway.start()
        crl = x509.load_pem_x509_crl(ask(gateway, "cert crl").data["pem"].encode())
        assert crl.is_signature_valid(one.ca.certificate.public_key())  # type: ignore[arg-type]  # it has an RSA key
        assert ask(gateway, f"cert get {serial}").data["serial"] == serial

        (pending,) = two.ca.pending()
        two.ca.approve(pending.transaction_id)
        gateway.days(1)
        assert gateway.status["state"] == "enrolled"
        crl = x509.load_pem_x509_crl(ask(gateway, "cert crl").data["pem"].encode())
        assert crl.is_signature_valid(two.ca.certificate.public_key())  # type: ignore[arg-type]  # it has an RSA key


def note_ciphers(monkeypatch: pytest.MonkeyPatch, refuses: Cipher | None = None) -> list[Cipher]:
    """The ciphers of what is sent from now on; the server fails over one of them."""
    sent: list[Cipher] = []
    operate = ScepClient.pki_operation

    def noting(self: ScepClient, message: bytes, capabilities: Capabilities) -> bytes:
        cipher = decode_envelope(decode_pki_message(message).content or b"").cipher
        sent.append(cipher)
        if cipher is refuses:
            raise HttpStatusError(self.url, 500, "cannot", None)
        return operate(self, message, capabilities)

    monkeypatch.setattr(ScepClient, "pki_operation", noting)
    return sent


@pytest.mark.requirement("RFC 8894 3.5.2: weaker algorithms")
@pytest.mark.parametrize("what", ["crl", "get"])
def test_a_server_that_cannot_do_what_it_offers_is_asked_once_more_in_less(
    begin: Begin, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    gateway, authority = begin(settings={"security.profile": "legacy"})
    have_faults(authority, "3des-only")
    sent = note_ciphers(monkeypatch)
    line = "cert crl" if what == "crl" else f"cert get {serial_of(gateway)}"
    assert ask(gateway, line).data["pem"]
    assert sent == [Cipher.AES128, Cipher.DES3]
    gateway.set(security__profile="standard")
    assert refused(gateway, line).exit_status == 3
    assert sent[2:] == [Cipher.AES128], "nothing weak is sent that the profile does not permit"


@pytest.mark.requirement("RFC 8894 3.5.2: weaker algorithms")
def test_what_helped_at_the_enrolment_is_sent_at_once_and_what_is_offered_where_that_helps_no_more(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway, authority = begin(settings={"security.profile": "legacy"}, faults=("3des-only",))
    sent = note_ciphers(monkeypatch)
    assert ask(gateway, "cert crl").data["revoked"] == 0
    assert sent == [Cipher.DES3]
    have_faults(authority)
    sent = note_ciphers(monkeypatch, refuses=Cipher.DES3)
    assert ask(gateway, "cert crl").data["revoked"] == 0
    assert sent == [Cipher.DES3, Cipher.AES128]


def test_who_asks_finds_the_server_from_the_endpoint_on_when_a_redirected_address_is_gone(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway, _ = begin()
    elsewhere, home = move_the_server(monkeypatch, gateway)
    assert elsewhere != home
    assert ask(gateway, "cert crl").data["revoked"] == 0
