"""What other components see of TLS."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import ssl

TLS_CHANGED_TOPIC: Final = "gatewright/tls/CHANGED"
"""The topic of the event when contexts were made anew; its property `service` is the `kura.service.pid`."""


class SslContextService(abc.ABC):
    """Hands out contexts for TLS connections, made from the entries of keystores.

    Ask for a context for each connection, and do not keep it: it is made once, and is another one as soon as the
    entries that it was made from have changed (within a minute where another program changed them). Who listens for
    long hears of that by `TLS_CHANGED_TOPIC`.
    """

    @abc.abstractmethod
    def client_context(self) -> ssl.SSLContext:
        """For connections to a server, which is verified against the trusted certificates.

        Raises:
            TlsError: There is none, and why: no such key, one that does not leave its keystore, a wrong cipher.
        """

    @abc.abstractmethod
    def server_context(self) -> ssl.SSLContext:
        """For connections from clients, of which `ssl.client.authentication` says whether they show a certificate.

        One that they show must be trusted here, and not revoked as far as `ssl.revocation.check` demands. Their names
        are for the consumer to judge (`getpeercert`): `ssl.hostname.verification` is of servers.

        Raises:
            TlsError: There is none, and why.
        """

    @abc.abstractmethod
    def problems(self) -> tuple[str, ...]:
        """What an operator should look after, each in a sentence; empty if all is well."""
