"""Exporting a keystore's entries as PEM files: what other programs find, and when; inside a gateway."""

from __future__ import annotations

import contextlib
import errno
import grp
import json
import os
import ssl
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import load_pem_private_key

import metatype
from components.keystore import (
    HealthState,
    KeyAlgorithm,
    KeystoreService,
    PrivateKeyEntry,
    SecretKeyEntry,
    SoftwarePrivateKey,
    TrustedCertificateEntry,
    as_signing_key,
    plugin,
)
from components.keystore.conformance import NOW
from components.keystore.export.files import file_stem, pem_files
from components.keystore.export.settings import ExportSettings
from components.keystore.export.upkeep import GRACE_S, RETRY_S
from components.keystore.filesystem import FilesystemKeystore
from components.keystore.pkcs11 import PKCS11Keystore
from framework import ConfigurationError
from framework.declarative_services import description_of
from framework.testing import GatewayHarness

if TYPE_CHECKING:
    from collections.abc import Iterator

FACTORY = "gatewright.keystore.FilesystemKeystore"
PID = f"{FACTORY}~Identity"
ALIAS = "scep-enrolled-key-pair"


def name(text: str) -> x509.Name:
    return x509.Name.from_rfc4514_string(text)


class Issuer:
    """A CA that issues what the tests renew."""

    def __init__(self) -> None:
        self.key = SoftwarePrivateKey.generate(KeyAlgorithm.EC, 256)
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(name("CN=CA"))
            .issuer_name(name("CN=CA"))
            .public_key(self.key.public_key)
            .serial_number(1)
            .not_valid_before(NOW - timedelta(days=1))
            .not_valid_after(NOW + timedelta(days=36500))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(as_signing_key(self.key), hashes.SHA256())
        )

    def issue(self, key: SoftwarePrivateKey | None = None) -> PrivateKeyEntry:
        key = key or SoftwarePrivateKey.generate(KeyAlgorithm.EC, 256)
        made = (
            x509.CertificateBuilder()
            .subject_name(name("CN=gateway"))
            .issuer_name(self.certificate.subject)
            .public_key(key.public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - timedelta(days=1))
            .not_valid_after(NOW + timedelta(days=36500))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("gateway.example")]), critical=False)
            .sign(as_signing_key(self.key), hashes.SHA256())
        )
        return PrivateKeyEntry(key, (made, self.certificate))


ISSUER = Issuer()
CA = TrustedCertificateEntry(ISSUER.certificate)


def harness(state: Path, **properties: Any) -> GatewayHarness:
    conf = {PID: {"keystore.path": "gateway.p12", **properties}}
    return GatewayHarness(plugins=[plugin], conf=conf, state_directory=state)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "export"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def gateway(state: Path, target: Path) -> Iterator[GatewayHarness]:
    with harness(state, **{"keystore.export.path": str(target)}) as running:
        running.settle()
        yield running


def service(gateway: GatewayHarness, pid: str = "Identity") -> KeystoreService:
    reference = gateway.registry.find(KeystoreService, f"(kura.service.pid={pid})")
    assert reference is not None
    found = gateway.registry.get(reference)
    assert isinstance(found, KeystoreService)
    return found


def store(gateway: GatewayHarness, **entries: Any) -> None:
    with service(gateway).edit() as edit:
        for alias, entry in entries.items():
            edit.set(alias, entry)
    gateway.settle()


def configure(gateway: GatewayHarness, **properties: Any) -> None:
    changed = {f"keystore.export.{key.replace('_', '.')}": value for key, value in properties.items()}
    assert gateway.configuration_admin.update(PID, changed).outcome == "modified"
    gateway.settle()


def names(directory: Path) -> set[str]:
    return {one.name for one in (directory / "current").iterdir()}


def fits(certificate: Path, key: Path) -> bool:
    leaf = x509.load_pem_x509_certificate(certificate.read_bytes())
    loaded = load_pem_private_key(key.read_bytes(), None)
    return leaf.public_key() == loaded.public_key()


