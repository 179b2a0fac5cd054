"""The keystore in a token, on SoftHSM 2: the contract, crashes, removal, PINs, threads and forks."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar

import pkcs11
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st
from pkcs11 import Attribute, ObjectClass
from pkcs11.exceptions import DeviceRemoved, GeneralError, PinLocked, SessionHandleInvalid

from components.keystore import (
    Changes,
    Entry,
    HealthState,
    KeyAlgorithm,
    KeystoreError,
    KeystoreService,
    KeystoreTimeoutError,
    KeystoreUnavailableError,
    PrivateKeyEntry,
    TrustedCertificateEntry,
    UnsupportedOperationError,
    guarded,
    self_signed_certificate,
)
from components.keystore.conformance import NOW, SUBJECT, KeystoreConformance, foreign_key, issued_to, trusted
from components.keystore.pkcs11 import PKCS11Keystore, module
from components.keystore.pkcs11.committing import write_index
from components.keystore.pkcs11.contents import TokenContents
from components.keystore.pkcs11.errors import PinRefusedError, PinUnusableError
from components.keystore.pkcs11.index import CertificateRecord, Index, KeyRecord, decode_index, encode_index, newest
from components.keystore.pkcs11.keystore import TokenKeystore
from components.keystore.pkcs11.module import Module, TokenChoice
from components.keystore.pkcs11.trial import fault_of_loading
from framework.testing import FakeClock
from metatype import Secret
from tests.components.keystore.soft_hsm import MODULE, PIN, SoftHsm

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.peer("softhsm2-util")

SHA256 = hashes.SHA256()
PATIENCE_S = 60.0


@pytest.fixture
def hsm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SoftHsm:
    hsm = SoftHsm(tmp_path / "hsm")
    hsm.make_token()
    monkeypatch.setenv("SOFTHSM2_CONF", str(hsm.configuration))
    begin_anew()
    return hsm


def begin_anew() -> None:
    """What a restart of the process means to the module."""
    with Module.of(MODULE).using() as module:
        module.initialise_anew()


def opened(pin: Secret = PIN, label: str = "gateway", **hooks: Callable[[Any], None]) -> TokenKeystore:
    return TokenKeystore(MODULE, TokenChoice(label), pin, **hooks)


def pair(keystore: KeystoreService, alias: str = "pair", algorithm: KeyAlgorithm = KeyAlgorithm.EC) -> PrivateKeyEntry:
    size = 2048 if algorithm is KeyAlgorithm.RSA else 256
    return keystore.generate_key_pair(alias, algorithm, size, subject=SUBJECT, now=NOW)


def another_ca(name: str = "CN=another") -> TrustedCertificateEntry:
    subject = type(SUBJECT).from_rfc4514_string(name)
    return TrustedCertificateEntry(self_signed_certificate(foreign_key(), subject, NOW))


def objects_of(keystore: TokenKeystore) -> list[tuple[Any, str]]:
    """All objects on the token, by class and label."""
    keystore.aliases()
    session = keystore._session
    assert session is not None
    return sorted((each[Attribute.CLASS], each[Attribute.LABEL]) for each in session.get_objects({}))


def check(entry: Entry | None) -> None:
    """The key signs."""
    assert isinstance(entry, PrivateKeyEntry)
    public_key = entry.key.public_key
    signature = entry.key.sign(b"data", SHA256)
    if isinstance(public_key, rsa.RSAPublicKey):
        public_key.verify(signature, b"data", padding.PKCS1v15(), SHA256)
    else:
        public_key.verify(signature, b"data", ec.ECDSA(SHA256))


class TestTokenKeystore(KeystoreConformance):
    @pytest.fixture(autouse=True)
    def _token(self, hsm: SoftHsm) -> None:
        pass

    factory: ClassVar[str | None] = "tests.components.keystore.opening:token_keystore"
    component_class: ClassVar[type | None] = PKCS11Keystore
    configuration: ClassVar = {"library.path": MODULE, "token.label": "gateway", "pin": PIN.reveal()}

    def reopen(self, keystore: KeystoreService) -> KeystoreService:
        assert isinstance(keystore, TokenKeystore)
        keystore.close()
        begin_anew()
        return opened()

    def close(self, keystore: KeystoreService) -> None:
        if isinstance(keystore, TokenKeystore):
            keystore.close()


class TestGuardedTokenKeystore(TestTokenKeystore):
    factory = None
    component_class = None

    def make_keystore(self) -> KeystoreService:
        return guarded(opened(), "token")

    def reopen(self, keystore: KeystoreService) -> KeystoreService:
        begin_anew()
        return self.make_keystore()


# Keys


@pytest.mark.parametrize("digest", [hashes.SHA1(), hashes.SHA256(), hashes.SHA384(), hashes.SHA512()])
def test_each_digest_is_signed(hsm: SoftHsm, digest: hashes.HashAlgorithm) -> None:
    keystore = opened()
    rsa_key = pair(keystore, "rsa", KeyAlgorithm.RSA).key
    assert isinstance(rsa_key.public_key, rsa.RSAPublicKey)
    rsa_key.public_key.verify(rsa_key.sign(b"data", digest), b"data", padding.PKCS1v15(), digest)
    for size in (256, 384, 521):
        key = keystore.generate_key_pair("ec", KeyAlgorithm.EC, size, subject=SUBJECT, now=NOW).key
        assert isinstance(key.public_key, ec.EllipticCurvePublicKey)
        key.public_key.verify(key.sign(b"data", digest), b"data", ec.ECDSA(digest))


def test_what_was_encrypted_for_a_key_is_decrypted_and_nothing_else(hsm: SoftHsm) -> None:
    key = pair(opened(), algorithm=KeyAlgorithm.RSA).key
    assert isinstance(key.public_key, rsa.RSAPublicKey)
    oaep = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)
    for each in (padding.PKCS1v15(), oaep):
        assert key.decrypt(key.public_key.encrypt(b"content key", each), each) == b"content key"
    with pytest.raises(ValueError, match="not made for this key"):
        key.decrypt(b"\x01" * 256, oaep)
    with pytest.raises(ValueError, match="not made for this key"):
        key.decrypt(b"short", oaep)
    check_oaep_256 = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    with pytest.raises(UnsupportedOperationError, match="padding"):
        key.decrypt(key.public_key.encrypt(b"content key", check_oaep_256), check_oaep_256)


def test_a_key_in_the_token_is_sensitive_and_does_not_leave(hsm: SoftHsm) -> None:
    keystore = opened()
    pair(keystore)
    assert keystore._session is not None
    (key,) = keystore._session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY})
    assert key[Attribute.SENSITIVE]
    assert not key[Attribute.EXTRACTABLE]
    assert key[Attribute.LOCAL]


def test_two_aliases_share_a_key_until_the_last_is_deleted(hsm: SoftHsm) -> None:
    keystore = opened()
    entry = pair(keystore)
    chain = (issued_to(entry.key.public_key), trusted().certificate)
    keystore.set("enrolled", PrivateKeyEntry(entry.key, chain))
    keystore.delete("pair")
    check(keystore.get("enrolled"))
    keystore.delete("enrolled")
    assert objects_of(keystore) == [(ObjectClass.DATA, "gatewright keystore index")]


def test_changes_are_told_in_their_order_after_the_commit(hsm: SoftHsm) -> None:
    told: list[Changes] = []
    keystore = opened(committed=told.append)
    entry = pair(keystore)
    keystore.set("ca", trusted())
    keystore.set("ca", trusted())
    keystore.delete("ca")
    assert told == [{"pair": entry}, {"ca": trusted()}, {"ca": None}]


# What others have put on the token


def test_objects_of_others_are_entries_if_a_pin_vouches_for_them(hsm: SoftHsm) -> None:
    keystore = opened()
    keystore.aliases()
    session = keystore._session
    assert session is not None
    for private in (True, False):
        certificate = another_ca(f"CN=private {private}").certificate
        session.create_object(
            {
                Attribute.CLASS: ObjectClass.CERTIFICATE,
                Attribute.CERTIFICATE_TYPE: 0,
                Attribute.TOKEN: True,
                Attribute.PRIVATE: private,
                Attribute.ID: b"\x01",
                Attribute.LABEL: f"private {private}",
                Attribute.SUBJECT: certificate.subject.public_bytes(),
                Attribute.VALUE: certificate.public_bytes(Encoding.DER),
            }
        )
    begin_anew()
    assert keystore.aliases() == ("private True",)
    keystore.set("own", trusted())
    keystore.delete("private True")
    begin_anew()
    assert opened().aliases() == ("own",)


def test_a_lost_index_is_made_anew_and_no_key_is_lost(hsm: SoftHsm) -> None:
    keystore = opened()
    entry = pair(keystore)
    keystore.set("pair", PrivateKeyEntry(entry.key, (issued_to(entry.key.public_key), trusted().certificate)))
    before = dict(keystore.entries())
    assert keystore._session is not None
    for each in keystore._session.get_objects({Attribute.CLASS: ObjectClass.DATA}):
        each.destroy()
    begin_anew()
    found = opened().get("pair")
    assert found == before["pair"]
    check(found)


# Crashes


class CrashError(BaseException):
    """The process is gone."""


class Crash:
    """Lets a number of writes pass, and none after it."""

    def __init__(self) -> None:
        self.left = 1_000_000

    def step(self) -> None:
        if self.left == 0:
            raise CrashError
        self.left -= 1


class CutObject:
    def __init__(self, inner: Any, crash: Crash) -> None:
        self._inner, self._crash = inner, crash

    def destroy(self) -> None:
        self._crash.step()
        self._inner.destroy()

    def __getitem__(self, name: Any) -> Any:
        return self._inner[name]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class CutSession:
    def __init__(self, inner: Any, crash: Crash) -> None:
        self._inner, self._crash = inner, crash

    def create_object(self, attributes: Any) -> CutObject:
        self._crash.step()
        return CutObject(self._inner.create_object(attributes), self._crash)

    def generate_keypair(self, *arguments: Any, **facts: Any) -> Any:
        self._crash.step()
        public, private = self._inner.generate_keypair(*arguments, **facts)
        return public, CutObject(private, self._crash)

    def get_objects(self, attributes: Any) -> Any:
        return (CutObject(each, self._crash) for each in self._inner.get_objects(attributes))

    def close(self) -> None:
        self._inner.close()


@pytest.fixture
def crash(hsm: SoftHsm, monkeypatch: pytest.MonkeyPatch) -> Crash:
    crash = Crash()
    whole = Module.open

    def cut(self: Module, token: Any, pin: Secret) -> Any:
        session, writes = whole(self, token, pin)
        return CutSession(session, crash), writes

    monkeypatch.setattr(Module, "open", cut)
    return crash


def test_a_crash_at_any_write_leaves_the_old_or_the_new(crash: Crash) -> None:
    keystore = opened()
    pair(keystore)
    keystore.set("old", trusted())
    before = dict(keystore.entries())
    tidy = objects_of(keystore)
    seen = []
    new = another_ca()
    for writes in range(100):
        entry = keystore.get("pair")
        assert isinstance(entry, PrivateKeyEntry)
        enrolled = PrivateKeyEntry(entry.key, (issued_to(entry.key.public_key), new.certificate))
        after = {"enrolled": enrolled, "new": new, "pair": entry}
        crash.left = writes
        try:
            with keystore.edit() as edit:
                edit.set("enrolled", enrolled)
                edit.set("new", new)
                edit.delete("old")
            ended = True
        except CrashError:
            ended = False
        crash.left = 1_000_000
        begin_anew()
        keystore = opened()
        found = dict(keystore.entries())
        assert found in (before, after)
        seen.append(found == after)
        check(found["pair"])
        with keystore.edit() as edit:  # back, for the next round; and nothing of this one is left behind
            edit.set("old", trusted())
            edit.delete("enrolled")
            edit.delete("new")
        assert objects_of(keystore) == tidy
        if ended:
            break
    assert seen == sorted(seen)
    assert seen[0] is False
    assert seen[-1] is True
    assert len(seen) > 4


def test_a_crash_while_a_key_is_made_leaves_nothing_or_the_key(crash: Crash) -> None:
    keystore = opened()
    keystore.aliases()
    for writes in range(10):
        crash.left = writes
        try:
            pair(keystore)
            break
        except CrashError:
            pass
        crash.left = 1_000_000
        begin_anew()
        keystore = opened()
        if keystore.aliases():
            check(keystore.get("pair"))
            keystore.delete("pair")
        assert objects_of(keystore) == [(ObjectClass.DATA, "gatewright keystore index")]
    crash.left = 1_000_000
    check(keystore.get("pair"))


# Removal and return


def test_a_token_that_goes_and_comes_back(hsm: SoftHsm) -> None:
    keystore = opened()
    entry = pair(keystore)
    hsm.remove()
    for call in (keystore.aliases, lambda: entry.key.sign(b"data", SHA256), lambda: keystore.set("ca", trusted())):
        with pytest.raises(KeystoreUnavailableError, match="put it back"):
            call()
    assert keystore.health().state is HealthState.UNAVAILABLE
    hsm.put_back()
    check(entry)
    keystore.set("ca", trusted())
    assert keystore.aliases() == ("ca", "pair")
    assert keystore.health().state is HealthState.OK


def test_a_token_that_comes_after_the_start(hsm: SoftHsm) -> None:
    hsm.remove()
    begin_anew()
    keystore = opened()
    with pytest.raises(KeystoreUnavailableError):
        keystore.aliases()
    hsm.put_back()
    assert keystore.aliases() == ()


@pytest.mark.parametrize("error", [DeviceRemoved, SessionHandleInvalid])
def test_what_a_session_says_is_void_is_done_again_in_a_new_one(crash: Crash, error: type[Exception]) -> None:
    keystore = opened()
    entry = pair(keystore)
    failing = iter([error()])

    def step() -> None:
        for each in failing:
            raise each

    crash.step = step  # type: ignore[method-assign]  # the seam of these tests
    keystore.set("ca", trusted())
    assert keystore.aliases() == ("ca", "pair")
    check(entry)


# PINs


def test_a_wrong_pin_is_tried_once_until_it_changes(hsm: SoftHsm, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[str] = []
    whole = Module._session

    def counted(self: Module, token: Any, pin: str | None, writes: bool) -> Any:
        tries.append(str(pin))
        return whole(self, token, pin, writes)

    monkeypatch.setattr(Module, "_session", counted)
    refused: list[Secret] = []
    keystore = opened(Secret("wrong-canary"), refused=refused.append)
    for _ in range(5):
        with pytest.raises(PinRefusedError) as caught:
            keystore.aliases()
        assert "wrong-canary" not in str(caught.value)
    assert tries == ["wrong-canary"]
    assert refused == [Secret("wrong-canary")]
    assert "PIN" in keystore.health().problems[0]
    keystore.change_pin(PIN)
    assert keystore.aliases() == ()
    assert len(tries) == 2


def test_a_pin_that_the_token_says_is_locked_is_not_tried_again_either(
    hsm: SoftHsm, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[object] = []

    def locked(self: Module, token: Any, pin: str | None, writes: bool) -> Any:
        tries.append(pin)
        raise PinLocked

    remembered: list[Secret] = []
    keystore = TokenKeystore(MODULE, TokenChoice("gateway"), PIN, refused=remembered.append)
    with monkeypatch.context() as patched:
        patched.setattr(Module, "_session", locked)
        with pytest.raises(PinRefusedError, match="PIN is locked"):
            keystore.aliases()
        with pytest.raises(PinRefusedError):
            keystore.aliases()
    assert (tries, remembered) == ([PIN.reveal()], [PIN])
    keystore.change_pin(PIN)
    assert keystore.aliases() == ()


class _OddObject:
    def __init__(self, value: bytes | Exception) -> None:
        self.value = value
        self.destroyed = False

    def __getitem__(self, _: object) -> bytes:
        if isinstance(self.value, Exception):
            raise self.value
        return self.value

    def destroy(self) -> None:
        self.destroyed = True


@pytest.mark.parametrize("value", [b"torn", GeneralError()], ids=["torn", "unreadable"])
def test_the_former_index_stays_until_the_new_one_is_seen_to_be_whole(value: bytes | Exception) -> None:
    former, fresh = _OddObject(b"former"), _OddObject(value)
    session: Any = SimpleNamespace(create_object=lambda _: fresh)
    contents = TokenContents((b"former",), [former], Index(4), True, [], {}, {})
    with pytest.raises((KeystoreError, GeneralError)):
        write_index(session, contents, {})
    assert (former.destroyed, fresh.destroyed) == (False, True)


def test_a_changed_pin_is_looked_at_though_the_session_is_open(hsm: SoftHsm) -> None:
    keystore = opened()
    keystore.aliases()
    keystore.change_pin(Secret("wrong-canary"))
    with pytest.raises(PinRefusedError):
        keystore.aliases()
    keystore.change_pin(PIN)
    assert keystore.aliases() == ()


_CHANGE_PIN = """
import sys, pkcs11

