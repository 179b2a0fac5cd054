"""The TLS contexts as a component: made when entries change, handed out at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from components.keystore.contract import CHANGED_TOPIC, KeystoreService
from components.keystore.crl import CRLS_CHANGED_TOPIC
from components.keystore.entries import PrivateKeyEntry, TrustedCertificateEntry
from components.keystore.errors import KeystoreError, UnsupportedOperationError
from components.keystore.guard import guarded
from components.keystore.tls.errors import TlsError
from components.keystore.tls.service import TLS_CHANGED_TOPIC, SslContextService
from components.keystore.tls.settings import RevocationCheck, TlsMaterial, TlsSettings
from framework import component, reference

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping
    from typing import Any

    from cryptography import x509

    from framework import ComponentContext, ConfigurationChange
    from framework.event_admin import Event

_KEYSTORE: Final = "KeystoreService"
_TRUSTSTORE: Final = "TruststoreKeystoreService"


@component(
    "gatewright.tls.SslContextService", provides=SslContextService, descriptor="SslContextService.xml", factory=True
)
class SslContexts(SslContextService):
    """Contexts of one configuration: identity from one keystore, trust from the same or another one."""

    keystore = reference(KeystoreService, name=_KEYSTORE, cardinality="0..1")
    truststore = reference(KeystoreService, name=_TRUSTSTORE)

    def activate(self, context: ComponentContext) -> None:
        """Make the contexts, and follow the keystores."""
        self._context = context
        self._keystore_pid = self._pid_of(_KEYSTORE)
        self._truststore_pid = self._pid_of(_TRUSTSTORE)
        self._made_from: tuple[TlsSettings, TlsMaterial] | None = None
        self._client: ssl.SSLContext | TlsError = TlsError("no context has been made yet")
        self._server: ssl.SSLContext | TlsError = self._client
        self._problems: tuple[str, ...] = ()
        context.subscribe((CHANGED_TOPIC, CRLS_CHANGED_TOPIC), self._keystore_changed)
        self._make(context.properties)

    def modified(self, change: ConfigurationChange) -> None:
        """Make the contexts that are now configured."""
        self._make(change.properties)

    def client_context(self) -> ssl.SSLContext:
        """See `SslContextService`."""
        return _made(self._client)

    def server_context(self) -> ssl.SSLContext:
        """See `SslContextService`."""
        return _made(self._server)

    def problems(self) -> tuple[str, ...]:
        """See `SslContextService`."""
        return self._problems

    def _pid_of(self, name: str) -> str:
        return str(self._context.reference_properties(name).get("kura.service.pid", ""))

    def _keystore_changed(self, event: Event) -> None:
        if event.properties.get("keystore") in {self._keystore_pid, self._truststore_pid}:
            self._make(self._properties)

    def _make(self, properties: Mapping[str, Any]) -> None:
        """Make contexts, unless those that there are were made of the same; what worked stays if a keystore fails."""
        self._properties = properties
        settings = TlsSettings(
            properties["ssl.protocol.minimum"],
            properties["ssl.default.cipherSuites"],
            properties["ssl.hostname.verification"],
            RevocationCheck(properties["ssl.revocation.check"]),
        )
        problems: list[str] = []
        try:
            material = self._material(properties["ssl.key.alias"], settings, problems)
        except KeystoreError as error:
            self._problems = (f"the entries for TLS cannot be read: {error}",)
            if self._made_from is None:
                self._client = self._server = TlsError(self._problems[0])
            return
        if (settings, material) != self._made_from:
            self._client, self._server = (_try(settings, material, client=client) for client in (True, False))
            self._made_from = (settings, material)
            self._context.publish(TLS_CHANGED_TOPIC, {"service": self._context.service_pid})
        if isinstance(self._client, TlsError):
            problems.append(str(self._client))
        self._problems = tuple(problems)

    def _material(self, alias: str, settings: TlsSettings, problems: list[str]) -> TlsMaterial:
        clock = self._context.clock
        truststore = guarded(self.truststore, self._truststore_pid, clock)
        trusted = tuple(
            entry.certificate for entry in truststore.entries().values() if isinstance(entry, TrustedCertificateEntry)
        )
        if not trusted:
            problems.append(f"keystore {self._truststore_pid} has no trusted certificate: no connection is accepted")
        identity = None
        if alias and self.keystore is not None:
            entry = guarded(self.keystore, self._keystore_pid, clock).get(alias)
            identity = entry if isinstance(entry, PrivateKeyEntry) else None
        crls: tuple[x509.CertificateRevocationList, ...] = ()
        if settings.revocation is not RevocationCheck.OFF:
            try:
                crls = tuple(truststore.crls())
            except UnsupportedOperationError as error:
                problems.append(f"revocation is not checked against keystore {self._truststore_pid}: {error}")
            problems += self._without_crl(settings, trusted, crls)
        return TlsMaterial(self._keystore_pid, alias, identity, trusted, crls)

    def _without_crl(
        self,
        settings: TlsSettings,
        trusted: tuple[x509.Certificate, ...],
        crls: tuple[x509.CertificateRevocationList, ...],
    ) -> list[str]:
        accepted = "accepted unchecked" if settings.revocation is RevocationCheck.SOFT_FAIL else "refused"
        issuers, now = {crl.issuer for crl in crls}, self._context.clock.now()
        missing = [
            f"there is no CRL of {one.subject.rfc4514_string()}: certificates that it issued are {accepted}"
            for one in trusted
            if one.subject not in issuers
        ]
        stale = [
            f"the CRL of {crl.issuer.rfc4514_string()} was to be followed by another one at {crl.next_update_utc}"
            for crl in crls
            if crl.next_update_utc is not None and crl.next_update_utc < now
        ]
        return missing + stale


def _made(context: ssl.SSLContext | TlsError) -> ssl.SSLContext:
    if isinstance(context, TlsError):
        raise context
    return context


def _try(settings: TlsSettings, material: TlsMaterial, *, client: bool) -> ssl.SSLContext | TlsError:
    from components.keystore.tls.contexts import make_context  # noqa: PLC0415  # OpenSSL, where TLS is configured only

    try:
        return make_context(settings, material, client=client)
    except TlsError as error:
        return error
