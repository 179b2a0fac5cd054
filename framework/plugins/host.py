"""Holds plugins: one that fails is quarantined and reported, and keeps nobody else from starting."""

from __future__ import annotations

import contextlib
import importlib
import logging
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

import pluggy

from framework.clock import Clock, SystemClock
from framework.errors import FrameworkError
from framework.log_events import PLUGIN_LEFT_SOMETHING, PLUGIN_NOT_STOPPED, PLUGIN_QUARANTINED
from framework.plugins import loading, modules
from framework.plugins.guard import Abandonment, GuardedCall, GuardError
from framework.plugins.health import Finding, HealthCheck, HealthReport, Severity
from framework.plugins.hooks import PROJECT, Hooks
from framework.plugins.plugin import Plugin, PluginError, QuarantinedPlugin, Removal
from metatype import MetatypeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from importlib.metadata import EntryPoint

    from framework.plugins.context import PluginContext

_log = logging.getLogger("framework.plugins")

HEALTH_DEADLINE_S: Final = 5.0
"""How long all health checks together may take, in seconds; they run side by side."""

THOROUGH_DEADLINE_S: Final = 30.0
"""The same, where the thorough ones are among them."""

REMOVAL_DEADLINE_S: Final = 10.0
"""How long the components of a plugin that is removed have to end, in seconds."""

STOPPING_DEADLINE_S: Final = 1.0
"""How long `gatewright_stopping` may take, in seconds."""


class Site(Protocol):
    """The gateway, as the host needs it: where contributions go."""

    def install(self, plugin: Plugin) -> None:
        """Take all that a plugin contributes, or raise and take nothing."""

    def configure(self, plugin: Plugin) -> None:
        """Hand its configurations to a plugin that was installed while the gateway runs."""

    def uninstall(self, plugin: Plugin, timeout_s: float) -> tuple[str, ...]:
        """Take out all that a plugin contributed; what was not to be taken out, in words."""
        ...

    def context(self, plugin: str) -> PluginContext:
        """A new view of the gateway for a plugin."""
        ...

    def publish(self, topic: str, properties: dict[str, Any]) -> None:
        """Publish an event."""


