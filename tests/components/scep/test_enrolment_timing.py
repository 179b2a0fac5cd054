"""When a renewal is due, and that many gateways do not renew together."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.scep.enrolment import Configured, IdentityFacts, Validity
from components.scep.enrolment.timing import catch_up_at, opens_at, renewal_due, retry_pause_s

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def _configured(device: str = "d", lead_hours: int = 240) -> Configured:
    return Configured(True, (), "A", "digest", 60, 2048, renew=True, lead_hours=lead_hours, device=device)


def _identity(serial: str, days: float) -> IdentityFacts:
    return IdentityFacts("c", "k", serial=serial, validity=Validity(NOW, NOW + days * DAY))


@pytest.mark.parametrize(
    ("days", "lead_hours", "opens_after_days"),
    [(90, 240, 80), (20, 240, 10), (8, 240, 4), (1 / 24, 240, 1 / 48), (365, 24, 364)],
)
@pytest.mark.requirement("mission: check time", "design 6: short lives")
def test_a_certificate_may_be_replaced_the_lead_before_its_end_or_at_half_of_its_life(
    days: float, lead_hours: int, opens_after_days: float
) -> None:
    opens = opens_at(Validity(NOW, NOW + days * DAY), lead_hours)
    assert abs(opens - (NOW + opens_after_days * DAY)) < timedelta(seconds=1)


@given(device=st.text(max_size=20), serial=st.text("0123456789abcdef", min_size=1), days=st.floats(0.01, 4000))
@pytest.mark.requirement("design 6: spread")
def test_it_is_due_within_the_window_always_at_the_same_moment(device: str, serial: str, days: float) -> None:
    identity, configured = _identity(serial, days), _configured(device)
    due = renewal_due(identity, configured)
    assert identity.validity is not None
    assert due == renewal_due(identity, configured)
    assert due is not None
    assert opens_at(identity.validity, 240) <= due < identity.validity.not_after


@pytest.mark.requirement("design 6: spread")
def test_gateways_of_one_hour_are_due_apart() -> None:
    dues = sorted(renewal_due(_identity("1", 90), _configured(f"device-{n}")) or NOW for n in range(500))
    width = dues[-1] - dues[0]
    assert width > 4 * DAY
    assert max(later - earlier for earlier, later in itertools.pairwise(dues)) < width / 20
    late = NOW + 89 * DAY
    assert len({catch_up_at(_identity("1", 90), _configured(f"device-{n}"), late) for n in range(500)}) > 400


@given(attempts=st.integers(1, 10_000), jitter=st.floats(0, 1))
@pytest.mark.requirement("mission: retry interval", "design 6: spread")
def test_a_pause_is_from_a_second_to_six_hours(attempts: int, jitter: float) -> None:
    assert 1 <= retry_pause_s(attempts, _configured(), jitter, None, NOW) <= 6 * 3600
