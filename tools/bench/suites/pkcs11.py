"""The PKCS #11 keystore on SoftHSM, beside python-pkcs11 on the same token, which is what it stands on."""

from __future__ import annotations

import os
import subprocess
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.serialization import Encoding

from components.keystore import (
    KeyAlgorithm,
    SoftwarePrivateKey,
    TrustedCertificateEntry,
    self_signed_certificate,
)
from framework import Secret
from tools.bench.measure import per_call, seconds_of
from tools.bench.model import OURS, Case, Suite
from tools.bench.peers import PYTHON_PKCS11

if TYPE_CHECKING:
    from tools.bench.model import Assignment, Samples

ENTRIES: Final = (1, 100)
_MODULE: Final = "/usr/lib/softhsm/libsofthsm2.so"
_PIN: Final = "4711"
_SUBJECT: Final = x509.Name.from_rfc4514_string("CN=bench")
_NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)
_DATA: Final = b"x" * 1000


def _measure(assignment: Assignment) -> Samples:
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(dir=assignment.scratch) as directory:
        configuration = Path(directory, "softhsm2.conf")
        configuration.write_text(f"directories.tokendir = {directory}\nlog.level = ERROR\n")
        os.environ["SOFTHSM2_CONF"] = str(configuration)
        for number in assignment.sizes(*ENTRIES):
            label = f"bench-{number}"
            _make_token(label)
            measure = _ours if assignment.side == OURS else _raw
            found |= {f"{key}-{number}": values for key, values in measure(assignment, label, number).items()}
    return found


def _make_token(label: str) -> None:
    command = ["softhsm2-util", "--init-token", "--free", "--label", label, "--pin", _PIN, "--so-pin", _PIN]
    subprocess.run(command, check=True, capture_output=True)


def _certificates(number: int) -> list[x509.Certificate]:
    key = SoftwarePrivateKey.generate(KeyAlgorithm.EC, 256)
    return [self_signed_certificate(key, _SUBJECT, _NOW) for _ in range(number)]


def _ours(assignment: Assignment, label: str, number: int) -> dict[str, list[float]]:
    from components.keystore.pkcs11.keystore import TokenKeystore  # noqa: PLC0415  # python-pkcs11 may be missing
    from components.keystore.pkcs11.module import Module, TokenChoice  # noqa: PLC0415  # as above

    with Module.of(_MODULE).using() as module:
        module.initialise_anew()
    keystore = TokenKeystore(_MODULE, TokenChoice(label), Secret(_PIN))
    key = keystore.generate_key_pair("key", KeyAlgorithm.RSA, 2048, subject=_SUBJECT, now=_NOW).key
    with keystore.edit() as edit:
        for index, certificate in enumerate(_certificates(number - 1)):
            edit.set(f"entry-{index}", TrustedCertificateEntry(certificate))
    ciphertext = _encrypted(key.public_key)
    more = iter(_certificates(assignment.values))
    return {
        "sign": per_call(lambda: key.sign(_DATA, hashes.SHA256()), assignment),
        "decrypt": per_call(lambda: key.decrypt(ciphertext, PKCS1v15()), assignment),
        "list": per_call(keystore.aliases, assignment),
        "commit": [
            seconds_of(lambda: keystore.set(f"new-{turn}", TrustedCertificateEntry(next(more))))  # noqa: B023  # called at once
            for turn in range(assignment.values)
        ],
    }


def _raw(assignment: Assignment, label: str, number: int) -> dict[str, list[float]]:
    import pkcs11  # noqa: PLC0415  # it may be missing
    from pkcs11.constants import Attribute, ObjectClass  # noqa: PLC0415  # with it
    from pkcs11.mechanisms import KeyType, Mechanism  # noqa: PLC0415  # with it
    from pkcs11.util.rsa import encode_rsa_public_key  # noqa: PLC0415  # with it
    from pkcs11.util.x509 import decode_x509_certificate  # noqa: PLC0415  # with it

    library: Any = pkcs11.lib(_MODULE)
    library.reinitialize()
    session = library.get_token(token_label=label).open(rw=True, user_pin=_PIN)
    public, private = session.generate_keypair(KeyType.RSA, 2048, store=True, label="key")
    from cryptography.hazmat.primitives.serialization import load_der_public_key  # noqa: PLC0415  # for this side only

    def store(certificate: x509.Certificate) -> None:
        encoded = decode_x509_certificate(certificate.public_bytes(Encoding.DER))
        session.create_object({**encoded, Attribute.TOKEN: True, Attribute.LABEL: "entry"})

    for certificate in _certificates(number):
        store(certificate)
    ciphertext = _encrypted(load_der_public_key(encode_rsa_public_key(public)))

    def listed() -> list[object]:
        found = [
            session.get_objects({Attribute.CLASS: kind}) for kind in (ObjectClass.CERTIFICATE, ObjectClass.PRIVATE_KEY)
        ]
        return [each[Attribute.LABEL] for objects in found for each in objects]

    more = iter(_certificates(assignment.values))
    return {
        "sign": per_call(lambda: private.sign(_DATA, mechanism=Mechanism.SHA256_RSA_PKCS), assignment),
        "decrypt": per_call(lambda: private.decrypt(ciphertext, mechanism=Mechanism.RSA_PKCS), assignment),
        "list": per_call(listed, assignment),
        "commit": [seconds_of(lambda: store(next(more))) for _ in range(assignment.values)],
    }


def _encrypted(public_key: Any) -> bytes:
    encrypted: bytes = public_key.encrypt(b"secret", PKCS1v15())
    return encrypted


SUITE: Final = Suite(
    name="pkcs11",
    title="PKCS #11 keystore (SoftHSM 2)",
    rows=tuple(
        Case(f"{key}-{number}", f"{what}, {number:,} entries")
        for key, what in (
            ("sign", "sign (RSA 2,048)"),
            ("decrypt", "decrypt (RSA 2,048)"),
            ("list", "list"),
            ("commit", "commit one certificate"),
        )
        for number in ENTRIES
    ),
    sides=(OURS, PYTHON_PKCS11),
    measure=_measure,
    rounds=3,
    programs=("softhsm2-util",),
    notes=("python-pkcs11 is called directly: nothing is checked, and its commit is one object, not all or nothing.",),
)
