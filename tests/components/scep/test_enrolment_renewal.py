"""Renewal, polling and rollover in a gateway, against the development CA; both have one clock."""

from __future__ import annotations

import errno
import os
from datetime import timedelta
from typing import Any

import pytest

from components.scep import driver, submission
from components.scep.enrolment import JournalFile
from components.scep.exchange import Exchange
from framework.observation import MetricSource
from tests.components.scep.enrolled_gateway import CHALLENGE, Begin, EnrolledGateway
from tools.scep_ca import CaParameters


@pytest.mark.requirement("mission: renewal", "mission: check time")
def test_it_renews_from_the_check_time_on_with_the_previous_key_and_the_same_subject(begin: Begin) -> None:
    gateway, authority = begin()
    first = gateway.identity
    assert gateway.status["state"] == "enrolled"
    gateway.days(79)
    assert gateway.identity.chain == first.chain, "before the window of 240 hours"
    gateway.days(6)
    renewed = gateway.identity
    assert renewed.chain[0] != first.chain[0]
    assert renewed.key.public_key == first.key.public_key
    assert renewed.chain[0].subject == first.chain[0].subject
    assert gateway.status["state"] == "enrolled"
    assert authority.issued == 2


@pytest.mark.requirement("mission: renewal")
def test_without_client_renew_it_does_not_renew_and_says_so(begin: Begin) -> None:
    gateway, authority = begin(settings={"client.renew": False})
    gateway.days(88)
    assert authority.issued == 1
    assert "client.renew is false" in gateway.status["next_action"]["what"]
    gateway.days(4)
    assert gateway.status["state"] == "expired"
    assert gateway.identity is not None


@pytest.mark.parametrize(
    "policy", [{"renewal": False}, {"renewal_challenge": True}], ids=["only PKCSReq", "challenge wanted"]
)
def test_a_renewal_falls_back_to_the_form_that_the_server_takes_and_remembers_it(
    begin: Begin, policy: dict[str, Any]
) -> None:
    gateway, authority = begin(**policy)
    gateway.days(85)
    assert authority.issued == 2, gateway.status
    gateway.days(85)
    assert authority.issued == 3


def figures(gateway: EnrolledGateway) -> dict[str, float]:
    (reference,) = gateway.harness.registry.find_all(MetricSource)
    source = gateway.harness.registry.get(reference)
    return {metric.name.removeprefix("gatewright_enrolment_"): metric.samples[0].value for metric in source.metrics()}


def test_figures_tell_the_renewal_itself_and_all_failures(begin: Begin) -> None:
    gateway, authority = begin()
    due = figures(gateway)["renewal_timestamp_seconds"]
    assert due - gateway.clock.now().timestamp() > 70 * 86_400, "the renewal, not the daily look"
    assert figures(gateway)["failures_total"] == 0
    authority.stop()
    gateway.days(89)
    failed = figures(gateway)["failures_total"]
    assert failed > 0
    assert figures(gateway)["renewal_timestamp_seconds"] == due


def test_figures_have_no_renewal_where_there_is_none(begin: Begin) -> None:
    gateway, _ = begin(settings={"client.renew": False})
    assert "renewal_timestamp_seconds" not in figures(gateway)


def test_renew_and_rekey_can_be_asked_for(begin: Begin) -> None:
    gateway, authority = begin()
    first = gateway.identity
    gateway.service.renew()
    gateway.harness.settle()
    renewed = gateway.identity
    assert renewed.chain[0] != first.chain[0]
    assert renewed.key.public_key == first.key.public_key
    gateway.service.rekey()
    gateway.harness.settle()
    rekeyed = gateway.identity
    assert rekeyed.key.public_key == rekeyed.chain[0].public_key() != first.key.public_key
    assert rekeyed.chain[0].subject == first.chain[0].subject
    assert authority.issued == 3


