"""What is said to the server for one try, and what its answer means: requests by purpose, and trust looked at anew."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.keystore import KeystoreError, create_csr
from components.scep.enrolment import Purpose, SendRequest
from components.scep.errors import UntrustedCaError
from components.scep.message import MessageType
from components.scep.transaction import (
    Capabilities,
    PkiRequest,
    Reply,
    build_poll,
    build_request,
    choose_algorithms,
    read_reply,
)
from components.scep.trust import (
    CaTrust,
    CertificatePin,
    FingerprintPin,
    Pin,
    fingerprint,
    is_valid_at,
    verify_ca_certificates,
)

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography import x509

    from components.keystore import PrivateKeyEntry
    from components.scep.enrolment import SendPoll
    from components.scep.identity import StoredIdentity
    from components.scep.settings import EnrollmentSettings
    from components.scep.transaction import Algorithms, RenewalForm


@dataclass(frozen=True, slots=True)
class Parties:
    """Whose request it is.

    Attributes:
        certified: The key that is to be certified.
        signer: The key and certificate that the message is signed with.
        subject: The subject that is asked for: at a renewal the one that the certificate has.
        replaces: The certificate that a renewal replaces, or None.
    """

    certified: PrivateKeyEntry
    signer: PrivateKeyEntry
    subject: x509.Name
    replaces: x509.Certificate | None


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request with everything that its reply is checked by; `form` is None but for a renewal.

    Attributes:
        signers: The CAs beside `trust` as which the server may answer.
    """

    request: PkiRequest
    purpose: Purpose
    form: RenewalForm | None
    parties: Parties
    trust: CaTrust
    capabilities: Capabilities
    settings: EnrollmentSettings
    signers: tuple[CaTrust, ...] = ()

    @property
    def is_poll(self) -> bool:
        """Whether it only asks about a request that was made before."""
        return self.request.message_type is MessageType.CERT_POLL

    def read(self, data: bytes, now: datetime) -> Reply:
        """Check and read the reply; errors as of `read_reply`."""
        return read_reply(
            data,
            self.request,
            trust=self.trust,
            profile=self.settings.profile,
            key=self.parties.signer.key,
            signer_certificate=self.parties.signer.chain[0],
            subject=self.parties.subject,
            now=now,
            public_key=self.parties.certified.key.public_key,
            replaces=self.parties.replaces,
            alternative_names=self.settings.alternative_names,
            signers=tuple(ca for ca in self.signers if is_valid_at(ca.anchor, now)),
        )


def open_exchange(
    stored: StoredIdentity,
    settings: EnrollmentSettings,
    trust: CaTrust,
    capabilities: Capabilities,
    action: SendRequest | SendPoll,
    signers: tuple[CaTrust, ...] = (),
) -> Exchange:
    """Build the request or the poll that was decided on, from what the keystore holds; `signers` as in `Exchange`.

    Raises:
        KeystoreError: A key that it takes has gone.
    """
    purpose, transaction_id = action.purpose, action.transaction_id
    certified = stored.enrolled if purpose is Purpose.RENEW else stored.requested
    signer = stored.requested if purpose is Purpose.ENROLL else stored.enrolled
    if certified is None or signer is None:
        raise KeystoreError("the key of the request (sce-request-key-pair) has gone from the keystore")
    replaces = None if purpose is Purpose.ENROLL else signer.chain[0]
    parties = Parties(certified, signer, settings.subject if replaces is None else replaces.subject, replaces)
    algorithms = choose_algorithms(capabilities, settings.profile, weaker=action.weaker)
    form = None
    if isinstance(action, SendRequest):
        form = action.form
        request = _build(parties, settings, trust, capabilities, transaction_id, form, algorithms)
    else:
        request = build_poll(
            trust=trust,
            capabilities=capabilities,
            profile=settings.profile,
            key=signer.key,
            signer_certificate=signer.chain[0],
            subject=parties.subject,
            transaction_id=transaction_id,
            algorithms=algorithms,
        )
    return Exchange(request, purpose, form, parties, trust, capabilities, settings, signers)


def verify_again(
    certificates: tuple[x509.Certificate, ...],
    stored: StoredIdentity,
    pin: Pin,
    now: datetime,
    successor: CaTrust | None = None,
) -> CaTrust:
    """The CA as the server shows it now: under the anchor that is trusted, else under what is pinned.

    Args:
        certificates: What the server shows.
        stored: What is trusted. What is superseded there are certificates of the CA that named the trusted one its
            successor. A server that still shows that CA has not rolled over yet, and nothing goes back to it: it may be
            gone tomorrow, and its successor is not.
        pin: What the configuration vouches for.
        now: The time.
        successor: The CA that is being moved to. It stands also while the server still shows the one before it.

    Raises:
        UntrustedCaError: It is under neither: the server has changed its CA, and nobody vouches for the new one.
    """
    known = stored.trust
    if successor is not None:
        try:
            return verify_ca_certificates(certificates, FingerprintPin(fingerprint(successor.anchor)), now)
        except UntrustedCaError:
            verify_again(certificates, stored, pin, now)
            return successor
    try:
        return verify_ca_certificates(certificates, CertificatePin(known.anchor), now)
    except UntrustedCaError as error:
        if pin.sha256 == fingerprint(known.anchor):
            raise
        try:
            found = verify_ca_certificates(certificates, pin, now)
        except UntrustedCaError:
            raise error from None
        return known if found.anchor in stored.superseded else found


def _build(
    parties: Parties,
    settings: EnrollmentSettings,
    trust: CaTrust,
    capabilities: Capabilities,
    transaction_id: str,
    form: RenewalForm | None,
    algorithms: Algorithms,
) -> PkiRequest:
    with_challenge = form is None or form.challenge
    return build_request(
        trust=trust,
        capabilities=capabilities,
        profile=settings.profile,
        key=parties.signer.key,
        signer_certificate=parties.signer.chain[0],
        csr=create_csr(
            parties.certified.key,
            parties.subject,
            challenge_password=settings.challenge if with_challenge else None,
            subject_alternative_names=settings.alternative_names,
        ),
        transaction_id=transaction_id,
        message_type=MessageType.PKCS_REQ if form is None else form.message_type,
        algorithms=algorithms,
    )
