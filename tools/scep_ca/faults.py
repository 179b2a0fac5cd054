"""The fault menu: what a SCEP server can do wrong, one thing each, to see what a client makes of it."""

from __future__ import annotations

import enum
import functools
import http
import re
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from components.scep.message import Cipher, Digest, FailInfo, MessageType, PkiStatus, encode_certificates, envelope
from tools.scep_ca.ber_output import constructed, indefinite
from tools.scep_ca.identities import Identity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from tools.scep_ca.replies import ReplyPlan

_AES_128_CBC: Final = bytes.fromhex("0609608648016503040102")
_AES_128_GCM: Final = bytes.fromhex("0609608648016503040106")
_CIPHERS: Final = (_AES_128_CBC, bytes.fromhex("060960864801650304012a"), bytes.fromhex("06082a864886f70d0307"))
_COMMON_NAME: Final = re.compile(rb"(\x06\x03\x55\x04\x03)[\x0c\x13](.).", re.DOTALL)
_ESCAPES: Final = "\x1b]0;owned\x07\x1b[2Jenrolled\r\nstate: enrolled\u202e"
_PORTAL: Final = b"<!DOCTYPE html><html><title>Welcome</title><body>Please log in.</body></html>"


class Manner(enum.Enum):
    """How an HTTP answer is sent."""

    WHOLE = "whole"
    DROPPED = "dropped"
    TRUNCATED = "truncated"
    ENDLESS = "endless"
    SLOW = "slow"


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An answer over HTTP, before it is sent."""

    status: http.HTTPStatus
    content_type: str
    content: bytes
    headers: tuple[tuple[str, str], ...] = ()
    manner: Manner = Manner.WHOLE


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that a server does wrong, or unusually.

    Attributes:
        name: What it is called on the command line.
        help: What it does.
        plan: Falsifies a granting reply before it is encoded.
        octets: Falsifies any reply after it was encoded.
        answer: Falsifies the answer to an operation, which it is given by name.
        unknown: The message types that it answers with an HTTP error.
    """

    name: str
    help: str
    plan: Callable[[ReplyPlan, Surroundings], ReplyPlan] | None = None
    octets: Callable[[bytes], bytes] | None = None
    answer: Callable[[HttpAnswer, str, Surroundings], HttpAnswer] | None = None
    unknown: frozenset[int] = frozenset()


@dataclass
class Surroundings:
    """What faults need to know.

    Attributes:
        ca: The CA as it is.
        now: The time.
        replaced: The certificate that the request was signed with, if the CA issued it.
    """

    ca: Identity
    now: datetime
    replaced: x509.Certificate | None = None

    @property
    def stranger(self) -> Identity:
        """A CA of the same name that nobody knows."""
        return _stranger(self.ca.certificate)


class FaultySide:
    """The faults that a server was told to have, applied where they belong."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        unknown = sorted(set(names) - FAULTS.keys())
        if unknown:
            raise ValueError(f"there is no fault {', '.join(unknown)}; there are {', '.join(FAULTS)}")
        self._faults = tuple(FAULTS[name] for name in dict.fromkeys(names))
        self._first_reply: bytes | None = None

    def encode(self, plan: ReplyPlan, surroundings: Surroundings) -> bytes:
        """The reply of a plan, with what is to be wrong with it."""
        for fault in self._faults:
            if fault.plan is not None and plan.certificates is not None:
                plan = fault.plan(plan, surroundings)
        data = plan.encode()
        for fault in self._faults:
            if fault.octets is not None:
                data = fault.octets(data)
        if any(fault.name == REPLAY for fault in self._faults) and self._first_reply is not None:
            return self._first_reply
        self._first_reply = self._first_reply or data
        return data

    def knows(self, message_type: int) -> bool:
        """Whether messages of this type are answered in SCEP."""
        return not any(message_type in fault.unknown for fault in self._faults)

    def answer(self, answer: HttpAnswer, operation: str, surroundings: Surroundings) -> HttpAnswer:
        """An answer over HTTP, with what is to be wrong with it."""
        for fault in self._faults:
            if fault.answer is not None:
                answer = fault.answer(answer, operation, surroundings)
        return answer


@functools.lru_cache(maxsize=4)
def _stranger(certificate: x509.Certificate) -> Identity:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return Identity(key, _altered(certificate, key, public_key=key.public_key()))


def _altered(
    certificate: x509.Certificate,
    key: rsa.RSAPrivateKey,
    *,
    subject: x509.Name | None = None,
    public_key: rsa.RSAPublicKey | None = None,
    ca: bool | None = None,
    validity: tuple[datetime, datetime] | None = None,
) -> x509.Certificate:
    """A certificate with one thing changed, signed by `key` in its issuer's name."""
    begin, end = validity or (certificate.not_valid_before_utc, certificate.not_valid_after_utc)
    own_key = certificate.public_key()
    assert isinstance(own_key, rsa.RSAPublicKey)  # noqa: S101  # no other is certified here
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject or certificate.subject)
        .issuer_name(certificate.issuer)
        .public_key(public_key or own_key)
        .serial_number(certificate.serial_number)
        .not_valid_before(begin)
        .not_valid_after(end)
    )
    for extension in certificate.extensions:
        value = extension.value
        if isinstance(value, x509.BasicConstraints) and ca is not None:
            value = x509.BasicConstraints(ca=ca, path_length=None)
        builder = builder.add_extension(value, extension.critical)
    return builder.sign(key, hashes.SHA256())


