"""Between consumers and a keystore's code: whatever it does, they see KeystoreErrors, in time, and health tells."""

from __future__ import annotations

import contextlib
import gc
import re
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from components.keystore import (
    HealthState,
    KeyAlgorithm,
    KeystoreCapabilities,
    KeystoreError,
    KeystoreFaultError,
    KeystoreService,
    KeystoreTimeoutError,
    KeystoreUnavailableError,
    PrivateKeyEntry,
    SoftwarePrivateKey,
    TrustedCertificateEntry,
    guarded,
    plugin,
    self_signed_certificate,
)
from components.keystore.guard import READ_DEADLINE_S
from framework.testing import FakeClock, GatewayHarness
from tests.framework.plugins.hanging import health_while_one_hangs

if TYPE_CHECKING:
    from collections.abc import Callable

    from components.keystore import Changes

NOW = datetime(2026, 5, 1, tzinfo=UTC)
NAME = x509.Name.from_rfc4514_string("CN=vault")
KEY = SoftwarePrivateKey.generate(KeyAlgorithm.RSA, 2048)
CERTIFICATE = self_signed_certificate(KEY, NAME, NOW)
OWN = PrivateKeyEntry(KEY, (CERTIFICATE,))
TRUSTED = TrustedCertificateEntry(CERTIFICATE)


class Handle:
    """A key that stays in the vault; each answer may be replaced."""

    def __init__(self, **answers: Callable[..., Any]) -> None:
        self.answers = answers

    @property
    def public_key(self) -> Any:
        return self.answers.get("public_key", lambda: KEY.public_key)()

    @property
    def exportable(self) -> Any:
        return self.answers.get("exportable", lambda: True)()

    def sign(self, data: bytes, algorithm: hashes.HashAlgorithm) -> Any:
        return self.answers.get("sign", KEY.sign)(data, algorithm)

    def decrypt(self, ciphertext: bytes, padding: Any) -> Any:
        return self.answers.get("decrypt", KEY.decrypt)(ciphertext, padding)

    def export(self) -> Any:
        return self.answers.get("export", KEY.export)()


class Vault(KeystoreService):
    """A keystore of somebody else, whose answers a test chooses."""

    def __init__(self, **answers: Callable[..., Any]) -> None:
        self.answers = answers
        self.committed: list[Changes] = []

    @property
    def capabilities(self) -> Any:
        return self.answers.get("capabilities", KeystoreCapabilities)()

    def aliases(self) -> Any:
        return self.answers.get("aliases", lambda: ("a",))()

    def get(self, alias: str) -> Any:
        answer: Callable[..., object] = self.answers.get("get", answering(TRUSTED))
        return answer(alias)

    def entries(self) -> Any:
        return self.answers["entries"]() if "entries" in self.answers else super().entries()

    def commit(self, changes: Changes) -> None:
        self.committed.append(changes)

    def generate_key_pair(self, *arguments: Any, **named: Any) -> Any:
        return self.answers["generate"]()

    def crls(self) -> Any:
        return self.answers["crls"]()


def answering(value: object) -> Callable[..., object]:
    return lambda *_: value


def raising(error: BaseException) -> Callable[..., object]:
    def answer(*_: object) -> object:
        raise error

    return answer


class WordlessError(Exception):
    def __str__(self) -> str:
        raise ValueError("no words")


class WordlessKeystoreError(KeystoreError):
    def __str__(self) -> str:
        raise SystemExit


def generate(keystore: KeystoreService, size: int = 2048) -> PrivateKeyEntry:
    return keystore.generate_key_pair("k", KeyAlgorithm.RSA, size, subject=NAME, now=NOW)


