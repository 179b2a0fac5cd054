"""CRLs of a keystore: fetched from a real server, verified, kept, asked."""

from __future__ import annotations

import argparse
import errno
import os
import subprocess
import sys
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
from components.keystore.crl import (
    CRLS_CHANGED_TOPIC,
    CrlFetchError,
    CrlRefusedError,
    CrlSource,
    RevocationService,
    RevocationStatus,
)
from components.keystore.crl.store import CrlStore
from components.keystore.filesystem import FilesystemKeystore
from framework.admin import Answer, Invocation
from framework.testing import FakeClock, GatewayHarness
from tests.components.keystore.crl_publisher import DAY, NOW, Issuer, Publisher

if TYPE_CHECKING:
    from collections.abc import Iterator

    from framework.admin import ClientSide, GatewayView

PID = "gatewright.keystore.FilesystemKeystore~A"


ISSUER = Issuer()


def install(store: CrlStore, data: bytes, trusted: tuple[x509.Certificate, ...] = (), *, verify: bool = True) -> bool:
    def fill(file: Any) -> None:
        file.write(data)

    store.verify = verify
    return store.install(store.receive(fill), "test", trusted or (ISSUER.certificate,), NOW)


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
        assert store.verify_kept((issuer.certificate,)) == []
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


@pytest.mark.parametrize("step", ["replace_file", "rename", "sync_directory"])
def test_what_is_revoked_stays_so_when_a_newer_crl_cannot_be_stored(
    tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = CrlStore(tmp_path)
    assert install(store, ISSUER.crl(100, 50, number=1))

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.replace" if step == "rename" else f"components.keystore.crl.store.{step}", full)
        with pytest.raises(OSError, match="No space"):
            install(store, ISSUER.crl(*range(40, 60), 100, number=2))
        for one in (store, CrlStore(tmp_path)):  # also after a restart while there is no room
            assert one.verify_kept((ISSUER.certificate,)) == []
            assert one.status(ISSUER.issue(100), NOW) is RevocationStatus.REVOKED
            assert one.status(ISSUER.issue(5), NOW) is RevocationStatus.GOOD
    assert not list(tmp_path.glob(".*"))
    store = CrlStore(tmp_path)
    assert install(store, ISSUER.crl(100, number=3))
    assert len(list(tmp_path.iterdir())) == 2, "one CRL, one index"


def test_a_kept_crl_that_cannot_be_indexed_stays_and_so_does_its_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = CrlStore(tmp_path)
    install(store, ISSUER.crl(100, number=5))
    store.kept[0].index.unlink()

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("components.keystore.crl.store.replace_file", full)
        store = CrlStore(tmp_path)
        assert store.status(ISSUER.issue(100), NOW) is RevocationStatus.UNKNOWN
    with pytest.raises(CrlRefusedError, match="goes back"):
        install(store, ISSUER.crl(number=4))
    assert install(store, ISSUER.crl(100, number=6))
    assert store.status(ISSUER.issue(100), NOW) is RevocationStatus.REVOKED


def test_a_crl_that_is_replaced_while_it_is_asked_is_never_read_by_the_index_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = CrlStore(tmp_path)
    install(store, ISSUER.crl(100, 50, number=1))
    newer = [ISSUER.crl(*range(40, 60), 100, number=2)]
    opened = Path.open

    def replacing(path: Path, *arguments: Any, **named: Any) -> Any:
        file = opened(path, *arguments, **named)
        if path.suffix == ".idx" and newer:
            install(store, newer.pop())
        return file

    monkeypatch.setattr(Path, "open", replacing)
    assert store.status(ISSUER.issue(100), NOW) is RevocationStatus.REVOKED
    assert store.status(ISSUER.issue(58), NOW) is RevocationStatus.REVOKED
    assert not newer


def test_an_older_crl_is_refused_also_after_its_issuer_was_not_trusted_for_a_while(tmp_path: Path) -> None:
    store = CrlStore(tmp_path)
    install(store, ISSUER.crl(100, number=5))
    assert store.verify_kept(()) != []
    assert store.kept == ()
    for one in (store, CrlStore(tmp_path)):
        with pytest.raises(CrlRefusedError, match="number 1 goes back behind 5"):
            install(one, ISSUER.crl(number=1))
    anew = Issuer()
    assert install(store, anew.crl(7, number=1), (anew.certificate,)), "a CA that was set up anew begins anew"
    assert store.verify_kept((ISSUER.certificate,)) != []
    assert install(CrlStore(tmp_path), ISSUER.crl(100, number=6))


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
        (
            ISSUER.crl(
                5,
                number=5,
                extension=x509.IssuingDistributionPoint(
                    **{**POINT, "only_some_reasons": frozenset([x509.ReasonFlags.key_compromise])}
                ),
            ),
            "does not cover all reasons",
        ),
        (
            ISSUER.crl(
                5,
                number=5,
                extension=x509.IssuingDistributionPoint(**{**POINT, "only_contains_attribute_certs": True}),
            ),
            "no public-key certificates",
        ),
        (
            ISSUER.crl(5, number=5, extension=x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\5\0")),
            "critical extension",
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


def test_the_right_signer_must_be_one_of_crls(tmp_path: Path) -> None:
    store = CrlStore(tmp_path)
    for may, why in ((False, "key usage is without cRLSign"), (True, None), (None, None)):
        issuer = Issuer("usage", ISSUER.key, signs_crls=may)
        if why is None:
            install(store, issuer.crl(5), (issuer.certificate,))
        else:
            with pytest.raises(CrlRefusedError, match=why):
                install(store, issuer.crl(5), (issuer.certificate,))


def test_a_serial_number_that_is_listed_twice_is_revoked(tmp_path: Path) -> None:
    store = CrlStore(tmp_path)
    assert install(store, _signed(b"".join(map(_entry, (7, 9, 7, 8)))))
    assert [store.status(ISSUER.issue(number), NOW) for number in (7, 10)] == ["revoked", "good"]
    assert store.kept[0].record.entries == 4


def test_a_crl_that_does_not_say_when_another_follows_is_kept_with_a_notice(publisher: Publisher) -> None:
    whole = der.decode(ISSUER.crl(7)).children()
    version, algorithm, issuer, made, _, *others = (part.encoded for part in whole.next().children())
    signed = der.sequence(version, algorithm, issuer, made, *others)
    signature = der.encode(0x03, b"\x00", ISSUER.key.sign(signed, hashes.SHA256()))
    publisher.files["/a"] = der.sequence(signed, algorithm, signature)
    with gateway(publisher.url("/a")) as harness:
        trust(harness, ISSUER.certificate)
        revocation = service(harness, RevocationService)
        assert revocation.status(ISSUER.issue(7)) is RevocationStatus.REVOKED
        assert revocation.status(ISSUER.issue(8)) is RevocationStatus.GOOD
        (problem,) = revocation.problems()
        assert "does not say when another one follows" in problem


def test_two_keys_of_one_name_have_a_crl_each(tmp_path: Path) -> None:
    old, new = Issuer(), Issuer()
    trusted = (old.certificate, new.certificate)

    def crl(issuer: Issuer, number: int, revoked: int) -> bytes:
        builder = x509.CertificateRevocationListBuilder(issuer.name, NOW - DAY, NOW + DAY)
        builder = builder.add_revoked_certificate(x509.RevokedCertificateBuilder(revoked, NOW - DAY).build())
        builder = builder.add_extension(x509.CRLNumber(number), critical=False)
        key = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key)
        signer = as_signing_key(issuer.key)
        return builder.add_extension(key, critical=False).sign(signer, hashes.SHA256()).public_bytes(Encoding.DER)

    store = CrlStore(tmp_path)
    assert install(store, old.crl(1, number=8), trusted), "it says nothing of its key"
    assert install(store, crl(old, 9, 1), trusted)
    assert install(store, crl(new, 1, 2), trusted), "its numbers are its own"
    assert sorted(kept.record.number or 0 for kept in store.kept) == [1, 9]
    assert len(list(tmp_path.glob("*.crl"))) == 2
    assert store.verify_kept((new.certificate,)) != []
    assert [kept.record.number for kept in store.kept] == [1]


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
    ("path", "why"), [("/moved", "it redirects to /a"), ("/large", "larger than"), ("/none", "status 404")]
)
def test_what_a_server_must_not_do_is_said(publisher: Publisher, path: str, why: str) -> None:
    publisher.files |= {"/a": ISSUER.crl(77), "/large": bytes(1024 * 1024 + 1)}
    with gateway(publisher.url(path), crl__size__limit=1) as harness:
        (problem,) = service(harness, RevocationService).problems()
        assert why in problem
        assert "/a" not in publisher.asked


def test_a_crl_whose_issuer_is_no_longer_trusted_is_forgotten(publisher: Publisher) -> None:
    publisher.files["/a"] = ISSUER.crl(77)
    with gateway(publisher.url("/a")) as harness:
        told: list[Any] = []
        trust(harness, ISSUER.certificate)
        revocation = service(harness, RevocationService)
        subscription = harness.gateway.event_admin.subscribe(CRLS_CHANGED_TOPIC, told.append)
        service(harness, KeystoreService).set("again", TrustedCertificateEntry(ISSUER.issue(3)))
        service(harness, KeystoreService).delete("ca")
        harness.settle()
        assert len(revocation.records()) == 1, "another certificate of the same key is trusted"
        service(harness, KeystoreService).delete("again")
        harness.settle()
        assert revocation.records() == ()
        assert revocation.status(ISSUER.issue(77)) is RevocationStatus.UNKNOWN
        assert told, "who checks by CRLs hears of it"
        assert "no trusted certificate" in " ".join(revocation.problems())
        subscription.close()


class _Source(CrlSource):
    def __init__(self) -> None:
        self.answers: list[bytes | Exception] = []

    def fetch(self) -> bytes:
        answer = self.answers.pop()
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_a_source_that_is_a_service_is_asked_where_the_filter_selects_it() -> None:
    target = {"CrlSource.target": "(kura.service.pid=ca)"}
    with gateway(crl__size__limit=1, **target) as harness:
        harness.registry.register(CrlSource, _Source(), {"kura.service.pid": "another"})
        service(harness, KeystoreService).set("ca", TrustedCertificateEntry(ISSUER.certificate))
        harness.settle()
        revocation, source = service(harness, RevocationService), _Source()
        source.answers = [ISSUER.crl(7)]
        registration = harness.registry.register(CrlSource, source, {"kura.service.pid": "ca"})
        harness.settle()
        assert revocation.status(ISSUER.issue(7)) is RevocationStatus.REVOKED
        assert [one.source for one in revocation.records()] == ["ca"]
        for answer, why in ((bytes(2**20 + 1), "larger than"), (CrlFetchError("ca", "no CRL today"), "today")):
            source.answers = [answer]
            revocation.refresh()
            harness.settle()
            (problem,) = revocation.problems()
            assert why in problem
        registration.unregister()
        harness.advance(300)
        assert revocation.problems() == ()
        assert revocation.status(ISSUER.issue(7)) is RevocationStatus.REVOKED


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
store.install(received, "test", (ca,), now)
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
