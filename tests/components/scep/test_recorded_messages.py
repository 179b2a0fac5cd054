"""Messages that foreign programs wrote, as they were recorded: they are read by what stands here today.

The keys beside them were made for the recording and protect nothing.
"""

from __future__ import annotations

import base64
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from components.keystore import SoftwarePrivateKey
from components.scep.errors import MessageError, NonceMismatchError, WeakAlgorithmError
from components.scep.message import (
    Cipher,
    Digest,
    MessageType,
    decode_pki_message,
    open_envelope,
    verify_signature,
)
from components.scep.transaction import (
    Algorithms,
    Issued,
    PkiRequest,
    Refused,
    Reply,
    SecurityProfile,
    read_reply,
)
from components.scep.trust import CaTrust

if TYPE_CHECKING:
    from collections.abc import Callable

RECORDED = Path(__file__).parent / "recorded"


def load(name: str) -> dict[str, Any]:
    recorded: dict[str, Any] = json.loads((RECORDED / f"{name}.json").read_text())
    return recorded


def key_of(pem: str) -> SoftwarePrivateKey:
    return SoftwarePrivateKey(load_pem_private_key(pem.encode(), None))


def read(
    number: int,
    *,
    profile: SecurityProfile = SecurityProfile.STANDARD,
    nonce: bytes | None = None,
    change: Callable[[bytes], bytes] = bytes,
) -> Reply:
    """What we make of one of micromdm's replies."""
    recorded = load("micromdm_replies")
    exchange = recorded["exchanges"][number]
    anchor = x509.load_pem_x509_certificate(recorded["ca"].encode())
    request = PkiRequest(
        b"",
        exchange["transaction_id"],
        nonce or bytes.fromhex(exchange["sender_nonce"]),
        MessageType.PKCS_REQ,
        Algorithms(Cipher.AES128, Digest.SHA256),
    )
    return read_reply(
        change(base64.b64decode(exchange["reply"])),
        request,
        trust=CaTrust(anchor, (anchor,)),
        profile=profile,
        key=key_of(recorded["key"]),
        signer_certificate=x509.load_pem_x509_certificate(recorded["certificate"].encode()),
        subject=x509.Name.from_rfc4514_string("CN=recorded,O=Example"),
        now=datetime.fromisoformat(recorded["time"]) + timedelta(minutes=1),
    )


def test_micromdms_certificate_is_read() -> None:
    reply = read(0)
    assert isinstance(reply, Issued)
    assert reply.chain[0].subject == x509.Name.from_rfc4514_string("CN=recorded,O=Example")
    assert any("DES" in warning for warning in reply.warnings)
    assert any("SHA-1" in warning for warning in reply.warnings)


def test_micromdms_refusal_is_read() -> None:
    reply = read(1)
    assert isinstance(reply, Refused)
    assert reply.reason == "badRequest"


def test_what_micromdm_wrote_is_checked_like_everything_else() -> None:
    with pytest.raises(WeakAlgorithmError):
        read(0, profile=SecurityProfile.STRICT)
    with pytest.raises(NonceMismatchError):
        read(0, nonce=bytes(16))


@pytest.mark.parametrize("place", range(-590, 0, 45))
def test_a_changed_octet_of_its_signer_info_is_never_believed(place: int) -> None:
    def change(data: bytes) -> bytes:
        at = len(data) + place
        return data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]

    with pytest.raises(MessageError):
        read(0, change=change)


@pytest.mark.parametrize(
    ("client", "cipher", "digest"),
    [("scepclient", Cipher.DES, Digest.SHA1), ("strongswan", Cipher.AES128, Digest.SHA256)],
)
def test_foreign_requests_are_read(client: str, cipher: Cipher, digest: Digest) -> None:
    recorded = load("foreign_requests")
    message = decode_pki_message(base64.b64decode(recorded[client]))
    signer = verify_signature(message, ())
    assert message.attributes.message_type == MessageType.PKCS_REQ
    assert message.signature.digest is digest
    ca = x509.load_pem_x509_certificate(recorded["ca"].encode())
    opened = open_envelope(message.content, key_of(recorded["ca_key"]), ca)
    assert opened.cipher is cipher
    assert b"open sesame" in opened.content
    assert x509.load_der_x509_csr(opened.content).public_key() == signer.public_key()