def _leaf(plan: ReplyPlan) -> x509.Certificate:
    assert plan.certificates  # noqa: S101  # only granting replies come here
    return plan.certificates[0]


def _with_leaf(plan: ReplyPlan, leaf: x509.Certificate) -> ReplyPlan:
    return replace(plan, certificates=(leaf,))


def _attributes(**changes: object) -> Callable[[ReplyPlan, Surroundings], ReplyPlan]:
    def change(plan: ReplyPlan, _: Surroundings) -> ReplyPlan:
        return replace(plan, attributes=replace(plan.attributes, **changes))  # type: ignore[arg-type]  # names are ours

    return change


def _other_transaction(plan: ReplyPlan, _: Surroundings) -> ReplyPlan:
    return replace(plan, attributes=replace(plan.attributes, transaction_id=plan.attributes.transaction_id[::-1] + "0"))


def _signed_by_stranger(plan: ReplyPlan, around: Surroundings) -> ReplyPlan:
    return replace(plan, signer=around.stranger)


def _forged(plan: ReplyPlan, around: Surroundings) -> ReplyPlan:
    return replace(plan, signer=Identity(around.stranger.key, plan.signer.certificate))


def _changed_content(plan: ReplyPlan, _: Surroundings) -> ReplyPlan:
    return replace(plan, content=envelope(b"other", plan.recipient, plan.cipher))


def _for_another(plan: ReplyPlan, around: Surroundings) -> ReplyPlan:
    return replace(plan, recipient=around.stranger.certificate)


def _sealed_unless_3des(plan: ReplyPlan, around: Surroundings) -> ReplyPlan:
    return plan if plan.cipher is Cipher.DES3 else _for_another(plan, around)


def _for_another_key(plan: ReplyPlan, around: Surroundings) -> ReplyPlan:
    key = around.stranger.key.public_key()
    return _with_leaf(plan, _altered(_leaf(plan), around.ca.key, public_key=key))


def _ca_issued(plan: ReplyPlan, around: Surroundings) -> ReplyPlan:
    return _with_leaf(plan, _altered(_leaf(plan), around.ca.key, ca=True))


def _expired(plan: ReplyPlan, around: Surroundings) -> ReplyPlan:
    day = timedelta(days=1)
    return _with_leaf(plan, _altered(_leaf(plan), around.ca.key, validity=(around.now - 3 * day, around.now - day)))


def _future(plan: ReplyPlan, around: Surroundings) -> ReplyPlan:
    day = timedelta(days=1)
    return _with_leaf(plan, _altered(_leaf(plan), around.ca.key, validity=(around.now + day, around.now + 3 * day)))


def _other_subject(plan: ReplyPlan, around: Surroundings) -> ReplyPlan:
    subject = x509.Name.from_rfc4514_string("CN=somebody else")
    return _with_leaf(plan, _altered(_leaf(plan), around.ca.key, subject=subject))


def _other_issuer(plan: ReplyPlan, around: Surroundings) -> ReplyPlan:
    return _with_leaf(plan, _altered(_leaf(plan), around.stranger.key))


