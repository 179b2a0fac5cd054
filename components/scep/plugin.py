"""The SCEP room as a plugin: its component and its commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from framework import hookimpl

if TYPE_CHECKING:
    from framework.admin import Command
    from framework.plugins import HealthCheck

GATEWRIGHT_API = 1


@hookimpl
def gatewright_components() -> tuple[type, ...]:
    """The enrolment component."""
    from components.scep.component import SCEPEnrollmentComponent  # noqa: PLC0415  # costly; the module stays light

    return (SCEPEnrollmentComponent,)


@hookimpl
def gatewright_commands() -> tuple[Command, ...]:
    """The `cert` commands, and `scep probe`."""
    from components.scep.commands import COMMANDS  # noqa: PLC0415  # costly; the module stays light
    from components.scep.probe_command import PROBE_COMMANDS  # noqa: PLC0415  # costly too
    from components.scep.retrieval_commands import RETRIEVAL_COMMANDS  # noqa: PLC0415  # costly too

    return (*COMMANDS, *RETRIEVAL_COMMANDS, *PROBE_COMMANDS)


@hookimpl
def gatewright_health_checks() -> tuple[HealthCheck, ...]:
    """Whether the enrolment needs somebody."""
    from components.scep.health import HEALTH_CHECKS  # noqa: PLC0415  # costly; the module stays light

    return HEALTH_CHECKS
