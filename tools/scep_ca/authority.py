"""The CA itself: who it is, what it issued and revoked, what waits for approval; durable in one directory."""

from __future__ import annotations

import hashlib
import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from components.scep.message import FailInfo
from framework.storage import make_private_directory
from tools.scep_ca.errors import CaStateError, RequestRefusedError, UnknownEntryError
from tools.scep_ca.identities import CaParameters, Generation, open_generation
from tools.scep_ca.ledger import Decision, IssuedCertificate, Ledger, PendingRequest
from tools.scep_ca.policy import build_certificate

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path
    from types import TracebackType

    from cryptography.hazmat.primitives.asymmetric import rsa

    from tools.scep_ca.policy import CertificationRequest

KEY_FILE: Final = "ca.key"

CRL_VALIDITY: Final = timedelta(days=7)

_GENERATION: Final = "generation"
_NEXT_GENERATION: Final = "next generation"


class CertificateAuthority:
    """A CA, with a root above it or not. Its methods may be called from any thread.

    Attributes:
        directory: Where its state is.
    """

    def __init__(self, directory: Path, current: Generation, following: Generation | None, ledger: Ledger) -> None:
        self.directory = directory
        self._current = current
        self._next = following
        self._ledger = ledger
        self._lock = threading.Lock()

    @classmethod
    def open(cls, directory: Path, parameters: CaParameters, now: datetime) -> Self:
        """The CA of a directory; both are made if they are not there.

        Raises:
            CaStateError: Another process uses the directory, its files are damaged, its certificate has
                expired, or it is another CA than `parameters` asks for.
            OSError: The directory cannot be written.
        """
        make_private_directory(directory)
        ledger = Ledger(directory)
        try:
            number = int(ledger.fact(_GENERATION) or 0)
            current = open_generation(directory, number, parameters, now)
            has_next = ledger.fact(_NEXT_GENERATION) == str(number + 1)
            following = open_generation(directory, number + 1, parameters, now) if has_next else None
        except BaseException:
            ledger.close()
            raise
        return cls(directory, current, following, ledger)

    @property
    def current(self) -> Generation:
        """Who it is now."""
        return self._current

    @property
    def next(self) -> Generation | None:
        """Who it will be after the rollover that is prepared, or None."""
        return self._next

    @property
    def key(self) -> rsa.RSAPrivateKey:
        """Its private key."""
        return self._current.ca.key

    @property
    def certificate(self) -> x509.Certificate:
        """Its certificate."""
        return self._current.ca.certificate

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the DER of what a client pins, in lower-case hex: its certificate, or the root's above it."""
        return self._current.anchor.fingerprint(hashes.SHA256()).hex()

    def issue(
        self,
        request: CertificationRequest,
        *,
        transaction_id: str,
        now: datetime,
        validity: timedelta,
        generation: Generation | None = None,
    ) -> tuple[x509.Certificate, bool]:
        """The certificate for a request, and whether it is new.

        The same transaction for the same key gets the same certificate, however often it is asked for: a
        client that lost the reply asks again (RFC 8894 3.2.1.1 has an id for each operation).

        Raises:
            RequestRefusedError: In that transaction something else was issued for that key, or the CA cannot
                give the name or the validity.
        """
        issuer = (generation or self._current).ca
        if request.subject == issuer.certificate.subject:
            raise RequestRefusedError(FailInfo.BAD_REQUEST, "the requested subject is the CA's own")
        if now >= issuer.certificate.not_valid_after_utc:
            raise RequestRefusedError(FailInfo.BAD_REQUEST, "the CA's certificate has expired")
        certificate, new = self._ledger.record(
            transaction_id,
            key_identifier(request.public_key),
            after=issuer.certificate.serial_number,
            issue=lambda serial: build_certificate(
                request,
                issuer=issuer.certificate,
                issuer_key=issuer.key,
                serial=serial,
                now=now,
                validity=validity,
            ),
        )
        if not _fulfils(certificate, request):
            raise _other_request()
        return certificate, new

    def issued(self) -> tuple[IssuedCertificate, ...]:
        """What it has issued, oldest first."""
        return self._ledger.issued()

    def find(self, serial_number: int) -> IssuedCertificate | None:
        """What it issued under a serial number."""
        return self._ledger.find(serial_number)

    def hold(self, transaction_id: str, request: CertificationRequest, now: datetime) -> Decision:
        """Put a request before a person, if it is not there yet; what was decided of it.

        Raises:
            RequestRefusedError: In that transaction something else was put before a person for that key: what
                they decide is about that.
        """
        held = self._ledger.hold(transaction_id, key_identifier(request.public_key), request, now)
        if held.request != request:
            raise _other_request()
        return held.decision

    def held(self, transaction_id: str, public_key: rsa.RSAPublicKey) -> PendingRequest | None:
        """A request that was put before a person."""
        return self._ledger.held(transaction_id, key_identifier(public_key))

    def pending(self) -> tuple[PendingRequest, ...]:
        """The requests that nobody has decided yet, oldest first."""
        return tuple(one for one in self._ledger.all_held() if one.decision is Decision.PENDING)

    def decide(self, transaction_id: str, decision: Decision) -> None:
        """Approve or reject a request.

        Raises:
            UnknownEntryError: No such request waits.
        """
        if not self._ledger.decide(transaction_id, decision):
            raise UnknownEntryError(f"no request of transaction {transaction_id} waits for approval")

    def revoke(self, serial_number: int, now: datetime) -> None:
        """Revoke a certificate; it stays revoked.

        Raises:
            UnknownEntryError: It issued none of that number.
        """
        if not self._ledger.revoke(serial_number, now):
            raise UnknownEntryError(f"no certificate of serial number {serial_number:x} was issued here")

    def crl(self, now: datetime) -> x509.CertificateRevocationList:
        """The CRL as it is now."""
        issuer = self._current.ca
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(issuer.certificate.subject)
            .last_update(now)
            .next_update(now + CRL_VALIDITY)
            .add_extension(x509.CRLNumber(int(now.timestamp())), critical=False)
        )
        for entry in self._ledger.issued():
            if entry.revoked_at is None:
                continue
            revoked = x509.RevokedCertificateBuilder().serial_number(entry.certificate.serial_number)
            builder = builder.add_revoked_certificate(revoked.revocation_date(entry.revoked_at).build())
        return builder.sign(issuer.key, hashes.SHA256())

    def prepare_rollover(self, now: datetime, *, validity: timedelta = timedelta(days=3650)) -> Generation:
        """The CA's next generation, of the same name and structure with new keys, made if it is not there."""
        with self._lock:
            if self._next is None:
                now_is = self._current
                public_key = now_is.ca.key
                parameters = CaParameters(
                    now_is.ca.certificate.subject,
                    public_key.key_size,
                    validity,
                    intermediate=now_is.root is not None,
                    registration_authority=now_is.ra_signing is not None,
                )
                following = open_generation(self.directory, now_is.number + 1, parameters, now)
                self._ledger.set_fact(_NEXT_GENERATION, str(following.number))
                self._next = following
            return self._next

    def roll_over(self) -> None:
        """Be the next generation from now on.

        Raises:
            CaStateError: None is prepared.
        """
        with self._lock:
            if self._next is None:
                raise CaStateError(self.directory, "no rollover is prepared")
            self._ledger.set_fact(_GENERATION, str(self._next.number))
            self._current, self._next = self._next, None

    def close(self) -> None:
        """Let another process have the directory."""
        self._ledger.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def key_identifier(public_key: rsa.RSAPublicKey) -> bytes:
    """What tells a key from all others."""
    encoded = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(encoded).digest()


def _other_request() -> RequestRefusedError:
    return RequestRefusedError(
        FailInfo.BAD_REQUEST, "the transaction id has been used for another request: each operation needs its own"
    )


def _fulfils(certificate: x509.Certificate, request: CertificationRequest) -> bool:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        names = None
    return certificate.subject == request.subject and names == request.alternative_names
