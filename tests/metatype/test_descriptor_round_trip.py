"""Either notation says all that the model has, and no input whatever breaks a reader."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import metatype
from metatype import (
    Attribute,
    AttributeType,
    ChangePolicy,
    Designate,
    Icon,
    MetaData,
    MetatypeError,
    ObjectClass,
    Option,
    TextFormat,
)
from metatype.foreign import canonical

if TYPE_CHECKING:
    from collections.abc import Mapping

WRITABLE: Final = st.text(
    st.characters(
        codec="utf-8",
        exclude_categories=["Cc"],
        include_characters="\t\n\r",
        exclude_characters="\ufffe\uffff",
    ),
    max_size=12,
)
MAYBE: Final = st.none() | WRITABLE
INT32: Final = st.integers(-(2**31), 2**31 - 1)
NAMES: Final = st.from_regex(r"[a-z]{3}-[a-z0-9._-]{0,3}", fullmatch=True)
EXTRAS: Final = st.dictionaries(
    NAMES.map("x-{}".format)
    | NAMES.map("{{urn:f}}{}".format)
    | NAMES.map("{{http://www.w3.org/XML/1998/namespace}}{}".format),
    WRITABLE,
    max_size=2,
)
FOREIGN: Final = st.recursive(
    st.builds(
        "<{0} a={1} f:b={1} xml:lang={1}>{2}</{0}>".format,
        st.sampled_from(["f:x", "g:y", "z", "f:OCD"]),
        WRITABLE.map(quoteattr),
        WRITABLE.map(escape),
    ),
    lambda inner: st.builds("<f:x>{}text<OCD xmlns=''/>{}</f:x>".format, inner, inner),
    max_leaves=3,
).map(lambda text: canonical(f'<f:e xmlns:f="urn:f" xmlns:g="urn:g">{text}</f:e>', inside=4))
ELEMENTS: Final = st.lists(FOREIGN, max_size=1).map(tuple)
ATTRIBUTES: Final = st.builds(
    Attribute,
    id=WRITABLE,
    type=st.sampled_from(AttributeType),
    cardinality=INT32,
    required=st.booleans(),
    name=MAYBE,
    description=MAYBE,
    default=MAYBE,
    min=MAYBE,
    max=MAYBE,
    options=st.lists(st.builds(Option, WRITABLE, WRITABLE, EXTRAS, ELEMENTS), max_size=3).map(tuple),
    change=st.sampled_from(ChangePolicy),
    format=st.none() | st.sampled_from(TextFormat),
    extras=EXTRAS,
    extra_elements=ELEMENTS,
)


def by_id(attributes: list[Attribute]) -> Mapping[str, Attribute]:
    return {one.id: one for one in attributes}


OBJECT_CLASSES: Final = st.builds(
    ObjectClass,
    id=WRITABLE,
    name=WRITABLE,
    description=MAYBE,
    icons=st.lists(st.builds(Icon, WRITABLE, st.none() | INT32, EXTRAS, ELEMENTS), max_size=2).map(tuple),
    attributes=st.lists(ATTRIBUTES, max_size=3).map(by_id),
    extras=EXTRAS,
    extra_elements=ELEMENTS,
)


@st.composite
def descriptors(draw: st.DrawFn) -> MetaData:
    classes = {one.id: one for one in draw(st.lists(OBJECT_CLASSES, max_size=3))}
    designates: list[Designate] = []
    if classes:
        for ocdref in draw(st.lists(st.sampled_from(sorted(classes)), max_size=3)):
            pid, extras, elements = draw(WRITABLE.filter(bool)), draw(EXTRAS), draw(ELEMENTS)
            if draw(st.booleans()):
                designates.append(Designate(ocdref, pid=pid, extras=extras, extra_elements=elements))
            else:
                designates.append(Designate(ocdref, factory_pid=pid, extras=extras, extra_elements=elements))
    return MetaData(draw(MAYBE), classes, tuple(designates), draw(EXTRAS), draw(ELEMENTS))


@pytest.mark.parametrize("notation", ["xml", "json"])
@given(metadata=descriptors())
def test_what_is_written_reads_to_the_same_model(notation: Literal["xml", "json"], metadata: MetaData) -> None:
    written = metatype.dumps(metadata, notation)
    again = metatype.loads(written)
    assert again == metadata
    assert [*again.object_classes] == [*metadata.object_classes]
    assert metatype.dumps(again, notation) == written
    assert metatype.loads(written.encode()) == metadata


@given(descriptors())
def test_xml_to_json_to_xml_changes_nothing(metadata: MetaData) -> None:
    xml = metatype.dumps(metadata)
    json_text = metatype.dumps(metatype.loads(xml), "json")
    assert metatype.dumps(metatype.loads(json_text)) == xml


@pytest.mark.parametrize(
    ("metadata", "says"),
    [
        (MetaData("\x00"), "the character '\\x00'"),
        (MetaData("\ud800"), "the character '\\ud800'"),
        (MetaData(extras={"a b": ""}), "'a b' of MetaData has no name that XML allows"),
        (MetaData(extras={"xmlns": "urn:x"}), "'xmlns' of MetaData"),
        (MetaData(extras={"{http://www.w3.org/2000/xmlns/}a": "urn:x"}), "has no name that XML allows"),
        (MetaData(extras={"localization": "x"}), "is no extra but an attribute"),
    ],
)
def test_what_xml_cannot_say_is_refused(metadata: MetaData, says: str) -> None:
    with pytest.raises(MetatypeError) as error:
        metatype.dumps(metadata)
    assert says in str(error.value)


def assert_read_or_refused(data: bytes | str) -> None:
    outcome: MetaData | MetatypeError
    try:
        outcome = metatype.loads(data, source="any")
    except MetatypeError as error:
        outcome = error
    assert isinstance(outcome, MetaData) or outcome.source == "any"


FRAGMENTS: Final = st.lists(
    st.sampled_from(
        [
            *(
                "<MetaData>",
                "</MetaData>",
                "<OCD id='o'>",
                "</OCD>",
                "<OCD ",
                "<AD id='a' type='Long'",
                "<AD ",
                "/>",
                ">",
            ),
            *(
                "<Option value='1'/>",
                "<Icon resource='i'/>",
                "<Designate pid='p'>",
                "</Designate>",
                "<Object ocdref='o'/>",
            ),
            *(
                "id='b'",
                " type='Foo'",
                " default='1,2'",
                " cardinality='9'",
                " size='x'",
                " xmlns='urn:x'",
                "&#0;",
                "&a;",
            ),
            *(
                '{"objectClasses":',
                "[",
                "]",
                "{",
                "}",
                ":",
                ",",
                '"id"',
                '"o"',
                '"attributes"',
                '"type"',
                '"Long"',
                "1e9",
            ),
            *(
                "<!DOCTYPE x [",
                "<?xml version='1.0' encoding='utf-7'?>",
                "<![CDATA[",
                "]]>",
                "<!--",
                "\x00",
                "\ufeff",
                "é",
            ),
        ]
    ),
    max_size=30,
).map("".join)


@given(st.binary() | FRAGMENTS.map(str.encode) | FRAGMENTS | st.text() | st.binary().map(b"<".__add__))
@example(b"\xff\xfe<\x00")
@example("<\ud800/>")
@example("{\ud800}")
@example('<?xml version="1.0" encoding="unicode_escape"?><MetaData/>')
def test_whatever_is_read_is_a_descriptor_or_a_metatype_error(data: bytes | str) -> None:
    assert_read_or_refused(data)


@given(descriptors(), st.data())
def test_a_damaged_descriptor_is_a_descriptor_or_a_metatype_error(metadata: MetaData, data: st.DataObject) -> None:
    document = bytearray(metatype.dumps(metadata, data.draw(st.sampled_from(["xml", "json"]))).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        document[data.draw(st.integers(0, len(document) - 1))] = data.draw(st.integers(0, 255))
    assert_read_or_refused(bytes(document))