FAULTS: list[tuple[str, Callable[..., object], Callable[[KeystoreService], object], str]] = [
    ("aliases", raising(KeyError("index")), lambda k: k.aliases(), "raised KeyError"),
    ("aliases", raising(SystemExit(3)), lambda k: k.aliases(), "raised SystemExit"),
    ("aliases", raising(WordlessError()), lambda k: k.aliases(), "raised WordlessError, whose text cannot be made"),
    ("aliases", raising(WordlessKeystoreError()), lambda k: k.aliases(), "raised WordlessKeystoreError, whose text"),
    ("aliases", answering(("a\x1b[31m",)), lambda k: k.aliases(), "can be no alias"),
    ("aliases", answering(("a\udc80",)), lambda k: k.aliases(), "can be no alias"),
    ("entries", answering({"a\n": TRUSTED}), lambda k: k.entries(), "can be no alias"),
    ("aliases", answering(["a"]), lambda k: k.aliases(), "tuple of texts"),
    ("aliases", answering((1,)), lambda k: k.aliases(), "tuple of texts"),
    ("aliases", answering(("b", "a")), lambda k: k.aliases(), "not sorted"),
    ("get", answering(CERTIFICATE), lambda k: k.get("a"), "returned a Certificate where an entry belongs"),
    ("get", answering(TrustedCertificateEntry(None)), lambda k: k.get("a"), "Certificate belongs"),  # type: ignore[arg-type]  # on purpose
    ("get", raising(OSError("the wire is cut")), lambda k: k.get("a"), "OSError: the wire is cut"),
    ("entries", answering([TRUSTED]), lambda k: k.entries(), "no mapping"),
    ("capabilities", answering({"read_only": False}), lambda k: k.edit(), "KeystoreCapabilities"),
    ("generate", answering(None), generate, "returned None where PrivateKeyEntry"),
    (
        "generate",
        answering(OWN),
        lambda k: generate(k, 4096),
        "RSA 2048 where RSA 4096",
    ),
    ("crls", answering((b"",)), lambda k: k.crls(), "CertificateRevocationList"),
]


@pytest.mark.parametrize(("what", "answer", "use", "fault"), FAULTS)
def test_a_keystore_that_breaks_the_contract_is_told_and_degraded_until_it_keeps_it(
    what: str, answer: Callable[..., object], use: Callable[[KeystoreService], object], fault: str
) -> None:
    vault = Vault(**{what: answer})
    keystore = guarded(vault, "Vault")
    with pytest.raises(KeystoreFaultError, match=fault) as raised:
        use(keystore)
    assert raised.value.keystore == "Vault"
    assert guarded(vault, "Vault").health().state is HealthState.DEGRADED
    assert any(fault in problem for problem in keystore.health().problems)
    vault.answers = {
        "generate": answering(OWN),
        "crls": answering(()),
    }
    use(keystore) if "4096" not in fault else generate(keystore)
    assert keystore.health().state is HealthState.OK


