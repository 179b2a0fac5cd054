"""CRLs of a keystore: fetched from a real server, verified, kept, asked."""

from __future__ import annotations

import argparse
import http.server
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from components.asn1 import der
from components.keystore import (
    KeyAlgorithm,
    KeystoreService,
    SoftwarePrivateKey,
    TrustedCertificateEntry,
    UnsupportedOperationError,
    as_signing_key,
    plugin,
)
from components.keystore.crl import CRLS_CHANGED_TOPIC, CrlRefusedError, RevocationService, RevocationStatus
from components.keystore.crl.store import CrlStore
from components.keystore.filesystem import FilesystemKeystore
from framework.admin import Answer, Invocation
from framework.clock import SystemClock
from framework.testing import FakeClock, GatewayHarness

if TYPE_CHECKING:
    from collections.abc import Iterator

    from framework.admin import ClientSide, GatewayView

PID = "gatewright.keystore.FilesystemKeystore~A"
NOW = SystemClock().now().replace(microsecond=0)
DAY = timedelta(days=1)


class Issuer:
    def __init__(self, name: str = "issuer", key: SoftwarePrivateKey | None = None, url: str | None = None) -> None:
        self.key = key or SoftwarePrivateKey.generate(KeyAlgorithm.EC, 256)
        self.name = x509.Name.from_rfc4514_string(f"CN={name}")
        points = [] if url is None else [x509.UniformResourceIdentifier(url)]
        self.certificate = self.issue(1, points)

    def issue(self, number: int, points: list[x509.UniformResourceIdentifier] | None = None) -> x509.Certificate:
        builder = x509.CertificateBuilder(self.name, self.name, self.key.public_key, number)
        builder = builder.not_valid_before(NOW - DAY).not_valid_after(NOW + 99 * DAY)
        if points:
            point = x509.DistributionPoint(points, None, None, None)
            builder = builder.add_extension(x509.CRLDistributionPoints([point]), critical=False)
        return builder.sign(as_signing_key(self.key), hashes.SHA256())

    def crl(
        self,
        *revoked: int,
        number: int | None = 1,
        made: timedelta = -timedelta(hours=1),
        extension: x509.ExtensionType | None = None,
        algorithm: Any = None,
    ) -> bytes:
        builder = x509.CertificateRevocationListBuilder(self.name, NOW + made, NOW + made + 7 * DAY)
        for each in revoked:
            builder = builder.add_revoked_certificate(x509.RevokedCertificateBuilder(each, NOW - DAY).build())
        if number is not None:
            builder = builder.add_extension(x509.CRLNumber(number), critical=False)
        if extension is not None:
            builder = builder.add_extension(extension, critical=True)
        return builder.sign(as_signing_key(self.key), algorithm or hashes.SHA256()).public_bytes(Encoding.DER)


ISSUER = Issuer()


def install(store: CrlStore, data: bytes, trusted: tuple[x509.Certificate, ...] = (), *, verify: bool = True) -> bool:
    def fill(file: Any) -> None:
        file.write(data)

    return store.install(store.receive(fill), "test", trusted or (ISSUER.certificate,), NOW, verify=verify)


