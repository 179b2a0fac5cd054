"""The filesystem keystore inside a gateway: configuration, passwords, events, restarts."""

from __future__ import annotations

import contextlib
import errno
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509

import metatype
from components.keystore import (
    CHANGED_TOPIC,
    HealthState,
    KeyAlgorithm,
    KeystoreService,
    KeystoreUnavailableError,
    SoftwarePrivateKey,
    TrustedCertificateEntry,
    WrongPasswordError,
    plugin,
    self_signed_certificate,
)
from components.keystore.filesystem import FilesystemKeystore, Pkcs12Keystore
from components.keystore.filesystem import file as keystore_file
from framework import ConfigurationError, EventAdmin, Secret, storage
from framework.declarative_services import description_of
from framework.testing import GatewayHarness

if TYPE_CHECKING:
    from pathlib import Path

    from framework import Event

FACTORY = "gatewright.keystore.FilesystemKeystore"
PID = f"{FACTORY}~EnrollmentKeystore"
NOW = datetime(2026, 5, 1, tzinfo=UTC)
CANARY = "canary-3f9a-password"


def trusted() -> TrustedCertificateEntry:
    key = SoftwarePrivateKey.generate(KeyAlgorithm.EC, 256)
    return TrustedCertificateEntry(self_signed_certificate(key, x509.Name.from_rfc4514_string("CN=root"), NOW))


def harness(state: Path, **properties: object) -> GatewayHarness:
    conf: dict[str, dict[str, Any]] = {PID: {"keystore.path": "keys/gateway.p12", **properties}}
    return GatewayHarness(plugins=[plugin], conf=conf, state_directory=state)


def service(gateway: GatewayHarness, name: str = "EnrollmentKeystore") -> KeystoreService:
    reference = gateway.registry.find(KeystoreService, f"(kura.service.pid={name})")
    assert reference is not None
    found = gateway.registry.get(reference)
    assert isinstance(found, KeystoreService)
    return found


def opens(path: Path, password: str) -> bool:
    try:
        return not Pkcs12Keystore(path).open(Secret(password))
    except WrongPasswordError:
        return False


def test_the_descriptor_says_what_the_component_reads() -> None:
    descriptor = description_of(FilesystemKeystore).descriptor
    assert descriptor is not None
    metadata = metatype.load(descriptor)
    assert not metadata.warnings
    object_class = metadata.object_class_for(FACTORY)
    assert object_class is not None
    ours = [name for name in object_class.attributes if "crl" not in name.lower() and "export" not in name]
    assert ours == [
        "keystore.path",
        "keystore.path.change",
        "keystore.password",
        "randomize.password",
    ]


def test_a_configuration_makes_a_keystore_with_a_password_of_its_own(tmp_path: Path) -> None:
    entry = trusted()
    with harness(tmp_path) as gateway:
        service(gateway).set("ca", entry)
    assert (tmp_path / "keys" / "gateway.p12").is_file()
    with harness(tmp_path) as gateway:
        assert service(gateway).get("ca") == entry


