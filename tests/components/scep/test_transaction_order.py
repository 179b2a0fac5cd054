"""Replies are checked in one order, and each way of being wrong has its own error; RFC 8894 by section."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from pyasn1.codec.ber.decoder import decode
from pyasn1.codec.der.encoder import encode as der
from pyasn1.type import univ
from pyasn1_modules import rfc4055, rfc5280, rfc5652

from components.scep.errors import (
    CaCertificateIssuedError,
    CertificateValidityError,
    DigestMismatchError,
    EnvelopeError,
    ForgedSignatureError,
    MessageError,
    MessageTypeError,
    NoCertificateForKeyError,
    NonceMismatchError,
    OldCertificateError,
    PkiStatusError,
    TransactionMismatchError,
    UnknownSignerError,
    UnsupportedAlgorithmError,
    UntrustedIssuerError,
    UntrustedSignerError,
    WeakAlgorithmError,
)
from components.scep.message import (
    Cipher,
    Digest,
    MessageType,
    PkiStatus,
    decode_issuer_and_serial_number,
    decode_issuer_and_subject,
    decode_pki_message,
    encode_certificates,
    encode_signed_data,
    envelope,
    open_envelope,
)
from components.scep.message.kinds import CONTENT_TYPE
from components.scep.transaction import (
    Algorithms,
    Capabilities,
    Issued,
    RenewalForm,
    Reply,
    SecurityProfile,
    build_get_crl,
    build_poll,
    build_request,
    choose_algorithms,
    has_weaker,
    read_next_ca,
    read_reply,
    reconcile,
    renewal_forms,
)
from components.scep.trust import CaTrust
from tests.components.scep import ber
from tests.components.scep.pki import NOW, SERVER, Exchange, Party, Pki, name

if TYPE_CHECKING:
    from collections.abc import Callable

STRICT = SecurityProfile.STRICT


@dataclass(frozen=True)
class Wrong:
    """One thing wrong with a reply: what makes it so, in the arguments of `Exchange.success`, and its error."""

    what: str
    error: type[MessageError]
    arguments: Callable[[Exchange], dict[str, object]]


ORDER = [
    Wrong("signer", UntrustedSignerError, lambda e: {"signer": e.pki.other_root}),
    Wrong("transaction", TransactionMismatchError, lambda _: {"transaction_id": "f00"}),
    Wrong("nonce", NonceMismatchError, lambda _: {"recipient_nonce": b"x" * 16}),
    Wrong("message type", MessageTypeError, lambda _: {"message_type": MessageType.PKCS_REQ}),
    Wrong("status", PkiStatusError, lambda _: {"status": 1}),
    Wrong("digest of the profile", WeakAlgorithmError, lambda _: {"digest": Digest.SHA1}),
    Wrong("cipher of the profile", WeakAlgorithmError, lambda _: {"cipher": Cipher.DES}),
    Wrong("recipient", EnvelopeError, lambda e: {"recipient": e.pki.other_root.certificate}),
]


@pytest.mark.parametrize("first", range(len(ORDER)), ids=lambda number: ORDER[number].what)
def test_of_several_wrong_things_the_first_in_the_order_is_told(exchange: Exchange, first: int) -> None:
    arguments: dict[str, object] = {}
    for wrong in ORDER[first:]:
        arguments |= wrong.arguments(exchange)
    with pytest.raises(ORDER[first].error) as caught:
        exchange.read(exchange.success(**arguments), profile=STRICT)  # type: ignore[arg-type]  # from a table
    assert type(caught.value) is ORDER[first].error


def test_a_changed_content_is_told_before_the_transaction(exchange: Exchange) -> None:
    data = exchange.success(transaction_id="f00")
    sealed = decode_pki_message(data).content
    other = envelope(b"other", exchange.pki.device.certificate, Cipher.AES128)
    with pytest.raises(DigestMismatchError):
        exchange.read(ber.replaced(data, ber.element(4, sealed), ber.element(4, other)))


def test_an_unknown_signer_is_not_a_forged_signature(exchange: Exchange) -> None:
    with pytest.raises(UnknownSignerError):
        exchange.read(ber.without_certificates(exchange.success(signer=exchange.pki.other_root)))
    forger = Party(exchange.pki.key("other root"), exchange.pki.root.certificate)
    with pytest.raises(ForgedSignatureError):
        exchange.read(exchange.success(signer=forger))


@dataclass(frozen=True)
class WrongCertificate:
    """A certificate that is not for us, and why."""

    what: str
    error: type[MessageError]
    facts: dict[str, object]


DAY = timedelta(days=1)
CERTIFICATES = [
    WrongCertificate("key", NoCertificateForKeyError, {"key_of": "stranger"}),
    WrongCertificate("validity", CertificateValidityError, {"begin": NOW + DAY, "end": NOW + 2 * DAY}),
    WrongCertificate("a CA's", CaCertificateIssuedError, {"ca": True}),
]


@pytest.mark.parametrize("first", range(len(CERTIFICATES)), ids=lambda number: CERTIFICATES[number].what)
def test_of_several_things_wrong_with_a_certificate_the_first_is_told(exchange: Exchange, first: int) -> None:
    facts: dict[str, object] = {}
    for wrong in CERTIFICATES[first:]:
        facts |= wrong.facts
    certificate = exchange.pki.issue("device", exchange.pki.other_root, **facts)  # type: ignore[arg-type]  # from a table
    with pytest.raises(CERTIFICATES[first].error):
        exchange.read(exchange.success(certificates=(certificate,)))
    with pytest.raises(UntrustedIssuerError) as caught:
        exchange.read(exchange.success(certificates=(exchange.pki.issue("device", exchange.pki.other_root),)))
    assert "other root" in caught.value.issuer


@pytest.mark.requirement("RFC 8894 3.2.2: envelope")
def test_every_way_of_not_unwrapping_a_reply_is_one_error(exchange: Exchange) -> None:
    """Also rubbish behind a padding that fits, which only a holder of the key can tell from the others."""
    recipient = exchange.pki.device.certificate
    sealed = exchange.success(content=envelope(b"rubbish", recipient, Cipher.AES128))
    ways = [
        exchange.reply(),
        exchange.success(content=b"\x30\x00"),
        exchange.success(content=b"rubbish"),
        exchange.success(recipient=exchange.pki.root.certificate),
        sealed,
        exchange.success(content=ber.with_shorter_encrypted_content(envelope(b"x" * 64, recipient, Cipher.AES128))),
    ]
    told = set()
    for data in ways:
        with pytest.raises(EnvelopeError) as caught:
            exchange.read(data)
        told.add((type(caught.value), str(caught.value), caught.value.__cause__))
    assert len(told) == 1


@pytest.mark.parametrize("content", [b"\x00", b"", None], ids=["one zero octet", "empty", "none"])
@pytest.mark.requirement("RFC 8894 3.3.2.2: failure and pending")
def test_rfc8894_3_3_2_without_success_there_is_no_envelope_to_read(exchange: Exchange, content: bytes | None) -> None:
    for status in (PkiStatus.FAILURE, PkiStatus.PENDING):
        reply = exchange.read(exchange.reply(status=status, content=content))
        assert not isinstance(reply, Issued)


@pytest.mark.requirement("RFC 8894 3.3.3: CertPoll")
def test_rfc8894_3_3_3_a_poll_names_the_issuing_ca_and_the_subject_in_the_same_transaction(pki: Pki) -> None:
    intermediate = pki.party("intermediate", pki.root, ca=True)
    ra = pki.party("ra", intermediate, usage=("key_encipherment",))
    trust = CaTrust(pki.root.certificate, (pki.root.certificate, ra.certificate, intermediate.certificate))
    poll = build_poll(
        trust=trust,
        capabilities=SERVER,
        profile=STRICT,
        key=pki.device.key,
        signer_certificate=pki.device.certificate,
        subject=name("device"),
        transaction_id="abc",
    )
    message = decode_pki_message(poll.data)
    assert (message.attributes.message_type, message.attributes.transaction_id) == (MessageType.CERT_POLL, "abc")
    assert message.attributes.sender_nonce == poll.sender_nonce
    content = open_envelope(message.content, ra.key, ra.certificate).content
    assert decode_issuer_and_subject(content) == (name("intermediate"), name("device"))


@pytest.mark.requirement("RFC 8894 3.3.4: GetCert and GetCRL")
def test_rfc8894_3_3_4_a_query_names_issuer_and_serial_number(pki: Pki, exchange: Exchange) -> None:
    query = build_get_crl(
        trust=exchange.trust,
        capabilities=SERVER,
        profile=STRICT,
        key=pki.device.key,
        signer_certificate=pki.device.certificate,
        serial_number=77,
        transaction_id="abc",
    )
    content = open_envelope(decode_pki_message(query.data).content, pki.root.key, pki.root.certificate).content
    assert decode_issuer_and_serial_number(content) == (name("root"), 77)


@pytest.mark.requirement("RFC 8894 3.3.1: RenewalReq")
def test_rfc8894_3_3_1_2_a_renewal_is_signed_with_the_certificate_that_is_renewed(pki: Pki, exchange: Exchange) -> None:
    request = build_request(
        trust=exchange.trust,
        capabilities=SERVER,
        profile=STRICT,
        key=pki.device.key,
        signer_certificate=exchange.issued,
        csr=b"csr",
        transaction_id="abc",
        message_type=MessageType.RENEWAL_REQ,
    )
    message = decode_pki_message(request.data)
    assert message.attributes.message_type == 17
    assert message.certificates == (exchange.issued,)


RENEWALS = [
    ("Renewal", True, [(17, False), (17, True), (19, False)]),
    ("Renewal", False, [(17, False), (19, False)]),
    ("Renewal\nUpdate", True, [(17, False), (17, True), (18, False), (19, False)]),
    ("Update", True, [(18, False), (18, True), (19, False)]),
    ("", True, [(19, False), (19, True)]),
    ("", False, [(19, False)]),
]


@pytest.mark.parametrize(("offered", "has_challenge", "forms"), RENEWALS)
def test_quirks_7_and_32_renewals_fall_back_and_send_the_challenge_once(
    offered: str, has_challenge: bool, forms: list[tuple[int, bool]]
) -> None:
    found = renewal_forms(Capabilities.parse(offered), has_challenge=has_challenge)
    assert found == tuple(RenewalForm(MessageType(kind), challenge) for kind, challenge in forms)
    assert sum(form.challenge for form in found) <= 1


@pytest.mark.requirement("RFC 8894 7.5: downgrade")
def test_rfc8894_7_5_a_server_that_offers_less_is_a_warning_and_no_downgrade() -> None:
    before = Capabilities.parse("AES\nSHA-256\nPOSTPKIOperation\nRenewal")
    now = reconcile(before, Capabilities.parse("DES3\nSHA-1"))
    assert now.capabilities.aes
    assert now.warning is not None
    assert "aes" in now.warning
    assert reconcile(before, before).warning is None
    assert reconcile(None, before).warning is None
    implied = reconcile(Capabilities.parse("AES\nSHA-256\nPOSTPKIOperation"), Capabilities.parse("SCEPStandard"))
    assert implied.warning is None
    hardened = reconcile(Capabilities.parse("AES\nSHA-256\nDES3\nSHA-1"), Capabilities.parse("AES\nSHA-256"))
    assert hardened.warning is None, "what is weak may go"
    assert hardened.capabilities == Capabilities.parse("AES\nSHA-256"), "and is gone"


def test_post_and_what_is_weak_count_as_long_as_they_are_offered() -> None:
    for before in ("AES\nSHA-256\nDES3\nSHA-1\nPOSTPKIOperation", "SCEPStandard\nDES3\nSHA-1"):
        now = reconcile(Capabilities.parse(before), Capabilities.parse("AES\nSHA-256"))
        assert now.capabilities == Capabilities.parse("AES\nSHA-256")
        assert now.warning is None
    forged = reconcile(Capabilities.parse("SCEPStandard"), Capabilities.parse("DES3\nSHA-1"))
    assert forged.capabilities.aes
    assert forged.capabilities.sha256
    assert forged.warning is not None


def test_what_is_remembered_of_a_server_does_not_grow_without_end() -> None:
    known = Capabilities.parse("AES")
    for number in range(100):
        offered = Capabilities.parse("\n".join(f"x-{number}-{index}" for index in range(1000)) + "y" * 10_000)
        known = reconcile(known, offered).capabilities
    assert known.aes
    assert len(known.keywords) < 100


def test_quirk_20_rfc8894_3_5_2_one_more_try_in_3des_and_sha1_where_the_profile_sends_that() -> None:
    strong, weak = Capabilities.parse("AES\nDES3\nSHA-1\nSHA-256"), Capabilities.parse("DES3\nSHA-1")
    chosen = choose_algorithms(strong, SecurityProfile.LEGACY, weaker=True)
    assert chosen == Algorithms(Cipher.DES3, Digest.SHA1)
    assert has_weaker(strong, SecurityProfile.LEGACY)
    assert not has_weaker(weak, SecurityProfile.LEGACY)
    assert not has_weaker(Capabilities.parse("AES\nSHA-1\nSHA-256"), SecurityProfile.LEGACY), "it offers no 3DES"
    for profile in (SecurityProfile.STANDARD, SecurityProfile.STRICT):
        assert not has_weaker(strong, profile)
        assert choose_algorithms(strong, profile, weaker=True) == choose_algorithms(strong, profile)


def test_quirk_26_a_renewal_that_brings_the_old_certificate_is_noticed(exchange: Exchange, pki: Pki) -> None:
    old = exchange.issued
    with pytest.raises(OldCertificateError) as caught:
        read(exchange, exchange.success(), replaces=old)
    assert caught.value.serial_number == old.serial_number
    both = exchange.success(certificates=(old, pki.issue("device", pki.root, end=NOW + timedelta(days=9))))
    reply = read(exchange, both, replaces=old)
    assert isinstance(reply, Issued)
    assert reply.chain[0] != old
    assert any("no later" in warning for warning in reply.warnings)


def read(exchange: Exchange, data: bytes, **more: object) -> Reply:
    device = exchange.pki.device
    return read_reply(
        data,
        exchange.request,
        trust=exchange.trust,
        profile=STRICT,
        key=device.key,
        signer_certificate=device.certificate,
        subject=name("device"),
        now=NOW,
        **more,  # type: ignore[arg-type]  # passed on
    )


def test_a_certificate_for_another_key_than_the_signers_is_taken_where_it_was_asked_for(
    exchange: Exchange, pki: Pki
) -> None:
    data = exchange.success(certificates=(pki.issue("device", pki.root, key_of="new"),))
    assert isinstance(read(exchange, data, public_key=pki.key("new").public_key), Issued)
    with pytest.raises(NoCertificateForKeyError):
        read(exchange, exchange.success(), public_key=pki.key("new").public_key)


def test_quirk_18_a_key_transported_with_oaep_is_read(exchange: Exchange) -> None:
    content = envelope(
        encode_certificates([exchange.issued]), exchange.pki.device.certificate, Cipher.AES128, oaep=True
    )
    assert isinstance(exchange.read(exchange.success(content=content)), Issued)


@pytest.mark.parametrize(("oid", "algorithm"), [("2.16.840.1.101.3.4.2.1", hashes.SHA256()), ("1.2.3", None)])
def test_oaep_may_name_its_digest(exchange: Exchange, oid: str, algorithm: hashes.HashAlgorithm | None) -> None:
    certificate = exchange.pki.device.certificate
    sealed = envelope(encode_certificates([exchange.issued]), certificate, Cipher.AES128, oaep=True)
    transport = exchange.pki.device.key.public_key
    old_key = exchange.pki.device.key.decrypt(
        transported_key(sealed), padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)
    )
    used = algorithm or hashes.SHA1()
    new_key = transport.encrypt(old_key, padding.OAEP(padding.MGF1(used), used, None))  # type: ignore[union-attr]  # RSA
    content = ber.replaced(sealed, ber.element(4, transported_key(sealed)), ber.element(4, new_key))
    content = ber.replaced(content, b"\x30\x00", oaep_parameters(oid))
    if algorithm is None:
        with pytest.raises(UnsupportedAlgorithmError):
            exchange.read(exchange.success(content=content))
    else:
        assert isinstance(exchange.read(exchange.success(content=content)), Issued)


def transported_key(sealed: bytes) -> bytes:
    found: list[bytes] = []

    def look(tag: int, content: bytes) -> None:
        if tag == 4 and len(content) == 256:
            found.append(content)

    ber.rewritten(sealed, look)
    return found[0]


def oaep_parameters(oid: str) -> bytes:
    parameters = rfc4055.RSAES_OAEP_params()
    parameters["hashFunc"]["algorithm"] = oid
    parameters["maskGenFunc"]["algorithm"] = "1.2.840.113549.1.1.8"
    named = rfc5280.AlgorithmIdentifier()
    named["algorithm"] = oid
    parameters["maskGenFunc"]["parameters"] = der(named)
    return bytes(der(parameters))


@pytest.mark.requirement("RFC 8894 4.7: GetNextCACert")
def test_rfc8894_4_7_1_only_the_ca_itself_names_its_successor(pki: Pki) -> None:
    ra = pki.party("ra", pki.root)
    trust = CaTrust(pki.root.certificate, (pki.root.certificate, ra.certificate))
    following = pki.self_signed("next root").certificate

    def signed(by: Party, *certificates: object) -> bytes:
        content = encode_certificates(certificates)  # type: ignore[arg-type]  # certificates
        return encode_signed_data(content, (), key=by.key, certificate=by.certificate, digest=Digest.SHA256)

    found = read_next_ca(signed(pki.root, following), trust=trust, profile=STRICT, now=NOW)
    assert found.trust == CaTrust(following, (following,))
    for wrong, error in (
        (signed(ra, following), UntrustedSignerError),
        (signed(pki.other_root, following), UntrustedSignerError),
        (signed(Party(pki.other_root.key, pki.root.certificate), following), ForgedSignatureError),
        (encode_certificates([following]), MessageError),
    ):
        with pytest.raises(error):
            read_next_ca(wrong, trust=trust, profile=STRICT, now=NOW)


def test_quirk_31_a_reply_without_content_type_is_verified_all_the_same_with_a_warning(exchange: Exchange) -> None:
    content, _ = decode(exchange.success(), asn1Spec=rfc5652.ContentInfo())
    signed, _ = decode(content["content"], asn1Spec=rfc5652.SignedData())
    info = signed["signerInfos"][0]
    left = univ.SetOf(componentType=rfc5652.Attribute())
    left.extend(one for one in info["signedAttrs"] if str(one["attrType"]) != CONTENT_TYPE)
    info["signedAttrs"].clear()
    info["signedAttrs"].extend(left)
    info["signature"] = exchange.pki.root.key.sign(der(left), hashes.SHA256())
    content["content"] = der(signed)
    reply = exchange.read(der(content))
    assert isinstance(reply, Issued)
    assert any("contentType" in warning for warning in reply.warnings)
