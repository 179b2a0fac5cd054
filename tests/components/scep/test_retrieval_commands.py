"""`cert get` and `cert crl`, asked of an enrolled gateway and a CA over HTTP."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, cast

import pytest
from cryptography import x509

from components.scep.retrieval_commands import RETRIEVAL_COMMANDS, UNSUPPORTED
from framework.admin import Answer, CommandError, Invocation
from tests.answers import check_answer
from tools.scep_ca.faults import FaultySide

if TYPE_CHECKING:
    from framework.admin import ClientSide, GatewayView
    from tests.components.scep.enrolled_gateway import Begin, EnrolledGateway

ABSENT = "7fffffff"


def ask(gateway: EnrolledGateway, line: str) -> Answer:
    words = line.split()
    (command,) = (one for one in RETRIEVAL_COMMANDS if one.path == tuple(words[:2]))
    parser = argparse.ArgumentParser()
    if command.arguments is not None:
        command.arguments(parser)
    view = cast("GatewayView", gateway.harness.gateway)
    return command.run(Invocation(parser.parse_args(words[2:]), view, cast("ClientSide", None)))


def refused(gateway: EnrolledGateway, line: str) -> CommandError:
    with pytest.raises(CommandError) as caught:
        ask(gateway, line)
    return caught.value


@pytest.mark.requirement("RFC 8894 3.3.4: GetCert and GetCRL", "mission: certificate query", "mission: CRL retrieval")
def test_a_certificate_and_the_crl_are_fetched_shown_and_written(begin: Begin) -> None:
    gateway, authority = begin()
    first = gateway.identity.chain[0]
    gateway.service.renew()
    gateway.harness.settle()
    assert gateway.identity.chain[0] != first
    digits = f"{first.serial_number:x}"
    colons = ":".join(digits.zfill(len(digits) + len(digits) % 2)[at : at + 2] for at in range(0, len(digits), 2))
    for serial in (digits, f"0x{digits.upper()}", colons):
        answer = ask(gateway, f"cert get {serial}")
        assert x509.load_pem_x509_certificate(answer.data["pem"].encode()) == first
        assert answer.data["pem"].strip() in answer.text
        assert answer.files == ()
    check(["cert", "get", digits], answer)

    authority.ca.revoke(first.serial_number)
    answer = ask(gateway, "cert crl -o ca.crl")
    assert answer.data["revoked"] == 1
    check(["cert", "crl"], answer)
    (file,) = answer.files
    assert file.path == "ca.crl"
    crl = x509.load_pem_x509_crl(file.content)
    assert crl.get_revoked_certificate_by_serial_number(first.serial_number) is not None


def check(argv: list[str], answer: Answer) -> None:
    check_answer(argv, json.dumps(answer.data), is_error=False)


def test_what_cannot_be_fetched_says_why_and_what_to_do(begin: Begin) -> None:
    gateway, authority = begin(settings={"enabled": False})
    disabled = refused(gateway, "cert get 1")
    assert disabled.exit_status == 1
    assert "enabled=true" in str(disabled)
    gateway.set(enabled=True, client__subject__dn="")
    misconfigured = refused(gateway, "cert crl")
    assert misconfigured.exit_status == 4
    assert "client.subject.dn" in str(misconfigured)
    assert "hexadecimal" in str(refused(gateway, "cert get nonsense"))
    gateway.set(client__subject__dn="CN=gateway-17")
    absent = refused(gateway, f"cert get {ABSENT}")
    assert "badCertId" in str(absent)
    assert absent.exit_status == 2
    authority.stop()
    assert refused(gateway, "cert crl").exit_status == 3


def test_a_server_that_does_not_know_the_operation_is_told_from_one_that_refuses(begin: Begin) -> None:
    gateway, _ = begin(faults=("requests-only",))
    for line, name in (("cert get 1", "GetCert"), ("cert crl", "GetCRL")):
        error = refused(gateway, line)
        assert error.exit_status == UNSUPPORTED
        assert f"it has no {name}" in str(error)
        assert "ask the CA's operator" in str(error)


def test_a_server_that_cannot_do_what_it_offers_is_asked_in_what_it_can(begin: Begin) -> None:
    gateway, _ = begin(settings={"security.profile": "legacy"}, faults=("3des-only",))
    serial = f"{gateway.identity.chain[0].serial_number:x}"
    assert ask(gateway, f"cert get {serial}").data["serial"] == serial


def test_a_refusal_of_ndes_does_not_blame_a_challenge_that_was_not_sent(begin: Begin) -> None:
    gateway, authority = begin()
    authority.ca._faults = FaultySide(("ndes-refusal",))
    for line in (f"cert get {gateway.identity.chain[0].serial_number:x}", "cert crl"):
        error = refused(gateway, line)
        assert error.exit_status == 2
        assert "E_INVALIDARG" in str(error)
        assert "challenge" not in str(error)
        assert "ask its operator" in str(error)
