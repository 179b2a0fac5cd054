"""What the development CA grants, what it refuses, and how it says so."""

from __future__ import annotations

import ipaddress
import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AttributeOID
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pyasn1.codec.ber import decoder as ber_decoder
from pyasn1.codec.ber import encoder as ber_encoder
from pyasn1.type import univ
from pyasn1_modules import rfc2986

from components.keystore import KeyAlgorithm, SoftwarePrivateKey, create_csr
from components.scep.message import (
    Cipher,
    Digest,
    FailInfo,
    MessageType,
    PkiStatus,
    decode_certificates,
    decode_pki_message,
    open_envelope,
    verify_signature,
)
from framework.fake_clock import FakeClock
from metatype import Secret
from tests.tools.scep_requester import CHALLENGE, NONCE, Requester, common_name
from tools.scep_ca import CaParameters, IssuancePolicy, MessageTooDamagedError, ScepCa

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NAMES = (
    x509.DNSName("device.example.org"),
    x509.IPAddress(ipaddress.ip_address("2001:db8::1")),
    x509.UniformResourceIdentifier("urn:dev:1"),
)


def test_a_right_request_is_granted(ca: ScepCa, requester: Requester) -> None:
    reply = ca.pki_operation(requester.message())

    message = requester.read(reply)
    assert message.attributes.transaction_id == "T-1"
    assert message.attributes.sender_nonce not in (None, NONCE)
    assert message.attributes.fail_info is None
    assert message.signature.digest is Digest.SHA256
    certificate = requester.certificate(reply)
    assert certificate.public_key() == requester.key.public_key
    assert certificate.subject == common_name("device")
    certificate.verify_directly_issued_by(ca.certificate)
    assert [entry.certificate for entry in ca.issued()] == [certificate]


def test_a_certificate_is_a_clients_and_no_ca(ca: ScepCa, requester: Requester) -> None:
    csr = requester.csr(names=NAMES)

    extensions = requester.certificate(ca.pki_operation(requester.message(csr))).extensions

    assert extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    usage = extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature
    assert usage.key_encipherment
    assert not usage.key_cert_sign
    names = extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert list(names.value) == list(NAMES)
    assert not names.critical


def test_names_alone_are_enough_and_then_critical(ca: ScepCa, requester: Requester) -> None:
    csr = requester.csr(subject=x509.Name([]), names=NAMES)

    certificate = requester.certificate(ca.pki_operation(requester.message(csr)))

    assert certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).critical


def test_other_requested_extensions_are_not_granted(ca: ScepCa, requester: Requester) -> None:
    csr = (_builder(CHALLENGE).add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)).sign(
        requester.key.export(), hashes.SHA256()
    )

    certificate = requester.certificate(ca.pki_operation(requester.message(csr.public_bytes(Encoding.DER))))

    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


@pytest.mark.parametrize("cipher", [Cipher.AES128, Cipher.AES192, Cipher.AES256, Cipher.DES3])
@pytest.mark.parametrize("digest", [Digest.SHA256, Digest.SHA384, Digest.SHA512])
def test_the_reply_is_as_the_request(ca: ScepCa, requester: Requester, cipher: Cipher, digest: Digest) -> None:
    reply = requester.read(ca.pki_operation(requester.message(cipher=cipher, digest=digest)))

    opened = open_envelope(reply.content, requester.key, requester.self_signed)
    assert opened.cipher is cipher
    assert reply.signature.digest is digest
    assert len(decode_certificates(opened.content)) == 1


def _with_unsorted_attributes(requester: Requester) -> bytes:
    """A request with its attributes in the wrong order for DER, rightly signed: strongSwan makes such."""
    request, _ = ber_decoder.decode(requester.csr(names=NAMES), asn1Spec=rfc2986.CertificationRequest())
    info = request["certificationRequestInfo"]
    in_order = list(info["attributes"])
    info["attributes"].clear()
    info["attributes"].extend(reversed(in_order))
    signature = requester.key.sign(ber_encoder.encode(info), hashes.SHA256())
    request["signature"] = univ.BitString.fromOctetString(signature)
    return bytes(ber_encoder.encode(request))


def test_a_request_with_unsorted_attributes_is_granted(ca: ScepCa, requester: Requester) -> None:
    csr = _with_unsorted_attributes(requester)
    with pytest.raises(ValueError, match="InvalidSetOrdering"):
        x509.load_der_x509_csr(csr)

    certificate = requester.certificate(ca.pki_operation(requester.message(csr)))

    assert list(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value) == list(NAMES)


def test_a_request_with_unsorted_attributes_must_be_signed_rightly(ca: ScepCa, requester: Requester) -> None:
    csr = bytearray(_with_unsorted_attributes(requester))
    csr[-1] ^= 1

    reply = requester.read(ca.pki_operation(requester.message(bytes(csr))))

    assert reply.attributes.fail_info_text == "the signature of the certification request is wrong"


