"""What an enrolment is configured to and knows, where tests of its machine begin."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from components.scep.enrolment import Configured, IdentityFacts, KeystoreFacts, Problem, State, Trust, Validity, WakeAt

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CONFIGURED = Configured(
    enabled=True, problems=(), bootstrap_identity="A", digest="d", retry_interval_s=60, key_size=2048
)
EMPTY = KeystoreFacts(has_trust=False, identity=None, request_key=None)
TOMORROW = WakeAt(NOW + timedelta(hours=24))
TRUST = Trust("A", "http://ca/scep", ("aes",), ("PEM",))
RENEWED = IdentityFacts("c", "k", validity=Validity(NOW, NOW + timedelta(days=90)))


def problem(state: State, at: datetime = NOW) -> Problem:
    return Problem(state, "kind", "message", "what to do", at)
