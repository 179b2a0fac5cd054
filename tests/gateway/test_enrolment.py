"""The main job as an operator sees it: files, commands, exit statuses, crashes."""

from __future__ import annotations

import json
import random
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

SCEP = "gatewright.scep.SCEPEnrollmentService"
KEYSTORE = "gatewright.keystore.FilesystemKeystore~EnrollmentKeystore"

pytestmark = pytest.mark.peer("scepserver", "openssl")


def test_a_gateway_enrols_from_its_files_and_openssl_accepts_the_chain(gateway: Any, scep_server: Any) -> None:
    gateway.configure_enrolment(scep_server)
    gateway.start()
    status = gateway.wait_for("enrolled")
    assert gateway.run("cert", "status").returncode == 0
    assert set(status["certificate"]) >= {"subject", "issuer", "serial", "not_before", "not_after", "sha256"}
    assert status["last_error"] is None
    chain = gateway.home / "chain.pem"
    assert (
        gateway.run("keystore", "export", "EnrollmentKeystore", "scep-enrolled-key-pair", "-o", str(chain)).returncode
        == 0
    )
    verified = subprocess.run(
        ["openssl", "verify", "-CAfile", str(scep_server.ca_file), str(chain)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert verified.returncode == 0, verified.stderr
    _, log = gateway.stop()
    assert scep_server.challenge not in log


@pytest.mark.parametrize(
    ("changes", "state", "exit_status"),
    [
        ({"server.ca.fingerprint": "0" * 64}, "untrusted-ca", 4),
        ({"client.challenge.password": "wrong"}, "refused", 2),
        ({"server.url": "http://127.0.0.1:9"}, "unreachable", 3),
        ({"client.subject.dn": ""}, "misconfigured", 4),
        ({"KeystoreService.target": "(kura.service.pid=Nowhere)"}, "waiting-for-keystore", 4),
        ({"enabled": False}, "disabled", 1),
    ],
)
def test_each_way_of_not_being_enrolled_is_a_state_of_its_own(
    gateway: Any, scep_server: Any, changes: dict[str, Any], state: str, exit_status: int
) -> None:
    without_haste: dict[str, Any] = {"connect.retry-interval": 600}  # so that the state stays while it is looked at
    gateway.configure_enrolment(scep_server, **without_haste, **changes)
    gateway.start()
    status = gateway.wait_for(state)
    assert status["certificate"] is None
    shown = gateway.run("cert", "status")
    assert shown.returncode == exit_status
    assert state in shown.stdout
    assert scep_server.challenge not in shown.stdout
    assert status["next_action"]["what"]


def test_a_property_that_is_pushed_enrols_anew(gateway: Any, make_scep_server: Callable[..., Any]) -> None:
    first, second = make_scep_server("one"), make_scep_server("two")
    gateway.configure_enrolment(first)
    gateway.start()
    before = gateway.wait_for("enrolled")["certificate"]
    challenge = gateway.home / "challenge"
    challenge.write_text("two\n")
    pushed = gateway.json(
        *("config", "set", SCEP, f"server.url={second.endpoint}", f"server.ca.fingerprint={second.fingerprint}"),
        f"client.challenge.password=@{challenge}",
    )
    assert pushed["outcome"] == "bootstrapped"
    after = gateway.json("cert", "status")
    while after["state"] != "enrolled" or after["certificate"] == before:
        assert after["certificate"] is not None, "the old identity went before the new one came"
        after = gateway.json("cert", "status")
    assert after["certificate"]["issuer"] == second.ca_certificate.subject.rfc4514_string()


def test_killed_at_any_moment_it_completes_with_one_key_pair_and_one_certificate(
    gateway: Any, scep_server: Any
) -> None:
    gateway.configure_enrolment(scep_server)
    randomness = random.Random(20261123)  # a fixed seed: moments differ by the machine's speed anyhow
    for _ in range(6):
        gateway.start()
        for _ in range(randomness.randrange(0, 3)):
            gateway.run("cert", "status")
        gateway.stop(signal.SIGKILL)
    gateway.start()
    gateway.wait_for("enrolled")
    entries = gateway.json("keystore", "list", "EnrollmentKeystore")
    text = str(entries)
    for alias in ("sce-request-key-pair", "scep-cacerts_0", "scep-enrolled-key-pair"):
        assert text.count(f"'{alias}'") == 1
    with_key = gateway.home / "identity.pem"
    gateway.run(
        *("keystore", "export", "EnrollmentKeystore", "scep-enrolled-key-pair", "--with-key", "-o", str(with_key))
    )
    assert with_key.stat().st_mode & 0o777 == 0o600
    public = [
        subprocess.run(["openssl", *command, "-in", str(with_key)], capture_output=True, text=True, check=True).stdout
        for command in (["pkey", "-pubout"], ["x509", "-pubkey", "-noout"])
    ]
    assert public[0] == public[1]
    assert "damaged" not in str(gateway.json("cert", "status"))


def test_status_tells_of_an_enrolment_that_needs_somebody(gateway: Any, scep_server: Any) -> None:
    gateway.configure_enrolment(scep_server, **{"client.challenge.password": "wrong"})
    gateway.start()
    gateway.wait_for("refused")
    (problem,) = [one for one in gateway.json("status")["problems"] if "the enrolment is refused" in one]
    assert "the CA refused the request" in problem


def test_a_certificate_is_renewed_rekeyed_and_inspected_by_command(gateway: Any, scep_server: Any) -> None:
    gateway.configure_enrolment(scep_server)
    gateway.start()
    before = gateway.wait_for("enrolled")["certificate"]
    with gateway.following("gatewright/enrollment/STATE_CHANGED") as events:
        assert gateway.run("cert", "renew").returncode == 0
        next(line for line in events if '"enrolled"' in line and "stored" in line)
    after = gateway.json("cert", "inspect")
    assert after["sha256"] != before["sha256"]
    assert after["subject"] == before["subject"]
    assert len(scep_server.issued()) == 2
    trusted = gateway.json("cert", "ca")["certificates"]
    assert [one["subject"] for one in trusted] == [before["issuer"]]
    assert gateway.run("cert", "poll").returncode == 1


def test_what_cannot_begin_is_not_said_to_be_asked_for(gateway: Any, scep_server: Any) -> None:
    bundle = gateway.home / "bundle.pem"
    gateway.configure_enrolment(scep_server, **{"server.tls.ca-bundle": str(bundle)})
    gateway.start()
    gateway.wait_for("misconfigured")
    answer = gateway.run("cert", "renew")
    assert answer.returncode == 4
    assert f"server.tls.ca-bundle: {bundle} cannot be read" in answer.stdout
    bundle.write_bytes(scep_server.ca_file.read_bytes())
    assert "asked for" in gateway.run("cert", "renew").stdout
    gateway.wait_for("enrolled")


def test_an_enrolment_that_was_disabled_by_hand_says_how_to_enable_it(gateway: Any) -> None:
    gateway.start()
    assert gateway.run("component", "disable", SCEP).returncode == 0
    shown = gateway.run("cert", "status", "--json")
    status = json.loads(shown.stdout)
    assert (shown.returncode, status["state"]) == (1, "disabled")
    assert status["next_action"]["what"] == f"enable it with: gatewright component enable {SCEP}"
    assert gateway.run("component", "enable", SCEP).returncode == 0
    assert gateway.run("component", "enable", "nothing").returncode == 1
