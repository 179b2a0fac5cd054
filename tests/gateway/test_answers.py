"""What every command answers with `--json`, asked of a gateway that runs, is what its schema says."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from framework.cli import main
from tests.answers import TABLE, check_answer, command_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SCEP = "gatewright.scep.SCEPEnrollmentService"
BACKUP = "gatewright.keystore.FilesystemKeystore~Backup"


@dataclass(frozen=True)
class Call:
    """A command line, and how it ends; `{home}` stands for a directory with the files below."""

    line: str
    fails: bool = False

    def argv(self, home: Path) -> list[str]:
        return [word.replace("{home}", str(home)) for word in self.line.split()]


FILES = {
    "good.json": {BACKUP: {"keystore.path": "backup.p12"}},
    "bad.json": {SCEP: {"connect.retry-interval": -1}},
    "same.json": {},
    "gone.json": {BACKUP: None},
    "descriptor.json": {"$schema": "nonsense"},
}

CALLS = (
    Call("status"),
    Call("doctor"),
    Call("doctor --problems"),
    Call("diagnostics -o {home}/bundle.tar.gz"),
    Call("explain " + SCEP),
    Call("explain nonsense", fails=True),
    Call("component list"),
    Call("component disable " + SCEP),
    Call("cert status"),
    Call("cert inspect", fails=True),
    Call("component enable " + SCEP),
    Call("component enable nonsense", fails=True),
    Call("component disable nonsense", fails=True),
    Call("service list"),
    Call("log names"),
    Call("log names keystore."),
    Call("config list"),
    Call(f"config get {SCEP}"),
    Call(f"config get {SCEP} --show-origin"),
    Call("config get nonsense", fails=True),
    Call(f"config plan {SCEP} connect.retry-interval=7"),
    Call(f"config plan {SCEP} connect.retry-interval=-7"),
    Call("config plan {home}/good.json"),
    Call("config plan {home}/bad.json"),
    Call(f"config set {SCEP} connect.retry-interval=7"),
    Call(f"config set {SCEP} connect.retry-interval=-7", fails=True),
    Call(f"config set {SCEP} client.challenge.password=visible", fails=True),
    Call(f"config set {SCEP} connect.retry-interval=8 --if-revision 4711", fails=True),
    Call(f"config set {SCEP} --unset connect.retry-interval"),
    Call("config apply {home}/good.json --dry-run"),
    Call("config apply {home}/good.json"),
    Call("config apply {home}/same.json"),
    Call("config apply {home}/bad.json", fails=True),
    Call("config apply {home}/missing.json", fails=True),
    Call(f"config lock {BACKUP}"),
    Call(f"config delete {BACKUP}", fails=True),
    Call(f"config unlock {BACKUP}"),
    Call("config lock nonsense", fails=True),
    Call("config unlock nonsense", fails=True),
    Call("config export"),
    Call("config export --effective"),
    Call("config export -o {home}/export.json"),
    Call("config export -o /no/such/directory/export.json", fails=True),
    Call("config snapshot good"),
    Call("config snapshot"),
    Call("config snapshot good --delete"),
    Call("config snapshot good --delete", fails=True),
    Call("config history"),
    Call("config diff"),
    Call("config diff 0"),
    Call("config diff nonsense", fails=True),
    Call("config rollback 1 --dry-run"),
    Call("config rollback 1"),
    Call("config rollback nonsense", fails=True),
    Call("config import {home}/export.json --dry-run"),
    Call("config import {home}/export.json"),
    Call("config import {home}/bad.json", fails=True),
    Call("config import {home}/kura.xml --dry-run"),
    Call("config reload"),
    Call("config acknowledge"),
    Call("config rotate-key"),
    Call("keystore list"),
    Call("keystore list nonsense", fails=True),
    Call("keystore generate Backup gw --subject CN=gw --algorithm EC"),
    Call("keystore generate Backup gw --subject CN=gw --algorithm EC", fails=True),
    Call("keystore list Backup"),
    Call("keystore show Backup gw"),
    Call("keystore show Backup nonsense", fails=True),
    Call("keystore csr Backup gw -o {home}/gw.csr"),
    Call("keystore csr Backup nonsense -o {home}/gw.csr", fails=True),
    Call("keystore export Backup gw -o {home}/gw.pem"),
    Call("keystore export Backup nonsense -o {home}/gw.pem", fails=True),
    Call("keystore import Backup {home}/gw.pem --alias trusted"),
    Call("keystore import Backup {home}/good.json --alias trusted", fails=True),
    Call("keystore list"),
    Call("keystore show Backup trusted"),
    Call("keystore delete Backup gw", fails=True),
    Call("keystore delete Backup trusted"),
    Call("keystore export-units /srv/export --reload nginx.service --root {home}/image"),
    Call("keystore export-units relative --reload nginx.service --dry-run", fails=True),
    Call("keystore crl list"),
    Call("keystore crl list nonsense", fails=True),
    Call("keystore crl refresh"),
    Call("keystore crl refresh nonsense", fails=True),
    Call(f"config delete {BACKUP}"),
    Call("cert enroll"),
    Call("cert poll", fails=True),
    Call("cert renew"),
    Call("cert rekey"),
    Call("cert ca"),
    Call("cert ca --look-for-next", fails=True),
    Call("cert get 1", fails=True),
    Call("cert get nonsense", fails=True),
    Call("cert crl", fails=True),
    Call("scep probe http://127.0.0.1:1", fails=True),
    Call("scep probe nonsense:", fails=True),
    Call(f"metatype show {SCEP}"),
    Call(f"metatype show {SCEP} --schema"),
    Call("metatype show nonsense", fails=True),
    Call("metatype show {home}/descriptor.json", fails=True),
    Call("metatype lint {home}/descriptor.json"),
    Call("metatype lint {home}/missing.xml", fails=True),
    Call("plugin list"),
    Call("plugin check"),
    Call("plugin check nonsense", fails=True),
    Call("plugin remove scep"),
    Call("cert status", fails=True),
    Call("plugin add scep"),
    Call("plugin add nonsense", fails=True),
    Call("plugin remove nonsense", fails=True),
    Call("completion bash"),
    Call("completion nonsense", fails=True),
    Call("complete -- config g"),
    Call("manual"),
    Call("schema"),
    Call("schema nonsense", fails=True),
    Call("install --root {home}/image --program /usr/bin/gatewright --dry-run"),
    Call("install --root {home}/image --program /usr/bin/gatewright"),
    Call("install --root {home}/image --user root:0", fails=True),
    Call("uninstall --root {home}/image --dry-run"),
    Call("uninstall --root {home}/image"),
    Call("events --filter nonsense", fails=True),
)

UNREACHABLE = {
    "gatewright.keystore.FilesystemKeystore~EnrollmentKeystore": {"keystore.path": "enrollment.p12"},
    SCEP: {"enabled": True, "server.url": "http://127.0.0.1:1", "server.ca.fingerprint": "0" * 64},
}

KURA = """<?xml version="1.0" encoding="UTF-8"?>
<esf:configurations xmlns:esf="http://eurotech.com/esf/2.0" xmlns:ocd="http://www.osgi.org/xmlns/metatype/v1.2.0">
  <esf:configuration pid="org.example.Unknown">
    <esf:properties>
      <esf:property array="false" encrypted="false" name="a" type="String"><esf:value>b</esf:value></esf:property>
    </esf:properties>
  </esf:configuration>
