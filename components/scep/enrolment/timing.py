"""When an enrolment does things: pure functions of a certificate, the settings and the time.

Gateways that were installed together, or come back together, must not ask their CA together. So a renewal fires
at a moment that a hash of device and certificate picks: stable over restarts, different for each certificate.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

    from components.scep.enrolment.facts import Configured, IdentityFacts, Validity

CHECK_INTERVAL: Final = timedelta(hours=24)
"""How often certificates are looked at, besides the moment that something is due."""

CLOCK_SKEW: Final = timedelta(minutes=10)
"""A certificate that is valid from this soon is taken for valid; clocks differ."""

LONGEST_PAUSE_S: Final = 6 * 3600
"""Retries are never further apart, in seconds, unless the server asks for it."""

SHORTEST_PAUSE_S: Final = 1.0

LONGEST_PENDING: Final = timedelta(days=30)
"""So long a request is waited for that the CA has yet to decide."""

_POLLS_BEFORE_GROWTH: Final = 10
_MISSED: Final = timedelta(minutes=15)
_ON_TIME: Final = timedelta(minutes=1)


def fraction(*parts: str) -> float:
    """A number from 0 to 1 (1 excluded), always the same for the same texts, evenly spread over different ones."""
    digest = hashlib.sha256("\0".join(parts).encode()).digest()
    return int.from_bytes(digest[:6]) / 2**48


def opens_at(validity: Validity, lead_hours: int) -> datetime:
    """When a certificate may be replaced: the lead before it expires, or at half of its life if that is later."""
    return validity.not_after - _lead(validity, lead_hours)


def renewal_due(identity: IdentityFacts, configured: Configured) -> datetime | None:
    """When this gateway renews this certificate, or None if that is not known."""
    validity = identity.validity
    if validity is None:
        return None
    width = min(_lead(validity, configured.lead_hours) / 2, (validity.not_after - validity.not_before) / 6)
    return opens_at(validity, configured.lead_hours) + fraction(configured.device, identity.serial) * width


def catch_up_at(identity: IdentityFacts, configured: Configured, now: datetime) -> datetime:
    """When a renewal is begun whose moment has passed: spread again, over a quarter of an hour at most."""
    due, validity = renewal_due(identity, configured), identity.validity
    if due is None or validity is None or now - due <= _ON_TIME:
        return now
    remaining = validity.not_after - now
    width = min(_MISSED, remaining / 20) if remaining > timedelta(0) else _MISSED
    return now + fraction(configured.device, identity.serial) * width


def ca_check_due(ca: Validity, configured: Configured, checked_at: datetime | None, now: datetime) -> datetime:
    """When to look for the CA's successor: from the lead before it expires, then every 24 hours."""
    first = opens_at(ca, configured.lead_hours) + fraction(configured.device, "ca") * min(
        CHECK_INTERVAL, _lead(ca, configured.lead_hours) / 4
    )
    if checked_at is None or checked_at > now:
        return first
    return max(first, checked_at + CHECK_INTERVAL)


def is_plausible(validity: Validity | None, now: datetime) -> bool:
    """Whether the clock can be right, by a certificate that was valid when it was stored: it is not before it."""
    return validity is None or now >= validity.not_before - CLOCK_SKEW


def retry_pause_s(
    attempts: int, configured: Configured, jitter: float, validity: Validity | None, now: datetime
) -> float:
    """The pause after this many failures in a row: full jitter under a bound that doubles, and shorter near the end.

    With less than a tenth of the certificate's life left, tries are never further apart than a twentieth of the rest.
    """
    bound = min(configured.retry_interval_s * 2.0 ** min(attempts - 1, 20), LONGEST_PAUSE_S)
    if validity is not None:
        remaining = validity.not_after - now
        if timedelta(0) < remaining < (validity.not_after - validity.not_before) / 10:
            least = float(min(configured.retry_interval_s, LONGEST_PAUSE_S))
            bound = min(bound, max(least, remaining.total_seconds() / 20))
    return max(SHORTEST_PAUSE_S, jitter * bound)


def poll_pause_s(polls: int, configured: Configured) -> float:
    """The pause before the CA is asked again about a request; it grows when the CA takes its time."""
    grown = configured.retry_interval_s * 2.0 ** min(max(0, polls - _POLLS_BEFORE_GROWTH), 20)
    return max(float(configured.retry_interval_s), min(grown, LONGEST_PAUSE_S))


def _lead(validity: Validity, lead_hours: int) -> timedelta:
    return min(timedelta(hours=lead_hours), (validity.not_after - validity.not_before) / 2)