@pytest.mark.requirement("mission: asynchronous granting", "design 6: pending survives")
def test_a_pending_request_is_polled_with_its_transaction_over_a_restart(begin: Begin) -> None:
    gateway, authority = begin(approval=True, settings={"connect.retry-interval": 60})
    pending = gateway.status
    assert pending["state"] == "pending"
    gateway.harness.advance(60)
    gateway.stop()
    gateway.start()
    assert gateway.status["transaction_id"] == pending["transaction_id"]
    (request,) = authority.ca.pending()
    assert request.transaction_id == pending["transaction_id"]
    authority.ca.approve(request.transaction_id)
    gateway.service.poll()
    gateway.harness.settle()
    assert gateway.status["state"] == "enrolled", gateway.status
    assert authority.issued == 1


def test_a_pending_request_gives_way_to_one_for_what_is_configured_now(begin: Begin) -> None:
    gateway, authority = begin(approval=True, settings={"connect.retry-interval": 60})
    before = gateway.status["transaction_id"]
    gateway.set(client__subject__dn="CN=gateway-18", client__keypair__size=3072)
    assert gateway.status["state"] == "pending"
    assert gateway.status["transaction_id"] != before
    _, request = authority.ca.pending()
    assert request.transaction_id == gateway.status["transaction_id"]
    authority.ca.approve(request.transaction_id)
    gateway.harness.advance(60)
    assert gateway.status["state"] == "enrolled", gateway.status
    assert gateway.status["certificate"]["subject"] == "CN=gateway-18"
    assert gateway.identity.key.public_key.key_size == 3072


def test_a_server_that_is_down_at_the_renewal_costs_nothing_and_is_asked_again(begin: Begin) -> None:
    gateway, authority = begin()
    first = gateway.identity.chain
    authority.stop()
    gateway.days(85)
    assert gateway.status["state"] == "unreachable"
    assert gateway.identity.chain == first
    assert gateway.status["certificate"] is not None


@pytest.mark.requirement("mission: rollover", "RFC 8894 4.7: GetNextCACert")
def test_a_rollover_is_verified_by_the_present_ca_and_both_stay_until_the_old_one_expires(begin: Begin) -> None:
    gateway, authority = begin()
    old = authority.ca.anchor
    following = authority.ca.prepare_rollover()
    gateway.service.force_rollover()
    gateway.harness.settle()
    assert gateway.status["state"] == "enrolled", gateway.status
    assert gateway.ca_certificates == [following, old]
    assert gateway.identity.chain[-1] == following
    authority.ca.roll_over()
    gateway.service.renew()
    gateway.harness.settle()
    assert gateway.status["state"] == "enrolled", gateway.status
    assert gateway.ca_certificates == [following, old]
    assert authority.issued == 3


@pytest.mark.parametrize("registration_authority", [False, True])
def test_a_renewal_before_the_server_rolls_over_does_not_go_back_to_the_old_ca(
    begin: Begin, registration_authority: bool
) -> None:
    gateway, authority = begin(parameters=CaParameters(registration_authority=registration_authority))
    old = authority.ca.anchor
    following = authority.ca.prepare_rollover()
    gateway.service.force_rollover()
    gateway.harness.settle()
    for ask in (gateway.service.renew, gateway.service.force_rollover, gateway.service.renew):
        ask()
        gateway.harness.settle()
        assert gateway.status["state"] == "enrolled", gateway.status
        assert gateway.ca_certificates[0] == following
        assert old in gateway.ca_certificates
        assert gateway.identity.chain[-1] == following
    authority.ca.roll_over()
    gateway.service.renew()
    gateway.harness.settle()
    assert gateway.status["state"] == "enrolled", gateway.status
    assert gateway.identity.chain[-1] == following


