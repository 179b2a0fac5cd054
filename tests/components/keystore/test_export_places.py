"""Where a keystore exports to: former and unsafe directories, owners and modes, and what others keep there."""

from __future__ import annotations

import errno
import grp
import os
from pathlib import Path
from typing import Any

import pytest

from components.keystore import plugin
from components.keystore.export.settings import ExportSettings
from components.keystore.export.upkeep import GRACE_S, RETRY_S
from framework import ConfigurationError
from framework.testing import GatewayHarness
from tests.components.keystore.exporting import (
    FACTORY,
    ISSUER,
    PID,
    configure,
    fits,
    harness,
    private_keys_below,
    problems,
    service,
    store,
)


def test_what_is_of_others_is_never_touched(state: Path, target: Path) -> None:
    target.mkdir()
    (target / "dhparam.pem").write_text("theirs")
    (target / "own.key").write_text("theirs")
    with harness(state, **{"keystore.export.path": str(target)}) as gateway:
        store(gateway, own=ISSUER.issue())
        configure(gateway, path="")
    assert {one.name: one.read_text() for one in target.iterdir()} == {"dhparam.pem": "theirs", "own.key": "theirs"}


def test_a_directory_serves_one_keystore(gateway: GatewayHarness, target: Path) -> None:
    store(gateway, own=ISSUER.issue())
    gateway.configuration_admin.update(
        f"{FACTORY}~Second", {"keystore.path": "second.p12", "keystore.export.path": str(target)}
    )
    gateway.settle()
    assert "keystore Identity is exported to it" in " ".join(service(gateway, "Second").health().problems)
    gateway.configuration_admin.delete(f"{FACTORY}~Second")
    gateway.settle()
    assert fits(target / "current" / "own.crt", target / "current" / "own.key")


@pytest.mark.parametrize("how", ["removed", "deleted", "moved", "while it was off"])
def test_no_private_key_stays_where_nothing_is_exported_any_more(state: Path, target: Path, how: str) -> None:
    other = target.with_name("other")
    with harness(state, **{"keystore.export.path": str(target)}) as gateway:
        store(gateway, own=ISSUER.issue())
        assert private_keys_below(target)
        if how == "removed":
            configure(gateway, path="")
        elif how == "moved":
            configure(gateway, path=str(other))
            assert fits(other / "current" / "own.crt", other / "current" / "own.key")
    if how == "deleted":
        with GatewayHarness(plugins=[plugin], conf={}, state_directory=state) as gateway:
            gateway.configuration_admin.update(
                PID, {"keystore.path": "gateway.p12", "keystore.export.path": str(target)}
            )
            gateway.settle()
            assert private_keys_below(target)
            gateway.configuration_admin.delete(PID)
            gateway.settle()
    if how == "while it was off":
        with GatewayHarness(
            plugins=[plugin], conf={PID: {"keystore.path": "gateway.p12"}}, state_directory=state
        ) as gateway:
            gateway.settle()
    assert not target.exists(), "the directory was made for this, and nobody else keeps anything there"


