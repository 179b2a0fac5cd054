"""What `cert status` advises where the keystore is missing: never a second one of a name that may come back."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

from components.keystore import KeystoreService
from components.keystore.memory import MemoryKeystore
from components.scep import plugin
from components.scep.component import PID
from framework import component
from framework.admin.command import Invocation
from framework.admin.parsing import CommandTable
from framework.testing import GatewayHarness

if TYPE_CHECKING:
    from pathlib import Path

    from framework import ComponentContext

EXAMPLE = "config set gatewright.keystore.FilesystemKeystore~vault.Keystore"
CONF = {PID: {"KeystoreService.target": "(kura.service.pid=vault.Keystore)"}}


@component("vault.Keystore", provides=KeystoreService)
class Vault:
    """A keystore of a plugin, which is locked."""

    def activate(self, _context: ComponentContext) -> None:
        raise RuntimeError("the vault is locked")


@component("gatewright.keystore.FilesystemKeystore", provides=KeystoreService, factory=True)
class InFile(Vault):
    """One of a factory."""


def advice(harness: GatewayHarness) -> str:
    harness.settle()
    command, options = CommandTable(harness.gateway.commands).parse(["cert", "status"])
    client: Any = None
    answer = command.run(Invocation(options, harness.gateway, client))
    assert answer.data["state"] == "waiting-for-keystore"
    return str(answer.data["next_action"]["what"])


def test_one_that_nobody_knows_is_to_be_configured() -> None:
    with GatewayHarness(plugins=[plugin], conf=CONF) as harness:
        assert EXAMPLE in advice(harness)


def test_one_whose_component_does_not_come_up_is_to_be_looked_at() -> None:
    with GatewayHarness(plugins=[plugin], components=[Vault], conf=CONF) as harness:
        told = advice(harness)
    assert EXAMPLE not in told
    assert "gatewright explain vault.Keystore" in told


def test_one_of_a_factory_that_does_not_come_up_is_to_be_looked_at() -> None:
    conf: dict[str, Any] = {**CONF, "gatewright.keystore.FilesystemKeystore~vault.Keystore": {}}
    with GatewayHarness(plugins=[plugin], components=[InFile], conf=conf) as harness:
        told = advice(harness)
    assert EXAMPLE not in told
    assert "gatewright explain gatewright.keystore.FilesystemKeystore~vault.Keystore" in told


def test_one_that_was_enrolled_into_is_to_be_brought_back(tmp_path: Path) -> None:
    state = tmp_path / "state"
    enabled = {PID: {**CONF[PID], "enabled": True, "server.url": "http://127.0.0.1:9", "client.subject.dn": "CN=a"}}
    enabled[PID]["server.ca.fingerprint"] = "0" * 64
    with GatewayHarness(plugins=[plugin], conf=enabled, state_directory=state) as harness:
        harness.registry.register(KeystoreService, MemoryKeystore(), {"kura.service.pid": "vault.Keystore"})
        harness.settle()
    with GatewayHarness(plugins=[plugin], conf=enabled, state_directory=state) as harness:
        told = advice(harness)
    assert EXAMPLE not in told
    assert told.startswith("bring vault.Keystore back")
    shutil.rmtree(state / "data")
    with GatewayHarness(plugins=[plugin], conf=enabled, state_directory=state) as harness:
        assert EXAMPLE in advice(harness)
