"""The transaction: what is sent, and that a reply is believed only if everything about it is right."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509

from components.keystore import create_csr
from components.scep.errors import (
    EnvelopeError,
    IssuedCertificateError,
    MessageError,
    MessageTypeError,
    NonceMismatchError,
    PkiStatusError,
    SignatureError,
    TransactionMismatchError,
    WeakAlgorithmError,
)
from components.scep.message import (
    Cipher,
    Digest,
    FailInfo,
    MessageType,
    PkiStatus,
    decode_pki_message,
    envelope,
    open_envelope,
    verify_signature,
)
from components.scep.transaction import (
    Capabilities,
    Issued,
    Pending,
    Refused,
    SecurityProfile,
    build_request,
    new_transaction_id,
)
from components.scep.trust import CertificatePin, verify_ca_certificates
from metatype import Secret
from tests.components.scep import ber
from tests.components.scep.pki import NOW, Exchange, Pki, name

if TYPE_CHECKING:
    from collections.abc import Callable

ALL_PROFILES = list(SecurityProfile)


@pytest.mark.parametrize(
    "text",
    [
        "AES\nPOSTPKIOperation\nSHA-256",
        "aes\r\npostpkioperation\r\nsha-256\r\n",
        "\ufeff AES \n\n  POSTPKIOperation\nSHA-256\nSomething-New\n",
        "SCEPStandard",
    ],
)
@pytest.mark.requirement("RFC 8894 3.5.1: GetCACaps", "RFC 8894 3.5.2: capabilities")
def test_capabilities_are_read_as_servers_write_them(text: str) -> None:
    capabilities = Capabilities.parse(text)
    assert capabilities.aes
    assert capabilities.post
    assert capabilities.sha2


@pytest.mark.requirement("RFC 8894 3.5.1: GetCACaps")
def test_no_capabilities_are_none() -> None:
    for text in ("", "\n", "Renewal"):
        capabilities = Capabilities.parse(text)
        assert [capabilities.aes, capabilities.post, capabilities.sha2] == [False] * 3


def test_transaction_ids_are_hexadecimal_and_never_repeat_for_a_key(pki: Pki) -> None:
    ids = {new_transaction_id(pki.device.key.public_key) for _ in range(20)}
    assert len(ids) == 20
    for one in ids:
        assert len(one) == 40
        int(one, 16)


@dataclass(frozen=True)
class Sent:
    """What a profile sends to a server of these capabilities."""

    profile: SecurityProfile
    capabilities: str
    cipher: Cipher
    digest: Digest


@pytest.mark.parametrize(
    "case",
    [
        *(Sent(one, "SCEPStandard", Cipher.AES128, Digest.SHA256) for one in SecurityProfile),
        Sent(SecurityProfile.STRICT, "", Cipher.AES128, Digest.SHA256),
        Sent(SecurityProfile.STANDARD, "DES3\nSHA-1", Cipher.AES128, Digest.SHA256),
        Sent(SecurityProfile.LEGACY, "DES3\nSHA-1", Cipher.DES3, Digest.SHA1),
        Sent(SecurityProfile.LEGACY, "AES\nSHA-1", Cipher.AES128, Digest.SHA1),
        Sent(SecurityProfile.LEGACY, "DES3\nSHA-512", Cipher.DES3, Digest.SHA512),
    ],
    ids=lambda case: f"{case.profile}: {case.capabilities.split()}",
)
@pytest.mark.requirement("RFC 8894 2.9: algorithms", "design 6: profiles", "RFC 8894 3.5.2: capabilities")
def test_a_request_is_as_strong_as_the_profile_says(pki: Pki, case: Sent) -> None:
    root = pki.root
    csr = create_csr(pki.device.key, name("device"), challenge_password=Secret("sesame"))
    request = build_request(
        trust=verify_ca_certificates([root.certificate], CertificatePin(root.certificate), NOW),
        capabilities=Capabilities.parse(case.capabilities),
        profile=case.profile,
        key=pki.device.key,
        signer_certificate=pki.device.certificate,
        csr=csr,
        transaction_id="abc",
    )
    message = decode_pki_message(request.data)
    assert verify_signature(message, ()) == pki.device.certificate
    assert message.certificates == (pki.device.certificate,)
    assert message.signature.digest is case.digest
    assert message.attributes.message_type == MessageType.PKCS_REQ
    assert message.attributes.transaction_id == request.transaction_id == "abc"
    assert message.attributes.sender_nonce == request.sender_nonce
    assert len(request.sender_nonce) == 16
    opened = open_envelope(message.content, root.key, root.certificate)
    assert (opened.content, opened.cipher) == (csr, case.cipher)


@pytest.mark.requirement("RFC 8894 2.3: challenge password")
def test_the_challenge_password_is_nowhere_in_clear(exchange: Exchange) -> None:
    assert b"sesame" not in exchange.request.data
    assert "sesame" not in repr(exchange.request)


def test_a_request_says_little_of_itself_in_a_log(exchange: Exchange) -> None:
    assert len(repr(exchange.request)) < 500


@pytest.mark.parametrize("profile", ALL_PROFILES)
def test_a_right_reply_brings_the_certificate_and_its_chain(exchange: Exchange, profile: SecurityProfile) -> None:
    reply = exchange.read(exchange.success(), profile=profile)
    assert reply == Issued((exchange.issued, exchange.pki.root.certificate), ())


@pytest.mark.requirement("RFC 8894 3.3.2.1: success", "RFC 8894 3.4: degenerate messages")
def test_our_certificate_is_found_among_others_in_any_order(exchange: Exchange) -> None:
    stranger = exchange.pki.issue("stranger", exchange.pki.root)
    certificates = (exchange.pki.root.certificate, stranger, exchange.issued)
    for order in (certificates, certificates[::-1]):
        reply = exchange.read(exchange.success(certificates=order))
        assert isinstance(reply, Issued)
        assert reply.chain[0] == exchange.issued


def test_an_intermediate_may_come_with_the_reply(exchange: Exchange, pki: Pki) -> None:
    intermediate = pki.party("intermediate", pki.root, ca=True)
    leaf = pki.issue("device", intermediate)
    reply = exchange.read(exchange.success(certificates=(intermediate.certificate, leaf)))
    assert reply == Issued((leaf, intermediate.certificate, pki.root.certificate), ())


def test_a_reply_without_certificates_is_verified_with_those_of_the_ca(exchange: Exchange) -> None:
    reply = ber.without_certificates(exchange.success())
    assert decode_pki_message(reply).certificates == ()
    assert isinstance(exchange.read(reply), Issued)
    forged = exchange.success(signer=exchange.pki.other_root)
    with pytest.raises(SignatureError):
        exchange.read(ber.without_certificates(forged))


@pytest.mark.parametrize("rewrite", [ber.indefinite, ber.constructed, ber.without_null_parameters])
def test_a_reply_in_ber_is_as_good(exchange: Exchange, rewrite: Callable[[bytes], bytes]) -> None:
    assert isinstance(exchange.read(rewrite(exchange.success()) + b"\n"), Issued)


@pytest.mark.requirement("RFC 8894 7: issued certificate")
def test_another_subject_than_requested_is_shown(exchange: Exchange, pki: Pki) -> None:
    renamed = pki.issue("device 7", pki.root, key_of="device")
    reply = exchange.read(exchange.success(certificates=(renamed,)))
    assert isinstance(reply, Issued)
    assert "device 7" in " ".join(reply.warnings)


@dataclass(frozen=True)
class Wrong:
    """One thing wrong with a reply, and the error that says so."""

    what: str
    reply: Callable[[Exchange], bytes]
    error: type[MessageError]


def issued(exchange: Exchange, **facts: object) -> bytes:
    """A reply with another certificate for the device's key."""
    certificate = exchange.pki.issue("device", exchange.pki.root, **facts)  # type: ignore[arg-type]  # a table's facts
    return exchange.success(certificates=(certificate,))