def test_the_reply_is_never_in_single_des_or_sha1(ca: ScepCa, requester: Requester) -> None:
    reply = requester.read(ca.pki_operation(requester.message(cipher=Cipher.DES, digest=Digest.SHA1)))

    assert open_envelope(reply.content, requester.key, requester.self_signed).cipher is Cipher.DES3
    assert reply.signature.digest is Digest.SHA256


@dataclass(frozen=True)
class Refusal:
    name: str
    message: Callable[[Requester], bytes]
    fail_info: FailInfo
    text: str
    policy: IssuancePolicy | None = None


def _builder(challenge: str) -> x509.CertificateSigningRequestBuilder:
    builder = x509.CertificateSigningRequestBuilder().subject_name(common_name("device"))
    return builder.add_attribute(AttributeOID.CHALLENGE_PASSWORD, challenge.encode())


def _signed_otherwise(requester: Requester) -> bytes:
    csr = bytearray(requester.csr())
    csr[-1] ^= 1
    return requester.message(bytes(csr))


def _changed_content(requester: Requester) -> bytes:
    message = bytearray(requester.message())
    middle = message.index(bytes.fromhex("06096086480165030401"))  # the cipher, in the signed content
    message[middle + 60] ^= 1
    return bytes(message)


def _for_key(key: SoftwarePrivateKey) -> Callable[[Requester], bytes]:
    def message(requester: Requester) -> bytes:
        other = Requester(key, requester.ca)
        return other.message()

    return message


def _for_ec_key(requester: Requester) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    csr = _builder(CHALLENGE).sign(key, hashes.SHA256())
    return requester.message(csr.public_bytes(Encoding.DER))


def _for_another_key(requester: Requester) -> bytes:
    other = SoftwarePrivateKey.generate(KeyAlgorithm.RSA, 2048)
    return requester.message(create_csr(other, common_name("device"), challenge_password=Secret(CHALLENGE)))


def _not_for_this_ca(requester: Requester) -> bytes:
    return requester.message(recipient=requester.self_signed)


STRICT = IssuancePolicy(Secret(CHALLENGE), strict=True)
SMALL_KEY = SoftwarePrivateKey.generate(KeyAlgorithm.RSA, 1024)

REFUSALS = [
    Refusal(
        "wrong challenge",
        lambda requester: requester.message(requester.csr(challenge="guess")),
        FailInfo.BAD_REQUEST,
        "the challenge password is wrong",
    ),
    Refusal(
        "no challenge",
        lambda requester: requester.message(requester.csr(challenge=None)),
        FailInfo.BAD_REQUEST,
        "carries no challenge password",
    ),
    Refusal("changed content", _changed_content, FailInfo.BAD_MESSAGE_CHECK, "was changed"),
    Refusal(
        "signed by another key than the certificate's",
        lambda requester: requester.message(signer=SMALL_KEY),
        FailInfo.BAD_MESSAGE_CHECK,
        "signature",
    ),
    Refusal("not encrypted for this CA", _not_for_this_ca, FailInfo.BAD_MESSAGE_CHECK, "cannot be opened"),
    Refusal(
        "no envelope",
        lambda requester: requester.message(content=b"hello"),
        FailInfo.BAD_MESSAGE_CHECK,
        "cannot be opened",
    ),
    Refusal(
        "something else in the envelope",
        lambda requester: requester.message(b"no request"),
        FailInfo.BAD_MESSAGE_CHECK,
        "cannot be opened",
    ),
    Refusal(
        "endless envelope",
        lambda requester: requester.message(bytes(20_000)),
        FailInfo.BAD_REQUEST,
        "longer than",
    ),
    Refusal("CSR signed wrongly", _signed_otherwise, FailInfo.BAD_REQUEST, "signature of the certification"),
    Refusal("small key", _for_key(SMALL_KEY), FailInfo.BAD_ALG, "the RSA key has 1024 bits"),
    Refusal("EC key", _for_ec_key, FailInfo.BAD_ALG, "only RSA keys"),
    Refusal("signed by another key than the CSR's", _for_another_key, FailInfo.BAD_REQUEST, "must be signed with"),
    Refusal(
        "no subject",
        lambda requester: requester.message(requester.csr(subject=x509.Name([]))),
        FailInfo.BAD_REQUEST,
        "names no subject",
    ),
    Refusal(
        "the CA's own subject",
        lambda requester: requester.message(requester.csr(subject=requester.ca.subject)),
        FailInfo.BAD_REQUEST,
        "the CA's own",
    ),
    *(
        Refusal(
            f"message type {number}",
            lambda requester, number=number: requester.message(message_type=number),  # type: ignore[misc]  # mypy infers no lambda defaults
            FailInfo.BAD_REQUEST,
            f"messageType {number} is not supported",
        )
        for number in (3, 99)
    ),
    *(
        Refusal(
            f"renewal ({number}) by somebody who is not enrolled",
            lambda requester, number=number: requester.message(message_type=number),  # type: ignore[misc]  # mypy infers no lambda defaults
            FailInfo.BAD_MESSAGE_CHECK,
            "a certificate of this CA",
        )
        for number in (17, 18)
    ),
    *(
        Refusal(
            f"query ({number}) with something else in it",
            lambda requester, number=number: requester.message(message_type=number),  # type: ignore[misc]  # mypy infers no lambda defaults
            FailInfo.BAD_MESSAGE_CHECK,
            "cannot be opened",
        )
        for number in (20, 21, 22)
    ),
    Refusal(
        "DES, strictly",
        lambda requester: requester.message(cipher=Cipher.DES),
        FailInfo.BAD_ALG,
        "DES is too weak",
        STRICT,
    ),
    Refusal(
        "3DES, strictly",
        lambda requester: requester.message(cipher=Cipher.DES3),
        FailInfo.BAD_ALG,
        "3DES is too weak",
        STRICT,
    ),
    Refusal(
        "SHA-1, strictly",
        lambda requester: requester.message(digest=Digest.SHA1),
        FailInfo.BAD_ALG,
        "SHA-1 is too weak",
        STRICT,
    ),
]


