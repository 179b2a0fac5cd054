"""Trust: what a pin vouches for, whom requests are encrypted for, and who may sign replies."""

from __future__ import annotations

import itertools
import subprocess
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from components.scep.errors import IssuedCertificateError, SignatureError, UntrustedCaError
from components.scep.trust import CertificatePin, FingerprintPin, Pin, fingerprint, verify_ca_certificates
from tests.components.scep.pki import NOW, Party, Pki

if TYPE_CHECKING:
    from pathlib import Path

REQUEST_AGENT = x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.1")


def pins(party: Party) -> tuple[Pin, Pin]:
    return FingerprintPin(fingerprint(party.certificate)), CertificatePin(party.certificate)


@pytest.mark.parametrize("text", ["", "0" * 63, "0" * 65, "A" * 64, ":".join(["00"] * 32), "0" * 64 + "\n", "g" * 64])
@pytest.mark.requirement("mission: fingerprint")
def test_a_fingerprint_is_64_lower_case_hexadecimal_digits(text: str) -> None:
    with pytest.raises(ValueError, match="64"):
        FingerprintPin(text)


def test_the_pinned_certificate_is_trusted_and_alone_does_everything(pki: Pki) -> None:
    for pin in pins(pki.root):
        trust = verify_ca_certificates([pki.root.certificate], pin, NOW)
        assert trust.anchor == trust.recipient == pki.root.certificate
        trust.check_signer(pki.root.certificate)


def test_a_provided_root_vouches_for_an_intermediate_that_comes_without_it(pki: Pki) -> None:
    intermediate = pki.party("intermediate", pki.root, ca=True)
    trust = verify_ca_certificates([intermediate.certificate], CertificatePin(pki.root.certificate), NOW)
    assert trust.recipient == intermediate.certificate
    assert set(trust.certificates) == {pki.root.certificate, intermediate.certificate}


@dataclass(frozen=True)
class Untrusted:
    """A pin and an answer that do not fit."""

    what: str
    pinned: str
    sent: tuple[str, ...]


@pytest.mark.parametrize(
    "case",
    [
        Untrusted("another CA", "root", ("other root",)),
        Untrusted("nothing", "root", ()),
        Untrusted("an RA is pinned", "ra", ("ra",)),
        Untrusted("an expired CA is pinned", "expired", ("expired",)),
        Untrusted("a CA of the future is pinned", "future", ("future",)),
    ],
    ids=lambda case: case.what,
)
@pytest.mark.parametrize("kind", ["fingerprint", "certificate"])
def test_what_does_not_fit_the_pin_is_not_trusted(pki: Pki, case: Untrusted, kind: str) -> None:
    day = timedelta(days=1)
    known = {
        "root": pki.root.certificate,
        "other root": pki.other_root.certificate,
        "ra": pki.issue("ra", pki.root, usage=("key_encipherment",)),
        "expired": pki.issue("expired", None, ca=True, begin=NOW - 9 * day, end=NOW - day),
        "future": pki.issue("future", None, ca=True, begin=NOW + day, end=NOW + 9 * day),
    }
    pinned = known[case.pinned]
    pin: Pin = CertificatePin(pinned) if kind == "certificate" else FingerprintPin(fingerprint(pinned))
    with pytest.raises(UntrustedCaError) as caught:
        verify_ca_certificates([known[one] for one in case.sent], pin, NOW)
    assert caught.value.expected == fingerprint(pinned)
    assert set(caught.value.found) == {fingerprint(known[one]) for one in case.sent}
    assert fingerprint(pinned) in str(caught.value)


def test_a_ca_of_the_same_name_is_another_ca(pki: Pki) -> None:
    impostor = pki.issue("root", None, ca=True, key_of="impostor")
    with pytest.raises(UntrustedCaError):
        verify_ca_certificates([impostor], CertificatePin(pki.root.certificate), NOW)
    trust = verify_ca_certificates([impostor, pki.root.certificate], pins(pki.root)[0], NOW)
    assert impostor not in trust.certificates


