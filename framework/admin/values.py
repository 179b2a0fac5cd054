"""What arguments of commands may be, for shells that complete them; see `Command.values`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from framework.admin.completion import FILE_NAMES
from framework.configuration import ConfigurationError
from framework.configuration.catalogue import STABLE_ID
from framework.configuration.planning import ADMINS_OWN
from metatype import Attribute, AttributeType

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from framework.admin.command import Completing


_IDENTITIES: Final = frozenset({*ADMINS_OWN, STABLE_ID})
"""Properties that a configuration has of itself."""


def configuration_pids(completing: Completing) -> Iterable[str]:
    """The pids of all configurations."""
    return completing.gateway.configuration_admin.pids()


def component_pids(completing: Completing) -> Iterable[str]:
    """The pids of all component configurations."""
    return [one.pid for one in completing.gateway.components()]


def component_names(completing: Completing) -> Iterable[str]:
    """The names of all components, of a factory once."""
    return {one.name for one in completing.gateway.components()}


def plugin_names(completing: Completing) -> Iterable[str]:
    """The names of all plugins that are loaded or in quarantine."""
    plugins = completing.gateway.plugins
    return [*(one.name for one in plugins.plugins), *(one.name for one in plugins.quarantined)]


def property_keys(completing: Completing) -> Iterable[str]:
    """The properties that the pid before may have, or has."""
    return _properties(completing)


def settings(completing: Completing) -> Iterable[str]:
    """What `KEY=VALUE` may become for the pid before: `KEY=`, and behind it what there is to choose from."""
    key, separator, value = completing.word.partition("=")
    properties = _properties(completing)
    if not separator:
        earlier = {one.partition("=")[0] for one in completing.given.get("settings", ())}
        return [f"{name}=" for name, one in properties.items() if name not in earlier or (one and one.cardinality)]
    if value.startswith("@"):
        return [FILE_NAMES]
    attribute = properties.get(key)
    return [] if attribute is None else [f"{key}={choice}" for choice in _choices(attribute)]


def _properties(completing: Completing) -> Mapping[str, Attribute | None]:
    """By their names; None for one that no descriptor tells of."""
    admin = completing.gateway.configuration_admin
    (pid,) = completing.given.get("pid", ())[:1] or ("",)
    try:
        object_class = admin.kind_of(pid).object_class
        present = admin.get(pid).properties if pid in admin.pids() else {}
    except ConfigurationError:
        return {}
    described = {} if object_class is None else object_class.attributes
    return {**dict.fromkeys(present.keys() - _IDENTITIES), **described}


def _choices(attribute: Attribute) -> Iterator[str]:
    if attribute.is_password:
        yield from ("@", "-")
    elif attribute.options:
        yield from (option.value for option in attribute.options)
    elif attribute.type is AttributeType.BOOLEAN:
        yield from ("true", "false")
