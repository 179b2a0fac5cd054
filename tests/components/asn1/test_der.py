"""DER: what is written is read back, and what is none is refused with an error of its own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.asn1 import der
from components.asn1.der import DerError


@given(st.integers(-(1 << 600), 1 << 600))
def test_integers_round_trip(value: int) -> None:
    assert der.decode(der.integer(value)).integer() == value


@pytest.mark.parametrize(("value", "encoded"), [(0, "020100"), (127, "02017f"), (128, "02020080"), (-128, "020180")])
def test_integers_are_as_short_as_der_wants_them(value: int, encoded: str) -> None:
    assert der.integer(value).hex() == encoded


ARCS = st.lists(st.integers(0, 1 << 128), max_size=3)


@given(st.integers(0, 2), st.integers(0, 39), ARCS)
def test_object_identifiers_round_trip(first: int, second: int, others: list[int]) -> None:
    dotted = ".".join(map(str, (first, second, *others)))
    assert der.decode(der.object_identifier(dotted)).object_identifier() == dotted


@given(st.binary(max_size=70_000))
def test_octet_strings_of_any_length_round_trip(value: bytes) -> None:
    element = der.decode(der.octet_string(value))
    assert element.expect(der.OCTET_STRING) == value
    assert element.encoded == der.octet_string(value)


@given(st.lists(st.binary(max_size=5)))
def test_the_order_of_a_set_is_not_the_writers(values: list[bytes]) -> None:
    elements = [der.octet_string(value) for value in values]
    written = der.set_of(elements)
    assert written == der.set_of(reversed(elements))
    assert sorted(each.content for each in der.decode(written).children(der.SET)) == sorted(values)


@given(st.binary(max_size=60))
def test_noise_is_read_or_refused_but_never_crashes(noise: bytes) -> None:
    waiting = [noise]
    while waiting:
        try:
            for element in der.Reader(waiting.pop()):
                waiting.append(element.content)
                for read in (element.integer, element.object_identifier):
                    try:
                        read()
                    except DerError:
                        continue
        except DerError:
            continue


@pytest.mark.parametrize(
    "encoded",
    ["", "30", "3080", "308000", "3005020100", "3081", "30ff", "1f8101", "0200", "020100ff", "0601ff"],
)
def test_what_is_cut_off_or_indefinite_is_refused(encoded: str) -> None:
    with pytest.raises(DerError):
        _read_all(bytes.fromhex(encoded))


def _read_all(data: bytes) -> None:
    element = der.decode(data)
    if element.tag == der.INTEGER:
        element.integer()
    elif element.tag == der.OBJECT_IDENTIFIER:
        element.object_identifier()
    else:
        list(element.children())
