"""SCEP messages (RFC 8894 3): encoded in DER, decoded from BER, in both directions, without a network."""

from components.scep.message.certificates import (
    MOST_CERTIFICATES,
    NO_EXTENSION,
    decode_certificates,
    decode_degenerate,
    encode_certificates,
    load_certificate,
)
from components.scep.message.envelope import (
    OpenedEnvelope,
    SealedEnvelope,
    decode_envelope,
    envelope,
    open_envelope,
)
from components.scep.message.identifiers import (
    decode_issuer_and_serial_number,
    decode_issuer_and_subject,
    encode_issuer_and_serial_number,
    encode_issuer_and_subject,
)
from components.scep.message.kinds import Cipher, Digest, FailInfo, MessageType, PkiStatus
from components.scep.message.pki_message import (
    MessageAttributes,
    PkiMessage,
    decode_pki_message,
    encode_pki_message,
)
from components.scep.message.signed_data import (
    Signature,
    SignedContent,
    check_content,
    decode_signed_data,
    encode_signed_data,
    find_signer,
    verify_signature,
)

__all__ = [
    "MOST_CERTIFICATES",
    "NO_EXTENSION",
    "Cipher",
    "Digest",
    "FailInfo",
    "MessageAttributes",
    "MessageType",
    "OpenedEnvelope",
    "PkiMessage",
    "PkiStatus",
    "SealedEnvelope",
    "Signature",
    "SignedContent",
    "check_content",
    "decode_certificates",
    "decode_degenerate",
    "decode_envelope",
    "decode_issuer_and_serial_number",
    "decode_issuer_and_subject",
    "decode_pki_message",
    "decode_signed_data",
    "encode_certificates",
    "encode_issuer_and_serial_number",
    "encode_issuer_and_subject",
    "encode_pki_message",
    "encode_signed_data",
    "envelope",
    "find_signer",
    "load_certificate",
    "open_envelope",
    "verify_signature",
]
