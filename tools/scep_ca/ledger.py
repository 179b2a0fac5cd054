"""What the CA has issued, revoked and been asked for: one SQLite file, durable before anybody hears of it."""

from __future__ import annotations

import contextlib
import enum
import os
import sqlite3
import threading
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from tools.scep_ca.errors import CaStateError
from tools.scep_ca.policy import CertificationRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FILE: Final = "issued.db"

_HELD: Final = "transaction_id, request, at, decision"

_MIGRATIONS: Final = (
    (
        """
        CREATE TABLE issued (
            serial INTEGER PRIMARY KEY,
            transaction_id TEXT NOT NULL,
            public_key BLOB NOT NULL,
            certificate BLOB NOT NULL,
            UNIQUE (transaction_id, public_key)
        ) STRICT;
        """,
    ),
    (
        "ALTER TABLE issued ADD COLUMN revoked_at TEXT;",
        """
        CREATE TABLE held (
            number INTEGER PRIMARY KEY,
            transaction_id TEXT NOT NULL,
            public_key BLOB NOT NULL,
            request BLOB NOT NULL,
            at TEXT NOT NULL,
            decision TEXT NOT NULL,
            UNIQUE (transaction_id, public_key)
        ) STRICT;
        """,
        "CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;",
    ),
)
"""What each version of the schema adds to the one before it."""


class Decision(enum.StrEnum):
    """What was decided of a request that a person must approve."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class IssuedCertificate:
    """One entry.

    Attributes:
        transaction_id: The SCEP transaction in which it was issued.
        revoked_at: When it was revoked, or None.
    """

    transaction_id: str
    certificate: x509.Certificate
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PendingRequest:
    """A request that a person must approve.

    Attributes:
        transaction_id: Its SCEP transaction.
        request: What is asked for; the challenge password is not kept.
        at: When it came.
    """

    transaction_id: str
    request: CertificationRequest
    at: datetime
    decision: Decision


class Ledger:
    """The certificates of a CA by serial number. Its methods may be called from any thread.

    While it is open no other process can open it, which makes it the lock of the CA's directory; a process
    that is killed gives it up.

    Args:
        directory: The CA's directory, which must be there.

    Raises:
        CaStateError: It is open elsewhere, is damaged, or was written by a newer version.
    """

    def __init__(self, directory: Path) -> None:
        self._lock = threading.Lock()
        path = directory / FILE
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        self._connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            self._open(directory)
        except sqlite3.Error as error:
            self._connection.close()
            locked = isinstance(error, sqlite3.OperationalError) and "locked" in str(error)
            reason = "another process uses it; stop that first" if locked else f"{FILE}: {error}"
            raise CaStateError(directory, reason) from error
        except CaStateError:
            self._connection.close()
            raise

    def record(
        self,
        transaction_id: str,
        public_key: bytes,
        *,
        after: int,
        issue: Callable[[int], x509.Certificate],
    ) -> tuple[x509.Certificate, bool]:
        """The certificate of a transaction and key: the one recorded, or else a new one, recorded now.

        Args:
            transaction_id: The SCEP transaction.
            public_key: What tells the key from all others.
            after: Serial numbers are larger than this one, and than all recorded ones.
            issue: Makes the certificate with a serial number.

        Returns:
            The certificate, and whether it is new.
        """
        with self._lock, self._transaction():
            row = self._connection.execute(
                "SELECT certificate FROM issued WHERE transaction_id = ? AND public_key = ?",
                (transaction_id, public_key),
            ).fetchone()
            if row is not None:
                return x509.load_der_x509_certificate(row[0]), False
            (last,) = self._connection.execute("SELECT max(serial) FROM issued").fetchone()
            certificate = issue(max(after, last or 0) + 1)
            self._connection.execute(
                "INSERT INTO issued (serial, transaction_id, public_key, certificate) VALUES (?, ?, ?, ?)",
                (
                    certificate.serial_number,
                    transaction_id,
                    public_key,
                    certificate.public_bytes(Encoding.DER),
                ),
            )
            return certificate, True

    def issued(self) -> tuple[IssuedCertificate, ...]:
        """All entries in the order in which they were made."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT transaction_id, certificate, revoked_at FROM issued ORDER BY serial"
            ).fetchall()
        return tuple(map(_issued, rows))

    def find(self, serial_number: int) -> IssuedCertificate | None:
        """The entry of a serial number."""
        if not 0 <= serial_number < 2**63:
            return None
        with self._lock:
            row = self._connection.execute(
                "SELECT transaction_id, certificate, revoked_at FROM issued WHERE serial = ?", (serial_number,)
            ).fetchone()
        return None if row is None else _issued(row)

    def revoke(self, serial_number: int, now: datetime) -> bool:
        """Note that a certificate is revoked, if it was not before; False if there is none."""
        with self._lock, self._transaction():
            changed = self._connection.execute(
                "UPDATE issued SET revoked_at = coalesce(revoked_at, ?) WHERE serial = ?",
                (now.isoformat(), serial_number),
            )
            return changed.rowcount == 1

    def hold(
        self, transaction_id: str, public_key: bytes, request: CertificationRequest, now: datetime
    ) -> PendingRequest:
        """Keep a request for a person to decide, unless one of that transaction and key is; the one that is kept."""
        with self._lock, self._transaction():
            self._connection.execute(
                "INSERT OR IGNORE INTO held (transaction_id, public_key, request, at, decision) VALUES (?, ?, ?, ?, ?)",
                (transaction_id, public_key, _template(request, now), now.isoformat(), Decision.PENDING.value),
            )
            return _held(self._held_row(transaction_id, public_key))

    def held(self, transaction_id: str, public_key: bytes) -> PendingRequest | None:
        """A request that is kept."""
        with self._lock:
            row = self._held_row(transaction_id, public_key)
        return None if row is None else _held(row)

    def all_held(self) -> tuple[PendingRequest, ...]:
        """All requests that are or were kept, oldest first."""
        with self._lock:
            rows = self._connection.execute(f"SELECT {_HELD} FROM held ORDER BY number").fetchall()  # noqa: S608  # the same
        return tuple(map(_held, rows))

    def decide(self, transaction_id: str, decision: Decision) -> bool:
        """Note what was decided of the requests of a transaction; False if none waits."""
        with self._lock, self._transaction():
            changed = self._connection.execute(
                "UPDATE held SET decision = ? WHERE transaction_id = ? AND decision = ?",
                (decision.value, transaction_id, Decision.PENDING.value),
            )
            return changed.rowcount > 0

    def fact(self, name: str) -> str | None:
        """Something else that was noted."""
        with self._lock:
            row = self._connection.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def set_fact(self, name: str, value: str) -> None:
        """Note something else."""
        with self._lock, self._transaction():
            self._connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    def close(self) -> None:
        """Let others open it."""
        with self._lock:
            self._connection.close()

    def _held_row(self, transaction_id: str, public_key: bytes) -> Any:
        return self._connection.execute(
            f"SELECT {_HELD} FROM held WHERE transaction_id = ? AND public_key = ?",  # noqa: S608  # a constant
            (transaction_id, public_key),
        ).fetchone()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def _open(self, directory: Path) -> None:
        for pragma in ("locking_mode = EXCLUSIVE", "journal_mode = WAL", "synchronous = FULL"):
            self._connection.execute(f"PRAGMA {pragma}")
        with self._transaction():
            (version,) = self._connection.execute("PRAGMA user_version").fetchone()
            if version > len(_MIGRATIONS):
                raise CaStateError(directory, f"{FILE} was written by a newer version")
            for statement in (statement for added in _MIGRATIONS[version:] for statement in added):
                self._connection.execute(statement)
            self._connection.execute(f"PRAGMA user_version = {len(_MIGRATIONS)}")


