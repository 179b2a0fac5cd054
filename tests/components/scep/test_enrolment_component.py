"""The component in a gateway, against Debian's SCEP server and against peers that are none."""

from __future__ import annotations

import http.server
import threading
from typing import TYPE_CHECKING, Any, Self

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from components.keystore import (
    KeyAlgorithm,
    KeystoreCapabilities,
    KeystoreService,
    PrivateKeyEntry,
    TrustedCertificateEntry,
)
from components.keystore.memory import MemoryKeystore
from components.scep.commands import status_data
from components.scep.component import PID, SCEPEnrollmentComponent
from components.scep.service import EnrollmentService
from framework.clock import SystemClock
from framework.testing import FakeClock, GatewayHarness
from tests.components.scep.enrolled_gateway import service_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from components.keystore import Changes, Entry

CHALLENGE = "lab-challenge"


def conf(server: Any, **changes: Any) -> dict[str, dict[str, Any]]:
    properties = {
        "enabled": True,
        "server.url": server.endpoint,
        "server.ca.fingerprint": server.fingerprint,
        "client.subject.dn": "CN=gateway-17,O=Example",
        "client.challenge.password": CHALLENGE,
        "KeystoreService.target": "(kura.service.pid=A)",
    }
    return {PID: {**properties, **{key.replace("__", "."): value for key, value in changes.items()}}}


class Gateway:
    """A gateway with the SCEP component and one memory keystore, as a test sees it."""

    def __init__(self, harness: GatewayHarness) -> None:
        self.harness = harness
        self.keystore = MemoryKeystore()
        self.registration = self.add_keystore(self.keystore, "A")

    def add_keystore(self, keystore: KeystoreService, pid: str) -> Any:
        registration = self.harness.registry.register(KeystoreService, keystore, {"kura.service.pid": pid})
        self.harness.settle()
        return registration

    def set(self, **properties: Any) -> str:
        named = {key.replace("__", "."): value for key, value in properties.items()}
        result = self.harness.configuration_admin.update(PID, named)
        self.harness.settle()
        return result.outcome

    @property
    def service(self) -> EnrollmentService:
        return service_of(self.harness)

    @property
    def status(self) -> dict[str, Any]:
        return status_data(self.service.status(), self.harness.clock.now())


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[dict[str, dict[str, Any]]], Gateway]]:
    harnesses: list[GatewayHarness] = []

    def begin(configuration: dict[str, dict[str, Any]]) -> Gateway:
        harness = GatewayHarness(
            components=[SCEPEnrollmentComponent],
            conf=configuration,
            state_directory=tmp_path / "state",
            clock=FakeClock(SystemClock().now()),
        )
        harness.__enter__()
        harnesses.append(harness)
        return Gateway(harness)

    yield begin
    for harness in harnesses:
        harness.__exit__()


@pytest.mark.peer("scepserver")
@pytest.mark.requirement("mission: aliases", "mission: subject")
def test_it_enrols_and_keeps_everything_under_the_missions_aliases(start: Any, scep_server: Any) -> None:
    gateway = start(conf(scep_server))
    status = gateway.status
    assert status["state"] == "enrolled", status
    assert gateway.keystore.aliases() == ("sce-request-key-pair", "scep-cacerts_0", "scep-enrolled-key-pair")
    authority = gateway.keystore.get("scep-cacerts_0")
    assert isinstance(authority, TrustedCertificateEntry)
    assert authority.certificate == scep_server.ca_certificate
    identity, request = (
        gateway.keystore.get("scep-enrolled-key-pair"),
        gateway.keystore.get("sce-request-key-pair"),
    )
    assert isinstance(identity, PrivateKeyEntry)
    assert isinstance(request, PrivateKeyEntry)
    assert identity.key.public_key == request.key.public_key == identity.chain[0].public_key()
    assert identity.chain[-1] == scep_server.ca_certificate
    assert status["certificate"]["subject"] == "CN=gateway-17,O=Example"
    assert any("DES" in warning for warning in status["warnings"])


@pytest.mark.peer("scepserver")
@pytest.mark.requirement("mission: verification method")
def test_it_verifies_the_ca_by_a_provided_certificate(start: Any, scep_server: Any) -> None:
    gateway = start(
        conf(
            scep_server,
            server__ca__verification__method="PROVIDED_CERTIFICATE",
            **{
                "server.ca.fingerprint": "",
                "server.bootstrap-certificate": scep_server.ca_certificate.public_bytes(Encoding.PEM).decode(),
            },
        )
    )
    assert gateway.status["state"] == "enrolled", gateway.status


