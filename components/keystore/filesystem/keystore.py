"""A keystore in one PKCS #12 file, usable without a gateway."""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, final

from components.keystore.announcements import Announcements
from components.keystore.contract import (
    Changes,
    HealthState,
    KeystoreCapabilities,
    KeystoreHealth,
    KeystoreService,
)
from components.keystore.entries import Entry, PrivateKeyEntry
from components.keystore.errors import (
    DamagedKeystoreError,
    KeystoreError,
    KeystoreUnavailableError,
    UnsupportedOperationError,
    WrongPasswordError,
)
from components.keystore.filesystem.encryption import DerivedKeys
from components.keystore.filesystem.file import FileVersion, KeystoreFile
from components.keystore.filesystem.pkcs12 import KnownBags, decode_pkcs12, encode_pkcs12
from components.keystore.keys import SoftwarePrivateKey
from components.keystore.log_events import FILE_DAMAGED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from metatype import Secret

_MAC_END: Final = 20
"""How a file of ours ends: the salt of its MAC, of 16 octets, and the number of iterations as an INTEGER."""
_SEE_TO_IT: Final = "See what the last change before was, then remove that file"

_log = logging.getLogger("components.keystore.filesystem")


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """The file's entries, and the version of the file that they are of."""

    version: FileVersion
    entries: Mapping[str, Entry]


