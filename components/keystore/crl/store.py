"""CRLs on disk: each a file in DER, and beside it an index of its entries."""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import tempfile
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from components.asn1 import der
from components.keystore.crl.errors import CrlError, CrlRefusedError
from components.keystore.crl.index import IndexBuilder, offsets
from components.keystore.crl.outline import skim
from components.keystore.crl.service import CrlRecord, RevocationStatus
from components.keystore.crl.verification import (
    authority_key_identifier,
    check_content,
    check_signature,
    check_succession,
    covers,
    crl_number,
    issuing_point,
    key_digest,
    may_sign,
)
from components.keystore.log_events import CRL_NOT_USED
from framework.storage import make_private_directory, replace_file, sync_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_MAGIC: Final = b"GWCRL2\n\x00"
_TAIL: Final = 32
"""Octets at the end of a CRL, which are of its signature, that say whether an index is of it."""
_HEAD: Final = len(_MAGIC) + 4
"""Octets before the description of the CRL in an index, the last four of which say how long that is."""
_LONGEST_ENTRY: Final = 64 * 1024

_log = logging.getLogger("components.keystore.crl")


@dataclass(frozen=True, slots=True)
class KeptCrl:
    """A CRL on disk.

    Attributes:
        record: What is told of it.
        frame: The CRL without its entries.
        path: Its file.
        tail: Its last octets, which the index beside it is named by: an index is of one content only.
        fetched: When it was last had from its source (aware).
        signer: Whose signature was checked, as of `key_digest`; empty if nobody's was.
    """

    record: CrlRecord
    frame: x509.CertificateRevocationList
    path: Path
    tail: bytes
    fetched: datetime
    signer: str

    @property
    def index(self) -> Path:
        """The index beside it."""
        return _index_of(self.path, self.tail)


