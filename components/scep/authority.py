"""The CA, asked who it is: at the bootstrap, before a renewal, after a failure, and for its successor.

Nothing secret is sent here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from components.scep import enrolment
from components.scep.client import ServerLocation, locate_server
from components.scep.endpoint import endpoint_urls
from components.scep.enrolment import Trust
from components.scep.errors import (
    BrokenConnectionError,
    HttpStatusError,
    NotScepError,
    OperationUnsupportedError,
    TransportError,
    UntrustedCaError,
)
from components.scep.exchange import verify_again
from components.scep.log_events import CA_FETCHED, CA_VERIFIED, NEXT_CA_VERIFIED
from components.scep.transaction import Capabilities, SecurityProfile, read_next_ca, reconcile
from components.scep.trust import CaTrust, CertificatePin, FingerprintPin, fingerprint, verify_ca_certificates

if TYPE_CHECKING:
    from datetime import datetime

    from components.scep.client import ScepClient
    from components.scep.driver import EnrolmentDriver
    from framework import BackgroundResult

_Successor: TypeAlias = "tuple[str, bytes | tuple[x509.Certificate, ...]]"
"""Where the CA's successor was asked for, and the answer."""

_FAILURES_TO_SAY: Final = 3
"""After so many failures in a row, a server that fails over GetCACaps is taken not to know it, as NDES may not."""


def locate(driver: EnrolmentDriver, attempt: int, *, refresh: bool) -> None:
    """Find the server and verify its CA certificates; `refresh` looks again at one that was found before."""
    client = driver.client(driver.trust_record.url) if refresh else None

    def find() -> ServerLocation:
        return _find(driver) if client is None else find_again(driver, client)

    def done(result: BackgroundResult[ServerLocation]) -> None:
        location = driver.outcome(attempt, result)
        if location is not None:
            verify = _verify_again if refresh else _verify
            driver.guarded(attempt, lambda: verify(driver, attempt, location))

    driver.context.run_in_background(find, done)


def find_again(driver: EnrolmentDriver, client: ScepClient) -> ServerLocation:
    """Look again at a server; blocks, and may be called from any thread.

    One that a redirect had led to is looked for from the endpoint on when it is not there any more.

    Raises:
        TransportError: It cannot be reached.
        NotScepError: What answered is no SCEP server.
    """
    try:
        return client.describe()
    except (TransportError, NotScepError):
        if not was_led_to(driver, client):
            raise
    return _find(driver)


def was_led_to(driver: EnrolmentDriver, client: ScepClient) -> bool:
    """Whether a redirect led to this server, whose address the endpoint does not tell."""
    return client.url not in endpoint_urls(driver.settings.endpoint)


def seek_next_ca(driver: EnrolmentDriver, attempt: int) -> None:
    """Ask for the CA's successor; a server that cannot say is asked whether its CA is still the same."""
    record = driver.trust_record
    has_next = Capabilities(frozenset(record.capabilities)).next_ca
    client = driver.client(record.url)

    def ask(server: ScepClient) -> _Successor:
        return server.url, server.get_next_ca_cert() if has_next else server.get_ca_cert()

    def seek() -> _Successor:
        try:
            return ask(client)
        except (TransportError, NotScepError):
            if not was_led_to(driver, client):
                raise
            # Where nothing is any more, that looks like a server that does not know GetNextCACert.
            location = find_again(driver, client)
            if location.url == client.url:
                raise
        return ask(driver.client(location.url))

    def done(result: BackgroundResult[_Successor]) -> None:
        if isinstance(result.error, OperationUnsupportedError):
            _sought(driver, attempt, None, "the server has no next CA certificate yet")
            return
        found = driver.outcome(attempt, result)
        if found is not None:
            url, answer = found
            driver.guarded(attempt, lambda: _take_successor(driver, attempt, replace(record, url=url), answer))

    driver.context.run_in_background(seek, done)


def _find(driver: EnrolmentDriver) -> ServerLocation:
    settings = driver.settings
    return locate_server(
        settings.endpoint,
        clock=driver.context.clock,
        ca_identifier=settings.ca_identifier,
        ca_bundle=settings.ca_bundle,
    )


def _verify(driver: EnrolmentDriver, attempt: int, location: ServerLocation) -> None:
    driver.step(CA_FETCHED, {"url": location.url, "certificates": len(location.certificates)})
    trust = verify_ca_certificates(location.certificates, driver.settings.pin, driver.now())
    anchor = trust.anchor
    driver.step(CA_VERIFIED, {"subject": anchor.subject.rfc4514_string(), "fingerprint": fingerprint(anchor)})
    driver.feed(enrolment.CaVerified(attempt, _record(driver, location, trust)))


