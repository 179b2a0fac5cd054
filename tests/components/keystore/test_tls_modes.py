"""What TLS contexts demand of the other side, judged by OpenSSL's programs and by Python over real sockets."""

from __future__ import annotations

import contextlib
import ctypes
import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from components.keystore import KeystoreService, PrivateKeyEntry, TrustedCertificateEntry
from components.keystore.crl import CrlError, RevocationStatus
from components.keystore.crl.decoded import DecodedCrls
from components.keystore.filesystem import FilesystemKeystore
from components.keystore.tls import SslContextService, TlsConfigurationError
from components.keystore.tls.component import SslContexts
from components.keystore.tls.contexts import make_context
from components.keystore.tls.settings import ClientAuthentication, RevocationCheck, TlsMaterial, TlsSettings
from framework.clock import SystemClock
from framework.testing import FakeClock, GatewayHarness
from tests.components.keystore.tls_peers import NOW, Ca, listening, openssl_client, openssl_server, write_identity

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cryptography import x509

pytestmark = pytest.mark.peer("openssl")

CA = Ca("first")
OTHER = Ca("second")
SERVER = CA.issue(10)
CLIENT = CA.issue(20)
TRUSTED = (CA.certificate,)
TLS_PID = "gatewright.tls.SslContextService~default"
KEYSTORE_PID = "gatewright.keystore.FilesystemKeystore~A"


def server_context(mode: ClientAuthentication, **settings: Any) -> ssl.SSLContext:
    material = TlsMaterial("A", "server", SERVER, TRUSTED)
    return make_context(TlsSettings(client_authentication=mode, **settings), material, client=False)


def test_an_error_that_another_library_has_left_with_openssl_is_not_taken_for_one_of_tls() -> None:
    openssl = ctypes.CDLL("libcrypto.so.3")  # which the module ssl has, and SoftHSM, too
    openssl.BIO_new_file.restype = ctypes.c_void_p
    assert openssl.BIO_new_file(b"/not/there", b"r") is None
    assert server_context(ClientAuthentication.REQUIRE).get_ca_certs()


