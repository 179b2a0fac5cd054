"""Checks of the machine: what each finds, and that it says what to do about it."""

from __future__ import annotations

import dataclasses
import errno
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from framework.diagnosis import MachineView, machine
from framework.plugins import Finding, Severity
from framework.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def view(tmp_path: Path) -> MachineView:
    state, conf = tmp_path / "state", tmp_path / "conf.d"
    state.mkdir(mode=0o700)
    conf.mkdir()
    return MachineView(state, conf, {}, FakeClock(datetime.now(UTC)))


def worst(findings: Iterator[Finding]) -> Finding:
    return max(findings, key=lambda one: [*Severity].index(one.severity))


def with_environ(view: MachineView, **environ: str) -> MachineView:
    return MachineView(view.state_directory, view.conf_directory, environ, view.clock)


CHECKS = [
    machine.check_clock,
    machine.check_disk,
    machine.check_privacy,
    machine.check_credentials,
    machine.check_files,
]


@pytest.mark.parametrize("check", CHECKS)
def test_a_machine_that_is_well_is_told_so(
    check: Callable[[MachineView], Iterator[Finding]], view: MachineView
) -> None:
    (finding,) = check(view)
    assert finding.severity is Severity.OK
    assert finding.text


def test_a_clock_that_was_never_set_is_an_error(view: MachineView) -> None:
    unset = MachineView(view.state_directory, None, {}, FakeClock(datetime(1970, 1, 1, tzinfo=UTC)))
    finding = worst(machine.check_clock(unset))
    assert finding.severity is Severity.ERROR
    assert "never set" in finding.text
    assert finding.fix is not None


def test_a_clock_that_was_set_back_is_an_error(view: MachineView) -> None:
    (view.state_directory / "configuration.db").write_bytes(b"")
    back = MachineView(view.state_directory, None, {}, FakeClock(datetime.now(UTC) - timedelta(days=30)))
    finding = worst(machine.check_clock(back))
    assert finding.severity is Severity.ERROR
    assert "set back" in finding.text


def test_a_password_in_a_file_that_anybody_can_read_is_an_error(view: MachineView) -> None:
    assert view.conf_directory is not None
    view.conf_directory.chmod(0o755)
    file = view.conf_directory / "10.json"
    file.write_text('{"example.Pump~roof": {"pin": "1234", "name": "roof"}}')
    file.chmod(0o644)
    knowing = dataclasses.replace(view, passwords_of=lambda pid: frozenset({"pin"} if "Pump" in pid else ()))
    finding = worst(machine.check_privacy(knowing))
    assert finding.severity is Severity.ERROR
    assert "pin of example.Pump~roof stands in it" in finding.text
    assert "1234" not in finding.text
    assert finding.fix is not None
    file.chmod(0o640)
    assert worst(machine.check_privacy(knowing)).severity is Severity.OK
    file.chmod(0o644)
    file.write_text('{"example.Pump~roof": {"pin": {"$credential": "pin"}}}')
    assert worst(machine.check_privacy(knowing)).severity is Severity.OK


def test_a_credential_that_a_file_names_and_nobody_has_is_told(view: MachineView, tmp_path: Path) -> None:
    assert view.conf_directory is not None
    (view.conf_directory / "10.json").write_text('{"example.Pump": {"pin": {"$credential": "challenge"}}}')
    finding = worst(machine.check_credentials(view))
    assert finding.severity is Severity.WARNING
    assert "challenge" in finding.text
    assert "pin of example.Pump in" in finding.text
    assert "10.json" in finding.text
    assert "systemctl restart" in finding.text
    given = tmp_path / "credentials"
    given.mkdir()
    under_systemd = with_environ(view, CREDENTIALS_DIRECTORY=str(given))
    assert worst(machine.check_credentials(under_systemd)).severity is Severity.ERROR
    (given / "challenge").write_text("sesame")
    assert worst(machine.check_credentials(under_systemd)).severity is Severity.OK


@dataclass(frozen=True)
class Disk:
    free: int
    severity: Severity
    words: str
    flags: int = 0
    inodes: int = 10


