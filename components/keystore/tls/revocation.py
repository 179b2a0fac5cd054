"""Connections that ask whether the other side's certificate was revoked, before a byte of theirs is handed out.

OpenSSL's own check takes CRLs whole into memory, with some 130 MB for one of 15 MB, knows no soft fail, and does
not look again when a session is resumed. So the certificate is asked for when the handshake has ended: of a
`RevocationService` that costs a few reads of the disk, and a new CRL counts for the next connection at once.
"""

from __future__ import annotations

import logging
import ssl
from typing import TYPE_CHECKING, Any

from cryptography import x509

from components.keystore.crl import CrlError, RevocationStatus
from components.keystore.log_events import REVOCATION_UNKNOWN
from components.keystore.tls.settings import RevocationCheck

if TYPE_CHECKING:
    from components.keystore.tls.settings import RevocationAnswers

_log = logging.getLogger("components.keystore.tls")


class CheckedContext(ssl.SSLContext):
    """A context whose connections are refused where the other side's certificate was revoked."""

    _check = RevocationCheck.OFF
    _answers: RevocationAnswers | None = None

    def check_revocation(self, check: RevocationCheck, answers: RevocationAnswers | None) -> None:
        """Ask `answers` from now on; None knows of no certificate."""
        self._check = check
        self._answers = answers
        self.sslsocket_class = _CheckedSocket
        self.sslobject_class = _CheckedObject

    def refuse_revoked(self, der: bytes | None) -> None:
        """Fail if a certificate was revoked, or if that is not known and hard fail is demanded.

        Args:
            der: The certificate; None where the other side has shown none, which `verify_mode` has judged.

        Raises:
            ssl.SSLCertVerificationError: It is not to be relied on.
        """
        if der is None or self._check is RevocationCheck.OFF:
            return
        certificate = x509.load_der_x509_certificate(der)
        status = self._status_of(certificate)
        name = certificate.subject.rfc4514_string()
        if status is RevocationStatus.REVOKED:
            raise ssl.SSLCertVerificationError(f"certificate verify failed: {name} was revoked by its issuer")
        if status is RevocationStatus.UNKNOWN and self._check is RevocationCheck.HARD_FAIL:
            issuer = certificate.issuer.rfc4514_string()
            raise ssl.SSLCertVerificationError(
                f"certificate verify failed: whether {name} was revoked is not known, since there is no CRL of "
                f"{issuer} in force (see gatewright keystore crl list)"
            )

    def _status_of(self, certificate: x509.Certificate) -> RevocationStatus:
        if self._answers is None:
            return RevocationStatus.UNKNOWN
        try:
            return self._answers.status(certificate)
        except CrlError as error:
            _log.error(REVOCATION_UNKNOWN, {"error": error})
            return RevocationStatus.UNKNOWN


class _Checked:
    """Mixed into a connection: checked when the handshake has ended, be it explicit or at the first read or write."""

    _accepted = False

    def read(self, len: int = 1024, buffer: Any = None) -> Any:  # as the class that it is mixed into has it
        self._shake_hands()
        return super().read(len, buffer)  # type: ignore[misc]  # the class that it is mixed into has it

    def write(self, data: Any) -> int:
        self._shake_hands()
        return super().write(data)  # type: ignore[misc,no-any-return]  # as above

    def _refuse_revoked(self) -> None:
        connection: Any = self  # the one that this is mixed into
        if not self._accepted and isinstance(connection.context, CheckedContext):
            connection.context.refuse_revoked(connection.getpeercert(binary_form=True))
        self._accepted = True

    def _shake_hands(self) -> None:
        connection: Any = self
        # Without an object of OpenSSL's, TLS has not begun on a socket, or has ended.
        if not self._accepted and getattr(connection, "_sslobj", None) is not None:
            connection.do_handshake()


class _CheckedSocket(_Checked, ssl.SSLSocket):
    def do_handshake(self, block: bool = False) -> None:
        super().do_handshake(block)
        self._refuse_revoked()

    def send(self, data: Any, flags: int = 0) -> int:
        self._shake_hands()
        return super().send(data, flags)


class _CheckedObject(_Checked, ssl.SSLObject):
    """The same without a socket, as asyncio uses it."""

    def do_handshake(self) -> None:
        super().do_handshake()
        self._refuse_revoked()
