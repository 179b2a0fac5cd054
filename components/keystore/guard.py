"""Between consumers and the code of keystores: whatever that does, a consumer sees KeystoreErrors, in time.

Each call runs on a thread of its own under a deadline; what it raises and returns is checked there. A keystore that
breaks the contract is degraded: `health` says so until the same operation has gone well. One that hangs is left alone,
so that it costs one thread and not one for each call; its calls fail at once until the one that hangs has ended.
"""

from __future__ import annotations

import logging
import queue
import threading
import weakref
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from components.keystore.contract import (
    Changes,
    HealthState,
    KeystoreCapabilities,
    KeystoreHealth,
    KeystoreService,
)
from components.keystore.entries import Entry, PrivateKeyEntry, SecretKeyEntry, TrustedCertificateEntry
from components.keystore.errors import KeystoreError, KeystoreFaultError, KeystoreTimeoutError, KeystoreUnavailableError
from components.keystore.keys import (
    ExportedPrivateKey,
    KeyAlgorithm,
    PrivateKey,
    PublicKey,
    SoftwarePrivateKey,
    describe_public_key,
)
from components.keystore.log_events import CALL_HANGS, CONTRACT_BROKEN
from framework.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric.padding import AsymmetricPadding

    from framework.clock import Clock

T = TypeVar("T")

READ_DEADLINE_S: Final = 10.0
"""How long reading may take."""
KEY_DEADLINE_S: Final = 30.0
"""How long a key may take to sign or to decrypt; tokens are slow."""
COMMIT_DEADLINE_S: Final = 30.0
"""How long a change may take."""
GENERATION_DEADLINE_S: Final = 180.0
"""How long making a key pair may take; a TPM needs a minute for a long one."""

_LONGEST_FAULT: Final = 300
_log = logging.getLogger("components.keystore.guard")


def guarded(keystore: KeystoreService, name: str, clock: Clock | None = None) -> GuardedKeystore:
    """The keystore as consumers are to use it. All guards of one keystore share what is known of it.

    Args:
        keystore: A keystore, or one that is guarded already, which is returned.
        name: Its `kura.service.pid`, for messages.
        clock: The gateway's clock; the machine's if None.
    """
    if isinstance(keystore, GuardedKeystore):
        return keystore
    return GuardedKeystore(keystore, _Calls.of(keystore, name, clock or SystemClock()))