@pytest.mark.parametrize("case", REFUSALS, ids=lambda case: case.name)
def test_a_wrong_request_is_refused(
    case: Refusal, ca_directory: Path, policy: IssuancePolicy, client_key: SoftwarePrivateKey
) -> None:
    with ScepCa.open(ca_directory, case.policy or policy) as ca:
        requester = Requester(client_key, ca.certificate)

        reply = requester.read(ca.pki_operation(case.message(requester)))

        assert reply.attributes.status == PkiStatus.FAILURE
        assert reply.attributes.fail_info == case.fail_info
        assert case.text in str(reply.attributes.fail_info_text)
        assert reply.attributes.transaction_id == "T-1"
        assert reply.content == b""
        assert ca.issued() == ()


def test_a_padding_error_looks_like_a_content_error(ca: ScepCa, requester: Requester) -> None:
    """Else one could decrypt, by asking the CA, the challenge in somebody else's request."""
    replies = [
        requester.read(ca.pki_operation(message))
        for message in (_not_for_this_ca(requester), requester.message(b"no request"))
    ]

    one, other = ((reply.attributes.fail_info, reply.attributes.fail_info_text) for reply in replies)
    assert one == other


@dataclass(frozen=True)
class Unanswerable:
    name: str
    message: Callable[[Requester], bytes]


UNANSWERABLE = [
    Unanswerable("nothing", lambda _: b""),
    Unanswerable("text", lambda _: b"GET / HTTP/1.1"),
    Unanswerable("no SignedData", lambda requester: requester.self_signed.public_bytes(Encoding.DER)),
    Unanswerable("cut off", lambda requester: requester.message()[:-100]),
    Unanswerable("no nonce", lambda requester: requester.message(nonce=None)),
    Unanswerable("short nonce", lambda requester: requester.message(nonce=b"short")),
    Unanswerable("empty transaction id", lambda requester: requester.message(transaction_id="")),
    Unanswerable("long transaction id", lambda requester: requester.message(transaction_id="a" * 129)),
    Unanswerable("line break in transaction id", lambda requester: requester.message(transaction_id="a\nb")),
]


@pytest.mark.parametrize("case", UNANSWERABLE, ids=lambda case: case.name)
def test_what_is_no_message_is_not_answered_in_scep(case: Unanswerable, ca: ScepCa, requester: Requester) -> None:
    with pytest.raises(MessageTooDamagedError):
        ca.pki_operation(case.message(requester))


@pytest.fixture
def message(requester: Requester) -> bytes:
    return requester.message()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(damage=[(1067, 1)])  # an issuer that cryptography reads only when it is asked for
@given(damage=st.lists(st.tuples(st.integers(0, 4000), st.integers(1, 255)), min_size=1, max_size=3))
def test_no_damage_breaks_the_ca_or_gets_anything_else_certified(
    damage: list[tuple[int, int]], message: bytes, ca: ScepCa, requester: Requester
) -> None:
    damaged = bytearray(message)
    for position, change in damage:
        damaged[position % len(damaged)] ^= change

    try:
        reply = decode_pki_message(ca.pki_operation(bytes(damaged)))
    except MessageTooDamagedError:
        reply = None

    if reply is not None:
        assert verify_signature(reply, [ca.certificate]) == ca.certificate
    for entry in ca.issued():  # damage to what nobody signs, as the signature of the requester's certificate
        assert entry.transaction_id == "T-1"
        assert entry.certificate.public_key() == requester.key.public_key
        assert entry.certificate.subject == common_name("device")


