"""A CA's successor (RFC 8894 4.7) between a gateway and the development CA, until the server has rolled over."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from components.scep.client import ScepClient
from components.scep.errors import RedirectError
from components.scep.trust import fingerprint
from tests.components.scep.test_enrolment_changed_servers import WITH_RA
from tools.scep_ca import server as scep_ca_server
from tools.scep_ca.policy import read_request

if TYPE_CHECKING:
    from tests.components.scep.enrolled_gateway import Begin, CertificateAuthority, EnrolledGateway
    from tools.scep_ca import CaParameters
    from tools.scep_ca.identities import Generation


def answer_as_the_present_ca(authority: CertificateAuthority, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the server sign as before, whomever a request is sealed for."""
    plan, present = authority.ca._plan, authority.ca._authority.current.signer
    monkeypatch.setattr(authority.ca, "_plan", lambda *args, **more: replace(plan(*args, **more), signer=present))


@pytest.mark.requirement("RFC 8894 4.7: GetNextCACert")
@pytest.mark.parametrize("parameters", [None, WITH_RA], ids=["CA", "RA"])
def test_through_the_overlap_the_server_may_answer_as_the_ca_before(
    begin: Begin, monkeypatch: pytest.MonkeyPatch, parameters: CaParameters | None
) -> None:
    gateway, authority = begin(parameters=parameters)
    following = authority.ca.prepare_rollover()
    answer_as_the_present_ca(authority, monkeypatch)
    gateway.service.force_rollover()
    gateway.harness.settle()
    assert gateway.status["state"] == "enrolled", gateway.status
    assert gateway.identity.chain[-1] == following
    gateway.service.renew()
    gateway.harness.settle()
    assert gateway.status["state"] == "enrolled", "it is so too after the move, before the server rolls over"
    assert authority.issued == 3


