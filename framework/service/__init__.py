"""The gateway as a service of systemd: readiness, watchdog, log lines, and what an installation writes."""

from framework.service.layout import Installation, InstalledFile, installation
from framework.service.log_lines import LOG_FORMATS, log_handler
from framework.service.notify import ServiceNotifier, StatusLine, Watchdog

__all__ = [
    "LOG_FORMATS",
    "Installation",
    "InstalledFile",
    "ServiceNotifier",
    "StatusLine",
    "Watchdog",
    "installation",
    "log_handler",
]
