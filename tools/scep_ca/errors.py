"""Errors of the development CA."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from components.scep.message import FailInfo


class ScepCaError(Exception):
    """Base of all errors of the development CA."""


class CaStateError(ScepCaError):
    """What is on disk cannot be used.

    Attributes:
        directory: The CA's directory.
    """

    def __init__(self, directory: Path, reason: str) -> None:
        super().__init__(f"the CA in {directory} cannot be used: {reason}")
        self.directory = directory
        self.reason = reason


class MessageTooDamagedError(ScepCaError):
    """A message cannot be decoded as far as its transaction, so SCEP has no reply to it; HTTP answers."""


class RequestRefusedError(ScepCaError):
    """A request is refused; the client is told so in a CertRep (RFC 8894 3.2.1.4).

    Attributes:
        fail_info: Why, as a code.
        text: Why, for people; nothing secret is in it.
    """

    def __init__(self, fail_info: FailInfo, text: str) -> None:
        super().__init__(f"{fail_info.label}: {text}")
        self.fail_info = fail_info
        self.text = text


class UnknownEntryError(ScepCaError):
    """What was named is not there: a waiting request, an issued certificate."""


class NothingToOfferError(ScepCaError):
    """An operation is known, but there is nothing to answer it with now; HTTP says so."""


class ControlError(ScepCaError):
    """A running CA could not be told what to do."""