class CrlStore:
    """The CRLs in one directory, of which one process has charge. It may be asked from any thread.

    Args:
        directory: Where they are; it is made.

    Attributes:
        verify: Whether those count only whose signature was checked; may be changed at any time.

    Raises:
        OSError: It cannot be made or read.
    """

    def __init__(self, directory: Path, *, verify: bool = True) -> None:
        self.directory = directory
        self.verify = verify
        self._writing = threading.Lock()
        make_private_directory(directory)
        for left in directory.glob(".*.new"):
            left.unlink(missing_ok=True)
        loaded = (_load(path) for path in sorted(directory.glob("*.crl")))
        self._kept = {one.path.name: one for one in loaded if one is not None}

    @property
    def kept(self) -> tuple[KeptCrl, ...]:
        """What is there and counts."""
        return tuple(one for one in tuple(self._kept.values()) if one.signer or not self.verify)

    def receive(self, fill: Callable[[BinaryIO], None]) -> Path:
        """Have a temporary file filled, which `install` takes; it is removed if that fails."""
        handle, name = tempfile.mkstemp(prefix=".received.", suffix=".new", dir=self.directory)
        try:
            with os.fdopen(handle, "w+b") as file:
                fill(file)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        return Path(name)

    def install(self, received: Path, source: str, trusted: Sequence[x509.Certificate], now: datetime) -> bool:
        """Verify a CRL, and keep it in place of the one of the same issuer and scope; the file is gone afterwards.

        Returns:
            Whether it is another one than that which was kept.

        Raises:
            CrlRefusedError: It is none to rely on; what was kept stays.
            OSError: It cannot be written; what was kept stays.
        """
        builder = IndexBuilder()
        try:
            with received.open("rb") as file:
                outline = skim(file, builder.add)
            check_content(outline.frame, now)
            signer = key_digest(check_signature(outline, trusted)) if self.verify else ""
            path = self.directory / f"{_name(outline.frame)}.crl"
            with self._writing:
                known = self._known(path)
                if known is not None:
                    check_succession(known.frame, outline.frame, path)
                elif (last := _last_of(path, signer)) is not None:
                    check_succession(last, outline.frame, _last_path(path))
                changed = known is None or known.frame.signature != outline.frame.signature
                meta = {"source": source, "fetched": now.timestamp(), "signer": signer, "entries": outline.entries}
                self._replace(known, received, _write_index(path, received, meta, builder, outline.frame))
        finally:
            received.unlink(missing_ok=True)
        return changed

    def _known(self, path: Path) -> KeptCrl | None:
        """What is kept at `path`, also if it could not be read when this began."""
        known = self._kept.get(path.name)
        return _load(path) if known is None and path.exists() else known

    def _replace(self, known: KeptCrl | None, received: Path, kept: KeptCrl) -> None:
        """Put a CRL, whose index is written, in place of the one that is known; called with the lock held."""
        try:
            received.replace(kept.path)
        except OSError:
            if known is None or known.index != kept.index:
                kept.index.unlink(missing_ok=True)
            raise
        self._kept[kept.path.name] = kept
        sync_directory(self.directory)
        if known is not None and known.index != kept.index:
            known.index.unlink(missing_ok=True)
        _last_path(kept.path).unlink(missing_ok=True)
        for other in self._renamed(kept):
            self._forget(other)

    def verify_kept(self, trusted: Sequence[x509.Certificate]) -> list[str]:
        """Forget the CRLs that nobody signed who is trusted now; returns what was forgotten and why, in words.

        A CRL is read again only if who signed it is not among them.

        Raises:
            OSError: A CRL cannot be read, or its index not written.
        """
        signers = {key_digest(one) for one in trusted if may_sign(one)}
        return [
            f"the CRL of {kept.record.issuer} from {kept.record.source or 'an unknown source'} is forgotten: {reason}"
            for kept in tuple(self._kept.values())
            if kept.signer not in signers and (reason := self._verify_again(kept, trusted)) is not None
        ]

    def _verify_again(self, kept: KeptCrl, trusted: Sequence[x509.Certificate]) -> str | None:
        builder = IndexBuilder()
        try:
            with kept.path.open("rb") as file:
                outline = skim(file, builder.add)
            signer = key_digest(check_signature(outline, trusted))
        except CrlRefusedError as error:
            with self._writing:
                if self._kept.get(kept.path.name) is kept:
                    _remember_last(kept)
                    self._forget(kept)
            return error.reason
        meta = {
            "source": kept.record.source,
            "fetched": kept.fetched.timestamp(),
            "signer": signer,
            "entries": outline.entries,
        }
        with self._writing:
            if self._kept.get(kept.path.name) is kept:  # or another one came meanwhile
                self._kept[kept.path.name] = _write_index(kept.path, kept.path, meta, builder, outline.frame)
        return None

    def _renamed(self, kept: KeptCrl) -> list[KeptCrl]:
        """What is kept of the same signer and scope under another name: its CRLs bore another key identifier."""
        scope = _scope(kept.frame)
        return [
            one
            for one in self._kept.values()
            if kept.signer and one.signer == kept.signer and one is not kept and _scope(one.frame) == scope
        ]

    def _forget(self, kept: KeptCrl) -> None:
        self._kept.pop(kept.path.name, None)
        kept.index.unlink(missing_ok=True)
        kept.path.unlink(missing_ok=True)

    def status(self, certificate: x509.Certificate, now: datetime) -> RevocationStatus:
        """What the CRLs say of a certificate.

        Raises:
            CrlError: A CRL cannot be read.
        """
        serial = der.decode(der.integer(certificate.serial_number)).content
        found = RevocationStatus.UNKNOWN
        for kept in self.kept:
            if not covers(kept.frame, certificate):
                continue
            try:
                if _lists(kept, serial):
                    return RevocationStatus.REVOKED
            except (OSError, der.DerError) as error:
                if self._is_superseded(kept):
                    return self.status(certificate, now)
                raise CrlError(f"the CRL {kept.path} cannot be read: {error}; remove it, and refresh") from error
            due = kept.record.next_update
            if due is None or now <= due:
                found = RevocationStatus.GOOD
        return found

    def _is_superseded(self, kept: KeptCrl) -> bool:
        """Whether another one took its place while it was asked; one that is about to is waited for."""
        with self._writing:
            return self._kept.get(kept.path.name) is not kept

    def decoded(self) -> Iterator[x509.CertificateRevocationList]:
        """The CRLs with their entries, each read when it is its turn.

        Raises:
            CrlError: One cannot be read.
        """
        for kept in self.kept:
            try:
                yield x509.load_der_x509_crl(kept.path.read_bytes())
            except (OSError, ValueError) as error:
                raise CrlError(f"the CRL {kept.path} cannot be read: {error}; remove it, and refresh") from error


def _lists(kept: KeptCrl, serial: bytes) -> bool:
    with kept.index.open("rb", buffering=0) as index, kept.path.open("rb", buffering=0) as crl:
        end = os.fstat(crl.fileno()).st_size
        if os.pread(crl.fileno(), _TAIL, max(0, end - _TAIL)) != kept.tail:
            raise OSError(errno.ESTALE, "it is another one than its index is of")
        table = _HEAD + int.from_bytes(os.pread(index.fileno(), 4, len(_MAGIC)))
        for offset in offsets(index.fileno(), table, kept.record.entries, serial):
            head = os.pread(crl.fileno(), 6, offset)
            size = 2 + head[1] if head[1] < 0x80 else 2 + (head[1] & 0x7F) + _LONGEST_ENTRY
            entry = der.Reader(os.pread(crl.fileno(), size, offset)).next()
            if entry.children().next().expect(der.INTEGER) == serial:
                return True
    return False


