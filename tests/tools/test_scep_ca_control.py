"""The development CA is told what to do while it runs, by its owner and over its command line."""

from __future__ import annotations

import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from components.scep.transaction import Issued, Pending
from metatype import Secret
from tests.components.scep.device import CHALLENGE, Device
from tools.scep_ca import IssuancePolicy, ScepCa
from tools.scep_ca.__main__ import main
from tools.scep_ca.control import CONTROL_COMMANDS, ControlServer, control
from tools.scep_ca.errors import ControlError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from components.keystore import SoftwarePrivateKey


@contextmanager
def running(directory: Path) -> Iterator[ScepCa]:
    policy = IssuancePolicy(Secret(CHALLENGE), approval=True)
    with ScepCa.open(directory, policy) as ca, ControlServer(ca, directory):
        yield ca


def test_a_person_approves_what_waits(
    ca_directory: Path, client_key: SoftwarePrivateKey, capsys: pytest.CaptureFixture[str]
) -> None:
    with running(ca_directory) as ca:
        device = Device.of(ca, client_key)
        request = device.request()
        assert device.ask(request) == Pending()
        assert main(["pending", "--directory", str(ca_directory)]) == 0
        shown = capsys.readouterr().out
        assert request.transaction_id in shown
        assert "CN=device" in shown
        assert main(["approve", "--directory", str(ca_directory), request.transaction_id]) == 0
        assert isinstance(device.ask(device.poll(request.transaction_id)), Issued)
        assert main(["issued", "--directory", str(ca_directory)]) == 0
        serial = f"{ca.issued()[0].certificate.serial_number:x}"
        assert serial in capsys.readouterr().out
        assert main(["revoke", "--directory", str(ca_directory), serial]) == 0
        assert ca.issued()[0].revoked_at is not None


def test_a_person_rejects_and_rolls_over(ca_directory: Path, client_key: SoftwarePrivateKey) -> None:
    with running(ca_directory) as ca:
        before = ca.fingerprint
        device = Device.of(ca, client_key)
        request = device.request()
        device.ask(request)
        control(ca_directory, "reject", request.transaction_id)
        assert ca.pending() == ()
        (announced,) = control(ca_directory, "prepare-rollover")
        (done,) = control(ca_directory, "roll-over")
        assert ca.fingerprint != before
        assert ca.fingerprint in announced
        assert ca.fingerprint in done


@pytest.mark.parametrize(
    ("command", "argument", "told"),
    [
        ("approve", "nobody's", "waits for approval"),
        ("revoke", "ff", "was issued here"),
        ("revoke", "no hex", "no serial number"),
        ("roll-over", "", "no rollover is prepared"),
        ("dance", "", "no such command"),
    ],
)
def test_what_cannot_be_done_is_said(ca_directory: Path, command: str, argument: str, told: str) -> None:
    with running(ca_directory), pytest.raises(ControlError, match=told):
        control(ca_directory, command, argument)


@pytest.mark.parametrize("command", CONTROL_COMMANDS)
def test_a_ca_that_does_not_run_is_told_nothing(
    ca_directory: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    words = [command, "--directory", str(ca_directory)]
    assert main([*words, "x"] if command in ("approve", "reject", "revoke") else words) == 1
    assert "no CA runs" in capsys.readouterr().err


def test_only_its_owner_reaches_the_socket_which_goes_with_it(ca_directory: Path) -> None:
    with running(ca_directory):
        assert stat.S_IMODE((ca_directory / "admin.sock").stat().st_mode) == 0o600
    assert not (ca_directory / "admin.sock").exists()
    (ca_directory / "admin.sock").touch()  # as one that was killed leaves it
    with running(ca_directory):
        assert control(ca_directory, "pending") == []
