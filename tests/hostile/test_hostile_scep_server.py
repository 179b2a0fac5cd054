"""The hostile SCEP server: one thing wrong at a time, and it ends in bounded time with an error of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from components.scep.client import DEADLINE_S, ScepClient, locate_server
from components.scep.errors import (
    CaCertificateIssuedError,
    CertificateValidityError,
    DecodingError,
    DigestMismatchError,
    EnvelopeError,
    ForgedSignatureError,
    HttpStatusError,
    MessageTypeError,
    NoCertificateForKeyError,
    NonceMismatchError,
    NotScepError,
    OldCertificateError,
    PkiStatusError,
    ScepError,
    SignatureError,
    TransactionMismatchError,
    TransportError,
    UnsupportedAlgorithmError,
    UntrustedCaError,
    UntrustedIssuerError,
    WeakAlgorithmError,
)
from components.scep.message import MessageType
from components.scep.transaction import Issued, Refused, Reply, SecurityProfile
from components.scep.trust import FingerprintPin, verify_ca_certificates
from framework.clock import SystemClock
from tests.components.scep.device import CHALLENGE, Device
from tools.scep_ca import FAULTS

if TYPE_CHECKING:
    from tests.hostile.conftest import FaultyCa
    from tools.scep_ca import ScepCa

CLOCK = SystemClock()
SHORT_S = 0.3
"""The deadline against a server that lets one wait, in seconds."""


@dataclass(frozen=True)
class Case:
    """A fault, and what a device of the strictest profile makes of it."""

    fault: str
    outcome: type[ScepError | Issued | Refused]
    told: str = ""
    deadline_s: float = DEADLINE_S


CASES = [
    Case("wrong-nonce", NonceMismatchError, "replay"),
    Case("no-nonce", NonceMismatchError),
    Case("wrong-transaction", TransactionMismatchError),
    Case("wrong-message-type", MessageTypeError, "19"),
    Case("unknown-status", PkiStatusError, "7"),
    Case("no-status", PkiStatusError),
    Case("wrong-signer", SignatureError),
    Case("forged-signature", ForgedSignatureError),
    Case("tampered", DigestMismatchError),
    Case("wrong-content", EnvelopeError),
    Case("wrong-recipient", EnvelopeError),
    Case("3des-only", EnvelopeError),
    Case("no-envelope", EnvelopeError),
    Case("wrong-key", NoCertificateForKeyError, "CN=device"),
    Case("no-certificate", NoCertificateForKeyError, "none at all"),
    Case("wrong-issuer", UntrustedIssuerError),
    Case("ca-issued", CaCertificateIssuedError),
    Case("expired", CertificateValidityError),
    Case("not-yet-valid", CertificateValidityError),
    Case("other-subject", Issued, "somebody else"),
    Case("old-certificate", OldCertificateError),
    Case("des", WeakAlgorithmError, "DES"),
    Case("3des", WeakAlgorithmError, "3DES"),
    Case("sha1", WeakAlgorithmError, "SHA-1"),
    Case("gcm", UnsupportedAlgorithmError, "2.16.840.1.101.3.4.1.6"),
    Case("oaep", Issued),
    Case("indefinite", Issued),
    Case("constructed", Issued),
    Case("truncated-message", DecodingError, "the message cannot be decoded"),
    Case("odd-name", DecodingError, "X.509 certificate"),
    Case("terminal-escapes", Refused, "state: enrolled"),
    Case("ndes-refusal", Refused, "0x80070057"),
    Case("unknown-fail-info", Refused, "unknown 17"),
    Case("other-ca", UntrustedCaError, "fingerprint"),
    Case("no-capabilities", Issued),
    Case("weak-capabilities", Issued),
    Case("html", NotScepError, "web page"),
    Case("empty", NotScepError, "empty"),
    Case("redirect", HttpStatusError, "elsewhere.invalid"),
    Case("error-500", HttpStatusError, "unknown operation"),
    Case("unavailable", HttpStatusError, "503"),
    Case("wrong-content-type", Issued),
    Case("requests-only", Issued),
    Case("dropped", TransportError),
    Case("truncated-answer", TransportError, "before the whole answer"),
    Case("endless", NotScepError, "more than"),
    Case("slow", TransportError, "no whole answer", SHORT_S),
]


def renew(ca: ScepCa, url: str, device: Device, deadline_s: float = DEADLINE_S) -> Reply:
    """A renewal over HTTP as a gateway does it: find the server, verify its CA, ask, read the reply."""
    location = locate_server(url, clock=CLOCK)
    pin = FingerprintPin(ca.fingerprint)
    assert verify_ca_certificates(location.certificates, pin, CLOCK.now()).anchor == device.trust.anchor
    request = device.request(message_type=MessageType.RENEWAL_REQ)
    reply = ScepClient(location.url, clock=CLOCK, deadline_s=deadline_s).send(request, location.capabilities)
    return device.read(reply, request, replaces=device.certificate)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.fault)
def test_a_hostile_server_gains_nothing(
    faulty_ca: FaultyCa, device: Device, case: Case, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    ca, url = faulty_ca(case.fault)
    device = replace(device, ca=ca, profile=SecurityProfile.STRICT)
    if issubclass(case.outcome, ScepError):
        with pytest.raises(case.outcome) as caught:
            renew(ca, url, device, case.deadline_s)
        told = str(caught.value)
    else:
        reply = renew(ca, url, device)
        assert isinstance(reply, case.outcome), reply
        told = reply.summary if isinstance(reply, Refused) else " ".join(getattr(reply, "warnings", ()))
        assert "".join(told.splitlines()).isprintable()
    assert case.told in told
    assert CHALLENGE not in told
    assert CHALLENGE not in caplog.text


def test_every_fault_of_the_menu_has_its_case_here() -> None:
    assert {case.fault for case in CASES} | {"replay"} == set(FAULTS)


def test_a_reply_that_is_played_again_is_refused(faulty_ca: FaultyCa, device: Device) -> None:
    ca, url = faulty_ca("replay")
    device = replace(device, ca=ca)
    client = ScepClient(url, clock=CLOCK)
    request = device.request()
    assert isinstance(device.read(client.send(request, device.capabilities), request), Issued)
    again = device.request(transaction_id=request.transaction_id)
    with pytest.raises(NonceMismatchError):
        device.read(client.send(again, device.capabilities), again)


def test_retry_after_is_told(faulty_ca: FaultyCa) -> None:
    _, url = faulty_ca("unavailable")
    with pytest.raises(HttpStatusError) as caught:
        locate_server(url, clock=CLOCK)
    assert caught.value.retry_after_s == 120


def test_a_ca_that_is_not_the_pinned_one_is_never_asked_for_anything(
    faulty_ca: FaultyCa, device: Device, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "tools.scep_ca")
    ca, url = faulty_ca("other-ca")
    with pytest.raises(UntrustedCaError) as caught:
        renew(ca, url, device)
    assert caught.value.expected == ca.fingerprint
    assert "PKIOperation" not in caplog.text
