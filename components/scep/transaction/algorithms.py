"""Which algorithms are sent and accepted: the security profiles."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from components.scep.errors import WeakAlgorithmError
from components.scep.message import Cipher, Digest

if TYPE_CHECKING:
    from components.scep.transaction.capabilities import Capabilities


class SecurityProfile(enum.StrEnum):
    """Which algorithms are accepted; MD5 never is."""

    STRICT = "strict"
    STANDARD = "standard"
    LEGACY = "legacy"


@dataclass(frozen=True, slots=True)
class Algorithms:
    """What a request is encrypted and signed with."""

    cipher: Cipher
    digest: Digest

    def __str__(self) -> str:
        """Both by their names."""
        return f"{self.cipher.value} and {self.digest.value}"


_WEAK_CIPHERS: Final = (Cipher.DES, Cipher.DES3)
_WEAKEST: Final = Algorithms(Cipher.DES3, Digest.SHA1)


def choose_algorithms(capabilities: Capabilities, profile: SecurityProfile, *, weaker: bool = False) -> Algorithms:
    """What is sent to a server of these capabilities (RFC 8894 2.9); `weaker` to one that does less than it offers.

    AES-128-CBC, and SHA-256 unless only SHA-512 is offered. The profile `legacy` sends 3DES and SHA-1 to a
    server that does not offer the better; the others send the better though nobody offers it.
    """
    legacy = profile is SecurityProfile.LEGACY
    if legacy and weaker:
        return _WEAKEST
    cipher = Cipher.DES3 if legacy and not capabilities.aes else Cipher.AES128
    if capabilities.sha512 and not capabilities.sha256:
        return Algorithms(cipher, Digest.SHA512)
    return Algorithms(cipher, Digest.SHA1 if legacy and not capabilities.sha2 else Digest.SHA256)


def has_weaker(capabilities: Capabilities, profile: SecurityProfile) -> bool:
    """Whether there is something weaker to try where a server could not handle what it had offered.

    NDES claims AES and then answers with what nobody can decrypt; RFC 8894 3.5.2 has the transaction tried once
    again with 3DES and SHA-1. Only the profile `legacy` sends that, and to no server that does not offer both.
    """
    if not {"des3", "sha-1"} <= capabilities.keywords:
        return False
    return choose_algorithms(capabilities, profile, weaker=True) != choose_algorithms(capabilities, profile)


def cipher_warnings(cipher: Cipher, profile: SecurityProfile) -> tuple[str, ...]:
    """What to say of a reply's cipher; WeakAlgorithmError if the profile refuses it."""
    return _warnings("encrypted with", cipher in _WEAK_CIPHERS, cipher.value, profile)


def digest_warnings(digest: Digest, profile: SecurityProfile) -> tuple[str, ...]:
    """What to say of a reply's digest; WeakAlgorithmError if the profile refuses it."""
    return _warnings("signed with", digest is Digest.SHA1, digest.value, profile)


def _warnings(verb: str, weak: bool, algorithm: str, profile: SecurityProfile) -> tuple[str, ...]:
    if not weak:
        return ()
    if profile is SecurityProfile.STRICT:
        raise WeakAlgorithmError(algorithm, profile.value)
    return (f"the server's answer was {verb} {algorithm}, which is weak: have the server use AES and SHA-2",)