</esf:configurations>
"""


def ask(gateway: Any, argv: Sequence[str]) -> int:
    """Run one command in this process, against the gateway."""
    own = [*argv]
    place = own.index("--") if "--" in own else len(own)
    own[place:place] = ["--json", "--state-dir", str(gateway.state_dir)]
    return main(own)


def test_every_answer_of_every_command_is_what_its_schema_says(
    gateway: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, content in FILES.items():
        (gateway.home / name).write_text(json.dumps(content))
    (gateway.home / "kura.xml").write_text(KURA)
    (gateway.conf_dir / "10.json").write_text(json.dumps(UNREACHABLE))
    gateway.start()
    for call in CALLS:
        argv = call.argv(gateway.home)
        status = ask(gateway, argv)
        check_answer(argv, capsys.readouterr().out, is_error=call.fails)
        assert status != 0 or not call.fails, call.line


@pytest.mark.peer("scepserver")
def test_what_an_enrolled_gateway_answers_is_what_the_schemas_say(
    gateway: Any, scep_server: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway.configure_enrolment(scep_server)
    gateway.start()
    gateway.wait_for("enrolled")
    for line in (
        *("status", "doctor", "cert status", "cert inspect", "cert ca", "keystore list", "config export"),
        *("scep probe", "cert renew --wait", "cert rekey --wait", "cert poll", "cert get 1", "cert crl"),
        "keystore show EnrollmentKeystore scep-enrolled-key-pair",
    ):
        ask(gateway, line.split())
        check_answer(line.split(), capsys.readouterr().out, is_error=line in {"cert poll", "cert get 1", "cert crl"})


def test_events_are_what_their_schema_says(gateway: Any) -> None:
    gateway.start()
    with gateway.following("*") as events:
        changed = threading.Thread(
            target=gateway.run, args=("config", "set", BACKUP, "keystore.path=backup.p12"), daemon=True
        )
        changed.start()
        for line in events:
            check_answer(["events"], line, is_error=False)
            if "CM_UPDATED" in line:
                break
        else:
            pytest.fail("the change was not told of")
        changed.join()


def test_no_command_is_left_out() -> None:
    asked = {command_of(call.line.split()).path for call in CALLS}
    assert [" ".join(one.path) for one in TABLE.commands() if one.path not in asked] == []
