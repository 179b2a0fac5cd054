"""The HTTP client on difficult networks: names, dead addresses, proxies, TLS, servers that ask to wait."""

from __future__ import annotations

import base64
import socket
import threading
import traceback
from datetime import timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

import pytest

from components.http import connection
from components.scep.client import LONGEST_WAIT_S, MOST_REDIRECTS, SHORTEST_WAIT_S, ScepClient, locate_server
from components.scep.errors import (
    HttpStatusError,
    NotScepError,
    OperationUnsupportedError,
    RedirectError,
    TransportError,
)
from components.scep.message import Cipher, Digest, MessageType
from components.scep.transaction import Algorithms, Capabilities, PkiRequest
from framework.clock import SystemClock
from framework.fake_clock import FakeClock
from tests.components.scep.peer import Handler, Peer, Request, Serve, answer, read_request
from tests.components.scep.pki import NOW, Pki
from tests.components.scep.tls import tls_server

if TYPE_CHECKING:
    from pathlib import Path

POST = Capabilities.parse("POSTPKIOperation")
CLOCK = SystemClock()
OK = b"\x30\x00"


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(variable, raising=False)


def request_of(kind: MessageType) -> PkiRequest:
    return PkiRequest(b"message", "abc", b"n" * 16, kind, Algorithms(Cipher.AES128, Digest.SHA256))


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120),
        (" 7 ", 7),
        ("0", SHORTEST_WAIT_S),
        ("999999999", LONGEST_WAIT_S),
        (format_datetime(NOW + timedelta(hours=2)), 7200),
        (format_datetime(NOW - timedelta(hours=2)), SHORTEST_WAIT_S),
        ("soon", None),
        ("1e9", None),
        ("-5", None),
        ("9" * 400, None),
        ("", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_a_date(serve: Serve, header: str, seconds: float | None) -> None:
    peer = serve(answer(b"later", "503 Service Unavailable", f"Retry-After: {header}"))
    with pytest.raises(HttpStatusError) as caught:
        ScepClient(peer.url, clock=FakeClock(NOW)).pki_operation(b"x", POST)
    assert caught.value.retry_after_s == seconds


def test_the_servers_clock_and_name_are_told(serve: Serve, der_of_root: bytes) -> None:
    date = format_datetime(NOW + timedelta(days=2), usegmt=False)
    peer = serve(answer(der_of_root, "200 OK", f"Date: {date}", "Server: Microsoft-IIS/10.0 \x1b[2J"))
    location = locate_server(peer.url + "/x", clock=FakeClock(NOW))
    assert location.clock_difference == timedelta(days=2)
    assert location.server.startswith("Microsoft-IIS/10.0")
    assert location.server.isprintable()


def _kept(body: bytes) -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def test_a_connection_that_the_server_keeps_carries_all_that_it_says_of_itself(
    serve: Serve, der_of_root: bytes
) -> None:
    def both(peer: socket.socket, first: Request) -> None:
        assert first.query["operation"] == "GetCACert"
        peer.sendall(_kept(der_of_root))
        assert read_request(peer).query["operation"] == "GetCACaps"
        peer.sendall(_kept(b"Renewal\n"))

    peer = serve(both)
    assert ScepClient(f"{peer.url}/scep", clock=CLOCK).describe().capabilities.renewal
    assert len(peer.requests) == 1  # one for each connection


def test_a_server_that_drops_the_connection_it_kept_is_asked_over_a_new_one(serve: Serve, der_of_root: bytes) -> None:
    def dropping(peer: socket.socket, request: Request) -> None:
        if request.query["operation"] == "GetCACaps":
            peer.sendall(_kept(b"Renewal\n"))
            return
        peer.sendall(_kept(der_of_root))
        read_request(peer)

    assert ScepClient(f"{serve(dropping).url}/scep", clock=CLOCK).describe().capabilities.renewal


@pytest.mark.parametrize("date", ["", "yesterday", "Mon, 99 Nov 2026 10:00:00 GMT", "9" * 1000])
def test_a_date_that_is_none_is_no_difference(serve: Serve, der_of_root: bytes, date: str) -> None:
    peer = serve(answer(der_of_root, "200 OK", f"Date: {date}"))
    assert locate_server(peer.url + "/x", clock=FakeClock(NOW)).clock_difference is None


@pytest.mark.parametrize(
    "refused",
    [answer(b""), answer(b"too long", "414 URI Too Long"), answer(b"POST it", "405 Method Not Allowed")],
    ids=["empty 200 (quirk 16)", "414", "405"],
)
def test_a_message_that_the_url_does_not_carry_is_posted(serve: Serve, refused: Handler) -> None:
    def respond(connection: socket.socket, request: Request) -> None:
        (refused if request.method == "GET" else answer(OK))(connection, request)

    peer = serve(respond)
    assert ScepClient(peer.url, clock=CLOCK).pki_operation(b"message", Capabilities()) == OK
    assert [request.method for request in peer.requests] == ["GET", "POST"]
    assert peer.requests[1].body == b"message"


def test_an_error_of_a_get_is_not_tried_again_with_post(serve: Serve) -> None:
    peer = serve(answer(b"oops", "500 Internal Server Error"))
    with pytest.raises(HttpStatusError):
        ScepClient(peer.url, clock=CLOCK).pki_operation(b"message", Capabilities())
    assert len(peer.requests) == 1


def moved(status: str, location: str = "/elsewhere") -> Handler:
    """A server that has moved, and says so with this status; whatever it is asked there it answers."""

    def respond(connection: socket.socket, request: Request) -> None:
        there = request.path == "/elsewhere"
        (answer(b"reply") if there else answer(b"", status, f"Location: {location}"))(connection, request)

    return respond


@pytest.mark.parametrize("status", ["307 Temporary Redirect", "308 Permanent Redirect"])
def test_quirk_39_a_message_is_posted_again_where_the_same_host_says(serve: Serve, status: str) -> None:
    peer = serve(moved(status, "/elsewhere?operation=PKIOperation"))
    assert ScepClient(peer.url + "/scep", clock=CLOCK).pki_operation(b"message", POST) == b"reply"
    assert [(one.method, one.path, one.body) for one in peer.requests] == [
        ("POST", "/scep", b"message"),
        ("POST", "/elsewhere", b"message"),
    ]
    assert {one.query["operation"] for one in peer.requests} == {"PKIOperation"}


@pytest.mark.parametrize("status", ["301 Moved Permanently", "302 Found", "303 See Other"])
def test_quirk_39_a_redirect_that_would_make_a_get_of_a_post_is_named(serve: Serve, status: str) -> None:
    peer = serve(moved(status))
    with pytest.raises(RedirectError, match="/elsewhere"):
        ScepClient(peer.url, clock=CLOCK).pki_operation(b"message", POST)
    assert len(peer.requests) == 1


@pytest.mark.parametrize("status", ["301 Moved Permanently", "302 Found", "307 Temporary Redirect"])
def test_quirk_39_a_message_in_the_url_goes_where_the_same_host_says(serve: Serve, status: str) -> None:
    peer = serve(moved(status))
    assert ScepClient(peer.url + "/scep", clock=CLOCK).pki_operation(b"message", Capabilities()) == b"reply"
    assert [(one.method, one.path) for one in peer.requests] == [("GET", "/scep"), ("GET", "/elsewhere")]
    assert peer.requests[0].query == peer.requests[1].query


@pytest.mark.parametrize("offered", [POST, Capabilities()], ids=["POST", "GET"])
@pytest.mark.parametrize("where", ["http://localhost:1/elsewhere", "https://evil.invalid/", "/again", ""])
def test_quirk_39_a_message_goes_to_no_other_host_and_not_round_and_round(
    serve: Serve, offered: Capabilities, where: str
) -> None:
    peer = serve(answer(b"", "307 Temporary Redirect", f"Location: {where}"))
    with pytest.raises(RedirectError) as caught:
        ScepClient(peer.url, clock=CLOCK).pki_operation(b"message", offered)
    assert caught.value.location == where
    assert len(peer.requests) <= 1 + MOST_REDIRECTS


def test_quirk_39_a_redirect_to_where_it_came_from_has_no_message_posted_again(serve: Serve) -> None:
    peer = serve(answer(b"", "307 Temporary Redirect", "Location: /scep"))
    with pytest.raises(RedirectError, match="it redirects to"):
        ScepClient(peer.url + "/scep", clock=CLOCK).pki_operation(
            b"message", Capabilities(frozenset({"postpkioperation"}))
        )
    assert len(peer.requests) == 1


def test_quirk_39_a_server_that_moves_later_on_its_host_is_looked_at_there(serve: Serve, der_of_root: bytes) -> None:
    def respond(connection: socket.socket, request: Request) -> None:
        moving = answer(b"", "308 Permanent Redirect", "Location: /pki/scep")
        (answer(der_of_root) if request.path == "/pki/scep" else moving)(connection, request)

    peer = serve(respond)
    client = ScepClient(peer.url + "/old", clock=CLOCK)
    assert client.describe().url == peer.url + "/pki/scep"
    assert len(client.get_ca_cert()) == 1
    assert client.get_next_ca_cert() == der_of_root


def test_quirk_39_a_server_that_moved_on_its_host_is_found_where_it_is(serve: Serve, der_of_root: bytes) -> None:
    def respond(connection: socket.socket, request: Request) -> None:
        moved = answer(b"", "301 Moved Permanently", "Location: /pki/scep?operation=GetCACert")
        (answer(der_of_root) if request.path == "/pki/scep" else moved)(connection, request)

    peer = serve(respond)
    location = locate_server(peer.url + "/old", clock=CLOCK)
    assert location.url == peer.url + "/pki/scep"
    assert len(location.certificates) == 1
    assert [request.query["operation"] for request in peer.requests] == ["GetCACert", "GetCACert", "GetCACaps"]


@pytest.mark.parametrize("where", ["http://elsewhere.invalid/scep", "ftp://127.0.0.1/scep", "http://[", "", "/again"])
def test_quirk_39_a_redirect_to_another_host_or_without_end_is_named(serve: Serve, where: str) -> None:
    peer = serve(answer(b"", "302 Found", f"Location: {where}"))
    with pytest.raises(RedirectError, match="it redirects to") as caught:
        locate_server(peer.url + "/scep", clock=CLOCK)
    assert caught.value.location == where
    assert len(peer.requests) <= 1 + MOST_REDIRECTS


@pytest.mark.parametrize("kind", [MessageType.CERT_POLL, MessageType.GET_CERT, MessageType.GET_CRL])
@pytest.mark.parametrize("status", ["500 Internal Server Error", "404 Not Found", "501 Not Implemented"])
def test_quirk_10_an_operation_that_a_server_lacks_is_told_from_a_failure(
    serve: Serve, kind: MessageType, status: str
) -> None:
    peer = serve(answer(b"unknown message type", status))
    with pytest.raises(OperationUnsupportedError, match="unknown message type"):
        ScepClient(peer.url, clock=CLOCK).send(request_of(kind), POST)


@pytest.mark.parametrize("status", ["503 Service Unavailable", "429 Too Many Requests", "502 Bad Gateway"])
def test_a_server_that_is_busy_may_know_the_operation_all_the_same(serve: Serve, status: str) -> None:
    peer = serve(answer(b"later", status))
    client = ScepClient(peer.url, clock=CLOCK)
    with pytest.raises(HttpStatusError) as polled:
        client.send(request_of(MessageType.CERT_POLL), POST)
    with pytest.raises(HttpStatusError) as asked:
        client.get_next_ca_cert()
    assert not isinstance(polled.value, OperationUnsupportedError)
    assert not isinstance(asked.value, OperationUnsupportedError)


def test_a_request_for_a_certificate_is_never_unsupported(serve: Serve) -> None:
    peer = serve(answer(b"oops", "500 Internal Server Error"))
    with pytest.raises(HttpStatusError) as caught:
        ScepClient(peer.url, clock=CLOCK).send(request_of(MessageType.PKCS_REQ), POST)
    assert not isinstance(caught.value, OperationUnsupportedError)


def test_quirk_33_a_server_without_a_next_ca_says_404(serve: Serve) -> None:
    peer = serve(answer(b"none", "404 Not Found"))
    with pytest.raises(OperationUnsupportedError) as caught:
        ScepClient(peer.url, clock=CLOCK, ca_identifier="my CA").get_next_ca_cert()
    assert caught.value.operation == "GetNextCACert"
    (request,) = peer.requests
    assert request.query == {"operation": "GetNextCACert", "message": "my CA"}
    with pytest.raises(NotScepError):
        ScepClient(serve(answer(b"<html>")).url, clock=CLOCK).get_next_ca_cert()


def resolving(monkeypatch: pytest.MonkeyPatch, addresses: list[tuple[str, int]]) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)