@pytest.mark.parametrize(
    "disk",
    [
        Disk(32 << 20, Severity.WARNING, "32 MiB are free"),
        Disk(1 << 20, Severity.ERROR, "1 MiB are free"),
        Disk(1 << 30, Severity.ERROR, "read-only", flags=os.ST_RDONLY),
        Disk(1 << 30, Severity.ERROR, "no inode", inodes=0),
    ],
)
def test_a_disk_that_cannot_take_what_is_written_is_told(
    disk: Disk, view: MachineView, monkeypatch: pytest.MonkeyPatch
) -> None:
    status = SimpleNamespace(f_bavail=disk.free, f_frsize=1, f_flag=disk.flags, f_files=99, f_favail=disk.inodes)
    monkeypatch.setattr(os, "statvfs", lambda _: status)
    finding = worst(machine.check_disk(view))
    assert finding.severity is disk.severity
    assert disk.words in finding.text


def test_a_state_directory_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    absent = MachineView(tmp_path / "nowhere", None, {}, FakeClock())
    finding = worst(machine.check_disk(absent))
    assert finding.severity is Severity.ERROR
    assert "gatewright run" in (finding.fix or "")


def test_what_others_can_read_is_told_with_each_file(view: MachineView) -> None:
    key = view.state_directory / "master.key"
    key.write_bytes(b"")
    key.chmod(0o640)
    private = view.state_directory / "gateway.lock"
    private.touch(0o600)
    assert worst(machine.check_privacy(view)).severity is Severity.OK, "nobody else gets into the directory"
    view.state_directory.chmod(0o755)
    findings = list(machine.check_privacy(view))
    assert {one.severity for one in findings} == {Severity.ERROR}
    told = " ".join(one.text for one in findings)
    assert "mode 0755" in told
    assert str(key) in told
    assert str(private) not in told
    assert any(f"chmod 600 {key}" in (one.fix or "") for one in findings)


def test_a_credential_that_others_can_read_is_told(view: MachineView, tmp_path: Path) -> None:
    secret = tmp_path / "challenge"
    secret.write_text("canary")
    secret.chmod(0o644)
    finding = worst(machine.check_privacy(with_environ(view, GATEWRIGHT_CREDENTIAL_CHALLENGE=str(secret))))
    assert finding.severity is Severity.ERROR
    assert str(secret) in finding.text
    assert "canary" not in finding.text


def test_credentials_that_are_named_and_not_there_are_told(view: MachineView, tmp_path: Path) -> None:
    named = with_environ(
        view, GATEWRIGHT_CREDENTIAL_PIN=str(tmp_path / "pin"), CREDENTIALS_DIRECTORY=str(tmp_path / "no")
    )
    texts = [one.text for one in machine.check_credentials(named)]
    assert len(texts) == 2
    assert "$GATEWRIGHT_CREDENTIAL_PIN" in texts[0]
    assert "$CREDENTIALS_DIRECTORY" in texts[1]


def test_a_configuration_file_that_is_none_is_told(view: MachineView) -> None:
    assert view.conf_directory is not None
    (view.conf_directory / "10.json").write_text("{")
    finding = worst(machine.check_files(view))
    assert finding.severity is Severity.ERROR
    assert "10.json" in finding.text


def test_a_configuration_directory_that_is_not_there_is_told(view: MachineView) -> None:
    absent = MachineView(view.state_directory, Path("/nowhere/conf.d"), {}, view.clock)
    assert worst(machine.check_files(absent)).severity is Severity.WARNING


def test_a_configuration_directory_that_cannot_be_read_is_told_by_one_check(
    view: MachineView, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: object = ".") -> object:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))  # whatever the mode, root may read it

    monkeypatch.setattr(os, "scandir", refuse)
    monkeypatch.setattr(os, "listdir", refuse)
    finding = worst(machine.check_files(view))
    assert finding.severity is Severity.ERROR
    assert f"{view.conf_directory} cannot be read: Permission denied" in finding.text
    assert worst(machine.check_credentials(view)).severity is Severity.OK
