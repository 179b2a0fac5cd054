"""Where the entries of a CRL stand: a table on disk, sorted by a digest of the serial number.

A row is 8 octets: 32 bits of the digest, then the offset of the entry in the CRL. A question is a binary search by
`pread`, then a look at the entries with that digest, so a collision costs one more read and never a wrong answer.
"""

from __future__ import annotations

import os
import sys
import zlib
from array import array
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_BUCKETS: Final = 256
_ROW: Final = 8


class IndexBuilder:
    """Collects the rows in memory: 8 octets for each, a few for the buckets that they are sorted in."""

    def __init__(self) -> None:
        self._buckets = [array("Q") for _ in range(_BUCKETS)]

    def add(self, serial: bytes, offset: int) -> None:
        """Note the entry of a serial number (content octets of its INTEGER)."""
        digest = zlib.crc32(serial)
        self._buckets[digest >> 24].append(digest << 32 | offset)

    def table(self) -> bytes:
        """The table as it stands on disk."""
        parts = []
        for bucket in self._buckets:
            rows = array("Q", sorted(bucket))
            if sys.byteorder == "little":
                rows.byteswap()
            parts.append(rows.tobytes())
        self._buckets = []
        return b"".join(parts)


def offsets(handle: int, start: int, rows: int, serial: bytes) -> Iterator[int]:
    """Where entries stand whose serial number may be `serial`.

    Args:
        handle: The descriptor of the file with the table.
        start: Where the table begins in it.
        rows: How many rows it has.
        serial: Content octets of the serial number's INTEGER.
    """
    digest = zlib.crc32(serial)
    low, high = 0, rows
    while low < high:
        middle = (low + high) // 2
        if _row(handle, start, middle) >> 32 < digest:
            low = middle + 1
        else:
            high = middle
    while low < rows and (row := _row(handle, start, low)) >> 32 == digest:
        yield row & 0xFFFFFFFF
        low += 1


def _row(handle: int, start: int, number: int) -> int:
    return int.from_bytes(os.pread(handle, _ROW, start + _ROW * number))
