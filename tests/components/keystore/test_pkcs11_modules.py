"""PKCS #11 modules that are none, hang or crash, and tokens that others use: their keystore alone has the harm."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pkcs11
import pytest
from cryptography.hazmat.primitives import hashes
from pkcs11.exceptions import DeviceRemoved

from components.keystore import (
    HealthState,
    KeystoreTimeoutError,
    KeystoreUnavailableError,
    guarded,
)
from components.keystore.conformance import trusted
from components.keystore.pkcs11 import module
from components.keystore.pkcs11.keystore import TokenKeystore
from components.keystore.pkcs11.module import TokenChoice
from components.keystore.pkcs11.trial import fault_of_loading
from framework.testing import FakeClock
from tests.components.keystore.opened_token import opened, pair
from tests.components.keystore.soft_hsm import MODULE, PIN, SoftHsm

pytestmark = pytest.mark.peer("softhsm2-util")

SHA256 = hashes.SHA256()
PATIENCE_S = 60.0


def test_a_library_that_is_none_is_said(tmp_path: Path) -> None:
    (tmp_path / "no.so").write_text("no module")
    for path in (tmp_path / "no.so", tmp_path / "missing.so"):
        with pytest.raises(KeystoreUnavailableError, match=r"library\.path"):
            TokenKeystore(str(path), TokenChoice(), PIN).aliases()


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
