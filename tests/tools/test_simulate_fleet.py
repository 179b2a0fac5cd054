"""100,000 gateways that were born in one hour do not renew in one hour."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from tools.simulate_fleet import picture, renewals, renewals_after_outage


def test_the_busiest_minute_of_a_fleet_born_in_one_hour_has_three_times_the_mean_at_most() -> None:
    load = renewals(100_000, seed=1)
    assert sum(load.minutes) == 100_000
    assert load.ratio <= 3
    assert ET.fromstring(picture(load)).tag.endswith("svg")


def test_a_fleet_that_comes_back_after_an_outage_spreads_again() -> None:
    load = renewals_after_outage(20_000, seed=1)
    assert len(load.minutes) >= 15
    assert load.ratio <= 3
