"""Names of log lines, for programs that watch logs; and those of the framework's own lines, on one page.

A name is stable, and so are the names of its facts: what watches a log goes by them, and never by texts, which may be
improved. Names are of small letters, digits and hyphens, with dots between: what it is about first, then what happened.
"""

from __future__ import annotations

import re
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from typing import Self


_known: Final[weakref.WeakValueDictionary[str, LogEvent]] = weakref.WeakValueDictionary()


def known_log_events() -> tuple[LogEvent, ...]:
    """Those of all code that is loaded, of plugins too, by name."""
    return tuple(event for _, event in sorted(_known.items()))


class LogEvent(str):
    """A kind of log line: a stable name, and the text that its facts are put into.

    It is given to any logger in place of a format, with the facts as the only argument::

        VALVE_STUCK = LogEvent("valve.stuck", "the valve %(valve)s has not moved for %(seconds)g s")

        context.logger.warning(VALVE_STUCK, {"valve": name, "seconds": 12.5})

    One without facts is given alone. Lists and tuples among the facts are shown with commas between.

    Args:
        name: Small letters, digits and hyphens in at least two parts with dots between, such as `valve.stuck`.
        template: The text, with facts by their names as in `%(valve)s`.

    Raises:
        ValueError: The name is none.
    """

    __slots__ = ("__weakref__", "name")
    name: str

    def __new__(cls, name: str, template: str) -> Self:
        """Make one."""
        parts = name.split(".")
        if len(parts) < 2 or not all(map(_is_part, parts)):
            raise ValueError(
                f"{name!r} is no name of a log line: small letters, digits and hyphens in two or more parts with dots "
                "between, such as valve.stuck"
            )
        made = super().__new__(cls, template)
        made.name = name
        _known.setdefault(name, made)
        return made

    @property
    def facts(self) -> tuple[str, ...]:
        """The names of its facts, as they stand in the text."""
        return tuple(dict.fromkeys(re.findall(r"%\((\w+)\)", self)))

    def __reduce__(self) -> tuple[type[Self], tuple[str, str]]:
        return type(self), (self.name, self[:])

    def __str__(self) -> str:
        return self  # logging puts the facts into what this gives: the text alone would show lists as Python does

    def __mod__(self, facts: object) -> str:
        if isinstance(facts, tuple) and len(facts) == 1 and isinstance(facts[0], Mapping):
            facts = facts[0]  # logging leaves no facts as they came: a tuple with an empty mapping
        if isinstance(facts, Mapping):
            facts = {name: _listed(fact) for name, fact in facts.items()}
        return super().__mod__(facts)


def _is_part(part: str) -> bool:
    return part.isascii() and part == part.lower() and all(word.isalnum() for word in part.split("-"))


def _listed(fact: Any) -> Any:
    # not what is derived of them: a `Record` is a tuple, too
    return ", ".join(map(str, fact)) if type(fact) in {list, tuple} else fact


# The gateway
GATEWAY_STARTING: Final = LogEvent(
    "gateway.starting",
    "gatewright %(version)s starting: %(undecided)d of %(components)d components are not decided yet: %(pids)s",
)
GATEWAY_READY: Final = LogEvent(
    "gateway.ready",
    "gatewright %(version)s ready: state %(state_directory)s, process id %(process_id)d, %(plugins)d plugins, "
    "observers: %(observers)s",
)
READY_WITHOUT: Final = LogEvent(
    "gateway.ready-without", "ready without %(pids)s, which goes from state to state without an end"
)
GATEWAY_STOPPING: Final = LogEvent("gateway.stopping", "stopping on %(signal)s")
GATEWAY_LEFT_COMPONENTS: Final = LogEvent(
    "gateway.components-left", "some components did not end in time; the gateway stops without them"
)
START_NOT_ENDED: Final = LogEvent(
    "gateway.start-not-ended",
    "the start was given up and has not ended within %(seconds)g s; the gateway stops without it, it is at:\n%(stack)s",
)
PROCESS_NOT_ENDED: Final = LogEvent(
    "gateway.process-not-ended",
    "what a plugin has left kept the process from ending for %(seconds)g s; it ends now, its main thread is at:\n"
    "%(stack)s",
)
GATEWAY_FAILED: Final = LogEvent("gateway.failed", "gatewright: %(error)s")
MANAGER_NOT_TOLD: Final = LogEvent(
    "service-manager.not-told", "the service manager cannot be told (%(message)s): %(error)s"
)
LINES_LOST: Final = LogEvent("log.lines-lost", "journald took nothing for a while: %(lines)d log lines are lost")

# Components
ACTIVATION_FAILED: Final = LogEvent("component.activation-failed", "%(pid)s could not be activated; it is retried")
CALLBACK_FAILED: Final = LogEvent("component.callback-failed", "%(pid)s: %(callback)s failed; the gateway goes on")
WORK_FAILED: Final = LogEvent("component.work-failed", "a callback of %(pid)s failed")
REBINDING_FAILED: Final = LogEvent("component.rebinding-failed", "%(pid)s could not be rebound")
REGISTRATION_FAILED: Final = LogEvent("component.registration-failed", "the service of %(pid)s could not be registered")
SERVICE_UNAVAILABLE: Final = LogEvent(
    "component.service-unavailable", "%(pid)s was to be bound to %(service)s, which gives no object; it is asked again"
)
WAITS_FOR_ASKER: Final = LogEvent(
    "component.waits-for-asker", "%(pid)s waits, perhaps through others, for whoever asks for its service now"
)
COMPONENT_STILL_HELD: Final = LogEvent(
    "component.still-held", "%(holders)s still hold(s) the service of %(pid)s, which goes now"
)
CIRCLE_FOUND: Final = LogEvent(
    "component.circle-found", "each of these components waits for the next and will never be active: %(pids)s"
)
COMPONENT_NOT_ENDED: Final = LogEvent(
    "component.not-ended", "%(pid)s did not end in time (%(phase)s); it is at:\n%(stack)s"
)