def test_the_same_transaction_gets_the_same_certificate(ca: ScepCa, requester: Requester) -> None:
    first = requester.certificate(ca.pki_operation(requester.message()))

    again = requester.certificate(ca.pki_operation(requester.message()))

    assert again == first
    assert len(ca.issued()) == 1


def test_another_transaction_gets_another_certificate(ca: ScepCa, requester: Requester) -> None:
    first = requester.certificate(ca.pki_operation(requester.message()))

    other = requester.certificate(ca.pki_operation(requester.message(transaction_id="T-2")))

    assert other.serial_number == first.serial_number + 1


def test_a_transaction_id_is_a_keys_own(ca: ScepCa, requester: Requester, other_key: SoftwarePrivateKey) -> None:
    stranger = Requester(other_key, requester.ca)
    first = requester.certificate(ca.pki_operation(requester.message()))

    other = stranger.certificate(ca.pki_operation(stranger.message()))

    assert other.public_key() == other_key.public_key
    assert other != first


def test_a_transaction_id_is_not_used_for_another_request(ca: ScepCa, requester: Requester) -> None:
    ca.pki_operation(requester.message())

    csr = requester.csr(subject=common_name("another"))
    reply = requester.read(ca.pki_operation(requester.message(csr)))

    assert reply.attributes.fail_info == FailInfo.BAD_REQUEST
    assert "transaction id has been used" in str(reply.attributes.fail_info_text)
    assert len(ca.issued()) == 1


def test_validity_is_the_policys_but_never_longer_than_the_cas(
    ca_directory: Path, client_key: SoftwarePrivateKey
) -> None:
    clock = FakeClock(datetime(2030, 1, 1, tzinfo=UTC))
    parameters = CaParameters(validity=timedelta(days=10))
    policy = IssuancePolicy(None, validity=timedelta(days=7))
    with ScepCa.open(ca_directory, policy, parameters=parameters, clock=clock) as ca:
        requester = Requester(client_key, ca.certificate)
        first = requester.certificate(ca.pki_operation(requester.message()))
        clock.advance(timedelta(days=5).total_seconds())
        second = requester.certificate(ca.pki_operation(requester.message(transaction_id="T-2")))
        clock.advance(timedelta(days=6).total_seconds())
        third = requester.read(ca.pki_operation(requester.message(transaction_id="T-3")))

    assert first.not_valid_after_utc == datetime(2030, 1, 8, tzinfo=UTC)
    assert first.not_valid_before_utc == datetime(2029, 12, 31, 23, tzinfo=UTC)
    assert second.not_valid_after_utc == ca.certificate.not_valid_after_utc
    assert third.attributes.fail_info_text == "the CA's certificate has expired"


def test_without_a_challenge_any_request_is_granted(ca_directory: Path, client_key: SoftwarePrivateKey) -> None:
    with ScepCa.open(ca_directory, IssuancePolicy(None)) as ca:
        requester = Requester(client_key, ca.certificate)
        requester.certificate(ca.pki_operation(requester.message(requester.csr(challenge=None))))


def test_capabilities_say_what_is_taken(ca_directory: Path, policy: IssuancePolicy) -> None:
    with ScepCa.open(ca_directory, policy) as ca:
        lenient = ca.get_ca_caps().decode().split()
    with ScepCa.open(ca_directory, STRICT) as ca:
        strict = ca.get_ca_caps().decode().split()

    assert {"AES", "POSTPKIOperation", "SCEPStandard", "SHA-256"} <= set(strict) < set(lenient)
    assert {"Renewal", "GetNextCACert"} <= set(strict)
    assert set(lenient) - set(strict) == {"DES3", "SHA-1"}


def test_nothing_secret_is_logged(ca: ScepCa, requester: Requester, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    ca.pki_operation(requester.message())
    ca.pki_operation(requester.message(requester.csr(challenge="my other password")))

    assert "issued serial" in caplog.text
    assert "the challenge password is wrong" in caplog.text
    assert CHALLENGE not in caplog.text
    assert "my other password" not in caplog.text


def test_a_line_break_in_a_subject_makes_no_line_in_the_log(
    ca: ScepCa, requester: Requester, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    csr = requester.csr(subject=common_name("device\nINFO forged"))
    ca.pki_operation(requester.message(csr))

    assert "\nINFO forged" not in caplog.text
    assert MessageType.PKCS_REQ.name not in caplog.text


def test_a_policy_without_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="empty challenge"):
        IssuancePolicy(Secret(""))
    with pytest.raises(ValueError, match="at least one second"):
        IssuancePolicy(None, validity=timedelta(0))
    assert CHALLENGE not in repr(IssuancePolicy(Secret(CHALLENGE)))
