"""Keystores and entries by the names that commands are given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.keystore.contract import KeystoreService
from components.keystore.errors import KeystoreError
from components.keystore.guard import guarded
from framework.admin import CommandError
from metatype import Secret

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from components.keystore.entries import Entry
    from framework.admin import Completing, GatewayView, Invocation


def keystores(gateway: GatewayView) -> dict[str, KeystoreService]:
    """The active keystores by `kura.service.pid`; of several with the same one, that which is bound first."""
    found: dict[str, KeystoreService] = {}
    for reference in gateway.registry.find_all(KeystoreService):
        service = gateway.registry.get(reference)
        name = str(reference.properties.get("kura.service.pid", reference.id))
        if isinstance(service, KeystoreService):
            found.setdefault(name, guarded(service, name, gateway.clock))
    return dict(sorted(found.items()))


def keystore_of(invocation: Invocation) -> KeystoreService:
    """The keystore that the command names."""
    return keystore_named(keystores(invocation.gateway), invocation.options.keystore)


def keystore_named(services: dict[str, KeystoreService], name: str) -> KeystoreService:
    """The keystore of that name; CommandError if none is active."""
    if name in services:
        return services[name]
    active = ", ".join(services) or "none"
    raise CommandError(f"no keystore {name!r} is active (active: {active}); `explain PID` tells why one is not")


def entry_of(keystore: KeystoreService, name: str, alias: str) -> Entry:
    """The entry of that alias; CommandError if there is none."""
    entry = keystore.get(alias)
    if entry is None:
        aliases = ", ".join(keystore.aliases()) or "nothing"
        raise CommandError(f"{name} has no entry {alias!r}; it has {aliases}")
    return entry


def password_of(invocation: Invocation) -> Secret | None:
    """The content of the file that `--password-file` names, without its line end; `-` for standard input."""
    path: str | None = invocation.options.password_file
    if path is None:
        return None
    try:
        text = invocation.read_input(path, secret=True).decode("utf-8")
    except UnicodeDecodeError:
        raise CommandError(f"{path} is not encoded in UTF-8") from None
    return Secret(text.removesuffix("\n").removesuffix("\r"))


def keystore_argument(parser: argparse.ArgumentParser) -> None:
    """Which keystore."""
    parser.add_argument("keystore", metavar="KEYSTORE", help="its kura.service.pid")


def alias_arguments(parser: argparse.ArgumentParser) -> None:
    """Which entry of which keystore."""
    keystore_argument(parser)
    parser.add_argument("alias", metavar="ALIAS", help="the entry's alias")


def password_argument(parser: argparse.ArgumentParser, what: str) -> None:
    """Where a password is read from; never what it is."""
    parser.add_argument("--password-file", metavar="FILE", help=f"{what}; - for standard input")


def keystore_names(completing: Completing) -> Iterable[str]:
    """The names of all active keystores, for shells."""
    return keystores(completing.gateway)


def aliases(completing: Completing) -> Iterable[str]:
    """The aliases of the keystore before, for shells."""
    (name,) = completing.given.get("keystore", ())[:1] or ("",)
    keystore = keystores(completing.gateway).get(name)
    try:
        return () if keystore is None else keystore.aliases()
    except KeystoreError:
        return ()


VALUES = {"keystore": keystore_names, "alias": aliases}
"""What shells may complete the arguments here to."""
