"""SCEP as the CA speaks it (RFC 8894): bytes in, bytes out, no network."""

from __future__ import annotations

import logging
import os
import re
from typing import TYPE_CHECKING, Final, Self

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
    decode_pki_message,
    encode_certificates,
    encode_pki_message,
    envelope,
    open_envelope,
    verify_signature,
)
from framework.clock import Clock, SystemClock
from tools.scep_ca.authority import CaParameters, CertificateAuthority
from tools.scep_ca.errors import MessageTooDamagedError, RequestRefusedError
from tools.scep_ca.policy import IssuancePolicy, read_request, unreadable

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from cryptography import x509

    from tools.scep_ca.ledger import IssuedCertificate

_log = logging.getLogger("tools.scep_ca")

NONCE_BYTES: Final = 16

LARGEST_ENVELOPE: Final = 16 * 1024
"""The longest encrypted request that is opened, in bytes."""

_STRONG_CIPHERS: Final = (Cipher.AES128, Cipher.AES192, Cipher.AES256)
_PRINTABLE: Final = re.compile(r"[A-Za-z0-9 '()+,\-./:=?]{1,128}")
"""PrintableString (X.680 41.4), at a length that no client exceeds."""

# strongSwan 5.9.8 sends AES only to a server that lists SHA-384, which RFC 8894 has no keyword for.
_CAPABILITIES: Final = ("AES", "POSTPKIOperation", "SCEPStandard", "SHA-256", "SHA-384", "SHA-512")
_WEAK_CAPABILITIES: Final = ("DES3", "SHA-1")


class ScepCa:
    """A CA that answers SCEP's operations. Its methods may be called from any thread.

    Args:
        authority: Who issues; closed with this.
        policy: What is asked of requests, and given.
        clock: The time of issuance.
    """

    def __init__(self, authority: CertificateAuthority, policy: IssuancePolicy, *, clock: Clock | None = None) -> None:
        self._authority = authority
        self._policy = policy
        self._clock = clock or SystemClock()
        self._key = SoftwarePrivateKey(authority.key)

    @classmethod
    def open(
        cls,
        directory: Path,
        policy: IssuancePolicy,
        *,
        parameters: CaParameters | None = None,
        clock: Clock | None = None,
    ) -> Self:
        """The CA of a directory, made if it is not there; errors as of `CertificateAuthority.open`."""
        clock = clock or SystemClock()
        authority = CertificateAuthority.open(directory, parameters or CaParameters(), clock.now())
        return cls(authority, policy, clock=clock)

    @property
    def certificate(self) -> x509.Certificate:
        """The CA's certificate."""
        return self._authority.certificate

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the CA certificate's DER, in lower-case hex: what a client pins."""
        return self._authority.fingerprint

    def issued(self) -> tuple[IssuedCertificate, ...]:
        """What it has issued, oldest first."""
        return self._authority.issued()

    def get_ca_caps(self) -> bytes:
        """The answer to GetCACaps (RFC 8894 3.5.2)."""
        weak = () if self._policy.strict else _WEAK_CAPABILITIES
        return "".join(f"{keyword}\n" for keyword in (*_CAPABILITIES, *weak)).encode("ascii")

    def get_ca_cert(self) -> bytes:
        """The answer to GetCACert: the CA's only certificate, DER (RFC 8894 4.2.1.1)."""
        return self._authority.certificate.public_bytes(Encoding.DER)

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
        try:
            return self._granted(message)
        except RequestRefusedError as refusal:
            _log.warning("transaction %s refused: %s", attributes.transaction_id, refusal)
            return self._reply(message, refusal=refusal)

    def _granted(self, message: PkiMessage) -> bytes:
        self._check_algorithm(message, message.signature.digest, strong=message.signature.digest is not Digest.SHA1)
        try:
            signer = verify_signature(message, ())
        except SignatureError as error:
            raise RequestRefusedError(FailInfo.BAD_MESSAGE_CHECK, str(error)) from None
        if message.attributes.message_type != MessageType.PKCS_REQ:
            raise RequestRefusedError(
                FailInfo.BAD_REQUEST,
                f"messageType {message.attributes.message_type} is not supported, only PKCSReq (19) is",
            )
        csr, cipher = self._opened(message)
        request = read_request(csr, self._policy)
        if signer.public_key() != request.public_key:
            raise RequestRefusedError(
                FailInfo.BAD_REQUEST, "a PKCSReq must be signed with the key that is to be certified"
            )
        certificate, new = self._authority.issue(
            request,
            transaction_id=message.attributes.transaction_id,
            now=self._clock.now(),
            validity=self._policy.validity,
        )
        _log.info(
            "transaction %s: %s serial %d, subject %a",
            message.attributes.transaction_id,
            "issued" if new else "gave again",
            certificate.serial_number,
            certificate.subject.rfc4514_string(),
        )
        # Some clients take whichever certificate comes first, so there is only one.
        return self._reply(message, content=envelope(encode_certificates([certificate]), signer, cipher))

    def _opened(self, message: PkiMessage) -> tuple[bytes, Cipher]:
        """The request in an envelope, and the cipher of the reply: the request's, but never single DES."""
        if len(message.content) > LARGEST_ENVELOPE:
            raise RequestRefusedError(FailInfo.BAD_REQUEST, f"the envelope is longer than {LARGEST_ENVELOPE} bytes")
        try:
            opened = open_envelope(message.content, self._key, self._authority.certificate)
        except (EnvelopeError, DecodingError):
            raise unreadable() from None
        except MessageError as error:
            raise RequestRefusedError(FailInfo.BAD_ALG, str(error)) from None
        self._check_algorithm(message, opened.cipher, strong=opened.cipher in _STRONG_CIPHERS)
        return opened.content, Cipher.DES3 if opened.cipher is Cipher.DES else opened.cipher

    def _check_algorithm(self, message: PkiMessage, algorithm: Digest | Cipher, *, strong: bool) -> None:
        if strong:
            return
        if self._policy.strict:
            raise RequestRefusedError(FailInfo.BAD_ALG, f"{algorithm.value} is too weak; use AES and SHA-256")
        _log.warning("transaction %s uses the weak %s", message.attributes.transaction_id, algorithm.value)

    def _reply(
        self, request: PkiMessage, *, content: bytes | None = None, refusal: RequestRefusedError | None = None
    ) -> bytes:
        # Never SHA-1: a CA key that signs it over what a stranger chose (id, nonce) helps forge certificates.
        digest = request.signature.digest
        return encode_pki_message(
            MessageAttributes(
                message_type=MessageType.CERT_REP,
                transaction_id=request.attributes.transaction_id,
                sender_nonce=os.urandom(NONCE_BYTES),
                recipient_nonce=request.attributes.sender_nonce,
                status=PkiStatus.SUCCESS if refusal is None else PkiStatus.FAILURE,
                fail_info=None if refusal is None else refusal.fail_info,
                fail_info_text=None if refusal is None else refusal.text,
            ),
            content,
            key=self._key,
            certificate=self._authority.certificate,
            digest=Digest.SHA256 if digest is Digest.SHA1 else digest,
        )

    def close(self) -> None:
        """Let another process have the CA's directory."""
        self._authority.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
