"""Fetching a CRL from whatever a network has to offer: in time, in bounds, from nowhere that was not configured."""

from __future__ import annotations

import contextlib
import io
import os
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from components.keystore.crl import CrlFetchError
from components.keystore.crl.fetching import DEADLINE_S, FetchLimits, fetch
from framework.clock import SystemClock
from framework.testing import FakeClock
from tests.components.keystore.crl_publisher import NOW, Issuer, Publisher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from framework.clock import Clock

LIMITS = FetchLimits(1000)
CRL = Issuer().crl(7)
HEAD = b"HTTP/1.1 200 OK\r\n\r\n"


@contextlib.contextmanager
def answering(respond: Callable[[socket.socket], None], asked: list[bytes] | None = None) -> Iterator[str]:
    """A peer that does as `respond` says to whoever connects, and notes what was asked; yields the URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection, contextlib.suppress(OSError):
                        request = connection.recv(65536)
                        if asked is not None:
                            asked.append(request)
                        respond(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/ca.crl"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def fetched(url: str, clock: Clock | None = None, limits: FetchLimits = LIMITS) -> bytes:
    file = io.BytesIO()
    fetch(url, file, limits, clock or SystemClock())
    return file.getvalue()


@pytest.fixture(autouse=True)
def without_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


def test_a_body_that_drips_for_ever_ends_with_the_deadline() -> None:
    clock = FakeClock(NOW)
    begin = clock.monotonic()

    def drip(connection: socket.socket) -> None:
        connection.sendall(HEAD)
        while True:
            clock.advance(6)
            connection.sendall(b"x")

    with answering(drip) as url, pytest.raises(CrlFetchError, match="no whole answer within 60 s"):
        fetched(url, clock, FetchLimits(2**20))
    assert clock.monotonic() - begin > DEADLINE_S


def test_headers_that_drip_for_ever_end_with_the_deadline() -> None:
    clock = FakeClock(NOW)

    def drip(connection: socket.socket) -> None:
        connection.sendall(HEAD[:-2])
        while True:
            clock.advance(6)
            connection.sendall(b"X: y\r\n")

    with answering(drip) as url, pytest.raises(CrlFetchError, match="cannot be fetched"):
        fetched(url, clock)


def test_a_name_that_nobody_resolves_ends_with_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = threading.Event()

    def hang(*_: object, **__: object) -> list[object]:
        gone.wait()
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    monkeypatch.setattr("components.keystore.crl.fetching.DEADLINE_S", 0.05)
    try:
        with pytest.raises(CrlFetchError, match=r"no whole answer within 0\.05 s"):
            fetched("http://ca.test/ca.crl")
    finally:
        gone.set()


def test_a_body_without_end_is_cut_at_the_limit() -> None:
    sent = 0

    def pour(connection: socket.socket) -> None:
        nonlocal sent
        connection.sendall(HEAD)
        while True:
            connection.sendall(bytes(65536))
            sent += 65536

    with answering(pour) as url, pytest.raises(CrlFetchError, match=r"larger than 1000 bytes \(crl.size.limit\)"):
        fetched(url)
    assert sent < 64 * 2**20


@pytest.mark.parametrize("where", ["http://127.0.0.1/other.crl", "file:///etc/passwd", "ftp://x/", "\x1b[2J"])
def test_no_redirect_is_followed(where: str) -> None:
    def redirect(connection: socket.socket) -> None:
        connection.sendall(f"HTTP/1.1 302 Found\r\nLocation: {where}\r\n\r\n".encode())

    with answering(redirect) as url, pytest.raises(CrlFetchError, match="it redirects to ") as raised:
        fetched(url)
    assert str(raised.value).isprintable()


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("file:///etc/hostname", "crl.file.urls.allowed"),
        ("ftp://127.0.0.1/ca.crl", "ftp is not supported"),
        ("ldap://127.0.0.1/cn=ca?certificateRevocationList", "ldap is not supported"),
        ("ca.crl", "without scheme"),
        ("http://", "cannot be fetched"),
        ("http://[/", "cannot be fetched"),
        ("http://127.0.0.1:99999/", "cannot be fetched"),
    ],
)
def test_other_places_are_refused_with_the_reason(url: str, why: str) -> None:
    with pytest.raises(CrlFetchError, match=why) as raised:
        fetched(url)
    assert raised.value.url == url


def test_a_url_with_a_query_is_asked_as_it_is() -> None:
    asked: list[bytes] = []

    def respond(connection: socket.socket) -> None:
        connection.sendall(HEAD + CRL)

    with answering(respond, asked) as url:
        assert fetched(f"{url}?cmd=crl&issuer=CN%3Dca#part") == CRL
        assert fetched(url) == CRL
    assert [line.split()[1] for line in asked] == [b"/ca.crl?cmd=crl&issuer=CN%3Dca", b"/ca.crl"]


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(CrlFetchError, match="no regular file"):
        fetched(pipe.as_uri(), limits=FetchLimits(1000, frozenset([pipe.as_uri()])))


def test_the_proxy_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    publisher = Publisher()
    try:
        publisher.files["http://ca.test/ca.crl"] = CRL
        monkeypatch.setenv("http_proxy", publisher.url(""))
        assert fetched("http://ca.test/ca.crl") == CRL
        publisher.files["/direct.crl"] = CRL
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert fetched(publisher.url("/direct.crl")) == CRL
        assert publisher.asked == ["http://ca.test/ca.crl", "/direct.crl"]
    finally:
        publisher.close()