@pytest.mark.parametrize("algorithm", [KeyAlgorithm.EC, KeyAlgorithm.RSA])
@pytest.mark.parametrize("size", [0, 1, 3000])
def test_what_is_listed_is_revoked_and_what_is_not_is_good_also_after_a_restart(
    tmp_path: Path, algorithm: KeyAlgorithm, size: int
) -> None:
    issuer = Issuer(key=SoftwarePrivateKey.generate(algorithm, 2048 if algorithm is KeyAlgorithm.RSA else 256))
    assert isinstance(issuer.key.public_key, rsa.RSAPublicKey) == (algorithm is KeyAlgorithm.RSA)
    listed = [1 + number**3 * 7919 for number in range(1, size + 1)]
    assert install(CrlStore(tmp_path), issuer.crl(*listed), (issuer.certificate,))
    for _ in range(2):
        store = CrlStore(tmp_path)
        (kept,) = store.kept
        assert (kept.record.entries, kept.record.number) == (size, 1)
        for number in listed[:: max(1, size // 20)]:
            assert store.status(issuer.issue(number), NOW) is RevocationStatus.REVOKED
            assert store.status(issuer.issue(number + 1), NOW) is RevocationStatus.GOOD
        assert store.status(issuer.issue(5), NOW) is RevocationStatus.GOOD
        assert store.status(issuer.issue(5), NOW + 8 * DAY) is RevocationStatus.UNKNOWN
        assert store.status(Issuer("another").issue(5), NOW) is RevocationStatus.UNKNOWN
        (decoded,) = store.decoded()
        assert {one.serial_number for one in decoded} == set(listed)
        kept.index.unlink()  # as a crash between the two files leaves it


POINT: dict[str, Any] = {
    "full_name": None,
    "relative_name": None,
    "only_contains_user_certs": False,
    "only_contains_ca_certs": False,
    "only_some_reasons": None,
    "indirect_crl": False,
    "only_contains_attribute_certs": False,
}


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "no CRL in DER"),
        (b"<html>not found</html>", "no CRL in DER"),
        (ISSUER.crl(5, number=9)[:-1], "no CRL in DER"),
        (ISSUER.crl(5, number=9) + b"\x00", "something follows the end"),
        (ISSUER.crl(5, number=3), "number 3 goes back behind 4"),
        (ISSUER.crl(5, number=None), "goes back"),
        (ISSUER.crl(5, number=4, made=-DAY), "before the one that is known"),
        (ISSUER.crl(5, number=5, made=2 * DAY), "by this gateway's clock"),
        (Issuer().crl(5, number=5), "signature is not that of the trusted"),
        (Issuer("another").crl(5, number=5), "no trusted certificate"),
        (ISSUER.crl(5, number=5, extension=x509.DeltaCRLIndicator(4)), "delta CRL"),
        (
            ISSUER.crl(5, number=5, extension=x509.IssuingDistributionPoint(**{**POINT, "indirect_crl": True})),
            "indirect",
        ),
    ],
)
def test_what_cannot_be_relied_on_is_refused_and_the_earlier_one_stays(tmp_path: Path, data: bytes, why: str) -> None:
    store = CrlStore(tmp_path)
    assert install(store, ISSUER.crl(77, number=4))
    with pytest.raises(CrlRefusedError, match=why):
        install(store, data)
    assert store.status(ISSUER.issue(77), NOW) is RevocationStatus.REVOKED
    assert not list(tmp_path.glob(".*")), "nothing is left behind"


def test_every_flipped_bit_of_what_is_signed_is_noticed(tmp_path: Path) -> None:
    store, data = CrlStore(tmp_path), ISSUER.crl(77, 78, number=4)
    for position in range(len(data)):
        damaged = bytearray(data)
        damaged[position] ^= 1 << position % 8
        with pytest.raises(CrlRefusedError):
            install(store, bytes(damaged))
    assert store.kept == ()


def test_a_crl_for_one_distribution_point_says_nothing_of_other_certificates(tmp_path: Path) -> None:
    ours, others = (x509.UniformResourceIdentifier(f"http://ca/{part}.crl") for part in "ab")
    point = x509.IssuingDistributionPoint(**{**POINT, "full_name": [ours]})
    store = CrlStore(tmp_path)
    assert install(store, ISSUER.crl(7, extension=point))
    assert store.status(ISSUER.issue(7, [ours]), NOW) is RevocationStatus.REVOKED
    assert store.status(ISSUER.issue(8, [ours]), NOW) is RevocationStatus.GOOD
    assert store.status(ISSUER.issue(8, [others]), NOW) is RevocationStatus.UNKNOWN


