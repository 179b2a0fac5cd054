"""A keystore in a PKCS #11 token, usable without a gateway."""

from __future__ import annotations

import contextlib
import logging
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeVar, final

from pkcs11.constants import Attribute, ObjectClass
from pkcs11.exceptions import (
    AttributeValueInvalid,
    DeviceMemory,
    FunctionFailed,
    GeneralError,
    KeySizeRange,
    MechanismInvalid,
    PKCS11Error,
    SessionReadOnly,
    TokenWriteProtected,
)

from components.keystore.announcements import Announcements
from components.keystore.certificates import self_signed_certificate
from components.keystore.contract import Changes, HealthState, KeystoreCapabilities, KeystoreHealth, KeystoreService
from components.keystore.entries import Entry, PrivateKeyEntry, check_alias
from components.keystore.errors import (
    KeystoreError,
    KeystoreUnavailableError,
    UnsupportedOperationError,
)
from components.keystore.keys import KeyAlgorithm
from components.keystore.log_events import TOKEN_NOT_TIDIED, TOKEN_OPENED_ANEW, TOKEN_WITHOUT_INDEX
from components.keystore.pkcs11 import operations
from components.keystore.pkcs11.committing import INDEX_LABEL, records_after, store, write_index
from components.keystore.pkcs11.contents import CertificateCache, TokenContents, read_contents
from components.keystore.pkcs11.errors import PinRefusedError
from components.keystore.pkcs11.generation import CURVES, capabilities_of, generate
from components.keystore.pkcs11.index import new_object_id
from components.keystore.pkcs11.key import SessionKey, TokenPrivateKey, algorithm_of
from components.keystore.pkcs11.module import Module, TokenChoice, told
from components.keystore.pkcs11.public_key import public_key_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric.padding import AsymmetricPadding
    from pkcs11.types import Session

    from metatype import Secret

T = TypeVar("T")

_SHARED: Final = (
    "another program has changed the token's entries while this gateway used it; a token is for one gateway, since "
    "of changes at the same time one is lost, with its key: give each its own token (token.label), and restart this one"
)
_log = logging.getLogger("components.keystore.pkcs11")


