"""The HTTP client against small hostile servers: one deadline, one cap, errors that say what came."""

from __future__ import annotations

import base64
import contextlib
import socket
import struct
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from components.scep.client import (
    DEADLINE_S,
    LARGEST_CHAIN,
    LARGEST_REPLY,
    ScepClient,
    locate_server,
)
from components.scep.endpoint import WELL_KNOWN_PATHS, normalize_endpoint
from components.scep.errors import EndpointError, HttpStatusError, NotScepError, ScepError, TransportError
from components.scep.transaction import Capabilities
from framework.clock import SystemClock
from framework.fake_clock import FakeClock
from tests.components.scep.peer import Handler, Peer, Request, Serve, answer, raw

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.components.scep.pki import Pki

POST = Capabilities.parse("POSTPKIOperation")


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


def client_of(peer: Peer, path: str = "/scep") -> ScepClient:
    return ScepClient(peer.url + path, clock=SystemClock())


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("http://scep:8999", "http://scep:8999"),
        ("http:scep:8999", "http://scep:8999"),
        ("  https:scep:8999 ", "https://scep:8999"),
        ("http://scep/some/path", "http://scep/some/path"),
        ("http://[2001:db8::1]:80/scep", "http://[2001:db8::1]:80/scep"),
    ],
)
@pytest.mark.requirement("mission: endpoint")
def test_endpoints_are_urls_or_protocol_hostname_port(endpoint: str, url: str) -> None:
    assert normalize_endpoint(endpoint) == url


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "scep:8999",
        "ftp://scep:21",
        "http://",
        "http:",
        "http://scep:port",
        "http://scep:0",
        "http://scep:70000",
        "http://user:password@scep",
        "http://scep/?operation=GetCACert",
        "http://scep/#x",
        "http://[::1",
        "http://sc ep/",
        "http://scep/\r\nHost: evil",
        "http://exämple.test/scep",
        f"http://{'ä' * 70}.test/",
    ],
)
def test_what_is_no_endpoint_is_an_error_of_its_own(endpoint: str) -> None:
    with pytest.raises(EndpointError):
        normalize_endpoint(endpoint)


def test_an_internationalized_name_is_told_as_dns_has_it() -> None:
    with pytest.raises(EndpointError, match=r"xn--exmple-cua\.test"):
        normalize_endpoint("http://exämple.test:8999/scep")


@pytest.mark.parametrize("host", ["%zz", "a..b", "x" * 70, "a<b"])
def test_a_host_that_is_no_name_is_one_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    def unknown(*_: object, **__: object) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(TransportError):
        locate_server(f"http://{host}/scep", clock=SystemClock())


@pytest.mark.requirement("RFC 8894 4.1: HTTP")
def test_a_message_is_posted_with_its_length_and_type(serve: Serve) -> None:
    peer = serve(answer(b"\x30\x00"))
    assert client_of(peer).pki_operation(b"message", POST) == b"\x30\x00"
    (request,) = peer.requests
    assert (request.method, request.path, request.body) == ("POST", "/scep", b"message")
    assert request.query["operation"] == "PKIOperation"
    assert request.headers["content-length"] == "7"
    assert request.headers["content-type"] == "application/x-pki-message"
    assert request.headers["accept-encoding"] == "identity"
    assert "transfer-encoding" not in request.headers


@pytest.mark.requirement("RFC 8894 4.1: HTTP")
def test_without_post_a_message_goes_into_the_url_fully_escaped(serve: Serve) -> None:
    message = bytes(range(256))  # its base64 has all of + / =
    peer = serve(answer(b"\x30\x00"))
    client_of(peer).pki_operation(message, Capabilities())
    (request,) = peer.requests
    assert request.method == "GET"
    assert not set("+/") & set(request.target.partition("message=")[2])
    assert base64.b64decode(request.query["message"], validate=True) == message


