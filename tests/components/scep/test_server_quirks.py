"""What real servers do, row by row as it was observed: each is survived, or refused with an error that says why.

The numbers are those of the project's table of quirks; rows that have a test elsewhere are named there.
"""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AttributeOID

from components.keystore import create_csr
from components.scep.client import LONGEST_WALK, ScepClient
from components.scep.errors import (
    EnvelopeError,
    NonceMismatchError,
    NotScepError,
    PkiStatusError,
    SignatureError,
    UntrustedIssuerError,
)
from components.scep.message import (
    Cipher,
    Digest,
    FailInfo,
    MessageType,
    PkiStatus,
    decode_certificates,
    decode_pki_message,
    encode_certificates,
)
from components.scep.transaction import (
    Capabilities,
    Issued,
    Refused,
    SecurityProfile,
    build_request,
    choose_algorithms,
    new_transaction_id,
)
from components.scep.trust import FingerprintPin, fingerprint, verify_ca_certificates
from framework.clock import SystemClock
from metatype import Secret
from tests.components.scep import ber
from tests.components.scep.peer import Handler, Peer, Request, answer, raw
from tests.components.scep.pki import NOW, SERVER, Exchange, Party, Pki, name

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

STANDARD = SecurityProfile.STANDARD
SIGNING_TIME = bytes.fromhex("06092a864886f70d010905")
"""The attribute's object identifier, 1.2.840.113549.1.9.5, in DER."""