def test_what_does_not_chain_to_the_pin_is_left_out(pki: Pki) -> None:
    day = timedelta(days=1)
    stale = pki.issue("stale", pki.root, ca=True, begin=NOW - 9 * day, end=NOW - day)
    foreign = pki.issue("foreign", pki.other_root, usage=("key_encipherment",))
    below_device = pki.issue("below", pki.party("device", pki.root), usage=("key_encipherment",))
    sent = [stale, foreign, below_device, pki.other_root.certificate, pki.root.certificate]
    trust = verify_ca_certificates(sent, pins(pki.root)[0], NOW)
    assert trust.certificates == (pki.root.certificate,)


@dataclass(frozen=True)
class Roles:
    """The key usages of the RAs of a server, and who is to be the recipient."""

    what: str
    ras: tuple[tuple[str, tuple[str, ...] | None], ...]
    recipient: str


@pytest.mark.parametrize(
    "case",
    [
        Roles("no RA: the lowest CA", (), "intermediate"),
        Roles("NDES", (("sig", ("digital_signature",)), ("enc", ("key_encipherment",))), "enc"),
        Roles("one for both", (("ra", ("digital_signature", "key_encipherment")),), "ra"),
        Roles("data encipherment", (("sig", ("digital_signature",)), ("enc", ("data_encipherment",))), "enc"),
        Roles("no key usage", (("sig", ("digital_signature",)), ("enc", None)), "enc"),
        Roles("signs only", (("sig", ("digital_signature",)),), "intermediate"),
    ],
    ids=lambda case: case.what,
)
@pytest.mark.requirement("RFC 8894 3.4: degenerate messages")
def test_the_recipient_is_chosen_by_role_whatever_the_order(pki: Pki, case: Roles) -> None:
    intermediate = pki.party("intermediate", pki.root, ca=True)
    ras = {owner: pki.issue(owner, intermediate, usage=usage) for owner, usage in case.ras}
    known = {"root": pki.root.certificate, "intermediate": intermediate.certificate, **ras}
    for sent in itertools.permutations(known.values()):
        trust = verify_ca_certificates(sent, pins(pki.root)[0], NOW)
        assert trust.recipient == known[case.recipient]


@pytest.mark.requirement("RFC 8894 2.2: who signs")
def test_a_device_of_the_same_ca_cannot_pose_as_its_ra(pki: Pki) -> None:
    usage = ("digital_signature", "key_encipherment")
    rogue = pki.issue("rogue", pki.root, usage=usage, purposes=(ExtendedKeyUsageOID.CLIENT_AUTH,))
    trust = verify_ca_certificates([rogue, pki.root.certificate], pins(pki.root)[0], NOW)
    assert trust.recipient == pki.root.certificate
    with pytest.raises(SignatureError):
        trust.check_signer(rogue)


@pytest.mark.parametrize("purpose", [REQUEST_AGENT, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE])
def test_an_ra_may_be_known_by_its_extended_key_usage(pki: Pki, purpose: x509.ObjectIdentifier) -> None:
    usage = ("digital_signature", "key_encipherment")
    ra = pki.issue("ra", pki.root, usage=usage, purposes=(purpose,))
    trust = verify_ca_certificates([pki.root.certificate, ra], pins(pki.root)[0], NOW)
    assert trust.recipient == ra
    trust.check_signer(ra)


@pytest.mark.parametrize("issuer", ["root", "other root"])
@pytest.mark.requirement("RFC 8894 2.2: who signs")
def test_a_signer_that_the_ca_did_not_name_is_refused(pki: Pki, issuer: str) -> None:
    trust = verify_ca_certificates([pki.root.certificate], pins(pki.root)[0], NOW)
    party = pki.root if issuer == "root" else pki.other_root
    with pytest.raises(SignatureError):
        trust.check_signer(pki.issue("signer", party, usage=("digital_signature",)))


