"""`gatewright run`: one gateway in the foreground, until it is told to stop."""

from __future__ import annotations

import argparse
import functools
import logging
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from framework._version import __version__
from framework.admin.commands import framework_commands
from framework.admin.exit_statuses import USAGE
from framework.admin.server import AdminServer
from framework.errors import FrameworkError
from framework.gateway import Gateway
from framework.instance_lock import InstanceLock
from framework.log_events import FILES_UNREADABLE, GATEWAY_FAILED, GATEWAY_READY, GATEWAY_STARTING, GATEWAY_STOPPING
from framework.readiness import CHANGES, Readiness, named
from framework.recent_log import RecentLog
from framework.service import LOG_FORMATS, ServiceNotifier, StatusLine, Watchdog, log_handler
from framework.service.log_lines import TEXT, log_format
from framework.starting import Start, end_at_last, end_soon
from framework.storage import make_private_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from framework.log_events import LogEvent
    from framework.observation.server import ObservationServer

    _Tell = Callable[[LogEvent, Mapping[str, object]], None]

_log = logging.getLogger("framework.run")


class StateDirectoryError(FrameworkError):
    """The state directory cannot be made.

    Attributes:
        state_directory: The directory.
    """

    def __init__(self, state_directory: Path, error: OSError) -> None:
        super().__init__(
            f"the state directory {state_directory} cannot be made: {error.strerror}; "
            "name another with --state-dir, or make it for the user that runs the gateway"
        )
        self.state_directory = state_directory


def main(argv: Sequence[str]) -> int:
    """Run a gateway until SIGTERM or SIGINT; SIGHUP has it read its configuration files again. The exit status.

    The process is to end with that, and does within `LEAVE_DEADLINE_S`, also where this raises.
    """
    options = run_parser().parse_args(argv)
    if options.state_dir is None:
        run_parser().error("--state-dir is needed (or GATEWRIGHT_STATE_DIR)")
    lines = log_handler(options.log_format, os.environ)
    logging.basicConfig(level=options.log_level.upper(), handlers=[lines, RecentLog()])
    tell = functools.partial(_tell, None if log_format(options.log_format, os.environ) == TEXT else lines)
    signals = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    status = 1
    try:
        status = _run(Path(options.state_dir).absolute(), options.conf_dir, options.observe_on, signals, tell)
    except (FrameworkError, OSError) as error:
        tell(GATEWAY_FAILED, {"error": error}, logging.CRITICAL)
    finally:
        end_soon(status)
    return status


def _run(
    state_directory: Path,
    conf_dir: str | None,
    observe_on: str | None,
    signals: set[signal.Signals],
    tell: _Tell,
) -> int:
    try:
        make_private_directory(state_directory)
    except OSError as error:
        raise StateDirectoryError(state_directory, error) from error
    lock = InstanceLock(state_directory)
    lock.acquire()
    notifier = ServiceNotifier(os.environ)
    gateway = Gateway(
        state_directory,
        None if conf_dir is None else Path(conf_dir),
        begins=lambda step: notifier.starting(f"starting: {step}"),
    )
    status = StatusLine(notifier, gateway.scheduler, lambda: _summary(gateway))
    observation = _observation(gateway, observe_on)
    start = Start(gateway)
    try:
        if start.told_to_stop(signals):
            end_at_last(0)
            notifier.stopping()
            start.abandon()
            return 0
        if observation is not None:
            observation.start()
        Watchdog(notifier, gateway.scheduler, gateway.prove_progress).start()
        server = AdminServer(gateway, lambda: [*framework_commands(), *gateway.commands], state_directory)
        server.start()
        readiness = Readiness(
            gateway,
            functools.partial(_waits, gateway, notifier, tell),
            functools.partial(_ready, gateway, status, tell, observation),
        )
        readiness.begin()
        while (received := signal.sigwait(signals)) == signal.SIGHUP:
            if readiness.reached:
                notifier.reloading(gateway.clock)
            gateway.background.submit("gatewright", functools.partial(_reload, gateway, status, readiness))
        end_at_last(0)
        _log.info(GATEWAY_STOPPING, {"signal": signal.Signals(received).name})
        readiness.cancel()
        notifier.stopping()
        server.stop()
    finally:
        if observation is not None:
            observation.stop()
        if start.succeeded:
            gateway.stop()
        lock.release()
    return 0


