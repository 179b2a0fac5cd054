"""A refusal by the CA (RFC 8894 3.2.1.4) in words: what it said, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from components.http.text import printable
from components.scep.message import FailInfo

if TYPE_CHECKING:
    from components.scep.message import MessageAttributes


@dataclass(frozen=True, slots=True)
class Refused:
    """The CA refused the request.

    Attributes:
        reason: The failInfo's name, or "unknown N".
        text: What else the server said (failInfoText), made printable, or None.
        hresult: NDES's own error code, or None.
        hint: What to do about it.
        fail_info: The failInfo, or None.
    """

    reason: str
    text: str | None
    hresult: int | None
    hint: str
    fail_info: int | None = None

    @property
    def summary(self) -> str:
        """Everything that the server said of it, on one line."""
        said = self.reason if self.text is None else f"{self.reason} ({self.text})"
        if self.hresult is None:
            return said
        code = self.hresult & 0xFFFFFFFF
        name = _HRESULTS.get(code)
        return f"{said} (HRESULT 0x{code:08x}{'' if name is None else ' ' + name[0]})"


_HINTS: Final = {
    FailInfo.BAD_ALG: "the CA does not accept the request's algorithms: check key size and security.profile",
    FailInfo.BAD_MESSAGE_CHECK: (
        "the CA could not verify the request: is it for another CA, or was the certificate revoked?"
    ),
    FailInfo.BAD_REQUEST: (
        "check the challenge password (a one-time password needs to be replaced), the subject, and whether "
        "the CA already has a certificate for it"
    ),
    FailInfo.BAD_TIME: "the clocks of gateway and CA differ too much: check the gateway's time",
    FailInfo.BAD_CERT_ID: "the CA does not know the request or certificate that was asked for",
}
_HRESULTS: Final = {
    0x80070005: ("E_ACCESSDENIED", "the challenge password is wrong, used up, or older than an hour: get a new one"),
    0x80070057: (
        "E_INVALIDARG",
        "NDES cannot read the request, or its challenge password is used up: get a new one",
    ),
    0x800706BA: ("RPC_S_SERVER_UNAVAILABLE", "NDES cannot reach its CA: have its operator see whether the CA runs"),
    0x80090005: ("NTE_BAD_DATA", "NDES could not decrypt the request: its encryption RA certificate was not used"),
    0x80094012: ("CERTSRV_E_TEMPLATE_DENIED", "NDES may not use its certificate template: see its permissions"),
    0x800B0109: ("CERT_E_UNTRUSTEDROOT", "NDES does not trust the certificate that the request was signed with"),
}


_HINTS_OF_INQUIRIES: Final = {
    FailInfo.BAD_REQUEST: "the CA does not answer this, or not to this gateway: ask its operator",
}
_HRESULT_HINTS_OF_INQUIRIES: Final = {
    0x80070005: "NDES does not permit this to the gateway's certificate: ask its operator",
    0x80070057: "NDES cannot read the request: it may not know the operation; ask its operator",
}


def refusal(attributes: MessageAttributes, *, is_inquiry: bool = False) -> Refused:
    """The refusal that a reply's attributes tell of.

    Args:
        attributes: Those of the reply.
        is_inquiry: Whether the request was a GetCert or a GetCRL, which carries neither challenge nor subject.
    """
    code = attributes.fail_info
    known = FailInfo(code) if code is not None and code in FailInfo.__members__.values() else None
    if known is not None:
        reason, hint = known.label, _HINTS[known]
        if is_inquiry:
            hint = _HINTS_OF_INQUIRIES.get(known, hint)
    else:
        reason = "no reason given" if code is None else f"unknown {code}"
        hint = "ask the CA's operator; the CA's log says more"
    if attributes.hresult is not None:
        hresult = attributes.hresult & 0xFFFFFFFF
        _, hint = _HRESULTS.get(hresult, ("", hint))
        if is_inquiry:
            hint = _HRESULT_HINTS_OF_INQUIRIES.get(hresult, hint)
    text = None if attributes.fail_info_text is None else printable(attributes.fail_info_text)
    return Refused(reason, text, attributes.hresult, hint, code)