def _old_certificate(plan: ReplyPlan, around: Surroundings) -> ReplyPlan:
    return plan if around.replaced is None else _with_leaf(plan, around.replaced)


def _refused(plan: ReplyPlan, **changes: object) -> ReplyPlan:
    attributes = replace(plan.attributes, status=PkiStatus.FAILURE, fail_info=FailInfo.BAD_REQUEST)
    attributes = replace(attributes, **changes)  # type: ignore[arg-type]  # names are ours
    return replace(plan, attributes=attributes, certificates=None)


def _ndes_refusal(plan: ReplyPlan, _: Surroundings) -> ReplyPlan:
    return replace(_refused(plan, hresult=-2147024809), content=b"\x00")


def _gcm(plan: ReplyPlan, _: Surroundings) -> ReplyPlan:
    """AES-GCM by name, with what are no parameters of it: so step-ca does it."""
    assert plan.certificates is not None  # noqa: S101  # only granting replies come here
    right = envelope(encode_certificates(plan.certificates), plan.recipient, Cipher.AES128)
    return replace(plan, content=right.replace(_AES_128_CBC, _AES_128_GCM))


def _tampered(data: bytes) -> bytes:
    """Something that is signed changed: the name of the cipher."""
    for one in _CIPHERS:
        data = data.replace(one, one[:-1] + b"\x06")
    return data


def _odd_name(data: bytes) -> bytes:
    """The common names of what is not encrypted as BIT STRINGs (RFC 5280 A.1 has no such names, X.500 does)."""
    return _COMMON_NAME.sub(b"\\1\x03\\2\x00", data)


def _on(operation: str, change: Callable[[HttpAnswer], HttpAnswer]) -> Callable[..., HttpAnswer]:
    return lambda answer, asked, _: change(answer) if asked == operation else answer


def _always(change: Callable[[HttpAnswer], HttpAnswer]) -> Callable[..., HttpAnswer]:
    return lambda answer, _asked, _around: change(answer)


def _manner(manner: Manner) -> Callable[..., HttpAnswer]:
    return _on("PKIOperation", lambda answer: replace(answer, manner=manner))


def _other_ca(answer: HttpAnswer, asked: str, around: Surroundings) -> HttpAnswer:
    if asked != "GetCACert":
        return answer
    return replace(answer, content=around.stranger.certificate.public_bytes(Encoding.DER))


def _text(status: http.HTTPStatus, text: bytes, **more: str) -> HttpAnswer:
    headers = tuple((name.replace("_", "-"), value) for name, value in more.items())
    return HttpAnswer(status, "text/plain", text, headers)


def _weak_cipher(cipher: Cipher) -> Callable[[ReplyPlan, Surroundings], ReplyPlan]:
    return lambda plan, _: replace(plan, cipher=cipher)


REPLAY: Final = "replay"