def test_a_configured_password_protects_the_file_and_is_told_nowhere(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with harness(tmp_path, **{"keystore.password": CANARY}) as gateway:
        service(gateway).set("ca", trusted())
        shown = repr(gateway.components()) + repr(service(gateway)) + repr(gateway.explain(PID))
    path = tmp_path / "keys" / "gateway.p12"
    assert opens(path, CANARY)
    assert CANARY not in shown + caplog.text
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or CANARY.encode() not in file.read_bytes()


def test_a_new_password_encrypts_the_file_anew_without_a_restart(tmp_path: Path) -> None:
    entry = trusted()
    with harness(tmp_path, **{"keystore.password": "one"}) as gateway:
        before = service(gateway)
        before.set("ca", entry)
        result = gateway.configuration_admin.update(PID, {"keystore.password": Secret("two")})
        assert result.outcome == "modified"
        assert service(gateway) is before
        assert before.get("ca") == entry
    path = tmp_path / "keys" / "gateway.p12"
    assert not opens(path, "one")
    assert opens(path, "two")


def test_a_password_that_changed_while_the_gateway_was_off_is_taken_up(tmp_path: Path) -> None:
    entry = trusted()
    path = tmp_path / "keys" / "gateway.p12"
    with harness(tmp_path) as gateway:
        service(gateway).set("ca", entry)
    with harness(tmp_path, **{"keystore.password": "configured"}) as gateway:
        assert service(gateway).get("ca") == entry
    assert opens(path, "configured")
    with harness(tmp_path) as gateway:  # a secret that stood in a file is sealed in the store since
        assert service(gateway).get("ca") == entry
        assert opens(path, "configured")
        gateway.configuration_admin.update(PID, {"keystore.password": None})
        assert service(gateway).get("ca") == entry
    assert not opens(path, "configured")


def test_a_password_that_does_not_fit_is_explained(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir(mode=0o700)
    Pkcs12Keystore(tmp_path / "keys" / "gateway.p12").open(Secret("unknown to the gateway"))
    with harness(tmp_path, **{"keystore.password": CANARY}) as gateway:
        explanation = gateway.explain(PID)
        assert explanation.state == "failed"
        assert "password is wrong" in " ".join(explanation.sentences)
        assert CANARY not in repr(explanation)
        assert gateway.registry.find(KeystoreService) is None


def test_a_new_path_is_another_keystore(tmp_path: Path) -> None:
    with harness(tmp_path) as gateway:
        before = service(gateway)
        before.set("ca", trusted())
        gateway.configuration_admin.update(PID, {"keystore.path": str(tmp_path / "other.p12")})
        assert service(gateway).aliases() == ()
        with pytest.raises(KeystoreUnavailableError, match="not active"):
            before.aliases()
        gateway.configuration_admin.update(PID, {"keystore.path": "keys/gateway.p12"})
        assert service(gateway).aliases() == ("ca",)


def test_entries_that_stay_at_a_change_of_path_are_told_of(tmp_path: Path) -> None:
    with harness(tmp_path) as gateway:
        service(gateway).set("ca", trusted())
    with harness(tmp_path, **{"keystore.path": "other.p12"}) as gateway:  # changed while the gateway was off
        health = service(gateway).health()
        assert health.state is HealthState.DEGRADED
        assert str(tmp_path / "keys" / "gateway.p12") in health.problems[0]


def test_entries_move_with_the_path_where_the_configuration_says_so(tmp_path: Path) -> None:
    entry, other = trusted(), trusted()
    old, new = tmp_path / "keys" / "gateway.p12", tmp_path / "other.p12"
    with harness(tmp_path, **{"keystore.path.change": "MOVE", "keystore.password": CANARY}) as gateway:
        service(gateway).set("ca", entry)
        gateway.configuration_admin.update(PID, {"keystore.path": str(new)})
        assert service(gateway).get("ca") == entry
        assert service(gateway).health().state is HealthState.OK
        assert not old.exists()
        assert not old.with_name("gateway.p12.previous").exists()
        before = Pkcs12Keystore(old)
        before.open(Secret(CANARY))
        before.set("ca", other)
        before.set("more", other)
        gateway.configuration_admin.update(PID, {"keystore.path": "keys/gateway.p12"})
        assert dict(service(gateway).entries()) == {"ca": other, "more": other}
        assert new.exists(), "what is under the same alias is lost on neither side"
        assert "ca" in service(gateway).health().problems[0]


def test_a_former_file_that_is_not_there_yet_is_told_of_and_moved_when_it_is(tmp_path: Path) -> None:
    entry = trusted()
    old, away = tmp_path / "keys" / "gateway.p12", tmp_path / "unmounted"
    properties = {"keystore.path.change": "MOVE", "keystore.password": CANARY}
    with harness(tmp_path, **properties) as gateway:
        service(gateway).set("ca", entry)
    old.parent.rename(away)
    for _ in range(2):
        with harness(tmp_path, **properties, **{"keystore.path": "other.p12"}) as gateway:
            health = service(gateway).health()
            assert health.state is HealthState.DEGRADED
            assert str(old) in health.problems[0]
    away.rename(old.parent)
    with harness(tmp_path, **properties, **{"keystore.path": "other.p12"}) as gateway:
        assert service(gateway).get("ca") == entry
        assert service(gateway).health().state is HealthState.OK


def test_a_randomized_password_takes_the_place_of_the_configured_one_and_gives_it_back(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "gateway.p12"
    entry = trusted()
    with harness(tmp_path, **{"keystore.password": CANARY}) as gateway:
        service(gateway).set("ca", entry)
        gateway.configuration_admin.update(PID, {"randomize.password": True})
        assert service(gateway).get("ca") == entry
        assert not opens(path, CANARY)
    with harness(tmp_path, **{"keystore.password": CANARY}) as gateway:
        assert service(gateway).get("ca") == entry
        gateway.configuration_admin.update(PID, {"randomize.password": False})
        assert service(gateway).get("ca") == entry
    assert opens(path, CANARY)


@pytest.mark.parametrize("step", range(2))
def test_a_password_change_that_is_cut_at_any_step_leaves_a_file_that_opens(
    tmp_path: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is written under the next password twice; afterwards the configuration is the old one."""
    entry = trusted()
    path = tmp_path / "keys" / "gateway.p12"
    with harness(tmp_path, **{"keystore.password": "one"}) as gateway:
        service(gateway).set("ca", entry)
        written: list[Path] = []
        real = storage.replace_file

        def replace(target: Path, data: bytes, **named: Any) -> None:
            if len(written) == step:
                raise OSError(errno.EIO, "cut")
            written.append(target)
            real(target, data, **named)

        monkeypatch.setattr(keystore_file, "replace_file", replace)
        with contextlib.suppress(ConfigurationError):
            gateway.configuration_admin.update(PID, {"keystore.password": Secret("two")})
        monkeypatch.undo()
    assert opens(path, "two" if step else "one")
    with harness(tmp_path) as gateway:
        assert service(gateway).get("ca") == entry


def test_a_file_that_was_open_to_others_is_closed_to_them(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "keys" / "gateway.p12"
    with harness(tmp_path):
        path.chmod(0o644)
    with harness(tmp_path):
        assert path.stat().st_mode & 0o777 == 0o600
    assert "open to other users" in caplog.text


def test_each_commit_is_followed_by_an_event_in_order(tmp_path: Path) -> None:
    events: list[Event] = []
    with harness(tmp_path) as gateway:
        reference = gateway.registry.find(EventAdmin)
        assert reference is not None
        event_admin = gateway.registry.get(reference)
        assert isinstance(event_admin, EventAdmin)
        with event_admin.subscribe(CHANGED_TOPIC, events.append):
            keystore = service(gateway)
            with keystore.edit() as edit:
                edit.set("b", trusted())
                edit.set("a", trusted())
            keystore.delete("a")
            keystore.delete("a")
            gateway.settle()
    told = [(event.properties["aliases"], event.properties["kinds"]) for event in events]
    assert told == [(("a", "b"), ("trusted-certificate",) * 2), (("a",), ("deleted",))]
    assert {event.properties["keystore"] for event in events} == {"EnrollmentKeystore"}


def test_two_configurations_are_two_keystores(tmp_path: Path) -> None:
    with harness(tmp_path) as gateway:
        gateway.configuration_admin.update(f"{FACTORY}~Second", {"keystore.path": "second.p12"})
        service(gateway, "Second").set("ca", trusted())
        assert service(gateway).aliases() == ()
        gateway.configuration_admin.delete(f"{FACTORY}~Second")
        assert gateway.registry.find(KeystoreService, "(kura.service.pid=Second)") is None
        assert (tmp_path / "second.p12").is_file()
