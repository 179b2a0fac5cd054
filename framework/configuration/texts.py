"""What texts a configuration may hold, whatever its descriptor says: those that can be written down again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from metatype import Problem, Secret

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from framework.configuration.catalogue import ConfigurationType

LONGEST_TEXT: Final = 256 * 1024
"""Characters of a property, all its elements together: a bundle of all public CAs in PEM has some 220,000."""

LONGEST_PASSWORD: Final = 16 * 1024
"""Characters of a password: the private key of a chain fits. A challengePassword has at most 255 (RFC 2985, 5.4.1)."""

_NO_UTF8: Final = (
    "cannot be written as UTF-8: it has bytes of another encoding, or half of a surrogate pair",
    "text in UTF-8",
)


def is_writable(text: str) -> bool:
    """Whether a text can be written as UTF-8: it has no lone surrogate, as bytes in argv become that are no UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def escaped(text: str) -> str:
    """A text that can be written, with escapes in place of lone surrogates."""
    return text.encode(errors="backslashreplace").decode()


def pid_problems(pid: str) -> Iterator[Problem]:
    """What is wrong with the text of a pid: an instance's name may be anything else."""
    if not is_writable(pid):
        yield Problem("service.pid", "encoding", _NO_UTF8[0], None, _NO_UTF8[1])


def text_problems(kind: ConfigurationType, properties: Mapping[str, Any]) -> Iterator[Problem]:
    """What is wrong with the names and texts of properties. No value is shown: it may be a secret, or very long."""
    attributes = {} if kind.object_class is None else kind.object_class.attributes
    for name, value in properties.items():
        elements = value if isinstance(value, list | tuple) else (value,)
        texts = [one.reveal() if isinstance(one, Secret) else one for one in elements if isinstance(one, str | Secret)]
        if not is_writable(name) or not all(map(is_writable, texts)):
            yield Problem(name, "encoding", _NO_UTF8[0], None, _NO_UTF8[1])
        secret = any(isinstance(one, Secret) for one in elements)
        if secret or (name in attributes and attributes[name].is_password):
            yield from _password_problems(name, texts)
        elif sum(map(len, texts)) > LONGEST_TEXT:
            yield _too_long(name, LONGEST_TEXT)


def _password_problems(name: str, texts: list[str]) -> Iterator[Problem]:
    if sum(map(len, texts)) > LONGEST_PASSWORD:
        yield _too_long(name, LONGEST_PASSWORD)
    elif any("\0" in text for text in texts):
        yield Problem(name, "text", "must be text without NUL: is it another file?", None, "text without NUL")


def _too_long(name: str, most: int) -> Problem:
    accepted = f"at most {most} characters long"
    return Problem(name, "max", f"must be {accepted}; is it another file?", None, accepted)
