"""What a running gateway makes of servers that change, are old, or are busy for now."""

from __future__ import annotations

import http
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509

from components.scep.component import PID
from tools.scep_ca import protocol
from tools.scep_ca.faults import HttpAnswer
from tools.scep_ca.policy import CertificationRequest, read_request

if TYPE_CHECKING:
    from framework.event_admin import Event
    from tests.components.scep.enrolled_gateway import Begin, CertificateAuthority, EnrolledGateway

OLD_SERVER = b"AES\nSHA-256\nPOSTPKIOperation\nUpdate\n"


def _renew(gateway: EnrolledGateway) -> None:
    gateway.service.renew()
    gateway.harness.settle()


def _operations(authority: CertificateAuthority, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The operations that the CA is asked for from now on."""
    asked: list[str] = []
    answer = authority.ca.http_answer

    def note(given: HttpAnswer, operation: str) -> HttpAnswer:
        asked.append(operation)
        return answer(given, operation)

    monkeypatch.setattr(authority.ca, "http_answer", note)
    return asked


@pytest.mark.requirement("RFC 8894 7.5: downgrade")
def test_a_server_that_suddenly_offers_less_is_a_warning_until_it_offers_it_again(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway, authority = begin(settings={"security.profile": "legacy"}, strict=True)
    offered = authority.ca.get_ca_caps()
    monkeypatch.setattr(authority.ca, "get_ca_caps", lambda: b"DES3\nSHA-1\n")
    _renew(gateway)
    assert gateway.status["state"] == "enrolled", "the strict CA got AES and SHA-256 all the same"
    assert any("does not any more" in warning for warning in gateway.status["warnings"])
    monkeypatch.setattr(authority.ca, "get_ca_caps", lambda: offered)
    _renew(gateway)
    assert not any("does not any more" in warning for warning in gateway.status["warnings"])
    assert authority.issued == 3


def test_a_server_of_the_drafts_is_sent_an_update_request(
    begin: Begin, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    gateway, authority = begin(settings={"enabled": False})
    monkeypatch.setattr(authority.ca, "get_ca_caps", lambda: OLD_SERVER)
    caplog.set_level("INFO")
    gateway.set(enabled=True)
    _renew(gateway)
    assert gateway.status["state"] == "enrolled", gateway.status
    assert authority.issued == 2
    assert "(update req)" in caplog.text
    assert "(renewal req)" not in caplog.text


def test_a_server_that_is_busy_is_waited_for_as_long_as_it_asks(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway, authority = begin()
    first, answer = gateway.identity.chain, authority.ca.http_answer

    def busy(_: HttpAnswer, __: str) -> HttpAnswer:
        headers = (("Retry-After", "7200"),)
        return HttpAnswer(http.HTTPStatus.SERVICE_UNAVAILABLE, "text/plain", b"later", headers)

    monkeypatch.setattr(authority.ca, "http_answer", busy)
    began = gateway.clock.now()
    _renew(gateway)
    status = gateway.status
    assert status["state"] == "unreachable"
    assert "busy" in status["last_error"]["what_to_do"]
    assert status["next_action"]["at"] >= f"{began + timedelta(hours=2):%Y-%m-%dT%H:%M:%S}"
    monkeypatch.setattr(authority.ca, "http_answer", answer)
    gateway.harness.advance(7100)
    assert gateway.identity.chain == first
    gateway.harness.advance(300)
    assert gateway.status["state"] == "enrolled"
    assert gateway.identity.chain != first


def test_a_server_that_fails_for_a_moment_at_a_renewal_does_not_end_renewals(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway, authority = begin(renewal_challenge=True)
    _renew(gateway)
    renewed, answer = gateway.identity.chain, authority.ca.http_answer

    def broken(given: HttpAnswer, operation: str) -> HttpAnswer:
        if operation != "PKIOperation":
            return given
        return HttpAnswer(http.HTTPStatus.INTERNAL_SERVER_ERROR, "text/plain", b"oops")

    monkeypatch.setattr(authority.ca, "http_answer", broken)
    _renew(gateway)
    assert gateway.status["state"] == "invalid-response"
    gateway.harness.advance(3600)
    assert gateway.status["state"] == "invalid-response"
    assert gateway.identity.chain == renewed
    monkeypatch.setattr(authority.ca, "http_answer", answer)
    gateway.harness.advance(12 * 3600)
    assert gateway.status["state"] == "enrolled", gateway.status
    assert gateway.identity.chain != renewed


def test_a_refused_renewal_shows_what_the_ca_said_of_each_form(begin: Begin) -> None:
    gateway, authority = begin()
    authority.ca.revoke(gateway.identity.chain[0].serial_number)
    _renew(gateway)
    error = gateway.status["last_error"]
    assert gateway.status["state"] == "refused"
    assert "badMessageCheck" in error["message"]
    assert "not revoked" in error["message"]
    assert "in another form: badRequest (the request carries no challenge password)" in error["message"]
    assert "was the certificate revoked" in error["what_to_do"]
    assert "gatewright cert enroll" in error["what_to_do"]


def test_a_ca_that_leaves_alternative_names_out_is_a_warning(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway, _ = begin(settings={"client.subject.alternative-names": ["DNS:gateway-17.example", "IP:192.0.2.17"]})
    assert not any("alternative" in warning for warning in gateway.status["warnings"])

    def without_addresses(*request: Any, **terms: Any) -> CertificationRequest:
        wanted = read_request(*request, **terms)
        return replace(wanted, alternative_names=x509.SubjectAlternativeName([x509.DNSName("gateway-17.example")]))

    monkeypatch.setattr(protocol, "read_request", without_addresses)
    _renew(gateway)
    (warning,) = (one for one in gateway.status["warnings"] if "alternative" in one)
    assert warning.endswith(": 192.0.2.17")


@pytest.mark.requirement("RFC 8894 4.1: path", "mission: endpoint")
def test_where_the_server_was_found_is_remembered_and_shown(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway, authority = begin(settings={"enabled": False})
    endpoint = authority.server.url.removesuffix("/cgi-bin/pkiclient.exe")
    assert endpoint != authority.server.url
    gateway.set(enabled=True, server__url=endpoint)
    assert gateway.status["server_url"] == authority.server.url
    gateway.stop()
    gateway.configuration |= {"enabled": True, "server.url": endpoint}
    gateway.start()
    asked = _operations(authority, monkeypatch)
    _renew(gateway)
    assert gateway.status["state"] == "enrolled", gateway.status
    assert asked.count("GetCACert") == 1
    assert gateway.status["server_url"] == authority.server.url


def test_the_log_and_events_tell_a_problem_where_it_is_and_the_log_warns_that_it_is_over(
    begin: Begin, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    gateway, authority = begin(settings={"connect.retry-interval": 60, "enabled": False})
    answer, busy = authority.ca.http_answer, HttpAnswer(http.HTTPStatus.SERVICE_UNAVAILABLE, "text/plain", b"later")
    monkeypatch.setattr(authority.ca, "http_answer", lambda *_: busy)
    caplog.set_level("INFO")
    events: list[Event] = []
    with gateway.harness.gateway.event_admin.subscribe("gatewright/enrollment/STATE_CHANGED", events.append):
        gateway.set(enabled=True)
        assert gateway.status["state"] == "unreachable"
        monkeypatch.setattr(authority.ca, "http_answer", answer)
        gateway.harness.advance(120)
        assert gateway.status["state"] == "enrolled"
        _renew(gateway)
    assert authority.issued == 2
    told = {(event.properties["state"], "503" in event.properties["message"]) for event in events}
    assert told == {
        ("bootstrapping", False),
        ("unreachable", True),
        ("generating-key", False),
        ("requesting", False),
        ("enrolled", False),
    }
    lines = [one.getMessage() for one in caplog.records if one.levelname == "WARNING" and one.name.startswith(PID)]
    assert [line.partition(" (was")[0] for line in lines] == ["enrolment: unreachable", "enrolment: enrolled"], lines
