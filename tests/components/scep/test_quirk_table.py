"""The table of quirks of real servers is covered row by row, and what is left to servers is said."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.x509.oid import AttributeOID

from components.scep import exchange
from components.scep.client import ScepClient
from components.scep.enrolment import Purpose
from components.scep.message import FailInfo, MessageType, decode_pki_message
from components.scep.transaction import Capabilities, Refused, build_request
from components.scep.wording import problem_of_refusal
from framework.clock import SystemClock
from framework.testing import FakeClock
from metatype import Secret
from tests.components.scep.enrolled_gateway import CertificateAuthority, EnrolledGateway
from tools.scep_ca.faults import FaultySide

if TYPE_CHECKING:
    from components.scep.client import ServerLocation
    from components.scep.enrolment import Problem
    from components.scep.transaction import PkiRequest
    from tests.components.scep.enrolled_gateway import Begin

TESTS = Path(__file__).parents[2]
ROWS = 42

LEFT_TO_SERVERS = {
    8: "micromdm renews for any self-signed certificate: a flaw of the server that a client cannot see",
    11: "micromdm 2.1.0 dies of an unknown message type when it runs with -debug: it is never run so",
    12: "micromdm 2.1.0 gives serial numbers twice under load: identities are told apart by their SHA-256",
}
BY_ANOTHER_NAME = {
    16: ("components/scep/test_client_network.py", "empty 200 (quirk 16)"),
    17: ("hostile/test_hostile_scep_server.py", 'Case("gcm", UnsupportedAlgorithmError'),
}


def test_each_row_of_the_table_has_a_test_of_its_number() -> None:
    named: set[int] = set()
    for file in TESTS.rglob("test_*.py"):
        for numbers in re.findall(r"def test_quirks?_(\d+(?:_(?:and_)?\d+)*)_", file.read_text("utf-8")):
            named |= {int(number) for number in re.findall(r"\d+", numbers)}
    for file_name, text in BY_ANOTHER_NAME.values():
        assert text in (TESTS / file_name).read_text("utf-8")
    assert set(range(1, ROWS + 1)) - named == set(LEFT_TO_SERVERS) | set(BY_ANOTHER_NAME)


@pytest.mark.parametrize("challenge", ["", "sesame"])
def test_quirks_7_and_32_the_form_of_a_renewal_needs_no_setting(
    begin: Begin, monkeypatch: pytest.MonkeyPatch, challenge: str
) -> None:
    gateway, authority = begin()
    gateway.set(client__challenge__password=challenge)
    forms: list[tuple[str, bool]] = []

    def noting(**facts: Any) -> PkiRequest:
        request = x509.load_der_x509_csr(facts["csr"])
        carried = any(one.oid == AttributeOID.CHALLENGE_PASSWORD for one in request.attributes)
        forms.append((facts["message_type"].name, carried))
        return build_request(**facts)

    monkeypatch.setattr(exchange, "build_request", noting)
    authority.ca._faults = FaultySide(("unknown-fail-info",))
    gateway.service.renew()
    gateway.harness.settle()
    assert gateway.status["state"] == "refused"
    with_challenge = [("RENEWAL_REQ", True)] if challenge else []
    assert forms == [("RENEWAL_REQ", False), *with_challenge, ("PKCS_REQ", False)], "each once"

    authority.ca._faults = FaultySide(())
    forms.clear()
    gateway.service.renew()
    gateway.harness.settle()
    assert gateway.status["state"] == "enrolled", gateway.status
    assert forms == [("RENEWAL_REQ", False)]


def test_quirk_32_a_server_that_takes_pkcsreq_only_is_sent_that_first_the_next_time(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway, authority = begin()
    kinds: list[str] = []
    answer = authority.ca.pki_operation

    def openxpki(data: bytes) -> bytes:
        kind = MessageType(decode_pki_message(data).attributes.message_type)
        kinds.append(kind.name)
        authority.ca._faults = FaultySide(() if kind is MessageType.PKCS_REQ else ("unknown-fail-info",))
        return answer(data)

    monkeypatch.setattr(authority.ca, "pki_operation", openxpki)
    gateway.service.renew()
    gateway.harness.settle()
    assert gateway.status["state"] == "enrolled", gateway.status
    assert kinds == ["RENEWAL_REQ", "RENEWAL_REQ", "PKCS_REQ"]
    kinds.clear()
    gateway.stop()
    gateway.start()
    gateway.service.renew()
    gateway.harness.settle()
    assert kinds == ["PKCS_REQ"]


def test_quirk_23_a_challenge_that_has_served_and_is_refused_later_is_told_as_that(begin: Begin) -> None:
    gateway, authority = begin()
    first, used = gateway.identity.chain, f"{gateway.clock.now():%Y-%m-%d}"
    gateway.days(1)
    authority.ca._policy = replace(authority.ca._policy, challenge=Secret("next"))  # it was for one use
    gateway.stop()
    gateway.start()
    gateway.service.enroll()
    gateway.harness.settle()
    error = gateway.status["last_error"]
    assert gateway.status["state"] == "refused"
    assert f"has brought a certificate before, on {used}" in error["message"]
    assert error["what_to_do"].startswith("if it is good for one use, get a new one")
    assert "client.challenge.password" in error["what_to_do"]
    assert gateway.identity.chain == first
    gateway.set(client__challenge__password="wrong")
    assert "before" not in gateway.status["last_error"]["message"], "this one never has"
    gateway.set(client__challenge__password="next")
    assert gateway.status["state"] == "enrolled", gateway.status
    assert authority.issued == 2


def test_quirk_23_a_renewal_without_the_challenge_does_not_blame_it(begin: Begin) -> None:
    gateway, authority = begin(settings={"client.challenge.password": "sesame"})
    authority.ca.revoke(gateway.identity.chain[0].serial_number)
    gateway.set(client__challenge__password="")
    gateway.service.renew()
    gateway.harness.settle()
    assert gateway.status["state"] == "refused"
    assert "brought a certificate before" not in gateway.status["last_error"]["message"]


USED_AT = datetime(2026, 1, 1, tzinfo=UTC)
OUTSIDE = Refused("unknown 17", None, None, "ask the CA's operator", 17)
BAD_REQUEST = Refused("badRequest", "wrong password", None, "check the challenge password", FailInfo.BAD_REQUEST)
BAD_CHECK = Refused("badMessageCheck", None, None, "was it revoked?", FailInfo.BAD_MESSAGE_CHECK)


@dataclass(frozen=True)
class Blame:
    """What the CA said to each form of a renewal, whether the challenge went along, and whether that is blamed."""

    forms: tuple[tuple[Refused, bool], ...]
    blamed: bool

    def __str__(self) -> str:
        return ", ".join(f"{one.reason}{' with challenge' if carried else ''}" for one, carried in self.forms)


BLAMES = [
    Blame(((OUTSIDE, False), (OUTSIDE, True)), blamed=False),
    Blame(((OUTSIDE, True), (OUTSIDE, False)), blamed=False),
    Blame(((BAD_CHECK, False), (BAD_CHECK, True)), blamed=False),
    Blame(((OUTSIDE, False), (BAD_CHECK, True)), blamed=False),
    Blame(((BAD_CHECK, True),), blamed=False),
    Blame(((OUTSIDE, False),), blamed=False),
    Blame(((BAD_REQUEST, True),), blamed=True),
    Blame(((OUTSIDE, False), (BAD_REQUEST, True)), blamed=True),
    Blame(((OUTSIDE, False), (BAD_REQUEST, True), (OUTSIDE, False)), blamed=True),
    Blame(((OUTSIDE, False), (BAD_REQUEST, True), (BAD_REQUEST, False)), blamed=False),
]


@pytest.mark.parametrize("case", BLAMES, ids=str)
def test_quirk_23_a_challenge_is_blamed_only_for_what_is_not_said_without_it(case: Blame) -> None:
    problem: Problem | None = None
    for refused, carried in case.forms:
        problem = problem_of_refusal(refused, USED_AT, Purpose.RENEW, problem, USED_AT if carried else None)
    assert problem is not None
    assert ("has brought a certificate before" in problem.message) == case.blamed
    assert problem.what_to_do.startswith("if it is good for one use") == case.blamed
    assert case.forms[0][0].summary in problem.message


def test_quirk_23_a_renewal_refused_alike_with_the_challenge_tells_what_the_ca_said(begin: Begin) -> None:
    gateway, authority = begin()
    authority.ca._faults = FaultySide(("unknown-fail-info",))
    gateway.service.renew()
    gateway.harness.settle()
    error = gateway.status["last_error"]
    assert "unknown 17" in error["message"]
    assert "before" not in error["message"]
    assert error["what_to_do"].startswith("ask the CA's operator")


def test_quirk_23_a_challenge_that_was_refused_is_not_sent_again_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    caplog.set_level("WARNING", "tools.scep_ca")

    def refusals() -> int:
        return sum(one.name == "tools.scep_ca" and "refused" in one.getMessage() for one in caplog.records)

    with contextlib.ExitStack() as stack:
        clock = FakeClock(SystemClock().now())
        authority = CertificateAuthority(stack, tmp_path / "ca", clock)
        gateway = EnrolledGateway(stack, tmp_path / "state", clock, authority)
        gateway.configuration["client.challenge.password"] = "spent"
        gateway.start()
        assert gateway.status["state"] == "refused"
        assert "challenge" in gateway.status["last_error"]["what_to_do"]
        gateway.days(3)
        gateway.stop()
        gateway.start()
        assert refusals() == 1
        gateway.set(client__challenge__password="sesame")  # the test CA's
        assert gateway.status["state"] == "enrolled", gateway.status
        assert refusals() == 1


def test_quirk_39_a_redirect_has_nothing_forgotten_of_what_a_server_offered(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway, _ = begin(settings={"security.profile": "legacy"}, strict=True)
    describe = ScepClient.describe

    def moved(client: ScepClient) -> ServerLocation:
        location = describe(client)
        return replace(location, url=location.url.replace("http:", "HTTP:"), capabilities=Capabilities())

    monkeypatch.setattr(ScepClient, "describe", moved)
    gateway.service.renew()
    gateway.harness.settle()
    assert gateway.status["state"] == "enrolled", gateway.status
    assert gateway.status["server_url"].startswith("HTTP:"), "it is asked where it has moved to"
    assert any("aes" in warning and "GetCACaps" in warning for warning in gateway.status["warnings"])
