"""What `doctor` finds out about an enrolment: each check, well and unwell."""

from __future__ import annotations

import dataclasses
import http.server
import socket
import threading
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from components.keystore import PrivateKeyEntry
from components.keystore.memory import MemoryKeystore
from components.scep import diagnosis
from components.scep.diagnosis import examine
from components.scep.enrolment import State, Verdict
from components.scep.identity import ENROLLED_KEY_PAIR
from components.scep.probe import capability_findings
from components.scep.service import EnrollmentService, EnrollmentStatus
from components.scep.transaction import Capabilities
from framework.plugins import Severity
from framework.plugins.host import THOROUGH_DEADLINE_S
from framework.testing import FakeClock
from metatype import Secret
from tests.components.scep.pki import NOW, Party, Pki
from tools.scep_ca import CaParameters, IssuancePolicy, ScepCa, ScepCaServer

if TYPE_CHECKING:
    from cryptography import x509

    from components.scep.transaction import FoundCertificate, FoundCrl, Refused
    from framework.plugins.context import PluginContext

SETTINGS: dict[str, Any] = {
    "server.url": "http://127.0.0.1:9",
    "server.ca.verification.method": "FINGERPRINT",
    "server.bootstrap-certificate": "",
    "server.ca.fingerprint": "0" * 64,
    "server.ca.identifier": "",
    "server.tls.ca-bundle": "",
    "server.rollover": True,
    "client.challenge.password": Secret("sesame"),
    "client.subject.dn": "CN=gateway",
    "client.subject.alternative-names": [],
    "client.keypair.size": 2048,
    "client.renew": True,
    "connect.retry-interval": 60,
    "certificate.expiration.check.time": 240,
    "security.profile": "standard",
}


class Enrolment(EnrollmentService):
    """One that stands still."""

    def __init__(self, status: EnrollmentStatus) -> None:
        self._status = status

    def status(self) -> EnrollmentStatus:
        return self._status

    def enroll(self) -> None:
        raise NotImplementedError

    def fetch_certificate(self, serial_number: int) -> FoundCertificate | Refused:
        raise NotImplementedError

    def fetch_crl(self) -> FoundCrl | Refused:
        raise NotImplementedError

    renew = rekey = poll = force_rollover = enroll


class Context:
    """What the checks see of a gateway: an enrolment, its keystore, its configuration."""

    def __init__(self, enrolment: Enrolment, keystore: MemoryKeystore, settings: dict[str, Any]) -> None:
        configured = SimpleNamespace(get=lambda _pid: SimpleNamespace(properties=settings))
        self._services = {
            "EnrollmentService": enrolment,
            "KeystoreService": keystore,
            "ConfigurationAdmin": configured,
        }
        self.clock = FakeClock(NOW)
        self.state_directory = Path()

    def find_all(self, interface: type) -> list[Any]:
        return [SimpleNamespace(properties={"kura.service.pid": "Main"}, interface=interface.__name__)]

    def get(self, reference: Any) -> Any:
        return self._services[reference.interface]


@dataclasses.dataclass(frozen=True)
class Case:
    """An identity, and what is found about it: the check, and how much it matters."""

    check: str
    severity: Severity
    holder: str = "gateway"
    trusted: str = "ca"
    days: tuple[int, int] = (-10, 300)
    is_due: bool = False


CASES = (
    Case("key matches certificate", Severity.OK),
    Case("key matches certificate", Severity.ERROR, holder="other"),
    Case("chain", Severity.OK),
    Case("chain", Severity.ERROR, trusted="stranger"),
    Case("chain", Severity.ERROR, trusted=""),
    Case("days left", Severity.OK),
    Case("days left", Severity.OK, days=(-300, 9)),
    Case("days left", Severity.WARNING, days=(-300, 9), is_due=True),
    Case("days left", Severity.ERROR, days=(-300, 2), is_due=True),
    Case("days left", Severity.ERROR, days=(-300, -1)),
    Case("days left", Severity.ERROR, days=(1, 300)),
)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


def status_of(certificate: x509.Certificate | None, *authorities: Party) -> EnrollmentStatus:
    trusted = tuple(one.certificate for one in authorities)
    return EnrollmentStatus(State.ENROLLED, "Main", certificate, None, "", None, (), trusted, None)


