"""An atheris target for what reads SCEP messages: `python -m tools.fuzz.scep [-max_total_time=60] [CORPUS]`.

atheris is no dependency of the project; install it where this runs: `pip install atheris`. Every decoder must end
with a result or with an error of its own; anything else is a finding. `check` does the same for one input without
atheris, which is how the tests use it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from components.http.text import printable
from components.scep.errors import ScepError
from components.scep.message import (
    check_content,
    decode_certificates,
    decode_degenerate,
    decode_envelope,
    decode_issuer_and_serial_number,
    decode_issuer_and_subject,
    decode_pki_message,
    decode_signed_data,
    find_signer,
)
from components.scep.transaction import Capabilities
from components.scep.transaction.refusal import refusal
from components.scep.trust import FingerprintPin, fingerprint, is_ca, verify_ca_certificates
from tools.fuzz import fuzz

if TYPE_CHECKING:
    from collections.abc import Callable

_NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)


def _message(data: bytes) -> None:
    message = decode_pki_message(data)
    refused = refusal(message.attributes)
    if not refused.summary.isprintable():
        raise AssertionError("a refusal is shown with characters that are not printable")
    find_signer(message, ())
    check_content(message)


def _signed(data: bytes) -> None:
    message = decode_signed_data(data)
    find_signer(message, ())
    check_content(message)


def _chain(data: bytes) -> None:
    certificates = decode_certificates(data)
    anchors = [one for one in certificates if is_ca(one)]
    trust = verify_ca_certificates(certificates, FingerprintPin(fingerprint((anchors or certificates)[0])), _NOW)
    if trust.recipient not in trust.certificates or trust.issuer not in trust.certificates:
        raise AssertionError("a role went to a certificate that is not trusted")


def _text(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    Capabilities.parse(text)
    if not printable(text).isprintable():
        raise AssertionError("text is shown with characters that are not printable")


DECODERS: Final[tuple[Callable[[bytes], object], ...]] = (
    _message,
    _signed,
    _chain,
    _text,
    decode_degenerate,
    decode_envelope,
    decode_issuer_and_serial_number,
    decode_issuer_and_subject,
)


def check(data: bytes) -> None:
    """Give an input to every decoder; an exception that is no ScepError is a finding."""
    for decode in DECODERS:
        try:
            decode(data)
        except ScepError:
            continue


if __name__ == "__main__":
    fuzz(check)