def version(path: Path) -> tuple[int, int]:
    """What changes when a file is written; its time of access changes when it is read, too."""
    status = path.stat()
    return status.st_ino, status.st_mtime_ns


def problems(gateway: GatewayHarness) -> str:
    return " | ".join(service(gateway).health().problems)


def private_keys_below(directory: Path) -> list[Path]:
    return [one for one in directory.rglob("*") if one.is_file() and b"PRIVATE KEY" in one.read_bytes()]


def test_keys_chains_and_trusted_certificates_are_files_that_fit(gateway: GatewayHarness, target: Path) -> None:
    store(gateway, own=ISSUER.issue(), ca=CA, session=SecretKeyEntry("AES", b"k" * 16))
    assert names(target) == {"own.crt", "own.key", "own.pem", "ca.crt", "trusted.bundle"}
    current = target / "current"
    assert fits(current / "own.crt", current / "own.key")
    assert (current / "own.pem").read_bytes() == (current / "own.key").read_bytes() + (current / "own.crt").read_bytes()
    assert len(x509.load_pem_x509_certificates((current / "own.crt").read_bytes())) == 2
    modes = {one.name: one.stat().st_mode & 0o777 for one in current.iterdir()}
    assert modes == {"own.crt": 0o644, "own.key": 0o600, "own.pem": 0o600, "ca.crt": 0o644, "trusted.bundle": 0o644}
    assert service(gateway).health().state is HealthState.OK
    told = json.loads((target / "gatewright-export.json").read_text())
    assert told["entries"]["own"] == {
        "kind": "private-key",
        "key": "exported",
        "files": ["own.crt", "own.key", "own.pem"],
    }


def test_a_renewal_replaces_all_files_and_the_generation_before_goes_a_minute_later(
    gateway: GatewayHarness, target: Path
) -> None:
    store(gateway, own=ISSUER.issue())
    before = (target / "current").resolve()
    old_key = (before / "own.key").read_bytes()
    store(gateway, own=ISSUER.issue())
    current = target / "current"
    assert (current / "own.key").read_bytes() != old_key
    assert fits(current / "own.crt", current / "own.key")
    assert fits(before / "own.crt", before / "own.key"), "who has just opened it goes on"
    gateway.advance(seconds=GRACE_S)
    gateway.settle()
    assert not before.exists()
    assert len(private_keys_below(target)) == 2


def test_a_keystore_whose_name_is_no_plain_text_for_a_filter_is_followed(state: Path, target: Path) -> None:
    with harness(state, **{"keystore.export.path": str(target), "kura.service.pid": "A (old)*"}) as gateway:
        gateway.settle()
        store_in = service(gateway, "A \\(old\\)\\*")
        with store_in.edit() as edit:
            edit.set("ca", CA)
        gateway.settle()
        assert names(target) == {"ca.crt", "trusted.bundle"}


def test_a_removed_entry_leaves_at_once_and_takes_its_old_generations_with_it(
    gateway: GatewayHarness, target: Path
) -> None:
    store(gateway, own=ISSUER.issue(), ca=CA)
    store(gateway, own=ISSUER.issue())
    service(gateway).delete("own")
    gateway.settle()
    assert names(target) == {"ca.crt", "trusted.bundle"}
    assert private_keys_below(target) == []


def test_only_chosen_entries_are_exported_and_a_missing_one_is_told(gateway: GatewayHarness, target: Path) -> None:
    store(gateway, own=ISSUER.issue(), spare=ISSUER.issue(), **{"scep-cacerts_0": CA, "other": CA})
    configure(gateway, aliases=["own", "scep-cacerts_*", "later"])
    assert names(target) == {"own.crt", "own.key", "own.pem", "scep-cacerts_0.crt", "trusted.bundle"}
    assert "there is no entry later" in problems(gateway)
    assert service(gateway).health().state is HealthState.DEGRADED
    (finding,) = (one.finding for one in gateway.gateway.plugins.check_health() if one.check == "keystores")
    assert "there is no entry later" in repr(finding)