def _verify_again(driver: EnrolmentDriver, attempt: int, location: ServerLocation) -> None:
    """RAs change more often than CAs; another CA counts only if the pinned trust covers it."""
    stored, staged = driver.store.look(), driver.enrollment.journal.staged
    successor = driver.trust_of(stored) if staged is not None and staged.succeeds else None
    try:
        trust = verify_again(location.certificates, stored, driver.settings.pin, driver.now(), successor)
    except UntrustedCaError:
        declined = enrolment.declined_successor(driver.enrollment)
        if declined is None:
            raise
        # The CA had vouched for it, and the server has rolled over, whatever was refused before it did.
        anchor = x509.load_pem_x509_certificate(declined.certificates[0].encode())
        trust = verify_ca_certificates(location.certificates, FingerprintPin(fingerprint(anchor)), driver.now())
    record = _record(driver, location, trust, stored.trust)
    if record.succeeds:
        record = replace(record, rolled_over=not _is_shown(stored.trust, location.certificates, driver.now()))
    driver.feed(enrolment.CaVerified(attempt, record))


def _is_shown(ca: CaTrust, certificates: tuple[x509.Certificate, ...], now: datetime) -> bool:
    """Whether a server shows this CA, and with it perhaps another."""
    try:
        verify_ca_certificates(certificates, CertificatePin(ca.anchor), now)
    except UntrustedCaError:
        return False
    return True


def _record(driver: EnrolmentDriver, location: ServerLocation, trust: CaTrust, known: CaTrust | None = None) -> Trust:
    """What is remembered of a server; without certificates if they are those that are `known`."""
    keywords, warning = _offer(driver, location, looked_again=known is not None)
    unchanged = known is not None and set(known.certificates) == set(trust.certificates)
    return Trust(
        driver.enrollment.configured.bootstrap_identity,
        location.url,
        keywords,
        () if unchanged else tuple(one.public_bytes(Encoding.PEM).decode() for one in trust.certificates),
        warning=warning,
        succeeds=known is not None and known.anchor != trust.anchor,
    )


def _offer(driver: EnrolmentDriver, location: ServerLocation, *, looked_again: bool) -> tuple[tuple[str, ...], str]:
    """What to take a server to be capable of, with a warning; one that does not say it now is as it was.

    Args:
        driver: The enrolment.
        location: What the server says.
        looked_again: Whether it is the one that is remembered, also where it has moved: a redirect is no more
            authenticated than what a server says of itself, and must not have that forgotten.

    Raises:
        TransportError: It does not say it now, nothing is remembered of it, and `legacy` would take it for a server
            that can do little. One that goes on failing over that question does not know it, but for one that is busy,
            or not reached.
    """
    before, not_said = enrolment.record_of_server(driver.enrollment), location.not_said
    if before is not None and before.url != location.url and not looked_again:
        before = None
    if before is not None and not_said is not None:
        return before.capabilities, before.warning
    if not_said is not None and driver.settings.profile is SecurityProfile.LEGACY:
        refuses = isinstance(not_said, BrokenConnectionError | HttpStatusError) and not _is_for_now(not_said)
        if not refuses or driver.enrollment.journal.attempts < _FAILURES_TO_SAY:
            raise not_said
    previous = None if before is None else Capabilities(frozenset(before.capabilities))
    reconciled = reconcile(previous, location.capabilities)
    return tuple(sorted(reconciled.capabilities.keywords)), reconciled.warning or ""


def _is_for_now(error: TransportError) -> bool:
    return isinstance(error, HttpStatusError) and error.is_for_now


def _take_successor(
    driver: EnrolmentDriver,
    attempt: int,
    record: Trust,
    answer: bytes | tuple[x509.Certificate, ...],
) -> None:
    settings, now, stored = driver.settings, driver.now(), driver.store.look()
    known = stored.trust
    if isinstance(answer, bytes):
        trust = read_next_ca(answer, trust=known, profile=settings.profile, now=now).trust
    else:
        trust = verify_again(answer, stored, settings.pin, now)
    name, begins = trust.anchor.subject.rfc4514_string(), trust.anchor.not_valid_before_utc
    if trust.anchor == known.anchor:
        _sought(driver, attempt, None, "the server's CA is the same, and it does not know GetNextCACert")
        return
    location = ServerLocation(record.url, Capabilities(frozenset(record.capabilities)), trust.certificates)
    # A server that does not know GetNextCACert shows the CA that it is.
    successor = replace(_record(driver, location, trust, known), rolled_over=not isinstance(answer, bytes))
    if begins > now:
        outcome = f"the next CA {name} is valid from {begins}; it is looked for again"
        _sought(driver, attempt, successor, outcome, is_to_come=True)
    else:
        driver.step(NEXT_CA_VERIFIED, {"subject": name, "fingerprint": fingerprint(trust.anchor)})
        _sought(driver, attempt, successor, f"the next CA {name} is taken over")


def _sought(
    driver: EnrolmentDriver, attempt: int, trust: Trust | None, outcome: str, *, is_to_come: bool = False
) -> None:
    driver.feed(enrolment.NextCaSought(attempt, driver.now(), trust, outcome, is_to_come))
