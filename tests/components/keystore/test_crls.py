"""CRLs of a keystore in a gateway: fetched from a real server, told of, asked for by commands."""

from __future__ import annotations

import argparse
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from components.asn1 import der
from components.keystore import (
    KeystoreService,
    TrustedCertificateEntry,
    UnsupportedOperationError,
    plugin,
)
from components.keystore.crl import (
    CRLS_CHANGED_TOPIC,
    CrlFetchError,
    CrlSource,
    RevocationService,
    RevocationStatus,
)
from components.keystore.filesystem import FilesystemKeystore
from framework.admin import Answer, Invocation
from framework.testing import FakeClock, GatewayHarness
from tests.components.keystore.crl_publisher import DAY, NOW, Issuer, Publisher

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from framework.admin import ClientSide, GatewayView


PID = "gatewright.keystore.FilesystemKeystore~A"


ISSUER = Issuer()


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
    publisher.files["/a"] = ISSUER.crl(77, made=-6 * DAY)
    with gateway(publisher.url("/a")) as harness:
        trust(harness, ISSUER.certificate)
        revocation = service(harness, RevocationService)
        assert revocation.problems() == ()
        del publisher.files["/a"]
        harness.advance(26 * 3600)
        problems = " ".join(revocation.problems())
        assert "was to be followed by another one" in problems
        assert "status 404" in problems
        assert revocation.status(ISSUER.issue(77)) is RevocationStatus.REVOKED
        publisher.files["/a"] = ISSUER.crl(number=2, made=DAY)
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
