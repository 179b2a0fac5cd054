"""Every decoder on hostile input: own errors only, in bounded time and memory."""

from __future__ import annotations

import tracemalloc
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.keystore import as_signing_key, describe_certificate
from components.scep.errors import DecodingError, MessageError
from components.scep.message import (
    MOST_CERTIFICATES,
    decode_certificates,
    decode_degenerate,
    decode_pki_message,
    encode_certificates,
    encode_issuer_and_serial_number,
    encode_issuer_and_subject,
    load_certificate,
)
from components.scep.trust import is_ca
from tests.components.scep import ber
from tests.components.scep.pki import NOW, name
from tools.fuzz.scep import check

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.components.scep.pki import Exchange, Pki

SEEDS = ["reply", "refusal", "envelope", "chain", "poll", "query", "odd name"]
LARGEST_REPLY = 64 * 1024


def seed(exchange: Exchange, which: str) -> bytes:
    """A right input of a kind."""
    if which == "reply":
        return exchange.success()
    if which == "refusal":
        return exchange.reply(status=2, fail_info=2, fail_info_text="no", hresult=-5)
    if which == "envelope":
        return decode_pki_message(exchange.success()).content
    if which == "chain":
        return encode_certificates([exchange.pki.root.certificate, exchange.issued])
    if which == "odd name":
        return ber.named_by_bit_string(_named(exchange.pki, "alternative name"), "odd-name")
    if which == "poll":
        return encode_issuer_and_subject(name("root"), name("device"))
    return encode_issuer_and_serial_number(name("root"), 7)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_mutilated_message_raises_own_errors_only(exchange: Exchange, data: st.DataObject) -> None:
    octets = bytearray(seed(exchange, data.draw(st.sampled_from(SEEDS))))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(octets) - 1))
        change = data.draw(st.sampled_from(["replace", "delete", "insert", "cut"]))
        if change == "replace":
            octets[at] = data.draw(st.integers(0, 255))
        elif change == "delete" and len(octets) > 1:
            del octets[at]
        elif change == "insert":
            octets[at:at] = data.draw(st.binary(max_size=8))
        elif at:
            del octets[at:]
    check(bytes(octets))


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300))
def test_noise_raises_own_errors_only(data: bytes) -> None:
    check(data)


@pytest.mark.parametrize(
    "data",
    [
        b"\x30\x80" * 30_000,
        b"\x30" * 60_000,
        b"\xa0\x80" * 30_000,
        b"\x24\x80" * 16 + b"\x04\x00" * 10_000,
        b"\x1f" + b"\xff" * 60_000,
        b"\x30\x84\xff\xff\xff\xff",
        b"\x30\xff" + b"\xff" * 60_000,
        b"\x04\x84\x7f\xff\xff\xff",
        b"\x06\x82\xea\x60" + b"\xff" * 60_000,
        b"\x02\x82\xea\x60" + b"\x7f" * 60_000,
        bytes(60_000),
    ],
    ids=lambda data: f"{data[:4].hex()} x {len(data)}",
)
def test_a_bomb_stays_small(data: bytes) -> None:
    assert len(data) <= LARGEST_REPLY
    tracemalloc.start()
    try:
        check(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 64 * 1024 * 1024


@pytest.mark.parametrize("which", ["subject", "alternative name", "crl"])
def test_a_name_that_is_a_bit_string_raises_own_errors_only(pki: Pki, which: str) -> None:
    check(ber.named_by_bit_string(_named(pki, which), "odd-name"))


def test_a_certificate_of_an_odd_alternative_name_is_no_ca(pki: Pki) -> None:
    odd = load_certificate(ber.named_by_bit_string(_named(pki, "alternative name"), "odd-name"))
    with pytest.raises(TypeError):
        _ = odd.extensions
    assert not is_ca(odd)


def test_a_certificate_of_an_odd_name_is_still_described(pki: Pki) -> None:
    odd = x509.load_der_x509_certificate(ber.named_by_bit_string(_named(pki, "subject"), "odd-name"))
    described = describe_certificate(odd)
    assert "unreadable" in described["subject"]
    assert described["issuer"] == "CN=root"


def _named(pki: Pki, which: str) -> bytes:
    """A certificate or CRL that has the name `odd-name` somewhere."""
    odd, root = name("odd-name"), pki.root
    if which == "crl":
        builder = x509.CertificateRevocationListBuilder().issuer_name(odd).last_update(NOW).next_update(NOW)
        crl = builder.sign(as_signing_key(root.key), hashes.SHA256())
        return encode_certificates([], [crl])
    alternative = [x509.SubjectAlternativeName([x509.DirectoryName(odd)])] if which == "alternative name" else []
    built = (
        x509.CertificateBuilder()
        .subject_name(odd if which == "subject" else name("device"))
        .issuer_name(root.certificate.subject)
        .public_key(root.key.public_key)
        .serial_number(7)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=1))
    )
    for extension in alternative:
        built = built.add_extension(extension, critical=False)
    return built.sign(as_signing_key(root.key), hashes.SHA256()).public_bytes(Encoding.DER)


def test_more_certificates_than_a_chain_can_have_are_refused(pki: Pki) -> None:
    most = [pki.root.certificate] * MOST_CERTIFICATES
    assert len(decode_certificates(encode_certificates(most))) == MOST_CERTIFICATES
    decoders: tuple[Callable[[bytes], object], ...] = (decode_certificates, decode_degenerate)
    for decode in decoders:
        with pytest.raises(DecodingError, match=str(MOST_CERTIFICATES)):
            decode(encode_certificates([*most, pki.root.certificate]))


def test_two_signers_are_one_too_many(exchange: Exchange) -> None:
    data = exchange.success()
    message = decode_pki_message(data)
    assert message.signature.value in data
    signer = next(
        ber.element(tag, content)
        for tag, content in _all(data)
        if tag == 0x30 and content.startswith(b"\x02\x01\x01\x30") and message.signature.value in content[-300:]
    )
    with pytest.raises(MessageError, match="2"):
        decode_pki_message(ber.replaced(data, signer, signer * 2))


def _all(data: bytes) -> list[tuple[int, bytes]]:
    found: list[tuple[int, bytes]] = []

    def look(tag: int, content: bytes) -> None:
        found.append((tag, content))

    ber.rewritten(data, look)
    return [one for one in found if len(one[1]) < 1200]
