"""The store of CRLs: what it takes, refuses, keeps and answers, also when its disk is full."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from components.asn1 import der
from components.keystore import (
    KeyAlgorithm,
    SoftwarePrivateKey,
    as_signing_key,
)
from components.keystore.crl import (
    CrlRefusedError,
    RevocationStatus,
)
from components.keystore.crl.store import CrlStore
from tests.components.keystore.crl_publisher import DAY, NOW, Issuer

ISSUER = Issuer()
POINT: dict[str, Any] = {
    "full_name": None,
    "relative_name": None,
    "only_contains_user_certs": False,
    "only_contains_ca_certs": False,
    "only_some_reasons": None,
    "indirect_crl": False,
    "only_contains_attribute_certs": False,
}


def install(store: CrlStore, data: bytes, trusted: tuple[x509.Certificate, ...] = (), *, verify: bool = True) -> bool:
    def fill(file: Any) -> None:
        file.write(data)

    store.verify = verify
    return store.install(store.receive(fill), "test", trusted or (ISSUER.certificate,), NOW)


@pytest.mark.parametrize("algorithm", [KeyAlgorithm.EC, KeyAlgorithm.RSA])
@pytest.mark.parametrize("size", [0, 1, 3000])
def test_what_is_listed_is_revoked_and_what_is_not_is_good_also_after_a_restart(
    tmp_path: Path, algorithm: KeyAlgorithm, size: int
) -> None:
    issuer = Issuer(key=SoftwarePrivateKey.generate(algorithm, 2048 if algorithm is KeyAlgorithm.RSA else 256))
    assert isinstance(issuer.key.public_key, rsa.RSAPublicKey) == (algorithm is KeyAlgorithm.RSA)
    listed = [1 + number**3 * 7919 for number in range(1, size + 1)]
    assert install(CrlStore(tmp_path), issuer.crl(*listed), (issuer.certificate,))
    for _ in range(2):
        store = CrlStore(tmp_path)
        assert store.verify_kept((issuer.certificate,)) == []
        (kept,) = store.kept
        assert (kept.record.entries, kept.record.number) == (size, 1)
        for number in listed[:: max(1, size // 20)]:
            assert store.status(issuer.issue(number), NOW) is RevocationStatus.REVOKED
            assert store.status(issuer.issue(number + 1), NOW) is RevocationStatus.GOOD
        assert store.status(issuer.issue(5), NOW) is RevocationStatus.GOOD
        assert store.status(issuer.issue(5), NOW + 8 * DAY) is RevocationStatus.UNKNOWN
        assert store.status(Issuer("another").issue(5), NOW) is RevocationStatus.UNKNOWN
        (decoded,) = store.decoded()
        assert {one.serial_number for one in decoded} == set(listed)
        kept.index.unlink()  # as a crash between the two files leaves it


@pytest.mark.parametrize("step", ["replace_file", "rename", "sync_directory"])
def test_what_is_revoked_stays_so_when_a_newer_crl_cannot_be_stored(
    tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = CrlStore(tmp_path)
    assert install(store, ISSUER.crl(100, 50, number=1))

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.replace" if step == "rename" else f"components.keystore.crl.store.{step}", full)
        with pytest.raises(OSError, match="No space"):
            install(store, ISSUER.crl(*range(40, 60), 100, number=2))
        for one in (store, CrlStore(tmp_path)):  # also after a restart while there is no room
            assert one.verify_kept((ISSUER.certificate,)) == []
            assert one.status(ISSUER.issue(100), NOW) is RevocationStatus.REVOKED
            assert one.status(ISSUER.issue(5), NOW) is RevocationStatus.GOOD
    assert not list(tmp_path.glob(".*"))
    store = CrlStore(tmp_path)
    assert install(store, ISSUER.crl(100, number=3))
    assert len(list(tmp_path.iterdir())) == 2, "one CRL, one index"


def test_a_kept_crl_that_cannot_be_indexed_stays_and_so_does_its_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = CrlStore(tmp_path)
    install(store, ISSUER.crl(100, number=5))
    store.kept[0].index.unlink()

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("components.keystore.crl.store.replace_file", full)
        store = CrlStore(tmp_path)
        assert store.status(ISSUER.issue(100), NOW) is RevocationStatus.UNKNOWN
    with pytest.raises(CrlRefusedError, match="goes back"):
        install(store, ISSUER.crl(number=4))
    assert install(store, ISSUER.crl(100, number=6))
    assert store.status(ISSUER.issue(100), NOW) is RevocationStatus.REVOKED


def test_a_crl_that_is_replaced_while_it_is_asked_is_never_read_by_the_index_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = CrlStore(tmp_path)
    install(store, ISSUER.crl(100, 50, number=1))
    newer = [ISSUER.crl(*range(40, 60), 100, number=2)]
    opened = Path.open

    def replacing(path: Path, *arguments: Any, **named: Any) -> Any:
        file = opened(path, *arguments, **named)
        if path.suffix == ".idx" and newer:
            install(store, newer.pop())
        return file

    monkeypatch.setattr(Path, "open", replacing)
    assert store.status(ISSUER.issue(100), NOW) is RevocationStatus.REVOKED
    assert store.status(ISSUER.issue(58), NOW) is RevocationStatus.REVOKED
    assert not newer


def test_an_older_crl_is_refused_also_after_its_issuer_was_not_trusted_for_a_while(tmp_path: Path) -> None:
    store = CrlStore(tmp_path)
    install(store, ISSUER.crl(100, number=5))
    assert store.verify_kept(()) != []
    assert store.kept == ()
    for one in (store, CrlStore(tmp_path)):
        with pytest.raises(CrlRefusedError, match="number 1 goes back behind 5"):
            install(one, ISSUER.crl(number=1))
    anew = Issuer()
    assert install(store, anew.crl(7, number=1), (anew.certificate,)), "a CA that was set up anew begins anew"
    assert store.verify_kept((ISSUER.certificate,)) != []
    assert install(CrlStore(tmp_path), ISSUER.crl(100, number=6))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "no CRL in DER"),
        (b"<html>not found</html>", "no CRL in DER"),
        (ISSUER.crl(5, number=9)[:-1], "no CRL in DER"),
        (ISSUER.crl(5, number=9) + b"\x00", "something follows the end"),
        (ISSUER.crl(5, number=3), "number 3 goes back behind 4"),
        (ISSUER.crl(5, number=None), "goes back"),
        (ISSUER.crl(5, number=4, made=-DAY), "before the one that is known"),
        (ISSUER.crl(5, number=5, made=2 * DAY), "by this gateway's clock"),
        (Issuer().crl(5, number=5), "signature is not that of the trusted"),
        (Issuer("another").crl(5, number=5), "no trusted certificate"),
        (ISSUER.crl(5, number=5, extension=x509.DeltaCRLIndicator(4)), "delta CRL"),
        (
            ISSUER.crl(5, number=5, extension=x509.IssuingDistributionPoint(**{**POINT, "indirect_crl": True})),
            "indirect",
        ),
        (
            ISSUER.crl(
                5,
                number=5,
                extension=x509.IssuingDistributionPoint(
                    **{**POINT, "only_some_reasons": frozenset([x509.ReasonFlags.key_compromise])}
                ),
            ),
            "does not cover all reasons",
        ),
        (
            ISSUER.crl(
                5,
                number=5,
                extension=x509.IssuingDistributionPoint(**{**POINT, "only_contains_attribute_certs": True}),
            ),
            "no public-key certificates",
        ),
        (
            ISSUER.crl(5, number=5, extension=x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\5\0")),
            "critical extension",
        ),
    ],
)
def test_what_cannot_be_relied_on_is_refused_and_the_earlier_one_stays(tmp_path: Path, data: bytes, why: str) -> None:
    store = CrlStore(tmp_path)
    assert install(store, ISSUER.crl(77, number=4))
    with pytest.raises(CrlRefusedError, match=why):
        install(store, data)
    assert store.status(ISSUER.issue(77), NOW) is RevocationStatus.REVOKED
    assert not list(tmp_path.glob(".*")), "nothing is left behind"


def test_the_right_signer_must_be_one_of_crls(tmp_path: Path) -> None:
    store = CrlStore(tmp_path)
    for may, why in ((False, "key usage is without cRLSign"), (True, None), (None, None)):
        issuer = Issuer("usage", ISSUER.key, signs_crls=may)
        if why is None:
            install(store, issuer.crl(5), (issuer.certificate,))
        else:
            with pytest.raises(CrlRefusedError, match=why):
                install(store, issuer.crl(5), (issuer.certificate,))


def test_a_serial_number_that_is_listed_twice_is_revoked(tmp_path: Path) -> None:
    store = CrlStore(tmp_path)
    assert install(store, _signed(b"".join(map(_entry, (7, 9, 7, 8)))))
    assert [store.status(ISSUER.issue(number), NOW) for number in (7, 10)] == ["revoked", "good"]
    assert store.kept[0].record.entries == 4


def test_two_keys_of_one_name_have_a_crl_each(tmp_path: Path) -> None:
    old, new = Issuer(), Issuer()
    trusted = (old.certificate, new.certificate)

    def crl(issuer: Issuer, number: int, revoked: int) -> bytes:
        builder = x509.CertificateRevocationListBuilder(issuer.name, NOW - DAY, NOW + DAY)
        builder = builder.add_revoked_certificate(x509.RevokedCertificateBuilder(revoked, NOW - DAY).build())
        builder = builder.add_extension(x509.CRLNumber(number), critical=False)
        key = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key)
        signer = as_signing_key(issuer.key)
        return builder.add_extension(key, critical=False).sign(signer, hashes.SHA256()).public_bytes(Encoding.DER)

    store = CrlStore(tmp_path)
    assert install(store, old.crl(1, number=8), trusted), "it says nothing of its key"
    assert install(store, crl(old, 9, 1), trusted)
    assert install(store, crl(new, 1, 2), trusted), "its numbers are its own"
    assert sorted(kept.record.number or 0 for kept in store.kept) == [1, 9]
    assert len(list(tmp_path.glob("*.crl"))) == 2
    assert store.verify_kept((new.certificate,)) != []
    assert [kept.record.number for kept in store.kept] == [1]


def test_every_flipped_bit_of_what_is_signed_is_noticed(tmp_path: Path) -> None:
    store, data = CrlStore(tmp_path), ISSUER.crl(77, 78, number=4)
    for position in range(len(data)):
        damaged = bytearray(data)
        damaged[position] ^= 1 << position % 8
        with pytest.raises(CrlRefusedError):
            install(store, bytes(damaged))
    assert store.kept == ()


def test_a_crl_for_one_distribution_point_says_nothing_of_other_certificates(tmp_path: Path) -> None:
    ours, others = (x509.UniformResourceIdentifier(f"http://ca/{part}.crl") for part in "ab")
    point = x509.IssuingDistributionPoint(**{**POINT, "full_name": [ours]})
    store = CrlStore(tmp_path)
    assert install(store, ISSUER.crl(7, extension=point))
    assert store.status(ISSUER.issue(7, [ours]), NOW) is RevocationStatus.REVOKED
    assert store.status(ISSUER.issue(8, [ours]), NOW) is RevocationStatus.GOOD
    assert store.status(ISSUER.issue(8, [others]), NOW) is RevocationStatus.UNKNOWN


_LARGE = """
import resource, sys
from datetime import datetime
from pathlib import Path
from cryptography import x509
from components.keystore.crl.store import CrlStore
directory, now = Path(sys.argv[1]), datetime.fromisoformat(sys.argv[2])
ca = x509.load_der_x509_certificate((directory / "ca.der").read_bytes())
store = CrlStore(directory / "store")
received = directory / "large.der"
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
store.install(received, "test", (ca,), now)
print(store.kept[0].record.entries, store.status(ca, now), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def _entry(number: int) -> bytes:
    reason = bytes.fromhex("300c300a0603551d1504030a0101")
    return der.sequence(der.integer(number), b"\x17\x0d260101000000Z", reason)


def _signed(entries: bytes) -> bytes:
    """A CRL of ISSUER with these entries."""
    whole = der.decode(ISSUER.crl(1)).children()
    version, algorithm, issuer, made, due, _, extensions = (part.encoded for part in whole.next().children())
    signed = der.sequence(version, algorithm, issuer, made, due, der.sequence(entries), extensions)
    signature = ISSUER.key.sign(signed, hashes.SHA256())
    return der.sequence(signed, algorithm, der.encode(0x03, b"\x00", signature))


def test_a_crl_of_300_000_entries_costs_less_than_20_mib_of_memory(tmp_path: Path) -> None:
    entries = b"".join(_entry(number) for number in range(300_000, 600_000))
    (tmp_path / "large.der").write_bytes(_signed(entries))
    (tmp_path / "ca.der").write_bytes(ISSUER.certificate.public_bytes(Encoding.DER))
    command = [sys.executable, "-c", _LARGE, str(tmp_path), NOW.isoformat()]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3])
    count, status, kibibytes = ran.stdout.split()
    assert (count, status) == ("300000", "good")
    assert int(kibibytes) < 20 * 1024
    store = CrlStore(tmp_path / "store")
    for number in (300_000, 450_000, 599_999):
        assert store.status(ISSUER.issue(number), NOW) is RevocationStatus.REVOKED
    assert store.status(ISSUER.issue(299_999), NOW) is RevocationStatus.GOOD
