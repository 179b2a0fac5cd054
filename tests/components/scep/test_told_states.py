"""What the log says of an enrolment over its component's lives: what it was before, and that a fault has ended."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

    from tests.components.scep.enrolled_gateway import Begin


def test_a_fault_and_its_end_are_told_over_a_new_bootstrap_and_a_restart(
    begin: Begin, caplog: pytest.LogCaptureFixture
) -> None:
    def told() -> list[str]:
        records = [one for one in caplog.records if one.getMessage().startswith("enrolment: ")]
        warned = [one.getMessage().removeprefix("enrolment: ") for one in records if one.levelno == logging.WARNING]
        caplog.clear()
        return [one.partition(")")[0] + ")" for one in warned]

    gateway, authority = begin()
    told()
    gateway.set(server__ca__fingerprint="")
    assert told() == ["misconfigured (was: enrolled)"]
    gateway.set(server__ca__fingerprint=authority.ca.fingerprint)
    assert gateway.status["state"] == "enrolled"
    assert len(told()) == 1
    gateway.set(server__ca__fingerprint="")
    told()
    gateway.stop()
    gateway.start()
    assert told() == ["misconfigured (was: misconfigured)"]
    gateway.set(server__ca__fingerprint=authority.ca.fingerprint)
    assert told() == ["enrolled (was: requesting)"]
