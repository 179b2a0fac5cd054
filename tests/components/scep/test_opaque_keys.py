"""Keys that cannot leave their keystore enrol, renew and open replies: everything goes through the handle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from components.keystore import (
    KeyAlgorithm,
    PrivateKey,
    SoftwarePrivateKey,
    UnsupportedOperationError,
)
from components.scep.message import MessageType
from components.scep.transaction import Issued
from metatype import Secret
from tests.components.scep.device import CHALLENGE, Device
from tools.scep_ca import IssuancePolicy, ScepCa

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class OpaqueKey:
    """A handle as an HSM gives it: it signs and decrypts, and nothing more."""

    exportable = False

    def __init__(self, inner: SoftwarePrivateKey) -> None:
        self.public_key = inner.public_key
        self.operations: list[str] = []
        self._noted: dict[str, Callable[..., bytes]] = {"sign": inner.sign, "decrypt": inner.decrypt}

    def sign(self, data: bytes, algorithm: Any) -> bytes:
        self.operations.append("sign")
        return self._noted["sign"](data, algorithm)

    def decrypt(self, ciphertext: bytes, padding: Any) -> bytes:
        self.operations.append("decrypt")
        return self._noted["decrypt"](ciphertext, padding)

    def export(self) -> Any:
        raise UnsupportedOperationError("export", "the key cannot leave")


@pytest.fixture
def key() -> OpaqueKey:
    return OpaqueKey(SoftwarePrivateKey.generate(KeyAlgorithm.RSA, 2048))


def test_a_key_that_cannot_leave_enrols_and_renews(tmp_path: Path, key: OpaqueKey) -> None:
    assert isinstance(key, PrivateKey)
    with ScepCa.open(tmp_path / "ca", IssuancePolicy(Secret(CHALLENGE))) as ca:
        device = Device.of(ca, key).enrolled()
        assert key.operations == ["sign", "sign", "sign", "decrypt"]  # own certificate, CSR, message; the reply
        key.operations.clear()
        renewal = device.request(message_type=MessageType.RENEWAL_REQ, challenge="")
        reply = device.ask(renewal, replaces=device.certificate)
        assert isinstance(reply, Issued)
        assert key.operations == ["sign", "sign", "decrypt"]
