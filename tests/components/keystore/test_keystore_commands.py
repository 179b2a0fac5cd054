"""`keystore list` and `keystore export`, as the command line calls them."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from components.keystore import (
    KeyAlgorithm,
    KeystoreService,
    KeystoreUnavailableError,
    PrivateKeyEntry,
    SoftwarePrivateKey,
    TrustedCertificateEntry,
    plugin,
    self_signed_certificate,
)
from components.keystore.filesystem import encode_pkcs12
from components.keystore.memory import MemoryKeystore
from framework import Secret, ServiceRegistry
from framework.admin import Answer, CommandError, Invocation
from framework.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from components.keystore import Changes, Entry, KeystoreCapabilities
    from framework.admin import ClientSide, GatewayView

NOW = datetime(2026, 5, 1, tzinfo=UTC)
KEY = SoftwarePrivateKey.generate(KeyAlgorithm.EC, 256)
GATEWAY = self_signed_certificate(KEY, x509.Name.from_rfc4514_string("CN=gateway"), NOW)
CA = self_signed_certificate(KEY, x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "\x1b[31mCA")]), NOW)


PEM_CA, PEM_GATEWAY = (one.public_bytes(Encoding.PEM) for one in (CA, GATEWAY))
DEVICE = PrivateKeyEntry(KEY, (GATEWAY, CA))
FILES: dict[str, bytes] = {
    "bundle.pem": PEM_CA + PEM_GATEWAY + PEM_CA,
    "old.p12": encode_pkcs12({"device": DEVICE, "ca": TrustedCertificateEntry(CA)}, Secret("old")),
    "password": b"old\n",
}
"""What is on the client's side, by path."""


class BrokenKeystore(KeystoreService):
    @property
    def capabilities(self) -> KeystoreCapabilities:
        raise NotImplementedError

    def aliases(self) -> tuple[str, ...]:
        raise KeystoreUnavailableError("vault", "the network is down")

    def get(self, alias: str) -> Entry | None:
        raise KeystoreUnavailableError("vault", "the network is down")

    def commit(self, changes: Changes) -> None:
        raise NotImplementedError


@pytest.fixture
def registry() -> ServiceRegistry:
    registry = ServiceRegistry()
    entries: dict[str, Entry] = {
        "scep-cacerts_0": TrustedCertificateEntry(CA),
        "scep-enrolled-key-pair": PrivateKeyEntry(KEY, (GATEWAY, CA)),
    }
    registry.register(KeystoreService, MemoryKeystore(entries), {"kura.service.pid": "EnrollmentKeystore"})
    registry.register(KeystoreService, MemoryKeystore(), {"kura.service.pid": "Another"})
    return registry


def run(registry: ServiceRegistry, *arguments: str) -> Answer:
    commands = {command.path: command for command in plugin.gatewright_commands()}
    command = commands[arguments[0], arguments[1]]
    parser = argparse.ArgumentParser()
    assert command.arguments is not None
    command.arguments(parser)
    gateway = cast("GatewayView", SimpleNamespace(registry=registry, clock=SystemClock()))
    client = SimpleNamespace(read_input=lambda path, *, secret=False: FILES[path])  # as a client has it
    return command.run(Invocation(parser.parse_args(arguments[2:]), gateway, cast("ClientSide", client)))


def aliases(keystore: dict[str, Any]) -> Sequence[str]:
    return [entry["alias"] for entry in keystore["entries"]]


def test_all_keystores_are_listed(registry: ServiceRegistry) -> None:
    answer = run(registry, "keystore", "list")
    another, enrollment = answer.data["keystores"]
    assert (another["keystore"], aliases(another)) == ("Another", [])
    assert aliases(enrollment) == ["scep-cacerts_0", "scep-enrolled-key-pair"]
    enrolled = enrollment["entries"][1]
    assert (enrolled["kind"], enrolled["key"], enrolled["chain_length"]) == ("private-key", "EC 256", 2)
    assert enrolled["certificate"]["subject"] == "CN=gateway"
    assert enrolled["certificate"]["not_after"].endswith("Z")
    assert answer.exit_status == 0


def test_the_list_for_people_has_no_terminal_escapes(registry: ServiceRegistry) -> None:
    text = run(registry, "keystore", "list", "EnrollmentKeystore").text
    assert "EnrollmentKeystore: 2 entries" in text
    assert "scep-enrolled-key-pair (private key, EC 256)" in text
    assert "\x1b" not in text
    assert "Another" not in text


def test_a_keystore_that_cannot_be_read_does_not_hide_the_others(registry: ServiceRegistry) -> None:
    registry.register(KeystoreService, BrokenKeystore(), {"kura.service.pid": "Broken"})
    answer = run(registry, "keystore", "list")
    assert [bool(each["error"]) for each in answer.data["keystores"]] == [False, True, False]
    assert "Broken: keystore vault: the network is down" in answer.text
    assert answer.exit_status == 1


