"""What an enrolled gateway asks of its CA beside its own certificate: certificates and the CRL (RFC 8894 3.3.4).

It is asked with what is remembered of the server first. Where that brings nothing, it is asked in other algorithms, as
the enrolment does it, and the server is looked at again: an RA may have been replaced, or the CA not have handed over
to its successor yet. What is found so is used and not kept; only the enrolment changes what is remembered and trusted.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from components.scep.authority import find_again, was_led_to
from components.scep.errors import (
    CertificateNotFoundError,
    ClientKeyError,
    EnvelopeError,
    HttpStatusError,
    NotEnrolledError,
    ScepError,
    TransportError,
    UntrustedCaError,
)
from components.scep.message import FailInfo
from components.scep.transaction import (
    Capabilities,
    Refused,
    build_get_cert,
    build_get_crl,
    choose_algorithms,
    has_weaker,
    new_transaction_id,
    read_get_cert_reply,
    read_get_crl_reply,
    reconcile,
)
from components.scep.trust import CertificatePin, verify_ca_certificates

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography import x509

    from components.keystore import PrivateKeyEntry
    from components.scep.client import ScepClient
    from components.scep.driver import EnrolmentDriver
    from components.scep.transaction import Algorithms, FoundCertificate, FoundCrl, SecurityProfile
    from components.scep.trust import CaTrust

_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True)
class _Asking:
    """Who asks, whom, and how.

    Attributes:
        server: The CA whose server answers: requests are encrypted for it.
        present: The CA of the enrolled certificate.
        earlier: CAs before it that are trusted still.
        weaker: Whether it is asked in what older servers can do, though the server offers more.
    """

    entry: PrivateKeyEntry
    server: CaTrust
    present: CaTrust
    earlier: tuple[CaTrust, ...]
    client: ScepClient
    capabilities: Capabilities
    profile: SecurityProfile
    weaker: bool

    @property
    def algorithms(self) -> Algorithms:
        """What requests are encrypted and signed with."""
        return choose_algorithms(self.capabilities, self.profile, weaker=self.weaker)


def fetch_certificate(driver: EnrolmentDriver, serial_number: int) -> FoundCertificate | Refused:
    """The certificate of that number that the CA has issued (GetCert); may be called from any thread, and blocks.

    Through the overlap of a rollover the CA before the present one is asked, too, if that has another name.

    Raises:
        NotEnrolledError: There is no certificate to ask with.
        OperationUnsupportedError: The server does not know GetCert.
        ScepError: The server cannot be reached, or its reply does not hold.
        KeystoreError: The keystore cannot be read.
    """

    def ask(asking: _Asking, issuer: x509.Name) -> FoundCertificate | Refused:
        request = build_get_cert(
            trust=asking.server,
            capabilities=asking.capabilities,
            profile=asking.profile,
            key=asking.entry.key,
            signer_certificate=asking.entry.certificate,
            serial_number=serial_number,
            issuer=issuer,
            transaction_id=new_transaction_id(asking.entry.key.public_key),
            algorithms=asking.algorithms,
        )
        return read_get_cert_reply(
            asking.client.send(request, asking.capabilities),
            request,
            trust=asking.present,
            profile=asking.profile,
            key=asking.entry.key,
            signer_certificate=asking.entry.certificate,
            serial_number=serial_number,
            earlier=asking.earlier,
        )

    def ask_each(asking: _Asking) -> FoundCertificate | Refused:
        first, *others = dict.fromkeys(ca.issuer.subject for ca in (asking.present, *asking.earlier))
        found = ask(asking, first)
        for issuer in others:
            if not _is_unknown(found):
                break
            again = ask(asking, issuer)
            found = found if isinstance(again, Refused) else again
        return found

    return _inquire(driver, ask_each)


def fetch_crl(driver: EnrolmentDriver) -> FoundCrl | Refused:
    """The CRL that the enrolled certificate would be on (GetCRL); the rest as in `fetch_certificate`."""

    def ask(asking: _Asking) -> FoundCrl | Refused:
        certificate = asking.entry.certificate
        request = build_get_crl(
            trust=asking.server,
            capabilities=asking.capabilities,
            profile=asking.profile,
            key=asking.entry.key,
            signer_certificate=certificate,
            serial_number=certificate.serial_number,
            issuer=certificate.issuer,
            transaction_id=new_transaction_id(asking.entry.key.public_key),
            algorithms=asking.algorithms,
        )
        return read_get_crl_reply(
            asking.client.send(request, asking.capabilities),
            request,
            trust=asking.present,
            profile=asking.profile,
            key=asking.entry.key,
            signer_certificate=certificate,
            issuer=certificate.issuer,
            now=driver.now(),
            earlier=asking.earlier,
        )

    return _inquire(driver, ask)


def _inquire(driver: EnrolmentDriver, ask: Callable[[_Asking], _Found | Refused]) -> _Found | Refused:
    """Ask with what is remembered; where that brings nothing, in other algorithms, and of a server that has changed.

    Each is tried once, and only if it is something else than was asked before.
    """
    asking = _remembered(driver)
    answer = _outcome(ask, asking)
    for otherwise in (_in_other_algorithms, functools.partial(_looked_at_again, driver)):
        if not _is_nothing(answer):
            break
        other = otherwise(asking, answer)
        if other is not None:
            again = _outcome(ask, other)
            answer = answer if isinstance(again, ScepError) and not isinstance(answer, ScepError) else again
    if isinstance(answer, ScepError):
        raise answer
    return answer


def _outcome(ask: Callable[[_Asking], _Found | Refused], asking: _Asking) -> _Found | Refused | ScepError:
    try:
        return ask(asking)
    except ScepError as error:
        return error


def _is_nothing(answer: object) -> bool:
    """Whether the CA may have something else to say if it is asked otherwise."""
    if isinstance(answer, Refused):
        return not _is_unknown(answer)
    return isinstance(answer, ScepError) and not isinstance(answer, CertificateNotFoundError | ClientKeyError)


def _was_not_reached(answer: object) -> bool:
    return isinstance(answer, TransportError) and (not isinstance(answer, HttpStatusError) or answer.is_for_now)


def _in_other_algorithms(asking: _Asking, answer: object) -> _Asking | None:
    """The same in what older servers can do, if the reply cannot be opened (RFC 8894 3.5.2).

    A server that is remembered for that may take them no more, and is asked in what it offers.
    """
    if not has_weaker(asking.capabilities, asking.profile):
        return None
    if asking.weaker:
        return None if _was_not_reached(answer) else replace(asking, weaker=False)
    return replace(asking, weaker=True) if isinstance(answer, EnvelopeError) else None


def _remembered(driver: EnrolmentDriver) -> _Asking:
    """The CA of the present identity at the server that this is of, also while a bootstrap at another is pending."""
    settings, stored = driver.settings, driver.store.look()
    if stored.enrolled is None:
        raise NotEnrolledError
    journal = driver.enrollment.journal
    record = journal.trust or journal.former or driver.trust_record
    return _Asking(
        entry=stored.enrolled,
        server=stored.trust,
        present=stored.trust,
        earlier=stored.earlier,
        client=driver.client(record.url),
        capabilities=Capabilities(frozenset(record.capabilities)),
        profile=settings.profile,
        weaker=record.weaker,
    )


def _looked_at_again(driver: EnrolmentDriver, asking: _Asking, answer: object) -> _Asking | None:
    """The same with what the server shows now under an anchor that is trusted; None if there is nothing new in it."""
    if _was_not_reached(answer) and not was_led_to(driver, asking.client):
        return None
    try:
        location = find_again(driver, asking.client)
    except ScepError:
        return None
    for ca in (asking.present, *asking.earlier):
        try:
            shown = verify_ca_certificates(location.certificates, CertificatePin(ca.anchor), driver.now())
        except UntrustedCaError:
            continue
        break
    else:
        return None
    if (location.url, set(shown.certificates)) == (asking.client.url, set(asking.server.certificates)):
        return None
    is_present = ca is asking.present
    offered = reconcile(asking.capabilities, location.capabilities).capabilities
    return replace(
        asking,
        server=shown,
        present=shown if is_present else asking.present,
        earlier=asking.earlier if is_present else tuple(shown if one is ca else one for one in asking.earlier),
        client=driver.client(location.url),
        capabilities=offered if location.not_said is None else asking.capabilities,
    )


def _is_unknown(found: object) -> bool:
    """Whether the CA understood what it was asked for, and has none."""
    return isinstance(found, Refused) and found.fail_info == FailInfo.BAD_CERT_ID