class Publisher:
    """An HTTP server of CRLs, by path."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        publisher = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                publisher.asked.append(self.path)
                if self.path == "/moved":
                    self.send_response(302)
                    self.send_header("Location", "/a")
                    self.end_headers()
                    return
                data = publisher.files.get(self.path)
                self.send_response(404 if data is None else 200)
                self.end_headers()
                self.wfile.write(data or b"")

            def log_message(self, *_: object) -> None: ...

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server.server_port}{path}"

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    publisher = Publisher()
    yield publisher
    publisher.close()


def gateway(*urls: str, **properties: Any) -> GatewayHarness:
    named = {key.replace("__", "."): value for key, value in properties.items()}
    configuration = {"keystore.path": "a.p12", "crl.management.enabled": True, "crl.urls": list(urls), **named}
    return GatewayHarness(components=[FilesystemKeystore], plugins=[], conf={PID: configuration}, clock=FakeClock(NOW))


def service(harness: GatewayHarness, interface: type[Any]) -> Any:
    found = harness.registry.find(interface)
    assert found is not None, harness.explain(PID).sentences
    return harness.registry.get(found)


def trust(harness: GatewayHarness, certificate: x509.Certificate) -> None:
    service(harness, KeystoreService).set("ca", TrustedCertificateEntry(certificate))
    service(harness, RevocationService).refresh()
    harness.settle()


def test_published_crls_of_trusted_certificates_are_fetched_told_of_and_renewed(publisher: Publisher) -> None:
    issuer = Issuer(url=publisher.url("/a"))
    publisher.files["/a"] = issuer.crl(77, number=1)
    with gateway() as harness:
        told: list[Any] = []
        subscription = harness.gateway.event_admin.subscribe(CRLS_CHANGED_TOPIC, told.append)
        trust(harness, issuer.certificate)
        revocation = service(harness, RevocationService)
        assert revocation.status(issuer.issue(77)) is RevocationStatus.REVOKED
        assert [dict(event.properties) for event in told] == [{"keystore": "A", "issuers": ("CN=issuer",)}]
        store = service(harness, KeystoreService)
        assert store.capabilities.keeps_crls
        assert [crl.issuer for crl in store.crls()] == [issuer.name]
        asked = len(publisher.asked)
        harness.advance(6 * 3600)
        assert len(publisher.asked) == asked, "it is not due"
        publisher.files["/a"] = issuer.crl(77, 78, number=2)
        harness.advance(20 * 3600)
        assert revocation.status(issuer.issue(78)) is RevocationStatus.REVOKED
        assert len(told) == 2
        subscription.close()


def test_a_failing_source_keeps_the_crl_is_said_and_is_tried_again(publisher: Publisher) -> None:
    publisher.files["/a"] = ISSUER.crl(77)
    with gateway(publisher.url("/a")) as harness:
        trust(harness, ISSUER.certificate)
        revocation = service(harness, RevocationService)
        assert revocation.problems() == ()
        del publisher.files["/a"]
        harness.advance(9 * 24 * 3600)
        problems = " ".join(revocation.problems())
        assert "was to be followed by another one" in problems
        assert "status 404" in problems
        assert revocation.status(ISSUER.issue(77)) is RevocationStatus.REVOKED
        publisher.files["/a"] = ISSUER.crl(number=2, made=9 * DAY)
        harness.advance(5 * 60)
        assert revocation.problems() == ()
        assert revocation.status(ISSUER.issue(77)) is RevocationStatus.GOOD


def test_verification_that_is_turned_on_at_run_time_counts_for_what_is_kept(publisher: Publisher) -> None:
    publisher.files["/a"] = Issuer().crl(77)
    with gateway(publisher.url("/a"), verify__crl=False) as harness:
        trust(harness, ISSUER.certificate)
        revocation = service(harness, RevocationService)
        assert len(revocation.records()) == 1
        harness.configuration_admin.update(PID, {"verify.crl": True})
        harness.settle()
        assert revocation is service(harness, RevocationService)
        assert revocation.records() == ()
        publisher.files["/a"] = ISSUER.crl(77)
        harness.advance(5 * 60)
        assert len(revocation.records()) == 1


@pytest.mark.parametrize(
    ("path", "why"), [("/moved", "redirects are not followed"), ("/large", "larger than"), ("/none", "status 404")]
)
def test_what_a_server_must_not_do_is_said(publisher: Publisher, path: str, why: str) -> None:
    publisher.files |= {"/a": ISSUER.crl(77), "/large": bytes(1024 * 1024 + 1)}
    with gateway(publisher.url(path), crl__size__limit=1) as harness:
        (problem,) = service(harness, RevocationService).problems()
        assert why in problem
        assert "/a" not in publisher.asked


def test_files_are_read_only_where_that_is_allowed(tmp_path: Path) -> None:
    file = tmp_path / "ca.crl"
    file.write_bytes(x509.load_der_x509_crl(ISSUER.crl(77)).public_bytes(Encoding.PEM))
    with gateway(file.as_uri()) as harness:
        trust(harness, ISSUER.certificate)
        revocation = service(harness, RevocationService)
        assert "crl.file.urls.allowed" in " ".join(revocation.problems())
        harness.configuration_admin.update(PID, {"crl.file.urls.allowed": True})
        harness.settle()
        assert revocation.problems() == ()
        assert revocation.status(ISSUER.issue(77)) is RevocationStatus.REVOKED


def test_a_keystore_that_does_not_look_after_crls_says_so() -> None:
    with gateway(crl__management__enabled=False) as harness:
        store = service(harness, KeystoreService)
        assert not store.capabilities.keeps_crls
        with pytest.raises(UnsupportedOperationError):
            store.crls()
        assert harness.registry.find(RevocationService) is None


def run(harness: GatewayHarness, *arguments: str) -> Answer:
    command = {command.path: command for command in plugin.gatewright_commands()}["keystore", "crl", arguments[0]]
    parser = argparse.ArgumentParser()
    assert command.arguments is not None
    command.arguments(parser)
    view = cast("GatewayView", SimpleNamespace(registry=harness.registry))
    return command.run(Invocation(parser.parse_args(arguments[1:]), view, cast("ClientSide", None)))


def test_commands_list_and_refresh(publisher: Publisher) -> None:
    publisher.files["/a"] = ISSUER.crl(77)
    with gateway(publisher.url("/a")) as harness:
        assert run(harness, "list").exit_status == 1, "its issuer is not trusted yet"
        trust(harness, ISSUER.certificate)
        answer = run(harness, "list", "A")
        (listed,) = answer.data["keystores"]
        (crl,) = listed["crls"]
        assert (crl["issuer"], crl["entries"], crl["source"]) == ("CN=issuer", 1, publisher.url("/a"))
        assert "number 1, 1 entries" in answer.text
        assert answer.exit_status == 0
        before = len(publisher.asked)
        assert run(harness, "refresh").data == {"refreshing": ["A"]}
        harness.settle()
        assert len(publisher.asked) == before + 1


_LARGE = """
import resource, sys
from datetime import datetime
from pathlib import Path
from cryptography import x509
from components.keystore.crl.store import CrlStore
directory, now = Path(sys.argv[1]), datetime.fromisoformat(sys.argv[2])
ca = x509.load_der_x509_certificate((directory / "ca.der").read_bytes())
store = CrlStore(directory / "store")
received = directory / "large.der"
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
store.install(received, "test", (ca,), now, verify=True)
print(store.kept[0].record.entries, store.status(ca, now), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def _entry(number: int) -> bytes:
    reason = bytes.fromhex("300c300a0603551d1504030a0101")
    return der.sequence(der.integer(number), b"\x17\x0d260101000000Z", reason)


def _signed(entries: bytes) -> bytes:
    """A CRL of ISSUER with these entries."""
    whole = der.decode(ISSUER.crl(1)).children()
    version, algorithm, issuer, made, due, _, extensions = (part.encoded for part in whole.next().children())
    signed = der.sequence(version, algorithm, issuer, made, due, der.sequence(entries), extensions)
    signature = ISSUER.key.sign(signed, hashes.SHA256())
    return der.sequence(signed, algorithm, der.encode(0x03, b"\x00", signature))


def test_a_crl_of_300_000_entries_costs_less_than_20_mib_of_memory(tmp_path: Path) -> None:
    entries = b"".join(_entry(number) for number in range(300_000, 600_000))
    (tmp_path / "large.der").write_bytes(_signed(entries))
    (tmp_path / "ca.der").write_bytes(ISSUER.certificate.public_bytes(Encoding.DER))
    command = [sys.executable, "-c", _LARGE, str(tmp_path), NOW.isoformat()]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3])
    count, status, kibibytes = ran.stdout.split()
    assert (count, status) == ("300000", "good")
    assert int(kibibytes) < 20 * 1024
    store = CrlStore(tmp_path / "store")
    for number in (300_000, 450_000, 599_999):
        assert store.status(ISSUER.issue(number), NOW) is RevocationStatus.REVOKED
    assert store.status(ISSUER.issue(299_999), NOW) is RevocationStatus.GOOD