def test_what_the_ca_before_issues_is_not_taken_for_its_successors(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway, authority = begin()
    first = gateway.identity.chain
    authority.ca.prepare_rollover()
    answer_as_the_present_ca(authority, monkeypatch)
    issue, present = authority.ca._authority.issue, authority.ca._authority.current

    def issuing(*args: Any, **more: Any) -> Any:
        return issue(*args, **more | {"generation": present})

    monkeypatch.setattr(authority.ca._authority, "issue", issuing)
    gateway.service.force_rollover()
    gateway.harness.settle()
    assert gateway.identity.chain == first
    problem = gateway.status["last_error"]
    assert "UntrustedIssuerError" in str(problem), problem


def test_the_ca_of_another_bootstrap_speaks_for_no_other(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway, authority = begin()
    before = authority.ca._authority.current.signer
    following = authority.ca.prepare_rollover()
    authority.ca.roll_over()
    plan = authority.ca._plan
    monkeypatch.setattr(authority.ca, "_plan", lambda *args, **more: replace(plan(*args, **more), signer=before))
    gateway.set(server__ca__fingerprint=fingerprint(following))
    assert gateway.status["state"] == "invalid-response", gateway.status
    assert "UntrustedSignerError" in str(gateway.status["last_error"])


def move_the_server(monkeypatch: pytest.MonkeyPatch, gateway: EnrolledGateway) -> tuple[str, str]:
    """Have a redirect lead elsewhere, follow it, and take both away again: what is remembered, and what is there."""
    home, at_home, request = gateway.status["server_url"], scep_ca_server.SCEP_PATH, ScepClient._request

    def redirecting(self: ScepClient, *arguments: Any, **more: Any) -> Any:
        if self.url == home and at_home != scep_ca_server.SCEP_PATH:
            raise RedirectError(home, 302, "/elsewhere")
        return request(self, *arguments, **more)

    monkeypatch.setattr(ScepClient, "_request", redirecting)
    monkeypatch.setattr(scep_ca_server, "SCEP_PATH", "/elsewhere")
    gateway.service.renew()
    gateway.harness.settle()
    elsewhere = gateway.status["server_url"]
    monkeypatch.setattr(scep_ca_server, "SCEP_PATH", at_home)
    return elsewhere, home


def test_the_next_ca_is_looked_for_from_the_endpoint_on_when_a_redirected_address_is_gone(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway, authority = begin()
    elsewhere, home = move_the_server(monkeypatch, gateway)
    assert elsewhere != home
    gateway.service.force_rollover()
    gateway.harness.settle()
    assert "no next CA certificate yet" in gateway.status["ca_check"]
    following = authority.ca.prepare_rollover()
    gateway.service.force_rollover()
    gateway.harness.settle()
    assert (gateway.status["state"], gateway.status["server_url"]) == ("enrolled", home), gateway.status
    assert gateway.identity.chain[-1] == following


def hold_what_is_for_the_successor(authority: CertificateAuthority, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have requests under the successor wait for approval, while the present CA goes on issuing."""
    ca = authority.ca
    certify = ca._certify

    def certifying(message: Any, csr: bytes, signer: Any, generation: Generation) -> Any:
        if generation is not ca._authority.next:
            return certify(message, csr, signer, generation)
        request = read_request(csr, ca._policy, renewal=True)
        decision = ca._authority.hold(message.attributes.transaction_id, request, ca._clock.now())
        return ca._decided(message, request, decision, generation)

    monkeypatch.setattr(ca, "_certify", certifying)


@pytest.mark.requirement("design 6: the old stays", "RFC 8894 4.7: GetNextCACert")
def test_a_successor_that_waits_for_approval_costs_no_certificate_and_is_moved_to_once_approved(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway, authority = begin()
    following = authority.ca.prepare_rollover()
    hold_what_is_for_the_successor(authority, monkeypatch)
    gateway.days(75)
    gateway.service.force_rollover()
    gateway.harness.settle()
    assert gateway.status["state"] == "pending"
    (request,) = authority.ca.pending()
    gateway.days(16)
    assert authority.issued == 2
    renewed = gateway.identity.chain[0]
    assert renewed.not_valid_after_utc > gateway.clock.now(), gateway.status
    assert gateway.status["state"] == "pending"
    assert gateway.status["transaction_id"] == request.transaction_id
    assert authority.ca.pending() == (request,), "the CA's operator has the one request still"
    gateway.stop()
    gateway.start()
    authority.ca.approve(request.transaction_id)
    gateway.days(1)
    assert gateway.status["state"] == "enrolled", gateway.status
    assert gateway.identity.chain[-1] == following
    assert gateway.identity.chain[0] != renewed


def test_while_the_renewal_goes_before_the_status_tells_what_waits(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway, authority = begin()
    authority.ca.prepare_rollover()
    hold_what_is_for_the_successor(authority, monkeypatch)
    gateway.days(75)
    gateway.service.force_rollover()
    gateway.harness.settle()
    transaction = gateway.status["transaction_id"]
    authority.stop()
    gateway.set(certificate__expiration__check__time=1080)
    gateway.harness.advance(16 * 60)
    (warning,) = gateway.status["warnings"]
    assert "successor" in warning
    assert transaction in warning
    assert "present CA first" in gateway.status["ca_check"]


def test_a_successor_that_becomes_valid_as_the_server_rolls_over_to_it_is_followed(begin: Begin) -> None:
    gateway, authority = begin()
    following = authority.ca._authority.prepare_rollover(gateway.clock.now() + timedelta(days=5)).ca.certificate
    gateway.service.force_rollover()
    gateway.harness.settle()
    assert "valid from" in gateway.status["ca_check"]
    assert gateway.status["state"] == "enrolled"
    gateway.days(6)
    authority.ca.roll_over()
    gateway.service.renew()
    gateway.harness.settle()
    assert gateway.status["state"] == "enrolled", gateway.status
    assert gateway.identity.chain[-1] == following
