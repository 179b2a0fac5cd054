"""SCEP as the CA speaks it (RFC 8894): bytes in, bytes out, no network."""

from __future__ import annotations

import logging
import os
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Self

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from components.keystore import SoftwarePrivateKey
from components.scep.errors import DecodingError, EnvelopeError, MessageError, SignatureError
from components.scep.message import (
    Cipher,
    Digest,
    FailInfo,
    MessageAttributes,
    MessageType,
    PkiMessage,
    PkiStatus,
    decode_envelope,
    decode_issuer_and_serial_number,
    decode_issuer_and_subject,
    decode_pki_message,
    encode_certificates,
    encode_signed_data,
    verify_signature,
)
from framework.clock import Clock, SystemClock
from tools.scep_ca.authority import CertificateAuthority
from tools.scep_ca.errors import MessageTooDamagedError, NothingToOfferError, RequestRefusedError
from tools.scep_ca.faults import FaultySide, HttpAnswer, Surroundings
from tools.scep_ca.identities import CaParameters, Generation
from tools.scep_ca.ledger import Decision
from tools.scep_ca.policy import CertificationRequest, IssuancePolicy, read_request, unreadable
from tools.scep_ca.replies import ReplyPlan

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from types import TracebackType

    from cryptography import x509

    from tools.scep_ca.ledger import IssuedCertificate, PendingRequest

_log = logging.getLogger("tools.scep_ca")

NONCE_BYTES: Final = 16

LARGEST_ENVELOPE: Final = 16 * 1024
"""The longest encrypted request that is opened, in bytes."""

_STRONG_CIPHERS: Final = (Cipher.AES128, Cipher.AES192, Cipher.AES256)
_PRINTABLE: Final = re.compile(r"[A-Za-z0-9 '()+,\-./:=?]{1,128}")
"""PrintableString (X.680 41.4), at a length that no client exceeds."""

# strongSwan 5.9.8 sends AES only to a server that lists SHA-384, which RFC 8894 has no keyword for.
_CAPABILITIES: Final = ("AES", "POSTPKIOperation", "SCEPStandard", "SHA-256", "SHA-384", "SHA-512", "GetNextCACert")
_WEAK_CAPABILITIES: Final = ("DES3", "SHA-1")

_RENEWS: Final = "#"
"""Stands in no transaction id: it is no character of a PrintableString."""


