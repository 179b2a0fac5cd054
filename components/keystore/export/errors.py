"""What can go wrong with an export."""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.keystore.errors import KeystoreError, storage_error

if TYPE_CHECKING:
    from pathlib import Path


class ExportError(KeystoreError):
    """Entries cannot be exported, or an export cannot be taken back. The keystore itself is not concerned.

    Attributes:
        path: The directory of the export.
        reason: Why, in words, and what to do.
        errno: The error number where the file system said no, or None.
    """

    def __init__(self, path: Path, reason: str, errno: int | None = None) -> None:
        super().__init__(f"export to {path}: {reason}")
        self.path = path
        self.reason = reason
        self.errno = errno

    @classmethod
    def of(cls, path: Path, what: str, error: OSError) -> ExportError:
        """What the file system said, with what to do about it."""
        return cls(path, storage_error(path, what, error, writing=True).reason, error.errno)
