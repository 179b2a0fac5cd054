"""Reading the XML notation: what OSGi's schema says, what those in the wild do, what hostile ones try."""

from __future__ import annotations

import codecs
import tracemalloc
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pytest

import metatype
from metatype import AttributeType, ChangePolicy, MetatypeError

if TYPE_CHECKING:
    from pathlib import Path

NAMESPACE: Final = "http://www.osgi.org/xmlns/metatype/v1.4.0"
OURS: Final = "http://gatewright.org/xmlns/metatype/v1"


def descriptor(ads: str = "", *, rest: str = "", root: str = "") -> str:
    return f'<MetaData {root}>\n<OCD id="o" name="O">\n{ads}\n</OCD>\n{rest}\n</MetaData>'


def attributes(ads: str, *, kura_style: bool = False) -> list[metatype.Attribute]:
    metadata = metatype.loads(descriptor(ads, root=f'xmlns:gw="{OURS}"'), kura_style=kura_style)
    return list(metadata.object_classes["o"].attributes.values())


def warnings(document: str | bytes) -> list[tuple[int | None, str | None, str | None]]:
    return [(one.line, one.element, one.attribute) for one in metatype.loads(document).warnings]


COMPLETE: Final = f"""<?xml version="1.0" encoding="UTF-8"?>
<metatype:MetaData xmlns:metatype="{NAMESPACE}" xmlns:gw="{OURS}" xmlns:f="urn:f"
                   localization="OSGI-INF/l10n/x">
  <Designate factoryPid="a.Factory" pid="hidden" bundle="*"><Object ocdref="o"/></Designate>
  <OCD id="o" name="%name" description="d" f:order="7">
    <Icon resource="icon.png" size="32"/>
    <AD id="mode" type="String" name="Mode" description="d" default="a" required="false"
        gw:change="bootstrap">
      <Option value="a" label="The A"/>
      <Option value="b"/>
    </AD>
    <AD id="ports" type="Integer" cardinality="-4" min="1" max="65535" default="1, 2"/>
  </OCD>
</metatype:MetaData>
"""


def test_everything_that_the_schema_has_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.xml"
    path.write_text(COMPLETE)
    metadata = metatype.load(path)
    assert metadata.localization == "OSGI-INF/l10n/x"
    assert metadata.warnings == ()
    object_class = metadata.object_classes["o"]
    assert metadata.object_class_for("a.Factory~x") is object_class
    assert metadata.object_class_for("hidden") is None
    assert metadata.designates[0].extras == {"bundle": "*"}
    assert (object_class.name, object_class.description) == ("%name", "d")
    assert object_class.extras == {"{urn:f}order": "7"}
    assert [(icon.resource, icon.size) for icon in object_class.icons] == [("icon.png", 32)]
    mode, ports = object_class.attributes.values()
    assert [(option.value, option.label) for option in mode.options] == [("a", "The A"), ("b", "b")]
    assert (mode.type, mode.cardinality, mode.required) == (AttributeType.STRING, 0, False)
    assert (mode.change, ports.change) == (ChangePolicy.BOOTSTRAP, ChangePolicy.MODIFY)
    assert (ports.cardinality, ports.required, ports.min, ports.max) == (-4, True, "1", "65535")
    assert ports.default_value == ("1", "2")


@pytest.mark.parametrize("minor", range(5))
@pytest.mark.parametrize("form", ['<MetaData xmlns="{0}">{1}</MetaData>', '<m:MetaData xmlns:m="{0}">{1}</m:MetaData>'])
def test_all_namespaces_are_known(minor: int, form: str) -> None:
    body = '<OCD id="o" name="O"><AD id="a" type="String"/></OCD>'
    metadata = metatype.loads(form.format(f"http://www.osgi.org/xmlns/metatype/v1.{minor}.0", body))
    assert list(metadata.object_classes["o"].attributes) == ["a"]


def test_types_are_read_in_any_case_and_char_is_character() -> None:
    found = attributes('<AD id="a" type="STRING"/><AD id="b" type="Char"/><AD id="c" type="bigdecimal"/>')
    assert [one.type for one in found] == [
        AttributeType.STRING,
        AttributeType.CHARACTER,
        AttributeType.BIG_DECIMAL,
    ]


def test_line_breaks_in_a_default_survive() -> None:
    (one,) = attributes('<AD id="a" type="String" default="#!/bin/sh&#13;&#10;echo a\\, b&#10;"/>')
    assert one.default_value == ("#!/bin/sh\r\necho a, b\n",)


@pytest.mark.parametrize("encoded", [codecs.BOM_UTF8 + COMPLETE.encode(), COMPLETE.replace("\n", "\r\n").encode()])
def test_byte_order_mark_and_carriage_returns_do_not_matter(encoded: bytes) -> None:
    assert metatype.loads(encoded) == metatype.loads(COMPLETE)


