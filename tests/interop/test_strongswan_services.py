"""strongSwan's `pki` uses what no server in Debian has: RAs, approval by a person, renewal."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from components.keystore import KeyAlgorithm, SoftwarePrivateKey
from tests.interop.development_ca import CHALLENGE, development_ca, run, write_key
from tools.scep_ca import CaParameters

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.interop.development_ca import DevelopmentCa
    from tools.scep_ca import ScepCa

pytestmark = pytest.mark.peer("pki", "openssl")


@pytest.fixture(scope="module")
def key() -> SoftwarePrivateKey:
    return SoftwarePrivateKey.generate(KeyAlgorithm.RSA, 2048)


def write_trust(directory: Path, ca: ScepCa) -> None:
    """The CA's certificates by role, as pki wants to be told them."""
    directory.mkdir()
    issuing, *others = ca.certificates
    signing, encryption = others[:2] if len(others) > 1 else (issuing, issuing)
    for name, certificate in (("ca", issuing), ("sig", signing), ("enc", encryption)):
        (directory / f"{name}.pem").write_bytes(certificate.public_bytes(Encoding.PEM))


def command(server: DevelopmentCa, *options: str) -> tuple[str, ...]:
    trust = "--cacert-enc enc.pem --cacert-sig sig.pem --cacert ca.pem --cacert sig.pem --cipher aes --outform pem"
    return ("pki", "--scep", "--url", server.url, "--in", "key.pem", *trust.split(), *options)


SUBJECT = ("--dn", "O=Acme, CN=device-7")
FIRST = (*SUBJECT, "--password", CHALLENGE)


def test_it_enrols_through_ras(tmp_path: Path, key: SoftwarePrivateKey) -> None:
    with development_ca(tmp_path / "ca", parameters=CaParameters(registration_authority=True)) as server:
        client = tmp_path / "client"
        write_trust(client, server.ca)
        write_key(client / "key.pem", key)
        done = run(*command(server, *FIRST), directory=client)
        assert [x509.load_pem_x509_certificate(done.stdout)] == [one.certificate for one in server.ca.issued()]


def test_it_fetches_a_chain_with_ras(tmp_path: Path) -> None:
    parameters = CaParameters(intermediate=True, registration_authority=True)
    with development_ca(tmp_path / "ca", parameters=parameters) as server:
        run(
            *("pki", "--scepca", "--url", server.url, "--caout", "ca.pem", "--raout", "ra.pem", "--outform", "pem"),
            directory=tmp_path,
        )
        fetched = {
            x509.load_pem_x509_certificate(path.read_bytes())
            for path in (*tmp_path.glob("ca*.pem"), *tmp_path.glob("ra*.pem"))
        }
        assert fetched == set(server.ca.certificates)


@contextmanager
def polling(directory: Path, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(words, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def test_it_polls_until_a_person_approves(tmp_path: Path, key: SoftwarePrivateKey) -> None:
    with development_ca(tmp_path / "ca", approval=True) as server:
        client = tmp_path / "client"
        write_trust(client, server.ca)
        write_key(client / "key.pem", key)
        with polling(client, *command(server, *FIRST, "--interval", "1", "--maxpolltime", "60")) as process:
            assert process.stderr is not None
            for line in process.stderr:
                if b"pending" in line.lower():
                    break
            (waiting,) = server.ca.pending()
            server.ca.approve(waiting.transaction_id)
            printed, said = process.communicate(timeout=60)
        assert process.returncode == 0, said
        assert [x509.load_pem_x509_certificate(printed)] == [one.certificate for one in server.ca.issued()]


def test_it_renews_with_its_certificate_instead_of_the_password(tmp_path: Path, key: SoftwarePrivateKey) -> None:
    with development_ca(tmp_path / "ca") as server:
        client = tmp_path / "client"
        write_trust(client, server.ca)
        write_key(client / "key.pem", key)
        first = run(*command(server, *FIRST), directory=client).stdout
        (client / "old.pem").write_bytes(first)
        write_key(client / "old-key.pem", key)
        write_key(client / "key.pem", SoftwarePrivateKey.generate(KeyAlgorithm.RSA, 2048))
        second = run(*command(server, *SUBJECT, "--cert", "old.pem", "--key", "old-key.pem"), directory=client).stdout
        old, new = x509.load_pem_x509_certificate(first), x509.load_pem_x509_certificate(second)
        assert new.subject == old.subject
        assert new.public_key() != old.public_key()
        assert [one.certificate for one in server.ca.issued()] == [old, new]
