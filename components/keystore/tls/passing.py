"""Passing PEM to OpenSSL, which reads keys from files only: files in memory, where the system has them."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Sequence

    from cryptography import x509

    from components.keystore.keys import ExportedPrivateKey


def load_identity(context: ssl.SSLContext, key: ExportedPrivateKey, chain: Sequence[x509.Certificate]) -> None:
    """Give a key and its chain to a context; the key is on no disk, or (where there are no memfds) only encrypted.

    Raises:
        ssl.SSLError: OpenSSL does not take them.
        OSError: There is no place for a temporary file.
    """
    certificates = b"".join(one.public_bytes(Encoding.PEM) for one in chain)
    with _memory_file() as memory:
        if memory is not None:
            pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            memory.write_bytes(pem + certificates)
            context.load_cert_chain(memory)
            return
    password = secrets.token_bytes(32).hex().encode()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password))
    with _temporary_file(pem + certificates) as path:
        context.load_cert_chain(path, password=password)


@contextlib.contextmanager
def _memory_file() -> Iterator[Path | None]:
    """The path of an empty file in memory, or None where the system has no such."""
    try:
        handle = os.memfd_create("gatewright-tls", os.MFD_CLOEXEC)
    except (AttributeError, OSError):
        yield None
        return
    try:
        path = Path(f"/proc/self/fd/{handle}")
        yield path if path.exists() else None
    finally:
        os.close(handle)


@contextlib.contextmanager
def _temporary_file(data: bytes) -> Iterator[Path]:
    """A file of mode 0600 in a directory of its own, both gone at the end."""
    with tempfile.TemporaryDirectory(prefix="gatewright-tls-") as directory:
        path = Path(directory, "material.pem")
        path.touch(mode=0o600)
        path.write_bytes(data)
        yield path
