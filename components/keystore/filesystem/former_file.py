"""The files that a keystore had before its path was changed: entries move, or stay and are told of."""

from __future__ import annotations

import enum
import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from components.keystore.errors import DamagedKeystoreError, KeystoreError, KeystoreInUseError, WrongPasswordError
from components.keystore.filesystem.file import KeystoreFile
from components.keystore.filesystem.keystore import Pkcs12Keystore
from components.keystore.log_events import ENTRIES_MOVED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from metatype import Secret

_log = logging.getLogger("components.keystore.filesystem")


class Reason(enum.Enum):
    """Why entries are not where the keystore is now."""

    MISSING = enum.auto()
    """The former file is not there, and entries may be wanted from it; its disk may not be mounted yet."""
    CLOSED = enum.auto()
    """They are to move, and no known password opens the former file."""
    FAILED = enum.auto()
    """They are to move, and one of the files could not be read or written."""
    STAY = enum.auto()
    """The configuration says so."""
    SHARED = enum.auto()
    """They are to move, but one of the files is that of another keystore, too, here or of another gateway."""
    HERE_TOO = enum.auto()
    """All of them are in the present file, and it was not by this keystore that they came there."""
    SAME_ALIASES = enum.auto()
    """The present file has other entries under some of their aliases; the rest has moved."""


@dataclass(frozen=True, slots=True)
class LeftBehind:
    """Entries in a former file.

    Attributes:
        file: That file; it is as it was.
        reason: Why they are there.
        text: The same for people, with what to do.
    """

    file: Path
    reason: Reason
    text: str

    @property
    def open(self) -> bool:
        """Whether it is tried again, at the next start and when the password changes."""
        return self.reason in (Reason.MISSING, Reason.CLOSED, Reason.FAILED)


_APART: Final = (
    "entries of two keystores are not mixed: give each a path of its own, and move what is wanted with keystore export "
    "and keystore import. This is said until the next start"
)


@dataclass(frozen=True, slots=True)
class Move:
    """How entries of a former file move.

    Attributes:
        of_others: The files of other keystores, here and of other gateways, each with whose it is; neither are they
            moved away, nor is anything moved there.
        begin: Called before the first entry moves, to remember that, durably; None if that is remembered already.
    """

    of_others: Mapping[Path, str]
    begin: Callable[[], None] | None


def see_to_former_file(
    keystore: Pkcs12Keystore, former_path: Path, passwords: Sequence[Secret], move: Move | None
) -> LeftBehind | None:
    """Move the entries of a former file to where the keystore is now, if that is wanted and can be done without harm.

    Whatever comes of it, the keystore can be used, and no entry is lost: the former file goes when all that it held is
    stored. It can be done again after a crash. A file that a running gateway uses is not touched, and one with nothing
    but what is here already stays, since what is here may be the copy of it.

    Args:
        keystore: The keystore, open.
        former_path: Its former file.
        passwords: What either may be under; the first is that of the present file.
        move: How entries move; None if they stay.
    """
    if _is_same(former_path, keystore.path):
        return None
    if _is_gone(former_path):
        return _missing(keystore, former_path, move=move is not None)
    if move is None:
        with suppress(KeystoreError):
            if _is_all_here(keystore, Pkcs12Keystore(former_path), passwords):
                return None
        return LeftBehind(
            former_path,
            Reason.STAY,
            f"the path was changed, and the entries of before stay in {former_path}; to have them here, set "
            "the path back, keystore.path.change to MOVE, and the path anew. This is said until the next start",
        )
    if shared := [path for path in (former_path, keystore.path) if path in move.of_others]:
        return LeftBehind(
            former_path,
            Reason.SHARED,
            f"the entries of before stay in {former_path}, since {shared[0]} is the file of "
            f"{move.of_others[shared[0]]}, too; {_APART}",
        )
    return _move(keystore, former_path, passwords, move.begin)


def _missing(keystore: Pkcs12Keystore, former_path: Path, *, move: bool) -> LeftBehind | None:
    """What to know of a former file that is not there; None if nothing can be wanted from it."""
    text = (
        f"{former_path}, where the entries were before the path was changed, is not there; make it readable and "
        "start again. If nothing is wanted from it, "
    )
    if move and not KeystoreFile(former_path).was_here():
        text = f"{text}set keystore.path.change to STAY, and this ends at the next start"
        return LeftBehind(former_path, Reason.MISSING, text)
    if not keystore.aliases():
        text = f"{keystore.path} is empty, and {text}this ends at the first start with entries here"
        return LeftBehind(former_path, Reason.MISSING, text)
    return None


def _move(
    keystore: Pkcs12Keystore, former_path: Path, passwords: Sequence[Secret], begin: Callable[[], None] | None
) -> LeftBehind | None:
    """Move the entries, and tell of those that could not be moved."""
    former = Pkcs12Keystore(former_path)
    try:
        with KeystoreFile(former_path).for_oneself():
            if begin is not None and _is_all_here(keystore, former, passwords):
                return LeftBehind(
                    former_path,
                    Reason.HERE_TOO,
                    f"{former_path}, which was the keystore's file before, holds nothing but what is in "
                    f"{keystore.path}, too, and is left as it is; remove it, unless another gateway or program needs "
                    "it. This is said until the next start",
                )
            former.open(passwords[0], passwords[1:])
            if begin is not None:
                begin()
            entries = len(former.aliases())
            same = keystore.take_over(former)
    except KeystoreInUseError:
        return LeftBehind(
            former_path,
            Reason.SHARED,
            f"the entries of before stay in {former_path}, since a gateway that runs uses that file; {_APART}",
        )
    except WrongPasswordError:
        return LeftBehind(
            former_path,
            Reason.CLOSED,
            f"the entries of before are still in {former_path}, and no known password opens it; set keystore.password "
            "to that of this file, and they move at once (afterwards set it as you like). If they are not wanted, "
            "remove that file",
        )
    except KeystoreError as error:
        return LeftBehind(
            former_path,
            Reason.FAILED,
            f"the entries of before are still in {former_path}, since they could not be moved: {error}. It is tried "
            "again at the next start; if they are not wanted, remove that file",
        )
    if not same or entries > len(same):
        facts = {"entries": entries - len(same), "former": former_path, "path": keystore.path}
        _log.warning(ENTRIES_MOVED, facts)  # rare, and a file goes by it: who looks at the log is to see it
    if same:
        return LeftBehind(
            former_path,
            Reason.SAME_ALIASES,
            f"{former_path} still holds entries, since {keystore.path} has others of the same alias: "
            f"{', '.join(same)}; see which are wanted, then remove that file",
        )
    return None


def _is_all_here(keystore: Pkcs12Keystore, former: Pkcs12Keystore, passwords: Sequence[Secret]) -> bool:
    """Whether a former file holds entries, and none that the keystore has not; False where it is to be repaired."""
    with suppress(DamagedKeystoreError):
        theirs, ours = former.read(passwords), keystore.entries()
        return bool(theirs) and all(ours.get(alias) == entry for alias, entry in theirs.items())
    return False


def _is_same(path: Path, other: Path) -> bool:
    """Whether both are one file, by another name or through another mount."""
    try:
        return path.samefile(other)
    except OSError:
        return False


def _is_gone(path: Path) -> bool:
    """Whether there is no such file; one that cannot be looked at may be there."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False
