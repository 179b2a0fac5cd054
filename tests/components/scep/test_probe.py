"""`scep probe`: what it shows of a server, with a gateway and without one, and that nothing happens to anybody."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from components.scep.probe import probe
from components.scep.probe_command import NOT_SCEP, UNREACHABLE, WOULD_STOP, WRONG_ARGUMENTS
from components.scep.transaction import SecurityProfile
from components.scep.trust import FingerprintPin, fingerprint
from framework import cli
from framework.admin import exit_statuses
from framework.clock import SystemClock
from framework.fake_clock import FakeClock
from metatype import Secret
from tools.scep_ca import CaParameters, IssuancePolicy, ScepCa, ScepCaServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import Any

    Serve = Callable[..., tuple[ScepCa, str]]


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.delenv("GATEWRIGHT_STATE_DIR", raising=False)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    from contextlib import ExitStack  # noqa: PLC0415  # here only

    with ExitStack() as stack:

        def start(*faults: str, **parameters: Any) -> tuple[ScepCa, str]:
            policy = IssuancePolicy(Secret("sesame"))
            ca = stack.enter_context(
                ScepCa.open(tmp_path / "ca", policy, parameters=CaParameters(**parameters), faults=faults)
            )
            return ca, stack.enter_context(ScepCaServer(ca)).url

        yield start


def pin_of(ca: ScepCa) -> FingerprintPin:
    return FingerprintPin(ca.fingerprint)


def test_certificates_are_shown_with_fingerprints_and_roles(serve: Serve) -> None:
    ca, url = serve(intermediate=True, registration_authority=True)
    report = probe(url, clock=SystemClock(), pin=pin_of(ca))
    roles = {one.certificate: one.roles for one in report.certificates}
    issuing, signing, encryption, root = ca.certificates
    assert roles == {
        root: ("pinned", "CA"),
        issuing: ("CA", "issues"),
        signing: ("RA", "may sign answers"),
        encryption: ("RA", "messages are encrypted for it"),
    }
    assert report.would_enrol
    assert any("AES-128" in step and "POST" in step for step in report.outlook)


def test_without_a_pin_a_gateway_would_not_enrol(serve: Serve) -> None:
    _, url = serve()
    report = probe(url, clock=SystemClock())
    assert not report.would_enrol
    assert "server.ca.fingerprint" in report.outlook[0]
    assert report.certificates[0].roles[0] == "can be pinned"


def test_a_ca_that_is_not_the_pinned_one_is_shown_beside_it(serve: Serve) -> None:
    ca, url = serve("other-ca")
    report = probe(url, clock=SystemClock(), pin=pin_of(ca))
    assert not report.would_enrol
    assert pin_of(ca).sha256 in report.outlook[0]
    assert fingerprint(report.certificates[0].certificate) in report.outlook[0]


def test_a_next_ca_is_shown_if_the_pinned_one_vouches_for_it(serve: Serve) -> None:
    ca, url = serve()
    following = ca.prepare_rollover()
    report = probe(url, clock=SystemClock(), pin=pin_of(ca))
    assert report.next_ca is not None
    assert report.next_ca.trust.anchor == following
    assert any("only a pinned CA can vouch for" in finding for finding in probe(url, clock=SystemClock()).findings)


def test_weak_capabilities_and_what_they_mean_for_each_profile(serve: Serve) -> None:
    ca, url = serve("weak-capabilities")
    sent = {}
    for profile in SecurityProfile:
        report = probe(url, clock=SystemClock(), pin=pin_of(ca), profile=profile)
        sent[profile] = next(step for step in report.outlook if "send its request" in step)
        assert {"the server does not offer AES", "the server does not offer SHA-256"} <= set(report.findings)
    assert "3DES, signed with SHA-1" in sent[SecurityProfile.LEGACY]
    assert "AES-128, signed with SHA-256" in sent[SecurityProfile.STANDARD]
    assert "refused" in sent[SecurityProfile.STRICT]


def test_a_server_that_does_not_say_what_it_can_is_told_of(serve: Serve) -> None:
    ca, url = serve("no-capabilities")
    report = probe(url, clock=SystemClock(), pin=pin_of(ca))
    assert any("GetCACaps" in finding for finding in report.findings)
    assert report.would_enrol


@pytest.mark.parametrize(("ahead", "word"), [(timedelta(days=2), "behind"), (timedelta(days=-2), "ahead of")])
def test_a_clock_that_differs_is_told_of(serve: Serve, ahead: timedelta, word: str) -> None:
    _, url = serve()
    report = probe(url, clock=FakeClock(SystemClock().now() + ahead))
    assert any("clock" in finding and word in finding for finding in report.findings)


def test_weak_and_ending_certificates_are_told_of(serve: Serve) -> None:
    _, url = serve(validity=timedelta(days=3))
    report = probe(url, clock=SystemClock())
    assert any("it ends on" in finding for finding in report.findings)


def test_nothing_is_asked_for_and_nothing_is_issued(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    ca, url = serve()
    caplog.set_level("DEBUG", "tools.scep_ca")
    probe(url, clock=SystemClock(), pin=pin_of(ca))
    assert ca.issued() == ()
    assert "PKIOperation" not in caplog.text
    assert "GetCACert" in caplog.text


def test_the_command_needs_no_gateway(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    ca, url = serve()
    assert cli.main(["scep", "probe", url, "--fingerprint", ca.fingerprint, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["would_enrol"] is True
    assert answer["certificates"][0]["sha256"] == ca.fingerprint
    assert answer["clock_difference_s"] in (-1, 0, 1)
    assert cli.main(["scep", "probe", url]) == WOULD_STOP
    assert ca.fingerprint in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["http://127.0.0.1:1"], UNREACHABLE),
        (["ftp://x"], WRONG_ARGUMENTS),
        ([], exit_statuses.USAGE),
        (["http://127.0.0.1:1", "--fingerprint", "00"], WRONG_ARGUMENTS),
    ],
)
def test_what_is_wrong_is_said_with_a_status(words: list[str], status: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["scep", "probe", *words]) == status
    assert capsys.readouterr().err


def test_a_captive_portal_is_no_scep_server(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    _, url = serve("html")
    assert cli.main(["scep", "probe", url]) == NOT_SCEP
    assert "web page" in capsys.readouterr().err


def test_help_and_a_state_directory_without_a_gateway_do_no_harm(
    serve: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, url = serve()
    assert cli.main(["scep", "probe", url, "--state-dir", str(tmp_path)]) == WOULD_STOP
    assert cli.main(["scep", "probe", "--help"]) == 0
    assert "exit status" in capsys.readouterr().out
    assert cli.main(["status"]) == exit_statuses.USAGE
