"""The PKCS #11 keystore inside a gateway: configuration, a refused PIN over restarts, events, a missing package."""

from __future__ import annotations

import importlib.util
import json
from typing import TYPE_CHECKING, Any

import pytest
from pkcs11.constants import TokenFlag

import metatype
from components.keystore import (
    CHANGED_TOPIC,
    HealthState,
    KeyAlgorithm,
    KeystoreService,
    PrivateKeyEntry,
    TrustedCertificateEntry,
    plugin,
)
from components.keystore.conformance import NOW, SUBJECT
from components.keystore.crl import RevocationService, RevocationStatus
from components.keystore.pkcs11 import PKCS11Keystore
from components.keystore.pkcs11.errors import PinRefusedError
from components.keystore.pkcs11.module import Module, TokenChoice
from framework import EventAdmin
from framework.declarative_services import description_of
from framework.testing import FakeClock, GatewayHarness
from tests.components.keystore import crl_publisher
from tests.components.keystore.crl_publisher import Issuer, Publisher
from tests.components.keystore.soft_hsm import MODULE, PIN, SoftHsm

if TYPE_CHECKING:
    from pathlib import Path

    from framework import Event

FACTORY = "gatewright.keystore.PKCS11Keystore"
PID = f"{FACTORY}~EnrollmentKeystore"

needs_token = pytest.mark.peer("softhsm2-util")


@pytest.fixture
def hsm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SoftHsm:
    hsm = SoftHsm(tmp_path / "hsm")
    hsm.make_token()
    monkeypatch.setenv("SOFTHSM2_CONF", str(hsm.configuration))
    with Module.of(MODULE).using() as module:
        module.initialise_anew()
    return hsm


def harness(state: Path, *, clock: FakeClock | None = None, **properties: Any) -> GatewayHarness:
    conf: dict[str, dict[str, Any]] = {
        PID: {"library.path": MODULE, "token.label": "gateway", "pin": PIN.reveal(), **properties}
    }
    return GatewayHarness(plugins=[plugin], conf=conf, state_directory=state, clock=clock)


def service(gateway: GatewayHarness) -> KeystoreService:
    reference = gateway.registry.find(KeystoreService, "(kura.service.pid=EnrollmentKeystore)")
    assert reference is not None
    found = gateway.registry.get(reference)
    assert isinstance(found, KeystoreService)
    return found


def few_tries_left() -> bool:
    """Whether the token has counted a wrong PIN since the last right one."""
    with Module.of(MODULE).using() as module:
        module.initialise_anew()
        return bool(module.find(TokenChoice("gateway")).flags & TokenFlag.USER_PIN_COUNT_LOW)


def test_the_descriptor_says_what_the_component_reads() -> None:
    descriptor = description_of(PKCS11Keystore).descriptor
    assert descriptor is not None
    metadata = metatype.load(descriptor)
    assert not metadata.warnings
    object_class = metadata.object_class_for(FACTORY)
    assert object_class is not None
    assert {"library.path", "pin", "token.label", "slot", "slot.list.index"} <= set(object_class.attributes)


@needs_token
def test_a_key_outlives_the_gateway_and_changes_are_told(hsm: SoftHsm, tmp_path: Path) -> None:
    events: list[Event] = []
    with harness(tmp_path / "state") as gateway:
        event_admin = gateway.registry.get(gateway.registry.find(EventAdmin))  # type: ignore[arg-type]  # always there
        assert isinstance(event_admin, EventAdmin)
        event_admin.subscribe(CHANGED_TOPIC, events.append)
        made = service(gateway).generate_key_pair("pair", KeyAlgorithm.EC, 256, subject=SUBJECT, now=NOW)
        gateway.settle()
    assert [(event.properties["keystore"], event.properties["aliases"]) for event in events] == [
        ("EnrollmentKeystore", ("pair",))
    ]
    with harness(tmp_path / "state") as gateway:
        found = service(gateway).get("pair")
        assert isinstance(found, PrivateKeyEntry)
        assert found == made


