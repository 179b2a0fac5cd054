"""What a server says that it can do (RFC 8894 3.5)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Final

MOST_KEYWORDS: Final = 64
LONGEST_KEYWORD: Final = 64
"""How many keywords are kept of an answer, and of how many characters; honest ones are ten or so, and short."""

_MEANINGFUL: Final = frozenset(
    {
        *("aes", "des3", "sha-1", "sha-256", "sha-512", "scepstandard"),
        *("postpkioperation", "renewal", "update", "getnextcacert"),
    }
)
_AS_OFFERED_NOW: Final = frozenset({"des3", "sha-1", "postpkioperation"})
"""Without these nothing weaker is sent: 3DES and SHA-1 are the weaker, and a GET carries the same message as a POST."""

_STANDARD: Final = frozenset({"aes", "sha-256"})
"""What SCEPStandard stands for, beside POST."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a server says that it can do; unauthenticated, so it never weakens what is sent."""

    keywords: frozenset[str] = frozenset()

    @staticmethod
    def parse(text: str) -> Capabilities:
        """The keywords of an answer to GetCACaps, one a line; case does not matter, unknown ones are kept."""
        lines = (line.strip().lower() for line in text.removeprefix("\ufeff").splitlines())
        keywords = (line for line in lines if 0 < len(line) <= LONGEST_KEYWORD)
        return Capabilities(frozenset(islice(keywords, MOST_KEYWORDS)))

    @property
    def post(self) -> bool:
        """Whether PKIOperation may be sent with POST."""
        return bool({"postpkioperation", "scepstandard"} & self.keywords)

    @property
    def aes(self) -> bool:
        """Whether AES is offered."""
        return bool({"aes", "scepstandard"} & self.keywords)

    @property
    def sha256(self) -> bool:
        """Whether SHA-256 is offered."""
        return bool({"sha-256", "scepstandard"} & self.keywords)

    @property
    def sha512(self) -> bool:
        """Whether SHA-512 is offered."""
        return "sha-512" in self.keywords

    @property
    def sha2(self) -> bool:
        """Whether a SHA-2 digest is offered."""
        return self.sha256 or self.sha512

    @property
    def renewal(self) -> bool:
        """Whether RenewalReq is understood."""
        return "renewal" in self.keywords

    @property
    def update(self) -> bool:
        """Whether UpdateReq is, which the drafts before RFC 8894 had for renewals under another CA."""
        return "update" in self.keywords

    @property
    def next_ca(self) -> bool:
        """Whether GetNextCACert is."""
        return "getnextcacert" in self.keywords


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What to take a server to be capable of.

    Attributes:
        capabilities: What it offers, and all that it ever offered whose absence would have something weaker sent.
        warning: What it suddenly offers no more, in words, or None.
    """

    capabilities: Capabilities
    warning: str | None


def reconcile(previous: Capabilities | None, offered: Capabilities) -> Reconciled:
    """Set what a server offers now against what it offered before.

    The answer to GetCACaps is not authenticated, so somebody in between could take keywords out of it to have
    weaker messages sent (RFC 8894 7.5). A server that offers less is therefore a warning and no downgrade.
    """
    before = frozenset[str]() if previous is None else previous.keywords & _MEANINGFUL - _AS_OFFERED_NOW
    is_standard = "scepstandard" in offered.keywords
    if "scepstandard" in before and not is_standard:
        before = before - {"scepstandard"} | _STANDARD
    missing = sorted(before - offered.keywords - (_STANDARD if is_standard else frozenset()))
    warning = (
        f"the server offered {', '.join(missing)} before and does not any more (GetCACaps): this may be somebody in "
        "between who wants weaker messages; it is still taken to be capable of it"
    )
    return Reconciled(Capabilities(before | offered.keywords), warning if missing else None)
