"""What was acknowledged outlives the keystore: a restart, and a kill in the middle of commits."""
# ruff: noqa: S101, D102 - these are tests: they assert, and each one's rule says what.

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

import pytest

from components.keystore.conformance.making import KeystoreUnderTest, check_signature, open_by_name
from components.keystore.conformance.rules import rule
from components.keystore.conformance.samples import trusted
from components.keystore.entries import PrivateKeyEntry, TrustedCertificateEntry

if TYPE_CHECKING:
    from components.keystore.contract import KeystoreService

_ACKNOWLEDGED: Final = 5
"""How many commits a process has acknowledged when it is killed."""


class Survival(KeystoreUnderTest):
    """Asked of a keystore that says how it is opened again.

    Attributes:
        kills: How many processes are killed.
    """

    kills: ClassVar[int] = int(os.environ.get("GATEWRIGHT_CONFORMANCE_KILLS", "3"))

    @rule("what was committed is there after a restart, keys that sign included")
    def test_what_was_committed_outlives_the_keystore(self, writable: KeystoreService, pair: PrivateKeyEntry) -> None:
        writable.set("ca", trusted())
        aliases = writable.aliases()
        reopened = self.reopen(writable)
        if reopened is None:
            pytest.skip("nothing outlives this keystore (neither factory nor reopen is said)")
        assert reopened.aliases() == aliases
        assert reopened.get("ca") == trusted()
        stored = reopened.get("pair")
        assert isinstance(stored, PrivateKeyEntry)
        assert stored.chain == pair.chain
        check_signature(stored)
        if reopened is not writable:
            self.close(reopened)

    @rule("a process that is killed in the middle of commits leaves what was acknowledged, and no part of a commit")
    def test_a_kill_leaves_what_was_acknowledged(self, writable: KeystoreService) -> None:
        if self.factory is None:
            pytest.skip("no other process can open it: its factory is not named")
        self.close(writable)
        for _ in range(self.kills):
            acknowledged = _kill_in_the_middle(self.factory, self.directory)
            reopened = open_by_name(self.factory, self.directory)
            stored = _number_of(reopened)
            # The one after may have been stored, and the process killed before it said so.
            assert stored in (acknowledged, acknowledged + 1)
            self.close(reopened)


def _kill_in_the_middle(factory: str, directory: Path) -> int:
    """Have a process commit, kill it, and tell the number of the last commit that it acknowledged."""
    command = [sys.executable, "-m", "components.keystore.conformance.committing", factory, str(directory)]
    path = os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)
    with (
        tempfile.TemporaryFile("w+") as log,
        subprocess.Popen(  # noqa: S603  # our own interpreter
            command,
            env={**os.environ, "PYTHONPATH": path},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        line = ""
        for _ in range(_ACKNOWLEDGED):
            if not (line := process.stdout.readline()):
                process.wait()
                log.seek(0)
                raise AssertionError(f"the process that commits ended by itself:\n{log.read()}")
        process.kill()
        numbers = [int(one) for one in (line, *process.stdout) if one.endswith("\n")]
    return numbers[-1]


def _number_of(keystore: KeystoreService) -> int:
    """The number of the commit whose state the keystore is in, all entries of which tell the same one."""
    found = [alias for alias in keystore.aliases() if alias.startswith("commit-")]
    assert len(found) == 1, f"each commit leaves one such alias, and these are there: {found}"
    (alias,) = found
    number = int(alias.removeprefix("commit-"))
    assert isinstance(keystore.get(alias), TrustedCertificateEntry)
    pair = keystore.get("pair")
    if isinstance(pair, PrivateKeyEntry):
        assert pair.certificate.serial_number == number, "the key's certificate is of another commit"
        check_signature(pair)
    assert set(keystore.aliases()) <= {alias, "pair"}
    return number
