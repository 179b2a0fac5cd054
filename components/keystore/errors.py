"""What can go wrong with a keystore. Every error says what happened, why, and what to do next."""

from __future__ import annotations


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
