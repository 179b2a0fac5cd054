"""Keystores that cannot be told apart by the name that target filters know them by."""

from __future__ import annotations

import pytest

from components.keystore import Changes, Entry, KeystoreCapabilities, KeystoreService, plugin
from framework import ComponentContext, component
from framework.testing import GatewayHarness

FILE = "gatewright.keystore.FilesystemKeystore"
TOKEN = "gatewright.keystore.PKCS11Keystore"
TLS = "gatewright.tls.SslContextService"


class Empty(KeystoreService):
    @property
    def capabilities(self) -> KeystoreCapabilities:
        return KeystoreCapabilities(read_only=True)

    def aliases(self) -> tuple[str, ...]:
        return ()

    def get(self, alias: str) -> Entry | None:
        return None

    def commit(self, changes: Changes) -> None: ...


@component("vault.Keystore", provides=(KeystoreService,))
class Vault(Empty):
    """A keystore of a plugin."""


@component("vault.Sealed", provides=(KeystoreService,))
class Sealed(Empty):
    """A keystore of a plugin that fails."""

    def activate(self, _context: ComponentContext) -> None:
        raise RuntimeError("sealed")


def names_told(gateway: GatewayHarness) -> list[str]:
    reports = gateway.gateway.plugins.check_health()
    return [
        f"{one.finding.text} → {one.finding.fix}" for one in reports if one.check == "keystore names" and one.finding
    ]


def test_two_active_keystores_of_one_name_are_told_with_the_one_that_is_used() -> None:
    conf = {f"{FILE}~vault.Keystore": {"keystore.path": "keys.p12"}}
    with GatewayHarness(plugins=[plugin], components=[Vault], conf=conf) as gateway:
        (told,) = names_told(gateway)
        best = gateway.registry.find(KeystoreService, "(kura.service.pid=vault.Keystore)")
        assert best is not None
        assert "2 keystores have the kura.service.pid vault.Keystore: " in told
        assert f"{best.properties['service.pid']} is used just now" in told
        assert f"gatewright config delete {FILE}~vault.Keystore" in told


def test_renaming_one_as_is_advised_ends_it() -> None:
    conf = {f"{FILE}~vault.Keystore": {"keystore.path": "keys.p12"}}
    with GatewayHarness(plugins=[plugin], components=[Vault], conf=conf) as gateway:
        gateway.configuration_admin.update(f"{FILE}~vault.Keystore", {"kura.service.pid": "Other"})
        assert names_told(gateway) == []
        assert gateway.registry.find(KeystoreService, "(kura.service.pid=Other)") is not None


def test_a_keystore_that_is_called_as_a_component_that_is_not_active_is_told() -> None:
    conf = {f"{FILE}~vault.Sealed": {"keystore.path": "keys.p12"}}
    with GatewayHarness(plugins=[plugin], components=[Sealed], conf=conf) as gateway:
        (told,) = names_told(gateway)
        assert f"vault.Sealed and {FILE}~vault.Sealed have the same kura.service.pid, vault.Sealed" in told
        assert f"gatewright config delete {FILE}~vault.Sealed" in told


def test_a_file_and_a_token_of_one_name_are_told_also_where_the_token_is_not_there() -> None:
    conf = {f"{FILE}~A": {"keystore.path": "keys.p12"}, f"{TOKEN}~A": {"library.path": "/nowhere.so"}}
    with GatewayHarness(plugins=[plugin], conf=conf) as gateway:
        (told,) = names_told(gateway)
        assert f"{FILE}~A" in told
        assert f"{TOKEN}~A" in told


@pytest.mark.parametrize("other", [f"{FILE}~B", f"{TLS}~A"])
def test_keystores_with_names_of_their_own_and_tls_contexts_called_as_their_keystore_are_well(other: str) -> None:
    conf = {f"{FILE}~A": {"keystore.path": "keys.p12"}, other: {"keystore.path": "other.p12"} if FILE in other else {}}
    with GatewayHarness(plugins=[plugin], components=[Vault], conf=conf) as gateway:
        assert names_told(gateway) == []