def test_no_keystore_is_said() -> None:
    assert run(ServiceRegistry(), "keystore", "list").text == "no keystore is active"


def test_certificates_are_exported_own_first(registry: ServiceRegistry) -> None:
    answer = run(registry, "keystore", "export", "EnrollmentKeystore", "scep-enrolled-key-pair", "-o", "a.pem")
    (file,) = answer.files
    assert (file.path, file.mode) == ("a.pem", 0o644)
    assert x509.load_pem_x509_certificates(file.content) == [GATEWAY, CA]
    assert b"PRIVATE KEY" not in file.content


def test_a_key_is_exported_only_on_demand_and_for_the_owner_only(registry: ServiceRegistry) -> None:
    names = ("EnrollmentKeystore", "scep-enrolled-key-pair")
    answer = run(registry, "keystore", "export", *names, "--with-key", "-o", "a.pem")
    (file,) = answer.files
    assert file.mode == 0o600
    assert x509.load_pem_x509_certificates(file.content) == [GATEWAY, CA]
    key = load_pem_private_key(file.content[file.content.index(b"-----BEGIN PRIVATE") :], None)
    assert SoftwarePrivateKey(key) == KEY
    assert "PRIVATE KEY" not in answer.text + repr(answer.data) + repr(answer)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("Nowhere", "a"), "no keystore 'Nowhere' is active (active: Another, EnrollmentKeystore)"),
        (("Another", "a"), "it has nothing"),
        (("EnrollmentKeystore", "a"), "it has scep-cacerts_0, scep-enrolled-key-pair"),
        (("EnrollmentKeystore", "scep-cacerts_0", "--with-key"), "has no private key"),
    ],
)
def test_what_cannot_be_exported_is_said_with_what_can(
    registry: ServiceRegistry, arguments: tuple[str, ...], message: str
) -> None:
    with pytest.raises(CommandError) as raised:
        run(registry, "keystore", "export", *arguments, "-o", "a.pem")
    assert message in str(raised.value)
    assert raised.value.exit_status == 1


@dataclass(frozen=True)
class Import:
    """Arguments after `keystore import Another`, and what is there then."""

    arguments: tuple[str, ...]
    stored: dict[str, Entry]


OLD: Final = ("old.p12", "--password-file", "password")


@pytest.mark.parametrize(
    "case",
    [
        Import((*OLD, "--all"), {"ca": TrustedCertificateEntry(CA), "device": DEVICE}),
        Import((*OLD, "--entry", "device"), {"device": DEVICE}),
        Import((*OLD, "--entry", "device", "--alias", "mine"), {"mine": DEVICE}),
        Import(
            ("bundle.pem", "--all", "--alias", "roots"),
            {"roots-1": TrustedCertificateEntry(CA), "roots-2": TrustedCertificateEntry(GATEWAY)},
        ),
    ],
    ids=lambda case: " ".join(case.arguments),
)
def test_what_is_named_of_several_entries_is_imported(registry: ServiceRegistry, case: Import) -> None:
    answer = run(registry, "keystore", "import", "Another", *case.arguments)
    reference = registry.find(KeystoreService, "(kura.service.pid=Another)")
    assert reference is not None
    assert cast("KeystoreService", registry.get(reference)).entries() == case.stored
    assert [one["alias"] for one in answer.data["entries"]] == list(case.stored)


@pytest.mark.parametrize(
    ("arguments", "message", "exit_status"),
    [
        ((*OLD, "--alias", "mine"), "several entries ('ca', 'device'): import one of them with --entry", 1),
        ((*OLD, "--entry", "other"), "there is no entry 'other'; there are: 'ca', 'device'", 1),
        ((*OLD, "--all", "--alias", "roots"), "is for certificates", 1),
        (("bundle.pem", "--entry", "other"), "only PKCS #12 files have entries with names", 1),
        (("bundle.pem", "--alias", "one"), "3 certificates and no key", 1),
        (("bundle.pem", "--all"), "give the certificates of a bundle one with --alias", 1),
        ((*OLD, "--all", "--entry", "device"), "take one entry with --entry NAME, or all", 64),
        (("bundle.pem",), "name the alias", 64),
    ],
)
def test_what_is_not_clear_is_not_imported(
    registry: ServiceRegistry, arguments: tuple[str, ...], message: str, exit_status: int
) -> None:
    with pytest.raises(CommandError) as raised:
        run(registry, "keystore", "import", "Another", *arguments)
    assert message in str(raised.value)
    assert raised.value.exit_status == exit_status
