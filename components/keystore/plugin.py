"""What the keystores contribute to a gateway. Light: a hook imports what it names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from framework import hookimpl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from framework.admin import Command
    from framework.plugins import HealthCheck

GATEWRIGHT_API = 1


@hookimpl
def gatewright_components() -> Sequence[type]:
    """The keystores in files and in PKCS #11 tokens, and TLS contexts from any keystore."""
    from components.keystore.filesystem import FilesystemKeystore  # noqa: PLC0415  # only a gateway needs it
    from components.keystore.pkcs11 import PKCS11Keystore  # noqa: PLC0415  # as above
    from components.keystore.tls.component import SslContexts  # noqa: PLC0415  # as above

    return (FilesystemKeystore, PKCS11Keystore, SslContexts)


@hookimpl
def gatewright_commands() -> Sequence[Command]:
    """The commands `gatewright keystore`."""
    from components.keystore.commands import COMMANDS  # noqa: PLC0415  # only a gateway needs them

    return COMMANDS


@hookimpl
def gatewright_health_checks() -> Sequence[HealthCheck]:
    """Whether a keystore is degraded or unavailable."""
    from components.keystore.health import HEALTH_CHECKS  # noqa: PLC0415  # only a gateway needs them

    return HEALTH_CHECKS