@pytest.mark.peer("scepserver")
@pytest.mark.requirement("mission: KeystoreService target filter")
def test_it_waits_for_a_keystore_and_begins_when_one_comes(start: Any, scep_server: Any) -> None:
    gateway = start(conf(scep_server, KeystoreService__target="(kura.service.pid=Later)"))
    assert gateway.harness.state(PID) == "unsatisfied"
    assert len(scep_server.issued()) == 0
    later = MemoryKeystore()
    registration = gateway.add_keystore(later, "Later")
    assert gateway.status["state"] == "enrolled"
    registration.unregister()
    gateway.harness.settle()
    assert gateway.harness.state(PID) == "unsatisfied"
    assert "scep-enrolled-key-pair" in later.aliases()


@pytest.mark.peer("scepserver")
@pytest.mark.requirement("mission: KeystoreService target filter")
def test_another_target_enrols_into_the_other_keystore_and_leaves_the_first_alone(start: Any, scep_server: Any) -> None:
    gateway = start(conf(scep_server))
    before = gateway.keystore.entries()
    other = MemoryKeystore()
    gateway.add_keystore(other, "B")
    gateway.set(KeystoreService__target="(kura.service.pid=B)")
    assert gateway.status["state"] == "enrolled"
    assert gateway.status["keystore"] == "B"
    assert "scep-enrolled-key-pair" in other.aliases()
    assert gateway.keystore.entries() == before
    gateway.set(KeystoreService__target="(kura.service.pid=A)")
    assert gateway.status["state"] == "enrolled"
    assert gateway.keystore.entries() == before
    assert len(scep_server.issued()) == 2


@pytest.mark.peer("scepserver")
@pytest.mark.requirement("mission: challenge password", "design 6: refusals")
def test_a_wrong_challenge_is_refused_does_not_loop_and_ends_with_the_right_one(start: Any, scep_server: Any) -> None:
    gateway = start(conf(scep_server, client__challenge__password="wrong-one"))
    assert gateway.status["state"] == "refused"
    assert "badRequest" in gateway.status["last_error"]["message"]
    assert gateway.status["next_action"]["at"] is None
    assert "wrong-one" not in str(gateway.status)
    gateway.harness.advance(24 * 3600)
    assert gateway.status["state"] == "refused"
    gateway.set(client__challenge__password=CHALLENGE)
    assert gateway.status["state"] == "enrolled"


@pytest.mark.peer("scepserver")
@pytest.mark.requirement("mission: retry interval")
def test_a_server_that_is_down_is_tried_again_until_it_is_up(start: Any, make_scep_server: Callable[..., Any]) -> None:
    server = make_scep_server(start=False)
    gateway = start(conf(server, **{"connect.retry-interval": 10}))
    assert gateway.status["state"] == "unreachable"
    assert gateway.status["next_action"]["at"] is not None
    server.start()
    gateway.harness.advance(10)
    assert gateway.status["state"] == "enrolled"


@pytest.mark.peer("scepserver")
@pytest.mark.parametrize("value", ["path", "fingerprint", "certificate"])
@pytest.mark.requirement("mission: [1] bootstrap")
def test_a_bootstrap_property_bootstraps_and_enrols_anew(
    start: Any, make_scep_server: Callable[..., Any], value: str
) -> None:
    server = make_scep_server()
    gateway = start(conf(server))
    first = gateway.status["certificate"]["sha256"]
    if value == "path":
        outcome = gateway.set(server__url=f"{server.endpoint}/scep")
    elif value == "fingerprint":
        other = make_scep_server()
        server.stop()
        other_port, other.port = other.port, server.port
        other.stop()
        other.start()
        assert other_port != other.port
        server = other
        outcome = gateway.set(server__ca__fingerprint=other.fingerprint)
    else:
        pem = server.ca_certificate.public_bytes(Encoding.PEM).decode()
        outcome = gateway.set(**{"server.bootstrap-certificate": pem})
    assert outcome == "bootstrapped"
    assert gateway.status["state"] == "enrolled", gateway.status
    assert gateway.status["certificate"]["sha256"] != first
    authority = gateway.keystore.get("scep-cacerts_0")
    assert isinstance(authority, TrustedCertificateEntry)
    assert authority.certificate == server.ca_certificate


