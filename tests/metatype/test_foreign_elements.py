"""Elements that OSGi's schema leaves to others are kept, wherever they stand, and written out again."""

from __future__ import annotations

import json
import tracemalloc
from typing import Final
from xml.etree import ElementTree as ET

import pytest

import metatype
from metatype import MetaData, MetatypeError

DESCRIPTOR: Final = """<m:MetaData xmlns:m="http://www.osgi.org/xmlns/metatype/v1.4.0" xmlns:f="urn:f" xmlns:g="urn:g">
  <f:root/>
  <OCD id="o" name="O">
    <f:class g:kind="a &amp; &quot;b&quot;">text<!-- gone --> &lt;x&gt;&#13;<![CDATA[<>]]><g:y><z/></g:y></f:class>
    <Icon resource="i"><f:icon/></Icon>
    <AD id="a" type="String"><f:attribute xml:lang="du"/><Option value="1"><f:option/></Option></AD>
  </OCD>
  <Designate pid="p"><f:designate/><Object ocdref="o"/></Designate>
</m:MetaData>"""


def test_elements_of_other_namespaces_are_kept_where_they_stand() -> None:
    metadata = metatype.loads(DESCRIPTOR)
    object_class = metadata.object_classes["o"]
    attribute = object_class.attributes["a"]
    assert metadata.warnings == ()
    assert metadata.extra_elements == ('<root xmlns="urn:f"/>',)
    assert object_class.extra_elements == (
        (
            '<class xmlns="urn:f" xmlns:a1="urn:g" a1:kind="a &amp; &quot;b&quot;">'
            'text &lt;x&gt;&#13;&lt;&gt;<y xmlns="urn:g"><z xmlns=""/></y></class>'
        ),
    )
    assert object_class.icons[0].extra_elements == ('<icon xmlns="urn:f"/>',)
    assert attribute.extra_elements == ('<attribute xmlns="urn:f" xml:lang="du"/>',)
    assert attribute.options[0].extra_elements == ('<option xmlns="urn:f"/>',)
    assert metadata.designates[0].extra_elements == ('<designate xmlns="urn:f"/>',)


def test_they_survive_both_notations() -> None:
    metadata = metatype.loads(DESCRIPTOR)
    assert metatype.loads(metatype.dumps(metadata)) == metadata
    assert metatype.loads(metatype.dumps(metadata, "json")) == metadata


def test_each_stands_for_itself() -> None:
    (text,) = metatype.loads(DESCRIPTOR).object_classes["o"].extra_elements
    element = ET.fromstring(text)
    assert (element.tag, element.get("{urn:g}kind")) == ("{urn:f}class", 'a & "b"')
    assert element.text == "text <x>\r<>"


def test_what_looks_like_osgis_own_within_them_is_theirs() -> None:
    metadata = metatype.loads('<MetaData xmlns:f="urn:f"><f:x><OCD id="o"><AD/></OCD></f:x></MetaData>')
    assert metadata.object_classes == {}
    assert metadata.extra_elements == ('<x xmlns="urn:f"><OCD xmlns="" id="o"><AD/></OCD></x>',)


def test_unknown_elements_of_osgis_namespace_are_kept_with_a_warning() -> None:
    metadata = metatype.loads('<MetaData><Odc id="o"/></MetaData>')
    assert metadata.extra_elements == ('<Odc id="o"/>',)
    assert [one.element for one in metadata.warnings] == ["Odc"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "has no element in it"),
        ("text", "text round it"),
        ("<f/> text", "text round it"),
        ("<f/><f/>", "more than one element"),
        ("<f>", "no well-formed XML"),
        ("</x><x>", "no well-formed XML"),
        ("<f:x/>", "unbound prefix"),
        ("<!DOCTYPE f><f/>", "no well-formed XML"),
        ("<OCD id='o'/>", "OSGi's own OCD"),
        ("<x xmlns='http://www.osgi.org/xmlns/metatype/v1.0.0'><OCD/></x>", None),
        ("<f>" * 14 + "</f>" * 14, None),
        ("<f>" * 15 + "</f>" * 15, "nests deeper than 16"),
        (f"<f xmlns='{'n' * 257}'/>", "namespace of more than 256"),
        ("<f>\0</f>", "no well-formed XML"),
        ("<f>\ud800</f>", "no well-formed XML"),
    ],
)
def test_a_text_that_is_no_such_element_is_refused_on_reading_and_on_writing(text: str, says: str | None) -> None:
    document = json.dumps({"objectClasses": [{"id": "o", "extraElements": [text]}]}, ensure_ascii="\ud800" in text)
    object_class = metatype.ObjectClass("o", "o", extra_elements=(text,))
    if says is None:
        assert metatype.loads(document).object_classes["o"].extra_elements
        assert (
            metatype.loads(metatype.dumps(MetaData(object_classes={"o": object_class})))
            .object_classes["o"]
            .extra_elements
        )
        return
    with pytest.raises(MetatypeError) as error:
        metatype.loads(document)
    assert error.value.line == 1
    with pytest.raises(MetatypeError, match=says):
        metatype.dumps(MetaData(object_classes={"o": object_class}))


@pytest.mark.parametrize(
    "document",
    [
        f'<MetaData xmlns:f="{"n" * 256}">' + "<f:x/>" * 10_000,
        f'<MetaData xmlns:f="{"n" * 32_000}">' + "".join(f'<OCD f:{number}=""/>' for number in range(1500)),
        f'<MetaData xmlns:f="{"n" * 250}">'
        + "".join(f'<OCD id="{n}" f:a{n}=""/>' for n in range(2400))
        + "</MetaData>",
    ],
    ids=["elements", "a long namespace", "attributes"],
)
def test_a_long_namespace_is_no_way_to_make_much_of_little(document: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(MetatypeError):
            metatype.loads(document + "<")
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 16 * 2**20
