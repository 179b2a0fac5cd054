"""What the enrolment knows, as immutable data: its settings, what is in the keystore, what was begun."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from components.scep.transaction import SecurityProfile

if TYPE_CHECKING:
    from datetime import datetime


class State(enum.StrEnum):
    """Where an enrolment is; the words that `cert status` shows."""

    DISABLED = "disabled"
    MISCONFIGURED = "misconfigured"
    BOOTSTRAPPING = "bootstrapping"
    GENERATING_KEY = "generating-key"
    REQUESTING = "requesting"
    PENDING = "pending"
    ENROLLED = "enrolled"
    REFUSED = "refused"
    UNTRUSTED_CA = "untrusted-ca"
    UNREACHABLE = "unreachable"
    INVALID_RESPONSE = "invalid-response"
    KEYSTORE_ERROR = "keystore-error"
    CHECKING_CA = "checking-ca"


RETRIED: Final = frozenset(
    {State.UNREACHABLE, State.INVALID_RESPONSE, State.UNTRUSTED_CA, State.KEYSTORE_ERROR, State.PENDING}
)
"""The states that end by themselves, at `Journal.next_attempt_at`."""


class Purpose(enum.StrEnum):
    """What a request is for."""

    ENROLL = "enroll"
    """A new key, authorized by the challenge password."""

    RENEW = "renew"
    """The same key and subject, signed with the present certificate."""

    REKEY = "rekey"
    """A new key for the same subject, signed with the present certificate."""


@dataclass(frozen=True, slots=True)
class Configured:
    """What the configuration asks for.

    Attributes:
        problems: Why it cannot be done, or empty.
        bootstrap_identity: A digest of the properties whose change means to bootstrap anew.
        digest: A keyed digest of all that a request depends on: another try differs only if this does.
        retry_interval_s: The pause after the first failure.
        key_size: Bits of the key.
        subject: The subject that is asked for (RFC 4514), or empty.
        renew: Whether the certificate is renewed by itself.
        rollover: Whether the CA's successor is looked for.
        lead_hours: How long before it expires a certificate is renewed; half of its life at most.
        has_challenge: Whether there is a challenge password.
        challenge_digest: A keyed digest of it, or empty.
        device: What tells this gateway from others, to spread renewals.
        profile: Which algorithms may be sent.
    """

    enabled: bool
    problems: tuple[str, ...]
    bootstrap_identity: str
    digest: str
    retry_interval_s: int
    key_size: int
    subject: str = ""
    renew: bool = False
    rollover: bool = False
    lead_hours: int = 240
    has_challenge: bool = False
    challenge_digest: str = ""
    device: str = ""
    profile: SecurityProfile = SecurityProfile.STANDARD


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """A key in the keystore: the SHA-256 of its public key (SubjectPublicKeyInfo, hex), and its bits."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Validity:
    """From when to when a certificate is valid."""

    not_before: datetime
    not_after: datetime


@dataclass(frozen=True, slots=True)
class IdentityFacts:
    """The enrolled certificate in the keystore.

    Attributes:
        sha256: The SHA-256 of the certificate.
        key_sha256: That of the public key that is kept with it.
        serial: Its serial number in hex.
        subject: Its subject (RFC 4514).
        validity: When it is valid; None is taken for always.
        fits_key: Whether it certifies the key that is kept with it.
        fits_ca: Whether it leads to the trusted CA.
    """

    sha256: str
    key_sha256: str
    serial: str = ""
    subject: str = ""
    validity: Validity | None = None
    fits_key: bool = True
    fits_ca: bool = True