@pytest.mark.peer("scepserver")
@pytest.mark.parametrize(
    "changes",
    [
        {"server.ca.verification.method": "PROVIDED_CERTIFICATE"},
        {"client.challenge.password": "another"},
        {"client.subject.dn": "CN=other"},
        {"client.keypair.size": 4096},
        {"certificate.expiration.check.time": 12},
        {"connect.retry-interval": 5},
        {"server.rollover": False},
        {"client.renew": True},
        {"client.subject.alternative-names": ["DNS:gateway.example"]},
        {"server.ca.identifier": "ca2"},
        {"security.profile": "strict"},
    ],
)
@pytest.mark.requirement("mission: [1] bootstrap")
def test_no_other_property_enrols_anew(start: Any, scep_server: Any, changes: dict[str, Any]) -> None:
    gateway = start(conf(scep_server))
    before = gateway.keystore.entries()
    assert gateway.set(**changes) == "modified"
    assert gateway.keystore.entries() == before
    assert gateway.status["certificate"] is not None
    assert len(scep_server.issued()) == 1


@pytest.mark.peer("scepserver")
def test_setting_a_property_to_the_value_that_it_has_does_nothing(start: Any, scep_server: Any) -> None:
    gateway = start(conf(scep_server))
    assert gateway.set(server__url=scep_server.endpoint) == "unchanged"
    assert len(scep_server.issued()) == 1


@pytest.mark.peer("scepserver")
@pytest.mark.requirement("design 6: the old stays")
def test_the_old_identity_stays_until_the_new_one_is_complete(start: Any, scep_server: Any) -> None:
    gateway = start(conf(scep_server))
    before = gateway.status["certificate"]
    gateway.set(server__ca__fingerprint="0" * 64)
    assert gateway.status["state"] == "untrusted-ca"
    assert gateway.status["certificate"] == before
    authority = gateway.keystore.get("scep-cacerts_0")
    assert isinstance(authority, TrustedCertificateEntry)
    assert authority.certificate == scep_server.ca_certificate
    gateway.set(server__ca__fingerprint=scep_server.fingerprint)
    assert gateway.status["state"] == "enrolled"


@pytest.mark.peer("scepserver")
@pytest.mark.requirement("mission: CA root certificate")
def test_a_restart_with_a_stored_identity_asks_nobody(tmp_path: Path, scep_server: Any) -> None:
    keystore, clock = MemoryKeystore(), FakeClock(SystemClock().now())
    for round_ in range(2):
        with GatewayHarness(
            components=[SCEPEnrollmentComponent],
            conf=conf(scep_server),
            state_directory=tmp_path / "state",
            clock=clock,
        ) as harness:
            harness.registry.register(KeystoreService, keystore, {"kura.service.pid": "A"})
            harness.settle()
            found = harness.registry.find(EnrollmentService)
            assert found is not None
            assert harness.registry.get(found).status().state == "enrolled"
        if round_ == 0:
            scep_server.stop()
    assert len(scep_server.issued()) == 1


@pytest.mark.peer("scepserver")
@pytest.mark.requirement("design 6: changed while off")
def test_a_bootstrap_property_that_changed_while_the_gateway_was_off_is_noticed(
    tmp_path: Path, scep_server: Any
) -> None:
    keystore, clock = MemoryKeystore(), FakeClock(SystemClock().now())
    for url in (scep_server.endpoint, f"{scep_server.endpoint}/scep"):
        with GatewayHarness(
            components=[SCEPEnrollmentComponent],
            conf=conf(scep_server, server__url=url),
            state_directory=tmp_path / "state",
            clock=clock,
        ) as harness:
            harness.registry.register(KeystoreService, keystore, {"kura.service.pid": "A"})
            harness.settle()
    assert len(scep_server.issued()) == 2