def test_a_restart_writes_nothing_that_is_right_and_repairs_what_is_not(state: Path, target: Path) -> None:
    own = ISSUER.issue()
    with harness(state, **{"keystore.export.path": str(target)}) as gateway:
        store(gateway, own=own)
    generation = (target / "current").resolve()
    manifest = version(target / "gatewright-export.json")
    with harness(state, **{"keystore.export.path": str(target)}) as gateway:
        gateway.settle()
        assert (target / "current").resolve() == generation
        assert version(target / "gatewright-export.json") == manifest
    (generation / "own.key").write_bytes(b"")
    (target / ".gatewright-left.new").write_text("what a crash left")
    with harness(state, **{"keystore.export.path": str(target)}) as gateway:
        gateway.settle()
        gateway.advance(seconds=GRACE_S)
        gateway.settle()
    current = target / "current"
    assert fits(current / "own.crt", current / "own.key")
    assert sorted(one.name for one in target.iterdir() if one.name.startswith(".")) == [current.resolve().name]


@pytest.mark.parametrize("how", ["removed", "deleted", "moved", "while it was off"])
def test_no_private_key_stays_where_nothing_is_exported_any_more(state: Path, target: Path, how: str) -> None:
    other = target.with_name("other")
    with harness(state, **{"keystore.export.path": str(target)}) as gateway:
        store(gateway, own=ISSUER.issue())
        assert private_keys_below(target)
        if how == "removed":
            configure(gateway, path="")
        elif how == "moved":
            configure(gateway, path=str(other))
            assert fits(other / "current" / "own.crt", other / "current" / "own.key")
    if how == "deleted":
        with GatewayHarness(plugins=[plugin], conf={}, state_directory=state) as gateway:
            gateway.configuration_admin.update(
                PID, {"keystore.path": "gateway.p12", "keystore.export.path": str(target)}
            )
            gateway.settle()
            assert private_keys_below(target)
            gateway.configuration_admin.delete(PID)
            gateway.settle()
    if how == "while it was off":
        with GatewayHarness(
            plugins=[plugin], conf={PID: {"keystore.path": "gateway.p12"}}, state_directory=state
        ) as gateway:
            gateway.settle()
    assert not target.exists(), "the directory was made for this, and nobody else keeps anything there"


def test_a_stop_leaves_the_files_for_other_programs(state: Path, target: Path) -> None:
    with harness(state, **{"keystore.export.path": str(target)}) as gateway:
        store(gateway, own=ISSUER.issue())
    assert fits(target / "current" / "own.crt", target / "current" / "own.key")


def test_what_is_of_others_is_never_touched(state: Path, target: Path) -> None:
    target.mkdir()
    (target / "dhparam.pem").write_text("theirs")
    (target / "own.key").write_text("theirs")
    with harness(state, **{"keystore.export.path": str(target)}) as gateway:
        store(gateway, own=ISSUER.issue())
        configure(gateway, path="")
    assert {one.name: one.read_text() for one in target.iterdir()} == {"dhparam.pem": "theirs", "own.key": "theirs"}


def test_a_directory_serves_one_keystore(gateway: GatewayHarness, target: Path) -> None:
    store(gateway, own=ISSUER.issue())
    gateway.configuration_admin.update(
        f"{FACTORY}~Second", {"keystore.path": "second.p12", "keystore.export.path": str(target)}
    )
    gateway.settle()
    assert "keystore Identity is exported to it" in " ".join(service(gateway, "Second").health().problems)
    gateway.configuration_admin.delete(f"{FACTORY}~Second")
    gateway.settle()
    assert fits(target / "current" / "own.crt", target / "current" / "own.key")


