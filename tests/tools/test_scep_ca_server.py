"""The development CA over HTTP, for right, wrong and hostile clients."""

from __future__ import annotations

import base64
import http.client
import io
import socket
import threading
import urllib.parse
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from components.scep.client import ScepClient, locate_server
from components.scep.transaction import Capabilities
from framework.clock import SystemClock
from framework.fake_clock import FakeClock
from tools.scep_ca import SCEP_PATH, ScepCa, ScepCaServer
from tools.scep_ca.server import DEADLINE_S, LARGEST_MESSAGE, MOST_CONNECTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.tools.scep_requester import Requester


@pytest.fixture
def server(ca: ScepCa) -> Iterator[ScepCaServer]:
    with ScepCaServer(ca) as server:
        yield server


def exchange(server: ScepCaServer, request: bytes) -> bytes:
    """All that the server answers to raw bytes, after which the client has nothing more to say."""
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        return read_all(connection)


def read_all(connection: socket.socket) -> bytes:
    answer = b""
    while chunk := connection.recv(65536):
        answer += chunk
    return answer


def test_our_client_finds_it_without_a_path(server: ScepCaServer, ca: ScepCa) -> None:
    location = locate_server(f"http://127.0.0.1:{server.port}", clock=SystemClock())

    assert location.url == server.url
    assert location.certificates == (ca.certificate,)
    assert location.capabilities.post
    assert location.capabilities.aes
    assert location.capabilities.sha2


@pytest.mark.parametrize("keywords", ["POSTPKIOperation", ""], ids=["POST", "GET"])
def test_a_request_is_granted(server: ScepCaServer, requester: Requester, keywords: str) -> None:
    client = ScepClient(server.url, clock=SystemClock())

    reply = client.pki_operation(requester.message(), Capabilities.parse(keywords))

    assert requester.certificate(reply).public_key() == requester.key.public_key


@pytest.mark.parametrize("safe", ["", "+/="], ids=["escaped", "bare"])
def test_base64_may_be_escaped_or_not(server: ScepCaServer, requester: Requester, safe: str) -> None:
    encoded = base64.b64encode(requester.message()).decode()
    assert "+" in encoded
    query = f"operation=PKIOperation&message={urllib.parse.quote(encoded, safe=safe)}"
    connection = http.client.HTTPConnection("127.0.0.1", server.port)

    connection.request("GET", f"{SCEP_PATH}?{query}")
    answer = connection.getresponse()
    reply = answer.read()
    connection.close()

    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/x-pki-message"
    requester.certificate(reply)


@pytest.mark.parametrize(
    ("operation", "content_type"),
    [("GetCACaps", "text/plain"), ("GetCACert", "application/x-x509-ca-cert")],
)
def test_content_types_are_the_rfcs(server: ScepCaServer, operation: str, content_type: str) -> None:
    request = f"GET {SCEP_PATH}?operation={operation}&message= HTTP/1.0\r\n\r\n".encode()

    head, _, body = exchange(server, request).partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 200 ")
    assert f"Content-Type: {content_type}\r\n".encode() in head
    assert f"Content-Length: {len(body)}\r\n".encode() in head


