"""Translations from properties files: how Java writes them, and which file counts for which locale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

import metatype
from metatype import MetatypeError

if TYPE_CHECKING:
    from pathlib import Path

DESCRIPTOR: Final = """<MetaData localization="l10n/x">
  <OCD id="o" name="%name" description="%description">
    <Icon resource="%icon"/>
    <AD id="a" type="String" name="%a.name" description="%a.description">
      <Option value="1" label="%one"/><Option value="%two"/>
    </AD>
    <AD id="b" type="String" name="100% plain"/>
  </OCD>
</MetaData>"""


@dataclass(frozen=True)
class File:
    what: str
    content: bytes
    read: dict[str, str]


@pytest.mark.parametrize(
    "case",
    [
        File("the three separators", b"a=1\nb:2\nc 3\nd\t=\t4\ne  :  5", dict(zip("abcde", "12345", strict=True))),
        File("only the first separator counts", b"a==1\nb=:2\nc : = 3", {"a": "=1", "b": ":2", "c": "= 3"}),
        File("blanks at the end stay", b"a = 1 \t", {"a": "1 \t"}),
        File("no value", b"a\nb=\n", {"a": "", "b": ""}),
        File("comments and blank lines", b"# a=1\n  ! b=2\n\n \t\nc=3 # no comment", {"c": "3 # no comment"}),
        File("line ends of all systems", b"a=1\r\nb=2\rc=3\n", {"a": "1", "b": "2", "c": "3"}),
        File("continuation lines", b"a=1,\\\n   2,\\\r\n\t3\nb=4", {"a": "1,2,3", "b": "4"}),
        File("a continued key", b"a\\\n  b = 1", {"ab": "1"}),
        File("a comment sign in a continuation", b"a=1\\\n#2", {"a": "1#2"}),
        File("an escaped backslash continues nothing", b"a=1\\\\\nb=2", {"a": "1\\", "b": "2"}),
        File("a backslash at the end", b"a=1\\", {"a": "1"}),
        File("escapes", rb"a=\t\n\r\f\\\q\=\:\ ", {"a": "\t\n\r\f\\q=: "}),
        File("escaped separators in keys", rb"a\ b\=c\:d = 1", {"a b=c:d": "1"}),
        File("unicode escapes", rb"a=\u00fc\u20AC\uD83D\uDD11", {"a": "ü€\U0001f511"}),
        File("half of a pair is no character", rb"a=\ud83dx", {"a": "\N{REPLACEMENT CHARACTER}x"}),
        File("ISO-8859-1, as Java wrote", "a=Schlüssel".encode("iso-8859-1"), {"a": "Schlüssel"}),
        File("UTF-8, as Java reads since 9", "a=Schlüssel €".encode(), {"a": "Schlüssel €"}),
        File("UTF-8 with a byte order mark", "\ufeffa=ü".encode(), {"a": "ü"}),
        File("the last of two equal keys counts", b"a=1\na=2", {"a": "2"}),
    ],
    ids=lambda case: case.what,
)
def test_properties_are_read_as_java_reads_them(case: File) -> None:
    assert metatype.parse_properties(case.content) == case.read


def test_a_broken_escape_is_an_error_with_its_line() -> None:
    with pytest.raises(MetatypeError, match="four hexadecimal digits") as error:
        metatype.parse_properties(b"a=1\n\nb=\\\n\\u12\n", "x.properties")
    assert (error.value.source, error.value.line) == ("x.properties", 3)


def test_a_file_larger_than_a_descriptor_may_be_is_refused() -> None:
    with pytest.raises(MetatypeError, match="larger than 1048576"):
        metatype.parse_properties(b"#" * (2**20 + 1))


@given(st.binary() | st.lists(st.sampled_from(["a", "=", "\\", "\n", "\r", " ", "\\u", "00fc", "#"])).map("".join))
def test_whatever_is_read_is_properties_or_a_metatype_error(content: bytes | str) -> None:
    outcome: dict[str, str] | MetatypeError
    try:
        outcome = metatype.parse_properties(content.encode() if isinstance(content, str) else content, "any")
    except MetatypeError as error:
        outcome = error
    assert isinstance(outcome, dict) or (outcome.source, outcome.line is None) == ("any", False)


TEXT: Final = st.text(st.characters(codec="utf-8"))


def as_java_writes(text: str) -> str:
    units = text.encode("utf-16-be")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


@given(st.dictionaries(TEXT, TEXT))
def test_what_java_writes_is_read(translations: dict[str, str]) -> None:
    lines = "".join(f"{as_java_writes(key)}={as_java_writes(value)}\n" for key, value in translations.items())
    assert metatype.parse_properties(lines.encode("ascii")) == translations


def test_name_description_label_and_icon_are_translated_and_a_missing_key_is_itself() -> None:
    translations = {"name": "N", "description": "D", "icon": "i.png", "a.name": "A", "one": "One", "two": "Two"}
    metadata = metatype.localize(metatype.loads(DESCRIPTOR), translations)
    object_class = metadata.object_classes["o"]
    assert (object_class.name, object_class.description, object_class.icons[0].resource) == ("N", "D", "i.png")
    a, b = object_class.attributes.values()
    assert (a.name, a.description, b.name) == ("A", "a.description", "100% plain")
    assert [(option.value, option.label) for option in a.options] == [("1", "One"), ("%two", "%two")]
    assert list(metatype.localized_keys(metatype.loads(DESCRIPTOR))) == [
        ("o", "name"),
        ("o", "description"),
        ("o", "icon"),
        ("a", "a.name"),
        ("a", "a.description"),
        ("a", "one"),
    ]


def test_a_translated_description_may_ask_for_a_text_area() -> None:
    metadata = metatype.localize(metatype.loads(DESCRIPTOR), {"a.description": "Ein Text.|TextArea"})
    attribute = metadata.object_classes["o"].attributes["a"]
    assert (attribute.shown_description, attribute.is_text_area) == ("Ein Text.", True)


@pytest.mark.parametrize(
    ("locale", "found"),
    [
        ("du_NL", {"where": "du_NL", "language": "du", "base": "base"}),
        ("du-nl", {"where": "du_NL", "language": "du", "base": "base"}),
        ("du_NL.UTF-8@euro", {"where": "du_NL", "language": "du", "base": "base"}),
        ("du_NL_POSIX", {"where": "du_NL", "language": "du", "base": "base"}),
        ("du_BE", {"where": "du", "language": "du", "base": "base"}),
        ("fr", {"where": "base", "language": "base", "base": "base"}),
        ("", {"where": "base", "language": "base", "base": "base"}),
        ("C.UTF-8", {"where": "base", "language": "base", "base": "base"}),
    ],
)
def test_the_region_counts_before_the_language_before_the_base(locale: str, found: dict[str, str]) -> None:
    files = {
        "x_du_NL.properties": b"where=du_NL",
        "x_du.properties": b"where=du\nlanguage=du",
        "x.properties": b"where=base\nlanguage=base\nbase=base",
    }
    assert metatype.read_translations("x", files.get, locale) == found


@pytest.mark.parametrize("locale", ["../du", "d", "du/NL", "du_" + "x" * 9, "\0"])
def test_what_is_no_locale_is_refused(locale: str) -> None:
    with pytest.raises(MetatypeError, match="is no locale"):
        metatype.read_translations("x", lambda _: None, locale)


@pytest.mark.parametrize("localization", ["/etc/x", "../x", "a/../../x", "..\\x", "a\0b"])
def test_a_name_that_leads_away_names_no_file(localization: str) -> None:
    assert metatype.read_translations(localization, lambda _: b"a=1") == {}


def test_files_are_found_beside_the_descriptor_and_from_the_root_of_its_bundle(tmp_path: Path) -> None:
    folder = tmp_path / "OSGI-INF" / "metatype"
    folder.mkdir(parents=True)
    metadata = metatype.loads('<MetaData localization="OSGI-INF/l10n/x"/>')
    assert metatype.load_translations(metadata, folder / "x.xml", "du") == {}
    (tmp_path / "OSGI-INF" / "l10n").mkdir()
    (tmp_path / "OSGI-INF" / "l10n" / "x.properties").write_text("a=root\nb=root")
    assert metatype.load_translations(metadata, folder / "x.xml", "du") == {"a": "root", "b": "root"}
    (folder / "OSGI-INF" / "l10n").mkdir(parents=True)
    (folder / "OSGI-INF" / "l10n" / "x_du.properties").write_text("a=beside")
    assert metatype.load_translations(metadata, folder / "x.xml", "du") == {"a": "beside", "b": "root"}


def test_a_descriptor_that_names_no_files_has_osgis_default(tmp_path: Path) -> None:
    (tmp_path / "OSGI-INF" / "l10n").mkdir(parents=True)
    (tmp_path / "OSGI-INF" / "l10n" / "bundle.properties").write_text("a=1")
    assert metatype.load_translations(metatype.loads("<MetaData/>"), tmp_path / "x.xml") == {"a": "1"}


def test_a_localization_that_names_no_file_leaves_the_keys(tmp_path: Path) -> None:
    metadata = metatype.loads('<MetaData localization="en_us"><OCD id="o" name="%n"/></MetaData>')
    translated = metatype.localize(metadata, metatype.load_translations(metadata, tmp_path / "x.xml"))
    assert translated.object_classes["o"].name == "n"