def test_a_key_is_never_for_everybody(gateway: GatewayHarness) -> None:
    with pytest.raises(ConfigurationError, match=r"keystore\.export\.key\.mode"):
        gateway.configuration_admin.update(PID, {"keystore.export.key.mode": "0644"})
    with pytest.raises(Exception, match="would be open to others"):
        ExportSettings(Path("/nowhere"), key_mode="0644").rights()


def test_modes_and_group_are_as_configured(gateway: GatewayHarness, target: Path) -> None:
    store(gateway, own=ISSUER.issue())
    group = grp.getgrgid(os.getegid()).gr_name
    configure(gateway, key_mode="0640", certificate_mode="0640", group=group, owner=str(os.geteuid()))
    for one in (target / "current").iterdir():
        status = one.stat()
        assert (status.st_mode & 0o777, status.st_gid, status.st_uid) == (0o640, os.getegid(), os.geteuid())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a directory to any group")
def test_a_directory_with_the_set_group_id_bit_gives_its_group(gateway: GatewayHarness, tmp_path: Path) -> None:
    target = tmp_path / "for-group"
    target.mkdir()
    os.chown(target, -1, 12345)
    target.chmod(0o2750)
    store(gateway, own=ISSUER.issue())
    configure(gateway, path=str(target), key_mode="0640")
    assert {one.stat().st_gid for one in (target / "current").iterdir()} == {12345}


@pytest.mark.parametrize(
    ("prop", "told"),
    [({"owner": "no-such-user"}, "there is no user no-such-user"), ({"group": "no-such"}, "there is no group no-such")],
)
def test_who_does_not_exist_is_told_and_the_keystore_goes_on(
    gateway: GatewayHarness, target: Path, prop: dict[str, str], told: str
) -> None:
    configure(gateway, **prop)
    store(gateway, own=ISSUER.issue())
    assert told in problems(gateway)
    assert service(gateway).aliases() == ("own",)
    configure(gateway, **dict.fromkeys(prop, ""))
    assert fits(target / "current" / "own.crt", target / "current" / "own.key")
    assert problems(gateway) == ""


def theirs(target: Path) -> None:
    target.mkdir()
    (target / "current").mkdir()


def linked_away(target: Path) -> None:
    target.mkdir()
    (target / "current").symlink_to("/etc")


def below_a_file(target: Path) -> None:
    target.parent.joinpath("file").write_text("")


def link(target: Path) -> None:
    target.with_name("elsewhere").mkdir()
    target.symlink_to("elsewhere")


def open_to_all(target: Path) -> None:
    target.mkdir()
    target.chmod(0o777)


def under_what_is_open_to_all(target: Path) -> None:
    target.mkdir()
    target.parent.chmod(0o777)


@pytest.mark.parametrize(
    ("prepare", "below", "told"),
    [
        (theirs, "", "current is not of this export"),
        (linked_away, "", "current is not of this export"),
        (below_a_file, "../file/export", "below something that is none"),
        (link, "", "is a symbolic link; name what it leads to"),
        (open_to_all, "", "others can write to it"),
        (under_what_is_open_to_all, "", "everybody can write to"),
        (lambda _: None, "a/b", "is not there; make it"),
    ],
)
def test_an_unsafe_place_is_refused_and_said(state: Path, tmp_path: Path, prepare: Any, below: str, told: str) -> None:
    target = tmp_path / "place" / "export"
    target.parent.mkdir()
    prepare(target)
    before = sorted(target.parent.rglob("*"))
    with harness(state, **{"keystore.export.path": os.path.normpath(target / below)}) as gateway:
        store(gateway, own=ISSUER.issue())
        assert told in problems(gateway)
        assert service(gateway).aliases() == ("own",)
        configure(gateway, path="")
        assert problems(gateway) == ""
    assert sorted(target.parent.rglob("*")) == before