# Services
SERVICE_STILL_HELD: Final = LogEvent("service.still-held", "%(holders)s still hold(s) %(service)s, which goes now")
SERVICE_LISTENER_FAILED: Final = LogEvent(
    "service.listener-failed", "a listener of %(service)r failed; the others are called"
)
SERVICE_NOT_MADE: Final = LogEvent("service.not-made", "%(factory)r made no service for %(bundle)r")
SERVICE_OF_WRONG_CLASS: Final = LogEvent("service.of-wrong-class", "%(factory)r made %(made)s instead of %(expected)s")
SERVICE_ASKED_FOR_ITSELF: Final = LogEvent(
    "service.asked-for-itself", "%(factory)r, perhaps through others, asked for its own service while it made it"
)
SERVICE_NOT_TAKEN_BACK: Final = LogEvent(
    "service.not-taken-back", "%(factory)r could not take back what it made for %(bundle)r"
)

# Configuration
CONFIGURATION_INVALID: Final = LogEvent("configuration.invalid", "%(pid)s is not configured as it must be: %(problem)s")
CONFIGURATION_PLUGIN_FAILED: Final = LogEvent(
    "configuration.plugin-failed", "a configuration plugin failed for %(pid)s; what it changed is left out"
)
CONFIGURATION_LISTENER_FAILED: Final = LogEvent(
    "configuration.listener-failed", "a configuration listener failed for %(pid)s; the others are told"
)
FILES_PROBLEM: Final = LogEvent("configuration.files-problem", "configuration files: %(problem)s")
FILES_UNREADABLE: Final = LogEvent("configuration.files-unreadable", "the configuration files could not be read again")
FILES_UNSEALED: Final = LogEvent(
    "configuration.files-unsealed", "secrets of configuration files are used, but not sealed: %(error)s"
)
FILES_NOT_REMEMBERED: Final = LogEvent(
    "configuration.files-not-remembered", "what configuration files say is used, but not remembered: %(error)s"
)
STORE_DAMAGED: Final = LogEvent("configuration.store-damaged", "the store does not open as it is: %(error)s")
COPY_DAMAGED: Final = LogEvent("configuration.copy-damaged", "the last good copy of the store is damaged too")
COPY_FAILED: Final = LogEvent(
    "configuration.copy-failed", "the good copy of the store could not be made; the one before is kept"
)

# Plugins
PLUGIN_QUARANTINED: Final = LogEvent("plugin.quarantined", "plugin %(plugin)s is not used: %(reason)s")
PLUGIN_LEFT_SOMETHING: Final = LogEvent("plugin.left-something", "plugin %(plugin)s leaves something behind: %(left)s")
PLUGIN_NOT_STOPPED: Final = LogEvent("plugin.not-stopped", "%(error)s; the gateway stops without it")

# Events
HANDLER_SLOW: Final = LogEvent(
    "event-handler.slow", "%(handler)s is too slow: of more than %(most)d events the oldest are dropped"
)
HANDLER_DENIED: Final = LogEvent("event-handler.denied", "%(handler)s is denied further events: %(reason)s\n%(stack)s")

# Threads and time
JOB_HANGS: Final = LogEvent("job.hangs", "a job of %(owner)s has not ended for %(seconds).0f s; it is at:\n%(stack)s")
POOL_JOB_FAILED: Final = LogEvent("job.of-pool-failed", "a job of the pool %(pool)s failed")
DISPATCHER_JOB_FAILED: Final = LogEvent("job.of-dispatcher-failed", "a job of the dispatcher failed")
MAILBOX_JOB_FAILED: Final = LogEvent("job.of-mailbox-failed", "a job of the mailbox of %(mailbox)s failed")
TIMER_HANGS: Final = LogEvent(
    "scheduler.callback-hangs", "a scheduled callback does not end; the scheduler stops without it"
)
TIMER_FAILED: Final = LogEvent("scheduler.callback-failed", "the scheduled callback %(callback)r failed")

# Commands and observers
COMMAND_FAILED: Final = LogEvent("admin.command-failed", "the command %(command)s failed")
CLIENT_CUT_OFF: Final = LogEvent("admin.client-cut-off", "a client of the admin socket was cut off: %(error)s")
NOT_ACCEPTING: Final = LogEvent(
    "socket.not-accepting", "no connection can be taken (%(socket)s): %(error)s; it is tried again and again"
)
OBSERVER_CUT_OFF: Final = LogEvent("observer.cut-off", "an observer was cut off: %(error)s")
OBSERVER_NOT_ANSWERED: Final = LogEvent("observer.not-answered", "an observer could not be answered")
METRICS_FAILED: Final = LogEvent("metrics.source-failed", "no figures from %(source)s: %(error)s")