class Plain(KeystoreService):
    """A keystore of somebody else that leaves to the contract what it can."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}

    @property
    def capabilities(self) -> Any:
        return self.answers.get("capabilities", KeystoreCapabilities())

    def aliases(self) -> Any:
        return self.answers.get("aliases", ("a", "b"))

    def get(self, alias: str) -> Any:
        return self.answers.get("get", OWN)

    def commit(self, changes: Changes) -> None:
        self.answers["get"] = changes["k"]


INHERITED_FAULTS: list[tuple[str, object, Callable[[KeystoreService], object], str]] = [
    ("aliases", {1: 2}, lambda k: k.entries(), r"aliases\(\) returned something else than a tuple of texts"),
    ("aliases", {1: 2}, lambda k: k.health(), r"aliases\(\) returned something else than a tuple of texts"),
    ("get", "a text", lambda k: k.entries(), r"get\(\) returned a str where an entry belongs"),
    ("capabilities", 42, generate, "capabilities returned an int where KeystoreCapabilities belongs"),
]


@pytest.mark.parametrize(("what", "answer", "use", "fault"), INHERITED_FAULTS)
def test_what_a_keystore_inherits_tells_of_the_member_that_is_at_fault(
    what: str, answer: object, use: Callable[[KeystoreService], object], fault: str
) -> None:
    plain = Plain()
    keystore = guarded(plain, "Plain")
    plain.answers[what] = answer
    with contextlib.suppress(KeystoreFaultError):
        use(keystore)
    health = keystore.health()
    assert health.state is HealthState.DEGRADED
    (problem,) = health.problems
    assert re.search(f"^keystore Plain: {fault}", problem)
    del plain.answers[what]
    use(keystore)
    assert keystore.health().state is HealthState.OK


def test_what_a_keystore_inherits_works_behind_the_guard() -> None:
    keystore = guarded(Plain(), "Plain")
    assert dict(keystore.entries()) == {"a": OWN, "b": OWN}
    assert keystore.get("k") == OWN
    made = generate(keystore)
    assert keystore.get("k") == made != OWN


def test_reading_all_entries_of_a_slow_keystore_ends_in_time_and_leaves_it_usable() -> None:
    clock = FakeClock()

    class Slow(Plain):
        def get(self, alias: str) -> Any:
            clock.advance(READ_DEADLINE_S / 4)
            return OWN

    slow = Slow()
    slow.answers["aliases"] = tuple(map(str, range(1000, 2000)))
    keystore = guarded(slow, "Slow", clock)
    with pytest.raises(KeystoreUnavailableError, match="5 of 1000 entries were read within 10 s"):
        keystore.entries()
    assert keystore.get("1000") == OWN


KEY_FAULTS: list[tuple[str, Callable[..., object], str]] = [
    ("sign", answering("signature"), "returned a str where bytes"),
    ("sign", raising(RuntimeError("token\x1b[31m gone")), "raised RuntimeError: token\ufffd"),
    ("decrypt", raising(RuntimeError("token gone")), "raised RuntimeError"),
    ("export", answering(b"PEM"), "no key"),
    ("export", lambda: SoftwarePrivateKey.generate(KeyAlgorithm.EC, 256).export(), "another key"),
]


@pytest.mark.parametrize(("what", "answer", "fault"), KEY_FAULTS)
def test_a_handle_that_breaks_the_contract_is_told(what: str, answer: Callable[..., object], fault: str) -> None:
    entry = PrivateKeyEntry(Handle(**{what: answer}), (CERTIFICATE,))
    found = guarded(Vault(get=answering(entry)), "Vault").get("a")
    assert isinstance(found, PrivateKeyEntry)
    uses: dict[str, Callable[[], object]] = {
        "sign": lambda: found.key.sign(b"", hashes.SHA256()),
        "decrypt": lambda: found.key.decrypt(b"", padding.PKCS1v15()),
        "export": found.key.export,
    }
    with pytest.raises(KeystoreFaultError) as raised:
        uses[what]()
    assert fault in str(raised.value)


def test_a_ciphertext_for_another_key_is_no_fault() -> None:
    entry = PrivateKeyEntry(Handle(decrypt=raising(ValueError("not for this key"))), (CERTIFICATE,))
    keystore = guarded(Vault(get=answering(entry)), "Vault")
    found = keystore.get("a")
    assert isinstance(found, PrivateKeyEntry)
    with pytest.raises(ValueError, match="not for this key"):
        found.key.decrypt(b"", padding.PKCS1v15())
    assert keystore.health().state is HealthState.OK


def test_a_keystore_gets_its_own_handles_back_and_no_other_does() -> None:
    handle = Handle()
    vault, other = Vault(get=answering(PrivateKeyEntry(handle, (CERTIFICATE,)))), Vault()
    entry = guarded(vault, "Vault").get("a")
    assert isinstance(entry, PrivateKeyEntry)
    guarded(vault, "Vault").set("b", entry)
    guarded(other, "Other").set("b", entry)
    own, foreign = vault.committed[0]["b"], other.committed[0]["b"]
    assert isinstance(own, PrivateKeyEntry)
    assert isinstance(foreign, PrivateKeyEntry)
    assert own.key is handle
    assert foreign.key is entry.key


def test_the_keystores_own_errors_pass() -> None:
    error = KeystoreUnavailableError("vault", "the network is down")
    keystore = guarded(Vault(aliases=raising(error)), "Vault")
    with pytest.raises(KeystoreUnavailableError, match="network is down") as raised:
        keystore.aliases()
    assert raised.value is error
    assert keystore.health().state is HealthState.UNAVAILABLE


def test_a_keystore_that_hangs_costs_one_thread_and_fails_at_once_until_it_has_ended() -> None:
    clock, began, go_on = FakeClock(), threading.Event(), threading.Event()
    calls = []

    def hang() -> tuple[str, ...]:
        calls.append(threading.current_thread())
        began.set()
        go_on.wait(60)
        return ("a",)

    keystore = guarded(Vault(aliases=hang), "Vault", clock)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(keystore.aliases)
        assert began.wait(60)
        clock.advance(READ_DEADLINE_S)
        with pytest.raises(KeystoreTimeoutError, match=r"aliases\(\) has not ended within 10 s"):
            waiting.result(60)
    with pytest.raises(KeystoreTimeoutError, match=r"aliases\(\)"):
        keystore.get("a")
    health = keystore.health()
    assert health.state is HealthState.UNAVAILABLE
    assert "left alone" in health.problems[0]
    assert len(calls) == 1
    go_on.set()
    calls[0].join(60)
    assert keystore.aliases() == ("a",)
    assert keystore.health().state is HealthState.OK


def test_what_is_known_of_a_keystore_goes_with_it() -> None:
    vault = Vault()
    gone = weakref.ref(vault)
    guarded(vault, "Vault").aliases()
    assert guarded(guarded(vault, "Vault"), "Another").aliases() == ("a",)
    del vault
    gc.collect()
    assert gone() is None


def test_status_tells_of_an_unwell_keystore() -> None:
    with GatewayHarness(plugins=[plugin]) as gateway:
        properties = {"kura.service.pid": "Vault"}
        gateway.registry.register(KeystoreService, Vault(aliases=raising(KeyError("index"))), properties)
        reports = gateway.gateway.plugins.check_health()
        (finding,) = (report.finding for report in reports if report.check == "keystores")
        assert finding is not None
        assert "Vault: " in finding.text
        assert "raised KeyError" in finding.text


def test_doctor_tells_which_keystore_is_slow_and_only_while_it_is() -> None:
    with GatewayHarness(plugins=[plugin]) as gateway:

        def slowly(_alias: str) -> TrustedCertificateEntry:
            gateway.clock.advance(2)
            return TRUSTED

        vault = Vault(get=slowly)
        gateway.registry.register(KeystoreService, vault, {"kura.service.pid": "Vault"})

        def told() -> list[str]:
            reports = gateway.gateway.plugins.check_health(thorough=True)
            return [one.finding.text for one in reports if one.check == "keystore speed" and one.finding]

        assert told() == ["Vault: get() took 2.0 s"]
        vault.answers.clear()
        assert told() == []


def test_a_keystore_that_hangs_hides_nothing_of_the_others() -> None:
    entered, go_on = threading.Event(), threading.Event()

    def hang() -> tuple[str, ...]:
        entered.set()
        go_on.wait(60)
        return ()

    with GatewayHarness(plugins=[plugin]) as gateway:
        for name, vault in {"A": Vault(aliases=hang), "B": Vault(aliases=raising(KeyError("index")))}.items():
            gateway.registry.register(KeystoreService, vault, {"kura.service.pid": name})
        try:
            reports = health_while_one_hangs(gateway, entered)
            hung, broken = (one.finding.text for one in reports if one.check == "keystores" and one.finding)
            assert "'A'" in hung
            assert "B: " in broken
        finally:
            go_on.set()