library, old, new = sys.argv[1:]
with pkcs11.lib(library).get_token(token_label="gateway").open(rw=True, user_pin=old) as session:
    session.set_pin(old, new)
"""


def test_a_pin_that_another_program_has_set_is_taken_at_once(hsm: SoftHsm) -> None:
    refused: list[Secret] = []
    keystore = opened(refused=refused.append)
    entry = pair(keystore)
    new = Secret("1704-canary-pin")
    subprocess.run([sys.executable, "-c", _CHANGE_PIN, MODULE, PIN.reveal(), new.reveal()], check=True)
    keystore.change_pin(new)
    check(entry)
    assert not refused


def test_without_a_pin_none_is_tried(hsm: SoftHsm) -> None:
    with pytest.raises(PinUnusableError, match="set the property pin"):
        opened(Secret("")).aliases()


# Which token


def test_a_token_is_chosen_by_label_slot_or_place(hsm: SoftHsm) -> None:
    hsm.make_token("another")
    begin_anew()
    opened().set("ca", trusted())
    with Module.of(MODULE).using() as module:
        slots = module._library.get_slots()
    numbers = [slot.slot_id for slot in slots if slot.get_token().label == "gateway"]
    places = [place for place, slot in enumerate(slots) if slot.get_token().label == "gateway"]
    for choice in (TokenChoice(slot=numbers[0]), TokenChoice(slot_list_index=places[0]), TokenChoice("gateway")):
        assert TokenKeystore(MODULE, choice, PIN).aliases() == ("ca",)
    assert opened(label="another").aliases() == ()
    with pytest.raises(KeystoreUnavailableError, match=r"several tokens \('another', 'gateway'\)"):
        TokenKeystore(MODULE, TokenChoice(), PIN).aliases()
    with pytest.raises(KeystoreUnavailableError, match="'missing' is not there"):
        opened(label="missing").aliases()


def test_a_library_that_is_none_is_said(tmp_path: Path) -> None:
    (tmp_path / "no.so").write_text("no module")
    for path in (tmp_path / "no.so", tmp_path / "missing.so"):
        with pytest.raises(KeystoreUnavailableError, match=r"library\.path"):
            TokenKeystore(str(path), TokenChoice(), PIN).aliases()


# Threads, forks, modules that hang


def test_eight_threads_sign_and_edit(hsm: SoftHsm) -> None:
    keystore = opened()
    shared = pair(keystore)
    barrier = threading.Barrier(8, timeout=PATIENCE_S)

    def work(worker: int) -> None:
        barrier.wait()
        for number in range(4):
            check(shared)
            if worker % 2:
                own = pair(keystore, f"pair-{worker}")
                check(own)
            keystore.set(f"ca-{worker}", another_ca(f"CN={worker}-{number}"))
            assert keystore.get(f"ca-{worker}") is not None

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(work, worker) for worker in range(8)]:
            done.result(PATIENCE_S)
    assert len(keystore.aliases()) == 1 + 8 + 4
    check(keystore.get("pair-7"))


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_parent_and_child_of_a_fork_both_go_on(hsm: SoftHsm) -> None:
    keystore = opened()
    entry = pair(keystore)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            check(entry)
            keystore.set("of the child", trusted())
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    check(entry)
    assert keystore.aliases() == ("of the child", "pair")


def test_a_module_that_hangs_degrades_its_keystore_alone(hsm: SoftHsm, monkeypatch: pytest.MonkeyPatch) -> None:
    entered, go_on = threading.Event(), threading.Event()
    load = pkcs11.lib
    monkeypatch.setattr(module, "fault_of_loading", lambda _: None)

    def lib(path: str) -> Any:
        if path != "/hanging.so":
            return load(path)
        entered.set()
        go_on.wait(PATIENCE_S)
        raise DeviceRemoved

    monkeypatch.setattr(pkcs11, "lib", lib)
    clock = FakeClock()
    hanging = guarded(TokenKeystore("/hanging.so", TokenChoice(), PIN), "hanging", clock)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(hanging.aliases)
        assert entered.wait(PATIENCE_S)
        while not answer.done():
            clock.advance(5)
        assert isinstance(answer.exception(), KeystoreTimeoutError)
    assert hanging.health().state is HealthState.UNAVAILABLE
    opened().set("ca", trusted())
    go_on.set()


_OTHER_GATEWAY = """
import sys
from components.keystore import KeyAlgorithm
from components.keystore.conformance import NOW, SUBJECT
from components.keystore.pkcs11.keystore import TokenKeystore
from components.keystore.pkcs11.module import TokenChoice
from metatype import Secret

