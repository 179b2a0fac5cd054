"""Settings that the descriptor refuses: not stored, told where they stand in a file, and mended after an upgrade."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import components.scep
from components.keystore import KeystoreService
from components.keystore.memory import MemoryKeystore
from components.scep import plugin
from components.scep.commands import MISCONFIGURED
from components.scep.component import PID
from framework import ConfigurationError, component
from framework.admin.command import Invocation
from framework.admin.parsing import CommandTable
from framework.testing import GatewayHarness

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from framework.admin import Answer
    from tests.components.scep.enrolled_gateway import Begin

BAD = {"server.ca.fingerprint": "AB", "server.bootstrap-certificate": "garbage", "client.subject.dn": "gateway-17"}
GOOD = {"server.ca.fingerprint": "0" * 64, "server.bootstrap-certificate": "", "client.subject.dn": "CN=a"}
ENABLED = {"enabled": True, "server.url": "http://127.0.0.1:9", "KeystoreService.target": "(kura.service.pid=A)"}


@pytest.mark.parametrize(("name", "value"), BAD.items(), ids=BAD)
@pytest.mark.requirement("mission: fingerprint")
def test_what_cannot_be_used_is_refused_and_the_identity_stays(begin: Begin, name: str, value: str) -> None:
    gateway, authority = begin()
    admin, before = gateway.harness.configuration_admin, gateway.identity.chain
    assert [one.property for one in admin.plan(PID, {name: value}).problems] == [name]
    with pytest.raises(ConfigurationError, match=f"{name}: must be "):
        admin.update(PID, {name: value})
    gateway.harness.settle()
    assert gateway.status["state"] == "enrolled"
    assert (gateway.identity.chain, authority.issued) == (before, 1)


@contextlib.contextmanager
def a_gateway(conf: Mapping[str, Any] | None = None, keystore: str = "A", **of: Any) -> Iterator[GatewayHarness]:
    with GatewayHarness(conf={PID: conf} if conf else {}, **({"plugins": [plugin]} | of)) as harness:
        harness.registry.register(KeystoreService, MemoryKeystore(), {"kura.service.pid": keystore})
        harness.settle()
        yield harness


def cert_status(harness: GatewayHarness) -> Answer:
    command, options = CommandTable(harness.gateway.commands).parse(["cert", "status"])
    client: Any = None
    return command.run(Invocation(options, harness.gateway, client))


@pytest.mark.parametrize("keystore", ["A", "EnrollmentKeystore"])
def test_what_a_file_says_wrongly_is_told_as_such(keystore: str) -> None:
    with a_gateway({**ENABLED, **GOOD, "client.subject.dn": "gateway-17"}, keystore) as harness:
        answer = cert_status(harness)
    assert (answer.data["state"], answer.exit_status) == ("misconfigured", MISCONFIGURED)
    assert "client.subject.dn: must be a distinguished name" in answer.data["last_error"]["message"]
    assert "keystore" not in answer.data["next_action"]["what"]


def test_an_enrolment_that_is_disabled_on_purpose_is_not_misconfigured() -> None:
    with a_gateway({**ENABLED, "enabled": False}) as harness:
        assert cert_status(harness).data["state"] == "disabled"


def test_what_an_earlier_release_stored_is_told_and_can_be_mended(tmp_path: Path) -> None:
    descriptor = tmp_path / "earlier.xml"
    here = Path(components.scep.__file__).with_name("scep.xml").read_text("utf-8")
    descriptor.write_text(re.sub(' gw:format="[a-z0-9-]+"', "", here), "utf-8")

    @component(PID, descriptor=str(descriptor))
    class Earlier:
        """What had no forms of texts."""

    state = tmp_path / "state"
    with a_gateway(plugins=[], components=[Earlier], state_directory=state) as harness:
        harness.configuration_admin.update(PID, {**ENABLED, **BAD})
    with a_gateway(state_directory=state) as harness:
        answer = cert_status(harness)
        assert (answer.data["state"], answer.exit_status) == ("misconfigured", MISCONFIGURED)
        assert all(name in answer.data["last_error"]["message"] for name in BAD)
        assert harness.configuration_admin.plan(PID, GOOD).problems == ()
        harness.configuration_admin.update(PID, GOOD)
        harness.settle()
        assert harness.state(PID) == "active"
        assert harness.configuration_admin.get(PID).properties["server.url"] == ENABLED["server.url"]
