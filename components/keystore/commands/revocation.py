"""`keystore crl list` and `keystore crl refresh`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from components.keystore.commands import schemas
from components.keystore.commands.finding import keystore_names
from components.keystore.crl import CrlRecord, RevocationService
from framework.admin import Answer, Command, CommandError
from framework.admin.rendering import printable

if TYPE_CHECKING:
    import argparse

    from framework.admin import Invocation


def list_crls(invocation: Invocation) -> Answer:
    """Show the CRLs of one keystore, or of all that look after them."""
    described = [
        {"keystore": name, "crls": [_describe(one) for one in service.records()], "problems": list(service.problems())}
        for name, service in _services(invocation).items()
    ]
    text = "\n".join(line for each in described for line in _lines(each))
    troubled = any(each["problems"] for each in described)
    nothing = "no keystore looks after CRLs; crl.management.enabled turns it on"
    return Answer({"keystores": described}, printable(text) or nothing, 1 if troubled else 0)


def refresh_crls(invocation: Invocation) -> Answer:
    """Begin to fetch all CRLs of one keystore, or of all that look after them."""
    services = _services(invocation)
    for service in services.values():
        service.refresh()
    names = ", ".join(services)
    text = f"CRLs are being fetched for {names}" if services else "no keystore looks after CRLs"
    return Answer({"refreshing": list(services)}, printable(text))


def _services(invocation: Invocation) -> dict[str, RevocationService]:
    wanted: str | None = invocation.options.keystore
    registry = invocation.gateway.registry
    found: dict[str, RevocationService] = {}
    for reference in registry.find_all(RevocationService):
        service = registry.get(reference)
        if isinstance(service, RevocationService):
            found.setdefault(str(reference.properties.get("kura.service.pid", reference.id)), service)
    if wanted is None:
        return dict(sorted(found.items()))
    if wanted not in found:
        names = ", ".join(sorted(found)) or "none"
        raise CommandError(
            f"no keystore {wanted!r} looks after CRLs (those that do: {names}); "
            "its property crl.management.enabled turns it on"
        )
    return {wanted: found[wanted]}


def _describe(record: CrlRecord) -> dict[str, Any]:
    return {
        "issuer": record.issuer,
        "number": record.number,
        "this_update": f"{record.this_update:%Y-%m-%dT%H:%M:%SZ}",
        "next_update": None if record.next_update is None else f"{record.next_update:%Y-%m-%dT%H:%M:%SZ}",
        "entries": record.entries,
        "size": record.size,
        "source": record.source,
    }


def _lines(described: dict[str, Any]) -> list[str]:
    lines = [f"{described['keystore']}: {len(described['crls'])} CRLs"]
    for one in described["crls"]:
        number = "" if one["number"] is None else f"number {one['number']}, "
        lines += [
            f"  {one['issuer']}",
            f"    {number}{one['entries']} entries, {one['size']} bytes, from {one['source']}",
            f"    made {one['this_update']}, next {one['next_update'] or 'not said'}",
        ]
    return [*lines, *(f"  problem: {problem}" for problem in described["problems"])]


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("keystore", nargs="?", metavar="KEYSTORE", help="its kura.service.pid (default: all)")


COMMANDS = (
    Command(
        path=("keystore", "crl", "list"),
        help="show the CRLs that keystores keep, and what is wrong with them",
        run=list_crls,
        arguments=_arguments,
        examples=("gatewright keystore crl list",),
        exit_statuses={1: "a CRL is stale or cannot be had, or the keystore looks after none"},
        values={"keystore": keystore_names},
        diagnostic=(),
        schema=schemas.crls,
    ),
    Command(
        path=("keystore", "crl", "refresh"),
        help="begin to fetch all CRLs now",
        run=refresh_crls,
        arguments=_arguments,
        examples=("gatewright keystore crl refresh EnrollmentKeystore",),
        exit_statuses={1: "the keystore looks after no CRLs"},
        values={"keystore": keystore_names},
        schema=schemas.refreshed,
    ),
)