@pytest.mark.parametrize("identifier", ["", "My CA/1 & co"])
def test_the_message_parameter_is_always_there(serve: Serve, identifier: str, der_of_root: bytes) -> None:
    peer = serve(answer(der_of_root))
    client = ScepClient(peer.url + "/scep", clock=SystemClock(), ca_identifier=identifier)
    client.get_ca_cert()
    client.get_ca_caps()
    assert [request.query["message"] for request in peer.requests] == [identifier] * 2


@pytest.mark.parametrize("content_type", ["Content-Type: text/html", "X-Nothing: 1"])
@pytest.mark.requirement("RFC 8894 4.2: GetCACert")
def test_content_is_sniffed_not_believed_by_its_label(
    serve: Serve, pki: Pki, der_of_root: bytes, content_type: str
) -> None:
    peer = serve(answer(der_of_root, "200 OK", content_type))
    assert client_of(peer).get_ca_cert() == (pki.root.certificate,)


def test_chunked_answers_and_those_that_end_with_the_connection_are_read(serve: Serve) -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n0\r\n1\r\n1\r\n0\r\n\r\n"
    assert client_of(serve(raw(chunked))).pki_operation(b"x", POST) == b"01"
    assert client_of(serve(raw(b"HTTP/1.0 200 OK\r\n\r\n01"))).pki_operation(b"x", POST) == b"01"


@pytest.mark.parametrize(
    "handler",
    [
        answer(b"no such operation", "404 Not Found"),
        answer(b"oops", "500 Internal Server Error"),
        answer(b""),
        answer(b"<html><title>hello</title></html>"),
        raw(b""),
        answer(b"x" * (LARGEST_REPLY + 1)),
    ],
    ids=["404", "500", "empty", "HTML", "dropped", "endless"],
)
@pytest.mark.requirement("RFC 8894 3.5.1: GetCACaps")
def test_a_server_that_does_not_say_what_it_can_can_do_nothing_special(serve: Serve, handler: Handler) -> None:
    assert client_of(serve(handler)).get_ca_caps() == Capabilities()


@dataclass(frozen=True)
class Hostile:
    """A server that does something else than answer."""

    what: str
    handler: Handler
    error: type[ScepError]
    told: str


HOSTILE = [
    Hostile("HTML", answer(b" \n<!DOCTYPE html><title>Hotel</title>"), NotScepError, "web page"),
    Hostile("empty 200", answer(b""), NotScepError, "empty"),
    Hostile("404", answer(b"404 page not found", "404 Not Found"), HttpStatusError, "404"),
    Hostile("500 with text", answer(b"unknown operation", "500 Oops"), HttpStatusError, "unknown operation"),
    Hostile("redirect", answer(b"", "302 Found", "Location: http://evil/"), HttpStatusError, "http://evil/"),
    Hostile("redirect to nowhere", answer(b"", "301 Moved"), HttpStatusError, "redirects"),
    Hostile("dropped", raw(b""), TransportError, ""),
    Hostile("no HTTP", raw(b"SSH-2.0-OpenSSH_9.2\r\n"), TransportError, ""),
    Hostile("cut off", raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n0"), TransportError, ""),
    Hostile("bad chunk", raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), TransportError, ""),
    Hostile("headers without end", raw(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000), TransportError, ""),
    Hostile("a line without end", raw(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000), TransportError, ""),
    Hostile("over the cap", answer(b"0" * (LARGEST_REPLY + 1)), ScepError, str(LARGEST_REPLY)),
]


@pytest.mark.parametrize("case", HOSTILE, ids=lambda case: case.what)
def test_a_hostile_answer_is_an_error_that_says_what_came(serve: Serve, case: Hostile) -> None:
    peer = serve(case.handler)
    with pytest.raises(case.error) as caught:
        client_of(peer).pki_operation(b"message", POST)
    assert case.told in str(caught.value)
    assert peer.url in str(caught.value)
    assert len(peer.requests) == 1


