"""Servers that change between one try and the next: another RA, mended or lost capabilities."""

from __future__ import annotations

import urllib.parse
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from components.scep.client import ScepClient
from components.scep.errors import HttpStatusError, RedirectError
from tools.scep_ca import CaParameters
from tools.scep_ca import server as scep_ca_server
from tools.scep_ca.faults import FaultySide
from tools.scep_ca.identities import _open_ra

if TYPE_CHECKING:
    from tests.components.scep.enrolled_gateway import Begin, CertificateAuthority, EnrolledGateway

WITH_RA = CaParameters(registration_authority=True)


def have_faults(authority: CertificateAuthority, *names: str) -> None:
    authority.ca._faults = FaultySide(names)


def replace_ra(authority: CertificateAuthority, gateway: EnrolledGateway, tag: str = "new") -> None:
    """Give the server RA certificates with other keys, as when an RA's have run out."""
    generations, now = authority.ca._authority, gateway.clock.now()
    current = generations._current
    signing, encryption = (
        _open_ra(generations.directory, f"{tag}-{kind}", current.ca, now, encipherment=kind == "encryption")
        for kind in ("signing", "encryption")
    )
    generations._current = replace(current, ra_signing=signing, ra_encryption=encryption)


def count_operations(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The operations that are asked for from now on."""
    asked: list[str] = []
    request = ScepClient._request

    def counting(self: ScepClient, method: str, operation: str, *rest: Any, **more: Any) -> Any:
        if more.get("conversation") is not None or operation == "PKIOperation":
            asked.append(operation)
        return request(self, method, operation, *rest, **more)

    monkeypatch.setattr(ScepClient, "_request", counting)
    return asked


def test_an_enrolment_that_was_refused_goes_on_with_the_ra_that_is_there_now(begin: Begin) -> None:
    gateway, authority = begin(settings={"client.challenge.password": "wrong"}, parameters=WITH_RA)
    assert gateway.status["state"] == "refused"
    replace_ra(authority, gateway)
    gateway.set(client__challenge__password="sesame")
    assert gateway.status["state"] == "enrolled", gateway.status


def test_an_enrolment_that_failed_goes_on_with_the_ra_that_is_there_now(begin: Begin) -> None:
    gateway, authority = begin(faults=("dropped",), parameters=WITH_RA)
    transaction = gateway.status["transaction_id"]
    replace_ra(authority, gateway)
    have_faults(authority)
    gateway.days(1)
    assert gateway.status["state"] == "enrolled", gateway.status
    assert [one.transaction_id for one in authority.ca.issued()] == [transaction]


def test_a_pending_request_stays_the_same_transaction_at_another_ra(begin: Begin) -> None:
    gateway, authority = begin(parameters=WITH_RA, approval=True)
    (request,) = authority.ca.pending()
    replace_ra(authority, gateway)
    authority.ca.approve(request.transaction_id)
    gateway.days(1)
    assert gateway.status["state"] == "enrolled", gateway.status
    assert authority.ca.pending() == ()
    assert authority.issued == 1


@pytest.mark.parametrize("what", ["enroll", "renew", "rekey"])
def test_who_asks_has_the_ra_looked_at(begin: Begin, what: str) -> None:
    gateway, authority = begin(parameters=WITH_RA)
    replace_ra(authority, gateway)
    getattr(gateway.service, what)()
    gateway.harness.settle()
    assert gateway.status["state"] == "enrolled", gateway.status
    assert authority.issued == 2


@pytest.mark.parametrize("refused", [False, True], ids=["failed", "refused"])
def test_a_renewal_that_did_not_succeed_loses_no_certificate_to_another_ra(begin: Begin, *, refused: bool) -> None:
    gateway, authority = begin(parameters=WITH_RA)
    replace_ra(authority, gateway, "one")
    have_faults(authority, "unknown-fail-info" if refused else "dropped")
    gateway.service.renew()
    gateway.harness.settle()
    assert gateway.status["state"] == ("refused" if refused else "unreachable"), gateway.status
    replace_ra(authority, gateway, "two")
    have_faults(authority)
    gateway.days(92)
    assert gateway.status["state"] == "enrolled", gateway.status
    assert gateway.identity.chain[0].not_valid_after_utc > gateway.clock.now()


def test_an_expired_gateway_comes_back_at_another_ra(begin: Begin) -> None:
    gateway, authority = begin(parameters=WITH_RA)
    gateway.stop()
    replace_ra(authority, gateway)
    gateway.clock.advance(100 * 86_400)
    gateway.start()
    gateway.days(1)
    assert gateway.status["state"] == "enrolled", gateway.status


def test_where_all_is_well_nothing_is_asked_twice(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = count_operations(monkeypatch)
    gateway, authority = begin(approval=True)
    gateway.harness.advance(600)
    authority.ca.approve(authority.ca.pending()[0].transaction_id)
    gateway.days(1)
    assert gateway.status["state"] == "enrolled", gateway.status
    assert asked[:2] == ["GetCACert", "GetCACaps"]
    assert set(asked[2:]) == {"PKIOperation"}


def fail_over(monkeypatch: pytest.MonkeyPatch, operation: str, status: int, times: int, method: str = "GET") -> None:
    """Have the server answer so the next times that it is asked this."""
    request, left = ScepClient._request, [None] * times

    def failing(self: ScepClient, by: str, asked: str, *rest: Any, **more: Any) -> Any:
        if (asked, by) == (operation, method) and left:
            left.pop()
            raise HttpStatusError(self.url, status, "not now", None)
        return request(self, by, asked, *rest, **more)

    monkeypatch.setattr(ScepClient, "_request", failing)


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_server_that_does_not_say_now_what_it_can_do_is_sent_nothing_weak(
    begin: Begin, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    fail_over(monkeypatch, "GetCACaps", status, 1)
    asked = count_operations(monkeypatch)
    gateway, authority = begin(settings={"security.profile": "legacy"}, strict=True)
    assert gateway.status["state"] in {"unreachable", "invalid-response"}, gateway.status
    assert "PKIOperation" not in asked
    gateway.days(1)
    assert gateway.status["state"] == "enrolled", gateway.status
    assert authority.issued == 1
    assert gateway.status["warnings"] == []


def test_a_server_that_never_says_what_it_can_do_is_taken_not_to_know_the_question(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_over(monkeypatch, "GetCACaps", 500, 100)
    gateway, authority = begin(settings={"security.profile": "legacy"})
    gateway.days(1)
    assert gateway.status["state"] == "enrolled", gateway.status
    assert authority.issued == 1


@pytest.mark.parametrize("status", [503, 429])
def test_a_server_that_is_busy_for_long_is_not_taken_not_to_know_the_question(
    begin: Begin, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    fail_over(monkeypatch, "GetCACaps", status, 10)
    gateway, authority = begin(settings={"security.profile": "legacy"}, strict=True)
    gateway.days(3)
    assert gateway.status["state"] == "enrolled", gateway.status
    assert authority.issued == 1
    assert gateway.status["warnings"] == []


def test_a_server_that_a_redirect_had_led_to_is_left_when_it_is_gone(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway, _ = begin()
    home, request = gateway.status["server_url"], ScepClient._request
    elsewhere, at_home = urllib.parse.urljoin(home, "/elsewhere"), scep_ca_server.SCEP_PATH

    def redirecting(self: ScepClient, *arguments: Any, **more: Any) -> Any:
        if self.url == home and at_home != scep_ca_server.SCEP_PATH:
            raise RedirectError(home, 302, "/elsewhere")
        return request(self, *arguments, **more)

    monkeypatch.setattr(ScepClient, "_request", redirecting)
    for path, url in (("/elsewhere", elsewhere), (at_home, home)):
        monkeypatch.setattr(scep_ca_server, "SCEP_PATH", path)
        gateway.service.renew()
        gateway.harness.settle()
        assert (gateway.status["state"], gateway.status["server_url"]) == ("enrolled", url)


def test_what_a_server_offered_counts_while_it_does_not_say_it(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway, _ = begin(settings={"security.profile": "legacy"}, strict=True)
    fail_over(monkeypatch, "GetCACaps", 503, 1)
    gateway.service.renew()
    gateway.harness.settle()
    assert gateway.status["state"] == "enrolled", gateway.status
    assert not any("GetCACaps" in warning for warning in gateway.status["warnings"])


@pytest.mark.parametrize("status", [405, 501])
@pytest.mark.parametrize("offers", [False, True], ids=["no more offered", "offered all the same"])
def test_a_server_that_lets_nobody_post_any_more_is_asked_by_get(
    begin: Begin, monkeypatch: pytest.MonkeyPatch, status: int, *, offers: bool
) -> None:
    gateway, authority = begin()
    if not offers:
        monkeypatch.setattr(authority.ca, "get_ca_caps", lambda: b"AES\nSHA-256\nRenewal\n")
    fail_over(monkeypatch, "PKIOperation", status, 100, "POST")
    gateway.service.renew()
    gateway.harness.settle()
    assert gateway.status["state"] == "enrolled", gateway.status
    assert authority.issued == 2
    assert not any("postpkioperation" in warning for warning in gateway.status["warnings"])


def test_a_successor_that_was_refused_waits_for_somebody_and_is_followed_when_the_server_has_rolled_over(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway, authority = begin(
        parameters=CaParameters(validity=timedelta(days=100)),
        settings={"client.renew": False},
        validity=timedelta(days=99),
    )
    first = gateway.identity.chain
    gateway.days(89)
    following = authority.ca.prepare_rollover()
    have_faults(authority, "unknown-fail-info")
    asked = count_operations(monkeypatch)
    gateway.days(2)
    assert "PKIOperation" in asked, gateway.status
    asked.clear()
    gateway.days(3)
    assert "PKIOperation" not in asked
    assert gateway.status["state"] == "enrolled", gateway.status
    assert "refused" in gateway.status["ca_check"]
    gateway.service.force_rollover()
    gateway.harness.settle()
    assert "PKIOperation" in asked
    assert gateway.status["state"] == "refused", gateway.status
    assert gateway.identity.chain == first
    authority.ca.roll_over()
    have_faults(authority)
    gateway.service.renew()
    gateway.harness.settle()
    assert gateway.status["state"] == "enrolled", gateway.status
    assert gateway.identity.chain[-1] == following
