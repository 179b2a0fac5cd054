"""A look at a SCEP server from outside: what it is and offers, and what a gateway would make of it.

Only GetCACert, GetCACaps and GetNextCACert are sent: no state changes anywhere, and nothing secret leaves.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from components.http.text import printable
from components.scep.client import ScepClient, locate_server
from components.scep.errors import (
    AnswerError,
    OperationUnsupportedError,
    TransportError,
    UntrustedCaError,
    UntrustedSignerError,
)
from components.scep.message import Digest, MessageType
from components.scep.transaction import (
    Capabilities,
    NextCa,
    SecurityProfile,
    choose_algorithms,
    read_next_ca,
    renewal_forms,
)
from components.scep.trust import (
    CaTrust,
    Pin,
    fingerprint,
    is_ca,
    is_issued_by,
    is_valid_at,
    verify_ca_certificates,
)

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography import x509

    from components.scep.client import ServerLocation
    from framework.clock import Clock

SMALLEST_KEY: Final = 2048
"""RSA keys below this many bits are weak."""

SOON: Final = timedelta(days=30)
"""A CA certificate that ends within this time is worth a word."""

CLOCK_TOLERANCE: Final = timedelta(minutes=5)

_NO_CAPABILITIES: Final = (
    "the server does not say what it can do (GetCACaps): messages go to it with GET, and in AES and SHA-256 all the "
    "same, unless security.profile is legacy"
)
_NOTHING_PINNED: Final = (
    "nothing is pinned, so a gateway would not enrol. Compare a fingerprint above with the CA's operator, by another "
    "way than this network, and set it as server.ca.fingerprint"
)


@dataclass(frozen=True, slots=True)
class ProbedCertificate:
    """One of the server's certificates.

    Attributes:
        roles: What it is for: "pinned", "issues", "messages are encrypted for it", ….
        remarks: What is weak or wrong about it.
    """

    certificate: x509.Certificate
    roles: tuple[str, ...]
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """What was found.

    Attributes:
        location: Where the server is, and what it said of itself.
        certificates: Its certificates.
        trust: Those that the pin vouches for; None without a pin, or if it vouches for none.
        next_ca: The next CA, if the server announces one.
        findings: What is weak, wrong or unusual, in words.
        outlook: What a gateway of this configuration would do, step by step.
        would_enrol: Whether it would send its request.
    """

    location: ServerLocation
    certificates: tuple[ProbedCertificate, ...]
    trust: CaTrust | None
    next_ca: NextCa | None
    findings: tuple[str, ...]
    outlook: tuple[str, ...]
    would_enrol: bool


def probe(
    endpoint: str,
    *,
    clock: Clock,
    pin: Pin | None = None,
    profile: SecurityProfile = SecurityProfile.STANDARD,
    ca_identifier: str = "",
    ca_bundle: str | None = None,
    within_s: float | None = None,
) -> ProbeReport:
    """Look at the server of an endpoint.

    Args:
        endpoint: As in `server.url`.
        clock: The time here.
        pin: What a gateway verifies the CA against, if it is known.
        profile: Which algorithms the gateway sends and accepts.
        ca_identifier: Which CA is meant, where the server has several.
        ca_bundle: A PEM file of the CAs that an https server is verified against; None takes the system's.
        within_s: How long all of it may take, in seconds; None leaves each operation its own deadline.

    Raises:
        EndpointError: The endpoint is no URL.
        TransportError: The server cannot be reached.
        NotScepError: What answered is no SCEP server.
    """
    how: dict[str, Any] = {"clock": clock, "ca_identifier": ca_identifier, "ca_bundle": ca_bundle}
    if within_s is not None:
        how |= {"deadline_s": within_s, "ends_at": clock.monotonic() + within_s}
    location = locate_server(endpoint, **how)
    now = clock.now()
    findings = [*clock_findings(location), *capability_findings(location.capabilities)]
    trust, refusal = _trust(location, pin, now)
    if refusal is not None:
        findings.append(refusal)
    next_ca = None
    if location.capabilities.next_ca:
        next_ca, remark = _next_ca(ScepClient(location.url, **how), trust, profile, now)
        findings += [remark] if remark else []
    certificates = tuple(
        ProbedCertificate(one, _roles(one, trust, location.certificates), _remarks(one, now))
        for one in location.certificates
    )
    for probed in certificates:
        findings += [f"{_subject(probed.certificate)}: {remark}" for remark in probed.remarks]
    outlook = _outlook(location, trust, pin, profile)
    return ProbeReport(location, certificates, trust, next_ca, tuple(findings), outlook, trust is not None)


def _trust(location: ServerLocation, pin: Pin | None, now: datetime) -> tuple[CaTrust | None, str | None]:
    if pin is None:
        return None, None
    try:
        return verify_ca_certificates(location.certificates, pin, now), None
    except UntrustedCaError as error:
        return None, f"the CA does not fit what is pinned: {error.reason}"


def _next_ca(
    client: ScepClient, trust: CaTrust | None, profile: SecurityProfile, now: datetime
) -> tuple[NextCa | None, str | None]:
    try:
        answer = client.get_next_ca_cert()
    except OperationUnsupportedError:
        return None, None
    except (TransportError, AnswerError) as error:
        return None, f"GetNextCACert is offered, and fails: {error}"
    if trust is None:
        return None, "the server announces a next CA, which only a pinned CA can vouch for"
    try:
        return read_next_ca(answer, trust=trust, profile=profile, now=now), None
    except (AnswerError, UntrustedCaError) as error:
        return None, f"the next CA that the server announces cannot be trusted: {error}"


def clock_findings(location: ServerLocation) -> list[str]:
    """That the server's clock differs from ours by more than `CLOCK_TOLERANCE`."""
    difference = location.clock_difference
    if difference is None or abs(difference) <= CLOCK_TOLERANCE:
        return []
    where = "ahead of" if difference > timedelta(0) else "behind"
    seconds = round(abs(difference.total_seconds()))
    return [f"the server's clock is {seconds} s {where} this one: certificates may seem not valid, see to both clocks"]