RA_PURPOSE = (x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.1"),)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


def test_quirks_1_and_2_micromdm_answers_in_des_and_sha1_and_that_is_a_warning(exchange: Exchange) -> None:
    data = ber.without_null_parameters(exchange.success(cipher=Cipher.DES, digest=Digest.SHA1))
    reply = exchange.read(data, profile=STANDARD)
    assert isinstance(reply, Issued)
    assert len(reply.warnings) == 2


def test_quirks_3_and_4_ber_in_every_form_is_read(exchange: Exchange) -> None:
    data = exchange.success()
    for rewrite in (ber.constructed_encrypted_content, ber.indefinite, ber.constructed):
        sealed = decode_pki_message(data).content
        inner = exchange.success(content=rewrite(sealed))
        assert isinstance(exchange.read(rewrite(inner)), Issued), rewrite


@pytest.mark.requirement("RFC 8894 2.1.2: key usage of the CA")
def test_quirk_5_a_ca_that_may_not_encipher_is_encrypted_for_if_it_is_alone(pki: Pki) -> None:
    ca = pki.issue("root", None, ca=True, usage=("key_cert_sign", "crl_sign"))
    assert verify_ca_certificates([ca], FingerprintPin(fingerprint(ca)), NOW).recipient == ca


def test_quirk_6_only_the_signers_certificate_goes_along(exchange: Exchange) -> None:
    assert decode_pki_message(exchange.request.data).certificates == (exchange.pki.device.certificate,)


def test_quirk_9_a_refused_subject_is_hinted_at(exchange: Exchange) -> None:
    reply = exchange.read(exchange.reply(status=PkiStatus.FAILURE, fail_info=FailInfo.BAD_REQUEST))
    assert isinstance(reply, Refused)
    assert "already has a certificate for it" in reply.hint


def test_quirk_13_a_certificate_may_begin_a_little_in_the_future(exchange: Exchange) -> None:
    ahead = exchange.pki.issue("device", exchange.pki.root, begin=NOW + timedelta(minutes=9))
    assert isinstance(exchange.read(exchange.success(certificates=(ahead,))), Issued)


def test_quirk_14_no_signing_time_is_sent_and_the_own_certificate_began_before(exchange: Exchange) -> None:
    assert SIGNING_TIME not in exchange.request.data
    assert exchange.pki.device.certificate.not_valid_before_utc <= NOW - timedelta(hours=1)


@pytest.fixture
def peer() -> Iterator[list[Peer]]:
    peers: list[Peer] = []
    yield peers
    for one in peers:
        one.close()


@pytest.mark.parametrize(
    "handler",
    [raw(b""), answer(b"", "404 Not Found"), answer(b"", "500 Oops"), answer(b"", "200 OK"), answer(b"<html>")],
    ids=["dropped", "404", "500", "empty", "HTML"],
)
def test_quirks_19_and_29_without_capabilities_the_strong_algorithms_are_sent_with_get(
    peer: list[Peer], handler: object
) -> None:
    peer.append(Peer(handler))  # type: ignore[arg-type]  # a handler
    capabilities = ScepClient(peer[0].url, clock=SystemClock()).get_ca_caps()
    assert capabilities == Capabilities()
    assert not capabilities.post
    assert choose_algorithms(capabilities, STANDARD).cipher is Cipher.AES128


@pytest.mark.parametrize("identifier", ["", "ManagementCA"])
def test_quirk_29_dogtag_shows_its_chain_one_certificate_a_question(
    peer: list[Peer], pki: Pki, identifier: str
) -> None:
    middle = pki.party("middle", pki.root, ca=True)
    low = pki.party("low", middle, ca=True)
    chain = [low.certificate, middle.certificate, pki.root.certificate]

    def dogtag(connection: socket.socket, request: Request) -> None:
        text = request.query["message"]
        index = int(text) if text.isdigit() and int(text) < len(chain) else 0
        answer(chain[index].public_bytes(Encoding.DER))(connection, request)

    peer.append(Peer(dogtag))
    found = ScepClient(peer[0].url, clock=SystemClock(), ca_identifier=identifier).get_ca_cert()
    if identifier:
        assert found == (low.certificate,), "who names a CA gets what that is"
        return
    assert found == tuple(chain)
    trust = verify_ca_certificates(found, FingerprintPin(fingerprint(pki.root.certificate)), NOW)
    assert trust.issuer == low.certificate
    assert [request.query["message"] for request in peer[0].requests] == ["", "1", "2", "3"]


def test_quirk_29_a_cross_certificate_does_not_hide_the_pinned_root(peer: list[Peer], pki: Pki) -> None:
    low = pki.party("low", pki.root, ca=True).certificate
    crossed = pki.issue("root", pki.other_root, ca=True)
    stranger = pki.issue("stranger", pki.other_root)
    roots = [pki.root.certificate, pki.other_root.certificate]
    for above in ([crossed, *roots], [*reversed(roots), crossed], [stranger, *roots]):
        chain = [low, *above]

        def dogtag(connection: socket.socket, request: Request, chain: list[x509.Certificate] = chain) -> None:
            index = int(request.query["message"] or "0")
            found = answer(chain[index].public_bytes(Encoding.DER)) if index < len(chain) else raw(b"")
            found(connection, request)

        peer.append(Peer(dogtag))
        found = ScepClient(peer[-1].url, clock=SystemClock()).get_ca_cert()
        trust = verify_ca_certificates(found, FingerprintPin(fingerprint(pki.root.certificate)), NOW)
        assert trust.anchor == pki.root.certificate
        assert low in trust.certificates
        assert stranger not in found


def test_quirk_29_a_server_with_ever_new_certificates_is_not_asked_without_end(peer: list[Peer], pki: Pki) -> None:
    low = pki.party("low", pki.root, ca=True).certificate.public_bytes(Encoding.DER)

    def endless(connection: socket.socket, request: Request) -> None:
        is_first = request.query["message"] == ""
        der = low if is_first else pki.issue("root", pki.other_root, ca=True).public_bytes(Encoding.DER)
        answer(der)(connection, request)

    peer.append(Peer(endless))
    found = ScepClient(peer[0].url, clock=SystemClock()).get_ca_cert()
    assert len(peer[0].requests) == len(found) == 1 + LONGEST_WALK


def test_quirk_29_a_server_that_knows_no_index_is_asked_once_more_and_no_further(peer: list[Peer], pki: Pki) -> None:
    low = pki.party("low", pki.root, ca=True).certificate
    handlers = (answer(low.public_bytes(Encoding.DER)), answer(b"no such CA", "404 Not Found"), raw(b""))
    for other in handlers:

        def handle(connection: socket.socket, request: Request, other: Handler = other) -> None:
            first = request.query["message"] == ""
            (handlers[0] if first else other)(connection, request)

        peer.append(Peer(handle))
        assert ScepClient(peer[-1].url, clock=SystemClock()).get_ca_cert() == (low,)
        assert {request.query["message"] for request in peer[-1].requests} == {"", "1"}


def test_quirk_21_of_ndes_two_ras_the_one_that_enciphers_is_encrypted_for(pki: Pki) -> None:
    signing = pki.party("ra sign", pki.root, usage=("digital_signature",), purposes=RA_PURPOSE)
    enciphering = pki.party("ra encrypt", pki.root, usage=("key_encipherment",), purposes=RA_PURPOSE)
    certificates = [pki.root.certificate, signing.certificate, enciphering.certificate]
    pin = FingerprintPin(fingerprint(pki.root.certificate))
    for order in (certificates, certificates[::-1], certificates[1:] + certificates[:1]):
        trust = verify_ca_certificates(order, pin, NOW)
        assert trust.recipient == enciphering.certificate
        assert trust.issuer == pki.root.certificate
        trust.check_signer(signing.certificate)


def test_quirk_21_after_a_renewal_of_an_ra_the_newer_one_is_encrypted_for(pki: Pki) -> None:
    usage = ("key_encipherment",)
    old = pki.party("ra", pki.root, usage=usage, begin=NOW - timedelta(days=300)).certificate
    new = pki.party("ra new", pki.root, usage=usage, begin=NOW - timedelta(days=2)).certificate
    pin = FingerprintPin(fingerprint(pki.root.certificate))
    for order in ([pki.root.certificate, old, new], [new, old, pki.root.certificate]):
        assert verify_ca_certificates(order, pin, NOW).recipient == new


def test_quirk_22_ndes_refuses_with_a_zero_octet_an_hresult_and_no_certificate(exchange: Exchange) -> None:
    data = exchange.reply(
        status=PkiStatus.FAILURE, fail_info=FailInfo.BAD_REQUEST, content=b"\x00", hresult=-2147024809
    )
    reply = exchange.read(ber.without_certificates(data))
    assert isinstance(reply, Refused)
    assert reply.hresult == -2147024809
    assert reply.summary == "badRequest (HRESULT 0x80070057 E_INVALIDARG)"
    assert "get a new one" in reply.hint


@pytest.mark.parametrize("hresult", [0, -1, 2**31, -(2**63), 12345])
def test_an_hresult_that_nobody_knows_is_shown_all_the_same(exchange: Exchange, hresult: int) -> None:
    reply = exchange.read(exchange.reply(status=PkiStatus.FAILURE, fail_info=FailInfo.BAD_ALG, hresult=hresult))
    assert isinstance(reply, Refused)
    assert f"0x{hresult & 0xFFFFFFFF:08x}" in reply.summary


def test_quirk_25_a_page_for_people_is_told_from_a_server(peer: list[Peer]) -> None:
    peer.append(Peer(answer(b"<HTML><title>Network Device Enrollment Service</title>")))
    with pytest.raises(NotScepError, match="web page"):
        ScepClient(peer[0].url, clock=SystemClock()).get_ca_cert()


def test_quirks_24_and_27_the_message_tag_is_always_there_and_names_the_ca(
    peer: list[Peer], der_of_root: bytes
) -> None:
    peer.append(Peer(answer(der_of_root)))
    for identifier in ("", "ManagementCA"):
        ScepClient(peer[0].url, clock=SystemClock(), ca_identifier=identifier).get_ca_cert()
    assert [request.query["message"] for request in peer[0].requests] == ["", "ManagementCA"]


def test_quirk_28_ejbca_offers_sha512_alone_and_gets_it() -> None:
    offered = Capabilities.parse("POSTPKIOperation\nGetNextCACert\nDES3\nSHA-1\nSHA-512\nRenewal")
    assert choose_algorithms(offered, STANDARD).digest is Digest.SHA512


def test_quirk_30_a_status_that_is_none_is_shown_as_it_came(exchange: Exchange) -> None:
    with pytest.raises(PkiStatusError, match="pkiStatus 4") as caught:
        exchange.read(exchange.reply(status=4))
    assert caught.value.found == 4


@pytest.mark.requirement("RFC 8894 3.2.1.1: transactionID")
def test_quirk_32_transaction_ids_are_hex_and_differ_for_each_operation(pki: Pki) -> None:
    key = pki.device.key.public_key
    first, second = new_transaction_id(key), new_transaction_id(key)
    assert first != second
    assert set(first) <= set("0123456789abcdef")


def test_quirk_33_certificates_come_as_a_set_though_there_is_but_one(pki: Pki) -> None:
    assert decode_certificates(encode_certificates([pki.root.certificate])) == (pki.root.certificate,)


@pytest.mark.parametrize("profile", list(SecurityProfile))
@pytest.mark.requirement("RFC 8894 2.9: algorithms")
def test_quirk_35_single_des_is_never_sent(profile: SecurityProfile) -> None:
    for offered in ("", "DES", "DES3\nSHA-1", "SCEPStandard"):
        algorithms = choose_algorithms(Capabilities.parse(offered), profile)
        assert algorithms.cipher is not Cipher.DES
        assert algorithms.digest in (Digest.SHA1, Digest.SHA256)


def test_quirk_36_a_reply_without_certificates_is_verified_and_never_just_believed(exchange: Exchange) -> None:
    assert isinstance(exchange.read(ber.without_certificates(exchange.success())), Issued)
    forger = Party(exchange.pki.key("other root"), exchange.pki.root.certificate)
    with pytest.raises(SignatureError):
        exchange.read(ber.without_certificates(exchange.success(signer=forger)))


def test_quirk_37_of_several_certificates_ours_is_found_by_its_key(exchange: Exchange, pki: Pki) -> None:
    others = (pki.root.certificate, pki.issue("stranger", pki.root))
    for order in ((*others, exchange.issued), (exchange.issued, *others)):
        reply = exchange.read(exchange.success(certificates=order))
        assert isinstance(reply, Issued)
        assert reply.chain[0] == exchange.issued


@pytest.mark.parametrize(("challenge", "tag"), [("open Sesame 1", 0x13), ("sésame", 0x0C), ("a*b", 0x0C)])
def test_quirk_38_a_challenge_is_a_printable_string_if_it_can_be(pki: Pki, challenge: str, tag: int) -> None:
    csr = create_csr(pki.device.key, name("device"), challenge_password=Secret(challenge))
    assert ber.element(tag, challenge.encode()) in csr
    loaded = x509.load_der_x509_csr(csr).attributes.get_attribute_for_oid(AttributeOID.CHALLENGE_PASSWORD)
    assert loaded.value.decode() == challenge


@pytest.mark.requirement("RFC 8894 4.2: GetCACert")
def test_quirks_34_and_40_the_content_type_plays_no_part(peer: list[Peer], der_of_root: bytes) -> None:
    for label in ("Content-Type: text/html", "Content-Type: application/x-x509-ra-ca-certs", "X-No: Type"):
        peer.append(Peer(answer(der_of_root, "200 OK", label)))
        assert len(ScepClient(peer[-1].url, clock=SystemClock()).get_ca_cert()) == 1


@pytest.mark.requirement("RFC 8894 4.1: HTTP")
def test_quirks_15_and_41_messages_are_escaped_in_a_url_and_have_a_length_in_a_body(peer: list[Peer]) -> None:
    message = bytes(range(256))
    peer.append(Peer(answer(b"\x30\x00")))
    client = ScepClient(peer[0].url, clock=SystemClock())
    client.pki_operation(message, Capabilities())
    client.pki_operation(message, SERVER)
    get, post = peer[0].requests
    assert not set("+/= ") & set(get.target.partition("message=")[2])
    assert base64.b64decode(get.query["message"]) == message
    assert post.headers["content-length"] == "256"
    assert "transfer-encoding" not in post.headers


def test_quirk_42_a_line_end_after_the_encoding_does_no_harm(exchange: Exchange, der_of_root: bytes) -> None:
    assert len(decode_certificates(der_of_root + b"\r\n")) == 1
    assert isinstance(exchange.read(exchange.success() + b"\n"), Issued)


@pytest.mark.requirement("RFC 8894 3.3.1: PKCSReq")
def test_rfc8894_3_1_one_recipient_and_a_signer_that_signed_the_csr(exchange: Exchange) -> None:
    message = decode_pki_message(exchange.request.data)
    assert message.attributes.message_type == MessageType.PKCS_REQ
    assert message.signature.serial_number == exchange.pki.device.certificate.serial_number


@pytest.mark.parametrize("nonce", [b"", b"n" * 15, b"n" * 17, None])
@pytest.mark.requirement("RFC 8894 3.2.1.5: nonces")
def test_rfc8894_3_2_1_5_a_reply_must_carry_our_nonce(exchange: Exchange, nonce: bytes | None) -> None:
    with pytest.raises(NonceMismatchError):
        exchange.read(exchange.success(recipient_nonce=nonce))


@pytest.mark.requirement("RFC 8894 3.2.1.5: nonces")
def test_rfc8894_3_2_1_5_nonces_are_fresh_and_of_16_bytes(exchange: Exchange, pki: Pki) -> None:
    nonces = set()
    for _ in range(3):
        request = build_request(
            trust=exchange.trust,
            capabilities=SERVER,
            profile=STANDARD,
            key=pki.device.key,
            signer_certificate=pki.device.certificate,
            csr=b"csr",
            transaction_id="abc",
        )
        assert len(request.sender_nonce) == 16
        nonces.add(request.sender_nonce)
    assert len(nonces) == 3


def test_rfc8894_3_2_1_5_a_server_need_not_send_a_nonce_of_its_own(exchange: Exchange) -> None:
    assert isinstance(exchange.read(exchange.success(sender_nonce=None)), Issued)


@pytest.mark.requirement("RFC 8894 2.2: intermediates")
def test_rfc8894_2_2_an_intermediate_must_chain_to_what_is_pinned(exchange: Exchange, pki: Pki) -> None:
    stray = pki.party("stray", pki.other_root, ca=True)
    trust = verify_ca_certificates(
        [pki.root.certificate, stray.certificate], FingerprintPin(fingerprint(pki.root.certificate)), NOW
    )
    assert stray.certificate not in trust.certificates
    with pytest.raises(EnvelopeError):
        exchange.read(exchange.success(recipient=stray.certificate))


def test_rfc5280_4_2_1_9_a_ca_that_may_have_none_under_it_vouches_for_none(exchange: Exchange, pki: Pki) -> None:
    first = pki.party("first", pki.root, ca=True, path_length=0)
    second = pki.party("second", first, ca=True)
    chain = (first.certificate, second.certificate)
    assert isinstance(exchange.read(exchange.success(certificates=(*chain, pki.issue("device", first)))), Issued)
    with pytest.raises(UntrustedIssuerError):
        exchange.read(exchange.success(certificates=(*chain, pki.issue("device", second))))
