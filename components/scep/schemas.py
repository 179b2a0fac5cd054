"""What the `cert` commands and `scep probe` answer with `--json`."""

from __future__ import annotations

from typing import Final

from components.scep.enrolment import State
from framework.admin.schema import (
    AnswerSchema,
    choice,
    either,
    flag,
    listing,
    moment,
    nullable,
    record,
    text,
    whole,
)

_STATES: Final = (*(one.value for one in State), "expired", "waiting-for-keystore", "unknown", "unsatisfied")
"""All that `cert status` may say; a component that is on its way to another state shows the name of that phase."""

_SHA256: Final = text("the fingerprint of the certificate", pattern="^[0-9a-f]{64}$")
_SUBJECT: Final = text("its subject (RFC 4514)")
_VALIDITY: Final = {
    "not_before": moment("when its validity begins"),
    "not_after": moment("when its validity ends"),
}
_ISSUED: Final = {
    "subject": _SUBJECT,
    "issuer": text("its issuer (RFC 4514)"),
    "serial": text("its serial number, hexadecimal", pattern="^-?[0-9a-f]+$"),
    **_VALIDITY,
    "sha256": _SHA256,
}
_IDENTITY: Final = {
    **_ISSUED,
    "alias": text("its alias in the keystore"),
    "keystore": text("the keystore's kura.service.pid"),
}
_CA_CHECK: Final = nullable(text("what is known of the CA's next certificate"))
_SERVER_URL: Final = nullable(text("where the SCEP server was found"))
_STATUS: Final = record(
    "how the enrolment is",
    {
        "state": text(f"where it is: {', '.join(_STATES)}, or a phase of the component's life"),
        "keystore": nullable(text("the kura.service.pid of the keystore in use")),
        "certificate": nullable(record("the gateway's certificate", _IDENTITY)),
        "last_error": nullable(
            record(
                "why it is not as it should be",
                {
                    "kind": text("the kind of error; stable, for programs"),
                    "message": text("what happened, for people"),
                    "what_to_do": text("what to do about it"),
                    "at": nullable(moment("when it happened")),
                },
            )
        ),
        "next_action": record(
            "what comes next by itself", {"what": text("what"), "at": nullable(moment("when; null: no moment is set"))}
        ),
        "warnings": listing("what is not as good as it should be", text("a warning")),
        "trust": listing(
            "the CA certificates that are trusted", record("one of them", {"subject": _SUBJECT, "sha256": _SHA256})
        ),
        "server_url": _SERVER_URL,
        "checks": listing(
            "the reasons for another certificate, each checked",
            record(
                "one check",
                {
                    "check": text("its name"),
                    "applies": flag("whether it found its reason"),
                    "message": text("what it found"),
                },
            ),
        ),
        "transaction_id": nullable(text("the transaction of the request that is under way")),
        "ca_check": _CA_CHECK,
    },
)
_STEP: Final = record(
    "with --wait: one step", {"state": choice("the state", list(State)), "message": text("what happens")}
)
_ASKED: Final = record("it was asked for, and goes on by itself", {"asked": {"const": True}})


def status() -> AnswerSchema:
    """Of `cert status`."""
    return AnswerSchema(_STATUS, piece=_STEP)


def asked() -> AnswerSchema:
    """Of `cert enroll`, `cert renew` and `cert rekey`."""
    return AnswerSchema(either(_ASKED, _STATUS), piece=_STEP)


def polled() -> AnswerSchema:
    """Of `cert poll`."""
    return AnswerSchema(_ASKED)


def authorities() -> AnswerSchema:
    """Of `cert ca`."""
    certificate = record("one of them", {"subject": _SUBJECT, **_VALIDITY, "sha256": _SHA256})
    trusted = record(
        "the CA",
        {
            "keystore": text("the kura.service.pid of the keystore in use"),
            "server_url": _SERVER_URL,
            "certificates": listing("the CA certificates that are trusted, the present one first", certificate),
            "ca_check": _CA_CHECK,
        },
    )
    return AnswerSchema(either(trusted, _ASKED))


def inspected() -> AnswerSchema:
    """Of `cert inspect`."""
    return AnswerSchema(
        record(
            "the gateway's certificate",
            {
                **_IDENTITY,
                "key": text("algorithm and size of its key in bits, such as RSA 2048"),
                "alternative_names": listing("its subject alternative names", text("a name")),
                "pem": text("the certificate itself (PEM)"),
            },
        )
    )


_FETCHED: Final = {
    "warnings": listing("what is weak or odd about the reply", text("a warning")),
    "pem": text("the thing itself (PEM)"),
    "file": nullable(text("with -o: the file that it was written to")),
}


def fetched_certificate() -> AnswerSchema:
    """Of `cert get`."""
    return AnswerSchema(record("a certificate that the CA has issued", {**_ISSUED, **_FETCHED}))


def fetched_crl() -> AnswerSchema:
    """Of `cert crl`."""
    answer = {
        "issuer": text("the CA (RFC 4514)"),
        "number": nullable(whole("its CRL number")),
        "this_update": moment("when it was issued"),
        "next_update": nullable(moment("when the next one is due")),
        "revoked": whole("how many certificates are on it"),
        **_FETCHED,
    }
    return AnswerSchema(record("the CA's CRL", answer))


def probed() -> AnswerSchema:
    """Of `scep probe`."""
    described = {
        **_ISSUED,
        "key": text("algorithm and size of its key in bits"),
        "signature_digest": text("the digest that it is signed with"),
    }
    found = {
        **described,
        "roles": listing("what it is for", text("a role")),
        "remarks": listing("what is odd about it", text("a remark")),
    }
    answer = {
        "url": text("where the server was found"),
        "server": nullable(text("what software it says that it is")),
        "capabilities": listing("the keywords of GetCACaps", text("a keyword")),
        "clock_difference_s": nullable(whole("how far its clock is ahead of this one, in seconds", None)),
        "pinned": nullable(text("the SHA-256 fingerprint that the CA was to have")),
        "certificates": listing("the answer to GetCACert", record("one certificate", found)),
        "next_ca": nullable(record("the CA's next certificate", described)),
        "profile": choice("the security profile that it was judged by", ("strict", "standard", "legacy")),
        "findings": listing("what is weak or odd about the server", text("a finding")),
        "outlook": listing("what a gateway would do", text("a step")),
        "would_enrol": flag("whether a gateway would enrol there"),
    }
    return AnswerSchema(record("the server", answer), error={"url": text("what was asked")})