def _name(frame: x509.CertificateRevocationList) -> str:
    """One name for each issuer, scope and key, since a CA that changes its key may have a CRL of each."""
    key = authority_key_identifier(frame) or b""
    return hashlib.sha256(frame.issuer.public_bytes() + _scope(frame) + key).hexdigest()[:32]


def _scope(frame: x509.CertificateRevocationList) -> bytes:
    point = issuing_point(frame)
    return b"" if point is None else point.public_bytes()


def _last_path(path: Path) -> Path:
    return path.with_suffix(".last")


def _remember_last(kept: KeptCrl) -> None:
    """Keep what says how old a CRL is that is forgotten, lest an older one is taken when its signer is trusted again.

    One that nobody's signature was checked of says nothing.

    Raises:
        OSError: It cannot be written.
    """
    if kept.signer:
        last = {"signer": kept.signer, "frame": kept.frame.public_bytes(Encoding.DER).hex()}
        replace_file(_last_path(kept.path), json.dumps(last).encode())


def _last_of(path: Path, signer: str) -> x509.CertificateRevocationList | None:
    """The CRL, without its entries, that was forgotten at `path`; None if there was none that `signer` has signed.

    Raises:
        OSError: It cannot be read.
    """
    try:
        last = json.loads(_last_path(path).read_bytes())
        return x509.load_der_x509_crl(bytes.fromhex(last["frame"])) if last["signer"] == signer else None
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def _index_of(path: Path, tail: bytes) -> Path:
    return path.with_name(f"{path.stem}.{tail.hex()}.idx")


def _write_index(
    path: Path, content: Path, meta: dict[str, Any], builder: IndexBuilder, frame: x509.CertificateRevocationList
) -> KeptCrl:
    """Write the index of a CRL that is, or is about to be, at `path`; its octets are those of the file `content`."""
    tail = _tail(content)
    size = content.stat().st_size
    encoded = json.dumps({**meta, "frame": frame.public_bytes(Encoding.DER).hex(), "size": size})
    head = _MAGIC + len(encoded).to_bytes(4) + encoded.encode()
    replace_file(_index_of(path, tail), head + builder.table())
    return _kept(path, tail, json.loads(encoded))


def _load(path: Path) -> KeptCrl | None:
    """A CRL that was kept, or None if it is none or cannot be read; one without an index is indexed anew."""
    builder = IndexBuilder()
    try:
        kept = _indexed(path)
        if kept is None:
            with path.open("rb") as file:
                outline = skim(file, builder.add)
            meta = {"source": "", "fetched": 0, "signer": "", "entries": outline.entries}
            kept = _write_index(path, path, meta, builder, outline.frame)
        for other in path.parent.glob(f"{path.stem}*.idx"):
            if other != kept.index:
                other.unlink(missing_ok=True)  # of a replacement that was interrupted
    except CrlRefusedError:
        path.unlink(missing_ok=True)  # torn; it is fetched again
    except OSError as error:
        _log.warning(CRL_NOT_USED, {"path": path, "error": error})
    else:
        return kept
    return None


def _indexed(path: Path) -> KeptCrl | None:
    """A CRL by the index beside it; None if there is none, or it is of another one (after a crash)."""
    tail = _tail(path)
    try:
        with _index_of(path, tail).open("rb") as file:
            if file.read(len(_MAGIC)) != _MAGIC:
                return None
            meta = json.loads(file.read(int.from_bytes(file.read(4))))
        return _kept(path, tail, meta) if meta["size"] == path.stat().st_size else None
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def _kept(path: Path, tail: bytes, meta: dict[str, Any]) -> KeptCrl:
    frame = x509.load_der_x509_crl(bytes.fromhex(meta["frame"]))
    record = CrlRecord(
        issuer=frame.issuer.rfc4514_string(),
        number=crl_number(frame),
        this_update=frame.last_update_utc,
        next_update=frame.next_update_utc,
        entries=meta["entries"],
        size=meta["size"],
        source=meta["source"],
    )
    return KeptCrl(record, frame, path, tail, datetime.fromtimestamp(meta["fetched"], UTC), meta["signer"])


def _tail(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL))
        return file.read(_TAIL)
