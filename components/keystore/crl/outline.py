"""A CRL without its entries, read in one pass over the file: its frame, its digest, and where each entry stands.

A CRL of some 100,000 entries is larger than all else in a gateway's memory, and most of it is never asked for. So
the entries are skimmed for their serial numbers, and everything round them is decoded as a CRL of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes

from components.asn1 import der
from components.keystore.crl.errors import CrlRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

_WINDOW: Final = 256 * 1024
"""Bytes that are read at a time."""
_LONGEST_ELEMENT: Final = 64 * 1024
"""Bytes of the longest entry, or other part but the list of entries, that an honest CRL has."""
_TIMES: Final = (0x17, 0x18)
_EXTENSIONS: Final = 0xA0


@dataclass(frozen=True, slots=True)
class Outline:
    """What is to be known of a CRL but its entries.

    Attributes:
        frame: A CRL with the same fields and signature, and no entries: its signature does not hold.
        digest: The digest of the signed part, of the signature's hash; None if that is not known.
        entries: How many entries there are.
        size: The bytes of the whole.
    """

    frame: x509.CertificateRevocationList
    digest: bytes | None
    entries: int
    size: int


def skim(file: BinaryIO, entry_found: Callable[[bytes, int], None]) -> Outline:
    """Read a CRL in DER from the beginning of `file`.

    Args:
        file: The file, at its beginning.
        entry_found: Called for each entry with the content of its serial number's INTEGER and where it begins.

    Raises:
        CrlRefusedError: It is none.
        OSError: The file cannot be read.
    """
    reader = _Window(file)
    try:
        return _skim(reader, entry_found)
    except (ValueError, TypeError, IndexError, UnsupportedAlgorithm, x509.DuplicateExtension) as error:
        raise CrlRefusedError(f"it is no CRL in DER ({error})") from error


def _skim(reader: _Window, entry_found: Callable[[bytes, int], None]) -> Outline:
    _, end = reader.header(der.SEQUENCE)
    start = reader.position
    _, signed_end = reader.header(der.SEQUENCE)
    if signed_end > end:
        raise der.DerError("the signed part is cut off")
    head: list[bytes] = []
    if reader.peek() == der.INTEGER:
        head.append(reader.element())
    algorithm = reader.element()
    head += [algorithm, reader.element(), reader.element()]
    if reader.position < signed_end and reader.peek() in _TIMES:
        head.append(reader.element())
    hash_algorithm = _hash_of(head)
    digest = None if hash_algorithm is None else hashes.Hash(hash_algorithm)
    if digest is not None:
        digest.update(reader.since(start))
        reader.consumed = digest.update
    entries = 0
    if reader.position < signed_end and reader.peek() == der.SEQUENCE:
        entries = _skim_entries(reader, signed_end, entry_found)
    if reader.position < signed_end:
        if reader.peek() != _EXTENSIONS:
            raise der.DerError("something unknown follows the entries")
        head.append(reader.element())
    if reader.position != signed_end:
        raise der.DerError("the signed part is longer than it says")
    reader.consumed = None
    frame = x509.load_der_x509_crl(der.sequence(der.sequence(*head), reader.element(), reader.element()))
    # Decoded when they are asked for, so they are asked for here, where what is wrong with them is told as such.
    _ = frame.issuer, frame.last_update_utc, frame.next_update_utc, frame.extensions, frame.signature
    if reader.position != end or not reader.at_end:
        raise der.DerError("something follows the end")
    return Outline(frame, None if digest is None else digest.finalize(), entries, reader.position)


def _skim_entries(reader: _Window, signed_end: int, entry_found: Callable[[bytes, int], None]) -> int:
    _, end = reader.header(der.SEQUENCE)
    if end > signed_end:
        raise der.DerError("the list of entries is cut off")
    entries = 0
    while reader.position < end:
        at = reader.position
        entry_found(_serial(reader.element()), at)
        entries += 1
    if reader.position != end:
        raise der.DerError("an entry is longer than the list of entries")
    return entries


def _hash_of(head: list[bytes]) -> hashes.HashAlgorithm | None:
    """The hash of the signature, of which the file tells before the entries come."""
    algorithm = head[1] if head[0][0] == der.INTEGER else head[0]
    unsigned = der.sequence(der.sequence(*head), algorithm, b"\x03\x01\x00")
    return x509.load_der_x509_crl(unsigned).signature_hash_algorithm


def _serial(entry: bytes) -> bytes:
    begin = 2 if entry[1] < 0x80 else 2 + (entry[1] & 0x7F)
    if entry[0] != der.SEQUENCE or entry[begin] != der.INTEGER or not 0 < entry[begin + 1] < 0x80:
        raise der.DerError("an entry has no serial number")
    return entry[begin + 2 : begin + 2 + entry[begin + 1]]


class _Window:
    """A file that is read forward, a window at a time.

    Attributes:
        consumed: Called with all octets that are gone past, or None.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._data = b""
        self._offset = 0
        self._before = 0
        self.consumed: Callable[[bytes], None] | None = None

    @property
    def position(self) -> int:
        """Where the next element begins."""
        return self._before + self._offset

    @property
    def at_end(self) -> bool:
        """Whether everything was read."""
        return not self._ensure(1)

    def peek(self) -> int:
        """The next element's tag."""
        self._need(1)
        return self._data[self._offset]

    def since(self, start: int) -> bytes:
        """The octets from `start`, which is not far back, to here."""
        return self._data[start - self._before : self._offset]

    def header(self, tag: int) -> tuple[int, int]:
        """Go past an element's header, into it; where it begins and ends."""
        at = self.position
        found, header, length = self._look()
        if found != tag:
            raise der.DerError(f"found tag 0x{found:02x} where 0x{tag:02x} belongs")
        self._advance(header)
        return at, at + header + length

    def element(self) -> bytes:
        """The next element, all its octets."""
        _, header, length = self._look()
        if length > _LONGEST_ELEMENT:
            raise der.DerError(f"an element of {length} bytes is too long")
        size = header + length
        self._need(size)
        data = self._data[self._offset : self._offset + size]
        self._advance(size)
        return data

    def _look(self) -> tuple[int, int, int]:
        """The tag, the length of the header, and that of the content."""
        self._need(2)
        data, at = self._data, self._offset
        length = data[at + 1]
        if length < 0x80:
            return data[at], 2, length
        size = length & 0x7F
        if not 0 < size <= 4:
            raise der.DerError("a length is indefinite or too long")
        self._need(2 + size)
        data, at = self._data, self._offset
        return data[at], 2 + size, int.from_bytes(data[at + 2 : at + 2 + size])

    def _advance(self, size: int) -> None:
        if self.consumed is not None:
            self.consumed(self._data[self._offset : self._offset + size])
        self._offset += size

    def _need(self, size: int) -> None:
        if not self._ensure(size):
            raise der.DerError("the file is cut off")

    def _ensure(self, size: int) -> bool:
        while len(self._data) - self._offset < size:
            more = self._file.read(_WINDOW)
            if not more:
                return False
            self._before += self._offset
            self._data = self._data[self._offset :] + more
            self._offset = 0
        return True
