"""Translations of a descriptor's texts, from Java properties files (Compendium R8 105.5.7, Core R8 3.11)."""

from __future__ import annotations

import codecs
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, overload

from metatype.errors import MetatypeError
from metatype.limits import LARGEST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from metatype.model import Attribute, MetaData, ObjectClass, Option

DEFAULT_LOCALIZATION: Final = "OSGI-INF/l10n/bundle"
"""The base name of the files where a descriptor names none."""

_ROOTS_ABOVE: Final = 2  # a bundle keeps descriptors in OSGI-INF/metatype, and names files from its root
_LINE_END: Final = re.compile(r"\r\n|\r|\n")
_SEPARATOR: Final = re.compile(r"[ \t\f]*[=:]?[ \t\f]*")
_KEY: Final = re.compile(r"(?:\\.|[^\\=: \t\f])*", re.DOTALL)
_ESCAPE: Final = re.compile(r"\\(u[0-9A-Fa-f]{4}|.)", re.DOTALL)
_CONTROLS: Final = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}
_BLANKS: Final = " \t\f"
_LOCALE: Final = re.compile(r"[A-Za-z]{2,8}(?:[_-][A-Za-z0-9]{1,8}){0,4}")


def parse_properties(data: bytes, source: str = "<properties>") -> dict[str, str]:
    r"""The keys and values of a properties file, read as Java reads it.

    A file that is UTF-8 is read so, any other as ISO-8859-1; `\uXXXX` is known in both. Of equal keys the last
    one counts.

    Raises:
        MetatypeError: It is too large, or has a `\u` without four hexadecimal digits; with the line.
    """
    if len(data) > LARGEST:
        raise MetatypeError(f"is larger than {LARGEST} bytes", source=source)
    try:
        text = data.removeprefix(codecs.BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("iso-8859-1")
    found: dict[str, str] = {}
    for number, line in _logical_lines(text):
        key = _KEY.match(line)
        end = 0 if key is None else key.end()
        separator = _SEPARATOR.match(line, end)
        value = line[end if separator is None else separator.end() :]
        found[_unescaped(line[:end], source, number)] = _unescaped(value, source, number)
    return found


def read_translations(
    localization: str | None, read: Callable[[str], bytes | None], locale: str = ""
) -> Mapping[str, str]:
    """The translations for a locale: those of `du_NL` before those of `du` before those of the base file.

    Args:
        localization: What `MetaData.localization` says. A name that leads out of the descriptor's place is
            taken for that of no file.
        read: Gives the content of a file by its name relative to the descriptor's place, None if there is none.
        locale: Such as `du_NL`, `du-NL` or `du_NL.UTF-8`; "" for the base file alone.

    Raises:
        MetatypeError: `locale` is none, or a file is wrong.
    """
    base = DEFAULT_LOCALIZATION if localization is None else localization
    if base.startswith("/") or "\\" in base or "\0" in base or ".." in base.split("/"):
        return {}
    found: dict[str, str] = {}
    for suffix in reversed([*_suffixes(locale), ""]):
        name = f"{base}{suffix}.properties"
        content = read(name)
        if content is not None:
            found |= parse_properties(content, name)
    return found


def load_translations(metadata: MetaData, descriptor: str | Path, locale: str = "") -> Mapping[str, str]:
    """The translations for a locale from the files beside a descriptor.

    Names are looked up from the descriptor's folder, then from the two above it. A file that does not exist
    has no translations.

    Raises:
        MetatypeError: `locale` is none, or a file is wrong.
        OSError: A file cannot be read.
    """
    folder = Path(descriptor).resolve().parent
    roots = [folder, *folder.parents[:_ROOTS_ABOVE]]

    def read(name: str) -> bytes | None:
        path = next((root / name for root in roots if (root / name).is_file()), None)
        return None if path is None else path.read_bytes()

    return read_translations(metadata.localization, read, locale)


def localize(metadata: MetaData, translations: Mapping[str, str]) -> MetaData:
    """The descriptor with each text `%key` translated: names, descriptions, labels of options, and icons.

    A key without translation stands for itself, without the `%`.
    """
    to = _Translator(translations)
    return replace(
        metadata,
        object_classes={key: to.object_class(one) for key, one in metadata.object_classes.items()},
    )


def localized_keys(metadata: MetaData) -> Iterator[tuple[str, str]]:
    """The keys that a descriptor wants translated, as pairs of what has the text and the key."""
    for object_class in metadata.object_classes.values():
        texts = [object_class.name, object_class.description, *(icon.resource for icon in object_class.icons)]
        yield from ((object_class.id, text[1:]) for text in texts if text and text.startswith("%"))
        for attribute in object_class.attributes.values():
            texts = [attribute.name, attribute.description, *map(_label, attribute.options)]
            yield from ((attribute.id, text[1:]) for text in texts if text and text.startswith("%"))


class _Translator:
    def __init__(self, translations: Mapping[str, str]) -> None:
        self._translations = translations

    @overload
    def text(self, text: str) -> str: ...
    @overload
    def text(self, text: str | None) -> str | None: ...
    def text(self, text: str | None) -> str | None:
        if text is None or not text.startswith("%"):
            return text
        return self._translations.get(text[1:], text[1:])

    def object_class(self, one: ObjectClass) -> ObjectClass:
        return replace(
            one,
            name=self.text(one.name),
            description=self.text(one.description),
            icons=tuple(replace(icon, resource=self.text(icon.resource)) for icon in one.icons),
            attributes={key: self.attribute(attribute) for key, attribute in one.attributes.items()},
        )

    def attribute(self, one: Attribute) -> Attribute:
        return replace(
            one,
            name=self.text(one.name),
            description=self.text(one.description),
            options=tuple(replace(option, label=self.text(_label(option)) or option.label) for option in one.options),
        )


def _label(option: Option) -> str | None:
    """The label; None if there is none, where the reader put the value, which is nothing to translate."""
    return None if option.label == option.value else option.label


def _suffixes(locale: str) -> Iterator[str]:
    """What stands after the base name, most particular first: `_du_NL`, `_du`."""
    name = re.split("[.@]", locale, maxsplit=1)[0]
    if not locale or name in ("C", "POSIX"):
        return
    if _LOCALE.fullmatch(name) is None:
        raise MetatypeError(f"{locale!r} is no locale; one looks like du or du_NL")
    language, *rest = re.split("[_-]", name)
    parts = [language.lower(), *(part.upper() if len(part) == 2 else part for part in rest)]
    for length in range(len(parts), 0, -1):
        yield "_" + "_".join(parts[:length])


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines that say something, those that a backslash continues joined, each with its first line's number."""
    parts: list[str] = []
    first = 1
    for number, natural in enumerate(_LINE_END.split(text), 1):
        line = natural.lstrip(_BLANKS)
        if not parts:
            if not line or line[0] in "#!":
                continue
            first = number
        if (len(line) - len(line.rstrip("\\"))) % 2:
            parts.append(line[:-1])
            continue
        yield first, "".join([*parts, line])
        parts = []
    if parts:
        yield first, "".join(parts)


def _unescaped(text: str, source: str, line: int) -> str:
    if "\\" not in text:
        return text

    def character(match: re.Match[str]) -> str:
        escaped = match[1]
        if escaped == "u":
            raise MetatypeError(r"has \u without four hexadecimal digits after it", source=source, line=line)
        return chr(int(escaped[1:], 16)) if len(escaped) > 1 else _CONTROLS.get(escaped, escaped)

    # Java writes what needs more than 16 bits as two escapes.
    return _ESCAPE.sub(character, text).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