_ALL: Final = (
    Fault("wrong-nonce", "the reply has another recipientNonce", _attributes(recipient_nonce=b"\x00" * 16)),
    Fault("no-nonce", "the reply has no recipientNonce", _attributes(recipient_nonce=None)),
    Fault("wrong-transaction", "the reply is for another transaction", _other_transaction),
    Fault("wrong-message-type", "the reply says that it is a PKCSReq", _attributes(message_type=19)),
    Fault("unknown-status", "the reply has a pkiStatus that is none", _attributes(status=7)),
    Fault("no-status", "the reply has no pkiStatus", _attributes(status=None)),
    Fault("wrong-signer", "the reply is signed by a CA of the same name that nobody knows", _signed_by_stranger),
    Fault("forged-signature", "the reply is signed in the CA's name with another key", _forged),
    Fault("wrong-content", "the envelope does not hold what it should", _changed_content),
    Fault("wrong-recipient", "the envelope is for somebody else", _for_another),
    Fault("3des-only", "the envelope can be opened only if the request was in 3DES", _sealed_unless_3des),
    Fault("wrong-key", "the certificate is for another key", _for_another_key),
    Fault("wrong-issuer", "the certificate is issued by a CA that nobody knows", _other_issuer),
    Fault("ca-issued", "the certificate is a CA's", _ca_issued),
    Fault("expired", "the certificate has expired", _expired),
    Fault("not-yet-valid", "the certificate is not valid yet", _future),
    Fault("other-subject", "the certificate has another subject", _other_subject),
    Fault("old-certificate", "a renewal brings the certificate that is to be renewed", _old_certificate),
    Fault("no-certificate", "the reply grants, and brings nothing", lambda plan, _: replace(plan, certificates=())),
    Fault("no-envelope", "the reply grants, and has no envelope", lambda plan, _: replace(plan, certificates=None)),
    Fault(REPLAY, "every reply is the first one again"),
    Fault("des", "the reply is in single DES", _weak_cipher(Cipher.DES)),
    Fault("3des", "the reply is in 3DES", _weak_cipher(Cipher.DES3)),
    Fault("sha1", "the reply is signed with SHA-1", lambda plan, _: replace(plan, digest=Digest.SHA1)),
    Fault("oaep", "the reply's key is transported with RSA-OAEP", lambda plan, _: replace(plan, oaep=True)),
    Fault("gcm", "the reply is in AES-GCM, malformed", _gcm),
    Fault("tampered", "the reply's content is changed after it was signed", None, _tampered),
    Fault("indefinite", "the reply is in BER with indefinite lengths (legal)", None, indefinite),
    Fault("constructed", "the reply is in BER with strings in chunks (legal)", None, constructed),
    Fault("truncated-message", "the reply ends in the middle", None, lambda data: data[: len(data) // 2]),
    Fault("odd-name", "the signer's certificate names it by a BIT STRING", None, _odd_name),
    Fault(
        "terminal-escapes",
        "a refusal that would steer a terminal",
        lambda plan, _: _refused(plan, fail_info_text=_ESCAPES),
    ),
    Fault("ndes-refusal", "a refusal as NDES writes it: one zero octet and an HRESULT", _ndes_refusal),
    Fault("unknown-fail-info", "a refusal with a failInfo that is none", lambda plan, _: _refused(plan, fail_info=17)),
    Fault("other-ca", "GetCACert brings a CA of the same name that nobody knows", answer=_other_ca),
    Fault(
        "no-capabilities",
        "GetCACaps is not found",
        answer=_on("GetCACaps", lambda _: _text(http.HTTPStatus.NOT_FOUND, b"no such operation\n")),
    ),
    Fault(
        "requests-only",
        "CertPoll, GetCert and GetCRL get an HTTP error",
        unknown=frozenset({MessageType.CERT_POLL, MessageType.GET_CERT, MessageType.GET_CRL}),
    ),
    Fault(
        "weak-capabilities",
        "GetCACaps offers 3DES and SHA-1 only",
        answer=_on("GetCACaps", lambda _: _text(http.HTTPStatus.OK, b"DES3\nSHA-1\n")),
    ),
    Fault(
        "html",
        "a captive portal's page for every question",
        answer=_always(lambda _: HttpAnswer(http.HTTPStatus.OK, "text/html", _PORTAL)),
    ),
    Fault(
        "empty",
        "PKIOperation gives nothing, with status 200",
        answer=_on("PKIOperation", lambda answer: replace(answer, content=b"")),
    ),
    Fault(
        "redirect",
        "PKIOperation redirects to another host",
        answer=_on("PKIOperation", lambda _: _text(http.HTTPStatus.FOUND, b"", Location="http://elsewhere.invalid/")),
    ),
    Fault(
        "error-500",
        "PKIOperation fails with status 500",
        answer=_on("PKIOperation", lambda _: _text(http.HTTPStatus.INTERNAL_SERVER_ERROR, b"unknown operation\n")),
    ),
    Fault(
        "unavailable",
        "every question is answered with 503 and Retry-After: 120",
        answer=_always(lambda _: _text(http.HTTPStatus.SERVICE_UNAVAILABLE, b"later\n", Retry_After="120")),
    ),
    Fault(
        "wrong-content-type",
        "answers say that they are text/html",
        answer=_always(lambda answer: replace(answer, content_type="text/html")),
    ),
    Fault("dropped", "PKIOperation closes the connection", answer=_manner(Manner.DROPPED)),
    Fault("truncated-answer", "PKIOperation ends before its Content-Length", answer=_manner(Manner.TRUNCATED)),
    Fault("endless", "PKIOperation never ends", answer=_manner(Manner.ENDLESS)),
    Fault("slow", "PKIOperation comes a byte a second", answer=_manner(Manner.SLOW)),
)

FAULTS: Final = {fault.name: fault for fault in _ALL}
