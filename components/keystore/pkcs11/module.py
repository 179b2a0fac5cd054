"""PKCS #11 modules in this process: loaded once, used by one thread at a time, initialised anew after a fork.

python-pkcs11 initialises a module without the locks that several threads at once would need (C_Initialize(NULL),
PKCS #11 2.40 section 5.4), and lets go of the interpreter's lock while the module works. So the calls of all
keystores on one module queue here.
"""

from __future__ import annotations

import contextlib
import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pkcs11
from pkcs11.constants import TokenFlag
from pkcs11.exceptions import (
    DeviceError,
    DeviceRemoved,
    PinIncorrect,
    PinInvalid,
    PinLenRange,
    PinLocked,
    PKCS11Error,
    SessionReadOnly,
    TokenNotPresent,
    TokenNotRecognised,
    TokenWriteProtected,
    UserAlreadyLoggedIn,
)

from components.keystore.errors import KeystoreUnavailableError
from components.keystore.pkcs11.errors import PinRefusedError, PinUnusableError
from components.keystore.pkcs11.trial import fault_of_loading

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pkcs11.types import Session, Slot, Token

    from metatype import Secret

_FORK_PATIENCE_S: Final = 5.0
"""So long a fork waits for calls to end: the child of one that does not wait finds the module in pieces."""


@dataclass(frozen=True, slots=True)
class TokenChoice:
    """Which token of a module is meant; the only one that is there if nothing is said.

    Attributes:
        label: Its label; empty for any.
        slot: The number of its slot, or None.
        slot_list_index: The place of its slot in the module's list, from 0, or None.
    """

    label: str = ""
    slot: int | None = None
    slot_list_index: int | None = None

    def __str__(self) -> str:
        said = [f"token {self.label!r}"] if self.label else []
        said += [f"slot {self.slot}"] if self.slot is not None else []
        said += [f"slot list index {self.slot_list_index}"] if self.slot_list_index is not None else []
        return ", ".join(said) or "the only token"


