"""Secrets at rest: sealed with AES-256-GCM, each bound to the place where it belongs."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from framework.errors import FrameworkError
from framework.storage import replace_file, sync_directory
from metatype import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

CREDENTIAL: Final = "gatewright.master-key"
"""The systemd credential that holds the master key, 32 bytes, if there is one."""

OLD_CREDENTIAL: Final = "gatewright.master-key.old"
"""The systemd credential with the key before it, while secrets are to be sealed under the new one."""

FILE: Final = "master.key"
"""The file in the state directory that holds it otherwise."""

NEW_FILE: Final = "master.key.new"
"""The next key, while secrets are being sealed under it."""

STORES: Final = ("configuration.db", "configuration.good.db")
"""The files in the state directory that hold what is sealed: the store, and its last good copy."""

_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_VERSION: Final = "v1"


class SealingError(FrameworkError):
    """The master key cannot be used, or a sealed text cannot be opened with it."""


class MasterKey:
    """The key that a gateway seals its secrets under."""

    __slots__ = ("_cipher", "id")

    def __init__(self, key: bytes) -> None:
        if len(key) != _KEY_BYTES:
            raise SealingError(f"a master key has {_KEY_BYTES} bytes, this one has {len(key)}")
        self._cipher = AESGCM(key)
        self.id: str = hashlib.sha256(b"gatewright master key\0" + key).hexdigest()[:16]
        """Tells keys apart; says nothing about the key."""

    @staticmethod
    def load_or_create(state_directory: Path, environ: Mapping[str, str]) -> MasterKey:
        """The key from systemd's credentials directory, or from the state directory, where it is made at first run.

        Raises:
            SealingError: The key is of the wrong size, or its file can be read by others; or it is gone, and what is
                sealed under it is there.
        """
        found = _credential(environ, CREDENTIAL)
        if found is not None:
            return found
        path = state_directory / FILE
        if not path.exists():
            _refuse_if_lost(path)
            replace_file(path, AESGCM.generate_key(bit_length=8 * _KEY_BYTES))
        return _key_in(path)

    def seal(self, secret: Secret, context: str) -> str:
        """The secret, sealed; only `unseal` with the same context opens it."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, secret.reveal().encode("utf-8", "surrogatepass"), context.encode())
        return f"{_VERSION}:{base64.b64encode(nonce + sealed).decode()}"

    def unseal(self, text: str, context: str) -> Secret:
        """The secret that was sealed.

        Raises:
            SealingError: It was sealed under another key, for another place, or has been changed.
        """
        version, _, encoded = text.partition(":")
        if version != _VERSION:
            raise SealingError(f"a secret was sealed in a way ({version!r}) that this version does not know")
        try:
            raw = base64.b64decode(encoded, validate=True)
            opened = self._cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], context.encode())
        except (InvalidTag, binascii.Error, ValueError):
            place = context.replace("\0", " ")
            raise SealingError(
                f"the secret of {place} cannot be opened: it was sealed under another master key, or changed. "
                "Bring the master key back, or set the secret again."
            ) from None
        return Secret(opened.decode("utf-8", "surrogatepass"))

    def __repr__(self) -> str:
        return "MasterKey(****)"


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The master key of a gateway, and those that its secrets may still be sealed under.

    Attributes:
        current: What secrets are to be sealed under.
        others: Keys before it, or after it if a change of the key was interrupted.
    """

    state_directory: Path
    environ: Mapping[str, str]
    current: MasterKey
    others: tuple[MasterKey, ...]

    @staticmethod
    def load(state_directory: Path, environ: Mapping[str, str]) -> KeyRing:
        """All keys that there are; SealingError as for `MasterKey.load_or_create`."""
        current = MasterKey.load_or_create(state_directory, environ)
        candidates = [_credential(environ, OLD_CREDENTIAL)]
        candidates += [_key_in(path) for name in (FILE, NEW_FILE) if (path := state_directory / name).exists()]
        others = tuple(one for one in candidates if one is not None and one.id != current.id)
        return KeyRing(state_directory, environ, current, others)

    def find(self, key_id: str | None) -> MasterKey:
        """The key of that id; the current one if there is none."""
        return next((one for one in self.others if one.id == key_id), self.current)

    def prepare(self) -> MasterKey:
        """Make the next key and keep it in a file of its own, durable; `commit` makes it the current one.

        Raises:
            SealingError: The key is a credential, which only who starts the gateway can change.
        """
        if _credential(self.environ, CREDENTIAL) is not None:
            raise SealingError(
                f"the master key is a credential of systemd: put a new one there as {CREDENTIAL}, the one that is "
                f"there now as {OLD_CREDENTIAL}, and start the gateway again"
            )
        data = AESGCM.generate_key(bit_length=8 * _KEY_BYTES)
        replace_file(self.state_directory / NEW_FILE, data)
        return MasterKey(data)

    def commit(self) -> None:
        """Make the next key the current one, once everything is sealed under it."""
        (self.state_directory / NEW_FILE).replace(self.state_directory / FILE)
        sync_directory(self.state_directory)

    def forget_next(self) -> None:
        """Remove a next key that nothing is sealed under."""
        (self.state_directory / NEW_FILE).unlink(missing_ok=True)

    def is_next(self, key: MasterKey) -> bool:
        """Whether a key is the next one, whose file is to become the current one's."""
        path = self.state_directory / NEW_FILE
        return path.exists() and _key_in(path).id == key.id


def _credential(environ: Mapping[str, str], name: str) -> MasterKey | None:
    directory = environ.get("CREDENTIALS_DIRECTORY")
    if directory is None or not (path := Path(directory) / name).is_file():
        return None
    return MasterKey(path.read_bytes())


def _refuse_if_lost(path: Path) -> None:
    """Make no key in the place of a lost one: nothing that is sealed would open, as if it were damaged."""
    sealed = " and ".join(name for name in STORES if (path.parent / name).exists())
    if sealed:
        raise SealingError(
            f"{path} is gone, and {sealed} beside it cannot be opened without it: bring it back from where it is kept, "
            f"or give the credential {CREDENTIAL} again. If it is lost, so are the secrets and what else is stored: "
            f"move {sealed} away, start the gateway, and set them again"
        )


def _key_in(path: Path) -> MasterKey:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise SealingError(
            f"{path} can be used by others (mode {mode:04o}): what is sealed under it must be taken for known. "
            f"Change the secrets of this gateway, then: chmod 600 {path}"
        )
    return MasterKey(path.read_bytes())
