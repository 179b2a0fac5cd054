"""Keeping a keystore's CRLs up to date: which are due, fetching them side by side, and telling of what changed."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from cryptography import x509

from components.keystore.crl.errors import CrlError
from components.keystore.crl.fetching import FetchLimits, fetch
from components.keystore.crl.service import CRLS_CHANGED_TOPIC, CrlRecord, RevocationService, RevocationStatus
from components.keystore.crl.store import CrlStore
from components.keystore.crl.verification import distribution_points
from components.keystore.errors import KeystoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from framework import BackgroundResult, ComponentContext
    from framework.scheduler import Timer

_UNITS_S: Final = {"SECONDS": 1, "MINUTES": 60, "HOURS": 3600, "DAYS": 86400}


class CrlUpkeep(RevocationService):
    """The CRLs of one keystore component; `configure` and what it schedules run on the component's mailbox.

    Args:
        context: The component's.
        properties: As in the keystore's descriptor, those that begin with `crl.`, and `verify.crl`.
        trusted: The keystore's trusted certificates, as they are now.
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
        self._timer: Timer | None = None
        path = properties["crl.store.path"]
        self._store = CrlStore(context.state_directory / path if path else default)
        self._fetched.update((kept.record.source, kept.fetched) for kept in self._store.kept)
        self.configure(properties)

    def configure(self, properties: Mapping[str, Any]) -> None:
        """Take properties, changed ones too, and look at once at what is due."""
        self._urls = tuple(url.strip() for url in properties["crl.urls"] if url.strip())
        self._update = timedelta(seconds=_seconds(properties, "crl.update.interval"))
        self._check_s = _seconds(properties, "crl.check.interval")
        self._verify: bool = properties["verify.crl"]
        allowed = frozenset(self._urls) if properties["crl.file.urls.allowed"] else frozenset[str]()
        self._limits = FetchLimits(properties["crl.size.limit"] * 1024 * 1024, allowed)
        self._look()

    def records(self) -> tuple[CrlRecord, ...]:
        """See `RevocationService`."""
        return tuple(kept.record for kept in self._store.kept)

    def status(self, certificate: x509.Certificate) -> RevocationStatus:
        """See `RevocationService`."""
        return self._store.status(certificate, self._context.clock.now())

    def refresh(self) -> None:
        """See `RevocationService`."""
        self._context.post(lambda: self._look(everything=True))

    def decoded(self) -> tuple[x509.CertificateRevocationList, ...]:
        """The CRLs with their entries, for who wants them whole."""
        return tuple(self._store.decoded())

    def problems(self) -> tuple[str, ...]:
        """See `RevocationService`."""
        now = self._context.clock.now()
        stale = tuple(
            f"the CRL of {one.issuer} was to be followed by another one at {one.next_update:%Y-%m-%d %H:%M} UTC: "
            f"see that {one.source or 'its source'} publishes it, then gatewright keystore crl refresh"
            for one in self.records()
            if one.next_update is not None and one.next_update < now
        )
        return (*stale, *self._failures.values())

    def _look(self, *, everything: bool = False) -> None:
        """Fetch what is due, and look again after the check interval."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._context.call_later(self._check_s, self._look)
        try:
            trusted = tuple(self._trusted())
            if self._verify:
                for error in self._store.verify_kept(trusted):
                    self._context.logger.warning("a CRL that was kept unverified is forgotten: %s", error)
                    sources = {one.source for one in self.records()}
                    self._fetched = {url: when for url, when in self._fetched.items() if url in sources}
        except (KeystoreError, OSError) as error:
            self._failures["keystore"] = f"CRLs are not looked after: {error}"
            return
        self._failures.pop("keystore", None)
        wanted = list(dict.fromkeys((*self._urls, *_published(trusted))))
        for gone in self._failures.keys() - set(wanted):
            del self._failures[gone]
        for url in wanted:
            if url not in self._under_way and (everything or self._due(url)):
                self._fetch(url, trusted)

    def _due(self, url: str) -> bool:
        now = self._context.clock.now()
        if url in self._failures or url not in self._fetched or now >= self._fetched[url] + self._update:
            return True
        nexts = (kept.record.next_update for kept in self._store.kept if kept.record.source == url)
        return any(due is not None and due <= now for due in nexts)

    def _fetch(self, url: str, trusted: Sequence[x509.Certificate]) -> None:
        store, limits, clock, verify = self._store, self._limits, self._context.clock, self._verify

        def work() -> bool:
            received = store.receive(lambda file: fetch(url, file, limits, clock))
            return store.install(received, url, trusted, clock.now(), verify=verify)

        def done(result: BackgroundResult[bool]) -> None:
            self._under_way.discard(url)
            if result.error is not None:
                self._fail(url, result.error)
                return
            self._failures.pop(url, None)
            self._fetched[url] = clock.now()
            if result.value:
                issuers = tuple(sorted(one.issuer for one in self.records() if one.source == url))
                self._context.publish(CRLS_CHANGED_TOPIC, {"keystore": self._context.service_pid, "issuers": issuers})

        self._under_way.add(url)
        self._context.run_in_background(work, done)

    def _fail(self, url: str, error: BaseException) -> None:
        if not isinstance(error, CrlError | OSError):
            self._context.logger.error("fetching the CRL at %s failed", url, exc_info=error)
        told = f"{error}" if url in str(error) else f"{url}: {error}"
        if self._failures.get(url) != told:
            self._context.logger.warning("%s", told)
        self._failures[url] = told


def _seconds(properties: Mapping[str, Any], name: str) -> float:
    return float(properties[name] * _UNITS_S[properties[f"{name}.time.unit"]])


def _published(trusted: Sequence[x509.Certificate]) -> list[str]:
    names = (name for certificate in trusted for name in distribution_points(certificate))
    uris = (name.value for name in names if isinstance(name, x509.UniformResourceIdentifier))
    return [uri for uri in uris if uri.lower().startswith(("http://", "https://"))]
