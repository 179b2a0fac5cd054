"""What can go wrong with a keystore. Every error says what happened, why, and what to do next."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_REFUSED: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


class KeystoreError(Exception):
    """Base of all errors that keystores raise."""


class KeystoreUnavailableError(KeystoreError):
    """The keystore cannot be reached, read or written just now; the same call may succeed later.

    Attributes:
        keystore: What is unavailable: a path, a token, an address.
        reason: Why, in words.
    """

    def __init__(self, keystore: str, reason: str) -> None:
        super().__init__(f"keystore {keystore}: {reason}")
        self.keystore = keystore
        self.reason = reason


class KeystoreStorageError(KeystoreUnavailableError):
    """The file system failed a keystore that keeps a file: made by `storage_error`, which knows the kinds of it.

    Unless the message says otherwise, nothing was changed. The keystore goes on as soon as the cause is gone: do the
    same again, nothing needs a restart.

    Attributes:
        path: The keystore's file.
        errno: The error number (`errno.ENOSPC` and the like), or None.
    """

    def __init__(self, path: Path, what: str, error: OSError, advice: str = "") -> None:
        told = error.strerror or str(error)
        super().__init__(str(path), f"{what} ({told}){'; ' if advice else ''}{advice}")
        self.path = path
        self.errno = error.errno


class KeystoreFullError(KeystoreStorageError):
    """There is no room on the file system, or the user's quota is used up (ENOSPC, EDQUOT)."""


class KeystoreDeviceError(KeystoreStorageError):
    """The disk, or what stands in for one, fails (EIO)."""


class KeystoreNotWritableError(KeystoreStorageError):
    """The gateway's user may not write there, or nobody may (EACCES, EPERM, EROFS)."""


def storage_error(path: Path, what: str, error: OSError, *, writing: bool) -> KeystoreStorageError:
    """The error that tells what became of a keystore's file, and what to do about it.

    Args:
        path: The keystore's file.
        what: What cannot be done, such as `cannot be written`.
        error: What the file system said.
        writing: Whether something was to be written.
    """
    directory = path.parent
    if error.errno in _FULL:
        advice = f"make room on its file system (see: df {directory}; df -i {directory}), then do it again"
        return KeystoreFullError(path, what, error, advice)
    if error.errno == errno.EIO:
        advice = "the disk fails: look at the kernel's log (dmesg), and save a copy of the file before it gets worse"
        return KeystoreDeviceError(path, what, error, advice)
    if writing and error.errno == errno.EROFS:
        advice = f"its file system is mounted read-only: mount it for writing (see: findmnt -T {directory})"
        return KeystoreNotWritableError(path, what, error, advice)
    if error.errno in _REFUSED:
        advice = f"let the gateway's user (uid {os.geteuid()}) at it: see ls -ld {directory} {path}"
        return (KeystoreNotWritableError if writing else KeystoreStorageError)(path, what, error, advice)
    return KeystoreStorageError(path, what, error)


class KeystoreInUseError(KeystoreUnavailableError):
    """Somebody uses the file of a keystore that is to be taken away; it is as it was."""

    def __init__(self, keystore: str) -> None:
        super().__init__(keystore, "a gateway that runs uses it; stop that one first, or leave the file to it")


class KeystoreTooLargeError(KeystoreError):
    """There is more in a keystore than it can hold, or would be after a change; nothing was changed.

    Attributes:
        keystore: The keystore.
        size: How large it is or would be, at least, in octets.
        limit: How large it may be, in octets.
    """

    def __init__(self, keystore: str, size: int, limit: int) -> None:
        super().__init__(
            f"keystore {keystore}: it holds {limit // 2**20} MiB at most, and {size / 2**20:.1f} are too many: "
            "delete what is not needed, or keep some of the entries in another keystore"
        )
        self.keystore = keystore
        self.size = size
        self.limit = limit


class KeystoreTimeoutError(KeystoreUnavailableError):
    """The keystore did not answer in time, or has not yet ended an earlier call.

    Attributes:
        operation: What it was asked for. If that was a change, it may still come about.
        seconds: How long it was waited for.
    """

    def __init__(self, keystore: str, operation: str, seconds: float) -> None:
        super().__init__(
            keystore,
            f"{operation} has not ended within {seconds:g} s; the keystore is left alone until it has: "
            "see what it waits for (a token, a network, a module), or restart it",
        )
        self.operation = operation
        self.seconds = seconds


class KeystoreFaultError(KeystoreError):
    """The code of a keystore broke the contract: it raised what is none of its errors, or returned what it must not.

    Attributes:
        keystore: The keystore's `kura.service.pid`.
        operation: What it was asked for.
        fault: What it did, in words.
    """

    def __init__(self, keystore: str, operation: str, fault: str) -> None:
        super().__init__(
            f"keystore {keystore}: {operation} {fault}; this is a fault of the keystore's code: "
            "check its plugin with `gatewright plugin check`, and tell who makes it"
        )
        self.keystore = keystore
        self.operation = operation
        self.fault = fault


class AliasError(KeystoreError, ValueError):
    """A text cannot be an alias.

    Attributes:
        alias: The text.
    """

    def __init__(self, alias: object, reason: str) -> None:
        super().__init__(f"{alias!r} cannot be an alias: {reason}")
        self.alias = alias


class EntryError(KeystoreError, ValueError):
    """The parts of an entry do not belong together, or are none that an entry can hold."""


class UnsupportedOperationError(KeystoreError):
    """This keystore or key does not do this; asking again does not help.

    `KeystoreService.capabilities` and `PrivateKey.exportable` say so beforehand.

    Attributes:
        operation: What was asked for.
        reason: Why it cannot be had.
    """

    def __init__(self, operation: str, reason: str) -> None:
        super().__init__(f"{operation}: {reason}")
        self.operation = operation
        self.reason = reason


class WrongPasswordError(KeystoreError):
    """The keystore is there, but no password known for it opens it.

    Attributes:
        keystore: The keystore that stays closed.
    """

    def __init__(self, keystore: str) -> None:
        super().__init__(
            f"keystore {keystore}: the password is wrong (or the file was altered); "
            "configure the password that the keystore was made with"
        )
        self.keystore = keystore


class DamagedKeystoreError(KeystoreError):
    """What is stored is no keystore, or no longer one.

    Attributes:
        keystore: The damaged keystore.
        reason: What is wrong with it.
    """

    def __init__(self, keystore: str, reason: str) -> None:
        super().__init__(
            f"keystore {keystore} is damaged: {reason}; restore it from a copy, or move it away to begin anew"
        )
        self.keystore = keystore
        self.reason = reason
