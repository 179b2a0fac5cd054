"""The message layer: OpenSSL reads what it writes, it reads BER, and hostile input is an own error."""

from __future__ import annotations

import subprocess
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.utils import CryptographyDeprecationWarning
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.scep.errors import EnvelopeError, MessageError, SignatureError
from components.scep.message import (
    Cipher,
    Digest,
    FailInfo,
    MessageAttributes,
    MessageType,
    PkiStatus,
    decode_certificates,
    decode_pki_message,
    encode_certificates,
    encode_pki_message,
    envelope,
    open_envelope,
    verify_signature,
)
from tests.components.scep import ber

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.components.scep.pki import Pki

REQUEST = MessageAttributes(MessageType.PKCS_REQ, "0123abcd", sender_nonce=b"n" * 16)
FAILURE = MessageAttributes(
    MessageType.CERT_REP,
    "0123abcd",
    sender_nonce=b"s" * 16,
    recipient_nonce=b"n" * 16,
    status=PkiStatus.FAILURE,
    fail_info=FailInfo.BAD_REQUEST,
    fail_info_text="nö",
)


def signed(pki: Pki, attributes: MessageAttributes = REQUEST, content: bytes | None = b"content") -> bytes:
    return encode_pki_message(
        attributes,
        content,
        key=pki.device.key,
        certificate=pki.device.certificate,
        digest=Digest.SHA256,
    )


def test_a_message_says_after_decoding_what_was_encoded(pki: Pki) -> None:
    for attributes in (REQUEST, FAILURE):
        message = decode_pki_message(signed(pki, attributes))
        assert message.attributes == attributes
        assert message.content == b"content"
        assert message.certificates == (pki.device.certificate,)
        assert verify_signature(message, ()) == pki.device.certificate


@pytest.mark.parametrize("digest", list(Digest))
def test_each_digest_signs_and_verifies(pki: Pki, digest: Digest) -> None:
    data = encode_pki_message(
        REQUEST, b"content", key=pki.device.key, certificate=pki.device.certificate, digest=digest
    )
    message = decode_pki_message(data)
    assert message.signature.digest is digest
    assert verify_signature(message, ()) == pki.device.certificate


def test_a_message_without_content_is_signed_over_none(pki: Pki) -> None:
    message = decode_pki_message(signed(pki, FAILURE, None))
    assert message.content == b""
    assert verify_signature(message, ()) == pki.device.certificate


@pytest.mark.parametrize("cipher", list(Cipher))
@pytest.mark.parametrize("content", [b"", b"x" * 15, b"x" * 16, b"x" * 1000])
def test_each_cipher_opens_again(pki: Pki, cipher: Cipher, content: bytes) -> None:
    sealed = envelope(content, pki.device.certificate, cipher)
    opened = open_envelope(sealed, pki.device.key, pki.device.certificate)
    assert (opened.content, opened.cipher) == (content, cipher)


def test_what_is_in_an_envelope_is_not_in_its_repr(pki: Pki) -> None:
    sealed = envelope(b"sesame", pki.device.certificate, Cipher.AES128)
    assert "sesame" not in repr(open_envelope(sealed, pki.device.key, pki.device.certificate))


@pytest.mark.peer("openssl")
def test_openssl_verifies_what_we_sign(pki: Pki, tmp_path: Path) -> None:
    (tmp_path / "message").write_bytes(signed(pki))
    arguments = ["openssl", "cms", "-verify", "-noverify", "-inform", "DER", "-in", "message", "-binary"]
    done = subprocess.run(arguments, cwd=tmp_path, capture_output=True, check=True)
    assert done.stdout == b"content"


@pytest.mark.peer("openssl")
@pytest.mark.parametrize("cipher", [cipher for cipher in Cipher if cipher is not Cipher.DES])
def test_openssl_decrypts_what_we_encrypt(pki: Pki, tmp_path: Path, cipher: Cipher) -> None:
    write_identity(pki, tmp_path)
    (tmp_path / "message").write_bytes(envelope(b"content", pki.device.certificate, cipher))
    arguments = [
        "openssl",
        "cms",
        "-decrypt",
        "-inform",
        "DER",
        "-in",
        "message",
        "-inkey",
        "key",
        "-recip",
        "crt",
    ]
    done = subprocess.run(arguments, cwd=tmp_path, capture_output=True, check=True)
    assert done.stdout == b"content"


@pytest.mark.peer("openssl")
@pytest.mark.parametrize("options", [[], ["-stream"], ["-keyid"]], ids=["der", "indefinite BER", "key identifier"])
def test_we_decrypt_what_openssl_encrypts(pki: Pki, tmp_path: Path, options: list[str]) -> None:
    certificate = pki.issue("device", pki.root)
    write_identity(pki, tmp_path)
    (tmp_path / "crt").write_bytes(certificate.public_bytes(Encoding.PEM))
    arguments = ["openssl", "cms", "-encrypt", "-binary", "-aes-256-cbc", "-outform", "DER", *options, "crt"]
    done = subprocess.run(arguments, cwd=tmp_path, input=b"content" * 900, capture_output=True, check=True)
    assert open_envelope(done.stdout, pki.device.key, certificate).content == b"content" * 900


