"""`keystore list` and `keystore show`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from components.keystore.commands import schemas
from components.keystore.commands.finding import (
    VALUES,
    alias_arguments,
    entry_of,
    keystore_named,
    keystore_of,
    keystores,
)
from components.keystore.description import describe_certificate, describe_entry
from components.keystore.entries import PrivateKeyEntry, SecretKeyEntry
from components.keystore.errors import KeystoreError
from framework.admin import Answer, Command, CommandError
from framework.admin.rendering import printable

if TYPE_CHECKING:
    import argparse

    from components.keystore.contract import KeystoreService
    from components.keystore.entries import Entry
    from framework.admin import Invocation


def list_keystores(invocation: Invocation) -> Answer:
    """Show the entries of one keystore, or of all."""
    wanted: str | None = invocation.options.keystore
    services = keystores(invocation.gateway)
    if wanted is not None:
        services = {wanted: keystore_named(services, wanted)}
    described = [_describe(name, service) for name, service in services.items()]
    failed = any(each["error"] for each in described)
    text = "\n".join(line for each in described for line in _lines(each))
    return Answer({"keystores": described}, printable(text) or "no keystore is active", 1 if failed else 0)


def show_entry(invocation: Invocation) -> Answer:
    """Show an entry with all its certificates; never the key."""
    options = invocation.options
    try:
        entry = entry_of(keystore_of(invocation), options.keystore, options.alias)
    except KeystoreError as error:
        raise CommandError(str(error)) from error
    chain = [_certificate(one) for one in _chain(entry)]
    data = {**describe_entry(options.alias, entry), "keystore": options.keystore, "chain": chain}
    lines = [f"{options.alias} ({_kind(data)})"]
    for number, one in enumerate(chain):
        lines += [
            f"certificate {number}",
            *(f"  {name.replace('_', ' '):<10}  {value}" for name, value in one.items() if isinstance(value, str)),
            *(f"  {'extension':<10}  {extension}" for extension in one["extensions"]),
        ]
    return Answer(data, printable("\n".join(line for line in lines if "pem  " not in line)))


def _describe(name: str, keystore: KeystoreService) -> dict[str, Any]:
    try:
        entries = [describe_entry(alias, entry) for alias, entry in keystore.entries().items()]
        error = None
    except KeystoreError as failure:
        entries, error = [], str(failure)
    return {"keystore": name, "entries": entries, "error": error}


def _lines(described: dict[str, Any]) -> list[str]:
    if described["error"]:
        return [f"{described['keystore']}: {described['error']}"]
    lines = [f"{described['keystore']}: {len(described['entries'])} entries"]
    for entry in described["entries"]:
        lines.append(f"  {entry['alias']} ({_kind(entry)})")
        certificate = entry["certificate"]
        if certificate is not None:
            lines += [
                f"    subject {certificate['subject']}",
                f"    issuer  {certificate['issuer']}",
                f"    valid   {certificate['not_before']} to {certificate['not_after']}",
                f"    sha256  {certificate['sha256']}",
            ]
    return lines


def _kind(entry: dict[str, Any]) -> str:
    kind = entry["kind"].replace("-", " ")
    return f"{kind}, {entry['key']}" if "key" in entry else kind


def _chain(entry: Entry) -> tuple[x509.Certificate, ...]:
    if isinstance(entry, SecretKeyEntry):
        return ()
    return entry.chain if isinstance(entry, PrivateKeyEntry) else (entry.certificate,)


def _certificate(certificate: x509.Certificate) -> dict[str, Any]:
    return {
        **describe_certificate(certificate),
        "extensions": _extensions(certificate),
        "pem": certificate.public_bytes(Encoding.PEM).decode(),
    }


def _extensions(certificate: x509.Certificate) -> list[str]:
    """The names of the extensions, with what matters to people of some; a certificate may be kept and yet be odd."""
    try:
        extensions = list(certificate.extensions)
    except (ValueError, TypeError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        return [f"(unreadable: {error})"]
    shown = []
    for one in extensions:
        name = one.oid._name if one.oid._name != "Unknown OID" else one.oid.dotted_string  # noqa: SLF001  # its only name
        what = ""
        if isinstance(one.value, x509.SubjectAlternativeName):
            what = ": " + ", ".join(str(each.value) for each in one.value)
        elif isinstance(one.value, x509.BasicConstraints):
            what = f": CA {str(one.value.ca).lower()}"
        elif isinstance(one.value, x509.ExtendedKeyUsage):
            what = ": " + ", ".join(each._name for each in one.value)  # noqa: SLF001  # as above
        shown.append(f"{name}{' (critical)' if one.critical else ''}{what}")
    return shown


def _list_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("keystore", nargs="?", metavar="KEYSTORE", help="its kura.service.pid (default: all)")


COMMANDS = (
    Command(
        path=("keystore", "list"),
        help="show the entries of keystores",
        run=list_keystores,
        arguments=_list_arguments,
        examples=("gatewright keystore list", "gatewright keystore list EnrollmentKeystore"),
        exit_statuses={1: "a keystore does not exist, or cannot be read"},
        values=VALUES,
        diagnostic=(),
        schema=schemas.listed,
    ),
    Command(
        path=("keystore", "show"),
        help="show an entry with its certificates in all their parts, and never its key",
        run=show_entry,
        arguments=alias_arguments,
        examples=("gatewright keystore show EnrollmentKeystore scep-enrolled-key-pair",),
        exit_statuses={1: "there is no such entry, or it cannot be read"},
        values=VALUES,
        schema=schemas.shown,
    ),
)