def test_other_encodings_are_read_from_bytes_and_a_text_is_what_it_is() -> None:
    text = '<?xml version="1.0" encoding="{}"?><MetaData localization="ü"/>'
    for encoding in ("ISO-8859-1", "UTF-16", "windows-1252"):
        document = text.format(encoding)
        assert metatype.loads(document.encode(encoding)).localization == "ü"
        assert metatype.loads(document).localization == "ü"


@dataclass(frozen=True)
class Odd:
    what: str
    document: str
    warning: tuple[int, str, str | None]


@pytest.mark.parametrize(
    "case",
    [
        Odd("required", descriptor('<AD id="a" type="String" required="trie"/>'), (3, "AD", "required")),
        Odd("unknown attribute", descriptor('<AD id="a" type="Long" minimum="1"/>'), (3, "AD", "minimum")),
        Odd("duplicate AD", descriptor('<AD id="a" type="Long"/>\n<AD id="a" type="Byte"/>'), (4, "AD", "id")),
        Odd("cardinality", descriptor('<AD id="a" type="Long" cardinality="1_0"/>'), (3, "AD", "cardinality")),
        Odd("default", descriptor('<AD id="a" type="Long" default="x"/>'), (3, "AD", "default")),
        Odd("min", descriptor('<AD id="a" type="String" min="few"/>'), (3, "AD", "min")),
        Odd("max", descriptor('<AD id="a" type="Boolean" max="1"/>'), (3, "AD", "max")),
        Odd("icon size", descriptor('<Icon resource="i" size="big"/>'), (3, "Icon", "size")),
        Odd(
            "our attribute misspelt",
            descriptor('<AD id="a" type="Long" gw:chnage="modify"/>', root=f'xmlns:gw="{OURS}"'),
            (3, "AD", f"{{{OURS}}}chnage"),
        ),
        Odd("duplicate OCD", descriptor(rest='<OCD id="o" name="P"/>'), (5, "OCD", "id")),
        Odd("no pid", descriptor(rest='<Designate><Object ocdref="o"/></Designate>'), (5, "Designate", None)),
        Odd("no Object", descriptor(rest='<Designate pid="p"/>'), (5, "Designate", None)),
        Odd(
            "unknown ocdref",
            descriptor(rest='<Designate pid="p"><Object ocdref="q"/></Designate>'),
            (5, "Object", "ocdref"),
        ),
        Odd("misplaced", descriptor(rest='<AD id="x" type="Long"/>'), (5, "AD", None)),
        Odd("unknown element", descriptor(rest="<Odc/>"), (5, "Odc", None)),
        Odd(
            "foreign in an Object, which has no place in the model",
            descriptor(rest='<Designate pid="p"><Object ocdref="o"><f:x xmlns:f="urn:f"/></Object></Designate>'),
            (5, "x", None),
        ),
        Odd(
            "preset values",
            descriptor(rest='<Designate pid="p"><Object ocdref="o"><Attribute/></Object></Designate>'),
            (5, "Attribute", None),
        ),
    ],
    ids=lambda case: case.what,
)
def test_what_is_odd_is_read_with_a_warning(case: Odd) -> None:
    metadata = metatype.loads(case.document, source="odd.xml")
    (warning,) = metadata.warnings
    assert (warning.line, warning.element, warning.attribute) == case.warning
    column = next(index for index, line in enumerate(case.document.splitlines()[case.warning[0] - 1]) if line == "<")
    assert warning.column is not None
    assert warning.column > column
    assert str(warning).startswith(f"odd.xml:{case.warning[0]}:{warning.column}: ")
    assert list(metadata.object_classes) == ["o"]


def test_one_reading_tells_all_warnings() -> None:
    ads = '<AD id="a" type="Long" required="trie" default="x" min="y" odd=""/>\n<AD id="b" type="Long" odd=""/>'
    assert [line for line, *_ in warnings(descriptor(ads))] == [3, 3, 3, 3, 4]


def test_what_is_misread_falls_back_as_told() -> None:
    first, *others = attributes('<AD id="a" type="Long" required="trie"/><AD id="a" type="Byte" required="true"/>')
    assert (first.type, first.required, others) == (AttributeType.LONG, False, [])
    (extra,) = attributes('<AD id="a" type="Long" minimum="1"/>')
    assert extra.extras == {"minimum": "1"}


@pytest.mark.parametrize(
    "document",
    [
        f'<m:MetaData xmlns:m="{NAMESPACE}">stray<OCD id="o">text<AD id="a" type="Long"/></OCD></m:MetaData>',
        descriptor(root='localization="en_us"'),
        "<MetaData/>",
    ],
)
def test_what_is_common_in_the_wild_needs_no_warning(document: str) -> None:
    assert warnings(document) == []


def test_kura_takes_cardinality_one_for_a_scalar() -> None:
    ads = '<AD id="a" type="String" cardinality="{}" default="x,y" required="false"/>'
    for cardinality in ("1", "-1"):
        (osgi,) = attributes(ads.format(cardinality))
        (kura,) = attributes(ads.format(cardinality), kura_style=True)
        assert osgi.coerce("v") == ["v"]
        assert osgi.default_value is None
        assert kura.coerce("v") == "v"
        assert kura.default_value == ("x,y",)
    (many,) = attributes(ads.format(2), kura_style=True)
    assert many.default_value == ("x", "y")