def test_an_answer_of_just_the_cap_is_read(serve: Serve) -> None:
    assert len(client_of(serve(answer(b"0" * LARGEST_REPLY))).pki_operation(b"x", POST)) == LARGEST_REPLY


def test_a_ca_chain_has_a_larger_cap_which_holds_too(serve: Serve) -> None:
    with pytest.raises(NotScepError, match="certificate"):
        client_of(serve(answer(b"0" * LARGEST_CHAIN))).get_ca_cert()
    with pytest.raises(ScepError, match=str(LARGEST_CHAIN)):
        client_of(serve(answer(b"0" * (LARGEST_CHAIN + 1)))).get_ca_cert()


def test_an_answer_without_end_is_read_up_to_the_cap_only(serve: Serve) -> None:
    sent = 0

    def flood(connection: socket.socket, _: Request) -> None:
        nonlocal sent
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            sent += connection.send(b"0" * 65_536)

    with pytest.raises(ScepError, match=str(LARGEST_REPLY)):
        client_of(serve(flood)).pki_operation(b"x", POST)


def test_compressed_content_is_not_blown_up(serve: Serve) -> None:
    import gzip  # noqa: PLC0415  # here only

    bomb = gzip.compress(b"0" * 50_000_000)
    assert len(bomb) < LARGEST_REPLY
    with pytest.raises(ScepError):
        client_of(serve(answer(bomb, "200 OK", "Content-Encoding: gzip"))).pki_operation(b"x", POST)


@pytest.mark.parametrize(
    "lead", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\n\r\n"], ids=["status", "headers", "body"]
)
def test_a_peer_that_sends_byte_by_byte_gains_no_time(serve: Serve, lead: bytes) -> None:
    clock = FakeClock()

    def drip(connection: socket.socket, _: Request) -> None:
        connection.sendall(lead)
        while True:
            clock.advance(DEADLINE_S / 10)
            connection.sendall(b"0")

    peer = serve(drip)
    with pytest.raises(TransportError, match="60 s"):
        ScepClient(peer.url, clock=clock).pki_operation(b"x", POST)


def wait_for(event: threading.Event) -> None:
    event.wait()


def test_a_server_that_is_not_there_is_told_from_one_that_hangs(serve: Serve) -> None:
    peer = Peer(answer(b""))
    peer.close()
    with pytest.raises(TransportError, match="refused"):
        client_of(peer).pki_operation(b"x", POST)

    gone = threading.Event()
    silent = serve(lambda _connection, _request: wait_for(gone))
    try:
        with pytest.raises(TransportError, match=r"0\.05 s"):
            ScepClient(silent.url, clock=SystemClock(), deadline_s=0.05).pki_operation(b"x", POST)
    finally:
        gone.set()


@pytest.mark.parametrize("place", ["body", "location"])
def test_what_a_server_writes_into_an_error_cannot_steer_a_terminal(serve: Serve, place: str) -> None:
    text = "\x1b[2J\x07ok\u202e"
    handler = (
        answer(text.encode(), "500 Oops")
        if place == "body"
        else raw(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + text.encode() + b"\r\n\r\n")
    )
    with pytest.raises(HttpStatusError) as caught:
        client_of(serve(handler)).pki_operation(b"x", POST)
    assert str(caught.value).isprintable()


def test_a_path_given_is_the_only_one_asked(serve: Serve) -> None:
    peer = serve(answer(b"nothing here", "404 Not Found"))
    with pytest.raises(HttpStatusError):
        locate_server(peer.url + "/mine", clock=SystemClock())
    assert {request.path for request in peer.requests} == {"/mine"}


