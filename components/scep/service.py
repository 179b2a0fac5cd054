"""What other components and commands see of the enrolment."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography import x509

    from components.scep.enrolment import Problem, State, Verdict
    from components.scep.transaction import FoundCertificate, FoundCrl, Refused


@dataclass(frozen=True, slots=True)
class EnrollmentStatus:
    """How an enrolment is at one moment.

    Attributes:
        keystore: The `kura.service.pid` of the keystore that it enrols into.
        certificate: The enrolled certificate in that keystore, or None.
        problem: What went wrong last, as long as it matters.
        next_step: What comes next, in words.
        next_at: When, or None if it waits for a person or is under way.
        warnings: What an operator should know.
        ca_certificates: The trusted CA certificates in that keystore.
        server_url: Where the server was found, or None.
        verdicts: What each check says about another certificate, in the order in which they decide.
        transaction_id: That of the request under way, or None.
        renewal_at: When the certificate is renewed, or None if it is not, or nobody knows.
        ca_check: What came of looking for the CA's successor, or empty.
    """

    state: State
    keystore: str
    certificate: x509.Certificate | None
    problem: Problem | None
    next_step: str
    next_at: datetime | None
    warnings: tuple[str, ...]
    ca_certificates: tuple[x509.Certificate, ...]
    server_url: str | None
    verdicts: tuple[Verdict, ...] = ()
    transaction_id: str | None = None
    ca_check: str = ""
    renewal_at: datetime | None = None


class EnrollmentService(abc.ABC):
    """Obtains the gateway's X.509 identity and keeps it in a keystore."""

    @abc.abstractmethod
    def status(self) -> EnrollmentStatus:
        """How the enrolment is; may be asked at any time from any thread."""

    @abc.abstractmethod
    def enroll(self) -> None:
        """Begin to obtain a certificate now, with a new key if the present one is enrolled; returns at once.

        The certificate that is there stays until the new one is complete.
        """

    @abc.abstractmethod
    def renew(self) -> None:
        """Begin to renew the certificate now, with its key and subject; an enrolment if there is none."""

    @abc.abstractmethod
    def rekey(self) -> None:
        """Begin to renew the certificate now with a new key; an enrolment if there is none."""

    @abc.abstractmethod
    def poll(self) -> None:
        """Ask the CA now about a request that it has yet to decide; nothing if there is none."""

    @abc.abstractmethod
    def force_rollover(self) -> None:
        """Look for the CA's successor now, and move to it if there is one; nothing without a certificate."""

    @abc.abstractmethod
    def fetch_certificate(self, serial_number: int) -> FoundCertificate | Refused:
        """The certificate of that number from the CA (GetCert, RFC 8894 3.3.4); waits for the server, on any thread.

        Raises:
            NotEnrolledError: There is no certificate to ask with.
            OperationUnsupportedError: The server does not know GetCert.
            ScepError: The server cannot be reached, or its reply does not hold.
            KeystoreError: The keystore cannot be read.
        """

    @abc.abstractmethod
    def fetch_crl(self) -> FoundCrl | Refused:
        """The CRL that the certificate would be on (GetCRL, RFC 8894 3.3.4); errors as of `fetch_certificate`."""

    @property
    def client_certificate(self) -> x509.Certificate | None:
        """The enrolled certificate, or None."""
        return self.status().certificate

    @property
    def ca_certificates(self) -> tuple[x509.Certificate, ...]:
        """The trusted CA certificates, the present CA's first."""
        return self.status().ca_certificates
