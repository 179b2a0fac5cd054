"""A CA of certificates for TLS, and peers to connect to: Python's, and OpenSSL's own programs."""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import threading
from datetime import timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from components.keystore import KeyAlgorithm, PrivateKeyEntry, SoftwarePrivateKey, as_signing_key
from framework.clock import SystemClock

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator
    from pathlib import Path

NOW = SystemClock().now()


@contextlib.contextmanager
def listening(context: ssl.SSLContext) -> Iterator[Callable[[ssl.SSLContext], bytes]]:
    """A server that answers with the serial number of the client's certificate; yields a way to connect to it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(60)

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True) as secured:
                    der = secured.getpeercert(binary_form=True)
                    shown = None if der is None else x509.load_der_x509_certificate(der).serial_number
                    secured.sendall(f"{shown}".encode())

        def connect(client: ssl.SSLContext) -> bytes:
            with (
                socket.create_connection(listener.getsockname(), timeout=60) as plain,
                client.wrap_socket(plain, server_hostname="localhost") as secured,
            ):
                return secured.recv(100)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield connect
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


class Ca:
    """A CA of localhost's own, with CRLs."""

    def __init__(self, common_name: str) -> None:
        self.key = SoftwarePrivateKey.generate(KeyAlgorithm.EC, 256)
        self.name = x509.Name.from_rfc4514_string(f"CN={common_name}")
        self.key_identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key)
        self.certificate = self._sign(self.name, self.key, 1, x509.BasicConstraints(ca=True, path_length=None))

    def issue(self, serial_number: int) -> PrivateKeyEntry:
        key = SoftwarePrivateKey.generate(KeyAlgorithm.EC, 256)
        names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
        subject = x509.Name.from_rfc4514_string(f"CN=number {serial_number}")
        return PrivateKeyEntry(key, (self._sign(subject, key, serial_number, names),))

    def crl(self, *revoked: int) -> x509.CertificateRevocationList:
        builder = x509.CertificateRevocationListBuilder(self.name, NOW - timedelta(hours=1), NOW + timedelta(days=9))
        for number in revoked:
            entry = x509.RevokedCertificateBuilder(number, NOW - timedelta(hours=2)).build()
            builder = builder.add_revoked_certificate(entry)
        builder = builder.add_extension(self.key_identifier, critical=False)
        return builder.sign(as_signing_key(self.key), hashes.SHA256())

    def _sign(
        self, subject: x509.Name, key: SoftwarePrivateKey, number: int, extension: x509.ExtensionType
    ) -> x509.Certificate:
        builder = x509.CertificateBuilder(self.name, subject, key.public_key, number)
        builder = builder.not_valid_before(NOW - timedelta(days=1)).not_valid_after(NOW + timedelta(days=9))
        builder = builder.add_extension(self.key_identifier, critical=False)
        return builder.add_extension(extension, critical=False).sign(as_signing_key(self.key), hashes.SHA256())


def write_identity(directory: Path, entry: PrivateKeyEntry, name: str) -> list[str]:
    """Key and chain as a file; returns the options by which OpenSSL's programs are told of them."""
    file = directory / f"{name}.pem"
    key = entry.key.export().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(key + b"".join(one.public_bytes(Encoding.PEM) for one in entry.chain))
    return ["-cert", str(file), "-key", str(file)]


@contextlib.contextmanager
def openssl_server(directory: Path, entry: PrivateKeyEntry, *options: str) -> Iterator[Callable[[], socket.socket]]:
    """`openssl s_server` with an identity; yields what connects to it, without TLS yet."""
    identity = write_identity(directory, entry, "server")
    command = ["openssl", "s_server", "-accept", "127.0.0.1:0", "-naccept", "20", "-www", *identity, *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        try:
            port = next(int(found[1]) for line in process.stdout if (found := re.match(r"ACCEPT .*:(\d+)$", line)))
            yield lambda: socket.create_connection(("127.0.0.1", port), timeout=60)
        finally:
            process.kill()


def openssl_client(port: int, *options: str) -> tuple[int, str]:
    """`openssl s_client` until the server ends the connection: its exit status, and all that it says."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", "localhost", "-ign_eof"]
    ran = subprocess.run(
        [*command, *options], input="", capture_output=True, text=True, check=False, timeout=60, errors="replace"
    )
    return ran.returncode, ran.stdout + ran.stderr