library, pin = sys.argv[1:]
keystore = TokenKeystore(library, TokenChoice("gateway"), Secret(pin))
keystore.generate_key_pair("of another", KeyAlgorithm.EC, 256, subject=SUBJECT, now=NOW)
"""


def test_another_program_that_changes_the_token_meanwhile_is_told(hsm: SoftHsm) -> None:
    keystore, beside = opened(), opened()
    pair(keystore)
    pair(beside, "beside")
    assert keystore.aliases() == ("beside", "pair")
    assert keystore.health().state is HealthState.OK, "those of one process take turns"
    subprocess.run([sys.executable, "-c", _OTHER_GATEWAY, MODULE, PIN.reveal()], check=True)
    health = keystore.health()
    assert health.state is HealthState.DEGRADED
    assert "a token is for one gateway" in " ".join(health.problems)
    assert keystore.aliases() == ("beside", "of another", "pair")


_BESIDE_A_HANGING_MODULE = """
import sys, threading
from components.keystore.pkcs11.keystore import TokenKeystore
from components.keystore.pkcs11.module import TokenChoice
from metatype import Secret

keystore = TokenKeystore(sys.argv[1], TokenChoice(), Secret("1234"))
caller = threading.Thread(target=keystore.aliases, daemon=True)
caller.start()
writer = open(sys.argv[1], "wb", buffering=0)  # returns when the module is being loaded
caller.join(0.5)
print("going on beside it", caller.is_alive(), flush=True)
"""


def test_a_module_that_hangs_while_it_is_loaded_leaves_the_other_threads_alone(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "module.so")  # whoever opens it to read, waits for a writer and for what that writes
    command = [sys.executable, "-c", _BESIDE_A_HANGING_MODULE, str(tmp_path / "module.so")]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert ran.stdout == "going on beside it True\n", ran.stderr


def test_a_module_that_hangs_or_crashes_when_it_is_loaded_is_told(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "hanging.so")
    assert "had not loaded after 1 s" in str(fault_of_loading(str(tmp_path / "hanging.so"), 1))
    whole = Path(MODULE).read_bytes()
    (tmp_path / "torn.so").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(KeystoreUnavailableError, match=r"crashes when it is loaded .* library\.path"):
        TokenKeystore(str(tmp_path / "torn.so"), TokenChoice(), PIN).aliases()


# The index


records = st.one_of(
    st.none(),
    st.builds(KeyRecord, st.binary(max_size=20), st.lists(st.text("0123456789abcdef"), max_size=3).map(tuple)),
    st.builds(CertificateRecord, st.text("0123456789abcdef")),
)


@given(st.integers(1, 2**40), st.dictionaries(st.text(), records), st.data())
def test_an_index_comes_back_whole_or_not_at_all(generation: int, entries: Any, data: st.DataObject) -> None:
    index = Index(generation, entries)
    encoded = encode_index(index)
    assert decode_index(encoded) == index
    cut = data.draw(st.integers(0, len(encoded) - 1))
    assert decode_index(encoded[:cut]) is None
    assert newest([encoded[:cut], encode_index(Index()), encoded]) == index