@needs_token
def test_a_refused_pin_is_not_tried_again_by_a_restart(
    hsm: SoftHsm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[object] = []
    whole = Module._session

    def counted(self: Module, token: Any, pin: str | None, writes: bool) -> Any:
        tries.append(pin)
        return whole(self, token, pin, writes)

    monkeypatch.setattr(Module, "_session", counted)
    for _ in range(3):
        with harness(tmp_path / "state", pin="wrong-canary") as gateway:
            with pytest.raises(PinRefusedError):
                service(gateway).aliases()
            assert service(gateway).health().state is HealthState.UNAVAILABLE
    assert tries == ["wrong-canary"]
    assert few_tries_left()
    with harness(tmp_path / "state", pin="wrong-canary") as gateway:
        keystore = service(gateway)
        gateway.configuration_admin.update(PID, {"pin": PIN.reveal()})
        gateway.settle()
        assert service(gateway) is keystore
        assert keystore.aliases() == ()
    assert not few_tries_left()
    assert not any("canary" in path.read_text(errors="ignore") for path in tmp_path.rglob("*") if path.is_file())


@needs_token
def test_crls_of_certificates_in_the_token_are_looked_after_while_it_goes_and_comes(
    hsm: SoftHsm, tmp_path: Path
) -> None:
    publisher, issuer = Publisher(), Issuer()
    publisher.files["/a"] = issuer.crl(77)
    crls: dict[str, Any] = {"crl.management.enabled": True, "crl.urls": [publisher.url("/a")]}
    try:
        with harness(tmp_path / "state", clock=FakeClock(crl_publisher.NOW), **crls) as gateway:
            keystore = service(gateway)
            keystore.set("ca", TrustedCertificateEntry(issuer.certificate))
            gateway.settle()
            found = gateway.registry.find(RevocationService, "(kura.service.pid=EnrollmentKeystore)")
            assert found is not None
            revocation = gateway.registry.get(found)
            assert isinstance(revocation, RevocationService)
            assert revocation.status(issuer.issue(77)) is RevocationStatus.REVOKED
            assert keystore.capabilities.keeps_crls
            assert [crl.issuer for crl in keystore.crls()] == [issuer.name]
            hsm.remove()
            with Module.of(MODULE).using() as module:
                module.initialise_anew()
            revocation.refresh()
            gateway.settle()
            assert "CRLs are not looked after" in " ".join(revocation.problems())
            assert revocation.status(issuer.issue(77)) is RevocationStatus.REVOKED
            hsm.put_back()
            revocation.refresh()
            gateway.settle()
            assert revocation.problems() == ()
        assert list((tmp_path / "state").rglob("*.crl")), "they are beside the gateway's state"
    finally:
        publisher.close()


def test_without_the_package_the_configuration_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "pkcs11" else find(name, *rest)
    )
    with harness(tmp_path / "state") as gateway:
        assert gateway.registry.find(KeystoreService) is None
        assert "pip install gatewright[pkcs11]" in str(gateway.explain(PID).sentences)


@needs_token
def test_only_certificates_are_exported_and_it_is_said_that_the_key_stays(hsm: SoftHsm, tmp_path: Path) -> None:
    del hsm
    target = tmp_path / "export"
    configured: dict[str, Any] = {"keystore.export.path": str(target)}
    with harness(tmp_path / "state", **configured) as gateway:
        service(gateway).generate_key_pair("own", KeyAlgorithm.RSA, 2048, subject=SUBJECT, now=NOW)
        gateway.settle()
        assert {one.name for one in (target / "current").iterdir()} == {"own.crt", "trusted.bundle"}
        told = json.loads((target / "gatewright-export.json").read_text())["entries"]["own"]
        assert told == {"kind": "private-key", "key": "stays in the keystore", "files": ["own.crt"]}
        assert service(gateway).health().state is HealthState.OK
