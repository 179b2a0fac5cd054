"""What the CA has issued: one SQLite file, durable before anybody hears of it."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tools.scep_ca.errors import CaStateError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FILE: Final = "issued.db"

_SCHEMA_VERSION: Final = 1
_SCHEMA: Final = """
CREATE TABLE issued (
    serial INTEGER PRIMARY KEY,
    transaction_id TEXT NOT NULL,
    public_key BLOB NOT NULL,
    certificate BLOB NOT NULL,
    UNIQUE (transaction_id, public_key)
) STRICT;
"""


@dataclass(frozen=True, slots=True)
class IssuedCertificate:
    """One entry.

    Attributes:
        transaction_id: The SCEP transaction in which it was issued.
    """

    transaction_id: str
    certificate: x509.Certificate


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
                "INSERT INTO issued VALUES (?, ?, ?, ?)",
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
            rows = self._connection.execute("SELECT transaction_id, certificate FROM issued ORDER BY serial").fetchall()
        return tuple(
            IssuedCertificate(transaction_id, x509.load_der_x509_certificate(encoded))
            for transaction_id, encoded in rows
        )

    def close(self) -> None:
        """Let others open it."""
        with self._lock:
            self._connection.close()

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
            if version > _SCHEMA_VERSION:
                raise CaStateError(directory, f"{FILE} was written by a newer version")
            if version == 0:
                self._connection.execute(_SCHEMA)
                self._connection.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
