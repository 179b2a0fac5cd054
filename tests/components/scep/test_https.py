"""An enrolment over https: the server is verified against the configured bundle, and nothing switches that off."""

from __future__ import annotations

import base64
import contextlib
import urllib.parse
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from framework.clock import SystemClock
from framework.testing import FakeClock
from tests.components.scep.enrolled_gateway import CertificateAuthority, EnrolledGateway
from tests.components.scep.peer import Peer, Request, answer
from tests.components.scep.tls import tls_server

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.components.scep.pki import Pki
    from tools.scep_ca import ScepCa


def over_tls(ca: ScepCa) -> Callable[[socket.socket, Request], None]:
    """The CA's answers, for a peer that speaks TLS."""

    def handle(connection: socket.socket, request: Request) -> None:
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(request.target).query)
        match query["operation"][0]:
            case "GetCACaps":
                content = ca.get_ca_caps()
            case "GetCACert":
                content = ca.get_ca_cert()
            case _:
                message = request.body or base64.b64decode(query["message"][0])
                content = ca.pki_operation(message)
        answer(content)(connection, request)

    return handle


class Site:
    """A gateway that is to enrol over https, the server's CA bundle, and what the server was asked."""

    def __init__(self, stack: contextlib.ExitStack, pki: Pki, directory: Path) -> None:
        clock = FakeClock(SystemClock().now())
        authority = CertificateAuthority(stack, directory / "ca", clock)
        context, self.bundle = tls_server(pki, directory)
        self.peer = Peer(over_tls(authority.ca), context)
        stack.callback(self.peer.close)
        self.state = directory / "state"
        self.gateway = EnrolledGateway(stack, self.state, clock, authority)
        url = self.peer.url.replace("http://127.0.0.1", "https://localhost")
        self.gateway.configuration["server.url"] = f"{url}/scep"

    def start(self, bundle: str) -> dict[str, Any]:
        self.gateway.configuration["server.tls.ca-bundle"] = bundle
        self.gateway.start()
        return self.gateway.status


@pytest.fixture
def site(pki: Pki, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("NO_PROXY", "*")
    with contextlib.ExitStack() as stack:
        yield Site(stack, pki, tmp_path)


def test_a_server_that_the_bundle_vouches_for_is_enrolled_with(site: Site) -> None:
    status = site.start(str(site.bundle))
    assert status["state"] == "enrolled", status
    assert site.gateway.identity.chain


def test_the_bundle_may_be_relative_to_the_state_directory(site: Site) -> None:
    site.state.mkdir(mode=0o700)
    (site.state / "https.pem").write_bytes(site.bundle.read_bytes())
    assert site.start("https.pem")["state"] == "enrolled"


@pytest.mark.parametrize("bundle", ["the system's", "another CA's"])
def test_a_server_that_no_ca_vouches_for_gets_no_request(site: Site, pki: Pki, tmp_path: Path, bundle: str) -> None:
    other = tmp_path / "other.pem"
    other.write_bytes(pki.other_root.certificate.public_bytes(Encoding.PEM))
    status = site.start("" if bundle == "the system's" else str(other))
    assert status["state"] == "unreachable", status
    assert "TLS certificate is not accepted" in status["last_error"]["message"]
    assert "server.tls.ca-bundle" in status["last_error"]["message"]
    assert site.peer.requests == []


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "cannot be read (No such file or directory)"),
        (b"", "holds no certificate in PEM"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "or a damaged one"),
    ],
    ids=["missing", "empty", "damaged"],
)
def test_a_bundle_that_is_none_is_a_misconfiguration_until_it_is_put_right(
    site: Site, tmp_path: Path, content: bytes | None, told: str
) -> None:
    bundle = tmp_path / "broken.pem"
    if content is not None:
        bundle.write_bytes(content)
    status = site.start(str(bundle))
    assert status["state"] == "misconfigured"
    assert f"server.tls.ca-bundle: {bundle}" in status["last_error"]["message"]
    assert told in status["last_error"]["message"]
    assert site.peer.requests == []
    bundle.write_bytes(site.bundle.read_bytes())
    site.gateway.service.enroll()
    site.gateway.harness.settle()
    assert site.gateway.status["state"] == "enrolled", site.gateway.status


def test_a_bundle_that_is_corrected_by_configuration_is_used_at_once(site: Site) -> None:
    assert site.start("")["state"] == "unreachable"
    site.gateway.set(**{"server.tls.ca-bundle": str(site.bundle)})
    assert site.gateway.status["state"] == "enrolled", site.gateway.status