@final
class Pkcs12Keystore(KeystoreService):
    """Keeps its entries in one PKCS #12 file that OpenSSL and Java read.

    Other processes may write the file too, if they lock it as this does; what they write is seen at the next
    call. The file is decoded again only if it changed, and readers never wait for a writer.

    Args:
        path: The file. It is made by `open`, with its directory, if it does not exist.
        committed: Called with what really changed, after each commit, in the order of commits, under no lock.
    """

    def __init__(self, path: Path, committed: Callable[[Changes], None] = lambda _: None) -> None:
        self._file = KeystoreFile(path)
        self._writing = threading.Lock()
        self._snapshot: _Snapshot | None = None
        self._passwords: tuple[Secret, ...] = ()
        self._known: KnownBags | None = None
        self._damage: str | None = None
        self._announcements = Announcements(committed)

    @property
    def path(self) -> Path:
        """The file."""
        return self._file.path

    def open(self, password: Secret, earlier: Sequence[Secret] = ()) -> bool:
        """Open the file, or make an empty one; afterwards it is encrypted under `password`.

        A file that opens by one of the earlier passwords is encrypted anew, in one step that a crash leaves
        done or undone.

        Returns:
            Whether the file was made.

        Raises:
            WrongPasswordError: None of the passwords opens it.
            KeystoreError: It cannot be read, or is no keystore, or cannot be written though it must be.
        """
        with self._writing:
            self._passwords = (password, *earlier)
            if self._file.version() is None and self._file.read_previous() is None:
                self._file.make_directory()
                with self._file.locked():
                    if self._file.version() is None:
                        self._write({}, password)
                        return True
            if self._open_or_recover(password) is None:
                self._encrypt_anew(password)
            with self._file.locked():
                self._file.tidy()
            self._passwords = (password,)
        return False

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Have no other keystore take the file over for the time of the `with` block.

        Raises:
            KeystoreStorageError: The file cannot be locked.
        """
        self._file.make_directory()
        with self._file.in_use():
            yield

    def read(self, passwords: Sequence[Secret]) -> Mapping[str, Entry]:
        """The entries of a file that is not open, which stays as it is, under the password that it has.

        Raises:
            WrongPasswordError: None of the passwords opens it.
            KeystoreError: It cannot be read, or is no keystore.
        """
        _, data = self._file.read()
        for password in dict.fromkeys(passwords):
            with suppress(WrongPasswordError):
                return decode_pkcs12(data, password, str(self.path))
        raise WrongPasswordError(str(self.path))

    def change_password(self, password: Secret) -> None:
        """Encrypt the file under another password, in one step that a crash leaves done or undone.

        Raises:
            KeystoreError: The file cannot be read or written; it keeps its password.
        """
        with self._writing:
            self._passwords = (*self._known_passwords(), password)
            self._encrypt_anew(password)

    def restrict(self) -> bool:
        """Close the file to other users; whether it was open to them."""
        return self._file.restrict()

    @property
    def capabilities(self) -> KeystoreCapabilities:
        """Everything, for keys that can leave where they are."""
        return KeystoreCapabilities(stores_secret_keys=True)

    def aliases(self) -> tuple[str, ...]:
        """All aliases, sorted."""
        return tuple(self.entries())

    def get(self, alias: str) -> Entry | None:
        """The entry of `alias`, or None."""
        return self.entries().get(alias)

    def entries(self) -> Mapping[str, Entry]:
        """All entries by alias, as they are at this moment."""
        passwords = self._known_passwords()
        version = self._file.version()
        if version is None:
            follows = "to begin with an empty one"
            if self._file.read_previous() is not None:
                follows = f"to go on with {self._file.previous}, which is without the last change"
            raise KeystoreUnavailableError(
                str(self.path), f"the file is gone; put it back, or restart the keystore {follows}"
            )
        snapshot = self._snapshot
        if snapshot is None or snapshot.version != version:
            try:
                snapshot = self._load(*passwords)
            except DamagedKeystoreError as error:
                if snapshot is None:
                    raise
                self._damage = f"{error}; what it held before is used, and the next change writes it anew"
                return snapshot.entries
            if snapshot is None:
                raise WrongPasswordError(str(self.path))
            self._damage = None
        return snapshot.entries

    def health(self) -> KeystoreHealth:
        """Whether the file can be used, and what was repaired and is to be seen to."""
        found = super().health()
        repaired = [
            f"the file was damaged: it is set aside as {aside}, and its previous generation is used. {_SEE_TO_IT}"
            for aside in self._file.set_aside()
        ]
        repaired += [
            f"the file was gone: its previous generation is used, and {note} says so. If the file turns up, stop the "
            f"gateway before you put it back. {_SEE_TO_IT}"
            for note in self._file.found_missing()
        ]
        problems = (*found.problems, *([self._damage] if self._damage else []), *repaired)
        if found.state is HealthState.OK and problems:
            return KeystoreHealth(HealthState.DEGRADED, problems)
        return KeystoreHealth(found.state, problems)

    def commit(self, changes: Changes) -> None:
        """Make all changes in one replacement of the file. Where nothing differs, nothing is written."""
        ours = {alias: _in_memory(alias, entry) for alias, entry in changes.items()}
        with self._writing, self._file.locked():
            self._store(ours)
        self._announcements.deliver()

    def take_over(self, former: Pkcs12Keystore) -> tuple[str, ...]:
        """Move all entries of another file here, and remove that file once they are stored.

        A crash in between leaves them in both, and the same call ends what it began.

        Args:
            former: The keystore of that file, open, with nobody else at it (`KeystoreFile.for_oneself`).

        Returns:
            The aliases under which this keystore holds something else; if there are any, they stay as they are, and
            so does the other file.

        Raises:
            KeystoreError: One of the files cannot be read or written; nothing is lost.
        """
        # In one order, whichever way entries move: two files that take each other over do not wait for ever.
        first, second = sorted((self._file, former._file), key=lambda file: file.path)
        with self._writing, first.locked(), second.locked():
            theirs, ours = former.entries(), self.entries()
            same = tuple(alias for alias, entry in theirs.items() if alias in ours and ours[alias] != entry)
            self._store({alias: entry for alias, entry in theirs.items() if alias not in same})
            if not same:
                former._file.remove()
        self._announcements.deliver()
        return same

    def __repr__(self) -> str:
        return f"Pkcs12Keystore({str(self.path)!r})"

    def _store(self, changes: Changes) -> None:
        """Make changes, and note them for announcement; called with both locks held, and with keys of our own."""
        entries = self.entries()
        different = {alias: entry for alias, entry in changes.items() if entries.get(alias) != entry}
        if not different:
            return
        changed = {**entries, **different}
        kept = {alias: entry for alias, entry in sorted(changed.items()) if entry is not None}
        self._write(kept, self._passwords[0])
        self._announcements.add(MappingProxyType(different))

    def _open_or_recover(self, password: Secret) -> _Snapshot | None:
        """`_load`, from the previous generation if the file is damaged or gone; with the lock of writers held."""
        damage: KeystoreError = KeystoreUnavailableError(str(self.path), "the file is gone")
        try:
            if self._file.version() is not None:
                loaded = self._load(password)
                if loaded is not None or not self._is_altered():
                    return loaded
                damage = DamagedKeystoreError(
                    str(self.path), "it was altered: it was written under a known password, and yet none opens it"
                )
        except DamagedKeystoreError as error:
            damage = error
        data = self._file.read_previous()
        if data is None:
            raise damage
        with self._file.locked():
            if not self._opens(data, self._passwords):
                raise damage
            aside = self._file.restore_previous(data)
        _log.error(FILE_DAMAGED, {"damage": damage, "note": aside})
        return self._load(password)

    def _is_altered(self) -> bool:
        """Whether no password opens the file, though it was written under that of the previous generation.

        All generations of a password share their salts, and that of the MAC ends a file.
        """
        _, data = self._file.read()
        previous = self._file.read_previous()
        if previous is None or data[-_MAC_END:] != previous[-_MAC_END:]:
            return False
        return self._opens(previous, self._passwords) and not self._opens(data, self._passwords)

    def _opens(self, data: bytes, passwords: tuple[Secret, ...]) -> bool:
        for password in dict.fromkeys(passwords):
            try:
                decode_pkcs12(data, password, str(self._file.previous))
            except KeystoreError:
                continue
            return True
        return False

    def _load(self, *passwords: Secret) -> _Snapshot | None:
        """Read the file by the first password that opens it; None if none does."""
        version, data = self._file.read()
        for password in dict.fromkeys(passwords):
            known = KnownBags(DerivedKeys(password))
            try:
                entries = decode_pkcs12(data, known, str(self.path))
            except WrongPasswordError:
                continue
            self._known = known
            # Whoever of several readers comes last wins, even with an older file: the next reader sees that.
            self._snapshot = _Snapshot(version, MappingProxyType(entries))
            return self._snapshot
        return None

    def _encrypt_anew(self, password: Secret) -> None:
        with self._file.locked():
            entries = self.entries()
            self._write(entries, password)
            # What is kept under the password that is no more would protect as badly as that did.
            self._write(entries, password)

    def _known_passwords(self) -> tuple[Secret, ...]:
        if not self._passwords:
            raise KeystoreUnavailableError(str(self.path), "it was not opened; call open() first")
        return self._passwords

    def _write(self, entries: Mapping[str, Entry], password: Secret) -> None:
        """Replace the file; called with both locks held, and `password` among those that readers try."""
        known = self._known
        if known is None or known.keys.password != password:
            known = KnownBags(DerivedKeys(password))

        def verify(written: bytes) -> None:
            if decode_pkcs12(written, known, str(self.path)) != dict(entries):
                raise KeystoreUnavailableError(
                    str(self.path), "what was written does not read back as it was; the file is as it was before"
                )

        version = self._file.replace(encode_pkcs12(entries, known), verify, keep=self._damage is None)
        self._known = known
        self._damage = None
        self._snapshot = None if version is None else _Snapshot(version, MappingProxyType(dict(entries)))
        self._passwords = (password,)


def _in_memory(alias: str, entry: Entry | None) -> Entry | None:
    """The entry with a key of our own, whatever handle it came with."""
    if not isinstance(entry, PrivateKeyEntry) or isinstance(entry.key, SoftwarePrivateKey):
        return entry
    if not entry.key.exportable:
        raise UnsupportedOperationError(f"store {alias}", "its key cannot leave where it is")
    return PrivateKeyEntry(SoftwarePrivateKey(entry.key.export()), entry.chain)
