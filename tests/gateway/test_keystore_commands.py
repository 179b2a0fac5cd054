"""The `keystore` commands on a gateway that runs, with files on the client's side, beside openssl."""

from __future__ import annotations

import os
import stat
import subprocess
from typing import Any

import pytest

KEYSTORE = "gatewright.keystore.FilesystemKeystore~Main"
CANARY = "canary-k3ystore"


@pytest.fixture
def main(gateway: Any) -> Any:
    (gateway.conf_dir / "keystore.json").write_text(f'{{"{KEYSTORE}": {{"keystore.path": "main.p12"}}}}')
    gateway.start()
    return gateway


def openssl(gateway: Any, *arguments: str) -> str:
    done = subprocess.run(["openssl", *arguments], cwd=gateway.home, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def make_ca(gateway: Any) -> None:
    openssl(
        gateway,
        *["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=CA", "-keyout", "ca.key", "-out", "ca.pem"],
    )


def aliases(gateway: Any) -> list[str]:
    (keystore,) = gateway.json("keystore", "list", "Main")["keystores"]
    return [one["alias"] for one in keystore["entries"]]


@pytest.mark.peer("openssl")
def test_a_key_is_generated_requested_certified_and_exported(main: Any) -> None:
    made = main.run("keystore", "generate", "Main", "gw", "--subject", "CN=gw,O=Example", "--algorithm", "EC")
    assert made.returncode == 0, made.stderr
    assert "generating" in made.stdout
    again = main.run("keystore", "generate", "Main", "gw", "--subject", "CN=gw")
    assert again.returncode == 1
    assert "--replace" in again.stderr

    asked = main.run("keystore", "csr", "Main", "gw", "--alternative-name", "DNS:gw.example", "-o", "gw.csr")
    assert asked.returncode == 0, asked.stderr
    shown = openssl(main, "req", "-in", "gw.csr", "-verify", "-noout", "-text")
    assert "DNS:gw.example" in shown

    make_ca(main)
    openssl(main, "x509", "-req", "-in", "gw.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "9", "-out", "gw.pem")
    stored = main.run("keystore", "import", "Main", "ca.pem", "gw.pem", "--alias", "gw")
    assert stored.returncode == 0, stored.stderr
    entry = main.json("keystore", "show", "Main", "gw")
    assert [one["subject"] for one in entry["chain"]] == ["CN=gw,O=Example", "CN=CA"]

    assert main.run("keystore", "export", "Main", "gw", "-o", "chain.pem").returncode == 0
    assert "PRIVATE KEY" not in (main.home / "chain.pem").read_text()
    openssl(main, "verify", "-CAfile", "ca.pem", "chain.pem")

    os.mkfifo(main.home / "pipe")
    (main.home / "link").symlink_to("chain.pem")
    for name in ("pipe", "link"):  # as /dev/stdout is a link, and /dev/null no regular file
        before = (main.home / name).lstat()
        refused = main.run("keystore", "export", "Main", "gw", "--with-key", "-o", name)
        assert refused.returncode != 0
        assert f"{name} is not a regular file" in refused.stderr
        assert (main.home / name).lstat().st_ino == before.st_ino
    assert "PRIVATE KEY" not in (main.home / "chain.pem").read_text()

    (main.home / "password").write_text("export-me\n")
    options = ("--with-key", "--format", "pkcs12", "--password-file", "password", "-o", "gw.p12")
    exported = main.run("keystore", "export", "Main", "gw", *options)
    assert exported.returncode == 0, exported.stderr
    assert stat.S_IMODE((main.home / "gw.p12").stat().st_mode) == 0o600
    assert "PRIVATE KEY" in openssl(main, "pkcs12", "-in", "gw.p12", "-passin", "pass:export-me", "-nodes")

    refused = main.run("keystore", "delete", "Main", "gw")
    assert refused.returncode == 64
    assert aliases(main) == ["gw"]
    assert main.run("keystore", "delete", "Main", "gw", "--with-key").returncode == 0
    assert main.run("keystore", "import", "Main", "gw.p12", "--all", "--password-file", "password").returncode == 0
    assert aliases(main) == ["gw"]


@pytest.mark.peer("openssl")
def test_an_import_that_fails_stores_nothing_and_says_what_is_wrong(main: Any) -> None:
    make_ca(main)
    good = (main.home / "ca.pem").read_text()
    (main.home / "bad.pem").write_text(good + "-----BEGIN CERTIFICATE-----\n????\n")
    for files, words in (
        (["bad.pem"], "line "),
        (["absent.pem"], "No such file"),
        (["ca.pem", "ca.pem"], "2 certificates"),
    ):
        done = main.run("keystore", "import", "Main", *files, "--alias", "ca")
        assert done.returncode == 1
        assert words in done.stderr
    assert aliases(main) == []
    assert main.run("keystore", "import", "Main", "ca.pem").returncode == 64
    assert main.run("keystore", "import", "Main", "ca.pem", "--alias", "ca").returncode == 0
    assert "CN=CA" in main.run("keystore", "show", "Main", "ca").stdout


@pytest.mark.peer("openssl")
def test_a_key_and_its_password_are_seen_in_no_answer(main: Any) -> None:
    openssl(
        main, "req", "-x509", "-newkey", "rsa:2048", "-subj", "/CN=x", "-keyout", "key.pem", "-out", "x.pem",
        "-passout", f"pass:{CANARY}",
    )  # fmt: skip
    (main.home / "password").write_text(CANARY)
    (main.home / "wrong").write_text(f"{CANARY}-not")
    wrong = main.run("keystore", "import", "Main", "key.pem", "x.pem", "--alias", "x", "--password-file", "wrong")
    right = main.run("keystore", "import", "Main", "key.pem", "x.pem", "--alias", "x", "--password-file", "password")
    assert (wrong.returncode, right.returncode) == (1, 0)
    shown = [main.run("keystore", verb, *rest) for verb, *rest in (["list"], ["show", "Main", "x"])]
    told = "".join(one.stdout + one.stderr for one in (wrong, right, *shown))
    assert CANARY not in told
    assert "PRIVATE KEY" not in told
