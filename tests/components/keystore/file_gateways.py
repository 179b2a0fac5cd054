"""Gateways with keystores in files, and those files opened beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from components.keystore import HealthState, KeystoreService, plugin
from components.keystore.filesystem import Pkcs12Keystore
from framework import Secret
from framework.testing import GatewayHarness

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FACTORY = "gatewright.keystore.FilesystemKeystore"
LEFT, RIGHT = f"{FACTORY}~Left", f"{FACTORY}~Right"
PASSWORD, FOREIGN = Secret("the gateway's"), Secret("another program's")


def harness(state: Path, paths: Mapping[str, str], password: Secret = PASSWORD, change: str = "MOVE") -> GatewayHarness:
    common = {"keystore.path.change": change, "keystore.password": password.reveal()}
    conf: dict[str, dict[str, Any]] = {pid: {"keystore.path": path, **common} for pid, path in paths.items()}
    return GatewayHarness(plugins=[plugin], conf=conf, state_directory=state)


def service(gateway: GatewayHarness, pid: str) -> KeystoreService:
    reference = gateway.registry.find(KeystoreService, f"(kura.service.pid={pid.partition('~')[2]})")
    assert reference is not None, gateway.explain(pid).sentences
    found = gateway.registry.get(reference)
    assert isinstance(found, KeystoreService)
    return found


def opened(path: Path, password: Secret) -> Pkcs12Keystore:
    store = Pkcs12Keystore(path)
    store.open(password)
    return store


def problems(gateway: GatewayHarness, pid: str) -> str:
    health = service(gateway, pid).health()
    assert (health.state is HealthState.DEGRADED) == bool(health.problems)
    return " ".join(health.problems)
