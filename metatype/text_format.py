"""What form a text has, where any text of the right length would say too little."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


class TextFormat(StrEnum):
    """A form by its name in descriptors (`gw:format`, JSON's `format`)."""

    HTTP_ENDPOINT = "http-endpoint"
    """An http or https server: `http://host:8080`, with a path or not; `http:host:8080` means the same.

    A user and a password in it are refused: they would be seen wherever the property is.
    """

    SHA256_FINGERPRINT = "sha256-fingerprint"
    """The SHA-256 of something in 64 hexadecimal digits, lower case, without colons; or empty."""

    PEM_CERTIFICATE = "pem-certificate"
    """One X.509 certificate in PEM (RFC 7468), with explanatory text round it or not; or empty.

    Its DER is not decoded: what a certificate says is for whoever uses it to judge.
    """

    DISTINGUISHED_NAME = "distinguished-name"
    """A distinguished name as RFC 4514 writes it, of the attribute types in its section 3 and OIDs; or empty."""

    @property
    def pattern(self) -> str:
        """What the whole text matches, in what Python and ECMAScript mean alike."""
        return _PATTERNS[self]

    @property
    def accepted(self) -> str:
        """What is accepted, in words."""
        return _ACCEPTED[self]

    def meant(self, text: str) -> str | None:
        """How a refused text is to be written, where it can only mean one thing; else None."""
        if self is not TextFormat.SHA256_FINGERPRINT:
            return None
        plain = re.sub(r"[\s:]", "", text).lower()
        return plain if re.fullmatch("[0-9a-f]{64}", plain) else None


_HOST: Final = r"(?:[^\s/?#@:\[\]\\]+|\[[0-9A-Fa-f:.]+\])"

_TYPE: Final = r"(?:CN|OU|O|L|STREET|ST|C|DC|UID|[0-9]+(?:\.[0-9]+)+)"
_PAIR: Final = r"\\(?:[\\ #=\"+,;<>]|[0-9A-Fa-f]{2})"
_STRING: Final = rf"(?:{_PAIR}|[^\x00\s\"#+,;<>\\])(?:\s*(?:{_PAIR}|[^\x00\s\"+,;<>\\]))*"
_TYPE_AND_VALUE: Final = rf"{_TYPE}=(?:#(?:[0-9A-Fa-f]{{2}})+|{_STRING})?"

_BEGIN: Final = "-----BEGIN CERTIFICATE-----"
_END: Final = "-----END CERTIFICATE-----"
_DER_IN_BASE64: Final = r"\s+MI[I-L][A-Za-z0-9+/\s]+(?:=\s*)?(?:=\s*)?"
"""A SEQUENCE with a length of two bytes, which every certificate is. No two parts match the same blank, or a text that
is mostly of these would be looked at in all ways to divide them."""

_PATTERNS: Final[Mapping[TextFormat, str]] = {
    TextFormat.HTTP_ENDPOINT: rf"\s*[hH][tT][tT][pP][sS]?:(?://)?{_HOST}(?::[0-9]{{1,5}})?(?:/[^\s?#]*)?\s*",
    TextFormat.SHA256_FINGERPRINT: r"(?:[0-9a-f]{64})?",
    TextFormat.PEM_CERTIFICATE: (
        rf"(?![\s\S]*{_BEGIN}[\s\S]*{_BEGIN})(?:\s*|[\s\S]*{_BEGIN}{_DER_IN_BASE64}{_END}[\s\S]*)"
    ),
    TextFormat.DISTINGUISHED_NAME: rf"\s*(?:{_TYPE_AND_VALUE}(?:[,+]{_TYPE_AND_VALUE})*\s*)?",
}
_ACCEPTED: Final[Mapping[TextFormat, str]] = {
    TextFormat.HTTP_ENDPOINT: "an http:// or https:// URL with a host, and without user, password, query and fragment",
    TextFormat.SHA256_FINGERPRINT: "a SHA-256 fingerprint of 64 hexadecimal digits, in lower case and without colons",
    TextFormat.PEM_CERTIFICATE: f"one certificate in PEM ({_BEGIN}, base64, {_END})",
    TextFormat.DISTINGUISHED_NAME: (
        "a distinguished name such as CN=gateway-17,O=Example, of CN, O, OU, L, ST, C, STREET, DC, UID and OIDs"
    ),
}