@final
class GuardedKeystore(KeystoreService):
    """A keystore behind a guard; made by `guarded`."""

    def __init__(self, keystore: KeystoreService, calls: _Calls) -> None:
        self._keystore = keystore
        self._calls = calls

    @property
    def capabilities(self) -> KeystoreCapabilities:
        """See `KeystoreService`."""
        return self._read("capabilities", lambda: _demand(self._keystore.capabilities, KeystoreCapabilities))

    def aliases(self) -> tuple[str, ...]:
        """See `KeystoreService`."""
        return self._read("aliases()", lambda: _check_aliases(self._keystore.aliases()))

    def get(self, alias: str) -> Entry | None:
        """See `KeystoreService`."""

        def get() -> Entry | None:
            entry = self._keystore.get(alias)
            return None if entry is None else self._guard_entry(entry)

        return self._read("get()", get)

    def entries(self) -> Mapping[str, Entry]:
        """See `KeystoreService`."""
        if self._inherits("entries"):
            return self._entry_by_entry()

        def entries() -> Mapping[str, Entry]:
            found = self._keystore.entries()
            if not isinstance(found, Mapping):
                raise _FaultError(f"returned {_kind_of(found)} and no mapping")
            _check_aliases(tuple(found))
            return MappingProxyType({alias: self._guard_entry(entry) for alias, entry in found.items()})

        return self._read("entries()", entries)

    def commit(self, changes: Changes) -> None:
        """See `KeystoreService`."""
        own = MappingProxyType({alias: self._bare(entry) for alias, entry in changes.items()})
        self._calls.make("commit()", lambda: self._keystore.commit(own), COMMIT_DEADLINE_S)

    def generate_key_pair(
        self, alias: str, algorithm: KeyAlgorithm, size: int, *, subject: x509.Name, now: datetime
    ) -> PrivateKeyEntry:
        """See `KeystoreService`."""
        if self._inherits("generate_key_pair"):
            return super().generate_key_pair(alias, algorithm, size, subject=subject, now=now)

        def generate() -> PrivateKeyEntry:
            made = self._keystore.generate_key_pair(alias, algorithm, size, subject=subject, now=now)
            entry = self._guard_key_entry(_demand(made, PrivateKeyEntry))
            if (found := describe_public_key(entry.key.public_key)) != f"{algorithm} {size}":
                raise _FaultError(f"made a key that is {found} where {algorithm} {size} was asked for")
            return entry

        return self._calls.make("generate_key_pair()", generate, GENERATION_DEADLINE_S)

    def crls(self) -> Sequence[x509.CertificateRevocationList]:
        """See `KeystoreService`."""

        def crls() -> Sequence[x509.CertificateRevocationList]:
            found = self._keystore.crls()
            if not isinstance(found, Sequence):
                raise _FaultError(f"returned {_kind_of(found)} and no sequence")
            return tuple(_demand(each, x509.CertificateRevocationList) for each in found)

        return self._read("crls()", crls)

    def health(self) -> KeystoreHealth:
        """What the keystore says of itself, and what the guard has seen of it."""
        try:
            told = self._own_health()
        except KeystoreTimeoutError:
            return KeystoreHealth(HealthState.UNAVAILABLE, self._calls.problems())
        except KeystoreFaultError:
            return KeystoreHealth(HealthState.DEGRADED, self._calls.problems())
        except KeystoreError as error:
            return KeystoreHealth(HealthState.UNAVAILABLE, (*self._calls.problems(), str(error)))
        if not (seen := self._calls.problems()):
            return told
        state = HealthState.DEGRADED if told.state is HealthState.OK else told.state
        return KeystoreHealth(state, (*seen, *told.problems))

    def __repr__(self) -> str:
        return f"GuardedKeystore({self._calls.keystore})"

    def _inherits(self, member: str) -> bool:
        """Whether the keystore leaves a member to the contract's own code, which is to call others through the guard.

        Otherwise it would take what they return unchecked, and a fault of one would be told of another.
        """
        return getattr(type(self._keystore), member) is getattr(KeystoreService, member)

    def _entry_by_entry(self) -> Mapping[str, Entry]:
        """All entries, in the time that reading may take."""
        ends = self._calls.clock.monotonic() + READ_DEADLINE_S
        found: dict[str, Entry] = {}
        for alias in (aliases := self.aliases()):
            if self._calls.clock.monotonic() > ends:
                read = f"{len(found)} of {len(aliases)} entries were read within {READ_DEADLINE_S:g} s"
                reason = f"{read}; see what it waits for, or ask for single ones"
                raise KeystoreUnavailableError(self._calls.keystore, reason)
            if (entry := self.get(alias)) is not None:
                found[alias] = entry
        return MappingProxyType(found)

    def _own_health(self) -> KeystoreHealth:
        if self._inherits("health"):
            self.aliases()
            return KeystoreHealth()
        return self._read("health()", lambda: _demand(self._keystore.health(), KeystoreHealth))

    def _read(self, operation: str, work: Callable[[], T]) -> T:
        return self._calls.make(operation, work, READ_DEADLINE_S)

    def _guard_entry(self, entry: object) -> Entry:
        if isinstance(entry, PrivateKeyEntry):
            return self._guard_key_entry(entry)
        if isinstance(entry, TrustedCertificateEntry):
            _demand(entry.certificate, x509.Certificate)
            return entry
        if isinstance(entry, SecretKeyEntry):
            return entry
        raise _FaultError(f"returned {_kind_of(entry)} where an entry belongs")

    def _guard_key_entry(self, entry: PrivateKeyEntry) -> PrivateKeyEntry:
        # A key that is in our own memory runs none of the keystore's code.
        if isinstance(entry.key, SoftwarePrivateKey):
            return entry
        return PrivateKeyEntry(GuardedPrivateKey(entry.key, self._calls), entry.chain)

    def _bare(self, entry: Entry | None) -> Entry | None:
        """The entry as the keystore handed it out: it knows its own handles only."""
        if isinstance(entry, PrivateKeyEntry) and isinstance(entry.key, GuardedPrivateKey):
            handle = entry.key.handle_of(self._calls)
            return entry if handle is None else PrivateKeyEntry(handle, entry.chain)
        return entry


