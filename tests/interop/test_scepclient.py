"""Debian's `scepclient` (micromdm's) enrols with the development CA."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cryptography import x509

from tests.interop.answer_table import Answer
from tests.interop.development_ca import CHALLENGE, DevelopmentCa, development_ca, rsa_key, run, write_key
from tools.scep_ca import CaParameters

if TYPE_CHECKING:
    from pathlib import Path

    from components.keystore import SoftwarePrivateKey
    from tests.interop.conftest import RecordAnswer

pytestmark = pytest.mark.peer("scepclient", "openssl")


@pytest.fixture(scope="module")
def key() -> SoftwarePrivateKey:
    return rsa_key(2048)


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


@pytest.mark.parametrize("size", [2048, 3072, 4096])
@pytest.mark.parametrize("strict", [False, True], ids=["standard", "strict"])
def test_each_key_size_is_granted_unless_the_ca_is_strict(
    tmp_path: Path, record_answer: RecordAnswer, size: int, *, strict: bool
) -> None:
    """It sends single DES and SHA-1, whatever its key is."""
    with development_ca(tmp_path / "ca", strict=strict, parameters=CaParameters(key_size=size)) as server:
        output = enrol(server, tmp_path / "client", rsa_key(size), status=int(strict))
        issued = [entry.certificate for entry in server.ca.issued()]
    keys, terms = f"RSA {size}, CA RSA {size}", "strict" if strict else "standard"
    outcome = "refused by the CA: badAlg" if strict else f"{issued[0].signature_algorithm_oid._name}: enrolled"
    record_answer(Answer("scepclient, development CA", keys, terms, outcome))
    assert ("badAlg" in output) == strict
    assert [one.public_key() for one in issued] == ([] if strict else [rsa_key(size).public_key])


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