class PluginHost:
    """Finds, checks and holds the plugins of one gateway.

    Args:
        clock: The source of time, for the deadlines of plugins.
        site: Where contributions go; None, as for help, if they are only held here.
        begins: Told in a few words of what is done next to a plugin while the gateway starts: it is loaded, or hears
            that the gateway has started. Each of these steps has its deadlines, so the next call comes whatever a
            plugin does.
    """

    def __init__(
        self,
        clock: Clock | None = None,
        site: Site | None = None,
        begins: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._site = site
        self._tell_begins = begins
        self._abandonment = Abandonment()
        self._lock = threading.Lock()
        self._busy = False
        self._plugins: tuple[Plugin, ...] = ()
        self._quarantined: tuple[QuarantinedPlugin, ...] = ()
        self._contexts: dict[str, PluginContext] = {}
        self._hanging: dict[tuple[str, ...], _Asked] = {}
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(Hooks)

    @property
    def plugins(self) -> tuple[Plugin, ...]:
        """The plugins that were loaded, in order."""
        return self._plugins

    @property
    def quarantined(self) -> tuple[QuarantinedPlugin, ...]:
        """The plugins that were refused, each with the reason."""
        return self._quarantined

    def abandon(self) -> None:
        """Wait for no plugin any more: what loads or starts plugins now raises StartAbandonedError at once."""
        self._abandonment.give_up()

    def load_entry_points(self) -> None:
        """Load every plugin that an installed distribution offers in the group `gatewright`."""
        for entry_point in loading.installed_plugins():
            self._begins(f"loading plugin {loading.name_of(entry_point)}")
            self._load(entry_point)

    def load_objects(self, objects: Iterable[object]) -> None:
        """Take objects or modules with hook implementations as plugins."""
        for number, module in enumerate(objects, 1):
            name = str(getattr(module, "__name__", None) or f"{type(module).__name__}-{number}")
            self._begins(f"loading plugin {name}")
            self._take(Plugin(name, None, None, module))

    def add(self, name: str) -> Plugin:
        """Load an installed plugin, also one in quarantine, and have its components configured and wired.

        Args:
            name: The plugin's name, or the entry point's or distribution's if only one plugin has it.

        Raises:
            PluginError: There is no such plugin, it is there already, or it was put into quarantine: why.
        """
        with self._changing(name):
            importlib.invalidate_caches()  # it may have been installed a moment ago
            entry_point = self._installed(name)
            plugin = self._load(entry_point)
            return self._begin(plugin, loading.name_of(entry_point))

    def add_object(self, name: str, module: object) -> Plugin:
        """Take an object or module with hook implementations as a plugin of a running gateway, as `add` does."""
        with self._changing(name):
            if any(one.name == name for one in self._plugins):
                raise PluginError(name, "a plugin of this name is there already")
            return self._begin(self._take(Plugin(name, None, None, module)), name)

    def remove(self, name: str, timeout_s: float = REMOVAL_DEADLINE_S) -> Removal:
        """Take a plugin, and all that it brought, out of the running gateway; what is stored for it stays stored.

        Raises:
            PluginError: There is no such plugin.
        """
        with self._changing(name):
            plugin = self._loaded(name)
            if plugin is None:
                kept = tuple(one for one in self._quarantined if name not in (one.name, one.distribution))
                if kept == self._quarantined:
                    raise PluginError(name, f"there is no such plugin; there are {self._names()}")
                self._quarantined = kept
                return Removal(name, ())
            left = self._take_out(plugin, timeout_s)
            self._publish("REMOVED", plugin, "; ".join(left))
            return Removal(plugin.name, left)

    def start(self) -> None:
        """Tell all plugins that the gateway has started; one that fails then is quarantined."""
        for plugin in self._plugins:
            self._begins(f"telling plugin {plugin.name} that the gateway has started")
            self._tell_started(plugin)

    def stop(self) -> None:
        """Tell all plugins, the last first, that the gateway stops, and take back what they registered."""
        deadline = self._clock.monotonic() + STOPPING_DEADLINE_S
        calls = [call for plugin in reversed(self._plugins) if (call := self._stopping_call(plugin)) is not None]
        for call in calls:
            try:
                call.result(deadline, STOPPING_DEADLINE_S)
            except GuardError as error:
                _log.error(PLUGIN_NOT_STOPPED, {"error": error})  # the stack is in the message if it hangs
        for context in self._contexts.values():
            context.close()
        self._contexts.clear()

    def check_health(self, *, thorough: bool = False) -> tuple[HealthReport, ...]:
        """Ask all plugins for their health, side by side; with `thorough` also what takes time."""
        seconds = THOROUGH_DEADLINE_S if thorough else HEALTH_DEADLINE_S
        deadline = self._clock.monotonic() + seconds
        running: list[_Asked] = []
        for plugin in self._plugins:
            context = self._contexts.get(plugin.name)
            if context is not None:
                chosen = (check for check in plugin.health_checks if thorough or not check.thorough)
                running += [self._ask(plugin, context, (check,)) for check in chosen]
        return tuple(report for asked in running for report in self._health_of(asked, deadline, seconds))

    def _ask(self, plugin: Plugin, context: PluginContext, checks: tuple[HealthCheck, ...]) -> _Asked:
        """Begin with a check, the last of these, which the others have led to; one that hangs is not begun again."""
        key = (plugin.name, *(check.name for check in checks))
        hanging = self._hanging.get(key)
        if hanging is not None and not hanging.call.done:
            return hanging

        def ask() -> tuple[object, ...]:
            answer: Any = checks[-1].run(context)
            if answer is None:
                return ()
            several = isinstance(answer, Iterable) and not isinstance(answer, Finding | str)
            further = len(checks) == 1
            return tuple(
                self._ask(plugin, context, (*checks, one)) if further and isinstance(one, HealthCheck) else one
                for one in (answer if several else (answer,))
            )

        what = f"the health check {' of '.join(repr(check.name) for check in checks)} of {plugin.name}"
        return _Asked(plugin, checks, GuardedCall(self._clock, what, ask))

    def quarantine(self, plugin: Plugin, reason: str) -> None:
        """Note that a plugin is not taken, and forget what it contributed."""
        self._forget(plugin)
        refused = QuarantinedPlugin(plugin.name, plugin.distribution, plugin.version, reason)
        self._quarantined = (*(one for one in self._quarantined if one.name != plugin.name), refused)
        _log.error(PLUGIN_QUARANTINED, {"plugin": plugin.name, "reason": reason})
        self._publish("QUARANTINED", plugin, reason)

    def _begins(self, step: str) -> None:
        self._abandonment.check()
        self._tell_begins(step)

    def _load(self, entry_point: EntryPoint) -> Plugin | None:
        plugin = loading.found(entry_point)
        try:
            plugin = loading.import_plugin(plugin, entry_point, self._clock, self._abandonment)
        except GuardError as error:
            self.quarantine(plugin, str(error))
            return None
        return self._take(plugin)

    def _take(self, plugin: Plugin) -> Plugin | None:
        """Check one plugin and take it, or quarantine it with the reason."""
        other = next((one for one in self._plugins if one.name == plugin.name or one.module is plugin.module), None)
        if other is not None:
            refused = QuarantinedPlugin(
                plugin.name,
                plugin.distribution,
                plugin.version,
                f"it is the same plugin as {other.name}, or has its name",
            )
            self._quarantined = (*self._quarantined, refused)
            _log.error(PLUGIN_QUARANTINED, {"plugin": plugin.name, "reason": refused.reason})
            return None
        try:
            plugin = loading.ask(plugin, self._manager, self._clock, self._abandonment)
            self._check_commands(plugin)
            if self._site is not None:
                self._site.install(plugin)
        except GuardError as error:
            self.quarantine(plugin, str(error))
            return None
        except PluginError as error:
            self.quarantine(plugin, str(error).removeprefix(f"{plugin.name}: "))
            return None
        except (FrameworkError, MetatypeError, OSError) as error:
            self.quarantine(plugin, str(error))
            return None
        self._plugins = (*self._plugins, plugin)
        self._quarantined = tuple(one for one in self._quarantined if one.name != plugin.name)
        return plugin

    def _begin(self, plugin: Plugin | None, name: str) -> Plugin:
        """Set a plugin that was just taken to work."""
        if plugin is not None and self._site is not None:
            self._site.configure(plugin)
        if plugin is not None and self._tell_started(plugin):
            self._publish("ADDED", plugin, None)
            return plugin
        reason = next((one.reason for one in self._quarantined if one.name == name), "it could not be loaded")
        raise PluginError(name, f"it is in quarantine: {reason}")

    def _check_commands(self, plugin: Plugin) -> None:
        if not plugin.commands:
            return
        from framework.admin.commands import framework_commands  # noqa: PLC0415  # most plugins bring no command

        taken = {one.path: "the framework" for one in framework_commands()}
        taken.update({one.path: other.name for other in self._plugins for one in other.commands})
        for command in plugin.commands:
            if command.path in taken:
                words = " ".join(command.path)
                raise PluginError(plugin.name, f"its command `{words}` is already a command of {taken[command.path]}")
            taken[command.path] = "itself"

    def _tell_started(self, plugin: Plugin) -> bool:
        if self._site is None:
            return True
        context = self._contexts[plugin.name] = self._site.context(plugin.name)
        caller = loading.caller_of(self._manager, plugin.module, "gatewright_started")
        if not caller.get_hookimpls():
            return True
        deadline = self._clock.monotonic() + loading.HOOK_DEADLINE_S
        call = GuardedCall(self._clock, "its gatewright_started", lambda: caller(gateway=context))
        try:
            call.result(deadline, loading.HOOK_DEADLINE_S, self._abandonment)
        except GuardError as error:
            self._take_out(plugin, REMOVAL_DEADLINE_S)
            self.quarantine(plugin, str(error))
            return False
        finally:
            plugin.threads.update(call.new_threads())
        return True

    def _stopping_call(self, plugin: Plugin) -> GuardedCall[Any] | None:
        if plugin.name not in self._contexts:
            return None
        caller = loading.caller_of(self._manager, plugin.module, "gatewright_stopping")
        if not caller.get_hookimpls():
            return None
        return GuardedCall(self._clock, f"gatewright_stopping of {plugin.name}", caller)

    def _take_out(self, plugin: Plugin, timeout_s: float) -> tuple[str, ...]:
        left: list[str] = []
        deadline = self._clock.monotonic() + STOPPING_DEADLINE_S
        call = self._stopping_call(plugin)
        if call is not None:
            try:
                call.result(deadline, STOPPING_DEADLINE_S)
            except GuardError as error:
                left.append(str(error))
        if self._site is not None:
            left.extend(self._site.uninstall(plugin, timeout_s))
        own = self._forget(plugin)
        left.extend(modules.threads_in(own, plugin.threads))
        for one in left:
            _log.error(PLUGIN_LEFT_SOMETHING, {"plugin": plugin.name, "left": one})
        return tuple(left)

    def _forget(self, plugin: Plugin) -> tuple[str, ...]:
        """Let go of a plugin and of its modules, whose names are returned."""
        self._plugins = tuple(one for one in self._plugins if one.name != plugin.name)
        context = self._contexts.pop(plugin.name, None)
        if context is not None:
            context.close()
        for key in [key for key in self._hanging if key[0] == plugin.name]:
            del self._hanging[key]
        if plugin.module is not None and self._manager.is_registered(plugin.module):
            self._manager.unregister(plugin.module)
        if any(one.root == plugin.root for one in self._plugins):
            return ()  # another plugin is in the same package
        own = modules.modules_below(plugin.root)
        modules.forget(own)
        return own

    def _health_of(self, asked: _Asked, deadline: float, seconds: float) -> list[HealthReport]:
        plugin, name = asked.plugin, asked.checks[0].name
        try:
            answers = asked.call.result(deadline, seconds)
        except GuardError as error:
            if error.hung:
                self._hanging[(plugin.name, *(check.name for check in asked.checks))] = asked
            fix = asked.checks[-1].fix or f"tell the authors of {plugin.distribution or plugin.name}"
            return [HealthReport(plugin.name, name, Finding(Severity.ERROR, str(error), fix))]
        reports = []
        for answer in answers:
            if isinstance(answer, _Asked):
                reports += [one for one in self._health_of(answer, deadline, seconds) if one.finding is not None]
                continue
            finding = answer
            if not isinstance(finding, Finding):
                text = f"the health check {name!r} answered {answer!r}, which is no Finding"
                finding = Finding(Severity.ERROR, text)
            reports.append(HealthReport(plugin.name, finding.check or name, finding))
        return reports or [HealthReport(plugin.name, name, None)]

    def _installed(self, name: str) -> EntryPoint:
        everything = loading.installed_plugins()
        chosen = [one for one in everything if loading.name_of(one) == name] or [
            one for one in everything if name in (one.name, None if one.dist is None else one.dist.name)
        ]
        if len(chosen) != 1:
            names = ", ".join(map(loading.name_of, chosen or everything)) or "none"
            raise PluginError(
                name, f"no plugin of this name is installed; there are {names}" if not chosen else f"which one? {names}"
            )
        if any(one.name == loading.name_of(chosen[0]) for one in self._plugins):
            raise PluginError(name, "it is loaded already")
        return chosen[0]

    def _loaded(self, name: str) -> Plugin | None:
        exact = [one for one in self._plugins if one.name == name]
        chosen = exact or [one for one in self._plugins if name in (one.name.rpartition(":")[2], one.distribution)]
        if len(chosen) > 1:
            raise PluginError(name, f"which one? {', '.join(one.name for one in chosen)}")
        return chosen[0] if chosen else None

    def _names(self) -> str:
        names = [*(one.name for one in self._plugins), *(one.name for one in self._quarantined)]
        return ", ".join(names) or "none"

    def _publish(self, what: str, plugin: Plugin, reason: str | None) -> None:
        if self._site is not None:
            properties = {"name": plugin.name, "distribution": plugin.distribution, "version": plugin.version}
            self._site.publish(f"gatewright/plugin/{what}", {**properties, "reason": reason or None})

    @contextlib.contextmanager
    def _changing(self, name: str) -> Iterator[None]:
        """One change at a time, without a lock while plugins run."""
        with self._lock:
            if self._busy:
                raise PluginError(name, "another plugin is being added or removed; try again when that is done")
            self._busy = True
        try:
            yield
        finally:
            self._busy = False


class _Asked(NamedTuple):
    """A health check that was begun, and those that led to it, which it is told under."""

    plugin: Plugin
    checks: tuple[HealthCheck, ...]
    call: GuardedCall[tuple[object, ...]]