def findings(context: Context) -> dict[str, Any]:
    return {str(one.check): one for one in examine(cast("PluginContext", context))}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.check}: {case.severity}")
def test_an_identity_is_looked_at(pki: Pki, case: Case) -> None:
    issuer = pki.root
    begin, end = (NOW + timedelta(days=number) for number in case.days)
    own = pki.issue("gateway", issuer, begin=begin, end=end)
    stored = own if case.holder == "gateway" else pki.party(case.holder, issuer).certificate
    entry = PrivateKeyEntry(pki.key(case.holder), (stored,))
    authorities = {"ca": [issuer], "": []}.get(case.trusted, [pki.other_root])
    due = Verdict("in-its-window", case.is_due, "its window opened; client.renew is false")
    enrolment = Enrolment(dataclasses.replace(status_of(own, *authorities), verdicts=(due,)))
    context = Context(enrolment, MemoryKeystore({ENROLLED_KEY_PAIR: entry}), SETTINGS)
    found = findings(context)[case.check]
    assert found.severity is case.severity
    assert bool(found.fix) == (case.severity is not Severity.OK)


def test_a_name_that_leads_nowhere_is_told() -> None:
    settings = {**SETTINGS, "server.url": "http://no-such-host.invalid:80"}
    found = findings(Context(Enrolment(status_of(None)), MemoryKeystore(), settings))
    assert found["name resolution"].severity is Severity.WARNING
    assert "DNS" in found["name resolution"].fix
    assert found["endpoint"].severity is Severity.ERROR


def test_a_weak_server_is_told(tmp_path: Path) -> None:
    policy = IssuancePolicy(Secret("sesame"))
    weak = CaParameters(key_size=1024)
    with ScepCa.open(tmp_path / "ca", policy, parameters=weak) as ca, ScepCaServer(ca) as server:
        settings = {**SETTINGS, "server.url": server.url, "server.ca.fingerprint": ca.fingerprint}
        context = Context(Enrolment(status_of(None)), MemoryKeystore(), settings)
        context.clock = FakeClock(ca.certificates[0].not_valid_before_utc + timedelta(days=30))
        found = findings(context)
    assert found["fingerprint"].severity is Severity.OK
    assert found["capabilities"].severity is Severity.OK
    assert found["weak algorithms"].severity is Severity.WARNING
    assert "1024" in found["weak algorithms"].text
    assert found["server's clock"].severity is Severity.WARNING
    assert found["server's clock"].fix


def test_a_server_that_says_nothing_is_told_before_doctor_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    assert diagnosis.NAME_DEADLINE_S + diagnosis.SERVER_DEADLINE_S < THOROUGH_DEADLINE_S
    monkeypatch.setattr(diagnosis, "SERVER_DEADLINE_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings = {**SETTINGS, "server.url": f"http://127.0.0.1:{silent.getsockname()[1]}"}
        found = findings(Context(Enrolment(status_of(None)), MemoryKeystore(), settings))["endpoint"]
    assert found.severity is Severity.ERROR
    assert "no whole answer within 0.1 s" in found.text
    assert "network" in found.fix


def test_a_server_that_is_slow_at_each_path_has_one_deadline_for_all() -> None:
    asked, clock = [], FakeClock(NOW)

    class Slow(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the name that http.server calls
            asked.append(self.path)
            clock.advance(15)
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        settings = {**SETTINGS, "server.url": f"http://127.0.0.1:{server.server_port}"}
        context = Context(Enrolment(status_of(None)), MemoryKeystore(), settings)
        context.clock = clock
        found = findings(context)["endpoint"]
        server.shutdown()
    assert found.severity is Severity.ERROR
    assert len(asked) == 2, "after 30 s nothing more is asked"


@pytest.mark.parametrize(
    ("offered", "missing"),
    [("", "cannot do|does not"), ("POSTPKIOperation\nSHA-256", "AES"), ("AES\nPOSTPKIOperation", "SHA-256")],
)
def test_capabilities_that_are_missing_are_told(offered: str, missing: str) -> None:
    assert any(word in " ".join(capability_findings(Capabilities.parse(offered))) for word in missing.split("|"))
