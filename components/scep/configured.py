"""What the configuration asks of the enrolment: properties as settings, and what the state machine has to know of them.

Which properties mean a bootstrap stands in the descriptor: the context's `bootstrap_identity` is a digest of
those, and the machine bootstraps when it is another than the one that the stored trust was derived from.
"""

from __future__ import annotations

import hmac
import secrets as random_bytes
from typing import TYPE_CHECKING, Any, Final

from components.keystore import KeystoreError, UnsupportedOperationError
from components.scep.enrolment import Configured
from components.scep.settings import EnrollmentSettings, SettingsError, read_settings
from components.scep.transaction import SecurityProfile
from metatype import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from components.scep.identity import IdentityStore
    from framework import ComponentContext

_DIGEST_KEY: Final = "settings-digest-key"


def read_configuration(
    properties: Mapping[str, Any], context: ComponentContext, store: IdentityStore, keystore_pid: str
) -> tuple[EnrollmentSettings | None, Configured]:
    """The settings, None unless it is enabled and they fit together; and what the machine has to know."""
    settings: EnrollmentSettings | None = None
    problems: tuple[str, ...] = ()
    if properties["enabled"]:
        try:
            settings = read_settings(properties, context.state_directory)
        except SettingsError as error:
            problems = error.problems
        problems += _keystore_problems(store, keystore_pid)
    digest_key = _digest_key(context)
    return settings, Configured(
        enabled=properties["enabled"],
        problems=problems,
        bootstrap_identity=context.bootstrap_identity,
        digest="" if settings is None else settings.digest(digest_key),
        retry_interval_s=properties["connect.retry-interval"],
        key_size=properties["client.keypair.size"],
        subject="" if settings is None else settings.subject.rfc4514_string(),
        renew=settings is not None and settings.renew,
        rollover=settings is not None and settings.rollover,
        lead_hours=properties["certificate.expiration.check.time"],
        has_challenge=settings is not None and bool(settings.challenge),
        challenge_digest="" if settings is None else _digest_of(settings.challenge, digest_key),
        profile=SecurityProfile(properties["security.profile"]),
        device=hmac.new(digest_key, b"device", "sha256").hexdigest(),
    )


def _keystore_problems(store: IdentityStore, keystore_pid: str) -> tuple[str, ...]:
    """Why nothing can be enrolled into the keystore, whatever the server says; one that hangs may yet come back."""
    try:
        store.check_capabilities()
    except UnsupportedOperationError as error:
        selected = f"KeystoreService.target selects {keystore_pid}"
        return (f"{selected}, into which nothing can be enrolled ({error}): select another keystore",)
    except KeystoreError:
        return ()  # the enrolment meets it again, tells it, and tries once more
    return ()


def _digest_of(challenge: Secret, key: bytes) -> str:
    return hmac.new(key, b"challenge:" + challenge.reveal().encode(), "sha256").hexdigest() if challenge else ""


def _digest_key(context: ComponentContext) -> bytes:
    key = context.secrets.get(_DIGEST_KEY)
    if key is None:
        key = Secret(random_bytes.token_hex(32))
        context.secrets.set(_DIGEST_KEY, key)
    return key.reveal().encode()
