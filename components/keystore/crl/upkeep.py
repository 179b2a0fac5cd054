"""Keeping a keystore's CRLs up to date: which are due, fetching them side by side, and telling of what changed."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from cryptography import x509

from components.keystore.contract import CHANGED_TOPIC
from components.keystore.crl.fetching import FetchLimits, fetch, take
from components.keystore.crl.service import (
    CRLS_CHANGED_TOPIC,
    CrlRecord,
    CrlSource,
    RevocationService,
    RevocationStatus,
)
from components.keystore.crl.store import CrlStore
from components.keystore.crl.verification import distribution_points
from components.keystore.entries import TrustedCertificateEntry
from components.keystore.errors import KeystoreError
from components.keystore.guard import guarded
from components.keystore.log_events import CRL_FETCH_FAILED, CRL_FORGOTTEN, CRL_NOT_REFRESHED, CRL_UPKEEP_FAILED
from framework import Filter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from components.keystore.contract import KeystoreService
    from framework import BackgroundResult, ComponentContext
    from framework.event_admin import Event
    from framework.scheduler import Timer

SOURCES: Final = "CrlSource"
"""The name of the reference of a keystore component by which it is given other sources than URLs."""
_UNITS_S: Final = {"SECONDS": 1, "MINUTES": 60, "HOURS": 3600, "DAYS": 86400}


class CrlUpkeep(RevocationService):
    """The CRLs of one keystore component; `configure` and what it schedules run on the component's mailbox.

    Args:
        context: The component's; its reference `CrlSource` names sources beside the URLs.
        properties: As in the keystore's descriptor, those that begin with `crl.`, and `verify.crl`.
        trusted: The keystore's trusted certificates, as they are now; called where it may take its time.
        default: Where the CRLs are kept if `crl.store.path` is empty.

    Raises:
        OSError: There is no place for CRLs.
    """

    def __init__(
        self,
        context: ComponentContext,
        properties: Mapping[str, Any],
        trusted: Callable[[], Sequence[x509.Certificate]],
        default: Path,
    ) -> None:
        self._context = context
        self._trusted = trusted
        self._failures: dict[str, str] = {}
        self._fetched: dict[str, datetime] = {}
        self._under_way: set[str] = set()
        self._missed: set[str] = set()
        self._looking = self._look_again = self._everything = False
        self._timer: Timer | None = None
        path = properties["crl.store.path"]
        self._store = CrlStore(context.state_directory / path if path else default, verify=properties["verify.crl"])
        self._fetched.update((kept.record.source, kept.fetched) for kept in self._store.kept)
        context.subscribe(CHANGED_TOPIC, self._keystore_changed, Filter.equal("keystore", context.service_pid))
        self.configure(properties)

    def configure(self, properties: Mapping[str, Any]) -> None:
        """Take properties, changed ones too, and look at once at what is due."""
        self._urls = tuple(url.strip() for url in properties["crl.urls"] if url.strip())
        self._update = timedelta(seconds=_seconds(properties, "crl.update.interval"))
        self._check_s = _seconds(properties, "crl.check.interval")
        self._store.verify = properties["verify.crl"]
        allowed = frozenset(self._urls) if properties["crl.file.urls.allowed"] else frozenset[str]()
        self._limits = FetchLimits(properties["crl.size.limit"] * 1024 * 1024, allowed)
        self.look()

    def records(self) -> tuple[CrlRecord, ...]:
        """See `RevocationService`."""
        return tuple(kept.record for kept in self._store.kept)

    def status(self, certificate: x509.Certificate) -> RevocationStatus:
        """See `RevocationService`."""
        return self._store.status(certificate, self._context.clock.now())

    def refresh(self) -> None:
        """See `RevocationService`."""
        self._context.post(lambda: self.look(everything=True))

    def decoded(self) -> tuple[x509.CertificateRevocationList, ...]:
        """The CRLs with their entries, for who wants them whole."""
        return tuple(self._store.decoded())

    def problems(self) -> tuple[str, ...]:
        """See `RevocationService`."""
        now = self._context.clock.now()
        told = (_doubt(record, now) for record in self.records())
        return (*(doubt for doubt in told if doubt is not None), *tuple(self._failures.values()))

    def look(self, *, everything: bool = False) -> None:
        """See whether what is kept is still trusted, fetch what is due, and look again after the check interval."""
        self._everything |= everything
        self._look_again = self._looking
        if self._looking:
            return
        self._looking = True
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._context.call_later(self._check_s, self.look)
        store, read = self._store, self._trusted

        def work() -> tuple[tuple[x509.Certificate, ...], list[str]]:
            trusted = tuple(read())
            return trusted, store.verify_kept(trusted) if store.verify else []

        self._context.run_in_background(work, self._looked)

    def _looked(self, result: BackgroundResult[tuple[tuple[x509.Certificate, ...], list[str]]]) -> None:
        self._looking = False
        if result.value is None:
            if not isinstance(result.error, KeystoreError | OSError):
                self._context.logger.error(CRL_UPKEEP_FAILED, exc_info=result.error)
            self._failures["keystore"] = f"CRLs are not looked after: {result.error}"
        else:
            self._failures.pop("keystore", None)
            trusted, forgotten = result.value
            self._tell_forgotten(forgotten)
            self._fetch_due(trusted)
        if self._look_again:
            self.look()

    def _tell_forgotten(self, forgotten: Sequence[str]) -> None:
        for each in forgotten:
            self._context.logger.warning(CRL_FORGOTTEN, {"crl": each})
        if forgotten:
            sources = {one.source for one in self.records()}
            self._fetched = {url: when for url, when in self._fetched.items() if url in sources}
            self._publish(())

    def _fetch_due(self, trusted: Sequence[x509.Certificate]) -> None:
        sources = _sources_of(self._context)
        wanted = list(dict.fromkeys((*self._urls, *_published(trusted), *sources)))
        for gone in self._failures.keys() - set(wanted):
            del self._failures[gone]
        everything, self._everything = self._everything, False
        for name in wanted:
            if name in self._under_way:
                self._missed.add(name)
            elif everything or self._due(name):
                self._fetch(name, sources.get(name))

    def _due(self, name: str) -> bool:
        now = self._context.clock.now()
        if name in self._failures or name not in self._fetched or now >= self._fetched[name] + self._update:
            return True
        nexts = (kept.record.next_update for kept in self._store.kept if kept.record.source == name)
        return any(due is not None and due <= now for due in nexts)

    def _fetch(self, name: str, source: CrlSource | None) -> None:
        store, limits, clock, read = self._store, self._limits, self._context.clock, self._trusted

        def fill(file: BinaryIO) -> None:
            if source is None:
                fetch(name, file, limits, clock)
            else:
                take(name, source, file, limits)

        def work() -> bool:
            # Who is trusted is asked last: it may have changed while the CRL was on its way.
            return store.install(store.receive(fill), name, read() if store.verify else (), clock.now())

        def done(result: BackgroundResult[bool]) -> None:
            self._under_way.discard(name)
            missed = name in self._missed
            self._missed.discard(name)
            if result.error is not None:
                self._fail(name, result.error)
                if missed:
                    self.look()
                return
            self._failures.pop(name, None)
            self._fetched[name] = clock.now()
            if result.value:
                self._publish(tuple(sorted(one.issuer for one in self.records() if one.source == name)))

        self._under_way.add(name)
        self._context.run_in_background(work, done)

    def _fail(self, name: str, error: BaseException) -> None:
        if not isinstance(error, KeystoreError | OSError):
            self._context.logger.error(CRL_FETCH_FAILED, {"source": name}, exc_info=error)
        told = f"{error}" if name in str(error) else f"{name}: {error}"
        if self._failures.get(name) != told:
            self._context.logger.warning(CRL_NOT_REFRESHED, {"problem": told})
        self._failures[name] = told

    def _keystore_changed(self, _event: Event) -> None:
        self.look()

    def _publish(self, issuers: tuple[str, ...]) -> None:
        self._context.publish(CRLS_CHANGED_TOPIC, {"keystore": self._context.service_pid, "issuers": issuers})


def look_after_crls(context: ComponentContext, keystore: KeystoreService, default: Path) -> CrlUpkeep:
    """Look after the CRLs of a keystore component as its properties say, and offer them as a `RevocationService`.

    Args:
        context: The component's.
        keystore: The component; it is asked for its trusted certificates from other threads.
        default: The directory that they are kept in unless `crl.store.path` names one.

    Raises:
        OSError: There is no place for CRLs.
    """
    asked = guarded(keystore, context.service_pid, context.clock)

    def trusted() -> tuple[x509.Certificate, ...]:
        entries = asked.entries().values()
        return tuple(entry.certificate for entry in entries if isinstance(entry, TrustedCertificateEntry))

    upkeep = CrlUpkeep(context, context.properties, trusted, default)
    context.register(RevocationService, upkeep, {"kura.service.pid": context.service_pid})
    return upkeep


def _sources_of(context: ComponentContext) -> dict[str, CrlSource]:
    return {
        str(reference.properties.get("kura.service.pid", reference.id)): source
        for reference, source in tuple(context.bound.get(SOURCES, {}).items())
        if isinstance(source, CrlSource)
    }


def _doubt(record: CrlRecord, now: datetime) -> str | None:
    source = record.source or "its source"
    if record.next_update is None:
        return (
            f"the CRL of {record.issuer} does not say when another one follows (RFC 5280 5.1.2.5), so an outdated one "
            f"is not noticed: see that {source} publishes one that does"
        )
    if record.next_update < now:
        return (
            f"the CRL of {record.issuer} was to be followed by another one at {record.next_update:%Y-%m-%d %H:%M} UTC: "
            f"see that {source} publishes it, then gatewright keystore crl refresh"
        )
    return None


def _seconds(properties: Mapping[str, Any], name: str) -> float:
    return float(properties[name] * _UNITS_S[properties[f"{name}.time.unit"]])


def _published(trusted: Sequence[x509.Certificate]) -> list[str]:
    names = (name for certificate in trusted for name in distribution_points(certificate))
    uris = (name.value for name in names if isinstance(name, x509.UniformResourceIdentifier))
    return [uri for uri in uris if uri.lower().startswith(("http://", "https://"))]