@pytest.mark.parametrize(
    ("usage", "may"), [(None, True), (("digital_signature",), True), (("key_encipherment",), False)]
)
@pytest.mark.requirement("RFC 8894 2.2: who signs")
def test_an_ra_signs_only_if_its_key_usage_allows_it(pki: Pki, usage: tuple[str, ...] | None, *, may: bool) -> None:
    ra = pki.issue("ra", pki.root, usage=usage)
    trust = verify_ca_certificates([pki.root.certificate, ra], pins(pki.root)[0], NOW)
    if may:
        trust.check_signer(ra)
        return
    with pytest.raises(SignatureError, match="key usage"):
        trust.check_signer(ra)


def test_a_chain_leads_from_the_certificate_to_the_anchor(pki: Pki) -> None:
    intermediate = pki.party("intermediate", pki.root, ca=True)
    sent = [intermediate.certificate, pki.root.certificate]
    trust = verify_ca_certificates(sent, pins(pki.root)[0], NOW)
    leaf = pki.issue("device", intermediate)
    assert trust.chain_of(leaf) == (leaf, intermediate.certificate, pki.root.certificate)
    with pytest.raises(IssuedCertificateError):
        trust.chain_of(pki.issue("device", pki.other_root))


@pytest.mark.peer("openssl")
@pytest.mark.parametrize(("digest", "counts"), [("sha1", True), ("md5", False)])
def test_old_signatures_count_but_not_those_with_md5(pki: Pki, tmp_path: Path, digest: str, counts: bool) -> None:
    old = "req -x509 -newkey rsa:2048 -nodes -keyout key -out ca.pem -subj /CN=old -days 3650"
    request = "req -newkey rsa:2048 -nodes -keyout ra.key -out ra.csr -subj /CN=ra"
    issue = f"x509 -req -in ra.csr -CA ca.pem -CAkey key -days 3650 -{digest} -out ra.pem"
    for command in (old, request, issue):
        subprocess.run(["openssl", *command.split()], cwd=tmp_path, check=True, capture_output=True)
    ca = x509.load_pem_x509_certificate((tmp_path / "ca.pem").read_bytes())
    ra = x509.load_pem_x509_certificate((tmp_path / "ra.pem").read_bytes())
    trust = verify_ca_certificates([ca, ra], CertificatePin(ca), ca.not_valid_before_utc)
    assert (ra in trust.certificates) is counts


def test_certificates_of_unknown_keys_and_damaged_extensions_do_no_harm(pki: Pki) -> None:
    good = pki.issue("ra", pki.root, usage=("key_encipherment",)).public_bytes(Encoding.DER)
    rsa, unknown = bytes.fromhex("06092a864886f70d010101"), bytes.fromhex("06092a864886f70d010163")
    usage, twice = bytes.fromhex("0603551d0f"), bytes.fromhex("0603551d13")
    odd = [x509.load_der_x509_certificate(good.replace(rsa, unknown))]
    odd.append(x509.load_der_x509_certificate(good.replace(usage, twice)))
    trust = verify_ca_certificates([*odd, pki.root.certificate], pins(pki.root)[0], NOW)
    assert trust.recipient == pki.root.certificate


def test_many_cas_of_one_name_cost_one_verification_for_each_pair(pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    from components.scep import trust  # noqa: PLC0415  # whose function is counted

    calls = 0
    real = trust.is_issued_by

    def counted(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
        nonlocal calls
        calls += 1
        return real(certificate, issuer)

    monkeypatch.setattr(trust, "is_issued_by", counted)
    same = [pki.issue("root", pki.root, ca=True, key_of="other root") for _ in range(12)]
    found = verify_ca_certificates(
        [pki.root.certificate, *same], FingerprintPin(fingerprint(pki.root.certificate)), NOW
    )
    assert len(found.certificates) == 13
    assert calls <= 13 * 13