@pytest.mark.peer("openssl")
def test_we_read_the_certificates_that_openssl_writes(pki: Pki, tmp_path: Path) -> None:
    certificates = (pki.root.certificate, pki.other_root.certificate)
    (tmp_path / "pem").write_bytes(b"".join(one.public_bytes(Encoding.PEM) for one in certificates))
    arguments = ["openssl", "crl2pkcs7", "-nocrl", "-certfile", "pem", "-outform", "DER"]
    done = subprocess.run(arguments, cwd=tmp_path, capture_output=True, check=True)
    assert set(decode_certificates(done.stdout)) == set(certificates)


def write_identity(pki: Pki, folder: Path) -> None:
    from cryptography.hazmat.primitives.serialization import NoEncryption, PrivateFormat  # noqa: PLC0415  # here only

    (folder / "crt").write_bytes(pki.device.certificate.public_bytes(Encoding.PEM))
    exported = pki.device.key.export().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "key").write_bytes(exported)


@pytest.mark.parametrize("rewrite", [ber.indefinite, ber.constructed], ids=["indefinite lengths", "constructed"])
def test_ber_is_read_like_der(pki: Pki, rewrite: Callable[[bytes], bytes]) -> None:
    sealed = envelope(b"content" * 400, pki.device.certificate, Cipher.AES128)
    opened = open_envelope(rewrite(sealed), pki.device.key, pki.device.certificate)
    assert opened.content == b"content" * 400

    message = decode_pki_message(rewrite(signed(pki, REQUEST, sealed)))
    assert message.content == sealed
    assert verify_signature(message, ()) == pki.device.certificate

    certificates = (pki.root.certificate, pki.other_root.certificate)
    assert set(decode_certificates(rewrite(encode_certificates(certificates)))) == set(certificates)


def test_a_constructed_implicit_encrypted_content_is_read(pki: Pki) -> None:
    sealed = envelope(b"content", pki.device.certificate, Cipher.DES)
    rewritten = ber.constructed_encrypted_content(sealed)
    assert rewritten != sealed
    assert open_envelope(rewritten, pki.device.key, pki.device.certificate).content == b"content"


def test_parameters_may_be_absent_as_well_as_null(pki: Pki) -> None:
    data = signed(pki)
    without = ber.without_null_parameters(data)
    assert without != data
    assert verify_signature(decode_pki_message(without), ()) == pki.device.certificate


def test_sha1_with_rsa_is_read_like_rsa(pki: Pki) -> None:
    data = encode_pki_message(REQUEST, b"x", key=pki.device.key, certificate=pki.device.certificate, digest=Digest.SHA1)
    rsa, sha1_with_rsa = (bytes.fromhex(f"0609 2a864886f70d0101{arc:02x}") for arc in (1, 5))
    renamed = ber.replaced(data, rsa, sha1_with_rsa)
    assert renamed != data
    assert verify_signature(decode_pki_message(renamed), ()) == pki.device.certificate


@pytest.mark.parametrize("tail", [b"", b"\n", b"\r\n"])
def test_one_certificate_and_a_set_of_them_are_told_apart(pki: Pki, tail: bytes) -> None:
    root = pki.root.certificate
    assert decode_certificates(root.public_bytes(Encoding.DER) + tail) == (root,)
    assert decode_certificates(encode_certificates([root]) + tail) == (root,)


def test_a_line_end_after_a_message_does_no_harm(pki: Pki) -> None:
    assert decode_pki_message(signed(pki) + b"\n").attributes == REQUEST


@pytest.mark.parametrize("filler", [b"\x00", b""])
def test_a_failure_may_carry_filler_as_content(pki: Pki, filler: bytes) -> None:
    message = decode_pki_message(signed(pki, FAILURE, filler))
    assert verify_signature(message, ()) == pki.device.certificate
    assert message.attributes.fail_info == FailInfo.BAD_REQUEST


def test_the_signer_may_be_found_among_known_certificates_only(pki: Pki) -> None:
    message = decode_pki_message(ber.without_certificates(signed(pki)))
    assert message.certificates == ()
    assert verify_signature(message, [pki.device.certificate]) == pki.device.certificate
    with pytest.raises(SignatureError):
        verify_signature(message, [pki.root.certificate])


@dataclass(frozen=True)
class Tampering:
    """One octet of a message changed."""

    what: str
    old: bytes
    new: bytes


