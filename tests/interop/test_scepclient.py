"""Debian's `scepclient` (micromdm's) enrols with the development CA."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cryptography import x509

from components.keystore import KeyAlgorithm, SoftwarePrivateKey
from tests.interop.development_ca import CHALLENGE, DevelopmentCa, development_ca, run, write_key
from tools.scep_ca import CaParameters

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.peer("scepclient", "openssl")


@pytest.fixture(scope="module")
def key() -> SoftwarePrivateKey:
    return SoftwarePrivateKey.generate(KeyAlgorithm.RSA, 2048)


def enrol(
    server: DevelopmentCa, directory: Path, key: SoftwarePrivateKey, *, challenge: str = CHALLENGE, status: int = 0
) -> str:
    """Run scepclient; what it prints. It reuses what it finds in its directory, so each run has its own."""
    directory.mkdir()
    done = run(
        *("scepclient", "-server-url", server.url, "-challenge", challenge),
        *("-private-key", write_key(directory / "key.pem", key), "-certificate", directory / "client.pem"),
        *("-cn", "device-7", "-organization", "Acme", "-country", "XX"),
        directory=directory,
        status=status,
    )
    return (done.stdout + done.stderr).decode()


def test_it_enrols(tmp_path: Path, key: SoftwarePrivateKey) -> None:
    with development_ca(tmp_path / "ca") as server:
        enrol(server, tmp_path / "client", key)
        (entry,) = server.ca.issued()

    certificate = x509.load_pem_x509_certificate((tmp_path / "client" / "client.pem").read_bytes())
    assert certificate == entry.certificate
    assert certificate.public_key() == key.public_key
    assert {"CN=device-7", "O=Acme", "C=XX"} <= set(certificate.subject.rfc4514_string().split(","))
    run("openssl", "verify", "-CAfile", "ca/ca.pem", "client/client.pem", directory=tmp_path)


def test_the_same_request_after_a_restart_gets_the_same_certificate(tmp_path: Path, key: SoftwarePrivateKey) -> None:
    for life in ("first", "second"):
        with development_ca(tmp_path / "ca") as server:
            enrol(server, tmp_path / life, key)
            assert len(server.ca.issued()) == 1

    assert (tmp_path / "first/client.pem").read_bytes() == (tmp_path / "second/client.pem").read_bytes()


def test_it_understands_a_refusal(tmp_path: Path, key: SoftwarePrivateKey) -> None:
    with development_ca(tmp_path / "ca") as server:
        output = enrol(server, tmp_path / "client", key, challenge="guess", status=1)
        assert server.ca.issued() == ()

    assert "badRequest" in output


def test_its_des_and_sha1_are_refused_by_a_strict_ca(tmp_path: Path, key: SoftwarePrivateKey) -> None:
    with development_ca(tmp_path / "ca", strict=True) as server:
        output = enrol(server, tmp_path / "client", key, status=1)
        assert server.ca.issued() == ()

    assert "badAlg" in output


def test_it_renews_with_the_certificate_that_it_has(tmp_path: Path, key: SoftwarePrivateKey) -> None:
    with development_ca(tmp_path / "ca") as server:
        enrol(server, tmp_path / "client", key)
        first = (tmp_path / "client" / "client.pem").read_bytes()
        run(
            *("scepclient", "-server-url", server.url, "-challenge", CHALLENGE, "-private-key", "key.pem"),
            *("-certificate", "client.pem", "-cn", "device-7", "-organization", "Acme", "-country", "XX"),
            directory=tmp_path / "client",
        )
        issued = [entry.certificate for entry in server.ca.issued()]

    renewed = x509.load_pem_x509_certificate((tmp_path / "client" / "client.pem").read_bytes())
    assert issued == [x509.load_pem_x509_certificate(first), renewed]
    assert issued[0] != issued[1]


def test_it_enrols_with_a_ca_that_has_ras(tmp_path: Path, key: SoftwarePrivateKey) -> None:
    """It encrypts for everybody that GetCACert names, so a message may have several recipients."""
    with development_ca(tmp_path / "ca", parameters=CaParameters(registration_authority=True)) as server:
        enrol(server, tmp_path / "client", key)
        assert len(server.ca.issued()) == 1