def test_a_symbolic_link_in_place_of_a_file_is_not_followed(gateway: GatewayHarness, target: Path) -> None:
    store(gateway, own=ISSUER.issue())
    victim = target.with_name("victim")
    victim.write_text("precious")
    for planted in ((target / "current").resolve() / "own.key", target / "gatewright-export.json"):
        planted.unlink()
        planted.symlink_to(victim)
    gateway.advance(seconds=GRACE_S)
    store(gateway, own=ISSUER.issue())
    assert victim.read_text() == "precious"


def test_a_directory_that_was_exchanged_gets_no_key(gateway: GatewayHarness, target: Path) -> None:
    store(gateway, own=ISSUER.issue())
    elsewhere = target.with_name("elsewhere")
    elsewhere.mkdir()
    target.rename(target.with_name("moved"))
    target.symlink_to(elsewhere)
    store(gateway, own=ISSUER.issue())
    assert "symbolic link" in problems(gateway)
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (errno.ENOSPC, "make room on its file system"),
        (errno.EACCES, "let the gateway's user"),
        (errno.EROFS, "mounted read-only"),
        (errno.EIO, "the disk fails"),
    ],
)
def test_a_failure_is_in_health_the_keystore_goes_on_and_a_minute_later_it_is_tried_again(
    gateway: GatewayHarness, target: Path, monkeypatch: pytest.MonkeyPatch, error: int, told: str
) -> None:
    store(gateway, own=ISSUER.issue())
    before = (target / "current" / "own.crt").read_bytes()

    def fail(*_: Any, **__: Any) -> None:
        raise OSError(error, os.strerror(error))

    with monkeypatch.context() as patch:
        patch.setattr(os, "symlink", fail)
        store(gateway, own=ISSUER.issue())
        assert told in problems(gateway)
        assert str(target) in problems(gateway)
        store(gateway, ca=CA)
        assert service(gateway).aliases() == ("ca", "own")
        assert (target / "current" / "own.crt").read_bytes() == before
    gateway.advance(seconds=RETRY_S)
    gateway.settle()
    assert problems(gateway) == ""
    assert names(target) == {"own.crt", "own.key", "own.pem", "ca.crt", "trusted.bundle"}