def for_another_key(exchange: Exchange) -> bytes:
    return issued(exchange, key_of="stranger")


def of_another_ca(exchange: Exchange) -> bytes:
    return exchange.success(certificates=(exchange.pki.issue("device", exchange.pki.other_root),))


def signed_by_a_device(exchange: Exchange) -> bytes:
    rogue = exchange.pki.party("rogue", exchange.pki.root, usage=("digital_signature",))
    return exchange.success(signer=rogue)


def tampered(exchange: Exchange) -> bytes:
    data = exchange.success()
    sealed = decode_pki_message(data).content
    other = envelope(b"other", exchange.pki.device.certificate, Cipher.AES128)
    return ber.replaced(data, ber.element(4, sealed), ber.element(4, other))


WRONG = [
    Wrong("nonce", lambda e: e.success(recipient_nonce=b"x" * 16), NonceMismatchError),
    Wrong("no nonce", lambda e: e.success(recipient_nonce=None), NonceMismatchError),
    Wrong("transaction", lambda e: e.success(transaction_id="f00"), TransactionMismatchError),
    Wrong("a request", lambda e: e.success(message_type=MessageType.PKCS_REQ), MessageTypeError),
    Wrong("our own request", lambda e: e.request.data, SignatureError),
    Wrong("no status", lambda e: e.success(status=None), PkiStatusError),
    Wrong("unknown status", lambda e: e.success(status=1), PkiStatusError),
    Wrong("signer", lambda e: e.success(signer=e.pki.other_root), SignatureError),
    Wrong("signer is a device of the CA", signed_by_a_device, SignatureError),
    Wrong("signer is ourselves", lambda e: e.success(signer=e.pki.device), SignatureError),
    Wrong("digest", tampered, SignatureError),
    Wrong("recipient", lambda e: e.success(recipient=e.pki.root.certificate), EnvelopeError),
    Wrong("success without content", lambda e: e.reply(), MessageError),
    Wrong("content is no envelope", lambda e: e.success(content=b"\x30\x00"), MessageError),
    Wrong("no certificate", lambda e: e.success(certificates=()), MessageError),
    Wrong("public key", for_another_key, IssuedCertificateError),
    Wrong("issuer", of_another_ca, IssuedCertificateError),
    Wrong("a CA certificate", lambda e: issued(e, ca=True), IssuedCertificateError),
    Wrong("expired", lambda e: issued(e, end=NOW - timedelta(hours=1)), IssuedCertificateError),
    Wrong("not yet valid", lambda e: issued(e, begin=NOW + timedelta(hours=1)), IssuedCertificateError),
]


