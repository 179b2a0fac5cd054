"""What the operator's one screen says of the identity, however narrow it is and whatever the enrolment does."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Any

import pytest

from components.keystore import KeystoreService
from components.keystore.memory import MemoryKeystore
from components.scep import plugin
from components.scep.component import PID
from framework.admin.command import Invocation
from framework.admin.commands import framework_commands
from framework.admin.parsing import CommandTable
from framework.testing import FakeClock, GatewayHarness
from tests.components.scep.enrolled_gateway import CHALLENGE, CertificateAuthority

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OF_THE_FLEET = "CN=9e169bffe6e8336e5e2d24acb2d761ed,O=Example"
"""What `{"$device": "CN={machine-id},O=Example"}` of the README becomes."""


class Fleet:
    """A gateway of the README's fleet, with a CA, both at one time."""

    def __init__(self, stack: contextlib.ExitStack, directory: Path) -> None:
        self._stack = stack
        self.clock = FakeClock()
        self.authority = CertificateAuthority(stack, directory / "ca", self.clock)
        self.harness: GatewayHarness

    def begin(self, *, keystore: bool = True, **properties: Any) -> None:
        settings = {
            "enabled": True,
            "server.url": self.authority.server.url,
            "server.ca.fingerprint": self.authority.ca.fingerprint,
            "client.subject.dn": OF_THE_FLEET,
            "client.challenge.password": CHALLENGE,
            "client.renew": True,
            "KeystoreService.target": "(kura.service.pid=A)",
            **{name.replace("__", "."): value for name, value in properties.items()},
        }
        harness = GatewayHarness(plugins=[plugin], conf={PID: settings}, clock=self.clock)
        self.harness = self._stack.enter_context(harness)
        if keystore:
            self.harness.registry.register(KeystoreService, MemoryKeystore(), {"kura.service.pid": "A"})
        self.harness.settle()

    def rows(self, columns: int | None) -> dict[str, str]:
        """The labelled values of `status` on a terminal of that width."""
        command, options = CommandTable(framework_commands()).parse(["status"])
        client: Any = None
        shown = str(command.run(Invocation(options, self.harness.gateway, client, columns)).text)
        labelled = (re.split(" {2,}", line, maxsplit=1) for line in shown.split("\n\n", maxsplit=1)[0].splitlines())
        return {row[0]: row[-1] for row in labelled}


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    with contextlib.ExitStack() as stack:
        yield Fleet(stack, tmp_path)


@pytest.mark.parametrize("columns", [None, 80, 40, 20])
def test_who_it_is_and_until_when_is_told_however_narrow_the_screen_is(fleet: Fleet, columns: int | None) -> None:
    fleet.begin()
    shown = fleet.rows(columns)
    (issued,) = fleet.authority.ca.issued()
    ends = f"{issued.certificate.not_valid_after_utc:%Y-%m-%d}"
    assert shown["valid until"].startswith(f"{ends}, 90 days")
    told = shown["identity"].removesuffix("…")
    assert OF_THE_FLEET.startswith(told)
    assert len(told) >= (len(OF_THE_FLEET) if columns in (None, 80) else 16)


def test_an_identity_that_has_expired_is_still_told(fleet: Fleet) -> None:
    fleet.begin(client__renew=False)
    fleet.clock.advance(200 * 24 * 3600)
    shown = fleet.rows(80)
    assert shown["identity"] == OF_THE_FLEET
    assert re.match("[0-9-]{10}, expired", shown["valid until"])


@pytest.mark.parametrize(
    ("properties", "told"),
    [
        ({"server__ca__fingerprint": ""}, "none yet (misconfigured): "),
        ({"server__ca__fingerprint": "0" * 64}, "none yet (untrusted-ca): "),
        ({"enabled": False}, "none; the enrolment is disabled"),
        ({"keystore": False}, "none; no enrolment is active (gatewright explain"),
    ],
    ids=["misconfigured", "untrusted", "disabled", "without a keystore"],
)
def test_before_the_first_certificate_there_is_none_and_why(
    fleet: Fleet, properties: dict[str, Any], told: str
) -> None:
    fleet.begin(**properties)
    assert fleet.rows(None)["identity"].startswith(told)
    assert "valid until" not in fleet.rows(None)