@final
class GuardedPrivateKey:
    """A handle of a keystore behind its guard; made while the keystore's code runs, since it asks it for facts."""

    __slots__ = ("_calls", "_exportable", "_handle", "_public_key")

    def __init__(self, handle: PrivateKey, calls: _Calls) -> None:
        public_key, exportable = handle.public_key, handle.exportable
        if not isinstance(public_key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
            raise _FaultError(f"returned a key whose public_key is {_kind_of(public_key)}")
        self._handle = handle
        self._calls = calls
        self._public_key = public_key
        self._exportable = _demand(exportable, bool)

    @property
    def public_key(self) -> PublicKey:
        """See `PrivateKey`."""
        return self._public_key

    @property
    def exportable(self) -> bool:
        """See `PrivateKey`."""
        return self._exportable

    def sign(self, data: bytes, algorithm: hashes.HashAlgorithm) -> bytes:
        """See `PrivateKey`."""
        return self._make("sign()", lambda: _demand(self._handle.sign(data, algorithm), bytes))

    def decrypt(self, ciphertext: bytes, padding: AsymmetricPadding) -> bytes:
        """See `PrivateKey`."""

        def decrypt() -> bytes | ValueError:
            try:
                return _demand(self._handle.decrypt(ciphertext, padding), bytes)
            except ValueError as error:
                if isinstance(error, KeystoreError):
                    raise
                return error  # the contract's own answer to what was not made for this key

        result = self._make("decrypt()", decrypt)
        if isinstance(result, ValueError):
            raise result
        return result

    def export(self) -> ExportedPrivateKey:
        """See `PrivateKey`."""

        def export() -> ExportedPrivateKey:
            key = self._handle.export()
            if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
                raise _FaultError(f"returned {_kind_of(key)} and no key")
            if key.public_key() != self._public_key:
                raise _FaultError("returned another key")
            return key

        return self._make("export()", export)

    def handle_of(self, calls: _Calls) -> PrivateKey | None:
        """The handle behind this one, for the keystore that handed it out and for no other."""
        return self._handle if calls is self._calls else None

    def __repr__(self) -> str:
        return f"GuardedPrivateKey({describe_public_key(self._public_key)})"

    def _make(self, operation: str, work: Callable[[], T]) -> T:
        return self._calls.make(f"{operation} of a key", work, KEY_DEADLINE_S)


class _FaultError(Exception):
    """The keystore returned what the contract does not allow."""


class _Calls:
    """The calls of one keystore: those that hang, and the faults that were seen, by operation."""

    _all: Final[dict[int, tuple[weakref.ref[KeystoreService], _Calls]]] = {}
    _all_lock: Final = threading.Lock()

    def __init__(self, keystore: str, clock: Clock) -> None:
        self.keystore = keystore
        self.clock = clock
        self._lock = threading.Lock()
        self._hanging: list[_Call[Any]] = []
        self._idle: _Worker | None = None
        self._faults: dict[str, str] = {}

    @classmethod
    def of(cls, keystore: KeystoreService, name: str, clock: Clock) -> _Calls:
        """Those of `keystore`; by identity, since a keystore may define what equality it likes."""
        cls._forget_gone()
        key = id(keystore)
        with cls._all_lock:
            known = cls._all.get(key)
            if known is None or known[0]() is not keystore:
                known = cls._all[key] = (weakref.ref(keystore), cls(name, clock))
            return known[1]

    @classmethod
    def _forget_gone(cls) -> None:
        """Forget what is known of keystores that are no more.

        They are looked for here rather than by callbacks of their references, which would run wherever garbage is
        collected; and without the lock, since to look may be to let go of the last reference.
        """
        with cls._all_lock:
            kept = tuple(cls._all.items())
        gone = [(key, known) for key, known in kept if known[0]() is None]
        with cls._all_lock:
            for key, known in gone:
                if cls._all.get(key) is known:
                    del cls._all[key]

    def make(self, operation: str, work: Callable[[], T], seconds: float) -> T:
        """Run the keystore's code, and return what it does.

        Raises:
            KeystoreTimeoutError: It does not end in time, or an earlier call has not.
            KeystoreFaultError: It breaks the contract.
            KeystoreError: As the keystore raises it.
        """
        with self._lock:
            self._hanging = [call for call in self._hanging if not call.done]
            hanging = self._hanging[0] if self._hanging else None
        if hanging is not None:
            raise KeystoreTimeoutError(self.keystore, hanging.operation, hanging.seconds)
        call = _Call(operation, work, seconds, self.clock)
        worker = self._take_worker()
        worker.run(call)
        if not call.wait():
            with self._lock:
                self._hanging.append(call)
            worker.leave()
            facts = {"keystore": self.keystore, "operation": operation, "seconds": seconds}
            _log.error(CALL_HANGS, facts)
            raise KeystoreTimeoutError(self.keystore, operation, seconds)
        self._give_back(worker)
        error = call.error
        if error is not None and (call.words is None or not isinstance(error, KeystoreError)):
            raise self._fault(operation, error, call.words) from error
        with self._lock:
            self._faults.pop(operation, None)
        if error is not None:
            raise error
        return call.value[0]

    def _take_worker(self) -> _Worker:
        with self._lock:
            worker, self._idle = self._idle, None
        return worker or _Worker(f"gatewright-keystore-{self.keystore}")

    def _give_back(self, worker: _Worker) -> None:
        """Keep a worker for the next call; one is enough for who does one thing after another."""
        with self._lock:
            kept, self._idle = self._idle, self._idle or worker
        if kept is not None:
            worker.leave()

    def __del__(self) -> None:
        if self._idle is not None:
            self._idle.leave()

    def problems(self) -> tuple[str, ...]:
        """What is wrong with the keystore, as far as its calls have shown."""
        with self._lock:
            hanging = tuple(
                str(KeystoreTimeoutError(self.keystore, call.operation, call.seconds))
                for call in self._hanging
                if not call.done
            )
            return (*hanging, *self._faults.values())

    def _fault(self, operation: str, error: BaseException, words: str | None) -> KeystoreFaultError:
        if words is None:
            fault = f"raised {type(error).__name__}, whose text cannot be made"
        elif isinstance(error, _FaultError):
            fault = words
        else:
            text = "".join(each if each.isprintable() else "\ufffd" for each in words[:_LONGEST_FAULT])
            fault = f"raised {type(error).__name__}: {text}"
        raised = KeystoreFaultError(self.keystore, operation, fault)
        with self._lock:
            known = self._faults.get(operation)
            self._faults[operation] = str(raised)
        if known != str(raised):
            _log.error(CONTRACT_BROKEN, {"error": raised})
        return raised


class _Call(Generic[T]):
    """One call of a keystore's code."""

    def __init__(self, operation: str, work: Callable[[], T], seconds: float, clock: Clock) -> None:
        self.operation = operation
        self.seconds = seconds
        self.done = False
        self.value: list[T] = []
        self.error: BaseException | None = None
        self.words: str | None = None
        self._work: Callable[[], T] | None = work
        self._clock = clock
        self._deadline = clock.monotonic() + seconds
        self._ended = threading.Condition(threading.Lock())

    def wait(self) -> bool:
        """Wait for the end; whether it came in time."""
        with self._ended:
            while not self.done and (left := self._deadline - self._clock.monotonic()) > 0:
                self._clock.wait(self._ended, left)
            return self.done

    def perform(self) -> None:
        """Do the work, on the worker's thread."""
        work, self._work = self._work, None
        try:
            if work is not None:
                self.value.append(work())
        except BaseException as error:  # noqa: BLE001  # foreign code may raise anything, even try to exit
            self.error = error
            self.words = _words_of(error)
        finally:
            del work
            with self._ended:
                self.done = True
                self._ended.notify_all()


class _Worker:
    """A thread that makes one call after another; nothing that it was given is kept between them."""

    def __init__(self, name: str) -> None:
        self._calls: queue.SimpleQueue[_Call[Any] | None] = queue.SimpleQueue()
        threading.Thread(target=_perform_all, args=(self._calls,), name=name, daemon=True).start()

    def run(self, call: _Call[Any]) -> None:
        """Make a call, after those that were given before."""
        self._calls.put(call)

    def leave(self) -> None:
        """End when all calls have ended; may be said anywhere, even while garbage is collected."""
        self._calls.put(None)


def _perform_all(calls: queue.SimpleQueue[_Call[Any] | None]) -> None:
    while (call := calls.get()) is not None:
        call.perform()
        del call


def _demand(value: object, kind: type[T]) -> T:
    if not isinstance(value, kind):
        raise _FaultError(f"returned {_kind_of(value)} where {kind.__name__} belongs")
    return value


def _check_aliases(aliases: object) -> tuple[str, ...]:
    if not isinstance(aliases, tuple) or not all(isinstance(alias, str) for alias in aliases):
        raise _FaultError("returned something else than a tuple of texts")
    if list(aliases) != sorted(set(aliases)):
        raise _FaultError("returned aliases that are not sorted, or one of them twice")
    for alias in aliases:
        if not (alias and alias.isprintable()):
            raise _FaultError(f"returned {alias!r}, which can be no alias")
    return aliases


def _words_of(error: BaseException) -> str | None:
    """The text of an error, None if it has none to give; making it is foreign code too, so under the deadline."""
    try:
        return str(error)
    except BaseException:  # noqa: BLE001  # as for the call itself
        return None


def _kind_of(value: object) -> str:
    name = type(value).__name__
    return "None" if value is None else f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