@pytest.mark.parametrize("case", WRONG, ids=lambda case: case.what)
@pytest.mark.parametrize("profile", ALL_PROFILES)
@pytest.mark.requirement(
    "RFC 8894 7: issued certificate", "RFC 8894 3.2.1.2: message types", "RFC 8894 3.2.1.3: pkiStatus"
)
def test_one_thing_wrong_and_nothing_is_believed(exchange: Exchange, case: Wrong, profile: SecurityProfile) -> None:
    with pytest.raises(case.error):
        exchange.read(case.reply(exchange), profile=profile)


@pytest.mark.parametrize("status", [PkiStatus.FAILURE, PkiStatus.PENDING])
def test_refusals_and_delays_are_checked_like_successes(exchange: Exchange, status: PkiStatus) -> None:
    for wrong in (
        exchange.reply(status=status, recipient_nonce=b"x" * 16),
        exchange.reply(status=status, transaction_id="f00"),
        exchange.reply(status=status, signer=exchange.pki.other_root),
    ):
        with pytest.raises(MessageError):
            exchange.read(wrong)


def test_clocks_may_differ_by_minutes(exchange: Exchange) -> None:
    data = issued(exchange, begin=NOW + timedelta(minutes=5))
    assert isinstance(exchange.read(data), Issued)


