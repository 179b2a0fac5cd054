"""What the development CA keeps on disk."""

from __future__ import annotations

import sqlite3
import stat
import threading
from collections import defaultdict
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.tools.scep_requester import common_name
from tools.scep_ca import CaParameters, CaStateError, CertificateAuthority, CertificationRequest

if TYPE_CHECKING:
    from pathlib import Path

    from components.keystore import SoftwarePrivateKey

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ANY = CaParameters()


def issue(authority: CertificateAuthority, key: SoftwarePrivateKey, transaction_id: str) -> x509.Certificate:
    public_key = key.public_key
    assert isinstance(public_key, rsa.RSAPublicKey)
    request = CertificationRequest(common_name("device"), public_key, None)
    certificate, _ = authority.issue(request, transaction_id=transaction_id, now=NOW, validity=timedelta(days=1))
    return certificate


def test_a_restart_keeps_everything(ca_directory: Path, client_key: SoftwarePrivateKey) -> None:
    with CertificateAuthority.open(ca_directory, ANY, NOW) as authority:
        fingerprint = authority.fingerprint
        first = issue(authority, client_key, "T-1")

    with CertificateAuthority.open(ca_directory, ANY, NOW) as authority:
        assert authority.fingerprint == fingerprint
        assert issue(authority, client_key, "T-1") == first
        assert issue(authority, client_key, "T-2").serial_number > first.serial_number
        assert [entry.transaction_id for entry in authority.issued()] == ["T-1", "T-2"]


def test_only_its_owner_can_read_the_directory_and_the_key(tmp_path: Path) -> None:
    directory = tmp_path / "deep" / "ca"
    CertificateAuthority.open(directory, ANY, NOW).close()

    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert stat.S_IMODE((directory / "ca.key").stat().st_mode) == 0o600
    assert stat.S_IMODE((directory / "issued.db").stat().st_mode) == 0o600


def test_a_ca_is_made_as_asked(tmp_path: Path) -> None:
    subject = x509.Name.from_rfc4514_string("CN=Plant 7,O=Example")
    parameters = CaParameters(subject, 3072, timedelta(days=2))
    with CertificateAuthority.open(tmp_path / "ca", parameters, NOW) as authority:
        certificate = authority.certificate

    assert certificate.subject == certificate.issuer == subject
    assert certificate.not_valid_after_utc == NOW + timedelta(days=2)
    public_key = certificate.public_key()
    assert isinstance(public_key, rsa.RSAPublicKey)
    assert public_key.key_size == 3072
    assert certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.key_cert_sign
    assert usage.crl_sign
    assert usage.digital_signature
    assert usage.key_encipherment


def test_a_kill_between_key_and_certificate_loses_nothing(ca_directory: Path, ca_key_pem: bytes) -> None:
    assert not (ca_directory / "ca.pem").exists()

    CertificateAuthority.open(ca_directory, ANY, NOW).close()

    assert (ca_directory / "ca.key").read_bytes() == ca_key_pem
    assert (ca_directory / "ca.pem").exists()


def test_two_cas_of_one_name_do_not_issue_the_same_serials(
    tmp_path: Path, ca_key_pem: bytes, client_key: SoftwarePrivateKey
) -> None:
    serials = set()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "ca.key").write_bytes(ca_key_pem)
        with CertificateAuthority.open(tmp_path / name, ANY, NOW) as authority:
            serials |= {authority.certificate.serial_number, issue(authority, client_key, "T").serial_number}

    assert len(serials) == 4


def test_one_process_has_the_directory(ca_directory: Path) -> None:
    with (
        CertificateAuthority.open(ca_directory, ANY, NOW),
        pytest.raises(CaStateError, match="another process uses it"),
    ):
        CertificateAuthority.open(ca_directory, ANY, NOW)


