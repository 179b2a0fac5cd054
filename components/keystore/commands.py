"""The commands `keystore list` and `keystore export`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from components.keystore.contract import KeystoreService
from components.keystore.description import describe_entry
from components.keystore.entries import Entry, PrivateKeyEntry, SecretKeyEntry
from components.keystore.errors import KeystoreError
from components.keystore.guard import guarded
from framework.admin import Answer, Command, CommandError, OutputFile

if TYPE_CHECKING:
    import argparse

    from framework.admin import Invocation


def list_keystores(invocation: Invocation) -> Answer:
    """Show the entries of one keystore, or of all."""
    wanted: str | None = invocation.options.keystore
    services = _keystores(invocation)
    if wanted is not None:
        services = {wanted: _keystore(services, wanted)}
    keystores = [_describe(name, service) for name, service in services.items()]
    failed = any(each["error"] for each in keystores)
    text = "\n".join(line for each in keystores for line in _lines(each))
    return Answer({"keystores": keystores}, _printable(text) or "no keystore is active", 1 if failed else 0)


def export_entry(invocation: Invocation) -> Answer:
    """Hand out the certificates of an entry in PEM, on demand with the private key."""
    options = invocation.options
    keystore = _keystore(_keystores(invocation), options.keystore)
    try:
        entry = keystore.get(options.alias)
        if entry is None:
            aliases = ", ".join(keystore.aliases()) or "nothing"
            raise CommandError(f"{options.keystore} has no entry {options.alias!r}; it has {aliases}")
        content = _certificates(entry)
        if options.with_key:
            content += _private_key(options.alias, entry)
    except KeystoreError as error:
        raise CommandError(str(error)) from error
    mode = 0o600 if options.with_key else 0o644
    what = "certificates and the private key" if options.with_key else "certificates"
    return Answer(
        {**describe_entry(options.alias, entry), "file": options.output, "with_key": options.with_key},
        f"wrote the {what} of {options.alias} to {options.output}",
        files=(OutputFile(options.output, content, mode),),
    )


def _list_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("keystore", nargs="?", metavar="KEYSTORE", help="its kura.service.pid; all if left out")


def _export_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("keystore", metavar="KEYSTORE", help="its kura.service.pid")
    parser.add_argument("alias", metavar="ALIAS", help="the entry's alias")
    parser.add_argument("--with-key", action="store_true", help="add the private key (PKCS #8, not encrypted)")
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="the file to write")


COMMANDS = (
    Command(
        path=("keystore", "list"),
        help="show the entries of keystores",
        run=list_keystores,
        arguments=_list_arguments,
        examples=("gatewright keystore list", "gatewright keystore list EnrollmentKeystore"),
        exit_statuses={1: "a keystore does not exist, or cannot be read"},
        diagnostic=(),
    ),
    Command(
        path=("keystore", "export"),
        help="write an entry's certificates, own first, to a PEM file",
        run=export_entry,
        arguments=_export_arguments,
        examples=("gatewright keystore export EnrollmentKeystore scep-enrolled-key-pair --with-key -o gateway.pem",),
        exit_statuses={1: "there is no such entry, or it cannot be exported"},
    ),
)


def _keystores(invocation: Invocation) -> dict[str, KeystoreService]:
    """The active keystores by `kura.service.pid`; of several with the same one, that which is bound first."""
    registry = invocation.gateway.registry
    found: dict[str, KeystoreService] = {}
    for reference in registry.find_all(KeystoreService):
        service = registry.get(reference)
        name = str(reference.properties.get("kura.service.pid", reference.id))
        if isinstance(service, KeystoreService):
            found.setdefault(name, guarded(service, name, invocation.gateway.clock))
    return dict(sorted(found.items()))


def _keystore(services: dict[str, KeystoreService], name: str) -> KeystoreService:
    if name in services:
        return services[name]
    active = ", ".join(services) or "none"
    raise CommandError(f"no keystore {name!r} is active (active: {active}); `explain PID` tells why one is not")


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
        kind = f"private key, {entry['key']}" if entry["kind"] == "private-key" else "trusted certificate"
        certificate = entry["certificate"]
        lines += [
            f"  {entry['alias']} ({kind})",
            f"    subject {certificate['subject']}",
            f"    issuer  {certificate['issuer']}",
            f"    valid   {certificate['not_before']} to {certificate['not_after']}",
            f"    sha256  {certificate['sha256']}",
        ]
    return lines


def _printable(text: str) -> str:
    """The text without what a certificate's names could do to a terminal."""
    return "".join(character if character.isprintable() or character == "\n" else "\ufffd" for character in text)


def _certificates(entry: Entry) -> bytes:
    if isinstance(entry, SecretKeyEntry):
        raise CommandError("it is a secret key and has no certificate")
    chain = entry.chain if isinstance(entry, PrivateKeyEntry) else (entry.certificate,)
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in chain)


def _private_key(alias: str, entry: Entry) -> bytes:
    if not isinstance(entry, PrivateKeyEntry):
        raise CommandError(f"{alias} is a trusted certificate and has no private key; leave out --with-key")
    return entry.key.export().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
