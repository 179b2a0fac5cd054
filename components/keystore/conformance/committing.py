"""A process that commits until it is killed, and acknowledges each commit by a line: `FACTORY DIRECTORY`.

Commit n puts `commit-n` in the place of the one before, and has the key `pair` certified with the serial number n.
"""
# ruff: noqa: T201 - its lines are what it is for.

from __future__ import annotations

import itertools
import sys
from pathlib import Path

from components.keystore.conformance.making import open_by_name, store_pair
from components.keystore.conformance.samples import issued_to, trusted
from components.keystore.entries import PrivateKeyEntry


def commit_for_ever(factory: str, directory: Path) -> None:
    """Open the keystore, and make commit after commit from where it is."""
    keystore = open_by_name(factory, directory)
    pair = keystore.get("pair") or store_pair(keystore, "pair")
    last = max((int(alias.removeprefix("commit-")) for alias in keystore.aliases() if alias != "pair"), default=0)
    for number in itertools.count(last + 1):
        with keystore.edit() as edit:
            edit.set(f"commit-{number}", trusted())
            edit.delete(f"commit-{number - 1}")
            if isinstance(pair, PrivateKeyEntry):
                edit.set("pair", PrivateKeyEntry(pair.key, (issued_to(pair.key.public_key, number),)))
        print(number, flush=True)


if __name__ == "__main__":
    commit_for_ever(sys.argv[1], Path(sys.argv[2]))