@pytest.mark.parametrize("home", WELL_KNOWN_PATHS)
@pytest.mark.requirement("RFC 8894 4.1: path")
def test_without_a_path_the_well_known_ones_are_tried(serve: Serve, pki: Pki, der_of_root: bytes, home: str) -> None:
    def respond(connection: socket.socket, request: Request) -> None:
        if request.path != home:
            answer(b"<h1>404</h1>", "404 Not Found")(connection, request)
        elif request.query["operation"] == "GetCACert":
            answer(der_of_root)(connection, request)
        else:
            answer(b"AES\nPOSTPKIOperation")(connection, request)

    peer = serve(respond)
    location = locate_server(peer.url, clock=SystemClock())
    assert location.url == peer.url + home
    assert location.certificates == (pki.root.certificate,)
    assert location.capabilities == Capabilities.parse("AES\nPOSTPKIOperation")
    assert {request.query["operation"] for request in peer.requests} == {"GetCACert", "GetCACaps"}
    assert all(request.method == "GET" and request.body == b"" for request in peer.requests)


def _close(_: socket.socket, __: Request) -> None:
    """Say nothing."""


def _reset(connection: socket.socket, _: Request) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _half(connection: socket.socket, _: Request) -> None:
    connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 100\r\n\r\nnot")


@pytest.mark.parametrize("refuse", [_close, _reset, _half])
def test_a_server_that_hangs_up_on_unknown_paths_is_found(serve: Serve, der_of_root: bytes, refuse: Handler) -> None:
    def respond(connection: socket.socket, request: Request) -> None:
        (answer(der_of_root) if request.path == "/scep" else refuse)(connection, request)

    peer = serve(respond)
    assert locate_server(peer.url, clock=SystemClock()).url == peer.url + "/scep"


@pytest.mark.parametrize("octets", [b"SSH-2.0-OpenSSH_9.6\r\n", b"\x15\x03\x01\x00\x02\x02F"], ids=["SSH", "TLS"])
def test_a_server_of_another_protocol_is_told_from_one_of_http(serve: Serve, octets: bytes) -> None:
    with pytest.raises(TransportError, match="does not speak HTTP"):
        client_of(serve(raw(octets))).get_ca_cert()


@contextlib.contextmanager
def _saying(octets: bytes) -> Iterator[int]:
    """The port of a server that says this, whatever it is sent."""

    def speak() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(octets)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(4096):
                pass

    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as thread:
        thread.submit(speak)
        yield listener.getsockname()[1]


@pytest.mark.parametrize(
    ("octets", "told"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak TLS"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "does not speak TLS"),
        (b"\x15\x03\x03\x00\x02\x02\x28", "no TLS with it .*handshake failure"),
    ],
    ids=["HTTP", "SSH", "no version in common"],
)
def test_a_server_that_makes_no_tls_is_told_in_words(octets: bytes, told: str) -> None:
    with _saying(octets) as port, pytest.raises(TransportError, match=told) as caught:
        ScepClient(f"https://127.0.0.1:{port}/scep", clock=SystemClock()).get_ca_cert()
    assert "_" not in caught.value.reason


def test_a_server_that_hangs_up_on_every_path_cannot_be_reached(serve: Serve) -> None:
    peer = serve(_close)
    with pytest.raises(TransportError, match="was closed without an answer"):
        locate_server(peer.url, clock=SystemClock())
    assert [request.path for request in peer.requests] == list(WELL_KNOWN_PATHS)


def test_a_portal_that_answers_everything_is_no_scep_server(serve: Serve) -> None:
    with pytest.raises(NotScepError):
        locate_server(serve(answer(b"<html>please log in</html>")).url, clock=SystemClock())


def test_a_server_that_is_down_is_not_looked_for_under_other_paths() -> None:
    peer = Peer(answer(b""))
    peer.close()
    with pytest.raises(TransportError, match="refused") as caught:
        locate_server(peer.url, clock=SystemClock())
    assert not isinstance(caught.value, HttpStatusError)


def test_a_server_that_is_overloaded_may_be_there_later(serve: Serve) -> None:
    with pytest.raises(HttpStatusError) as caught:
        locate_server(serve(answer(b"try later", "503 Service Unavailable")).url, clock=SystemClock())
    assert caught.value.status == 503