def _tell(
    lines: logging.Handler | None, event: LogEvent, facts: Mapping[str, object], level: int = logging.INFO
) -> None:
    """Say what whoever starts a gateway waits for, whatever the log's level: in the form of all lines, or as text."""
    if lines is None:
        print(event % facts, file=sys.stderr, flush=True)
    else:
        lines.handle(_log.makeRecord(_log.name, level, __file__, 0, event, (facts,), None))


def _waits(gateway: Gateway, notifier: ServiceNotifier, tell: _Tell, undecided: Sequence[str]) -> None:
    """Say what the start waits for."""
    facts = {
        "version": __version__,
        "undecided": len(undecided),
        "components": len(gateway.components()),
        "pids": named(undecided),
    }
    tell(GATEWAY_STARTING, facts)
    notifier.starting((GATEWAY_STARTING % facts).removeprefix(f"gatewright {__version__} "))


def _ready(gateway: Gateway, status: StatusLine, tell: _Tell, observation: ObservationServer | None) -> None:
    ready = {
        "version": __version__,
        "state_directory": gateway.state_directory,
        "process_id": os.getpid(),
        "plugins": len(gateway.plugins.plugins),
        "observers": "none" if observation is None else observation.address,
    }
    tell(GATEWAY_READY, ready)
    if observation is not None:
        observation.note_ready()
    gateway.event_admin.subscribe(CHANGES, lambda _: status.changed())
    status.ready()


def _observation(gateway: Gateway, address: str | None) -> ObservationServer | None:
    if not address:
        return None
    from framework.observation.server import ObservationServer  # noqa: PLC0415  # off unless it is asked for

    return ObservationServer(gateway, address)


def _summary(gateway: Gateway) -> str:
    """How the gateway is, in one line, as `systemctl status` shows it."""
    components = gateway.components()
    active = sum(one.state == "active" for one in components)
    waiting = [one.pid for one in components if one.reason is not None]
    summary = f"{active} of {len(components)} components active, {len(gateway.plugins.plugins)} plugins"
    return f"{summary}; see to: {named(waiting)}" if waiting else summary


def _reload(gateway: Gateway, status: StatusLine, readiness: Readiness) -> None:
    """Read the files again, in the background: a signal to stop is to wait for no disk."""
    try:
        gateway.configuration_admin.reload(timeout=0)
    except Exception:  # noqa: BLE001  # whatever is wrong with files, what runs goes on
        _log.exception(FILES_UNREADABLE)
    if readiness.reached:
        status.ready()


EXIT_STATUSES: Final = {
    0: "it was stopped by SIGTERM or SIGINT",
    1: "it could not start; its log says why",
    USAGE: "the command line is wrong",
}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(USAGE, f"{self.format_usage()}gatewright: {message}\n")


def run_parser() -> argparse.ArgumentParser:
    """What reads the arguments of `gatewright run`."""
    parser = _Parser(
        prog="gatewright run",
        description="Start a gateway in the foreground; SIGTERM or Ctrl-C stops it, "
        "SIGHUP has it read its configuration files again.",
        epilog="example:\n  gatewright run --state-dir /var/lib/gatewright --conf-dir /etc/gatewright/conf.d\n\n"
        "exit status:\n" + "\n".join(f"  {status}  {text}" for status, text in EXIT_STATUSES.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--state-dir",
        metavar="DIR",
        default=os.environ.get("GATEWRIGHT_STATE_DIR"),
        help="where all that is durable is kept",
    )
    parser.add_argument("--conf-dir", metavar="DIR", help="where configuration files (*.json) are read from")
    parser.add_argument(
        "--log-level",
        choices=["debug", "info", "warning", "error"],
        default="warning",
        help="default: warning",
    )
    parser.add_argument(
        "--observe-on",
        metavar="ADDRESS",
        default=os.environ.get("GATEWRIGHT_OBSERVE_ON"),
        help="serve /livez, /readyz, /healthz?verbose and /metrics there: 127.0.0.1:PORT, [::1]:PORT, or the path of a "
        "socket (GATEWRIGHT_OBSERVE_ON; default: nowhere)",
    )
    parser.add_argument(
        "--log-format",
        choices=LOG_FORMATS,
        help="default: journal where standard error goes to journald, else text; json is one object a line",
    )
    return parser
