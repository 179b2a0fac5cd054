"""The codec and pyasn1 agree on what the bytes of a value are, and on which bytes are a value."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pyasn1.codec.ber.decoder import decode as pyasn1_decode
from pyasn1.codec.ber.encoder import encode as pyasn1_ber
from pyasn1.codec.der.encoder import encode as pyasn1_der
from pyasn1.error import PyAsn1Error
from pyasn1.type import univ

from components.asn1 import ber, der
from components.asn1.der import DerError, Element

# An integer, octets, an object identifier in dots, or a sequence of these.
Value = int | bytes | str | list[Any]

IDENTIFIERS = st.sampled_from(["1.2.840.113549.1.7.2", "2.16.840.1.113733.1.9.7", "2.5.4.3", "0.9.2342", "2.999.1"])
LEAVES = st.integers(-(2**70), 2**70) | st.binary(max_size=300) | IDENTIFIERS
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, min_size=1, max_size=5), max_leaves=20)
# No empty sequence: pyasn1 reads one as None, since without a schema it cannot tell of what it is.


def ours(value: Value) -> bytes:
    match value:
        case int():
            return der.integer(value)
        case bytes():
            return der.octet_string(value)
        case str():
            return der.object_identifier(value)
        case _:
            return der.sequence(*(ours(one) for one in value))


def theirs(value: Value) -> Any:
    match value:
        case int():
            return univ.Integer(value)
        case bytes():
            return univ.OctetString(value)
        case str():
            return univ.ObjectIdentifier(value)
        case _:
            made = univ.Sequence()
            for place, one in enumerate(value):
                made.setComponentByPosition(place, theirs(one))
            return made


def read(element: Element) -> Value:
    if element.tag == der.INTEGER:
        return element.integer()
    if element.tag == der.OBJECT_IDENTIFIER:
        return element.object_identifier()
    if element.tag == der.SEQUENCE:
        return [read(one) for one in element.children()]
    return element.octets()


def plain(value: Any) -> Value:
    if isinstance(value, univ.Integer):
        return int(value)
    if isinstance(value, univ.ObjectIdentifier):
        return str(value)
    if isinstance(value, univ.OctetString):
        return bytes(value)
    return [plain(one) for one in _members(value)]


@given(VALUES)
def test_both_write_the_same_der(value: Value) -> None:
    assert ours(value) == pyasn1_der(theirs(value))


@given(VALUES)
def test_pyasn1_reads_what_is_written(value: Value) -> None:
    found, rest = pyasn1_decode(ours(value))
    assert (plain(found), rest) == (value, b"")


@given(VALUES, st.sampled_from([0, 1, 4, 100]))
def test_indefinite_lengths_and_constructed_strings_are_read_as_pyasn1_wrote_them(value: Value, chunk: int) -> None:
    written = pyasn1_ber(theirs(value), defMode=False, maxChunkSize=chunk)
    assert read(der.decode(ber.definite(written))) == value


@given(VALUES, st.integers(0, 2**16), st.integers(1, 255))
def test_of_mutated_bytes_both_read_the_same_or_one_of_them_refuses(value: Value, place: int, flip: int) -> None:
    data = bytearray(pyasn1_ber(theirs(value), defMode=False, maxChunkSize=4))
    data[place % len(data)] ^= flip
    try:
        found = read(der.decode(ber.definite(bytes(data))))
    except DerError:
        return
    try:
        expected, rest = pyasn1_decode(bytes(data))
        judged = plain(expected)
    except (PyAsn1Error, AttributeError, TypeError):
        return
    assert not rest.strip(b"\0\t\n\r ")
    if _known(expected):
        assert found == judged


def _members(value: Any) -> list[Any]:
    return list(value.values()) if isinstance(value, univ.Sequence) else list(value)


def _known(value: Any) -> bool:
    """Whether a value consists of the kinds that both sides of the comparison know."""
    if isinstance(value, univ.Sequence | univ.SequenceOf):
        return all(_known(one) for one in _members(value))
    return type(value) in (univ.Integer, univ.ObjectIdentifier, univ.OctetString)
