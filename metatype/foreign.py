"""Elements that the OSGi schema leaves to others, kept as text that stands for itself wherever it is put."""

from __future__ import annotations

from typing import Final
from xml.parsers import expat

from metatype.errors import MetatypeError
from metatype.limits import DEEPEST, LARGEST, LONGEST_NAMESPACE, MOST_ATTRIBUTES, MOST_ELEMENTS
from metatype.names import NAMESPACES, OSGI_ELEMENTS, XML_NAMESPACE

_IN_TEXT: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})
_IN_ATTRIBUTE: Final = _IN_TEXT | str.maketrans({'"': "&quot;", "\n": "&#10;", "\t": "&#9;"})


def is_foreign(namespace: str, local: str) -> bool:
    """Whether an element is none of OSGi's: of another namespace, or of an unknown name."""
    return (bool(namespace) and namespace not in NAMESPACES) or local not in OSGI_ELEMENTS


class ElementText:
    """Makes the text of one element of what expat tells: each namespace declared where it is used."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._open: list[tuple[str, str]] = []
        self._is_started = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        self._finish_start()
        namespace, _, local = name.rpartition(" ")
        outer = self._open[-1][0] if self._open else ""
        self._parts.append(f"<{local}")
        if namespace != outer:
            self._attribute("xmlns", namespace)
        prefixes: dict[str, str] = {XML_NAMESPACE: "xml"}
        for key, value in attributes.items():
            space, _, plain = key.rpartition(" ")
            if space and space not in prefixes:
                prefixes[space] = f"a{len(prefixes)}"
                self._attribute(f"xmlns:{prefixes[space]}", space)
            self._attribute(f"{prefixes[space]}:{plain}" if space else plain, value)
        self._open.append((namespace, local))
        self._is_started = True

    def text(self, text: str) -> None:
        """Text within it."""
        self._finish_start()
        self._parts.append(text.translate(_IN_TEXT))

    def end(self) -> str | None:
        """An element ends; the whole text if it is the outermost."""
        _, local = self._open.pop()
        self._parts.append("/>" if self._is_started else f"</{local}>")
        self._is_started = False
        return None if self._open else "".join(self._parts)

    def _finish_start(self) -> None:
        if self._is_started:
            self._parts.append(">")
            self._is_started = False

    def _attribute(self, name: str, value: str) -> None:
        self._parts.append(f' {name}="{value.translate(_IN_ATTRIBUTE)}"')


def canonical(text: str, *, inside: int) -> str:
    """A foreign element's text in the one form that a model has.

    Args:
        text: One element, well formed, with all namespaces that it uses.
        inside: How many elements it is to stand in.

    Raises:
        MetatypeError: It is none, is one of OSGi's, or is larger or deeper than a descriptor may be.
    """
    return _Reader(inside).read(text)


class _Reader:
    def __init__(self, inside: int) -> None:
        self._inside = inside
        self._depth = 0
        self._elements = 0
        self._text = ElementText()
        self._read: str | None = None
        self._parser = expat.ParserCreate("utf-8", namespace_separator=" ")
        self._parser.buffer_text = True
        self._parser.StartNamespaceDeclHandler = self._namespace
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters

    def read(self, text: str) -> str:
        document = f"<x>{text.strip()}</x>".encode("utf-8", "surrogatepass")
        if len(document) > LARGEST:
            raise MetatypeError(f"an extra element is larger than {LARGEST} bytes")
        try:
            self._parser.Parse(document, True)
        except expat.ExpatError as error:
            raise MetatypeError(f"an extra element is no well-formed XML: {expat.ErrorString(error.code)}") from None
        if self._read is None:
            raise MetatypeError("an extra element has no element in it")
        return self._read

    def _namespace(self, _prefix: str | None, uri: str | None) -> None:
        if uri is not None and len(uri) > LONGEST_NAMESPACE:
            raise MetatypeError(f"an extra element has a namespace of more than {LONGEST_NAMESPACE} characters")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        self._elements += 1
        if self._depth == 1:
            return
        namespace, _, local = name.rpartition(" ")
        if self._depth == 2 and not is_foreign(namespace, local):
            raise MetatypeError(f"an extra element is OSGi's own {local}")
        if self._depth == 2 and self._read is not None:
            raise MetatypeError("an extra element is more than one element")
        if self._inside + self._depth - 1 > DEEPEST:
            raise MetatypeError(f"an extra element nests deeper than {DEEPEST} elements")
        if self._elements > MOST_ELEMENTS or len(attributes) > MOST_ATTRIBUTES:
            raise MetatypeError(
                f"an extra element has more than {MOST_ELEMENTS} elements or {MOST_ATTRIBUTES} attributes"
            )
        self._text.start(name, attributes)

    def _characters(self, text: str) -> None:
        if self._depth == 1:
            raise MetatypeError("an extra element has text round it")
        self._text.text(text)

    def _end(self, _name: str) -> None:
        self._depth -= 1
        if self._depth:
            self._read = self._text.end() or self._read
