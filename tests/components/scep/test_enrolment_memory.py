"""A gateway that enrols again and again keeps nothing of it."""

from __future__ import annotations

import contextlib
import gc
import os
import tracemalloc
from typing import TYPE_CHECKING

from framework.clock import SystemClock
from framework.testing import FakeClock
from tests.components.scep.enrolled_gateway import CertificateAuthority, EnrolledGateway

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

RENEWALS = int(os.environ.get("GATEWRIGHT_ENROLMENTS", "100"))
WARM_UP = 20

MOST_BYTES_EACH = 500
"""What one renewal may leave behind on average: less than a certificate, a reply or a journal."""

MOST_BYTES_ONCE = 32 * 1024
"""What does not come with each renewal: a table of the interpreter that grows, what earlier tests left running."""


def test_renewals_leave_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    with contextlib.ExitStack() as stack:
        clock = FakeClock(SystemClock().now())
        authority = CertificateAuthority(stack, tmp_path / "ca", clock)
        gateway = EnrolledGateway(stack, tmp_path / "state", clock, authority)
        gateway.start()
        tracemalloc.start()
        stack.callback(tracemalloc.stop)
        _renew(gateway, WARM_UP)
        before = _allocated_bytes()
        _renew(gateway, RENEWALS)
        left = _allocated_bytes() - before
        assert authority.issued == 1 + WARM_UP + RENEWALS
    assert left < MOST_BYTES_ONCE + MOST_BYTES_EACH * RENEWALS


def _renew(gateway: EnrolledGateway, times: int) -> None:
    for _ in range(times):
        gateway.service.renew()
        gateway.harness.settle()
        assert gateway.status["state"] == "enrolled"


def _allocated_bytes() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]