@dataclass(frozen=True)
class Weak:
    """An algorithm of the past in a reply."""

    name: str
    cipher: Cipher = Cipher.AES128
    digest: Digest = Digest.SHA256


WEAK = [
    Weak("DES", cipher=Cipher.DES),
    Weak("3DES", cipher=Cipher.DES3),
    Weak("SHA-1", digest=Digest.SHA1),
]


@pytest.mark.parametrize("case", WEAK, ids=lambda case: case.name)
@pytest.mark.requirement("design 6: profiles")
def test_strict_refuses_what_standard_only_warns_of(exchange: Exchange, case: Weak) -> None:
    data = exchange.success(cipher=case.cipher, digest=case.digest)
    with pytest.raises(WeakAlgorithmError) as caught:
        exchange.read(data, profile=SecurityProfile.STRICT)
    assert caught.value.algorithm == case.name
    for profile in (SecurityProfile.STANDARD, SecurityProfile.LEGACY):
        reply = exchange.read(data, profile=profile)
        assert isinstance(reply, Issued)
        assert case.name in " ".join(reply.warnings)


def test_pending_is_an_answer(exchange: Exchange) -> None:
    assert exchange.read(exchange.reply(status=PkiStatus.PENDING)) == Pending()


@pytest.mark.parametrize("content", [None, b"", b"\x00"], ids=["none", "empty", "NDES's zero octet"])
@pytest.mark.parametrize("fail_info", [*FailInfo, 17, None])
@pytest.mark.requirement("RFC 8894 3.2.1.4: failInfo and failInfoText")
def test_a_refusal_says_why_and_what_to_do(exchange: Exchange, fail_info: int | None, content: bytes | None) -> None:
    data = exchange.reply(status=PkiStatus.FAILURE, fail_info=fail_info, content=content)
    reply = exchange.read(data)
    assert isinstance(reply, Refused)
    assert reply.hint
    expected = {FailInfo.BAD_REQUEST: "badRequest", 17: "unknown 17"}
    assert reply.reason == expected.get(fail_info or -1, reply.reason)


def test_what_a_server_writes_cannot_steer_a_terminal(exchange: Exchange) -> None:
    text = "\x1b]0;owned\x07 denied\r\nstate: enrolled\u202e" + "x" * 10_000
    data = exchange.reply(status=PkiStatus.FAILURE, fail_info=FailInfo.BAD_REQUEST, fail_info_text=text)
    reply = exchange.read(data)
    assert isinstance(reply, Refused)
    assert reply.text is not None
    assert reply.text.isprintable()
    assert "denied" in reply.text
    assert len(reply.text) < 1000


def test_odd_certificates_in_a_reply_do_no_harm(exchange: Exchange, pki: Pki) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415  # here only

    der = pki.issue("stranger", pki.root).public_bytes(Encoding.DER)
    rsa, unknown = bytes.fromhex("06092a864886f70d010101"), bytes.fromhex("06092a864886f70d010163")
    odd = x509.load_der_x509_certificate(der.replace(rsa, unknown))
    reply = exchange.read(exchange.success(certificates=(odd, exchange.issued)))
    assert isinstance(reply, Issued)


def test_an_intermediate_out_of_date_does_not_vouch(exchange: Exchange, pki: Pki) -> None:
    day = timedelta(days=1)
    stale = pki.party("stale", pki.root, ca=True, begin=NOW - 9 * day, end=NOW - day)
    data = exchange.success(certificates=(stale.certificate, pki.issue("device", stale)))
    with pytest.raises(IssuedCertificateError):
        exchange.read(data)