def test_a_client_that_asks_before_it_posts_is_told_to_go_on(server: ScepCaServer, requester: Requester) -> None:
    """libcurl waits for that a second otherwise."""
    message = requester.message()
    head = (
        f"POST {SCEP_PATH}?operation=PKIOperation HTTP/1.1\r\nHost: ca\r\n"
        f"Content-Length: {len(message)}\r\nExpect: 100-continue\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(head.encode())
        interim = connection.recv(1024)
        connection.sendall(message)
        answer = read_all(connection)

    assert interim == b"HTTP/1.1 100 Continue\r\n\r\n"
    requester.certificate(answer.partition(b"\r\n\r\n")[2])


@dataclass(frozen=True)
class Wrong:
    name: str
    request: str
    status: int
    text: str = ""
    body: bytes = b""


POST = f"POST {SCEP_PATH}?operation=PKIOperation HTTP/1.1\r\nHost: ca\r\n"
WRONG = [
    Wrong("other path", "GET /scep?operation=GetCACaps HTTP/1.1\r\n\r\n", 404, SCEP_PATH),
    Wrong("no operation", f"GET {SCEP_PATH} HTTP/1.1\r\n\r\n", 400, "operation=GetCACaps"),
    Wrong("unknown operation", f"GET {SCEP_PATH}?operation=GetCRL HTTP/1.1\r\n\r\n", 400, "supported are"),
    Wrong("POST of GetCACert", f"POST {SCEP_PATH}?operation=GetCACert HTTP/1.1\r\n\r\n", 400, "supported are"),
    Wrong("other method", f"DELETE {SCEP_PATH} HTTP/1.1\r\n\r\n", 501),
    Wrong("no length", f"{POST}\r\n", 411, "Content-Length"),
    Wrong("chunked", f"{POST}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411, "Content-Length"),
    Wrong("two lengths", f"{POST}Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 411, "Content-Length"),
    Wrong("negative length", f"{POST}Content-Length: -1\r\n\r\n", 400, "no number"),
    Wrong("length in other digits", f"{POST}Content-Length: \xb2\r\n\r\n", 400, "no number"),
    Wrong("too long", f"{POST}Content-Length: {LARGEST_MESSAGE + 1}\r\n\r\n", 413, "at most"),
    Wrong("endless length", f"{POST}Content-Length: {'9' * 5000}\r\n\r\n", 413, "at most"),
    Wrong("cut off", f"{POST}Content-Length: 100\r\n\r\n", 400, "ended before", b"abc"),
    Wrong("no message", f"{POST}Content-Length: 3\r\n\r\n", 400, "no pkiMessage", b"abc"),
    Wrong("no base64", f"GET {SCEP_PATH}?operation=PKIOperation&message=*** HTTP/1.1\r\n\r\n", 400, "base64"),
    Wrong("URL-safe base64", f"GET {SCEP_PATH}?operation=PKIOperation&message=-_-_ HTTP/1.1\r\n\r\n", 400, "base64"),
    Wrong("no text", f"GET {SCEP_PATH}?operation=PKIOperation&message=%FF%80 HTTP/1.1\r\n\r\n", 400, "base64"),
    Wrong("endless line", f"GET /{'a' * 70_000} HTTP/1.1\r\n\r\n", 414),
    Wrong("endless headers", f"GET {SCEP_PATH} HTTP/1.1\r\n" + "A: b\r\n" * 200 + "\r\n", 431),
]


@pytest.mark.parametrize("case", WRONG, ids=lambda case: case.name)
def test_a_wrong_request_is_answered_in_plain_text(
    case: Wrong, server: ScepCaServer, ca: ScepCa, requester: Requester
) -> None:
    answer = exchange(server, case.request.encode("latin-1") + case.body)

    head, _, text = answer.partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {case.status} ".encode())
    assert b"Content-Type: text/plain" in head
    assert case.text in text.decode()
    assert ca.issued() == ()
    client = ScepClient(server.url, clock=SystemClock())
    requester.certificate(client.pki_operation(requester.message(), client.get_ca_caps()))


def test_what_is_no_http_at_all_is_answered_and_forgotten(server: ScepCaServer) -> None:
    assert b"<" not in exchange(server, b"hello\r\n\r\n")
    assert exchange(server, b"") == b""
    assert exchange(server, b"\x16\x03\x01\x00\x05hello\n").startswith(b"Bad request")


class _Time(FakeClock):
    """Time of which more than half a deadline passes between two looks."""

    def monotonic(self) -> float:
        self.advance(DEADLINE_S * 0.6)
        return super().monotonic()


def test_a_request_that_comes_byte_by_byte_is_ended(ca: ScepCa) -> None:
    with (
        ScepCaServer(ca, clock=_Time()) as server,
        socket.create_connection(("127.0.0.1", server.port)) as connection,
    ):
        connection.sendall(b"G")
        connection.sendall(b"E")
        assert read_all(connection) == b""


def test_more_connections_than_are_served_are_turned_away(ca: ScepCa, requester: Requester) -> None:
    with ScepCaServer(ca) as server:
        idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(MOST_CONNECTIONS)]
        with socket.create_connection(("127.0.0.1", server.port)) as one_more:
            answer = read_all(one_more)
        for connection in idle:
            connection.shutdown(socket.SHUT_WR)
            read_all(connection)
            connection.close()
        client = ScepClient(server.url, clock=SystemClock())
        requester.certificate(client.pki_operation(requester.message(), client.get_ca_caps()))

    assert answer.startswith(b"HTTP/1.1 503 ")


def test_it_stops_though_a_client_says_nothing(ca: ScepCa) -> None:
    with ScepCaServer(ca) as server:
        silent = socket.create_connection(("127.0.0.1", server.port))
        half = socket.create_connection(("127.0.0.1", server.port))
        half.sendall(b"POST /")
        ScepClient(server.url, clock=SystemClock()).get_ca_cert()  # so both before it were accepted

    with silent, half:
        assert read_all(silent) == b""
        assert not any(thread.name == "scep-ca-server" for thread in threading.enumerate())


def test_a_port_that_is_in_use_is_an_error(server: ScepCaServer, ca: ScepCa) -> None:
    with pytest.raises(OSError, match="in use"):
        ScepCaServer(ca, port=server.port)


def test_it_may_be_made_and_not_started(ca: ScepCa) -> None:
    ScepCaServer(ca).stop()


def test_a_failure_inside_is_answered_and_harms_nobody_else(
    server: ScepCaServer, ca: ScepCa, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(ca, "get_ca_caps", lambda: io.BytesIO().write("no bytes"))  # type: ignore[arg-type]  # the failure
        answer = exchange(server, f"GET {SCEP_PATH}?operation=GetCACaps HTTP/1.1\r\n\r\n".encode())

    assert b"500" in answer.splitlines()[0]
    assert b"TypeError" not in answer
    assert "TypeError" in caplog.text
    assert ScepClient(server.url, clock=SystemClock()).get_ca_caps().post
