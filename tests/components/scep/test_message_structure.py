"""The structure of messages and their signed attributes (RFC 8894 3.1, 3.2), read by pyasn1 and not by our own code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from pyasn1.codec.ber.decoder import decode
from pyasn1.codec.der.encoder import encode as der
from pyasn1.type import univ
from pyasn1_modules import rfc5652

from components.scep.errors import (
    DecodingError,
    DigestMismatchError,
    MessageError,
    NonceMismatchError,
    PkiStatusError,
)
from components.scep.message import FailInfo, MessageType, PkiStatus, kinds
from components.scep.transaction import (
    Issued,
    Pending,
    PkiRequest,
    Refused,
    SecurityProfile,
    build_get_cert,
    build_get_crl,
    build_poll,
    build_request,
)
from tests.components.scep.pki import SERVER, Exchange, name

if TYPE_CHECKING:
    from collections.abc import Callable

OBJECT_IDENTIFIER, OCTET_STRING, PRINTABLE_STRING = 0x06, 0x04, 0x13


@dataclass(frozen=True)
class Row:
    """One row of the table of signed attributes.

    Attributes:
        tag: Of its value, in X.690.
        sent: Whether it is in every request of ours; no other one is.
        missing: What a CertRep of status SUCCESS without it is; None if it may be left out.
    """

    name: str
    oid: str
    tag: int
    sent: bool
    missing: type[MessageError] | None


TABLE = (
    Row("contentType", kinds.CONTENT_TYPE, OBJECT_IDENTIFIER, True, None),  # a warning: OpenXPKI leaves it out
    Row("messageDigest", kinds.MESSAGE_DIGEST, OCTET_STRING, True, DigestMismatchError),
    Row("messageType", kinds.MESSAGE_TYPE, PRINTABLE_STRING, True, DecodingError),
    Row("transactionID", kinds.TRANSACTION_ID, PRINTABLE_STRING, True, DecodingError),
    Row("senderNonce", kinds.SENDER_NONCE, OCTET_STRING, True, None),
    Row("recipientNonce", kinds.RECIPIENT_NONCE, OCTET_STRING, False, NonceMismatchError),
    Row("pkiStatus", kinds.PKI_STATUS, PRINTABLE_STRING, False, PkiStatusError),
)
SENT = {row.oid: row.tag for row in TABLE if row.sent}
IN_REPLIES = tuple(row.oid for row in TABLE)


@dataclass(frozen=True)
class Sent:
    """A request that is sent, and what its messageType says."""

    kind: MessageType
    build: Callable[[Exchange], PkiRequest]


def _built(exchange: Exchange, build: Callable[..., PkiRequest], **more: object) -> PkiRequest:
    return build(
        trust=exchange.trust,
        capabilities=SERVER,
        profile=SecurityProfile.STRICT,
        key=exchange.pki.device.key,
        signer_certificate=exchange.pki.device.certificate,
        transaction_id="abc",
        **more,
    )


def _certification(kind: MessageType) -> Sent:
    return Sent(kind, lambda exchange: _built(exchange, build_request, csr=b"csr", message_type=kind))


REQUESTS = (
    _certification(MessageType.PKCS_REQ),
    _certification(MessageType.RENEWAL_REQ),
    _certification(MessageType.UPDATE_REQ),
    Sent(MessageType.CERT_POLL, lambda exchange: _built(exchange, build_poll, subject=name("device"))),
    Sent(MessageType.GET_CERT, lambda exchange: _built(exchange, build_get_cert, serial_number=7)),
    Sent(MessageType.GET_CRL, lambda exchange: _built(exchange, build_get_crl, serial_number=7)),
)


@pytest.mark.parametrize("sent", REQUESTS, ids=lambda sent: sent.kind.name)
@pytest.mark.requirement("RFC 8894 3.2.1: signed attributes of requests", "RFC 8894 3.2.1.2: message types")
def test_a_request_has_these_attributes_and_no_others(exchange: Exchange, sent: Sent) -> None:
    request = sent.build(exchange)
    values = _attributes(request.data)
    assert {oid: value[0] for oid, value in values.items()} == SENT
    assert values[kinds.MESSAGE_TYPE][2:] == str(int(sent.kind)).encode()
    assert values[kinds.TRANSACTION_ID][2:] == b"abc"
    assert values[kinds.SENDER_NONCE][2:] == request.sender_nonce


@pytest.mark.parametrize("sent", REQUESTS, ids=lambda sent: sent.kind.name)
@pytest.mark.requirement("RFC 8894 3.1: structure")
def test_a_request_has_one_signer_with_its_certificate_and_one_recipient(exchange: Exchange, sent: Sent) -> None:
    device, root = exchange.pki.device.certificate, exchange.pki.root.certificate
    content, rest = decode(sent.build(exchange).data, asn1Spec=rfc5652.ContentInfo())
    assert (str(content["contentType"]), rest) == (kinds.SIGNED_DATA, b"")
    signed, _ = decode(content["content"], asn1Spec=rfc5652.SignedData())
    assert (int(signed["version"]), str(signed["encapContentInfo"]["eContentType"])) == (1, kinds.DATA)
    (certificate,) = signed["certificates"]
    assert der(certificate["certificate"]) == device.public_bytes(Encoding.DER)
    (info,) = signed["signerInfos"]
    assert int(info["sid"]["issuerAndSerialNumber"]["serialNumber"]) == device.serial_number
    inner, _ = decode(signed["encapContentInfo"]["eContent"], asn1Spec=rfc5652.ContentInfo())
    assert str(inner["contentType"]) == kinds.ENVELOPED_DATA
    sealed, _ = decode(inner["content"], asn1Spec=rfc5652.EnvelopedData())
    assert int(sealed["version"]) == 0
    (recipient,) = sealed["recipientInfos"]
    assert int(recipient["ktri"]["rid"]["issuerAndSerialNumber"]["serialNumber"]) == root.serial_number
    assert str(sealed["encryptedContentInfo"]["contentType"]) == kinds.DATA


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
@pytest.mark.requirement("RFC 8894 3.2.1: signed attributes of replies")
def test_a_reply_must_have_what_the_table_demands(exchange: Exchange, row: Row) -> None:
    data = _without(exchange, exchange.success(), row.oid)
    if row.missing is None:
        assert isinstance(exchange.read(data), Issued)
        return
    with pytest.raises(row.missing):
        exchange.read(data)


@pytest.mark.parametrize("oid", [row.oid for row in TABLE if row.missing], ids=[r.name for r in TABLE if r.missing])
@pytest.mark.parametrize("status", [PkiStatus.FAILURE, PkiStatus.PENDING], ids=lambda status: status.name)
@pytest.mark.requirement("RFC 8894 3.2.1: signed attributes of replies")
def test_a_refusal_or_delay_must_have_it_too(exchange: Exchange, status: PkiStatus, oid: str) -> None:
    with pytest.raises(MessageError):
        exchange.read(_without(exchange, exchange.reply(status=status), oid))


@pytest.mark.requirement("RFC 8894 3.2.1.4: failInfo and failInfoText")
def test_a_refusal_has_a_code_and_may_have_words_for_people(exchange: Exchange) -> None:
    with_both = exchange.reply(status=PkiStatus.FAILURE, fail_info=FailInfo.BAD_TIME, fail_info_text="clock")
    assert kinds.FAIL_INFO_TEXT in _attributes(with_both)
    for data in (with_both, _without(exchange, with_both, kinds.FAIL_INFO_TEXT)):
        reply = exchange.read(data)
        assert isinstance(reply, Refused)
        assert reply.reason == "badTime"
    without_code = exchange.read(_without(exchange, with_both, kinds.FAIL_INFO))
    assert isinstance(without_code, Refused), "a refusal stays one, though it lacks what it must have"
    assert without_code.fail_info is None


@pytest.mark.requirement("RFC 8894 3.2.1: signed attributes of replies")
def test_attributes_may_come_in_any_order_and_with_others(exchange: Exchange) -> None:
    assert set(IN_REPLIES) == set(_attributes(exchange.success()))
    extra = rfc5652.Attribute()
    extra["attrType"] = "1.2.840.113549.1.9.5"  # signingTime, which some servers add
    extra["attrValues"].append(univ.Any(bytes.fromhex("170d") + b"260101000000Z"))
    assert isinstance(exchange.read(_resigned(exchange, exchange.success(), lambda found: [extra, *found])), Issued)
    pending = exchange.reply(status=PkiStatus.PENDING)
    assert exchange.read(_resigned(exchange, pending, lambda found: [*found, extra])) == Pending()


def _attributes(data: bytes) -> dict[str, bytes]:
    """The values by object identifier; each attribute has one, and comes once."""
    content, _ = decode(data, asn1Spec=rfc5652.ContentInfo())
    signed, _ = decode(content["content"], asn1Spec=rfc5652.SignedData())
    (info,) = signed["signerInfos"]
    found: dict[str, bytes] = {}
    for attribute in info["signedAttrs"]:
        (value,) = attribute["attrValues"]
        assert str(attribute["attrType"]) not in found
        found[str(attribute["attrType"])] = bytes(value)
    return found


def _without(exchange: Exchange, data: bytes, oid: str) -> bytes:
    """The same message without an attribute, signed anew."""
    return _resigned(exchange, data, lambda found: [one for one in found if str(one["attrType"]) != oid])


def _resigned(
    exchange: Exchange, data: bytes, change: Callable[[list[rfc5652.Attribute]], list[rfc5652.Attribute]]
) -> bytes:
    content, _ = decode(data, asn1Spec=rfc5652.ContentInfo())
    signed, _ = decode(content["content"], asn1Spec=rfc5652.SignedData())
    info = signed["signerInfos"][0]
    left = univ.SetOf(componentType=rfc5652.Attribute())
    left.extend(change(list(info["signedAttrs"])))
    info["signedAttrs"].clear()
    info["signedAttrs"].extend(left)
    info["signature"] = exchange.pki.root.key.sign(der(left), hashes.SHA256())
    content["content"] = der(signed)
    return bytes(der(content))
