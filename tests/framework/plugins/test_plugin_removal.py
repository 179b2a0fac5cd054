"""A plugin can be added to and removed from a running gateway, and leaves nothing behind."""

from __future__ import annotations

import gc
import sys
import threading
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from framework import ConfigurationError
from framework.plugins import PluginError
from framework.testing import GatewayHarness

if TYPE_CHECKING:
    from tests.framework.plugins.conftest import Install

_PATIENCE_S = 30

DESCRIPTOR = """\
    <metatype:MetaData xmlns:metatype="http://www.osgi.org/xmlns/metatype/v1.4.0">
      <OCD id="acme" name="Acme"><AD id="rate" type="Integer" default="7"/></OCD>
      <Designate {pid}="{name}"><Object ocdref="acme"/></Designate>
    </metatype:MetaData>
"""

EVERYTHING = """
    from pathlib import Path
    from framework import component, hookimpl
    from framework.admin import Answer, Command
    from framework.plugins import Finding, HealthCheck, Severity

    GATEWRIGHT_API = 1
    HERE = Path(__file__).parent
    log = []

    class Meter: ...

    class Service: ...

    @component("acme.Meter", provides=(Meter,), descriptor="meter.xml")
    class AcmeMeter(Meter):
        def activate(self, context):
            context.call_later(60, self.tick)
            context.subscribe("*", self.hear)

        def tick(self): ...

        def hear(self, event): ...

        def deactivate(self, reason):
            log.append(reason.value)

    @component("acme.Probe", factory=True, descriptor="probe.xml")
    class AcmeProbe: ...

    @hookimpl
    def gatewright_components():
        return [AcmeMeter, AcmeProbe]

    @hookimpl
    def gatewright_descriptors():
        return [HERE / "elsewhere.xml"]

    @hookimpl
    def gatewright_commands():
        return [Command(path=("acme",), help="mine", run=lambda _: Answer(None, ""))]

    @hookimpl
    def gatewright_health_checks():
        return [HealthCheck("meter", lambda gateway: Finding(Severity.WARNING, "too cold", "heat it"))]

    @hookimpl
    def gatewright_started(gateway):
        gateway.register(Service, Service(), {"from": "acme"})
        gateway.subscribe("*", lambda event: None)
        gateway.call_later(3600, lambda: None)

    @hookimpl
    def gatewright_stopping():
        log.append("stopping")
"""


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def install_everything(install: Install) -> None:
    files = {
        "meter.xml": DESCRIPTOR.format(pid="pid", name="acme.Meter"),
        "probe.xml": DESCRIPTOR.format(pid="factoryPid", name="acme.Probe"),
        "elsewhere.xml": DESCRIPTOR.format(pid="pid", name="acme.elsewhere"),
    }
    install("acme-everything", EVERYTHING, files=files)


CONF = {"acme.Meter": {"rate": 9}, "acme.Probe~one": {"rate": 1}}


def test_a_plugin_added_to_a_running_gateway_is_configured_wired_and_started(install: Install) -> None:
    install_everything(install)
    with GatewayHarness(conf=CONF) as harness:
        plugin = harness.gateway.plugins.add("acme-everything")
        harness.settle()
        assert plugin.name == "acme-everything:plugin"
        assert (harness.state("acme.Meter"), harness.state("acme.Probe~one")) == ("active", "active")
        assert harness.configuration_admin.get("acme.Meter").properties["rate"] == 9
        assert harness.configuration_admin.get("acme.elsewhere").properties["rate"] == 7
        assert [command.path for command in harness.gateway.commands] == [("acme",)]
        assert harness.registry.find("acme_everything.Service") is not None
        (report,) = harness.gateway.plugins.check_health()
        assert str(report.finding) == "warning: too cold (heat it)"
        with pytest.raises(PluginError, match="loaded already"):
            harness.gateway.plugins.add("acme-everything")


def test_a_removed_plugin_leaves_nothing_behind(install: Install) -> None:
    install_everything(install)
    with GatewayHarness(conf=CONF) as harness:
        host = harness.gateway.plugins
        host.add("acme-everything")  # what the gateway makes once, such as its threads, is there from now on
        harness.settle()
        host.remove("acme-everything")
        harness.settle()
        services, pids = harness.registry.find_all(), harness.configuration_admin.pids()
        subscriptions, due = harness.gateway.event_admin.subscriptions, harness.gateway.scheduler.next_due()
        threads, descriptors = set(threading.enumerate()), open_files()
        plugin = host.add("acme-everything")
        harness.settle()
        module = sys.modules["acme_everything"]
        log = module.log
        remembered = [weakref.ref(one) for one in (*plugin.components, module.Service, module)]
        del plugin, module
        removal = host.remove("acme-everything:plugin")
        harness.settle()
        assert removal.left_behind == ()
        assert log == ["stopping", "disposed"]
        assert harness.state("acme.Meter") == harness.state("acme.Probe~one") == "unknown"
        assert harness.registry.find_all() == services
        assert harness.configuration_admin.pids() == pids
        assert harness.gateway.event_admin.subscriptions == subscriptions
        assert harness.gateway.scheduler.next_due() == due
        assert harness.gateway.commands == ()
        assert host.check_health() == ()
        assert "acme_everything" not in sys.modules
        with pytest.raises(ConfigurationError):
            harness.configuration_admin.get("acme.elsewhere")
        assert set(threading.enumerate()) <= threads
        assert open_files() == descriptors
        gc.collect()
        assert [one() for one in remembered] == [None] * len(remembered)


