"""What descriptors of Kura and of others are like, one case for each habit: read, and written back as valid 1.4."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import pytest

import metatype
from metatype import AttributeType, MetatypeError

V: Final = "http://www.osgi.org/xmlns/metatype/v1."


@dataclass(frozen=True)
class Habit:
    what: str
    document: str
    attribute: dict[str, Any] = field(default_factory=dict)
    warnings: int = 0


HABITS: Final = [
    Habit(
        "a prefixed root with children of no namespace",
        f'<m:MetaData xmlns:m="{V}2.0"><OCD id="o" name="O"><AD id="a" type="String"/></OCD></m:MetaData>',
    ),
    Habit(
        "all elements prefixed",
        f'<m:MetaData xmlns:m="{V}3.0"><m:OCD id="o"><m:AD id="a" type="String"/></m:OCD></m:MetaData>',
    ),
    Habit("no namespace at all", '<MetaData><OCD id="o" name="O"><AD id="a" type="String"/></OCD></MetaData>'),
    Habit(
        "stray text",
        '<MetaData>a<OCD id="o">b<AD id="a" type="String"/>></OCD></MetaData>',
    ),
    Habit(
        "elements in any order",
        '<MetaData><Designate pid="p"><Object ocdref="o"/></Designate><OCD id="o">'
        '<Icon resource="i" size="32"/><AD id="a" type="String"/><Icon resource="j"/></OCD></MetaData>',
    ),
    Habit(
        "a type in upper case, and the Char of old",
        '<MetaData><OCD id="o"><AD id="a" type="CHAR" min="a" max="z" default="m"/></OCD></MetaData>',
        {"type": AttributeType.CHARACTER, "default_value": ("m",)},
    ),
    Habit(
        "BigInteger of old",
        f'<MetaData><OCD id="o"><AD id="a" type="BigInteger" default="{"9" * 30}"/></OCD></MetaData>',
        {"type": AttributeType.BIG_INTEGER, "default_value": ("9" * 30,)},
    ),
    Habit(
        "BigDecimal of old",
        '<MetaData><OCD id="o"><AD id="a" type="BigDecimal" default="0.10" max="1"/></OCD></MetaData>',
        {"type": AttributeType.BIG_DECIMAL, "default_value": ("0.10",)},
    ),
    Habit(
        "cardinality and required left out",
        '<MetaData><OCD id="o"><AD id="a" type="String"/></OCD></MetaData>',
        {"cardinality": 0, "required": True, "name": None, "description": None, "default_value": None},
    ),
    Habit(
        "required misspelt is false",
        '<MetaData><OCD id="o"><AD id="a" type="String" required="trie"/></OCD></MetaData>',
        {"required": False},
        warnings=1,
    ),
    Habit(
        "an unknown attribute",
        '<MetaData><OCD id="o"><AD id="a" type="Long" minimum="1"/></OCD></MetaData>',
        {"min": None, "extras": {"minimum": "1"}},
        warnings=1,
    ),
    Habit(
        "the first of two ADs of one id counts",
        '<MetaData><OCD id="o"><AD id="a" type="Long"/><AD id="a" type="Byte"/></OCD></MetaData>',
        {"type": AttributeType.LONG},
        warnings=1,
    ),
    Habit(
        "a script with line breaks as default",
        '<MetaData><OCD id="o"><AD id="a" type="String" default="#!/bin/sh&#13;&#10;a&#10;"/></OCD></MetaData>',
        {"default_value": ("#!/bin/sh\r\na\n",)},
    ),
    Habit(
        "escaped commas in a scalar's default",
        '<MetaData><OCD id="o"><AD id="a" type="String" default="a\\,b"/></OCD></MetaData>',
        {"default_value": ("a,b",)},
    ),
    Habit(
        "OSGi's own example of a list's default",
        '<MetaData><OCD id="o"><AD id="a" type="String" cardinality="9"'
        ' default="  a\\,b,b\\,c,\\ c\\\\,d   "/></OCD></MetaData>',
        {"default_value": ("a,b", "b,c", " c\\", "d")},
    ),
    Habit(
        "bounds of a text are lengths",
        '<MetaData><OCD id="o"><AD id="a" type="String" min="2" max="3" default="abcd"/></OCD></MetaData>',
        {"min": "2", "max": "3", "default_value": None},
        warnings=1,
    ),
    Habit(
        "a localization that names no file",
        '<MetaData localization="en_us"><OCD id="o"><AD id="a" type="String"/></OCD></MetaData>',
    ),
    Habit(
        "a hint for a text area",
        '<MetaData><OCD id="o"><AD id="a" type="String" description="d|textarea"/></OCD></MetaData>',
        {"is_text_area": True, "shown_description": "d", "description": "d|textarea"},
    ),
    Habit(
        "an OCD without AD beside others, which is legal since 1.3",
        f'<MetaData xmlns="{V}3.0"><OCD id="e"/><OCD id="o"><AD id="a" type="String"/></OCD></MetaData>',
    ),
    Habit(
        "values preset in an Object",
        '<MetaData><OCD id="o"><AD id="a" type="String"/></OCD><Designate pid="p"><Object ocdref="o">'
        '<Attribute adref="a" content="x"><Value>x</Value></Attribute></Object></Designate></MetaData>',
        warnings=1,
    ),
]


@pytest.mark.parametrize("habit", HABITS, ids=lambda habit: habit.what)
@pytest.mark.parametrize("form", ["{}", "\ufeff{}", '<?xml version="1.0" encoding="UTF-8"?>\r\n{}\r\n'])
def test_a_habit_is_read_and_written_back_as_1_4_that_reads_to_the_same(habit: Habit, form: str) -> None:
    metadata = metatype.loads(form.format(habit.document).encode())
    attribute = metadata.object_classes["o"].attributes["a"]
    assert {name: getattr(attribute, name) for name in habit.attribute} == habit.attribute
    assert len(metadata.warnings) == habit.warnings
    written = metatype.dumps(metadata)
    assert f'xmlns:metatype="{V}4.0"' in written
    assert metatype.loads(written) == metadata


@pytest.mark.parametrize(
    ("designate", "pids"),
    [
        ('<Designate pid="p" factoryPid="f"><Object ocdref="o"/></Designate>', (None, "f")),
        ('<Designate pid="p" factoryPid=""><Object ocdref="o"/></Designate>', ("p", None)),
        ('<Designate><Object ocdref="o"/></Designate>', None),
        ('<Designate pid="p"/>', None),
        ('<Designate pid="p"><Object ocdref="x"/></Designate>', None),
        ('<Designate pid="p"><Object/></Designate>', None),
    ],
)
def test_a_designate_that_cannot_be_used_leaves_the_rest_standing(
    designate: str, pids: tuple[str | None, str | None] | None
) -> None:
    good = '<Designate pid="good"><Object ocdref="o"/></Designate>'
    metadata = metatype.loads(f'<MetaData>{designate}<OCD id="o"/>{good}</MetaData>')
    found = [(one.pid, one.factory_pid) for one in metadata.designates]
    assert found == [*([] if pids is None else [pids]), ("good", None)]
    assert len(metadata.warnings) == (pids is None)


@pytest.mark.parametrize(
    "document",
    ["", "\x7fELF", "PK\x03\x04", "key=value\n", "<html><body>404</body></html>", "<MetaData><OCD", "null", '"x"'],
)
def test_what_is_no_descriptor_gets_an_error_with_file_and_line(document: str) -> None:
    with pytest.raises(MetatypeError) as error:
        metatype.loads(document, source="x.xml")
    assert (error.value.source, error.value.line) == ("x.xml", 1)
    assert str(error.value).startswith("x.xml:1:")
