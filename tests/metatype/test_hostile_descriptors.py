"""Inputs of the size that anybody can send: none breaks a reader, and none makes it take much memory."""

from __future__ import annotations

import contextlib
import json
import tracemalloc
from typing import Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import metatype
from metatype import MetatypeError
from tools.fuzz.metatype import check

SIZE: Final = 64 * 1024
MOST: Final = 64 * 2**20
AD: Final = '<MetaData><OCD id="o"><AD id="a" type="{}" cardinality="-2147483648" default="'


def filled(head: str, unit: str, tail: str = "") -> str:
    return head + unit * ((SIZE - len(head) - len(tail)) // len(unit)) + tail


def numbered(head: str, unit: str, tail: str, separator: str = "") -> str:
    units = separator.join(unit.replace("#", f"{number}") for number in range(SIZE // (len(unit) + 6)))
    return f"{head}{units}{tail}"


HOSTILE: Final = {
    "nested elements": filled("<MetaData>", "<a>"),
    "character references": filled("<MetaData localization='", "&#65;", "'/>"),
    "odd attributes": numbered(
        '<MetaData><OCD id="o">',
        '<AD id="#" type="Long" default="x" required="q" min="z" max="z"/>',
        "</OCD></MetaData>",
    ),
    "a long list": filled(AD.format("Integer"), "1,", '1"/></OCD></MetaData>'),
    "a long list that is wrong": filled(AD.format("Integer"), "x,", 'x"/></OCD></MetaData>'),
    "a long list of powers": filled(AD.format("BigDecimal"), "1e999,", '1"/></OCD></MetaData>'),
    "backslashes": filled(AD.format("String"), "\\ ", '"/></OCD></MetaData>'),
    "digits": filled(AD.format("BigInteger"), "9", '"/></OCD></MetaData>'),
    "foreign elements": filled(f'<MetaData xmlns:f="{"n" * 250}">', "<f:x/>", "</MetaData>"),
    "nested lists": filled("", "["),
    "nested objects": filled("", '{"a":'),
    "keys": numbered("{", '"#":1', "}", ","),
    "equal keys": numbered("{", '"#":1', ',"1":1}', ","),
    "numbers": filled("[", "1,", "1]"),
    "a long number": filled('{"x":', "9", "}"),
    "odd attributes in JSON": numbered(
        '{"objectClasses":[{"id":"o","attributes":[', '{"id":"#","type":"Long","default":"x"}', "]}]}", ","
    ),
    "unusable designates": numbered('{"objectClasses":[],"designates":[', '{"ocdref":"#","pid":"p"}', "]}", ","),
    "extra elements": numbered('{"objectClasses":[{"id":"o","extraElements":[', '"<f#/>"', "]}]}", ","),
    "definitions": numbered('{"configs":[', '{"definition":{"id":"o"}}', "]}", ","),
    "escapes in properties": filled("a=", "\\u0041"),
    "lines of properties": filled("", "\\\n"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_input_takes_little_memory(what: str) -> None:
    metatype.loads('{"objectClasses": []}')  # what is loaded once for all
    data = HOSTILE[what].encode()
    assert len(data) <= SIZE * 2
    tracemalloc.start()
    try:
        with contextlib.suppress(MetatypeError):
            metatype.loads(data)
        with contextlib.suppress(MetatypeError):
            metatype.parse_properties(data)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < MOST


@pytest.mark.parametrize("document", ["[" * 100_000, '{"a":' * 100_000, "<a>" * 100_000])
def test_however_deep_it_nests_it_is_refused_with_its_place(document: str) -> None:
    with pytest.raises(MetatypeError) as error:
        metatype.loads(document)
    assert error.value.line == 1
    assert error.value.column is not None


WORDS: Final = st.sampled_from(
    [
        *("id", "ad", "type", "definition", "configs", "pid", "icon", "option", "value", "cardinality", "isRequired"),
        *("objectClasses", "attributes", "designates", "ocdref", "extraElements", "options", "defaultValue", "LONG"),
    ]
)
VALUES: Final = st.recursive(
    WORDS | st.text(max_size=3) | st.none() | st.booleans() | st.integers(-2, 2) | st.just("<f xmlns='urn:f'/>"),
    lambda one: st.lists(one, max_size=3) | st.dictionaries(WORDS, one, max_size=5),
    max_leaves=20,
)


@given(VALUES.map(json.dumps).map(str.encode) | st.binary())
@example(b'{"id": "o", "ad": [{"id": "a", "type": "LONG", "defaultValue": "x"}, {"id": "a", "type": "LONG"}]}')
@example(b'{"configs": [{"pid": "p", "definition": {"id": "o"}}, {"definition": {"id": "o"}}, {"definition": null}]}')
@example(b'{"id": "o", "icon": {"resource": "i", "size": "5\\n"}}')
@example(b"\xef\xbb\xbf\xff")
def test_whatever_json_says_is_read_or_refused(data: bytes) -> None:
    check(data)
