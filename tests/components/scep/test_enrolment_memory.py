"""A gateway that enrols or renews again and again keeps nothing of it."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import tracemalloc
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from framework.clock import SystemClock
from framework.testing import FakeClock
from tests.components.scep.enrolled_gateway import CertificateAuthority, EnrolledGateway

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SERIES = int(os.environ.get("GATEWRIGHT_ENROLMENTS", "80"))
"""How often in all; the variable makes it long."""

WARM_UP = 10
BLOCKS = 4

MOST_BYTES_EACH = 2000
"""What one of them may leave behind on average: less than a reply or a journal.

The interpreter's free lists, and lists that are tidied now and then, take up to a thousand bytes until they are full.
"""


def _renew(gateway: EnrolledGateway) -> None:
    gateway.service.renew()
    gateway.harness.settle()


def _enrol_first(gateway: EnrolledGateway) -> None:
    """As a gateway does whose keystore is empty and that trusts nobody yet."""
    gateway.set(enabled=False)
    for alias in list(gateway.keystore.aliases()):
        gateway.keystore.delete(alias)
    gateway.set(enabled=True)


@dataclass(frozen=True)
class Repeated:
    """What is done again and again."""

    name: str
    act: Callable[[EnrolledGateway], None]


@pytest.mark.parametrize(
    "repeated", [Repeated("first enrolment", _enrol_first), Repeated("renewal", _renew)], ids=lambda one: one.name
)
def test_what_is_done_again_and_again_leaves_nothing_behind(
    repeated: Repeated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The least growth of several blocks counts: what is left behind each time shows in each of them."""
    monkeypatch.setenv("NO_PROXY", "*")
    with contextlib.ExitStack() as stack:
        clock = FakeClock(SystemClock().now())
        authority = CertificateAuthority(stack, tmp_path / "ca", clock, smallest_key=1024)
        gateway = EnrolledGateway(stack, tmp_path / "state", clock, authority)
        gateway.configuration["client.keypair.size"] = 1024  # made quickly
        gateway.start()
        logging.disable(logging.CRITICAL)  # pytest keeps every line
        stack.callback(logging.disable, logging.NOTSET)
        tracemalloc.start()
        stack.callback(tracemalloc.stop)

        def grow(times: int) -> int:
            before = _allocated_bytes()
            for _ in range(times):
                repeated.act(gateway)
                assert gateway.status["state"] == "enrolled", gateway.status
            return _allocated_bytes() - before

        grow(WARM_UP)
        growth = [grow(SERIES // BLOCKS) for _ in range(BLOCKS)]
        assert authority.issued == 1 + WARM_UP + BLOCKS * (SERIES // BLOCKS)
    assert min(growth) < MOST_BYTES_EACH * (SERIES // BLOCKS), growth


def _allocated_bytes() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]
