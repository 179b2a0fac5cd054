"""Key material stays where it is: out of what is shown, pickled, raised and logged."""
# ruff: noqa: S101, D102 - these are tests: they assert, and each one's rule says what.

from __future__ import annotations

import base64
import contextlib
import logging
import pickle
import traceback
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from components.keystore.conformance.making import KeystoreUnderTest
from components.keystore.conformance.rules import rule
from components.keystore.conformance.samples import foreign_key, foreign_pair, trusted, unmovable_pair

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from components.keystore.contract import KeystoreService
    from components.keystore.entries import PrivateKeyEntry
    from components.keystore.keys import ExportedPrivateKey

_PEM_MARK: Final = b"PRIVATE KEY-----"
_ENCODINGS: Final = (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL)


class Secrecy(KeystoreUnderTest):
    """What is looked for is a key whose material the test knows, in every form in which it could stand somewhere."""

    @rule("repr() and str() of keystore, entries, keys and health show no key material")
    def test_nothing_shows_key_material(self, writable: KeystoreService, pair: PrivateKeyEntry) -> None:
        forms = _known_material(writable, pair)
        leaks = [
            f"{show.__name__}() of {name} shows {form}"
            for name, each in _visible(writable, pair).items()
            for show in (repr, str)
            for form in _found(show(each), forms)
        ]
        assert not leaks

    @rule("pickling keystore, entries or keys raises, or leaves the key material out")
    def test_nothing_pickles_key_material(self, writable: KeystoreService, pair: PrivateKeyEntry) -> None:
        forms = _known_material(writable, pair)
        leaks = [
            f"a pickle of {name} holds {form}"
            for name, each in _visible(writable, pair).items()
            for form in _found(_pickled(each), forms)
        ]
        assert not leaks

    @rule("errors and log records hold no key material")
    def test_errors_and_logs_hold_no_key_material(
        self, writable: KeystoreService, pair: PrivateKeyEntry, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        forms = _known_material(writable, pair)
        raised: list[str] = []
        with _noting(raised):
            writable.set("elsewhere", unmovable_pair())
        with _noting(raised):
            writable.set("elsewhere", foreign_pair())
        with _noting(raised):
            writable.set("\x00", pair)
        with _noting(raised):
            writable.set("none", object())  # type: ignore[arg-type]  # what the contract forbids
        with _noting(raised):
            pair.key.decrypt(b"\x00" * (pair.key.public_key.key_size // 8), padding.PKCS1v15())
        with _noting(raised), writable.edit() as edit:
            edit.set("d", trusted())
            edit.delete("pair")
        told = {"an error": "\n".join(raised), "the log": caplog.text}
        leaks = [f"{name} holds {form}" for name, text in told.items() for form in _found(text, forms)]
        assert not leaks


def _known_material(keystore: KeystoreService, pair: PrivateKeyEntry) -> dict[str, tuple[bytes, ...]]:
    """Forms of the keys that the keystore holds and that can be known: its own if it leaves, and one of elsewhere."""
    keys: list[ExportedPrivateKey] = [pair.key.export()] if pair.key.exportable else []
    if keystore.capabilities.stores_foreign_keys:
        keystore.set("of elsewhere", foreign_pair())
        keys.append(foreign_key().export())
    known: dict[str, tuple[bytes, ...]] = {"a private key in PEM": (_PEM_MARK,)}
    for key in keys:
        for form, texts in _forms(key).items():
            known[form] = (*known.get(form, ()), *texts)
    return known


def _forms(key: ExportedPrivateKey) -> dict[str, tuple[bytes, ...]]:
    numbers = key.private_numbers()
    secrets = (
        (numbers.d, numbers.p, numbers.q) if isinstance(numbers, rsa.RSAPrivateNumbers) else (numbers.private_value,)
    )
    encoded = [key.private_bytes(Encoding.DER, one, NoEncryption()) for one in _ENCODINGS]
    size = [(number.bit_length() + 7) // 8 for number in secrets]
    plain = [number.to_bytes(length) for number, length in zip(secrets, size, strict=True)]
    return {
        "a private number in decimal": tuple(str(number).encode() for number in secrets),
        "a private number in hexadecimal": tuple(f"{number:x}".encode() for number in secrets),
        "a private number in octets": (*plain, *(number[::-1] for number in plain)),
        "the encoded key": tuple(encoded),
        "the encoded key in hexadecimal": tuple(one.hex().encode() for one in encoded),
        "the encoded key in Base64": tuple(base64.b64encode(one) for one in encoded),
        "the encoded key as Python shows it": tuple(repr(one)[2:-1].encode() for one in encoded),
    }


def _found(shown: str | bytes, forms: dict[str, tuple[bytes, ...]]) -> list[str]:
    data = shown if isinstance(shown, bytes) else shown.encode(errors="surrogatepass")
    lowered = data.lower()
    return [
        form
        for form, texts in forms.items()
        if any(one in data or (form.endswith("hexadecimal") and one in lowered) for one in texts)
    ]


def _visible(keystore: KeystoreService, pair: PrivateKeyEntry) -> dict[str, object]:
    return {
        "the keystore": keystore,
        "an entry": pair,
        "its key": pair.key,
        "all entries": dict(keystore.entries()),
        "its health": keystore.health(),
        "its capabilities": keystore.capabilities,
    }


def _pickled(each: object) -> bytes:
    try:
        return pickle.dumps(each)
    except Exception:  # noqa: BLE001  # whatever it refuses by
        return b""


@contextlib.contextmanager
def _noting(raised: list[str]) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # noqa: BLE001  # whatever it raises is looked at
        raised += (repr(error), repr(vars(error)), *traceback.format_exception(error))
