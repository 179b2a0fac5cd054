"""The names of the enrolment's log lines, and what each tells: stable, for programs that watch logs."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from components.scep.enrolment import State
from framework import LogEvent

if TYPE_CHECKING:
    from collections.abc import Mapping

# Where the enrolment is: a name for each state, such as enrollment.enrolled or enrollment.untrusted-ca
ENTERED: Final[Mapping[State, LogEvent]] = MappingProxyType(
    {
        state: LogEvent(f"enrollment.{state.value}", "enrolment: %(state)s (was: %(previous)s): %(message)s")
        for state in State
    }
)

# What is done on the way, in the order of an enrolment
CA_FETCHED: Final = LogEvent("enrollment.ca-fetched", "CA certificates fetched from %(url)s: %(certificates)d")
CA_VERIFIED: Final = LogEvent("enrollment.ca-verified", "CA %(subject)s verified: SHA-256 %(fingerprint)s")
CA_STORED: Final = LogEvent(
    "enrollment.ca-stored", "CA certificates stored in %(keystore)s as scep-cacerts_0 and on: %(certificates)d"
)
KEY_GENERATED: Final = LogEvent(
    "enrollment.key-generated", "key pair generated (%(key)s), stored as sce-request-key-pair"
)
KEY_TAKEN_UP: Final = LogEvent(
    "enrollment.key-taken-up", "key pair of an earlier try taken up (%(key)s), stored as sce-request-key-pair"
)
REQUESTED: Final = LogEvent(
    "enrollment.requested", "certificate requested from %(url)s (%(request)s), transaction %(transaction)s"
)
REPLY_SEALED: Final = LogEvent("enrollment.reply-sealed", "the CA's reply cannot be opened")
REQUEST_UNKNOWN: Final = LogEvent(
    "enrollment.request-unknown", "the CA does not know the request that it was asked about"
)
ISSUED: Final = LogEvent("enrollment.issued", "certificate issued: serial %(serial)s, key, chain and validity checked")
IDENTITY_STORED: Final = LogEvent(
    "enrollment.identity-stored", "certificate and key stored in %(keystore)s as scep-enrolled-key-pair"
)

# What is done on the way of a renewal, or of a rollover of the CA
NEXT_CA_VERIFIED: Final = LogEvent(
    "enrollment.next-ca-verified", "next CA %(subject)s verified by the present one: SHA-256 %(fingerprint)s"
)
OLD_CA_REMOVED: Final = LogEvent(
    "enrollment.old-ca-removed", "certificates of an earlier CA, which have expired, removed"
)
KEY_KEPT: Final = LogEvent("enrollment.key-kept", "the enrolled key pair (%(key)s) is certified anew")
RENEWAL_FORM_REFUSED: Final = LogEvent(
    "enrollment.renewal-form-refused", "the renewal was refused in this form: %(reason)s"
)
RENEWAL_FORM_UNANSWERED: Final = LogEvent(
    "enrollment.renewal-form-unanswered", "the renewal did not come to the CA in this form: %(reason)s"
)

# What should not happen
NOT_FORESEEN: Final = LogEvent(
    "enrollment.not-foreseen", "a part of the enrolment failed in a way that is not foreseen"
)
BACKGROUND_FAILED: Final = LogEvent("enrollment.background-failed", "work in the background failed")