@pytest.mark.parametrize(
    "case",
    [
        Tampering("content", b"content", b"c0ntent"),
        Tampering("transaction id", b"0123abcd", b"0123abce"),
        Tampering("nonce", b"n" * 16, b"n" * 15 + b"m"),
        Tampering("message type", b"\x13\x0219", b"\x13\x0217"),
    ],
    ids=lambda case: case.what,
)
def test_whatever_is_changed_is_noticed(pki: Pki, case: Tampering) -> None:
    data = signed(pki)
    assert data.count(case.old) == 1
    with pytest.raises(SignatureError):
        verify_signature(decode_pki_message(data.replace(case.old, case.new)), ())


@pytest.mark.requirement("RFC 8894 2.9: algorithms")
def test_md5_is_no_digest(pki: Pki) -> None:
    md5 = bytes.fromhex("0608 2a864886f70d0205")
    sha256 = bytes.fromhex("0609 608648016503040201")
    with pytest.raises(MessageError):
        decode_pki_message(ber.replaced(signed(pki), sha256, md5))


def test_an_envelope_for_somebody_else_stays_closed(pki: Pki) -> None:
    sealed = envelope(b"content", pki.root.certificate, Cipher.AES128)
    with pytest.raises(EnvelopeError):
        open_envelope(sealed, pki.device.key, pki.device.certificate)


def test_every_way_of_not_opening_is_the_same_error(pki: Pki) -> None:
    device, other = pki.device, pki.root
    sealed = envelope(b"content" * 9, device.certificate, Cipher.AES128)
    errors = set()
    for data, key in ((ber.with_shorter_encrypted_content(sealed), device.key), (sealed, other.key)):
        with pytest.raises(EnvelopeError) as caught:
            open_envelope(data, key, device.certificate)
        errors.add(str(caught.value))
    assert len(errors) == 1


def test_an_unknown_fail_info_stays_a_number(pki: Pki) -> None:
    attributes = MessageAttributes(MessageType.CERT_REP, "1", status=PkiStatus.FAILURE, fail_info=17)
    assert decode_pki_message(signed(pki, attributes)).attributes.fail_info == 17


def test_a_status_that_nobody_knows_is_kept_for_who_verifies_first(pki: Pki) -> None:
    data = signed(pki, MessageAttributes(MessageType.CERT_REP, "1", status=7))
    assert decode_pki_message(data).attributes.status == 7


DECODERS: dict[str, Callable[[Pki, bytes], object]] = {
    "message": lambda _pki, data: decode_pki_message(data),
    "envelope": lambda pki, data: open_envelope(data, pki.device.key, pki.device.certificate),
    "certificates": lambda _pki, data: decode_certificates(data),
}


@pytest.fixture(scope="session")
def specimens(pki: Pki) -> dict[str, list[bytes]]:
    sealed = envelope(b"content", pki.device.certificate, Cipher.AES128)
    root = pki.root.certificate
    right = {
        "message": [signed(pki, FAILURE), signed(pki, REQUEST, sealed)],
        "envelope": [sealed],
        "certificates": [root.public_bytes(Encoding.DER), encode_certificates([root])],
    }
    return {kind: [*ones, *map(ber.indefinite, ones)] for kind, ones in right.items()}


@pytest.mark.parametrize("kind", list(DECODERS))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_mutilated_input_raises_own_errors_only(
    pki: Pki, specimens: dict[str, list[bytes]], kind: str, data: st.DataObject
) -> None:
    octets = bytearray(data.draw(st.sampled_from(specimens[kind])))
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(octets) - 1))
        match data.draw(st.sampled_from(("change", "drop", "repeat", "cut"))):
            case "change":
                octets[position] = data.draw(st.integers(0, 255))
            case "drop" if len(octets) > 1:
                del octets[position]
            case "repeat":
                octets[position:position] = octets[position : position + 9]
            case "cut" if position:
                del octets[position:]
    decode_or_own_error(pki, kind, bytes(octets))


@pytest.mark.parametrize("kind", list(DECODERS))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(octets=st.binary(max_size=200))
def test_noise_raises_own_errors_only(pki: Pki, kind: str, octets: bytes) -> None:
    decode_or_own_error(pki, kind, octets)


@pytest.mark.parametrize("kind", list(DECODERS))
@pytest.mark.parametrize(
    "octets",
    [
        b"\x30\x80" * 30_000,
        b"\x24\x80" * 30_000,
        b"\x30\x84\xff\xff\xff\xff",
        b"\x30\xff" + b"\xff" * 300,
        b"\x1f" + b"\xff" * 1000,
        b"\x06\x82\xff\xff" + b"\xff" * 65_535,
    ],
    ids=["nested", "nested strings", "4 GiB", "length of length", "long tag", "long identifier"],
)
def test_shapes_that_exhaust_decoders_raise_own_errors(pki: Pki, kind: str, octets: bytes) -> None:
    decode_or_own_error(pki, kind, octets)


def decode_or_own_error(pki: Pki, kind: str, octets: bytes) -> None:
    """Decode; MessageError is allowed, and cryptography's warnings on odd certificates."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        try:
            DECODERS[kind](pki, octets)
        except MessageError:
            return
