"""What a server says that it can do (RFC 8894 3.5)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a server says that it can do; unauthenticated, so it never weakens what is sent."""

    keywords: frozenset[str] = frozenset()

    @staticmethod
    def parse(text: str) -> Capabilities:
        """The keywords of an answer to GetCACaps, one a line; case does not matter, unknown ones are kept."""
        lines = text.removeprefix("\ufeff").splitlines()
        return Capabilities(frozenset(line.strip().lower() for line in lines if line.strip()))

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
        capabilities: All that it ever offered.
        warning: What it suddenly offers no more, in words, or None.
    """

    capabilities: Capabilities
    warning: str | None


def reconcile(previous: Capabilities | None, offered: Capabilities) -> Reconciled:
    """Set what a server offers now against what it offered before.

    The answer to GetCACaps is not authenticated, so somebody in between could take keywords out of it to have
    weaker messages sent (RFC 8894 7.5). A server that offers less is therefore a warning and no downgrade.
    """
    before = Capabilities() if previous is None else previous
    implied = frozenset({"aes", "sha-256", "postpkioperation"}) if "scepstandard" in offered.keywords else frozenset()
    missing = sorted(before.keywords - offered.keywords - implied)
    warning = (
        f"the server offered {', '.join(missing)} before and does not any more (GetCACaps): this may be somebody in "
        "between who wants weaker messages; it is still taken to be capable of it"
    )
    return Reconciled(Capabilities(before.keywords | offered.keywords), warning if missing else None)