@pytest.mark.requirement("mission: rollover")
def test_the_successor_is_found_by_a_gateway_that_renews_several_times_a_day(begin: Begin) -> None:
    gateway, authority = begin(
        parameters=CaParameters(validity=timedelta(days=2)),
        validity=timedelta(hours=6),
        settings={"server.rollover": True},
    )
    gateway.stop()
    gateway.clock.advance(timedelta(hours=36).total_seconds())
    following = authority.ca.prepare_rollover()
    gateway.start()
    gateway.harness.advance(timedelta(hours=1).total_seconds())
    assert gateway.ca_certificates[0] == following, gateway.status
    assert gateway.identity.chain[-1] == following


def test_a_ca_that_changed_without_rollover_is_shown_and_not_trusted(begin: Begin) -> None:
    gateway, authority = begin()
    first, trusted = gateway.identity, gateway.ca_certificates
    authority.ca.prepare_rollover()
    authority.ca.roll_over()
    gateway.service.renew()
    gateway.harness.settle()
    assert gateway.status["state"] == "untrusted-ca"
    assert gateway.identity == first
    assert gateway.ca_certificates == trusted
    assert CHALLENGE not in str(gateway.status)


def test_a_try_that_fails_in_a_way_nobody_foresaw_is_told_and_made_again(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway, authority = begin()

    def raises(*_: object) -> None:
        raise RuntimeError("nobody expects this")

    with monkeypatch.context() as broken:
        broken.setattr(Exchange, "read", raises)
        gateway.service.renew()
        gateway.harness.settle()
    assert gateway.status["state"] == "keystore-error"
    assert "nobody expects this" in gateway.status["last_error"]["message"]
    gateway.harness.advance(3600)
    assert gateway.status["state"] == "enrolled", gateway.status
    assert len({one.transaction_id for one in authority.ca.issued()}) == 2


def test_a_try_of_which_nothing_comes_is_given_up_and_made_again(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway, authority = begin()
    with monkeypatch.context() as silent:
        silent.setattr(submission, "send", lambda *_: None)
        gateway.service.renew()
        gateway.harness.settle()
        assert gateway.status["state"] == "requesting"
        gateway.harness.advance(driver.LONGEST_TRY_S - 1)
        assert gateway.status["state"] == "requesting"
        gateway.harness.advance(1)
    assert gateway.status["state"] == "keystore-error"
    assert "30 minutes" in gateway.status["last_error"]["message"]
    gateway.harness.advance(3600)
    assert gateway.status["state"] == "enrolled", gateway.status
    assert authority.issued == 2


def test_a_disk_that_is_full_for_an_hour_ends_no_enrolment(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    save = JournalFile.save

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(JournalFile, "save", full)
    gateway, authority = begin(settings={"connect.retry-interval": 60})
    gateway.harness.advance(3600)
    assert gateway.status["state"] == "keystore-error"
    assert any("journal of the enrolment cannot be written (No space left" in one for one in gateway.status["warnings"])
    assert authority.issued == 0, "nothing is sent whose answer could be lost"
    monkeypatch.setattr(JournalFile, "save", save)
    gateway.harness.advance(24 * 3600)
    assert gateway.status["state"] == "enrolled", gateway.status
    assert gateway.status["warnings"] == []
    assert authority.issued == 1

    monkeypatch.setattr(JournalFile, "save", full)
    first = gateway.identity
    gateway.days(85)
    assert gateway.identity == first
    monkeypatch.setattr(JournalFile, "save", save)
    gateway.days(2)
    assert gateway.identity.chain[0] != first.chain[0]


@pytest.mark.parametrize("years", [-10, 10])
def test_a_clock_that_is_years_off_loses_nothing(begin: Begin, years: int) -> None:
    gateway, _ = begin()
    first, trusted = gateway.identity.chain, gateway.ca_certificates
    right = gateway.clock.now()
    gateway.clock.set(right + timedelta(days=365 * years))
    gateway.harness.advance(3600)
    assert gateway.identity.chain == first
    assert gateway.ca_certificates == trusted
    gateway.clock.set(right + timedelta(hours=2))
    gateway.days(2)
    assert gateway.status["state"] == "enrolled", gateway.status