class ScepCa:
    """A CA that answers SCEP's operations. Its methods may be called from any thread.

    Args:
        authority: Who issues; closed with this.
        policy: What is asked of requests, and given.
        clock: The time of issuance.
        faults: What it does wrong, by the names of the fault menu; ValueError if one is none.
    """

    def __init__(
        self,
        authority: CertificateAuthority,
        policy: IssuancePolicy,
        *,
        clock: Clock | None = None,
        faults: Iterable[str] = (),
    ) -> None:
        self._authority = authority
        self._policy = policy
        self._clock = clock or SystemClock()
        self._faults = FaultySide(faults)

    @classmethod
    def open(
        cls,
        directory: Path,
        policy: IssuancePolicy,
        *,
        parameters: CaParameters | None = None,
        clock: Clock | None = None,
        faults: Iterable[str] = (),
    ) -> Self:
        """The CA of a directory, made if it is not there; errors as of `CertificateAuthority.open`."""
        clock = clock or SystemClock()
        authority = CertificateAuthority.open(directory, parameters or CaParameters(), clock.now())
        return cls(authority, policy, clock=clock, faults=faults)

    @property
    def certificate(self) -> x509.Certificate:
        """The CA's certificate."""
        return self._authority.certificate

    @property
    def anchor(self) -> x509.Certificate:
        """What a client pins: the root's certificate if there is one above the CA, else the CA's."""
        return self._authority.current.anchor

    @property
    def anchor_file(self) -> Path:
        """Where that is, in PEM."""
        return self._authority.directory / self._authority.current.anchor_file

    @property
    def fingerprint(self) -> str:
        """SHA-256 over that certificate's DER, in lower-case hex."""
        return self._authority.fingerprint

    def issued(self) -> tuple[IssuedCertificate, ...]:
        """What it has issued, oldest first."""
        return self._authority.issued()

    @property
    def certificates(self) -> tuple[x509.Certificate, ...]:
        """All that GetCACert brings; the CA's own first."""
        return self._authority.current.certificates

    def pending(self) -> tuple[PendingRequest, ...]:
        """The requests that wait for approval, oldest first."""
        return self._authority.pending()

    def approve(self, transaction_id: str) -> None:
        """Have a request granted when its client polls; UnknownEntryError if none waits."""
        self._authority.decide(transaction_id, Decision.APPROVED)

    def reject(self, transaction_id: str) -> None:
        """Have a request refused when its client polls; UnknownEntryError if none waits."""
        self._authority.decide(transaction_id, Decision.REJECTED)

    def revoke(self, serial_number: int) -> None:
        """Revoke a certificate; UnknownEntryError if there is none."""
        self._authority.revoke(serial_number, self._clock.now())

    def prepare_rollover(self) -> x509.Certificate:
        """Make the next CA, which GetNextCACert brings from now on; what clients will pin then."""
        return self._authority.prepare_rollover(self._clock.now()).anchor

    def roll_over(self) -> None:
        """Be the next CA; CaStateError if none is prepared."""
        self._authority.roll_over()

    def get_ca_caps(self) -> bytes:
        """The answer to GetCACaps (RFC 8894 3.5.2)."""
        weak = () if self._policy.strict else _WEAK_CAPABILITIES
        renewal = ("Renewal",) if self._policy.renewal else ()
        return "".join(f"{keyword}\n" for keyword in (*_CAPABILITIES, *renewal, *weak)).encode("ascii")

    def get_ca_cert(self) -> bytes:
        """The answer to GetCACert: the only certificate in DER, or all in a SignedData (RFC 8894 4.2.1)."""
        certificates = self.certificates
        if len(certificates) == 1:
            return certificates[0].public_bytes(Encoding.DER)
        return encode_certificates(certificates)

    def get_next_ca_cert(self) -> bytes:
        """The answer to GetNextCACert: the next CA's certificates, signed by the CA (RFC 8894 4.7.1).

        Raises:
            NothingToOfferError: No rollover is prepared.
        """
        following = self._authority.next
        if following is None:
            raise NothingToOfferError("no rollover is prepared")
        return encode_signed_data(
            encode_certificates(following.certificates),
            (),
            key=SoftwarePrivateKey(self._authority.key),
            certificate=self._authority.certificate,
            digest=Digest.SHA256,
        )

    def http_answer(self, answer: HttpAnswer, operation: str) -> HttpAnswer:
        """An answer to an operation as it is to go out, with the faults that are asked for."""
        return self._faults.answer(answer, operation, self._surroundings())

    def pki_operation(self, data: bytes) -> bytes:
        """The CertRep for a pkiMessage (RFC 8894 4.3), DER.

        Raises:
            MessageTooDamagedError: The message cannot be answered in SCEP.
        """
        try:
            message = decode_pki_message(data)
        except MessageError as error:
            raise MessageTooDamagedError(f"no pkiMessage that can be answered: {error}") from None
        attributes = message.attributes
        if _PRINTABLE.fullmatch(attributes.transaction_id) is None:
            raise MessageTooDamagedError("the transactionID is no PrintableString of 1 to 128 characters")
        if attributes.sender_nonce is None or len(attributes.sender_nonce) != NONCE_BYTES:
            raise MessageTooDamagedError(f"the senderNonce must have {NONCE_BYTES} bytes")
        if not self._faults.knows(attributes.message_type):
            raise MessageTooDamagedError(f"messageType {attributes.message_type} is not known here")
        try:
            plan = self._granted(message)
        except RequestRefusedError as refusal:
            _log.warning("transaction %s refused: %s", attributes.transaction_id, refusal)
            plan = self._refusal(message, refusal)
        return self._faults.encode(plan, self._surroundings(message))

    def _granted(self, message: PkiMessage) -> ReplyPlan:
        self._check_algorithm(message, message.signature.digest, strong=message.signature.digest is not Digest.SHA1)
        try:
            signer = verify_signature(message, ())
        except SignatureError as error:
            raise RequestRefusedError(FailInfo.BAD_MESSAGE_CHECK, str(error)) from None
        self._check_time(signer)
        content, cipher, generation = self._opened(message)
        match message.attributes.message_type:
            case MessageType.PKCS_REQ | MessageType.RENEWAL_REQ | MessageType.UPDATE_REQ:
                certificate = self._certify(message, content, signer, generation)
            case MessageType.CERT_POLL:
                certificate = self._poll(message, content, signer, generation)
            case MessageType.GET_CERT:
                certificate = self._find(content, generation)
            case MessageType.GET_CRL:
                self._find(content, generation)
                crl = self._authority.crl(self._clock.now())
                return self._plan(message, PkiStatus.SUCCESS, generation, signer, cipher, certificates=(), crls=(crl,))
            case other:
                raise RequestRefusedError(FailInfo.BAD_REQUEST, f"messageType {other} is not supported")
        if certificate is None:
            return self._plan(message, PkiStatus.PENDING, generation, signer, cipher)
        # Some clients take whichever certificate comes first, so there is only one.
        return self._plan(message, PkiStatus.SUCCESS, generation, signer, cipher, certificates=(certificate,))

    def _certify(
        self, message: PkiMessage, csr: bytes, signer: x509.Certificate, generation: Generation
    ) -> x509.Certificate | None:
        """The certificate for a request, None if a person must approve it first."""
        renews = self._certificate_of(signer)
        if renews is None and message.attributes.message_type != MessageType.PKCS_REQ:
            raise RequestRefusedError(
                FailInfo.BAD_MESSAGE_CHECK, "a renewal must be signed with a certificate of this CA that is not revoked"
            )
        request = read_request(csr, self._policy, renewal=renews is not None)
        if renews is None and signer.public_key() != request.public_key:
            raise RequestRefusedError(
                FailInfo.BAD_REQUEST, "a PKCSReq must be signed with the key that is to be certified"
            )
        if renews is not None and renews.subject != request.subject:
            raise RequestRefusedError(FailInfo.BAD_REQUEST, "a renewal must be for the subject of the certificate")
        if self._policy.approval and renews is None:
            decision = self._authority.hold(message.attributes.transaction_id, request, self._clock.now())
            return self._decided(message, request, decision, generation)
        return self._issue(message, request, generation, renews)

    def _poll(
        self, message: PkiMessage, content: bytes, signer: x509.Certificate, generation: Generation
    ) -> x509.Certificate | None:
        """What became of a pending request (RFC 8894 3.3.3)."""
        try:
            issuer, subject = decode_issuer_and_subject(content)
        except DecodingError:
            raise unreadable() from None
        public_key = signer.public_key()
        held = None
        if isinstance(public_key, rsa.RSAPublicKey):
            held = self._authority.held(message.attributes.transaction_id, public_key)
        if held is None or issuer != generation.ca.certificate.subject or subject != held.request.subject:
            raise RequestRefusedError(FailInfo.BAD_CERT_ID, "no such request is pending")
        return self._decided(message, held.request, held.decision, generation)

    def _decided(
        self, message: PkiMessage, request: CertificationRequest, decision: Decision, generation: Generation
    ) -> x509.Certificate | None:
        match decision:
            case Decision.APPROVED:
                return self._issue(message, request, generation)
            case Decision.REJECTED:
                raise RequestRefusedError(FailInfo.BAD_REQUEST, "the request was rejected by the CA's operator")
            case Decision.PENDING:
                _log.info("transaction %s waits for approval", message.attributes.transaction_id)
                return None

    def _issue(
        self,
        message: PkiMessage,
        request: CertificationRequest,
        generation: Generation,
        renews: x509.Certificate | None = None,
    ) -> x509.Certificate:
        certificate, new = self._authority.issue(
            request,
            transaction_id=self._operation(message.attributes.transaction_id, renews),
            now=self._clock.now(),
            validity=self._policy.validity,
            generation=generation,
        )
        _log.info(
            "transaction %s: %s serial %d, subject %a",
            message.attributes.transaction_id,
            "issued" if new else "gave again",
            certificate.serial_number,
            certificate.subject.rfc4514_string(),
        )
        return certificate

    def _operation(self, transaction_id: str, renews: x509.Certificate | None) -> str:
        """What tells an operation from others, beside the key.

        Some clients (scepclient) make the transaction id from the key, so that a renewal has the one of the
        enrolment. Who signs with what came of it has not lost that, but wants another.
        """
        found = None if renews is None else self._authority.find(renews.serial_number)
        if found is None or found.transaction_id.partition(_RENEWS)[0] != transaction_id:
            return transaction_id
        return f"{transaction_id}{_RENEWS}{found.certificate.serial_number:x}"

    def _find(self, content: bytes, generation: Generation) -> x509.Certificate:
        """The certificate that a GetCert or GetCRL is about (RFC 8894 3.3.4)."""
        try:
            issuer, serial_number = decode_issuer_and_serial_number(content)
        except DecodingError:
            raise unreadable() from None
        found = self._authority.find(serial_number)
        if found is None or issuer != generation.ca.certificate.subject:
            raise RequestRefusedError(FailInfo.BAD_CERT_ID, "this CA issued no certificate of that number")
        return found.certificate

    def _certificate_of(self, signer: x509.Certificate) -> x509.Certificate | None:
        """The signer's certificate if this CA issued it and did not revoke it."""
        found = self._authority.find(signer.serial_number)
        return signer if found is not None and found.certificate == signer and found.revoked_at is None else None

    def _check_time(self, signer: x509.Certificate) -> None:
        now = self._clock.now()
        if not signer.not_valid_before_utc <= now <= signer.not_valid_after_utc:
            raise RequestRefusedError(
                FailInfo.BAD_TIME, f"the signer's certificate is not valid now, which is {now:%Y-%m-%d %H:%M} UTC"
            )

    def _opened(self, message: PkiMessage) -> tuple[bytes, Cipher, Generation]:
        """The request in an envelope, the cipher of the reply (as its own, never single DES), and for whom it is."""
        if len(message.content) > LARGEST_ENVELOPE:
            raise RequestRefusedError(FailInfo.BAD_REQUEST, f"the envelope is longer than {LARGEST_ENVELOPE} bytes")
        try:
            sealed = decode_envelope(message.content)
            following = self._authority.next
            is_for_next = following is not None and sealed.names(following.recipient.certificate)
            generation = following if following is not None and is_for_next else self._authority.current
            recipient = generation.recipient
            opened = sealed.open(SoftwarePrivateKey(recipient.key), recipient.certificate)
        except (EnvelopeError, DecodingError):
            raise unreadable() from None
        except MessageError as error:
            raise RequestRefusedError(FailInfo.BAD_ALG, str(error)) from None
        self._check_algorithm(message, opened.cipher, strong=opened.cipher in _STRONG_CIPHERS)
        return opened.content, Cipher.DES3 if opened.cipher is Cipher.DES else opened.cipher, generation

    def _check_algorithm(self, message: PkiMessage, algorithm: Digest | Cipher, *, strong: bool) -> None:
        if strong:
            return
        if self._policy.strict:
            raise RequestRefusedError(FailInfo.BAD_ALG, f"{algorithm.value} is too weak; use AES and SHA-256")
        _log.warning("transaction %s uses the weak %s", message.attributes.transaction_id, algorithm.value)

    def _refusal(self, request: PkiMessage, refusal: RequestRefusedError) -> ReplyPlan:
        current = self._authority.current
        plan = self._plan(request, PkiStatus.FAILURE, current, current.ca.certificate, Cipher.AES128)
        attributes = replace(plan.attributes, fail_info=refusal.fail_info, fail_info_text=refusal.text)
        return replace(plan, attributes=attributes)

    def _plan(
        self,
        request: PkiMessage,
        status: PkiStatus,
        generation: Generation,
        recipient: x509.Certificate,
        cipher: Cipher,
        *,
        certificates: tuple[x509.Certificate, ...] | None = None,
        crls: tuple[x509.CertificateRevocationList, ...] = (),
    ) -> ReplyPlan:
        # Never SHA-1: a CA key that signs it over what a stranger chose (id, nonce) helps forge certificates.
        digest = request.signature.digest
        attributes = MessageAttributes(
            message_type=MessageType.CERT_REP,
            transaction_id=request.attributes.transaction_id,
            sender_nonce=os.urandom(NONCE_BYTES),
            recipient_nonce=request.attributes.sender_nonce,
            status=status,
        )
        return ReplyPlan(
            attributes=attributes,
            signer=generation.signer,
            digest=Digest.SHA256 if digest is Digest.SHA1 else digest,
            recipient=recipient,
            cipher=cipher,
            certificates=certificates,
            crls=crls,
        )

    def _surroundings(self, request: PkiMessage | None = None) -> Surroundings:
        signer = request.certificates[0] if request is not None and request.certificates else None
        replaced = None if signer is None else self._certificate_of(signer)
        return Surroundings(self._authority.current.ca, self._clock.now(), replaced)

    def close(self) -> None:
        """Let another process have the CA's directory."""
        self._authority.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
