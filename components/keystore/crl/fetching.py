"""Fetching a CRL from where it is published, within a deadline and a size."""

from __future__ import annotations

import base64
import binascii
import shutil
import tempfile
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from components.http.text import printable
from components.keystore.crl.errors import CrlFetchError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from components.keystore.crl.service import CrlSource
    from framework.clock import Clock

DEADLINE_S: Final = 60.0
"""How long one CRL may take in all, its host's name and TLS included."""
_CHUNK: Final = 64 * 1024
_PEM: Final = b"-----BEGIN X509 CRL-----"


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """What is fetched at most, and from where.

    Attributes:
        largest: Bytes of one CRL.
        files: URLs that may name files of this machine; others are http and https only.
    """

    largest: int
    files: frozenset[str] = frozenset()


def fetch(url: str, file: BinaryIO, limits: FetchLimits, clock: Clock) -> None:
    """Write the CRL at `url` into `file`, in DER whatever it comes in; redirects are not followed.

    Raises:
        CrlFetchError: It cannot be had, and why.
        OSError: The file cannot be written.
    """
    try:
        scheme = urllib.parse.urlsplit(url).scheme.lower()
    except ValueError as error:
        raise CrlFetchError(url, f"it is no URL ({error})") from error
    if scheme in {"http", "https"}:
        chunks = _over_http(url, clock)
    elif scheme == "file" and url in limits.files:
        chunks = _from_file(url)
    elif scheme == "file":
        raise CrlFetchError(url, "files are read only where crl.file.urls.allowed is true and crl.urls names them")
    else:
        raise CrlFetchError(url, f"{scheme or 'a URL without scheme'} is not supported: use http or https")
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > limits.largest:
            raise CrlFetchError(url, f"it is larger than {limits.largest} bytes (crl.size.limit)")
        file.write(chunk)
    _make_der(url, file)


def take(name: str, source: CrlSource, file: BinaryIO, limits: FetchLimits) -> None:
    """Write the CRL of a source of that name into `file`.

    Raises:
        CrlFetchError: It cannot be had, and why.
        OSError: The file cannot be written.
    """
    data = source.fetch()
    if len(data) > limits.largest:
        raise CrlFetchError(name, f"it is larger than {limits.largest} bytes (crl.size.limit)")
    file.write(data)


def _over_http(url: str, clock: Clock) -> Iterator[bytes]:
    import urllib3  # noqa: PLC0415  # an idle gateway fetches nothing

    from components.http.connection import Conversation, in_words  # noqa: PLC0415  # as above

    headers = {"Accept-Encoding": "identity", "User-Agent": "gatewright"}
    place, _, query = url.partition("#")[0].partition("?")
    try:
        with (
            Conversation(place, clock, DEADLINE_S, None) as conversation,
            conversation.request("GET", query, headers, None) as answer,
        ):
            if answer.status // 100 == 3:
                where = printable(answer.headers.get("Location", "nowhere"), 200)
                raise CrlFetchError(url, f"it redirects to {where}; if that is right, configure it")
            if answer.status != 200:
                raise CrlFetchError(url, f"the server answered with status {answer.status}")
            while chunk := answer.read1(_CHUNK, decode_content=False):
                yield chunk
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        raise CrlFetchError(url, in_words(error, DEADLINE_S)) from error


def _from_file(url: str) -> Iterator[bytes]:
    path = Path(urllib.request.url2pathname(urllib.parse.urlsplit(url).path))
    try:
        if path.exists() and not path.is_file():
            raise CrlFetchError(url, "it is no regular file")  # a pipe may never end, and never begin
        with path.open("rb") as source:
            while chunk := source.read(_CHUNK):
                yield chunk
    except (OSError, ValueError) as error:
        raise CrlFetchError(url, str(error)) from error


def _make_der(url: str, file: BinaryIO) -> None:
    """Turn PEM, which some publish against RFC 5280, into DER."""
    file.seek(0)
    if not file.read(_CHUNK).lstrip().startswith(_PEM):
        return
    file.seek(0)
    with tempfile.TemporaryFile() as decoded:
        try:
            _decode_pem(file, decoded)
        except (ValueError, binascii.Error) as error:
            raise CrlFetchError(url, f"it is damaged PEM ({error})") from error
        decoded.seek(0)
        file.seek(0)
        shutil.copyfileobj(decoded, file)
        file.truncate()


def _decode_pem(file: BinaryIO, decoded: BinaryIO) -> None:
    rest = b""
    for line in file:
        text = line.strip()
        if text.startswith(b"-----END"):
            break
        if text and not text.startswith(b"-----"):
            whole = rest + text
            cut = len(whole) // 4 * 4
            decoded.write(base64.b64decode(whole[:cut], validate=True))
            rest = whole[cut:]
    if rest:
        raise ValueError("the base64 is cut off")