@final
class TokenKeystore(KeystoreService):
    """Keeps its entries in a token, which nobody else writes to at the same time.

    Nothing is loaded or opened before the first call, and what a removal of the token, a reset of the module or a
    fork makes void is opened anew at the next one. A PIN that was refused is not tried again.

    Args:
        library: The path of the PKCS #11 module.
        choice: Which of its tokens.
        pin: The user PIN; empty for a token that asks for none.
        committed: Called with what really changed, after each commit, in the order of commits, under no lock.
        refused: Called when the token refuses a PIN, with that PIN.
    """

    def __init__(
        self,
        library: str,
        choice: TokenChoice,
        pin: Secret,
        *,
        committed: Callable[[Changes], None] = lambda _: None,
        refused: Callable[[Secret], None] = lambda _: None,
    ) -> None:
        self._module = Module.of(library)
        self._choice = choice
        self._pin = pin
        self._pin_changed = False
        self._refused = refused
        self._refused_pin: Secret | None = None
        self._announcements = Announcements(committed)
        self._session: Session | None = None
        self._epoch = -1
        self._indexed = False
        self._capabilities: KeystoreCapabilities | None = None
        self._contents: TokenContents | None = None
        self._certificates: CertificateCache = {}
        self._key_objects: dict[bytes, Any] = {}
        self._place = b""
        self._is_shared = False

    @property
    def name(self) -> str:
        """The token, for messages."""
        return f"{self._choice} of {self._module.path}"

    def refuse(self, pin: Secret) -> None:
        """Do not try this PIN: the token has refused it before."""
        self._refused_pin = pin

    def change_pin(self, pin: Secret) -> None:
        """Use another PIN from now on, also where another one was refused."""
        self._pin = pin
        self._refused_pin = None
        self._pin_changed = True

    def close(self) -> None:
        """Let go of the session; a module that is at work just now is not waited for."""
        if self._session is not None and self._module.idle():
            with self._module.using() as module:
                self._log_out(module)

    @property
    def capabilities(self) -> KeystoreCapabilities:
        """What the token says; keys made elsewhere are not taken, and none leaves."""
        if self._capabilities is None:
            self._with_session(lambda _: None)
        assert self._capabilities is not None  # noqa: S101  # set whenever a session was opened
        return self._capabilities

    def aliases(self) -> tuple[str, ...]:
        """All aliases, sorted."""
        return tuple(self.entries())

    def get(self, alias: str) -> Entry | None:
        """The entry of `alias`, or None."""
        return self.entries().get(alias)

    def entries(self) -> Mapping[str, Entry]:
        """All entries by alias, as they are at this moment."""
        return self._with_session(lambda session: self._entries_of(self._read(session)))

    def commit(self, changes: Changes) -> None:
        """Make all changes by one write of the token's index."""
        self.capabilities.demand(changes=True)
        self._with_session(lambda session: self._commit(session, self._read(session), changes))
        self._announcements.deliver()

    def generate_key_pair(
        self, alias: str, algorithm: KeyAlgorithm, size: int, *, subject: x509.Name, now: datetime
    ) -> PrivateKeyEntry:
        """See `KeystoreService`; the key is made in the token, sensitive and not extractable."""
        self.capabilities.demand(generates=algorithm)
        check_alias(alias)
        if algorithm is KeyAlgorithm.EC and size not in CURVES:
            sizes = ", ".join(map(str, CURVES))
            raise UnsupportedOperationError(f"an EC key of {size} bits", f"the sizes are {sizes}")
        entry = self._with_session(lambda session: self._generate(session, alias, algorithm, size, subject, now))
        self._announcements.deliver()
        return entry

    def health(self) -> KeystoreHealth:
        """See `KeystoreService`."""
        try:
            self.aliases()
        except KeystoreError as error:
            return KeystoreHealth(HealthState.UNAVAILABLE, (str(error),))
        contents = self._contents
        problems = contents.problems if contents is not None else ()
        if self._is_shared:
            problems = (_SHARED, *problems)
        return KeystoreHealth(HealthState.DEGRADED, problems) if problems else KeystoreHealth()

    def sign(self, key: TokenPrivateKey, data: bytes, digest: hashes.HashAlgorithm) -> bytes:
        """Sign in the token; see `PrivateKey`."""
        public_key = key.public_key
        algorithm = algorithm_of(public_key)
        return self._with_session(
            lambda session: operations.sign(
                self._key_object(session, key.id), algorithm, public_key.key_size, data, digest
            )
        )

    def decrypt(self, key: TokenPrivateKey, ciphertext: bytes, padding: AsymmetricPadding) -> bytes:
        """Decrypt in the token; see `PrivateKey`."""
        if algorithm_of(key.public_key) is KeyAlgorithm.EC:
            raise UnsupportedOperationError("decrypt", "an EC key does not decrypt")
        # What is no ciphertext need not go to the token, some of which answer it with a general error.
        if len(ciphertext) != (key.public_key.key_size + 7) // 8:
            raise ValueError("the ciphertext was not made for this key")

        def decrypt(session: Session) -> bytes | ValueError:
            try:
                return operations.decrypt(self._key_object(session, key.id), ciphertext, padding)
            except ValueError as error:
                if isinstance(error, KeystoreError):
                    raise
                return error
            except (GeneralError, FunctionFailed):
                # Some modules say no more than that of what was not made for a key. Is the token well otherwise?
                self._key_objects.clear()
                self._key_object(session, key.id)
                return ValueError("the ciphertext was not made for this key")

        result = self._with_session(decrypt)
        if isinstance(result, ValueError):
            raise result
        return result

    def __repr__(self) -> str:
        return f"TokenKeystore({self.name})"

    # Sessions

    def _with_session(self, work: Callable[[Session], T]) -> T:
        """Run `work` with a session, a second time with a new one if what it used was void."""
        with self._module.using() as module:
            if self._pin_changed:
                self._pin_changed = False
                self._log_out(module)
                # Some modules remember a token's PIN: they would refuse the right one if another program has set it.
                module.initialise_anew()
            session = self._session if self._epoch == module.epoch else None
            if session is not None:
                try:
                    return self._run(work, session)
                except (PKCS11Error, _VoidError) as error:
                    _log.info(TOKEN_OPENED_ANEW, {"token": self.name, "error": told(error)})
                    self._session = None
                    module.forget_login()
                    module.initialise_anew()
            try:
                return self._run(work, self._open(module))
            except (PKCS11Error, _VoidError) as error:
                self._session = None
                raise KeystoreUnavailableError(
                    self.name, f"the token does not do it: {told(error)}; see whether it is there and well"
                ) from error

    def _log_out(self, module: Module) -> None:
        session, self._session = self._session, None
        if session is not None and self._epoch == module.epoch:
            module.forget_login()
            with contextlib.suppress(PKCS11Error):
                session.close()

    def _run(self, work: Callable[[Session], T], session: Session) -> T:
        try:
            return work(session)
        except (SessionReadOnly, TokenWriteProtected) as error:
            raise UnsupportedOperationError("change the keystore", "the token is write-protected") from error
        except DeviceMemory as error:
            raise KeystoreError(f"keystore {self.name}: the token is full; delete what is not needed") from error
        except (KeySizeRange, MechanismInvalid, AttributeValueInvalid) as error:
            raise UnsupportedOperationError("use a key of this kind", f"the token says {told(error)}") from error

    def _open(self, module: Module) -> Session:
        """Open a session, look at what the token can, and tidy what a crash has left."""
        pin = self._pin
        if pin and pin == self._refused_pin:
            raise PinRefusedError(self.name)
        self._contents = None
        self._indexed = False
        self._key_objects.clear()
        try:
            token = module.find(self._choice)
        except (KeystoreUnavailableError, PKCS11Error):
            # Some modules see a token that came back only when they begin anew.
            module.initialise_anew()
            token = module.find(self._choice)
        try:
            session, writes = module.open(token, pin)
        except PinRefusedError:
            self._refused_pin = pin
            self._refused(pin)
            raise
        self._session, self._epoch = session, module.epoch
        self._place = module.place_of(token)
        self._capabilities = capabilities_of(token, writes=writes)
        if writes:
            self._run(self._begin, session)
        self._indexed = self._read(session).indexed
        return session

    def _begin(self, session: Session) -> None:
        contents = self._read(session)
        if contents.indexed:
            self._tidy(contents)
        else:
            # Without an index what is there may be all that is left of a keystore: it is taken up, not tidied away.
            adopted = {alias: record for alias, record in contents.records.items() if contents.is_own(record)}
            if adopted:
                _log.warning(TOKEN_WITHOUT_INDEX, {"token": self.name, "aliases": list(adopted)})
            self._contents = self._written(write_index(session, contents, adopted))

    # Reading

    def _read(self, session: Session) -> TokenContents:
        """What is on the token; read whole only if the index is another one."""
        indices = list(session.get_objects({Attribute.CLASS: ObjectClass.DATA, Attribute.LABEL: INDEX_LABEL}))
        values = tuple(sorted(bytes(each[Attribute.VALUE]) for each in indices))
        if self._indexed and not values:
            # A module that lost its token may show it as empty.
            raise _VoidError("what was on the token is gone")
        known = self._contents
        if known is not None and known.index_values == values:
            return known
        if known is not None and not {*known.index_values, self._module.last_indices.get(self._place)} >= set(values):
            self._is_shared = True
        self._contents = read_contents(session, values, indices, self._certificates)
        return self._contents

    def _written(self, contents: TokenContents) -> TokenContents:
        """Note the index that was just written, so that all keystores of this process know whose it is."""
        (self._module.last_indices[self._place],) = contents.index_values
        return contents

    def _entries_of(self, contents: TokenContents) -> Mapping[str, Entry]:
        return contents.entries(lambda object_id, public_key: TokenPrivateKey(self, object_id, public_key))

    def _key_object(self, session: Session, object_id: bytes) -> Any:
        known = self._key_objects.get(object_id)
        if known is None:
            found = list(session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY, Attribute.ID: object_id}))
            if not found:
                raise _VoidError("the key is no longer in the token")
            known = self._key_objects[object_id] = found[0]
        return known

    # Changing

    def _commit(self, session: Session, contents: TokenContents, changes: Changes) -> None:
        before = self._entries_of(contents)
        different = {alias: entry for alias, entry in changes.items() if before.get(alias) != entry}
        records = records_after(contents, changes)
        if not different:
            return
        try:
            self._contents = self._written(store(session, contents, different, records))
        except BaseException:
            self._contents = None
            raise
        self._announcements.add(MappingProxyType(different))
        try:
            self._tidy(self._contents)
        except (PKCS11Error, KeystoreError) as error:
            self._contents = None
            _log.info(TOKEN_NOT_TIDIED, {"token": self.name, "error": error})

    def _tidy(self, contents: TokenContents) -> None:
        """Remove what the index does not name: what was deleted, and what a crash has left, if not another program."""
        if not self._is_shared and contents.remove_unnamed():
            self._contents = None
            self._key_objects.clear()

    def _generate(
        self, session: Session, alias: str, algorithm: KeyAlgorithm, size: int, subject: x509.Name, now: datetime
    ) -> PrivateKeyEntry:
        object_id = new_object_id()
        public, private = generate(session, alias, object_id, algorithm, size)
        try:
            public_key = public_key_of(public, algorithm)
            public.destroy()
            key = TokenPrivateKey(self, object_id, public_key)
            self._key_objects[object_id] = private
            signer = SessionKey(key, lambda data, digest: operations.sign(private, algorithm, size, data, digest))
            entry = PrivateKeyEntry(key, (self_signed_certificate(signer, subject, now),))
            contents = self._read(session)
            contents.keys[object_id], contents.labels[object_id] = private, alias
            self._commit(session, contents, {alias: entry})
        except BaseException:
            self._contents = None
            with contextlib.suppress(PKCS11Error):
                private.destroy()
            raise
        return entry


class _VoidError(Exception):
    """What a session shows is not what was there before: the token or the module has begun anew."""