def test_a_former_directory_that_cannot_be_cleared_is_told_until_it_is(
    gateway: GatewayHarness, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(gateway, own=ISSUER.issue())

    def fail(*_: Any, **__: Any) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with monkeypatch.context() as patch:
        patch.setattr(os, "rmdir", fail)
        configure(gateway, path="")
        assert "private keys that were exported cannot be removed" in problems(gateway)
    gateway.advance(seconds=RETRY_S)
    gateway.settle()
    assert problems(gateway) == ""
    assert not target.exists()


def test_a_former_directory_that_is_not_there_is_told(gateway: GatewayHarness, target: Path) -> None:
    store(gateway, own=ISSUER.issue())
    target.rename(target.with_name("unmounted"))
    configure(gateway, path="")
    assert "if its disk is only not mounted, remove that directory" in problems(gateway)


def test_a_key_is_never_for_everybody(gateway: GatewayHarness) -> None:
    with pytest.raises(ConfigurationError, match=r"keystore\.export\.key\.mode"):
        gateway.configuration_admin.update(PID, {"keystore.export.key.mode": "0644"})
    with pytest.raises(Exception, match="would be open to others"):
        ExportSettings(Path("/nowhere"), key_mode="0644").rights()


def test_modes_and_group_are_as_configured(gateway: GatewayHarness, target: Path) -> None:
    store(gateway, own=ISSUER.issue())
    group = grp.getgrgid(os.getegid()).gr_name
    configure(gateway, key_mode="0640", certificate_mode="0640", group=group, owner=str(os.geteuid()))
    for one in (target / "current").iterdir():
        status = one.stat()
        assert (status.st_mode & 0o777, status.st_gid, status.st_uid) == (0o640, os.getegid(), os.geteuid())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a directory to any group")
def test_a_directory_with_the_set_group_id_bit_gives_its_group(gateway: GatewayHarness, tmp_path: Path) -> None:
    target = tmp_path / "for-group"
    target.mkdir()
    os.chown(target, -1, 12345)
    target.chmod(0o2750)
    store(gateway, own=ISSUER.issue())
    configure(gateway, path=str(target), key_mode="0640")
    assert {one.stat().st_gid for one in (target / "current").iterdir()} == {12345}


@pytest.mark.parametrize(
    ("prop", "told"),
    [({"owner": "no-such-user"}, "there is no user no-such-user"), ({"group": "no-such"}, "there is no group no-such")],
)
def test_who_does_not_exist_is_told_and_the_keystore_goes_on(
    gateway: GatewayHarness, target: Path, prop: dict[str, str], told: str
) -> None:
    configure(gateway, **prop)
    store(gateway, own=ISSUER.issue())
    assert told in problems(gateway)
    assert service(gateway).aliases() == ("own",)
    configure(gateway, **dict.fromkeys(prop, ""))
    assert fits(target / "current" / "own.crt", target / "current" / "own.key")
    assert problems(gateway) == ""


def theirs(target: Path) -> None:
    target.mkdir()
    (target / "current").mkdir()


def linked_away(target: Path) -> None:
    target.mkdir()
    (target / "current").symlink_to("/etc")


def below_a_file(target: Path) -> None:
    target.parent.joinpath("file").write_text("")


def link(target: Path) -> None:
    target.with_name("elsewhere").mkdir()
    target.symlink_to("elsewhere")


def open_to_all(target: Path) -> None:
    target.mkdir()
    target.chmod(0o777)


def under_what_is_open_to_all(target: Path) -> None:
    target.mkdir()
    target.parent.chmod(0o777)


@pytest.mark.parametrize(
    ("prepare", "below", "told"),
    [
        (theirs, "", "current is not of this export"),
        (linked_away, "", "current is not of this export"),
        (below_a_file, "../file/export", "below something that is none"),
        (link, "", "is a symbolic link; name what it leads to"),
        (open_to_all, "", "others can write to it"),
        (under_what_is_open_to_all, "", "everybody can write to"),
        (lambda _: None, "a/b", "is not there; make it"),
    ],
)
def test_an_unsafe_place_is_refused_and_said(state: Path, tmp_path: Path, prepare: Any, below: str, told: str) -> None:
    target = tmp_path / "place" / "export"
    target.parent.mkdir()
    prepare(target)
    before = sorted(target.parent.rglob("*"))
    with harness(state, **{"keystore.export.path": os.path.normpath(target / below)}) as gateway:
        store(gateway, own=ISSUER.issue())
        assert told in problems(gateway)
        assert service(gateway).aliases() == ("own",)
        configure(gateway, path="")
        assert problems(gateway) == ""
    assert sorted(target.parent.rglob("*")) == before


def test_a_symbolic_link_in_place_of_a_file_is_not_followed(gateway: GatewayHarness, target: Path) -> None:
    store(gateway, own=ISSUER.issue())
    victim = target.with_name("victim")
    victim.write_text("precious")
    for planted in ((target / "current").resolve() / "own.key", target / "gatewright-export.json"):
        planted.unlink()
        planted.symlink_to(victim)
    gateway.advance(seconds=GRACE_S)
    store(gateway, own=ISSUER.issue())
    assert victim.read_text() == "precious"


def test_a_directory_that_was_exchanged_gets_no_key(gateway: GatewayHarness, target: Path) -> None:
    store(gateway, own=ISSUER.issue())
    elsewhere = target.with_name("elsewhere")
    elsewhere.mkdir()
    target.rename(target.with_name("moved"))
    target.symlink_to(elsewhere)
    store(gateway, own=ISSUER.issue())
    assert "symbolic link" in problems(gateway)
    assert list(elsewhere.iterdir()) == []