def test_what_is_stored_for_a_removed_plugin_is_there_when_it_comes_back(install: Install) -> None:
    install_everything(install)
    with GatewayHarness() as harness:
        harness.gateway.plugins.add("acme-everything")
        harness.settle()
        harness.configuration_admin.update("acme.Meter", {"rate": 42})
        harness.gateway.plugins.remove("acme-everything")
        harness.gateway.plugins.add("acme-everything")
        harness.settle()
        assert harness.configuration_admin.get("acme.Meter").properties["rate"] == 42


THREADED = """
    import builtins, threading
    from framework import hookimpl

    def work():
        builtins.acme_release.wait(30)

    @hookimpl
    def gatewright_started(gateway):
        threading.Thread(target=work, name="acme-worker", daemon=True).start()
"""


def test_a_thread_that_a_plugin_leaves_behind_is_reported_at_removal(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()
    monkeypatch.setattr("builtins.acme_release", release, raising=False)
    install("acme-threaded", THREADED)
    with GatewayHarness() as harness:
        harness.gateway.plugins.add("acme-threaded")
        removal = harness.gateway.plugins.remove("acme-threaded")
        (left,) = removal.left_behind
        assert "the thread acme-worker still runs" in left
        assert "acme_release.wait" in left
        release.set()


def test_a_plugin_in_quarantine_can_be_mended_and_added(install: Install, tmp_path: Path) -> None:
    install("acme-broken", "raise RuntimeError('broken')")
    with GatewayHarness() as harness:
        host = harness.gateway.plugins
        with pytest.raises(PluginError, match="broken"):
            host.add("acme-broken")
        mended = tmp_path / "site" / "acme_broken" / "__init__.py"
        mended.write_text("# mended, and of another length than before\n")
        assert host.add("acme-broken").version == "1.0"
        assert host.quarantined == ()


def test_what_is_not_there_cannot_be_added_or_removed() -> None:
    with GatewayHarness() as harness:
        with pytest.raises(PluginError, match="no plugin of this name is installed"):
            harness.gateway.plugins.add("nobody")
        with pytest.raises(PluginError, match="there is no such plugin"):
            harness.gateway.plugins.remove("nobody")


def test_of_two_plugins_in_one_namespace_package_each_goes_alone(install: Install, tmp_path: Path) -> None:
    (tmp_path / "site" / "acme_space" / "library").mkdir(parents=True)
    (tmp_path / "site" / "acme_space" / "library" / "__init__.py").write_text("")
    for name in ("meter", "pump"):
        source = "import acme_space.library\ndef heard(event): ...\n"
        install(f"acme-space-{name}", source, module=f"acme_space.{name}")
    with GatewayHarness() as harness:
        host = harness.gateway.plugins
        for name in ("meter", "pump"):
            host.add(f"acme-space-{name}")
            harness.gateway.event_admin.subscribe("*", sys.modules[f"acme_space.{name}"].heard)
        heard = harness.gateway.event_admin.subscriptions[-1]
        remembered = weakref.ref(sys.modules["acme_space.meter"])
        assert host.remove("acme-space-meter").left_behind == ()
        left = [name for name in sys.modules if name.startswith("acme_space")]
        assert sorted(left) == ["acme_space", "acme_space.library", "acme_space.pump"]
        assert not hasattr(sys.modules["acme_space"], "meter")
        assert not heard.closed
        gc.collect()
        assert remembered() is None
        del sys.modules["acme_space.library"]
        host.remove("acme-space-pump")
        assert [name for name in sys.modules if name.startswith("acme_space")] == []
        assert heard.closed


ACME = Path(__file__).resolve().parents[2] / "plugins" / "acme_keystore"


def test_the_keystore_of_another_vendor_comes_and_goes(install: Install) -> None:
    package = ACME / "acme_keystore"
    files = {one.name: one.read_text() for one in package.iterdir() if one.is_file() and one.name != "__init__.py"}
    source = (package / "__init__.py").read_text()
    install("acme-vault", source, files=files)
    with GatewayHarness() as harness:
        harness.gateway.plugins.add("acme-vault")
        harness.settle()
        assert harness.state("AcmeKeystore") == "active"
        assert harness.registry.find("components.keystore.contract.KeystoreService") is not None
        assert harness.gateway.plugins.remove("acme-vault").left_behind == ()
        assert harness.registry.find("components.keystore.contract.KeystoreService") is None
