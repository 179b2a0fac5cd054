"""strongSwan's `pki --scepca` and `pki --scep` enrol with the development CA."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cryptography import x509

from tests.interop.answer_table import Answer
from tests.interop.development_ca import CHALLENGE, DevelopmentCa, development_ca, rsa_key, run, write_key

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from components.keystore import SoftwarePrivateKey
    from tests.interop.conftest import RecordAnswer

pytestmark = pytest.mark.peer("pki", "openssl")


@pytest.fixture
def key(request: pytest.FixtureRequest) -> SoftwarePrivateKey:
    return rsa_key(getattr(request, "param", 2048))


@pytest.fixture(params=[False, True], ids=["lenient", "strict"])
def server(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[DevelopmentCa]:
    with development_ca(tmp_path / "ca", strict=request.param) as server:
        yield server


@pytest.fixture
def directory(tmp_path: Path, key: SoftwarePrivateKey, server: DevelopmentCa) -> Path:
    """Where pki works, with a key and the CA's certificate as pki fetched it."""
    directory = tmp_path / "client"
    directory.mkdir()
    write_key(directory / "key.pem", key)
    fetch = "pki --scepca --caout ca.pem --raout ra.pem --outform pem --url"
    run(*fetch.split(), server.url, directory=directory)
    return directory


def enrol(
    server: DevelopmentCa, directory: Path, *options: str, challenge: str = CHALLENGE, status: int = 0
) -> tuple[bytes, str]:
    """Run pki; the certificate that it prints, and what else it says."""
    trust = "--cacert-enc ca.pem --cacert-sig ca.pem --cacert ca.pem"
    done = run(
        *("pki", "--scep", "--url", server.url, "--in", "key.pem", "--dn", "O=Acme, CN=device-7"),
        *("--password", challenge, *trust.split(), "--maxpolltime", "5", "--outform", "pem", *options),
        directory=directory,
        status=status,
    )
    return done.stdout, done.stderr.decode()


def test_it_fetches_the_ca_certificate(server: DevelopmentCa, directory: Path) -> None:
    fetched = x509.load_pem_x509_certificate((directory / "ca.pem").read_bytes())

    assert fetched == server.ca.certificate
    assert [path.name for path in directory.glob("ra*")] == []


@pytest.mark.parametrize(
    "options",
    [
        "",
        "--digest sha384",
        "--digest sha512",
        "--san device-7.example.org",  # it does not sort the request's attributes then
    ],
)
def test_it_enrols_with_aes(server: DevelopmentCa, directory: Path, key: SoftwarePrivateKey, options: str) -> None:
    printed, _ = enrol(server, directory, "--cipher", "aes", *options.split())

    certificate = x509.load_pem_x509_certificate(printed)
    assert [entry.certificate for entry in server.ca.issued()] == [certificate]
    assert certificate.public_key() == key.public_key
    assert certificate.subject.rfc4514_string() == "CN=device-7,O=Acme"
    if "--san" in options:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert names.get_values_for_type(x509.DNSName) == ["device-7.example.org"]
    (directory / "device.pem").write_bytes(printed)
    run("openssl", "verify", "-CAfile", server.directory / "ca.pem", "device.pem", directory=directory)


@pytest.mark.parametrize("key", [2048, 3072, 4096], indirect=True)
def test_each_key_size_is_granted(
    server: DevelopmentCa, directory: Path, key: SoftwarePrivateKey, record_answer: RecordAnswer
) -> None:
    printed, _ = enrol(server, directory, "--cipher", "aes")
    certificate = x509.load_pem_x509_certificate(printed)
    assert certificate.public_key() == key.public_key
    terms = "strict" if server.strict else "standard"
    outcome = f"{certificate.signature_algorithm_oid._name}: enrolled"
    record_answer(Answer("strongSwan, development CA", f"RSA {key.public_key.key_size}, CA RSA 2048", terms, outcome))


@pytest.mark.parametrize("server", [False], ids=["lenient"], indirect=True)
def test_it_enrols_with_triple_des(server: DevelopmentCa, directory: Path) -> None:
    printed, _ = enrol(server, directory, "--cipher", "des3")

    assert server.ca.issued()[0].certificate == x509.load_pem_x509_certificate(printed)


def test_it_understands_a_refusal(server: DevelopmentCa, directory: Path) -> None:
    printed, said = enrol(server, directory, challenge="guess", status=1)

    assert printed == b""
    assert "badRequest" in said
    assert server.ca.issued() == ()
