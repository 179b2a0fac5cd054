"""One bad plugin never keeps another, or the gateway, from starting."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from framework import component, hookimpl
from framework.plugins import PluginHost
from framework.testing import GatewayHarness

if TYPE_CHECKING:
    from pathlib import Path


@component("test.Good")
class Good:
    """A component that always works."""


class GoodPlugin:
    @hookimpl
    def gatewright_components(self) -> list[type]:
        return [Good]


class RaisingPlugin:
    @hookimpl
    def gatewright_components(self) -> list[type]:
        raise RuntimeError("broken inside")


class ExitingPlugin:
    @hookimpl
    def gatewright_components(self) -> list[type]:
        sys.exit(3)


class MisspelledPlugin:
    @hookimpl
    def gatewright_componentz(self) -> list[type]:
        return []


class FuturePlugin:
    GATEWRIGHT_API = 99


class NotAComponentPlugin:
    @hookimpl
    def gatewright_components(self) -> list[type]:
        return [int]


class SecondOfThatNamePlugin:
    @hookimpl
    def gatewright_components(self) -> list[type]:
        @component("test.Good")
        class Impostor: ...

        return [Impostor]


@pytest.mark.parametrize(
    ("plugin", "reason"),
    [
        (RaisingPlugin(), "RuntimeError: broken inside"),
        (ExitingPlugin(), "SystemExit: 3"),
        (MisspelledPlugin(), "gatewright_componentz"),
        (FuturePlugin(), "version 99"),
        (NotAComponentPlugin(), "int: is not a component"),
        (SecondOfThatNamePlugin(), "already a component of"),
    ],
)
def test_a_bad_plugin_is_quarantined_with_its_reason_and_the_good_one_runs(plugin: object, reason: str) -> None:
    with GatewayHarness(plugins=[GoodPlugin(), plugin]) as harness:
        assert harness.state("test.Good") == "active"
        (quarantined,) = harness.gateway.plugins.quarantined
        assert reason in quarantined.reason


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("raise ImportError('no such thing')", "no such thing"),
        ("import sys; sys.exit('bye')", "SystemExit: bye"),
        ("def", "SyntaxError"),
    ],
)
def test_an_entry_point_whose_import_fails_is_quarantined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, reason: str
) -> None:
    (tmp_path / "acme_broken_plugin.py").write_text(source)
    info = tmp_path / "acme_broken-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[gatewright]\nbroken = acme_broken_plugin\n")
    monkeypatch.syspath_prepend(tmp_path)
    host = PluginHost()
    host.load_entry_points()
    assert {plugin.name for plugin in host.plugins} >= {"keystore", "scep"}
    (quarantined,) = host.quarantined
    assert (quarantined.name, quarantined.version) == ("acme-broken:broken", "1.0")
    assert reason in quarantined.reason


def test_a_module_can_be_a_plugin() -> None:
    module: Any = ModuleType("acme_module")
    module.gatewright_components = hookimpl(gatewright_components)
    host = PluginHost()
    host.load_objects([module])
    assert host.plugins[0].components == (Good,)


def gatewright_components() -> list[type]:
    return [Good]


class HalfGoodPlugin:
    @hookimpl
    def gatewright_components(self) -> list[type]:
        @component("test.Half")
        class Half: ...

        @component("test.Good")
        class Impostor: ...

        return [Half, Impostor]


def test_of_a_plugin_in_quarantine_nothing_is_left_behind() -> None:
    with GatewayHarness(plugins=[GoodPlugin(), HalfGoodPlugin()]) as harness:
        assert len(harness.gateway.plugins.quarantined) == 1
        assert harness.state("test.Half") == "unknown"
        assert "test.Half" not in harness.configuration_admin.pids()
