"""RC2 (RFC 2268), decryption only: what OpenSSL and keytool once put round the certificates of a PKCS #12 file.

cryptography has RC2 with 128 effective bits only; those files have 40. Nothing is ever written with it.
"""

from __future__ import annotations

from typing import Final

BLOCK_SIZE: Final = 8

_PI: Final = bytes.fromhex(
    "d978f9c419ddb5ed28e9fd794aa0d89dc67e37832b76538e624c6488448bfba2"
    "179a59f587b34f1361456d8d09817d32bd8f40eb86b77b0bf09521225c6b4e82"
    "54d66593ce60b21c7356c014a78cf1dc1275ca1f3bbee4d1423dd430a33cb626"
    "6fbf0eda4669075727f21d9bbc944303f811c7f690ef3ee706c3d52fc8661ed7"
    "08e8eade8052eef784aa72ac354d6a2a961ad2715a1549744b9fd05e0418a4ec"
    "c2e0416e0f51cbcc2491af50a1f47039997c3a8523b8b47afc02365b25559731"
    "2d5dfa98e38a92ae05df2910676cbac9d300e6cfe19ea82c6316013f58e289a9"
    "0d38341bab33ffb0bb480c5fb9b1cd2ec5f3db47e5a59c770aa62068fe7fc1ad"
)
_MASK: Final = 0xFFFF
_SHIFTS: Final = (1, 2, 3, 5)
_MIXING_ROUNDS: Final = 16
_MASHING_AFTER: Final = (11, 5)
"""Before the mixing rounds below these two are undone, a mashing round is."""


def decrypt_cbc(key: bytes, vector: bytes, ciphertext: bytes) -> bytes:
    """Decrypt whole blocks; all of the key's bits count, as PKCS #12 has it. The padding stays.

    Raises:
        ValueError: The ciphertext or the vector is not made of whole blocks.
    """
    if len(vector) != BLOCK_SIZE or len(ciphertext) % BLOCK_SIZE:
        raise ValueError("RC2 works on blocks of 8 octets")
    words = _expand(key)
    plain = bytearray()
    for start in range(0, len(ciphertext), BLOCK_SIZE):
        block = ciphertext[start : start + BLOCK_SIZE]
        plain += bytes(a ^ b for a, b in zip(_decrypt_block(words, block), vector, strict=True))
        vector = block
    return bytes(plain)


def _expand(key: bytes) -> list[int]:
    """The key schedule (RFC 2268 section 2), with 8 effective bits for each octet of the key."""
    size = len(key)
    table = bytearray(key)
    while len(table) < 128:
        table.append(_PI[(table[-1] + table[-size]) & 0xFF])
    table[128 - size] = _PI[table[128 - size]]
    for index in range(127 - size, -1, -1):
        table[index] = _PI[table[index + 1] ^ table[index + size]]
    return [table[2 * index] | table[2 * index + 1] << 8 for index in range(64)]


def _decrypt_block(words: list[int], block: bytes) -> bytes:
    """Section 4: the rounds of the encryption backwards."""
    state = [int.from_bytes(block[index : index + 2], "little") for index in range(0, BLOCK_SIZE, 2)]
    position = 63
    for round_number in range(_MIXING_ROUNDS):
        for index in (3, 2, 1, 0):
            shift = _SHIFTS[index]
            rotated = (state[index] >> shift | state[index] << 16 - shift) & _MASK
            before, second, third = state[index - 1], state[index - 2], state[index - 3]
            state[index] = (rotated - words[position] - (before & second) - (~before & third)) & _MASK
            position -= 1
        if _MIXING_ROUNDS - 1 - round_number in _MASHING_AFTER:
            for index in (3, 2, 1, 0):
                state[index] = (state[index] - words[state[index - 1] & 63]) & _MASK
    return b"".join(word.to_bytes(2, "little") for word in state)
