"""The keystore in a token, on SoftHSM 2: the contract, removal, PINs, threads and forks."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from pkcs11 import Attribute, ObjectClass
from pkcs11.exceptions import PinLocked

from components.keystore import (
    Changes,
    HealthState,
    KeyAlgorithm,
    KeystoreService,
    KeystoreUnavailableError,
    PrivateKeyEntry,
    UnsupportedOperationError,
    guarded,
)
from components.keystore.conformance import NOW, SUBJECT, KeystoreConformance, issued_to, trusted
from components.keystore.pkcs11 import PKCS11Keystore
from components.keystore.pkcs11.errors import PinRefusedError, PinUnusableError
from components.keystore.pkcs11.keystore import TokenKeystore
from components.keystore.pkcs11.module import Module, TokenChoice
from metatype import Secret
from tests.components.keystore.opened_token import another_ca, begin_anew, check, objects_of, opened, pair
from tests.components.keystore.soft_hsm import MODULE, PIN, SoftHsm

pytestmark = pytest.mark.peer("softhsm2-util")

SHA256 = hashes.SHA256()
PATIENCE_S = 60.0


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