@contextlib.contextmanager
def port_of(context: ssl.SSLContext) -> Iterator[int]:
    """A server that says "welcome" with the serial number of its client's certificate."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    plain, _ = listener.accept()
                    with plain, contextlib.suppress(OSError), context.wrap_socket(plain, server_side=True) as secured:
                        shown = secured.getpeercert()
                        secured.sendall(f"welcome {int(shown['serialNumber'], 16) if shown else None}".encode())  # type: ignore[arg-type]  # a text
                        secured.unwrap()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


@dataclass(frozen=True)
class Visit:
    mode: ClientAuthentication
    client: PrivateKeyEntry | None
    answer: str


@pytest.mark.parametrize(
    "visit",
    [
        Visit(ClientAuthentication.REQUIRE, CLIENT, "welcome 20"),
        Visit(ClientAuthentication.REQUIRE, None, ""),
        Visit(ClientAuthentication.REQUIRE, OTHER.issue(30), ""),
        Visit(ClientAuthentication.WANT, CLIENT, "welcome 20"),
        Visit(ClientAuthentication.WANT, None, "welcome None"),
        Visit(ClientAuthentication.WANT, OTHER.issue(30), ""),
        Visit(ClientAuthentication.NONE, CLIENT, "welcome None"),
        Visit(ClientAuthentication.NONE, None, "welcome None"),
    ],
    ids=lambda visit: f"{visit.mode}-{'none' if visit.client is None else visit.client.certificate.serial_number}",
)
@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_openssls_client_is_asked_for_a_certificate_as_the_mode_says(
    tmp_path: Path, visit: Visit, version: str
) -> None:
    identity = [] if visit.client is None else write_identity(tmp_path, visit.client, "client")
    with port_of(server_context(visit.mode)) as port:
        _, said = openssl_client(port, version, *identity)
    assert ("welcome" in said) == bool(visit.answer), said
    assert visit.answer in said


def test_the_minimum_version_holds_for_both_sides(tmp_path: Path) -> None:
    strict: dict[str, Any] = {"minimum_version": "TLSv1.3"}
    with port_of(server_context(ClientAuthentication.NONE, **strict)) as port:
        status, said = openssl_client(port, "-tls1_2")
        assert status != 0
        assert "alert protocol version" in said
        assert "welcome" in openssl_client(port, "-tls1_3")[1]
    client = make_context(TlsSettings(**strict), TlsMaterial("A", "", None, TRUSTED), client=True)
    with openssl_server(tmp_path, SERVER, "-tls1_2") as connect, connect() as plain, pytest.raises(ssl.SSLError):
        client.wrap_socket(plain, server_hostname="localhost")


@pytest.mark.parametrize(
    ("ciphers", "why"), [("NO-SUCH-CIPHER", "OpenSSL knows none"), ("ECDHE+AESGCM:!ALL", "OpenSSL knows none")]
)
def test_cipher_suites_that_are_none_are_said_by_their_property(ciphers: str, why: str) -> None:
    with pytest.raises(TlsConfigurationError, match=why) as raised:
        server_context(ClientAuthentication.NONE, ciphers=ciphers)
    assert raised.value.name == "ssl.default.cipherSuites"


def test_cipher_suites_are_those_that_are_spoken() -> None:
    with port_of(server_context(ClientAuthentication.NONE, ciphers="ECDHE-ECDSA-AES256-GCM-SHA384")) as port:
        assert "welcome" in openssl_client(port, "-tls1_2")[1]
        assert "handshake failure" in openssl_client(port, "-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256")[1]


def checking(check: str, *crls: x509.CertificateRevocationList, **settings: Any) -> ssl.SSLContext:
    answers = DecodedCrls(crls, SystemClock()) if crls else None
    material = TlsMaterial("A", "", None, (*TRUSTED, OTHER.certificate), answers)
    return make_context(TlsSettings(revocation=RevocationCheck(check), **settings), material, client=True)


@pytest.mark.parametrize(
    ("check", "crls", "refused"),
    [
        ("off", [CA.crl(10)], None),
        ("soft-fail", [CA.crl(10)], "was revoked by its issuer"),
        ("soft-fail", [CA.crl(11)], None),
        ("soft-fail", [OTHER.crl(10)], None),
        ("soft-fail", [], None),
        ("hard-fail", [CA.crl(10)], "was revoked by its issuer"),
        ("hard-fail", [CA.crl(11)], None),
        ("hard-fail", [OTHER.crl(11)], "there is no CRL of CN=first in force"),
        ("hard-fail", [], "there is no CRL of CN=first in force"),
    ],
)
def test_openssls_server_is_refused_if_revoked_or_unknown_as_the_mode_says(
    tmp_path: Path, check: str, crls: list[x509.CertificateRevocationList], refused: str | None
) -> None:
    context = checking(check, *crls)
    with openssl_server(tmp_path, SERVER) as connect, connect() as plain:
        if refused is not None:
            with pytest.raises(ssl.SSLCertVerificationError, match=refused):
                context.wrap_socket(plain, server_hostname="localhost")
            return
        with context.wrap_socket(plain, server_hostname="localhost") as secured:
            secured.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert secured.recv(8) == b"HTTP/1.0"


@pytest.mark.parametrize(
    ("use", "arguments"),
    [
        *((name, ()) for name in ("read", "recv", "do_handshake")),
        *((name, (b"x",)) for name in ("write", "send", "sendall")),
        ("recv_into", (bytearray(9),)),
    ],
)
def test_no_way_to_use_a_connection_goes_round_the_check(tmp_path: Path, use: str, arguments: tuple[Any, ...]) -> None:
    context = checking("soft-fail", CA.crl(10))
    with openssl_server(tmp_path, SERVER) as connect, connect() as plain:
        secured = context.wrap_socket(plain, server_hostname="localhost", do_handshake_on_connect=False)
        with secured:
            for _ in range(2):
                with pytest.raises(ssl.SSLCertVerificationError, match="revoked"):
                    getattr(secured, use)(*arguments)


def test_a_session_that_is_resumed_is_checked_too(tmp_path: Path) -> None:
    revoked: list[int] = []

    class Answers:
        def status(self, certificate: x509.Certificate) -> RevocationStatus:
            return RevocationStatus.REVOKED if certificate.serial_number in revoked else RevocationStatus.GOOD

    material = TlsMaterial("A", "", None, TRUSTED, Answers())
    context = make_context(TlsSettings(revocation=RevocationCheck.HARD_FAIL), material, client=True)
    with openssl_server(tmp_path, SERVER, "-tls1_2") as connect:
        with context.wrap_socket(connect(), server_hostname="localhost") as first:
            session = first.session
        with context.wrap_socket(connect(), server_hostname="localhost", session=session) as second:
            assert second.session_reused
        revoked.append(10)
        with connect() as plain, pytest.raises(ssl.SSLCertVerificationError, match="revoked"):
            context.wrap_socket(plain, server_hostname="localhost", session=session)


def test_crls_that_cannot_be_read_count_as_none(tmp_path: Path) -> None:
    class Broken:
        def status(self, _: x509.Certificate) -> RevocationStatus:
            raise CrlError("the CRL x cannot be read")

    material = TlsMaterial("A", "", None, TRUSTED, Broken())
    soft, hard = (
        make_context(TlsSettings(revocation=check), material, client=True)
        for check in (RevocationCheck.SOFT_FAIL, RevocationCheck.HARD_FAIL)
    )
    with openssl_server(tmp_path, SERVER) as connect:
        soft.wrap_socket(connect(), server_hostname="localhost").close()
        with connect() as plain, pytest.raises(ssl.SSLCertVerificationError, match="not known"):
            hard.wrap_socket(plain, server_hostname="localhost")


@pytest.mark.parametrize("verified", [True, False])
def test_the_host_name_counts_where_it_is_to_be_verified(tmp_path: Path, verified: bool) -> None:
    context = checking("off", hostname_verification=verified)
    with openssl_server(tmp_path, SERVER) as connect, connect() as plain, contextlib.ExitStack() as stack:
        if verified:
            stack.enter_context(pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"))
        context.wrap_socket(plain, server_hostname="elsewhere.test").close()


def gateway(tmp_path: Path, **properties: Any) -> GatewayHarness:
    (tmp_path / "ca.crl").write_bytes(CA.crl(20).public_bytes(Encoding.DER))
    named = {name.replace("__", "."): value for name, value in properties.items()}
    conf: dict[str, dict[str, Any]] = {
        KEYSTORE_PID: {
            "keystore.path": "a.p12",
            "crl.management.enabled": True,
            "crl.urls": [(tmp_path / "ca.crl").as_uri()],
            "crl.file.urls.allowed": True,
        },
        TLS_PID: {
            "KeystoreService.target": "(kura.service.pid=A)",
            "TruststoreKeystoreService.target": "(kura.service.pid=A)",
            "ssl.key.alias": "server",
            **named,
        },
    }
    return GatewayHarness(components=[FilesystemKeystore, SslContexts], plugins=[], conf=conf, clock=FakeClock(NOW))


def service(harness: GatewayHarness, interface: type[Any]) -> Any:
    found = harness.registry.find(interface)
    assert found is not None
    return harness.registry.get(found)


def welcome(client: ssl.SSLContext, port: int) -> bytes:
    """What the server says; nothing if it refuses."""
    try:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=60) as plain,
            client.wrap_socket(plain, server_hostname="localhost") as secured,
        ):
            return secured.recv(100)
    except OSError:
        return b""


def test_a_gateway_refuses_by_the_crls_of_its_truststore_and_a_new_one_counts_at_once(tmp_path: Path) -> None:
    with gateway(tmp_path, ssl__revocation__check="hard-fail") as harness:
        store, tls = service(harness, KeystoreService), service(harness, SslContextService)
        with store.edit() as edit:
            edit.set("server", SERVER)
            edit.set("ca", TrustedCertificateEntry(CA.certificate))
        harness.settle()
        assert tls.problems() == ()
        revoked, good = (
            make_context(TlsSettings(), TlsMaterial("B", "me", CA.issue(number), TRUSTED), client=True)
            for number in (20, 21)
        )
        context = tls.server_context()
        with port_of(context) as port:
            assert welcome(revoked, port) == b""
            assert welcome(good, port) == b"welcome 21"
            harness.configuration_admin.update(KEYSTORE_PID, {"crl.management.enabled": False})
            harness.settle()
            assert "revocation is not checked" in " ".join(service(harness, SslContextService).problems())


def test_connections_go_on_while_contexts_are_made_anew() -> None:
    """Each connection is by a whole context: the server's certificate is always one that was stored."""
    identities = [CA.issue(number) for number in range(100, 112)]
    with GatewayHarness(
        components=[FilesystemKeystore, SslContexts],
        plugins=[],
        conf={
            KEYSTORE_PID: {"keystore.path": "a.p12"},
            TLS_PID: {
                "KeystoreService.target": "(kura.service.pid=A)",
                "TruststoreKeystoreService.target": "(kura.service.pid=A)",
                "ssl.key.alias": "me",
            },
        },
        clock=FakeClock(NOW),
    ) as harness:
        store = service(harness, KeystoreService)
        with store.edit() as edit:
            edit.set("me", identities[0])
            edit.set("ca", TrustedCertificateEntry(CA.certificate))
        harness.settle()
        tls: SslContextService = service(harness, SslContextService)
        done = threading.Event()

        with listening(server_context(ClientAuthentication.REQUIRE)) as connect:

            def visit() -> set[int]:
                seen = set()
                while True:
                    last = done.is_set()
                    seen.add(int(connect(tls.client_context())))
                    if last:
                        return seen

            with ThreadPoolExecutor(3) as pool:
                visits = [pool.submit(visit) for _ in range(3)]
                for identity in identities[1:]:
                    store.set("me", identity)
                    harness.settle()
                done.set()
                seen = [one.result() for one in visits]
        known = {one.certificate.serial_number for one in identities}
        for each in seen:
            assert each <= known
            assert 111 in each, "the last one is shown without a restart"