def _issued(row: tuple[str, bytes, str | None]) -> IssuedCertificate:
    transaction_id, encoded, revoked_at = row
    revoked = None if revoked_at is None else datetime.fromisoformat(revoked_at)
    return IssuedCertificate(transaction_id, x509.load_der_x509_certificate(encoded), revoked)


def _template(request: CertificationRequest, now: datetime) -> bytes:
    """What is asked for, without the challenge password, as a certificate that nobody vouches for."""
    nobody = ec.generate_private_key(ec.SECP256R1())
    builder = (
        x509.CertificateBuilder()
        .subject_name(request.subject)
        .issuer_name(x509.Name([]))
        .public_key(request.public_key)
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now)
    )
    if request.alternative_names is not None:
        builder = builder.add_extension(request.alternative_names, critical=False)
    return builder.sign(nobody, hashes.SHA256()).public_bytes(Encoding.DER)


def _held(row: tuple[str, bytes, str, str]) -> PendingRequest:
    transaction_id, encoded, at, decision = row
    template = x509.load_der_x509_certificate(encoded)
    public_key = template.public_key()
    assert isinstance(public_key, rsa.RSAPublicKey)  # noqa: S101  # no other is kept
    try:
        names = template.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        names = None
    request = CertificationRequest(template.subject, public_key, names)
    return PendingRequest(transaction_id, request, datetime.fromisoformat(at), Decision(decision))