@dataclass(frozen=True, slots=True)
class KeystoreFacts:
    """What the keystore holds.

    Attributes:
        ca: When the trusted CA's certificate is valid, or None.
        superseded_until: When the last CA certificate of an earlier CA expires, or None if there is none.
    """

    has_trust: bool
    identity: IdentityFacts | None
    request_key: KeyFacts | None
    ca: Validity | None = None
    superseded_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Trust:
    """Verified CA certificates, and what they were derived from.

    Attributes:
        bootstrap_identity: The digest of the bootstrap properties that they were verified under.
        url: Where the server was found.
        capabilities: What it said that it can do, ever.
        certificates: In PEM, the anchor first, as long as they are staged and not in the keystore; else empty.
        renewal_form: The form of a renewal that it took, or empty.
        warning: What it suddenly offers no more, or empty.
        succeeds: Whether it takes the place of a CA that is trusted on until it expires.
        weaker: Whether it only does what older servers can do, whatever it says, and is sent that at once.
        rolled_over: Whether the server shows it and the CA before it no more, which can then not be asked.
    """

    bootstrap_identity: str
    url: str
    capabilities: tuple[str, ...]
    certificates: tuple[str, ...] = ()
    renewal_form: str = ""
    warning: str = ""
    succeeds: bool = False
    weaker: bool = False
    rolled_over: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """A request that was begun and has not ended.

    Attributes:
        transaction_id: Its id, the same for every try.
        key_sha256: The key that is to be certified.
        replaces: The SHA-256 of the certificate that was enrolled when it began, or None.
        bootstrap_identity: The trust that it is made under.
        purpose: What it is for.
        form: Which of the forms of a renewal it has, counted from 0; see `transaction.renewal_forms`.
        pending_since: When the CA said first that it has yet to decide, or None.
        polls: How often it has said so.
        polled: Whether the CA is asked by CertPoll; else by the same request.
        begun_anew: Whether it takes the place of one that the CA did not know when it was asked about it.
        digest: What it asks for: `Configured.digest` when it began, or empty if that is not known.
        refused: What the CA said when it refused the renewal in the forms that were tried, or None.
        unanswered: What the HTTP server said instead of the CA in one of these forms, or None.
        weaker: Whether it is sent in what older servers can do, though the server offers more.
    """

    transaction_id: str
    key_sha256: str
    replaces: str | None
    bootstrap_identity: str
    purpose: Purpose = Purpose.ENROLL
    form: int = 0
    pending_since: datetime | None = None
    polls: int = 0
    polled: bool = True
    begun_anew: bool = False
    digest: str = ""
    refused: Problem | None = None
    unanswered: Problem | None = None
    weaker: bool = False


NOT_REACHED: Final = "TransportError"
"""The kind of a problem with the network, which says nothing of the server nor of what it was sent."""


TOO_LONG: Final = "pending-too-long"
"""The kind of a problem with a CA that does not decide, which is no refusal."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why it does not go on.

    Attributes:
        state: The state that it led to.
        kind: A short name of what went wrong, for programs.
        message: What happened, for people.
        what_to_do: What a person can do about it.
        at: When.
        retry_after_s: How long the server asks to wait, or None.
    """

    state: State
    kind: str
    message: str
    what_to_do: str
    at: datetime
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class SetAside:
    """What gave way to the renewal that was due, to go on after it.

    Attributes:
        request: The request that was under way, or None.
        staged: The trust that was staged with it, such as the CA's successor, or None.
        asked: What somebody had asked for with it, or None.
    """

    request: Request | None
    staged: Trust | None
    asked: Purpose | None


@dataclass(frozen=True, slots=True)
class Journal:
    """What survives a restart.

    Attributes:
        trust: What the CA certificates in the keystore were derived from.
        staged: New trust that waits for its identity.
        former: What the present identity is of, while a bootstrap under other properties has yet to bring another.
        request: The request under way.
        attempts: Failures in a row.
        next_attempt_at: When the next try is due, if one is waited for.
        problem: What went wrong last.
        digest: What the last try depended on.
        warnings: What an operator should know of the identity that is stored.
        ca_checked_at: When the CA's successor was looked for last.
        ca_check: What came of it, in words.
        asked: What somebody asked for though there may be no need, until it is done.
        asked_at: When somebody asked last, or None.
        challenge_used: `Configured.challenge_digest` of the one that last brought a certificate, or empty.
        challenge_used_at: When it did, or None.
        declined: The CA's successor under which no certificate was to be had, or which is not valid yet, or None.
        declined_digest: What that request depended on; empty once somebody asks.
        look_again: Whether the next try begins with a look at what the server shows: a try has failed since the last
            look, or somebody asks.
        successor_failures: How many requests under the staged successor have failed, the server being reached.
        refused_when_due: Whether the CA refused what was due by itself, so that it is for a person to go on.
        set_aside: What gave way to the renewal that is due, or None.
        gave_way_at: When something did last, or None.
    """

    trust: Trust | None = None
    staged: Trust | None = None
    former: Trust | None = None
    request: Request | None = None
    attempts: int = 0
    next_attempt_at: datetime | None = None
    problem: Problem | None = None
    digest: str = ""
    warnings: tuple[str, ...] = ()
    ca_checked_at: datetime | None = None
    ca_check: str = ""
    asked: Purpose | None = None
    asked_at: datetime | None = None
    challenge_used: str = ""
    challenge_used_at: datetime | None = None
    declined: Trust | None = None
    declined_digest: str = ""
    look_again: bool = False
    successor_failures: int = 0
    refused_when_due: bool = False
    set_aside: SetAside | None = None
    gave_way_at: datetime | None = None
