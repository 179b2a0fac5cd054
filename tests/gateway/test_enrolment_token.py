"""The main job with a key that never leaves its token: SoftHSM 2 with Debian's SCEP server and the development CA."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from components.keystore import PrivateKeyEntry, as_rsa_private_key
from components.keystore.pkcs11.keystore import TokenKeystore
from components.keystore.pkcs11.module import Module, TokenChoice
from tests.components.keystore.soft_hsm import MODULE, PIN, SoftHsm
from tests.interop.development_ca import CHALLENGE, development_ca

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILESYSTEM = "gatewright.keystore.FilesystemKeystore~EnrollmentKeystore"
TOKEN = "gatewright.keystore.PKCS11Keystore~EnrollmentKeystore"
IDENTITY = "scep-enrolled-key-pair"

pytestmark = pytest.mark.peer("softhsm2-util", "openssl")


class Server:
    """What a gateway's configuration says of a server."""

    def __init__(self, endpoint: str, fingerprint: str, challenge: str, ca_file: Path) -> None:
        self.endpoint, self.fingerprint, self.challenge, self.ca_file = endpoint, fingerprint, challenge, ca_file


@pytest.fixture
def development_server(tmp_path: Path) -> Iterator[Server]:
    with development_ca(tmp_path / "ca") as served:
        yield Server(served.url, served.ca.fingerprint, CHALLENGE, served.directory / "ca.pem")


@pytest.mark.parametrize(
    "server", [pytest.param("scep_server", marks=pytest.mark.peer("scepserver")), "development_server"]
)
def test_a_key_in_a_token_is_enrolled_renewed_and_replaced(
    gateway: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, server: str
) -> None:
    authority = request.getfixturevalue(server)
    hsm = SoftHsm(tmp_path / "hsm")
    hsm.make_token()
    monkeypatch.setenv("SOFTHSM2_CONF", str(hsm.configuration))
    gateway.configure_enrolment(authority)
    path = gateway.conf_dir / "enrolment.json"
    document = json.loads(path.read_text())
    del document[FILESYSTEM]
    document[TOKEN] = {"library.path": MODULE, "token.label": "gateway", "pin": PIN.reveal()}
    path.write_text(json.dumps(document))

    gateway.start()
    enrolled = gateway.wait_for("enrolled")["certificate"]
    renewed = ask(gateway, "renew", enrolled)
    rekeyed = ask(gateway, "rekey", renewed)
    listed = gateway.json("keystore", "list")
    assert IDENTITY in json.dumps(listed)
    chain = gateway.home / "chain.pem"
    assert gateway.run("keystore", "export", "EnrollmentKeystore", IDENTITY, "-o", str(chain)).returncode == 0
    verify = ["openssl", "verify", "-CAfile", str(authority.ca_file), str(chain)]
    subprocess.run(verify, check=True, capture_output=True)
    refused = gateway.run("keystore", "export", "EnrollmentKeystore", IDENTITY, "--with-key", "-o", str(chain) + ".key")
    assert refused.returncode != 0
    assert "do not leave" in refused.stderr + refused.stdout or "cannot leave" in refused.stderr + refused.stdout
    _, log = gateway.stop()
    assert PIN.reveal() not in log

    with Module.of(MODULE).using() as module:
        module.initialise_anew()
    entry = TokenKeystore(MODULE, TokenChoice("gateway"), PIN).get(IDENTITY)
    assert isinstance(entry, PrivateKeyEntry)
    assert f"{entry.certificate.serial_number:x}" == rekeyed["serial"]
    assert as_rsa_private_key(entry.key).key_size == 2048


def ask(gateway: Any, purpose: str, present: dict[str, str]) -> dict[str, str]:
    """Have the certificate renewed or its key replaced by command; the certificate that is there then."""
    with gateway.following("gatewright/enrollment/*") as events:
        assert gateway.run("cert", purpose).returncode == 0
        for _ in events:
            status = gateway.json("cert", "status")
            if status["state"] == "enrolled" and status["certificate"]["sha256"] != present["sha256"]:
                found: dict[str, str] = status["certificate"]
                return found
    raise AssertionError(f"the gateway ended before the answer to {purpose}")