def test_another_ca_than_asked_for_is_refused(ca_directory: Path) -> None:
    CertificateAuthority.open(ca_directory, ANY, NOW).close()

    with pytest.raises(CaStateError, match="its key has 1024 bits, not 4096"):
        CertificateAuthority.open(ca_directory, CaParameters(key_size=4096), NOW)
    with pytest.raises(CaStateError, match="its subject is CN=Development SCEP CA"):
        CertificateAuthority.open(ca_directory, CaParameters(subject=common_name("other")), NOW)
    with pytest.raises(CaStateError, match="its certificate expired"):
        CertificateAuthority.open(ca_directory, ANY, NOW + timedelta(days=4000))


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("ca.key", b"rubbish", "ca.key is no unencrypted private key"),
        ("ca.key", None, "its key ca.key is not"),
        ("ca.pem", b"rubbish", "ca.pem is no certificate"),
        ("issued.db", b"rubbish " * 1000, "issued.db: file is not a database"),
    ],
)
def test_damage_is_named(ca_directory: Path, file: str, content: bytes | None, reason: str) -> None:
    CertificateAuthority.open(ca_directory, ANY, NOW).close()
    if content is None:
        (ca_directory / file).unlink()
    else:
        (ca_directory / file).write_bytes(content)

    with pytest.raises(CaStateError, match=reason) as raised:
        CertificateAuthority.open(ca_directory, ANY, NOW)

    assert raised.value.directory == ca_directory


def test_a_key_of_another_ca_is_refused(ca_directory: Path, tmp_path: Path) -> None:
    CertificateAuthority.open(ca_directory, ANY, NOW).close()
    CertificateAuthority.open(tmp_path / "other", ANY, NOW).close()
    (ca_directory / "ca.key").write_bytes((tmp_path / "other" / "ca.key").read_bytes())

    with pytest.raises(CaStateError, match="do not belong together"):
        CertificateAuthority.open(ca_directory, ANY, NOW)


def test_a_newer_versions_ledger_is_refused(ca_directory: Path) -> None:
    CertificateAuthority.open(ca_directory, ANY, NOW).close()
    with closing(sqlite3.connect(ca_directory / "issued.db")) as connection:
        connection.execute("PRAGMA user_version = 99")

    with pytest.raises(CaStateError, match="newer version"):
        CertificateAuthority.open(ca_directory, ANY, NOW)


def test_threads_get_serials_of_their_own_and_one_certificate_for_each_transaction(
    ca_directory: Path, client_key: SoftwarePrivateKey
) -> None:
    serials: dict[str, set[int]] = defaultdict(set)
    with CertificateAuthority.open(ca_directory, ANY, NOW) as authority:

        def enrol(order: list[str]) -> None:
            for transaction_id in order:
                serials[transaction_id].add(issue(authority, client_key, transaction_id).serial_number)

        ids = [f"T-{number}" for number in range(15)]
        threads = [threading.Thread(target=enrol, args=(order,)) for order in (ids, ids[::-1]) * 4]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        issued = [entry.certificate.serial_number for entry in authority.issued()]

    assert sorted(serials) == sorted(ids)
    assert all(len(found) == 1 for found in serials.values())
    assert len(set(issued)) == len(ids)
    assert issued == sorted(issued)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.one_of(st.just("reopen"), st.tuples(st.sampled_from("abc"), st.booleans())), min_size=1, max_size=8
    )
)
def test_any_order_of_requests_and_restarts(
    steps: list[Any],
    tmp_path_factory: pytest.TempPathFactory,
    ca_key_pem: bytes,
    client_key: SoftwarePrivateKey,
    other_key: SoftwarePrivateKey,
) -> None:
    directory = tmp_path_factory.mktemp("ca")
    (directory / "ca.key").write_bytes(ca_key_pem)
    expected: dict[Any, x509.Certificate] = {}
    authority = CertificateAuthority.open(directory, ANY, NOW)
    try:
        for step in steps:
            if step == "reopen":
                authority.close()
                authority = CertificateAuthority.open(directory, ANY, NOW)
                continue
            transaction_id, is_other = step
            certificate = issue(authority, other_key if is_other else client_key, transaction_id)
            assert expected.setdefault(step, certificate) == certificate
        serials = [entry.certificate.serial_number for entry in authority.issued()]
    finally:
        authority.close()

    assert serials == [certificate.serial_number for certificate in expected.values()]
    assert serials == sorted(set(serials))
