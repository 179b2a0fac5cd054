"""Secrets at rest: sealed with AES-256-GCM, each bound to the place where it belongs."""

from __future__ import annotations

import base64
import binascii
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from framework.errors import FrameworkError
from framework.storage import replace_file
from metatype import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

CREDENTIAL: Final = "gatewright.master-key"
"""The systemd credential that holds the master key, 32 bytes, if there is one."""

FILE: Final = "master.key"
"""The file in the state directory that holds it otherwise."""

_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_VERSION: Final = "v1"


class SealingError(FrameworkError):
    """The master key cannot be used, or a sealed text cannot be opened with it."""


class MasterKey:
    """The key that a gateway seals its secrets under."""

    __slots__ = ("_cipher",)

    def __init__(self, key: bytes) -> None:
        if len(key) != _KEY_BYTES:
            raise SealingError(f"a master key has {_KEY_BYTES} bytes, this one has {len(key)}")
        self._cipher = AESGCM(key)

    @staticmethod
    def load_or_create(state_directory: Path, environ: Mapping[str, str]) -> MasterKey:
        """The key from systemd's credentials directory, or from the state directory, where it is made at first run.

        Raises:
            SealingError: The key is of the wrong size, or its file can be read by others.
        """
        credentials = environ.get("CREDENTIALS_DIRECTORY")
        if credentials is not None and (Path(credentials) / CREDENTIAL).is_file():
            return MasterKey((Path(credentials) / CREDENTIAL).read_bytes())
        path = state_directory / FILE
        if not path.exists():
            replace_file(path, AESGCM.generate_key(bit_length=8 * _KEY_BYTES))
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise SealingError(
                f"{path} can be used by others (mode {mode:04o}): what is sealed under it must be taken for known. "
                f"Change the secrets of this gateway, then: chmod 600 {path}"
            )
        return MasterKey(path.read_bytes())

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