class RecordingServer:
    """An HTTP server that gives one answer to everything and keeps the bytes that it was sent."""

    def __init__(self, answer: bytes, content_type: str) -> None:
        seen: list[bytes] = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.answer(b"")

            def do_POST(self) -> None:
                self.answer(self.rfile.read(int(self.headers["Content-Length"])))

            def answer(self, body: bytes) -> None:
                seen.append(f"{self.requestline}\n{self.headers}".encode() + body)
                self.send_response(200)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                pass

        self.seen = seen
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.fingerprint = "0" * 64
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.mark.peer("scepserver")
@pytest.mark.requirement("design 6: trust before the secret", "RFC 8894 2.2: CA certificates first")
def test_with_a_wrong_fingerprint_the_challenge_never_leaves(start: Any, scep_server: Any) -> None:
    answer = scep_server.ca_certificate.public_bytes(Encoding.DER)
    with RecordingServer(answer, "application/x-x509-ca-cert") as server:
        gateway = start(conf(server))
        gateway.harness.advance(3600)
        status = gateway.status
        assert status["state"] == "untrusted-ca"
        assert scep_server.fingerprint in status["last_error"]["message"]
        assert server.seen
        assert not any(b"PKIOperation" in request or CHALLENGE.encode() in request for request in server.seen)
        assert gateway.keystore.aliases() == ()


def test_a_web_page_is_told_from_a_scep_server(start: Any) -> None:
    with RecordingServer(b"<html><body>Please log in</body></html>", "text/html") as server:
        gateway = start(conf(server))
        status = gateway.status
        assert status["state"] == "invalid-response"
        assert "web page" in status["last_error"]["message"]
        assert status["next_action"]["at"] is not None
        assert gateway.keystore.aliases() == ()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"client.subject.dn": ""}, "client.subject.dn"),
        ({"client.subject.dn": "C=Italy"}, "client.subject.dn"),
        ({"server.ca.fingerprint": ""}, "64 lower-case hex digits"),
        ({"server.url": "http://example:0"}, "server.url"),
        ({"server.ca.verification.method": "PROVIDED_CERTIFICATE"}, "server.bootstrap-certificate"),
        ({"client.subject.alternative-names": ["nonsense"]}, "alternative-names"),
    ],
)
@pytest.mark.requirement("RFC 8894 2.1.1: local configuration")
def test_settings_that_do_not_fit_are_told_and_nothing_is_sent(start: Any, changes: dict[str, Any], told: str) -> None:
    with RecordingServer(b"", "text/plain") as server:
        gateway = start(conf(server, **changes))
        assert gateway.status["state"] == "misconfigured"
        assert told in gateway.status["last_error"]["message"]
        assert server.seen == []


class Limited(KeystoreService):
    """An empty keystore that can do what it is told to say."""

    def __init__(self, capabilities: KeystoreCapabilities) -> None:
        self._capabilities = capabilities

    @property
    def capabilities(self) -> KeystoreCapabilities:
        return self._capabilities

    def aliases(self) -> tuple[str, ...]:
        return ()

    def get(self, alias: str) -> Entry | None:
        return None

    def commit(self, changes: Changes) -> None:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("capabilities", "told"),
    [
        (KeystoreCapabilities(read_only=True), "it is read-only"),
        (KeystoreCapabilities(generates_keys=False), "generate a key pair (RSA)"),
        (KeystoreCapabilities(key_algorithms=frozenset({KeyAlgorithm.EC})), "generate a key pair (RSA)"),
    ],
)
def test_a_keystore_that_cannot_take_part_is_told_and_nothing_is_sent(
    start: Any, capabilities: KeystoreCapabilities, told: str
) -> None:
    with RecordingServer(b"", "text/plain") as server:
        gateway = start(conf(server, **{"KeystoreService.target": "(kura.service.pid=Odd)"}))
        gateway.add_keystore(Limited(capabilities), "Odd")
        assert gateway.status["state"] == "misconfigured"
        message = gateway.status["last_error"]["message"]
        assert "KeystoreService.target selects Odd" in message
        assert told in message
        assert server.seen == []
        gateway.set(**{"KeystoreService.target": "(kura.service.pid=A)"})
        assert gateway.status["state"] != "misconfigured"
        assert server.seen


@pytest.mark.requirement("mission: enabled")
def test_a_disabled_enrolment_does_nothing(start: Any) -> None:
    with RecordingServer(b"", "text/plain") as server:
        gateway = start(conf(server, enabled=False))
        assert gateway.status["state"] == "disabled"
        assert server.seen == []
