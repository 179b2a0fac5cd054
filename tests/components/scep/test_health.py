"""What `status`, `/healthz` and the metric say while a certificate comes to its end, or another does not come."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from components.scep.health import HEALTH_CHECKS
from framework.plugins import Severity

if TYPE_CHECKING:
    from collections.abc import Iterable

    from framework.plugins import Finding
    from framework.plugins.context import PluginContext
    from tests.components.scep.enrolled_gateway import Begin, EnrolledGateway

DEAD = "http://127.0.0.1:9"
"""Where nobody listens (the discard service)."""


def unwell(gateway: EnrolledGateway) -> list[Finding]:
    registry = gateway.harness.registry
    context = SimpleNamespace(clock=gateway.clock, find_all=registry.find_all, get=registry.get)
    found = cast("Iterable[Finding]", HEALTH_CHECKS[0].run(cast("PluginContext", context)))
    return [one for one in found if one.severity is not Severity.OK]


@dataclass(frozen=True)
class Case:
    """Days since a certificate of 90 days came, the server gone since then, and what is said."""

    days: float
    severity: Severity | None
    told: str = ""
    settings: dict[str, Any] = field(default_factory=dict[str, Any])


NEVER = {"client.renew": False}
LATE = {"certificate.expiration.check.time": 2}
CASES = {
    "long before": Case(70, None),
    "a renewal that fails": Case(86, Severity.WARNING, "unreachable, and the certificate ends in 3 days"),
    "the last three days of one": Case(88, Severity.ERROR, "unreachable, and the certificate ends in 1 day:"),
    "expired": Case(91, Severity.ERROR, "expired"),
    "not renewed, long before": Case(70, None, settings=NEVER),
    "not renewed, near the end": Case(85, Severity.WARNING, "4 days and is not renewed, as client.renew", NEVER),
    "not renewed, and nearly over": Case(89.5, Severity.ERROR, "is not renewed", NEVER),
    "renewed late, as is wished": Case(89.5, None, settings=LATE),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_end_of_a_certificate_is_told_before_it_comes(begin: Begin, case: Case) -> None:
    gateway, authority = begin(settings=case.settings)
    assert unwell(gateway) == []
    authority.stop()
    gateway.days(case.days)
    found = unwell(gateway)
    assert [one.severity for one in found] == ([] if case.severity is None else [case.severity])
    assert all(case.told in one.text and one.fix for one in found)


def test_a_bootstrap_that_fails_is_told_though_there_is_a_certificate(begin: Begin) -> None:
    gateway, _ = begin()
    gateway.set(server__url=DEAD)
    gateway.harness.advance(5)
    (found,) = unwell(gateway)
    assert found.severity is Severity.WARNING
    assert "unreachable, and the certificate ends in 89 days" in found.text


def test_a_request_that_the_ca_has_yet_to_decide_is_no_error(begin: Begin) -> None:
    gateway, authority = begin(approval=True)
    (found,) = unwell(gateway)
    assert gateway.status["state"] == "pending"
    assert found.severity is Severity.WARNING
    assert "approved" in str(found.fix)
    assert authority.issued == 0
