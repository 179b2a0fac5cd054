"""Why a certificate is renewed: an ordered chain of pure checks, of which the first that says so decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from components.scep.enrolment.facts import Purpose
from components.scep.enrolment.timing import is_plausible, opens_at, renewal_due

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from components.scep.enrolment.facts import Configured, IdentityFacts, KeystoreFacts, Trust, Validity


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one check says.

    Attributes:
        check: The check's name.
        applies: Whether it found its reason for another certificate.
        message: What it found, in words.
        purpose: What it has done about it by itself, or None: nothing, or it is for a person to decide.
    """

    check: str
    applies: bool
    message: str
    purpose: Purpose | None = None


@dataclass(frozen=True, slots=True)
class _Case:
    configured: Configured
    identity: IdentityFacts
    has_current_trust: bool
    now: datetime
    ca: Validity | None


def verdicts(
    configured: Configured, keystore: KeystoreFacts, trust: Trust | None, now: datetime
) -> tuple[Verdict, ...]:
    """What every check says, in their order; only the first if there is no certificate."""
    if keystore.identity is None:
        return (Verdict("missing", True, "there is no certificate", Purpose.ENROLL),)
    current = keystore.has_trust and trust is not None and trust.bootstrap_identity == configured.bootstrap_identity
    case = _Case(configured, keystore.identity, current, now, keystore.ca)
    return (Verdict("missing", False, "there is a certificate"), *(check(case) for check in _CHECKS))


def purpose_now(configured: Configured, keystore: KeystoreFacts, trust: Trust | None, now: datetime) -> Purpose | None:
    """What the first verdict that has something done says, or None if nothing is due."""
    found = verdicts(configured, keystore, trust, now)
    return next((verdict.purpose for verdict in found if verdict.purpose is not None), None)


def _key_mismatch(case: _Case) -> Verdict:
    if case.identity.fits_key:
        return Verdict("key-mismatch", False, "it certifies the key that is kept with it")
    return Verdict("key-mismatch", True, "it does not certify the key that is kept with it", Purpose.ENROLL)


def _other_subject(case: _Case) -> Verdict:
    """A changed subject is for a person to enrol: the mission bootstraps anew on other properties only."""
    found, wanted = case.identity.subject, case.configured.subject
    if not wanted or found == wanted:
        return Verdict("not-for-this-subject", False, "it is for the configured subject")
    message = (
        f"it is for {found!r}, client.subject.dn says {wanted!r}: gatewright cert enroll asks for a new one, "
        "a renewal keeps the subject"
    )
    return Verdict("not-for-this-subject", True, message)


def _bootstrap_changed(case: _Case) -> Verdict:
    if case.has_current_trust:
        return Verdict("bootstrap-changed", False, "the CA was verified under the configuration as it is")
    return Verdict(
        "bootstrap-changed", True, "the properties that the CA was verified under have changed", Purpose.ENROLL
    )


def _ca_changed(case: _Case) -> Verdict:
    if case.identity.fits_ca:
        return Verdict("ca-changed", False, "it leads to the trusted CA")
    wanted = Purpose.RENEW if case.configured.rollover and case.has_current_trust else None
    return Verdict("ca-changed", True, "it does not lead to the trusted CA", wanted)


def _expired(case: _Case) -> Verdict:
    validity = case.identity.validity
    if validity is None or case.now <= validity.not_after:
        return Verdict("expired", False, "it has not expired")
    message = f"it expired on {validity.not_after:%Y-%m-%d %H:%M:%S} UTC"
    if case.ca is not None and case.now > case.ca.not_after:
        hint = "and so has the CA by this gateway's clock: see to the clock, or configure the CA that is there now"
        return Verdict("expired", True, f"{message}, {hint}")
    if case.configured.renew:
        return Verdict("expired", True, f"{message}: a new one is asked for", Purpose.ENROLL)
    return Verdict("expired", True, f"{message}, and client.renew is false: gatewright cert enroll asks for a new one")


def _in_window(case: _Case) -> Verdict:
    validity, due = case.identity.validity, renewal_due(case.identity, case.configured)
    if validity is None or due is None:
        return Verdict("in-its-window", False, "when it expires is not known")
    if not is_plausible(validity, case.now):
        return Verdict("in-its-window", False, "it is not valid yet by this gateway's clock: see to the clock")
    opened = opens_at(validity, case.configured.lead_hours)
    if not case.configured.renew:
        message = f"its window opens on {_day(opened)}; client.renew is false"
        return Verdict("in-its-window", case.now >= opened, message)
    if case.now > validity.not_after:
        return Verdict("in-its-window", False, f"its window ended when it expired, on {_day(validity.not_after)}")
    if case.now < due:
        return Verdict("in-its-window", False, f"its window opens on {_day(opened)}; it is renewed on {_day(due)}")
    return Verdict("in-its-window", True, f"its window opened on {_day(opened)}", Purpose.RENEW)


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


_CHECKS: Final[tuple[Callable[[_Case], Verdict], ...]] = (
    _key_mismatch,
    _other_subject,
    _ca_changed,
    _bootstrap_changed,
    _expired,
    _in_window,
)
