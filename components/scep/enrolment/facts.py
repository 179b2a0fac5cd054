"""What the enrolment knows, as immutable data: its settings, what is in the keystore, what was begun."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

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


@dataclass(frozen=True, slots=True)
class Configured:
    """What the configuration asks for.

    Attributes:
        problems: Why it cannot be done, or empty.
        bootstrap_identity: A digest of the properties whose change means to bootstrap anew.
        digest: A keyed digest of all that a request depends on: another try differs only if this does.
        retry_interval_s: The pause after the first failure.
        key_size: Bits of the key.
    """

    enabled: bool
    problems: tuple[str, ...]
    bootstrap_identity: str
    digest: str
    retry_interval_s: int
    key_size: int


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """A key in the keystore: the SHA-256 of its public key (SubjectPublicKeyInfo, hex), and its bits."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class IdentityFacts:
    """The enrolled certificate in the keystore: its SHA-256, and its key's."""

    sha256: str
    key_sha256: str


@dataclass(frozen=True, slots=True)
class KeystoreFacts:
    """What the keystore holds."""

    has_trust: bool
    identity: IdentityFacts | None
    request_key: KeyFacts | None


@dataclass(frozen=True, slots=True)
class Trust:
    """Verified CA certificates, and what they were derived from.

    Attributes:
        bootstrap_identity: The digest of the bootstrap properties that they were verified under.
        url: Where the server was found.
        capabilities: What it said that it can do.
        certificates: In PEM, the anchor first, as long as they are staged and not in the keystore; else empty.
    """

    bootstrap_identity: str
    url: str
    capabilities: tuple[str, ...]
    certificates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """A request that was begun and has not ended.

    Attributes:
        transaction_id: Its id, the same for every try.
        key_sha256: The key that is to be certified.
        replaces: The SHA-256 of the certificate that was enrolled when it began, or None.
        bootstrap_identity: The trust that it is made under.
    """

    transaction_id: str
    key_sha256: str
    replaces: str | None
    bootstrap_identity: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Why it does not go on.

    Attributes:
        state: The state that it led to.
        kind: A short name of what went wrong, for programs.
        message: What happened, for people.
        what_to_do: What a person can do about it.
        at: When.
    """

    state: State
    kind: str
    message: str
    what_to_do: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Journal:
    """What survives a restart.

    Attributes:
        trust: What the CA certificates in the keystore were derived from.
        staged: New trust that waits for its identity.
        request: The request under way.
        attempts: Failures in a row.
        next_attempt_at: When the next try is due, if one is waited for.
        problem: What went wrong last.
        digest: What the last try depended on.
        warnings: What an operator should know of the identity that is stored.
    """

    trust: Trust | None = None
    staged: Trust | None = None
    request: Request | None = None
    attempts: int = 0
    next_attempt_at: datetime | None = None
    problem: Problem | None = None
    digest: str = ""
    warnings: tuple[str, ...] = ()
