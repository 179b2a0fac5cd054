"""`keystore generate`, `keystore csr` and `keystore delete`."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from components.keystore.commands import schemas
from components.keystore.commands.finding import VALUES, alias_arguments, entry_of, keystore_of, password_of
from components.keystore.description import describe_entry
from components.keystore.entries import PrivateKeyEntry
from components.keystore.errors import KeystoreError
from components.keystore.keys import KeyAlgorithm
from components.keystore.names import parse_alternative_name, parse_subject
from framework.admin import Answer, Command, CommandError, OutputFile, UsageError

if TYPE_CHECKING:
    import argparse

    from framework.admin import Invocation

_SIZES = {KeyAlgorithm.RSA: 2048, KeyAlgorithm.EC: 256}
_PEM_LINE = 64


def generate_key_pair(invocation: Invocation) -> Answer:
    """Make a key pair where the keystore keeps it, with a self-signed certificate."""
    options = invocation.options
    algorithm = KeyAlgorithm(options.algorithm)
    size = options.size or _SIZES[algorithm]
    try:
        subject = parse_subject(options.subject)
        keystore = keystore_of(invocation)
        if keystore.get(options.alias) is not None and not options.replace:
            raise CommandError(f"there is an entry {options.alias!r} already; replace it with --replace")
        invocation.emit({"generating": f"{algorithm} {size}"}, f"generating a key pair ({algorithm} {size}) …")
        entry = keystore.generate_key_pair(
            options.alias, algorithm, size, subject=subject, now=invocation.gateway.clock.now()
        )
    except (KeystoreError, ValueError) as error:
        raise CommandError(str(error)) from error
    data = {**describe_entry(options.alias, entry), "keystore": options.keystore}
    return Answer(data, f"{options.alias} in {options.keystore}: {data['key']}, with a self-signed certificate")


def request_certificate(invocation: Invocation) -> Answer:
    """Write a certification request (PKCS #10) for a key that is there."""
    options = invocation.options
    try:
        subject = None if options.subject is None else parse_subject(options.subject)
        names = [parse_alternative_name(text) for text in options.alternative_name]
        challenge = password_of(invocation)
        request = keystore_of(invocation).create_csr(
            options.alias, subject, challenge_password=challenge, subject_alternative_names=names
        )
    except (KeystoreError, ValueError) as error:
        raise CommandError(str(error)) from error
    encoded = base64.b64encode(request).decode()
    lines = [encoded[start : start + _PEM_LINE] for start in range(0, len(encoded), _PEM_LINE)]
    pem = "\n".join(["-----BEGIN CERTIFICATE REQUEST-----", *lines, "-----END CERTIFICATE REQUEST-----", ""])
    # What it is authorized by stands in it in clear.
    mode = 0o600 if challenge else 0o644
    return Answer(
        {"alias": options.alias, "file": options.output},
        f"wrote a certification request for {options.alias} to {options.output}",
        files=(OutputFile(options.output, pem.encode(), mode),),
    )


def delete_entry(invocation: Invocation) -> Answer:
    """Delete an entry; a key only if that was said."""
    options = invocation.options
    try:
        keystore = keystore_of(invocation)
        entry = entry_of(keystore, options.keystore, options.alias)
        if isinstance(entry, PrivateKeyEntry) and not options.with_key:
            raise UsageError(f"{options.alias} has a private key, which would be gone for good: say --with-key")
        keystore.delete(options.alias)
    except KeystoreError as error:
        raise CommandError(str(error)) from error
    return Answer({"keystore": options.keystore, "alias": options.alias}, f"deleted {options.alias}")


def _generate_arguments(parser: argparse.ArgumentParser) -> None:
    alias_arguments(parser)
    parser.add_argument("--subject", required=True, metavar="DN", help="of its self-signed certificate: CN=…,O=…")
    parser.add_argument(
        "--algorithm", choices=[one.value for one in KeyAlgorithm], default=KeyAlgorithm.RSA.value, help="default: RSA"
    )
    parser.add_argument("--size", type=int, metavar="BITS", help="default: 2048 (RSA, 8192 at most), 256 (EC)")
    parser.add_argument("--replace", action="store_true", help="replace what is there under the same alias")


def _csr_arguments(parser: argparse.ArgumentParser) -> None:
    alias_arguments(parser)
    parser.add_argument("--subject", metavar="DN", help="the requested subject (default: that of its certificate)")
    parser.add_argument(
        "--alternative-name",
        action="append",
        default=[],
        metavar="NAME",
        help="DNS:name, IP:address, URI:uri or EMAIL:address; may be given again",
    )
    parser.add_argument(
        "--password-file", metavar="FILE", help="the challenge password, which stands in the request in clear"
    )
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="the file to write (PEM)")


def _delete_arguments(parser: argparse.ArgumentParser) -> None:
    alias_arguments(parser)
    parser.add_argument("--with-key", action="store_true", help="delete it although it has a private key")


COMMANDS = (
    Command(
        path=("keystore", "generate"),
        help="make a key pair where the keystore keeps it, with a self-signed certificate",
        run=generate_key_pair,
        arguments=_generate_arguments,
        examples=("gatewright keystore generate EnrollmentKeystore gateway --subject CN=gateway-17 --size 3072",),
        exit_statuses={1: "the keystore makes no such key, or there is an entry already"},
        values=VALUES,
        schema=schemas.generated,
    ),
    Command(
        path=("keystore", "csr"),
        help="write a certification request (PKCS #10) for a key pair that is there",
        run=request_certificate,
        arguments=_csr_arguments,
        examples=("gatewright keystore csr EnrollmentKeystore gateway --alternative-name DNS:gw-17.example -o gw.csr",),
        exit_statuses={1: "there is no such key pair, or it does not sign"},
        values=VALUES,
        schema=schemas.requested,
    ),
    Command(
        path=("keystore", "delete"),
        help="delete an entry",
        run=delete_entry,
        arguments=_delete_arguments,
        examples=("gatewright keystore delete EnrollmentKeystore company-ca",),
        exit_statuses={1: "there is no such entry, or the keystore does not delete it"},
        values=VALUES,
        schema=schemas.deleted,
    ),
)
