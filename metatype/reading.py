"""What reading a descriptor decides in either notation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from metatype.validation import default_problem, limit
from metatype.values import AttributeType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from metatype.model import Attribute


_TYPES: Final = {kind.value.lower(): kind for kind in AttributeType} | {"char": AttributeType.CHARACTER}


def type_named(name: str) -> AttributeType | None:
    """The type of a name in any case, `Char` being the Character of old; None if there is none."""
    return _TYPES.get(name.strip().lower())


def cardinality_read(cardinality: int, *, kura_style: bool) -> int:
    """The cardinality that is meant: Kura takes 1 and -1 for scalars, OSGi for lists of at most one."""
    return 0 if kura_style and cardinality in (1, -1) else cardinality


def attribute_warnings(attribute: Attribute) -> Iterator[tuple[str, str]]:
    """What an attribute says in vain, as pairs of the field's name and a message."""
    for name, bound in (("min", attribute.min), ("max", attribute.max)):
        if bound is not None and limit(attribute, bound) is None:
            yield (
                name,
                f"the {name} of {attribute.id!r} bounds no {attribute.type.value} and is ignored: {bound!r}",
            )
    if attribute.format is not None and not attribute.type.is_text:
        yield "format", f"the format of {attribute.id!r} is one of texts, and ignored for {attribute.type.value}"
    problem = default_problem(attribute)
    if problem is not None:
        yield "default", f"the default of {attribute.id!r} is ignored: it {problem}"
