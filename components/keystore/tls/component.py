"""The TLS contexts as a component: made when entries change, handed out at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from components.keystore.contract import CHANGED_TOPIC, KeystoreService
from components.keystore.crl import CRLS_CHANGED_TOPIC, RevocationService
from components.keystore.entries import PrivateKeyEntry, TrustedCertificateEntry
from components.keystore.errors import KeystoreError, UnsupportedOperationError
from components.keystore.guard import guarded
from components.keystore.log_events import TLS_ENTRIES_UNKNOWN
from components.keystore.tls.errors import TlsError
from components.keystore.tls.service import TLS_CHANGED_TOPIC, SslContextService
from components.keystore.tls.settings import ClientAuthentication, RevocationCheck, TlsMaterial, TlsSettings
from framework import component, reference

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping
    from typing import Any

    from cryptography import x509

    from components.keystore.crl.decoded import DecodedCrls
    from components.keystore.tls.settings import RevocationAnswers
    from framework import BackgroundResult, ComponentContext, ConfigurationChange
    from framework.clock import Clock
    from framework.event_admin import Event

_KEYSTORE: Final = "KeystoreService"
_TRUSTSTORE: Final = "TruststoreKeystoreService"
_REVOCATION: Final = "RevocationService"
LOOK_S: Final = 60.0
"""How often the entries are looked at that no event tells of: those that other programs write, a token that is back."""


@component(
    "gatewright.tls.SslContextService", provides=SslContextService, descriptor="SslContextService.xml", factory=True
)
class SslContexts(SslContextService):
    """Contexts of one configuration: identity from one keystore, trust from the same or another one."""

    keystore = reference(KeystoreService, name=_KEYSTORE, cardinality="0..1")
    truststore = reference(KeystoreService, name=_TRUSTSTORE)
    revocation = reference(RevocationService, name=_REVOCATION, cardinality="0..n", policy="dynamic")

    def __init__(self) -> None:
        self._properties: Mapping[str, Any] | None = None

    @revocation.bind
    def _revocation_came(self, _service: RevocationService, properties: Mapping[str, Any]) -> None:
        if self._properties is not None and properties.get("kura.service.pid") == self._truststore_pid:
            self._make(self._properties)

    def activate(self, context: ComponentContext) -> None:
        """Make the contexts, and follow the keystores."""
        self._context = context
        self._keystore_pid = self._pid_of(_KEYSTORE)
        self._truststore_pid = self._pid_of(_TRUSTSTORE)
        self._made_from: tuple[TlsSettings, TlsMaterial] | None = None
        self._client: ssl.SSLContext | TlsError = TlsError("no context has been made yet")
        self._server: ssl.SSLContext | TlsError = self._client
        self._problems: tuple[str, ...] = ()
        self._readings = 0
        context.subscribe((CHANGED_TOPIC, CRLS_CHANGED_TOPIC), self._keystore_changed)
        self._make(context.properties)
        context.call_later(LOOK_S, self._look)

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
        ours = event.properties.get("keystore") in {self._keystore_pid, self._truststore_pid}
        if ours and self._properties is not None:
            self._make(self._properties)

    def _look(self) -> None:
        """Read the entries in the background, where a token may take its time, and make what has changed."""
        properties, reading = self._properties, self._readings

        def done(result: BackgroundResult[_Reading]) -> None:
            if result.value is not None and reading == self._readings:  # or there was a later one
                self._use(result.value)
            elif result.error is not None:
                self._context.logger.error(TLS_ENTRIES_UNKNOWN, exc_info=result.error)
                self._problems = (f"the entries for TLS were not looked at: {result.error}",)
            self._context.call_later(LOOK_S, self._look)

        if properties is not None:
            self._context.run_in_background(lambda: self._read(properties), done)

    def _make(self, properties: Mapping[str, Any]) -> None:
        self._properties = properties
        self._readings += 1
        self._use(self._read(properties))

    def _read(self, properties: Mapping[str, Any]) -> _Reading:
        settings = TlsSettings(
            properties["ssl.protocol.minimum"],
            properties["ssl.default.cipherSuites"],
            properties["ssl.hostname.verification"],
            RevocationCheck(properties["ssl.revocation.check"]),
            ClientAuthentication(properties["ssl.client.authentication"]),
        )
        problems: list[str] = []
        try:
            material = self._material(properties["ssl.key.alias"], settings, problems)
        except KeystoreError as error:
            return _Reading(settings, None, (f"the entries for TLS cannot be read: {error}",))
        return _Reading(settings, material, tuple(problems))

    def _use(self, reading: _Reading) -> None:
        """Make contexts, unless those that there are were made of the same; what worked stays if a keystore fails."""
        self._problems = reading.problems
        if reading.material is None:
            if self._made_from is None:
                self._client = self._server = TlsError(reading.problems[0])
            return
        made_from = (reading.settings, reading.material)
        if made_from != self._made_from:
            self._client, self._server = (_try(*made_from, client=client) for client in (True, False))
            self._made_from = made_from
            self._context.publish(TLS_CHANGED_TOPIC, {"service": self._context.service_pid})
        if isinstance(self._client, TlsError):
            self._problems = (*self._problems, str(self._client))

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
        revocation = None
        if settings.revocation is not RevocationCheck.OFF:
            revocation = self._revocation(truststore, settings.revocation, trusted, problems)
        return TlsMaterial(self._keystore_pid, alias, identity, trusted, revocation)

    def _revocation(
        self,
        truststore: KeystoreService,
        check: RevocationCheck,
        trusted: tuple[x509.Certificate, ...],
        problems: list[str],
    ) -> RevocationAnswers | None:
        """Whom to ask about revoked certificates, with what is wrong with the answers."""
        bound = tuple(self._context.bound.get(_REVOCATION, {}).items())
        pid = self._truststore_pid
        service = next((one for ref, one in bound if ref.properties.get("kura.service.pid") == pid), None)
        answers: RevocationAnswers | None
        if isinstance(service, RevocationService):
            answers = service
            dues = {record.issuer: record.next_update for record in service.records()}
        else:
            crls: tuple[x509.CertificateRevocationList, ...] = ()
            try:
                crls = tuple(truststore.crls())
            except UnsupportedOperationError as error:
                problems.append(f"revocation is not checked against keystore {pid}: {error}")
            answers = _decoded(crls, self._context.clock) if crls else None
            dues = {crl.issuer.rfc4514_string(): crl.next_update_utc for crl in crls}
        accepted = "accepted unchecked" if check is RevocationCheck.SOFT_FAIL else "refused"
        now = self._context.clock.now()
        for issuer in dict.fromkeys(one.subject.rfc4514_string() for one in trusted):
            if issuer not in dues:
                problems.append(f"there is no CRL of {issuer}: certificates that it issued are {accepted}")
            elif (due := dues[issuer]) is not None and due < now:
                problems.append(f"the CRL of {issuer} was to be followed by another one at {due}")
        return answers


@dataclass(frozen=True, slots=True)
class _Reading:
    """What was read at one time; without material if it could not be."""

    settings: TlsSettings
    material: TlsMaterial | None
    problems: tuple[str, ...]


def _decoded(crls: tuple[x509.CertificateRevocationList, ...], clock: Clock) -> DecodedCrls:
    from components.keystore.crl.decoded import DecodedCrls  # noqa: PLC0415  # for keystores that have no better

    return DecodedCrls(crls, clock)


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
