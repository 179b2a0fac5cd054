"""Fetching a CRL from where it is published, within a deadline and a size."""

from __future__ import annotations

import base64
import binascii
import shutil
import tempfile
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final

from components.keystore.crl.errors import CrlFetchError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from framework.clock import Clock

DEADLINE_S: Final = 60.0
"""How long one CRL may take in all; an attempt to connect, or a pause, a quarter of it."""
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
    scheme = urllib.parse.urlsplit(url).scheme.lower()
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


def _over_http(url: str, clock: Clock) -> Iterator[bytes]:
    import urllib3  # noqa: PLC0415  # an idle gateway fetches nothing

    end = clock.monotonic() + DEADLINE_S
    timeout = urllib3.Timeout(connect=DEADLINE_S / 4, read=DEADLINE_S / 4)
    try:
        with (
            urllib3.PoolManager(num_pools=1, cert_reqs="CERT_REQUIRED") as pool,
            pool.request("GET", url, redirect=False, retries=False, timeout=timeout, preload_content=False) as answer,
        ):
            if answer.status != 200:
                hint = " (redirects are not followed: configure the URL that it leads to)" * (answer.status // 100 == 3)
                raise CrlFetchError(url, f"the server answered with status {answer.status}{hint}")
            while chunk := answer.read1(_CHUNK):
                if clock.monotonic() > end:
                    raise CrlFetchError(url, f"it has not come within {DEADLINE_S:g} s")
                yield chunk
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        raise CrlFetchError(url, str(error) or type(error).__name__) from error


def _from_file(url: str) -> Iterator[bytes]:
    path = urllib.request.url2pathname(urllib.parse.urlsplit(url).path)
    try:
        with open(path, "rb") as source:  # noqa: PTH123  # a path as a URL has it
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
