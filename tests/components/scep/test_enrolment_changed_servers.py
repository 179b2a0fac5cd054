"""Servers that change between one try and the next: another RA, mended or lost capabilities."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from components.scep.client import ScepClient
from tools.scep_ca import CaParameters
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
    asked, request = [], ScepClient._request

    def counting(self: ScepClient, method: str, operation: str, *rest: object, **more: object) -> object:
        if more.get("conversation") is not None or operation == "PKIOperation":
            asked.append(operation)
        return request(self, method, operation, *rest, **more)  # type: ignore[arg-type]  # passed on

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