def capability_findings(capabilities: Capabilities) -> list[str]:
    """What a server does not offer and should."""
    if not capabilities.keywords:
        return [_NO_CAPABILITIES]
    findings = []
    if not capabilities.aes:
        findings.append("the server does not offer AES")
    if not capabilities.sha2:
        findings.append("the server does not offer SHA-256")
    if not capabilities.post:
        findings.append("the server does not offer POST: messages go into the URL, and with them into access logs")
    return findings


def _roles(certificate: x509.Certificate, trust: CaTrust | None, sent: tuple[x509.Certificate, ...]) -> tuple[str, ...]:
    if trust is not None and certificate not in trust.certificates:
        return ("not vouched for by the pinned CA: ignored",)
    if trust is None:
        cas = [one for one in sent if is_ca(one)]
        highest = [one for one in cas if not any(is_issued_by(one, other) for other in cas if other != one)]
        trust = CaTrust(highest[0], sent) if highest else None
        pinned = "can be pinned" if certificate in highest else None
    else:
        pinned = "pinned" if certificate == trust.anchor else None
    roles = [pinned] if pinned else []
    roles.append("CA" if is_ca(certificate) else "RA")
    if trust is not None and certificate == trust.issuer:
        roles.append("issues")
    if trust is not None and certificate == trust.recipient:
        roles.append("messages are encrypted for it")
    if trust is not None and not is_ca(certificate) and _may_sign(certificate, trust):
        roles.append("may sign answers")
    return tuple(roles)


def _may_sign(certificate: x509.Certificate, trust: CaTrust) -> bool:
    try:
        trust.check_signer(certificate)
    except UntrustedSignerError:
        return False
    return True


def _remarks(certificate: x509.Certificate, now: datetime) -> tuple[str, ...]:
    remarks = []
    try:
        public_key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        public_key = None
    if not isinstance(public_key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        remarks.append("its key is of a kind that is not known here")
    elif isinstance(public_key, rsa.RSAPublicKey) and public_key.key_size < SMALLEST_KEY:
        remarks.append(f"its RSA key has {public_key.key_size} bits only")
    digest = signature_digest(certificate)
    if digest in ("md5", "sha1"):
        remarks.append(f"it is signed with {digest.upper()}, which is weak")
    if not is_valid_at(certificate, now):
        remarks.append(
            f"it is not valid now, but from {certificate.not_valid_before_utc} to {certificate.not_valid_after_utc}"
        )
    elif certificate.not_valid_after_utc - now < SOON:
        remarks.append(f"it ends on {certificate.not_valid_after_utc}")
    return tuple(remarks)


def signature_digest(certificate: x509.Certificate) -> str:
    """The digest that a certificate is signed with, such as "sha256"; "unknown" if it is none that is known."""
    try:
        algorithm = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        algorithm = None
    return "unknown" if algorithm is None else algorithm.name


def _outlook(
    location: ServerLocation, trust: CaTrust | None, pin: Pin | None, profile: SecurityProfile
) -> tuple[str, ...]:
    if trust is None:
        if pin is None:
            return (_NOTHING_PINNED,)
        shown = ", ".join(fingerprint(one) for one in location.certificates if is_ca(one)) or "none"
        return (f"it would stop before anything secret is sent: pinned is {pin.sha256}, the server's CAs are {shown}",)
    algorithms = choose_algorithms(location.capabilities, profile)
    way = "POST" if location.capabilities.post else "GET"
    first, *others = renewal_forms(location.capabilities, has_challenge=False)
    fallback = "".join(f", else as {_kind(one.message_type)}" for one in others)
    weak = "" if algorithms.digest is not Digest.SHA1 else ", which is weak"
    answers = {
        SecurityProfile.STRICT: "answers in 3DES, DES or SHA-1 would be refused",
        SecurityProfile.STANDARD: "answers in 3DES, DES or SHA-1 would be read, with a warning",
        SecurityProfile.LEGACY: "answers in 3DES, DES or SHA-1 would be read, with a warning",
    }
    rollover = (
        "follow a rollover that the CA announces (GetNextCACert)"
        if location.capabilities.next_ca
        else "accept another CA only if the pinned one vouches for it: the server announces no rollover (GetNextCACert)"
    )
    request = (
        f"send its request with {way} to {location.url}, encrypted for {_subject(trust.recipient)} in "
        f"{algorithms.cipher.value}, signed with {algorithms.digest.value}{weak}; {answers[profile]}"
    )
    return (
        f"it would trust {_subject(trust.anchor)} and what is under it ({len(trust.certificates)} in all)",
        request,
        f"renew as {_kind(first.message_type)}{fallback}, signed with the certificate that it has",
        rollover,
    )


def _kind(message_type: MessageType) -> str:
    names = {MessageType.RENEWAL_REQ: "RenewalReq", MessageType.UPDATE_REQ: "UpdateReq"}
    return names.get(message_type, "PKCSReq")


def _subject(certificate: x509.Certificate) -> str:
    return printable(certificate.subject.rfc4514_string(), 200) or "(no subject)"
