"""ASN.1 as the modules beside this one use it: everything in `structures`, loaded when it is first used.

pyasn1 and its modules cost an idle gateway 6 MiB and a tenth of a second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from components.scep.message.structures import (
        IssuerAndSubject,
        SignedData,
        char,
        decode,
        decode_content,
        encode,
        encode_as_received,
        encode_content,
        octets,
        rfc4055,
        rfc5280,
        rfc5652,
        univ,
    )
else:

    def __getattr__(name: str) -> object:
        from components.scep.message import structures  # noqa: PLC0415  # the point of this module

        return getattr(structures, name)


__all__ = [
    "IssuerAndSubject",
    "SignedData",
    "char",
    "decode",
    "decode_content",
    "encode",
    "encode_as_received",
    "encode_content",
    "octets",
    "rfc4055",
    "rfc5280",
    "rfc5652",
    "univ",
]