class Module:
    """A module; made by `of`, and used within `using`.

    Attributes:
        path: The shared library.
        epoch: Counts how often it was initialised: sessions of an earlier epoch are void.
        last_indices: The index that this process has last written, by the place of its token.
    """

    _all: Final[dict[str, Module]] = {}
    _all_lock: Final = threading.Lock()

    def __init__(self, path: str) -> None:
        self.path = path
        self.epoch = 0
        self.last_indices: dict[bytes, bytes] = {}
        self._turn = threading.Lock()
        self._process = os.getpid()
        self._library: Any = None
        self._pins: dict[bytes, Secret] = {}

    @classmethod
    def of(cls, path: str) -> Module:
        """The module of that path; nothing is loaded yet."""
        with cls._all_lock:
            return cls._all.setdefault(path, Module(path))

    @contextlib.contextmanager
    def using(self) -> Iterator[Module]:
        """One thread's turn. The module is loaded at the first one."""
        with self._turn:
            if self._library is None:
                self._library = self._load()
            elif self._process != os.getpid():
                self.initialise_anew()
            self._process = os.getpid()
            yield self

    def idle(self) -> bool:
        """Whether no call is under way just now."""
        return not self._turn.locked()

    def initialise_anew(self) -> None:
        """Make the module look at its slots as if just loaded; all sessions end."""
        self.epoch += 1
        self._pins.clear()
        with contextlib.suppress(PKCS11Error):  # it may be that it never was, or is beyond that
            self._library.finalize()
        try:
            self._library.initialize()
        except PKCS11Error as error:
            raise KeystoreUnavailableError(self.path, f"the module does not initialise: {told(error)}") from error

    def find(self, choice: TokenChoice) -> Token:
        """The token that is meant.

        Raises:
            KeystoreUnavailableError: It is not there, or several are.
        """
        slots: list[Slot] = self._library.get_slots()
        if choice.slot_list_index is not None:
            slots = slots[choice.slot_list_index : choice.slot_list_index + 1]
        if choice.slot is not None:
            slots = [slot for slot in slots if slot.slot_id == choice.slot]
        tokens = [token for slot in slots if (token := _token_in(slot)) is not None]
        if choice.label:
            tokens = [token for token in tokens if token.label == choice.label]
        if len(tokens) > 1:
            labels = ", ".join(sorted(repr(token.label) for token in tokens))
            raise KeystoreUnavailableError(
                self.path, f"there are several tokens ({labels}); say which by the property token.label"
            )
        if not tokens:
            raise KeystoreUnavailableError(
                self.path,
                f"{choice} is not there; put it back (or check library.path, token.label, slot and slot.list.index)",
            )
        return tokens[0]

    def open(self, token: Token, pin: Secret) -> tuple[Session, bool]:
        """Open a session and log in, with one try at most.

        Returns:
            The session, and whether it can write.

        Raises:
            PinRefusedError: The PIN is wrong, or locked.
            PinUnusableError: No PIN would do.
        """
        if token.flags & TokenFlag.USER_PIN_LOCKED:
            raise PinUnusableError(token.label, "the PIN is locked; unlock it with the tool of the token's maker")
        writes = not token.flags & TokenFlag.WRITE_PROTECTED
        if not pin:
            if token.flags & TokenFlag.LOGIN_REQUIRED:
                raise PinUnusableError(token.label, "the token asks for a PIN; set the property pin")
            return self._session(token, None, writes)
        place = self.place_of(token)
        known = self._pins.get(place)
        if known is not None and known != pin:
            # Whoever is logged in, is so for the whole process: the token would not look at this PIN.
            raise PinRefusedError(token.label)
        try:
            opened = self._session(token, pin.reveal(), writes)
        except UserAlreadyLoggedIn:
            opened = self._session(token, None, writes)
        except (PinIncorrect, PinInvalid, PinLenRange) as error:
            raise PinRefusedError(token.label) from error
        except PinLocked as error:
            raise PinRefusedError(token.label, locked=True) from error
        self._pins[place] = pin
        return opened

    @staticmethod
    def place_of(token: Token) -> bytes:
        """What tells a token from others of its module."""
        return token.serial + token.label.encode()

    def forget_login(self) -> None:
        """No longer count on being logged in anywhere."""
        self._pins.clear()

    def _session(self, token: Token, pin: str | None, writes: bool) -> tuple[Session, bool]:
        if writes:
            try:
                return token.open(rw=True, user_pin=pin), True
            except (TokenWriteProtected, SessionReadOnly):
                pass  # no more than a look is to be had
        return token.open(user_pin=pin), False

    def _load(self) -> Any:
        if (fault := fault_of_loading(self.path)) is not None:
            raise KeystoreUnavailableError(
                self.path,
                f"the module cannot be loaded: {fault}; see what it waits for or install it anew, "
                "and check the property library.path",
            )
        try:
            return pkcs11.lib(self.path)
        except PKCS11Error as error:
            raise KeystoreUnavailableError(
                self.path, f"the module cannot be loaded: {told(error)}; check the property library.path"
            ) from error

    def begin_fork(self) -> bool:
        """Let the call that is under way end, and keep others from beginning; whether that came about in time."""
        return self._turn.acquire(timeout=_FORK_PATIENCE_S)

    def end_fork(self) -> None:
        """Go on, in the parent."""
        self._turn.release()

    def begin_in_child(self) -> None:
        """Go on, in the child: whoever had a turn in the parent does not come back here."""
        self._turn = threading.Lock()

    @classmethod
    def all(cls) -> tuple[Module, ...]:
        """Those that were asked for so far."""
        return tuple(cls._all.values())


_held: Final[list[Module]] = []


def _before_fork() -> None:
    _held.extend(module for module in Module.all() if module.begin_fork())


def _after_fork_in_parent() -> None:
    while _held:
        _held.pop().end_fork()


def _after_fork_in_child() -> None:
    _held.clear()
    for module in Module.all():
        module.begin_in_child()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)


def told(error: Exception) -> str:
    """What a module said, for people: python-pkcs11's name of it, and its words if it has some."""
    words = str(error)
    if not isinstance(error, PKCS11Error):
        return words
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


def _token_in(slot: Slot) -> Token | None:
    try:
        token = slot.get_token()
    except (TokenNotPresent, TokenNotRecognised, DeviceRemoved, DeviceError):
        return None
    return token if token.flags & TokenFlag.TOKEN_INITIALIZED else None