def test_a_former_directory_that_cannot_be_cleared_is_told_until_it_is(
    gateway: GatewayHarness, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(gateway, own=ISSUER.issue())

    def fail(*_: Any, **__: Any) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with monkeypatch.context() as patch:
        patch.setattr(os, "rmdir", fail)
        configure(gateway, path="")
        assert "private keys that were exported cannot be removed" in problems(gateway)
    gateway.advance(seconds=RETRY_S)
    gateway.settle()
    assert problems(gateway) == ""
    assert not target.exists()


def test_a_former_directory_that_is_not_there_is_told(gateway: GatewayHarness, target: Path) -> None:
    store(gateway, own=ISSUER.issue())
    target.rename(target.with_name("unmounted"))
    configure(gateway, path="")
    assert "if its disk is only not mounted, remove that directory" in problems(gateway)


@pytest.mark.parametrize(
    ("alias", "stem"),
    [("a/b", "a%2Fb"), ("..", "%2E."), ("ä x", "%C3%A4 x"), ("100%", "100%25"), ("x" * 255, None)],
)
def test_an_alias_of_any_characters_names_a_file_in_the_directory(alias: str, stem: str | None) -> None:
    made = file_stem(alias)
    assert len(made) <= 200
    assert "/" not in made
    if stem is not None:
        assert made == stem


def test_a_key_that_cannot_leave_exports_its_chain_and_says_so() -> None:
    class Token(SoftwareKey):
        exportable = False

    entry = ISSUER.issue()
    kept = PrivateKeyEntry(Token(entry.key), entry.chain)
    made = pem_files({"own": kept}, ExportSettings(Path("/nowhere")))
    assert set(made.files) == {"own.crt", "trusted.bundle"}
    assert made.contents["own"]["key"] == "stays in the keystore"


class SoftwareKey:
    """A handle whose `exportable` a test decides."""

    exportable = True

    def __init__(self, key: Any) -> None:
        self._key = key

    def __getattr__(self, wanted: str) -> Any:
        return getattr(self._key, wanted)


def gateway_context(gateway: GatewayHarness) -> Any:
    class Context:
        clock = gateway.clock
        find_all = staticmethod(gateway.registry.find_all)
        get = staticmethod(gateway.registry.get)

    return Context()


def test_nothing_secret_is_in_a_repr(gateway: GatewayHarness) -> None:
    entry = ISSUER.issue()
    made = pem_files({"own": entry}, ExportSettings(Path("/nowhere")))
    assert "PRIVATE KEY" not in repr(made)


def test_both_keystores_describe_the_export_alike() -> None:
    found = []
    for cls, pid in ((FilesystemKeystore, FACTORY), (PKCS11Keystore, "gatewright.keystore.PKCS11Keystore")):
        descriptor = description_of(cls).descriptor
        assert descriptor is not None
        object_class = metatype.load(descriptor).object_class_for(pid)
        assert object_class is not None
        found.append(
            {
                one.id: (one.type, one.default, one.options)
                for one in object_class.attributes.values()
                if one.id.startswith("keystore.export.") and "key.mode" not in one.id
            }
        )
    assert found[0] == found[1]
    assert len(found[0]) == 5


READER = """
import pathlib, sys
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
current, stop, rounds = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), 0
print("ready", flush=True)
while not stop.exists():
    generation = current.resolve(strict=True)
    leaf = x509.load_pem_x509_certificate((generation / "own.crt").read_bytes())
    assert leaf.public_key() == load_pem_private_key((generation / "own.key").read_bytes(), None).public_key()
    both = (current / "own.pem").read_bytes()
    assert x509.load_pem_x509_certificate(both).public_key() == load_pem_private_key(both, None).public_key()
    rounds += 1
print(rounds)
"""


def test_a_program_that_reads_while_keys_are_renewed_never_sees_two_that_do_not_fit(
    gateway: GatewayHarness, target: Path, tmp_path: Path
) -> None:
    store(gateway, own=ISSUER.issue())
    stop = tmp_path / "stop"
    with subprocess.Popen(
        [sys.executable, "-c", READER, str(target / "current"), str(stop)], stdout=subprocess.PIPE, text=True
    ) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "ready\n"
        try:
            for _ in range(40):
                store(gateway, own=ISSUER.issue())
        finally:
            stop.touch()
        rounds = reader.stdout.read()
    assert reader.returncode == 0
    assert int(rounds) > 0


def handshake(directory: Path) -> str:
    """What a client sees of a TLS server that loads the exported files, verified by the exported CA."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(directory / "own.crt", directory / "own.key")
    client = ssl.create_default_context(cafile=str(directory / "trusted.bundle"))
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        client.wrap_bio(to_client, to_server, server_hostname="gateway.example"),
        server.wrap_bio(to_server, to_client, server_side=True),
    )
    for _ in range(5):
        for end in ends:
            with contextlib.suppress(ssl.SSLWantReadError):
                end.do_handshake()
    shown = ends[0].getpeercert(binary_form=True)
    assert shown is not None
    return f"{x509.load_der_x509_certificate(shown).serial_number:x}"


def test_a_tls_server_of_another_program_shows_the_renewed_certificate(gateway: GatewayHarness, target: Path) -> None:
    for entry in (ISSUER.issue(), ISSUER.issue()):
        store(gateway, own=entry, ca=CA)
        assert handshake(target / "current") == f"{entry.certificate.serial_number:x}"


@pytest.mark.peer("openssl")
def test_openssl_verifies_what_is_exported(gateway: GatewayHarness, target: Path) -> None:
    store(gateway, own=ISSUER.issue(), ca=CA)
    current = target / "current"
    for command in (
        ["openssl", "verify", "-CAfile", str(current / "trusted.bundle"), str(current / "own.crt")],
        ["openssl", "pkey", "-in", str(current / "own.key"), "-check", "-noout"],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
