"""The object class definitions of Kura's REST interface, told in our JSON notation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metatype.reading import type_named

if TYPE_CHECKING:
    from metatype.json_places import Path

_OURS_TO_KURAS = {"attributes": "ad", "options": "option", "icons": "icon"}


class UnknownTypeError(Exception):
    """An attribute has a type that there is not.

    Attributes:
        path: Where it stands.
    """

    def __init__(self, name: str, path: Path) -> None:
        super().__init__(f"the type {name!r} is unknown")
        self.path = path


class KuraDocument:
    """An answer of Kura's: one definition, a configuration with its definition, or several of these.

    Attributes:
        document: The same in our notation; a configuration's pid becomes a designate.
    """

    def __init__(self, answer: dict[str, Any]) -> None:
        self._paths: list[Path] = []
        self._designates: list[dict[str, Any]] = []
        classes = [_object_class(one, path) for path, one in self._definitions(answer)]
        self.document = {"objectClasses": classes, "designates": self._designates}

    @staticmethod
    def is_one(document: object) -> bool:
        """Whether a document is no descriptor in our notation but has the shape of Kura's."""
        return (
            isinstance(document, dict)
            and "objectClasses" not in document
            and not document.keys().isdisjoint(("ad", "definition", "configs", "id"))
        )

    def original_path(self, path: Path) -> Path:
        """Where in Kura's document that stands which has a path in ours."""
        if len(path) < 2 or path[0] != "objectClasses" or not isinstance(path[1], int):
            return ()
        return (*self._paths[path[1]], *(_OURS_TO_KURAS.get(str(part), part) for part in path[2:]))

    def _definitions(self, answer: dict[str, Any]) -> list[tuple[Path, dict[str, Any]]]:
        found: list[tuple[Path, dict[str, Any]]] = []
        configurations: list[tuple[Path, dict[str, Any]]] = []
        if "configs" in answer:
            configurations = [(("configs", index), one) for index, one in enumerate(answer["configs"])]
        elif "definition" in answer:
            configurations = [((), answer)]
        else:
            found.append(((), answer))
        for path, configuration in configurations:
            if configuration.get("definition") is not None:
                found.append(((*path, "definition"), configuration["definition"]))
                if configuration.get("pid"):
                    ocdref = configuration["definition"]["id"]
                    self._designates.append({"pid": configuration["pid"], "ocdref": ocdref})
        self._paths = [path for path, _ in found]
        return found


def _object_class(one: dict[str, Any], path: Path) -> dict[str, Any]:
    icons = one.get("icon") or []
    return _said(
        id=one["id"],
        name=one.get("name"),
        description=one.get("description"),
        icons=[
            _said(resource=icon["resource"], size=None if icon.get("size") is None else int(icon["size"]))
            for icon in (icons if isinstance(icons, list) else [icons])
        ],
        attributes=[_attribute(attribute, (*path, "ad", index)) for index, attribute in enumerate(one.get("ad") or [])],
    )


def _attribute(one: dict[str, Any], path: Path) -> dict[str, Any]:
    kind = type_named(one["type"])
    if kind is None:
        raise UnknownTypeError(one["type"], (*path, "type"))
    return _said(
        id=one["id"],
        type=kind.value,
        name=one.get("name"),
        description=one.get("description"),
        cardinality=one.get("cardinality"),
        required=one.get("isRequired"),
        default=one.get("defaultValue"),
        min=one.get("min"),
        max=one.get("max"),
        options=[_said(value=option["value"], label=option.get("label")) for option in one.get("option") or []],
    )


def _said(**values: Any) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}
