"""A CA that makes CRLs of all kinds, and a server that publishes them."""

from __future__ import annotations

import http.server
import threading
from datetime import timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from components.keystore import KeyAlgorithm, SoftwarePrivateKey, as_signing_key
from framework.clock import SystemClock

NOW = SystemClock().now().replace(microsecond=0)
DAY = timedelta(days=1)
_POLL_S = 0.01
"""So soon a server notices that it is to end; half a second, as it is by default, adds up."""

USAGES = (
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
    *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
)


class Issuer:
    def __init__(
        self,
        name: str = "issuer",
        key: SoftwarePrivateKey | None = None,
        url: str | None = None,
        *,
        signs_crls: bool | None = None,
    ) -> None:
        self.signs_crls = signs_crls
        self.key = key or SoftwarePrivateKey.generate(KeyAlgorithm.EC, 256)
        self.name = x509.Name.from_rfc4514_string(f"CN={name}")
        points = [] if url is None else [x509.UniformResourceIdentifier(url)]
        self.certificate = self.issue(1, points)

    def issue(self, number: int, points: list[x509.UniformResourceIdentifier] | None = None) -> x509.Certificate:
        builder = x509.CertificateBuilder(self.name, self.name, self.key.public_key, number)
        builder = builder.not_valid_before(NOW - DAY).not_valid_after(NOW + 99 * DAY)
        if points:
            point = x509.DistributionPoint(points, None, None, None)
            builder = builder.add_extension(x509.CRLDistributionPoints([point]), critical=False)
        if self.signs_crls is not None:
            unused = dict.fromkeys(USAGES, False)
            usage = x509.KeyUsage(**{**unused, "key_cert_sign": True, "crl_sign": self.signs_crls})
            builder = builder.add_extension(usage, critical=True)
        return builder.sign(as_signing_key(self.key), hashes.SHA256())

    def crl(
        self,
        *revoked: int,
        number: int | None = 1,
        made: timedelta = -timedelta(hours=1),
        extension: x509.ExtensionType | None = None,
        algorithm: Any = None,
    ) -> bytes:
        builder = x509.CertificateRevocationListBuilder(self.name, NOW + made, NOW + made + 7 * DAY)
        for each in revoked:
            builder = builder.add_revoked_certificate(x509.RevokedCertificateBuilder(each, NOW - DAY).build())
        if number is not None:
            builder = builder.add_extension(x509.CRLNumber(number), critical=False)
        if extension is not None:
            builder = builder.add_extension(extension, critical=True)
        return builder.sign(as_signing_key(self.key), algorithm or hashes.SHA256()).public_bytes(Encoding.DER)


class Publisher:
    """An HTTP server of CRLs, by path."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        publisher = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                publisher.asked.append(self.path)
                if self.path == "/moved":
                    self.send_response(302)
                    self.send_header("Location", "/a")
                    self.end_headers()
                    return
                data = publisher.files.get(self.path)
                self.send_response(404 if data is None else 200)
                self.end_headers()
                self.wfile.write(data or b"")

            def log_message(self, *_: object) -> None: ...

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(_POLL_S,))
        self.thread.start()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server.server_port}{path}"

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
