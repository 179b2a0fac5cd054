"""What only a token can refuse: a PIN."""

from __future__ import annotations

from components.keystore.errors import KeystoreError


class PinRefusedError(KeystoreError):
    """The token refused the PIN. It is not tried again until another one is configured: tries are few.

    Attributes:
        token: What refused it.
        locked: Whether it said that the PIN is locked.
    """

    def __init__(self, token: str, *, locked: bool = False) -> None:
        said = "says that the PIN is locked" if locked else "refused the PIN"
        first = "unlock it with the tool of the token's maker, and " if locked else ""
        super().__init__(
            f"keystore {token}: the token {said}, and it is not tried again, since tries are few; "
            f"{first}set the property pin to the right one (to try the same one again, "
            "set it empty and then anew)"
        )
        self.token = token
        self.locked = locked


class PinUnusableError(KeystoreError):
    """The token lets nobody log in with a PIN just now; none was tried.

    Attributes:
        token: Which token.
        reason: Why.
    """

    def __init__(self, token: str, reason: str) -> None:
        super().__init__(f"keystore {token}: {reason}")
        self.token = token
        self.reason = reason
