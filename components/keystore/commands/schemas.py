"""What the `keystore` commands answer with `--json`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from framework.admin.schema import (
    AnswerSchema,
    Schema,
    either,
    flag,
    listing,
    moment,
    nullable,
    record,
    text,
    whole,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_KEYSTORE: Final = text("the keystore's kura.service.pid")
_ALIAS: Final = text("the entry's alias")
_KEY: Final = text("algorithm and size in bits, such as RSA 2048")
_FILE: Final = text("the file that was written")
_CERTIFICATE: Final = {
    "subject": text("its subject (RFC 4514)"),
    "issuer": text("its issuer (RFC 4514)"),
    "serial": text("its serial number, hexadecimal", pattern="^-?[0-9a-f]+$"),
    "not_before": moment("when its validity begins"),
    "not_after": moment("when its validity ends"),
    "sha256": text("its fingerprint", pattern="^[0-9a-f]{64}$"),
}


def _entry(more: Mapping[str, Schema]) -> Schema:
    certificate = record("its own certificate", _CERTIFICATE)
    return either(
        record(
            "a private key with its chain",
            {
                "alias": _ALIAS,
                "kind": {"const": "private-key"},
                "key": _KEY,
                "exportable": flag("whether the key can leave the keystore"),
                "chain_length": whole("how many certificates it has, its own included", 1),
                "certificate": certificate,
                **more,
            },
        ),
        record(
            "a trusted certificate",
            {"alias": _ALIAS, "kind": {"const": "trusted-certificate"}, "certificate": certificate, **more},
        ),
        record(
            "a secret key",
            {"alias": _ALIAS, "kind": {"const": "secret-key"}, "key": _KEY, "certificate": {"type": "null"}, **more},
        ),
    )


def listed() -> AnswerSchema:
    """Of `keystore list`."""
    keystore = {
        "keystore": _KEYSTORE,
        "entries": listing("its entries", _entry({})),
        "error": nullable(text("why it cannot be read")),
    }
    return AnswerSchema(record("keystores", {"keystores": listing("each of them", record("one keystore", keystore))}))


def shown() -> AnswerSchema:
    """Of `keystore show`."""
    certificate = {
        **_CERTIFICATE,
        "extensions": listing("its extensions", text("name, whether it is critical, and what matters of it")),
        "pem": text("the certificate itself (PEM)"),
    }
    chain = listing("all its certificates, its own first", record("one certificate", certificate))
    return AnswerSchema(_entry({"keystore": _KEYSTORE, "chain": chain}))


def exported() -> AnswerSchema:
    """Of `keystore export`."""
    return AnswerSchema(_entry({"file": _FILE, "with_key": flag("whether the private key is in it")}))


def imported() -> AnswerSchema:
    """Of `keystore import`."""
    return AnswerSchema(
        record(
            "what was stored",
            {
                "keystore": _KEYSTORE,
                "entries": listing("the entries as they are now", _entry({})),
                "left_out": listing("what the files have and was not stored, with the reason", text("what, and why")),
            },
        )
    )


def generated() -> AnswerSchema:
    """Of `keystore generate`."""
    generating = record("told before, since it takes time", {"generating": _KEY})
    return AnswerSchema(_entry({"keystore": _KEYSTORE}), piece=generating)


def requested() -> AnswerSchema:
    """Of `keystore csr`."""
    return AnswerSchema(record("the request", {"alias": _ALIAS, "file": _FILE}))


def deleted() -> AnswerSchema:
    """Of `keystore delete`."""
    return AnswerSchema(record("what was deleted", {"keystore": _KEYSTORE, "alias": _ALIAS}))


def crls() -> AnswerSchema:
    """Of `keystore crl list`."""
    crl = {
        "issuer": text("who issued it (RFC 4514)"),
        "number": nullable(whole("its CRL number")),
        "this_update": moment("when it was made"),
        "next_update": nullable(moment("when the next one is made at the latest")),
        "entries": whole("how many certificates it revokes"),
        "size": whole("its length, in bytes"),
        "source": text("where it came from: a URL or a file"),
    }
    keystore = {
        "keystore": _KEYSTORE,
        "crls": listing("its CRLs", record("one CRL", crl)),
        "problems": listing("what is wrong with them", text("one problem")),
    }
    return AnswerSchema(record("keystores", {"keystores": listing("each of them", record("one keystore", keystore))}))


def refreshed() -> AnswerSchema:
    """Of `keystore crl refresh`."""
    return AnswerSchema(record("what was begun", {"refreshing": listing("whose CRLs are being fetched", _KEYSTORE)}))