def test_a_dead_address_leaves_time_for_the_others(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    peer = serve(answer(OK))
    port = int(peer.url.rsplit(":", 1)[1])
    waited = []
    real = socket.socket.connect

    def connect(one: socket.socket, address: tuple[str, int]) -> None:
        waited.append(one.gettimeout())
        if address[0] == "192.0.2.1":
            raise TimeoutError("nobody there")
        real(one, address)

    monkeypatch.setattr(socket.socket, "connect", connect)
    resolving(monkeypatch, [("192.0.2.1", port), ("192.0.2.1", port), ("127.0.0.1", port)])
    client = ScepClient(f"http://gateway.test:{port}/scep", clock=FakeClock(NOW), deadline_s=60)
    assert client.pki_operation(b"x", POST) == OK
    assert waited == [pytest.approx(20), pytest.approx(30), pytest.approx(60)]


def test_many_dead_addresses_end_with_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock(NOW)
    tried = 0

    def connect(one: socket.socket, _: object) -> None:
        nonlocal tried
        tried += 1
        clock.advance(float(one.gettimeout() or 0))
        raise TimeoutError("nobody there")

    monkeypatch.setattr(socket.socket, "connect", connect)
    resolving(monkeypatch, [("192.0.2.1", 80)] * 1000)
    with pytest.raises(TransportError, match="60 s"):
        ScepClient("http://gateway.test/scep", clock=clock).pki_operation(b"x", POST)
    assert tried <= connection.MOST_ADDRESSES
    assert clock.monotonic() - FakeClock(NOW).monotonic() <= 60.001


def test_a_resolver_that_hangs_does_not_hold_the_client(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = threading.Event()

    def hang(*_: object, **__: object) -> list[object]:
        gone.wait()
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    try:
        with pytest.raises(TransportError, match=r"0\.05 s"):
            ScepClient("http://gateway.test/scep", clock=CLOCK, deadline_s=0.05).get_ca_cert()
    finally:
        gone.set()


@pytest.mark.parametrize("host", ["nobody.invalid", "x" * 70 + ".test"])
def test_a_name_that_is_none_is_said(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    def unknown(*_: object, **__: object) -> list[object]:
        if len(host) > 60:
            raise UnicodeError("label too long")
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(TransportError, match="name cannot be resolved"):
        ScepClient(f"http://{host}/scep", clock=CLOCK).get_ca_cert()


@pytest.mark.parametrize("with_scheme", [True, False])
def test_the_environments_proxy_is_used_unless_it_excepts_the_host(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, with_scheme: bool
) -> None:
    proxy = serve(answer(OK))
    monkeypatch.setenv("http_proxy", proxy.url if with_scheme else proxy.url.removeprefix("http://"))
    client = ScepClient("http://scep.test:8999/scep", clock=CLOCK)
    assert client.pki_operation(b"x", POST) == OK
    (request,) = proxy.requests
    assert request.target.startswith("http://scep.test:8999/scep?operation=PKIOperation")

    direct = serve(answer(OK))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert ScepClient(direct.url, clock=CLOCK).pki_operation(b"x", POST) == OK
    assert len(proxy.requests) == 1


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    ("written", "credentials"),
    [("operator:s%40cret", b"operator:s@cret"), ("operator", b"operator:"), ("j%C3%BCrg:pw", "jürg:pw".encode())],
)
def test_a_proxy_is_told_the_user_and_the_password_of_the_environment(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, scheme: str, written: str, credentials: bytes
) -> None:
    proxy = serve(answer(OK, "200 OK" if scheme == "http" else "502 Bad Gateway"))
    monkeypatch.setenv(f"{scheme}_proxy", proxy.url.replace("://", f"://{written}@"))
    client = ScepClient(f"{scheme}://scep.test/scep", clock=CLOCK)
    if scheme == "http":
        assert client.pki_operation(b"x", POST) == OK
    else:
        with pytest.raises(TransportError, match=r"the proxy http://127\.0\.0\.1:\d+ of https_proxy: 502 Bad Gateway"):
            client.pki_operation(b"x", POST)
    (request,) = proxy.requests
    assert request.headers["proxy-authorization"] == f"Basic {base64.b64encode(credentials).decode()}"


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    ("written", "told"), [("", "asks for a user and a password"), ("operator:s3cret@", "does not accept the user")]
)
def test_a_proxy_that_wants_a_password_is_not_taken_for_the_server(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, scheme: str, written: str, told: str
) -> None:
    proxy = serve(answer(b"", "407 Proxy Authentication Required"))
    monkeypatch.setenv(f"{scheme}_proxy", proxy.url.replace("://", f"://{written}"))
    with pytest.raises(TransportError, match=rf"the proxy {proxy.url} of {scheme}_proxy: it {told}") as caught:
        ScepClient(f"{scheme}://scep.test/scep", clock=CLOCK).pki_operation(b"x", POST)
    assert not isinstance(caught.value, HttpStatusError)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_is_not_there_is_not_taken_for_the_server(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    monkeypatch.setenv(f"{scheme}_proxy", f"http://operator:s3cret@127.0.0.1:{port}")
    with pytest.raises(TransportError, match=rf"the proxy http://127\.0\.0\.1:{port} of {scheme}_proxy: .*refused"):
        ScepClient(f"{scheme}://scep.test/scep", clock=CLOCK).pki_operation(b"x", POST)


@pytest.mark.parametrize(
    "written",
    [
        "socks5://operator:s3cret@proxy:1080",
        "http://operator:s3cret@proxy:99999",
        "http://operator:s3cret@proxy:port",
        "http://operator:s3cret/with#signs@proxy:8080",
        "http://operator:123/s3cret@proxy:8080",
        "http://operator:s3cret@[bad",
        "http://operator:s3cret@",
        "http://operator:s3cret@pröxy:8080",
    ],
)
@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY"])
def test_a_proxy_that_is_none_is_an_error_that_keeps_its_password(
    monkeypatch: pytest.MonkeyPatch, variable: str, written: str
) -> None:
    monkeypatch.setenv(variable, written)
    client = ScepClient("http://scep.test/scep", clock=CLOCK)
    for ask in (lambda: client.pki_operation(b"x", POST), client.describe):
        with pytest.raises(
            TransportError, match=rf"the proxy of {variable}: .*http://user:password@host:port"
        ) as caught:
            ask()
        assert "s3cret" not in "".join(traceback.format_exception(caught.value))


def test_a_proxy_that_answers_byte_by_byte_gains_no_time(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock(NOW)

    def drip(connection: socket.socket, _: Request) -> None:
        while True:
            clock.advance(6)
            connection.sendall(b"H")

    proxy = serve(drip)
    monkeypatch.setenv("https_proxy", proxy.url)
    with pytest.raises(TransportError, match="60 s"):
        ScepClient("https://scep.test/scep", clock=clock).pki_operation(b"x", POST)
    assert proxy.requests[0].method == "CONNECT"


@pytest.fixture
def tls_peer(pki: Pki, tmp_path: Path) -> tuple[Peer, Path]:
    """An https server, and the bundle that it is verified against."""
    context, bundle = tls_server(pki, tmp_path)
    return Peer(answer(OK), context), bundle


def test_https_is_verified_against_the_configured_bundle(tls_peer: tuple[Peer, Path]) -> None:
    peer, bundle = tls_peer
    try:
        url = peer.url.replace("http://127.0.0.1", "https://localhost")
        assert ScepClient(url, clock=CLOCK, ca_bundle=str(bundle)).pki_operation(b"x", POST) == OK
        with pytest.raises(TransportError, match="TLS certificate is not accepted"):
            ScepClient(url, clock=CLOCK).pki_operation(b"x", POST)
        other = url.replace("localhost", "127.0.0.1")
        with pytest.raises(TransportError, match="TLS certificate is not accepted"):
            ScepClient(other, clock=CLOCK, ca_bundle=str(bundle)).pki_operation(b"x", POST)
        with pytest.raises(TransportError, match="can no longer be read"):
            ScepClient(url, clock=CLOCK, ca_bundle="/nowhere/bundle.pem").pki_operation(b"x", POST)
        assert len(peer.requests) == 1
    finally:
        peer.close()


def test_a_server_of_https_that_is_asked_by_http_is_told(tls_peer: tuple[Peer, Path]) -> None:
    peer, _ = tls_peer
    try:
        with pytest.raises(TransportError, match="is it http and not https"):
            ScepClient(peer.url, clock=CLOCK).pki_operation(b"x", POST)
    finally:
        peer.close()
