"""What the enrolment machine is made of: its state, the events that come in, and the actions that go out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.scep.enrolment.facts import Purpose

if TYPE_CHECKING:
    from datetime import datetime

    from components.scep.enrolment.facts import (
        Configured,
        Journal,
        KeyFacts,
        KeystoreFacts,
        Problem,
        State,
        Trust,
    )
    from components.scep.transaction import RenewalForm


@dataclass(frozen=True, slots=True)
class Enrollment:
    """All that the machine knows.

    Attributes:
        attempt: The number of the try that is under way; what earlier ones bring is ignored.
        aim: What the try that is under way is for.
    """

    state: State
    configured: Configured
    keystore: KeystoreFacts
    journal: Journal
    attempt: int = 0
    aim: Purpose = Purpose.ENROLL


@dataclass(frozen=True, slots=True)
class Began:
    """The component was activated."""

    now: datetime


@dataclass(frozen=True, slots=True)
class SettingsChanged:
    """Properties changed that do not make it bootstrap."""

    now: datetime
    configured: Configured


@dataclass(frozen=True, slots=True)
class CaVerified:
    """The server was found, and its CA certificates fit what is pinned.

    When they were looked at again, `trust` has certificates only if they are others than those in the keystore.
    """

    attempt: int
    trust: Trust


@dataclass(frozen=True, slots=True)
class NextCaSought:
    """The CA's successor was asked for: `trust` if there is one that the CA vouches for, and `outcome` in words.

    Attributes:
        is_to_come: Whether it is not valid yet: it is known then, and not moved to.
    """

    attempt: int
    now: datetime
    trust: Trust | None
    outcome: str
    is_to_come: bool = False


@dataclass(frozen=True, slots=True)
class FormRefused:
    """A renewal was refused in its form; `transaction_id` is a fresh one for another form, `jitter` as in `Failed`.

    Attributes:
        by_ca: Whether the CA said so; else its HTTP server said that it does not take such a request.
    """

    attempt: int
    problem: Problem
    transaction_id: str
    jitter: float
    by_ca: bool = True


@dataclass(frozen=True, slots=True)
class FormUnanswered:
    """The HTTP server failed over a renewal, which may be the form's fault or not; the rest as in `FormRefused`."""

    attempt: int
    problem: Problem
    transaction_id: str
    jitter: float


@dataclass(frozen=True, slots=True)
class ReplySealed:
    """The CA's reply cannot be opened: NDES answers so what is sent in algorithms that it only claims to know."""

    attempt: int
    problem: Problem
    jitter: float


@dataclass(frozen=True, slots=True)
class PollUnsupported:
    """The server does not know CertPoll: from now on the same request is sent again."""

    attempt: int
    now: datetime


@dataclass(frozen=True, slots=True)
class RequestUnknown:
    """The CA does not know (any more) the request that it was asked about; `transaction_id` is a fresh one."""

    attempt: int
    now: datetime
    transaction_id: str


@dataclass(frozen=True, slots=True)
class TrustStored:
    """The staged CA certificates are in the keystore."""

    attempt: int


@dataclass(frozen=True, slots=True)
class KeyReady:
    """The key is in the keystore; `transaction_id` is a fresh one, for a request that is not begun yet."""

    attempt: int
    key: KeyFacts
    transaction_id: str


@dataclass(frozen=True, slots=True)
class CertificateIssued:
    """The certificate came and was checked."""

    attempt: int
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class IdentityStored:
    """The certificate, its key and the CA certificates are in the keystore, which holds this now."""

    attempt: int
    keystore: KeystoreFacts
    now: datetime


@dataclass(frozen=True, slots=True)
class SupersededDropped:
    """The certificates of an earlier CA have gone from the keystore."""

    attempt: int
    now: datetime


@dataclass(frozen=True, slots=True)
class Failed:
    """A try ended with a problem; `jitter` is a random number from 0 to 1."""

    attempt: int
    problem: Problem
    jitter: float


@dataclass(frozen=True, slots=True)
class TimerDue:
    """The time that was waited for has come."""

    now: datetime


@dataclass(frozen=True, slots=True)
class EnrollAsked:
    """A person or program asks for a certificate now."""

    now: datetime
    purpose: Purpose = Purpose.ENROLL


@dataclass(frozen=True, slots=True)
class PollAsked:
    """A person or program asks to ask the CA now about what it has yet to decide."""

    now: datetime


@dataclass(frozen=True, slots=True)
class RolloverAsked:
    """A person or program asks to look for the CA's successor now."""

    now: datetime


Event = (
    Began
    | SettingsChanged
    | CaVerified
    | NextCaSought
    | FormRefused
    | FormUnanswered
    | ReplySealed
    | PollUnsupported
    | RequestUnknown
    | SupersededDropped
    | PollAsked
    | RolloverAsked
    | TrustStored
    | KeyReady
    | CertificateIssued
    | IdentityStored
    | Failed
    | TimerDue
    | EnrollAsked
)


@dataclass(frozen=True, slots=True)
class LocateServer:
    """Find the server, fetch its CA certificates, verify them.

    Attributes:
        refresh: Where it was found before, and against what is in the keystore, then against the pin; else anew, and
            against the pin alone.
    """

    attempt: int
    refresh: bool = False


@dataclass(frozen=True, slots=True)
class SeekNextCa:
    """Ask for the CA's successor (GetNextCACert), and verify it by the CA."""

    attempt: int


@dataclass(frozen=True, slots=True)
class DropSuperseded:
    """Take the certificates of an earlier CA, which have expired, out of the keystore."""

    attempt: int


@dataclass(frozen=True, slots=True)
class TakeEnrolledKey:
    """Begin a renewal with the key that is enrolled."""

    attempt: int


@dataclass(frozen=True, slots=True)
class StoreTrust:
    """Put the staged CA certificates into the keystore."""

    attempt: int


@dataclass(frozen=True, slots=True)
class PrepareKey:
    """Have a key in the keystore: the one that is there, or a new one."""

    attempt: int
    reuse: bool


@dataclass(frozen=True, slots=True)
class SendRequest:
    """Build the request from the settings, the trust and the key, send it, check the reply.

    Attributes:
        purpose: What it is for: it says which key is certified, and which one signs.
        form: The form of a renewal; None for an enrolment.
        weaker: Whether it is sent in what older servers can do.
    """

    attempt: int
    transaction_id: str
    purpose: Purpose = Purpose.ENROLL
    form: RenewalForm | None = None
    weaker: bool = False


@dataclass(frozen=True, slots=True)
class SendPoll:
    """Ask (CertPoll) whether the CA has decided about the request, check the reply; `weaker` as in `SendRequest`."""

    attempt: int
    transaction_id: str
    purpose: Purpose = Purpose.ENROLL
    weaker: bool = False


@dataclass(frozen=True, slots=True)
class StoreIdentity:
    """Put certificate, key and staged CA certificates into the keystore, in one commit."""

    attempt: int


@dataclass(frozen=True, slots=True)
class Remember:
    """Make the journal durable."""


@dataclass(frozen=True, slots=True)
class WakeAt:
    """Send `TimerDue` at this time."""

    when: datetime


Action = (
    LocateServer
    | SeekNextCa
    | DropSuperseded
    | StoreTrust
    | PrepareKey
    | TakeEnrolledKey
    | SendRequest
    | SendPoll
    | StoreIdentity
    | Remember
    | WakeAt
)
