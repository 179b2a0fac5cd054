"""What a keystore exports as PEM files, and when; inside a gateway."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509

import metatype
from components.keystore import HealthState, KeyAlgorithm, PrivateKeyEntry, SecretKeyEntry, SoftwarePrivateKey
from components.keystore.export.files import file_stem, pem_files
from components.keystore.export.settings import ExportSettings
from components.keystore.export.upkeep import GRACE_S, RETRY_S
from components.keystore.filesystem import FilesystemKeystore
from components.keystore.pkcs11 import PKCS11Keystore
from framework.declarative_services import description_of
from tests.components.keystore.exporting import (
    CA,
    FACTORY,
    ISSUER,
    configure,
    fits,
    harness,
    names,
    private_keys_below,
    problems,
    service,
    store,
)
from tests.components.keystore.test_keys import TokenKey

if TYPE_CHECKING:
    from framework.testing import GatewayHarness


def version(path: Path) -> tuple[int, int]:
    """What changes when a file is written; its time of access changes when it is read, too."""
    status = path.stat()
    return status.st_ino, status.st_mtime_ns


def test_keys_chains_and_trusted_certificates_are_files_that_fit(gateway: GatewayHarness, target: Path) -> None:
    store(gateway, own=ISSUER.issue(), ca=CA, session=SecretKeyEntry("AES", b"k" * 16))
    assert names(target) == {"own.crt", "own.key", "own.pem", "ca.crt", "trusted.bundle"}
    current = target / "current"
    assert fits(current / "own.crt", current / "own.key")
    assert (current / "own.pem").read_bytes() == (current / "own.key").read_bytes() + (current / "own.crt").read_bytes()
    assert len(x509.load_pem_x509_certificates((current / "own.crt").read_bytes())) == 2
    modes = {one.name: one.stat().st_mode & 0o777 for one in current.iterdir()}
    assert modes == {"own.crt": 0o644, "own.key": 0o600, "own.pem": 0o600, "ca.crt": 0o644, "trusted.bundle": 0o644}
    assert service(gateway).health().state is HealthState.OK
    told = json.loads((target / "gatewright-export.json").read_text())
    assert told["entries"]["own"] == {
        "kind": "private-key",
        "key": "exported",
        "files": ["own.crt", "own.key", "own.pem"],
    }


def test_a_renewal_replaces_all_files_and_the_generation_before_goes_a_minute_later(
    gateway: GatewayHarness, target: Path
) -> None:
    store(gateway, own=ISSUER.issue())
    before = (target / "current").resolve()
    old_key = (before / "own.key").read_bytes()
    store(gateway, own=ISSUER.issue())
    current = target / "current"
    assert (current / "own.key").read_bytes() != old_key
    assert fits(current / "own.crt", current / "own.key")
    assert fits(before / "own.crt", before / "own.key"), "who has just opened it goes on"
    gateway.advance(seconds=GRACE_S)
    gateway.settle()
    assert not before.exists()
    assert len(private_keys_below(target)) == 2


def test_a_keystore_whose_name_is_no_plain_text_for_a_filter_is_followed(state: Path, target: Path) -> None:
    with harness(state, **{"keystore.export.path": str(target), "kura.service.pid": "A (old)*"}) as gateway:
        gateway.settle()
        store_in = service(gateway, "A \\(old\\)\\*")
        with store_in.edit() as edit:
            edit.set("ca", CA)
        gateway.settle()
        assert names(target) == {"ca.crt", "trusted.bundle"}


def test_a_removed_entry_leaves_at_once_and_takes_its_old_generations_with_it(
    gateway: GatewayHarness, target: Path
) -> None:
    store(gateway, own=ISSUER.issue(), ca=CA)
    store(gateway, own=ISSUER.issue())
    service(gateway).delete("own")
    gateway.settle()
    assert names(target) == {"ca.crt", "trusted.bundle"}
    assert private_keys_below(target) == []


def test_only_chosen_entries_are_exported_and_a_missing_one_is_told(gateway: GatewayHarness, target: Path) -> None:
    store(gateway, own=ISSUER.issue(), spare=ISSUER.issue(), **{"scep-cacerts_0": CA, "other": CA})
    configure(gateway, aliases=["own", "scep-cacerts_*", "later"])
    assert names(target) == {"own.crt", "own.key", "own.pem", "scep-cacerts_0.crt", "trusted.bundle"}
    assert "there is no entry later" in problems(gateway)
    assert service(gateway).health().state is HealthState.DEGRADED
    (finding,) = (one.finding for one in gateway.gateway.plugins.check_health() if one.check == "keystores")
    assert "there is no entry later" in repr(finding)


def test_a_restart_writes_nothing_that_is_right_and_repairs_what_is_not(state: Path, target: Path) -> None:
    own = ISSUER.issue()
    with harness(state, **{"keystore.export.path": str(target)}) as gateway:
        store(gateway, own=own)
    generation = (target / "current").resolve()
    manifest = version(target / "gatewright-export.json")
    with harness(state, **{"keystore.export.path": str(target)}) as gateway:
        gateway.settle()
        assert (target / "current").resolve() == generation
        assert version(target / "gatewright-export.json") == manifest
    (generation / "own.key").write_bytes(b"")
    (target / ".gatewright-left.new").write_text("what a crash left")
    with harness(state, **{"keystore.export.path": str(target)}) as gateway:
        gateway.settle()
        gateway.advance(seconds=GRACE_S)
        gateway.settle()
    current = target / "current"
    assert fits(current / "own.crt", current / "own.key")
    assert sorted(one.name for one in target.iterdir() if one.name.startswith(".")) == [current.resolve().name]


def test_a_stop_leaves_the_files_for_other_programs(state: Path, target: Path) -> None:
    with harness(state, **{"keystore.export.path": str(target)}) as gateway:
        store(gateway, own=ISSUER.issue())
    assert fits(target / "current" / "own.crt", target / "current" / "own.key")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (errno.ENOSPC, "make room on its file system"),
        (errno.EACCES, "let the gateway's user"),
        (errno.EROFS, "mounted read-only"),
        (errno.EIO, "the disk fails"),
    ],
)
def test_a_failure_is_in_health_the_keystore_goes_on_and_a_minute_later_it_is_tried_again(
    gateway: GatewayHarness, target: Path, monkeypatch: pytest.MonkeyPatch, error: int, told: str
) -> None:
    store(gateway, own=ISSUER.issue())
    before = (target / "current" / "own.crt").read_bytes()

    def fail(*_: Any, **__: Any) -> None:
        raise OSError(error, os.strerror(error))

    with monkeypatch.context() as patch:
        patch.setattr(os, "symlink", fail)
        store(gateway, own=ISSUER.issue())
        assert told in problems(gateway)
        assert str(target) in problems(gateway)
        store(gateway, ca=CA)
        assert service(gateway).aliases() == ("ca", "own")
        assert (target / "current" / "own.crt").read_bytes() == before
    gateway.advance(seconds=RETRY_S)
    gateway.settle()
    assert problems(gateway) == ""
    assert names(target) == {"own.crt", "own.key", "own.pem", "ca.crt", "trusted.bundle"}


@pytest.mark.parametrize(
    ("alias", "stem"),
    [("a/b", "a%2Fb"), ("..", "%2E."), ("ä x", "%C3%A4 x"), ("100%", "100%25"), ("x" * 255, None)],
)
def test_an_alias_of_any_characters_names_a_file_in_the_directory(alias: str, stem: str | None) -> None:
    made = file_stem(alias)
    assert len(made) <= 200
    assert "/" not in made
    if stem is not None:
        assert made == stem


def test_nothing_secret_is_in_a_repr() -> None:
    entry = ISSUER.issue()
    made = pem_files({"own": entry}, ExportSettings(Path("/nowhere")))
    assert "PRIVATE KEY" not in repr(made)


def test_both_keystores_describe_the_export_alike() -> None:
    found = []
    for cls, pid in ((FilesystemKeystore, FACTORY), (PKCS11Keystore, "gatewright.keystore.PKCS11Keystore")):
        descriptor = description_of(cls).descriptor
        assert descriptor is not None
        object_class = metatype.load(descriptor).object_class_for(pid)
        assert object_class is not None
        found.append(
            {
                one.id: (one.type, one.default, one.options)
                for one in object_class.attributes.values()
                if one.id.startswith("keystore.export.") and "key.mode" not in one.id
            }
        )
    assert found[0] == found[1]
    assert len(found[0]) == 5


def test_a_key_that_cannot_leave_exports_its_chain_and_says_so() -> None:
    key = SoftwarePrivateKey.generate(KeyAlgorithm.EC, 256)
    kept = PrivateKeyEntry(TokenKey(key), ISSUER.issue(key).chain)
    made = pem_files({"own": kept}, ExportSettings(Path("/nowhere")))
    assert set(made.files) == {"own.crt", "trusted.bundle"}
    assert made.contents["own"]["key"] == "stays in the keystore"
