"""`keystore export` and `keystore import`: entries out and in, as PEM and PKCS #12."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from components.keystore.commands import schemas
from components.keystore.commands.finding import (
    VALUES,
    alias_arguments,
    entry_of,
    keystore_argument,
    keystore_of,
    password_argument,
    password_of,
)
from components.keystore.description import describe_entry
from components.keystore.entries import Entry, PrivateKeyEntry, SecretKeyEntry
from components.keystore.errors import KeystoreError
from framework.admin import Answer, Command, CommandError, OutputFile, UsageError

if TYPE_CHECKING:
    import argparse

    from components.keystore.contract import KeystoreService
    from components.keystore.formats import Material
    from framework.admin import Invocation

PEM: Final = "pem"
PKCS12: Final = "pkcs12"


def export_entry(invocation: Invocation) -> Answer:
    """Hand out an entry: its certificates, on demand with the private key."""
    options = invocation.options
    try:
        entry = entry_of(keystore_of(invocation), options.keystore, options.alias)
        content = _pkcs12(invocation, entry) if options.format == PKCS12 else _pem(invocation, entry)
    except KeystoreError as error:
        raise CommandError(str(error)) from error
    what = "certificates and the private key" if options.with_key else "certificates"
    return Answer(
        {**describe_entry(options.alias, entry), "file": options.output, "with_key": options.with_key},
        f"wrote the {what} of {options.alias} to {options.output}",
        files=(OutputFile(options.output, content, 0o600 if options.with_key else 0o644),),
    )


def import_entries(invocation: Invocation) -> Answer:
    """Store what files hold."""
    from components.keystore.formats import read_material  # noqa: PLC0415  # only an import needs every format

    options = invocation.options
    if options.alias is None and not options.all and options.entry is None:
        raise UsageError("name the alias with --alias ALIAS, or take all entries of a PKCS #12 file with --all")
    if options.all and options.entry is not None:
        raise UsageError("take one entry with --entry NAME, or all of them with --all")
    try:
        keystore = keystore_of(invocation)
        files = [(path, invocation.read_input(path)) for path in options.files]
        material = read_material(files, password_of(invocation))
        entries = _entries(keystore, material, options)
        _refuse_to_replace(keystore, entries, replace=options.replace)
        with keystore.edit() as edit:
            for alias, entry in entries.items():
                edit.set(alias, entry)
    except KeystoreError as error:
        raise CommandError(str(error)) from error
    described = [describe_entry(alias, entry) for alias, entry in entries.items()]
    lines = [f"stored {one['alias']} ({one['kind']}) in {options.keystore}" for one in described]
    lines += [f"left out: {one}" for one in material.left_out]
    data = {"keystore": options.keystore, "entries": described, "left_out": material.left_out}
    return Answer(data, "\n".join(lines))


def _entries(keystore: KeystoreService, material: Material, options: argparse.Namespace) -> dict[str, Entry]:
    """What is to be stored: several entries, or one; certificates of a key that is there go with it."""
    from components.keystore import formats  # noqa: PLC0415  # as above

    alias = options.alias
    if options.all:
        return formats.all_entries(material) if alias is None else formats.numbered_certificates(material, alias)
    if options.entry is not None:
        return {alias or options.entry: formats.entry_named(material, options.entry)}
    if material.certificates and not material.keys and not material.entries:
        present = keystore.get(alias)
        if isinstance(present, PrivateKeyEntry):
            return {alias: formats.certified(present, material.certificates)}
    return {alias: formats.entry_of(material)}


def _refuse_to_replace(keystore: KeystoreService, entries: dict[str, Entry], *, replace: bool) -> None:
    if replace:
        return
    for alias, entry in entries.items():
        present = keystore.get(alias)
        same_key = (
            isinstance(present, PrivateKeyEntry)
            and isinstance(entry, PrivateKeyEntry)
            and present.key.public_key == entry.key.public_key
        )
        if present is not None and present != entry and not same_key:
            raise CommandError(f"there is an entry {alias!r} already; replace it with --replace")


def _pem(invocation: Invocation, entry: Entry) -> bytes:
    if isinstance(entry, SecretKeyEntry):
        raise CommandError("it is a secret key and has no certificate; export it with --format pkcs12")
    chain = entry.chain if isinstance(entry, PrivateKeyEntry) else (entry.certificate,)
    content = b"".join(certificate.public_bytes(Encoding.PEM) for certificate in chain)
    if not invocation.options.with_key:
        return content
    return content + _key_of(invocation, entry).key.export().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )


def _pkcs12(invocation: Invocation, entry: Entry) -> bytes:
    from components.keystore.filesystem import encode_pkcs12  # noqa: PLC0415  # only who wants one pays for it

    password = password_of(invocation)
    if not password:
        raise UsageError("a PKCS #12 file needs a password: give it with --password-file FILE")
    if isinstance(entry, SecretKeyEntry | PrivateKeyEntry) and not invocation.options.with_key:
        raise UsageError("a PKCS #12 file of this entry holds its key: say so with --with-key")
    return encode_pkcs12({invocation.options.alias: entry}, password)


def _key_of(invocation: Invocation, entry: Entry) -> PrivateKeyEntry:
    if not isinstance(entry, PrivateKeyEntry):
        alias = invocation.options.alias
        raise CommandError(f"{alias} is a trusted certificate and has no private key; leave out --with-key")
    return entry


def _export_arguments(parser: argparse.ArgumentParser) -> None:
    alias_arguments(parser)
    parser.add_argument("--with-key", action="store_true", help="add the private key, to a file of mode 0600")
    parser.add_argument("--format", choices=[PEM, PKCS12], default=PEM, help="default: pem, with the key as PKCS #8")
    password_argument(parser, "the password of the PKCS #12 file")
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="the file to write")


def _import_arguments(parser: argparse.ArgumentParser) -> None:
    keystore_argument(parser)
    parser.add_argument("files", nargs="+", metavar="FILE", help="PEM, DER, PKCS #7 or PKCS #12, in any order")
    parser.add_argument("--alias", metavar="ALIAS", help="what to store the one entry under that they make")
    parser.add_argument(
        "--entry", metavar="NAME", help="of PKCS #12 files take that entry only, as ALIAS or its own name"
    )
    parser.add_argument(
        "--all",
        action="store_true",
        help="store all entries of PKCS #12 files under their own names, or all certificates of a bundle as ALIAS-1, "
        "ALIAS-2 and on",
    )
    password_argument(parser, "the password of what is encrypted among them")
    parser.add_argument("--replace", action="store_true", help="replace what is there under the same alias")


COMMANDS = (
    Command(
        path=("keystore", "export"),
        help="write an entry's certificates, own first, on demand with its key, to a file",
        run=export_entry,
        arguments=_export_arguments,
        examples=(
            "gatewright keystore export EnrollmentKeystore scep-enrolled-key-pair --with-key -o gateway.pem",
            "gatewright keystore export EnrollmentKeystore gateway --with-key --format pkcs12 --password-file p -o g",
        ),
        exit_statuses={1: "there is no such entry, or it cannot be exported"},
        values=VALUES,
        schema=schemas.exported,
    ),
    Command(
        path=("keystore", "import"),
        help="store a key with its chain, a certificate, or the certificates of a key that is there, from files",
        run=import_entries,
        arguments=_import_arguments,
        examples=(
            "gatewright keystore import EnrollmentKeystore ca.pem --alias company-ca",
            "gatewright keystore import EnrollmentKeystore key.pem chain.pem --alias gateway",
            "gatewright keystore import EnrollmentKeystore old.p12 --all --password-file password.txt",
            "gatewright keystore import EnrollmentKeystore old.p12 --entry device --password-file password.txt",
            "gatewright keystore import EnrollmentKeystore bundle.pem --all --alias company-ca",
        ),
        exit_statuses={1: "a file cannot be read, or the keystore does not take it; nothing was stored"},
        values=VALUES,
        schema=schemas.imported,
    ),
)