@dataclass(frozen=True)
class Broken:
    what: str
    document: str
    says: str
    place: tuple[int | None, int | None]
    attribute: str | None = None


@pytest.mark.parametrize(
    "case",
    [
        Broken("empty", "", "neither XML", (1, 1)),
        Broken("text", "hello", "neither XML", (1, 1)),
        Broken("torn", '<MetaData>\n  <OCD id="o"', "unclosed token", (2, 3)),
        Broken("unclosed", "<MetaData>\n", "no element found", (2, 1)),
        Broken("mismatched", "<MetaData>\n</Data>", "mismatched tag", (2, 3)),
        Broken("other root", "<html/>", "begins with html", (1, 1)),
        Broken("other namespace", '<MetaData xmlns="urn:x"/>', "namespace urn:x", (1, 1)),
        Broken("future namespace", f'<MetaData xmlns="{NAMESPACE[:-5]}1.9.0"/>', "v1.9.0", (1, 1)),
        Broken("OCD without id", '<MetaData>\n<OCD name="o"/></MetaData>', "OCD has no id", (2, 1), "id"),
        Broken("AD without id", descriptor('<AD type="Long"/>'), "AD has no id", (3, 1), "id"),
        Broken("AD without type", descriptor('<AD id="a"/>'), "AD has no type", (3, 1), "type"),
        Broken("unknown type", descriptor('<AD id="a" type="Foo"/>'), "unknown type 'Foo'", (3, 1), "type"),
        Broken(
            "Option without value",
            descriptor('<AD id="a" type="Long">\n<Option/></AD>'),
            "no value",
            (4, 1),
            "value",
        ),
        Broken("Icon without resource", descriptor("<Icon/>"), "Icon has no resource", (3, 1), "resource"),
        Broken(
            "unknown change",
            descriptor('<AD id="a" type="Long" gw:change="x"/>', root=f'xmlns:gw="{OURS}"'),
            "none of modify, reactivate, bootstrap",
            (3, 1),
            f"{{{OURS}}}change",
        ),
        Broken(
            "unknown format",
            descriptor('<AD id="a" type="String" gw:format="x"/>', root=f'xmlns:gw="{OURS}"'),
            "none of http-endpoint, sha256-fingerprint, pem-certificate, distinguished-name",
            (3, 1),
            f"{{{OURS}}}format",
        ),
        Broken(
            "two Objects",
            descriptor(rest='<Designate pid="p"><Object ocdref="o"/><Object ocdref="o"/></Designate>'),
            "two Objects",
            (5, 1),
        ),
        Broken("DOCTYPE", "<!DOCTYPE MetaData>\n<MetaData/>", "DOCTYPE", (1, None)),
        Broken("odd encoding", '<?xml version="1.0" encoding="rot13"?><MetaData/>', "encoding 'rot13'", (1, 1)),
        Broken("deep", "<MetaData>" + "<a>" * 16, "deeper than 16", (1, 56)),
        Broken("deep and foreign", "<MetaData>" + "<a>" * 200_000, "deeper than 16", (1, 56)),
        Broken("many elements", "<MetaData>" + "<a/>" * 20_000, "more than 20000 elements", (1, None)),
        Broken(
            "many attributes",
            "<MetaData " + " ".join(f'a{index}=""' for index in range(65)) + "/>",
            "more than 64 attributes",
            (1, 1),
        ),
        Broken("long namespace", f'<MetaData xmlns:a="{"n" * 257}"/>', "namespace of more than 256", (1, 1)),
        Broken("large", "<MetaData>" + " " * 2**20, "larger than 1048576", (None, None)),
    ],
    ids=lambda case: case.what,
)
def test_what_is_no_descriptor_is_refused_with_its_place(case: Broken) -> None:
    with pytest.raises(MetatypeError) as error:
        metatype.loads(case.document, source="bad.xml")
    assert case.says in str(error.value)
    assert str(error.value).startswith("bad.xml:")
    line, column = case.place
    assert error.value.source == "bad.xml"
    assert error.value.line == line
    assert column is None or error.value.column == column
    assert error.value.attribute == case.attribute


def test_entities_are_never_expanded() -> None:
    entities = "".join(f'<!ENTITY a{index + 1} "{f"&a{index};" * 10}">' for index in range(9))
    bomb = f'<!DOCTYPE MetaData [<!ENTITY a0 "bomb">{entities}]><MetaData localization="&a9;"/>'
    tracemalloc.start()
    try:
        with pytest.raises(MetatypeError, match="DOCTYPE"):
            metatype.loads(bomb)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 8 * 2**20


def test_a_missing_file_is_the_callers_to_know(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        metatype.load(tmp_path / "none.xml")
