"""Health checks of which one hangs."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Final

from framework.plugins.host import HEALTH_DEADLINE_S

if TYPE_CHECKING:
    from framework.plugins import HealthReport
    from framework.testing import GatewayHarness

_PATIENCE_S: Final = 60


def health_while_one_hangs(harness: GatewayHarness, hangs: threading.Event) -> list[HealthReport]:
    """What the health checks tell where one does not end: its time is up only when all others have ended.

    Args:
        harness: A gateway with these checks.
        hangs: Set as soon as that check has begun.
    """
    reports: list[HealthReport] = []
    asker = threading.Thread(target=lambda: reports.extend(harness.gateway.plugins.check_health()))
    asker.start()
    assert hangs.wait(_PATIENCE_S)
    while len(guards := [one for one in threading.enumerate() if one.name == "gatewright-guard"]) > 1:
        for one in guards:
            with contextlib.suppress(RuntimeError):  # it is only just being started
                one.join(0.01)
    while asker.is_alive():
        harness.clock.advance(HEALTH_DEADLINE_S)
        asker.join(0.01)
    return reports
