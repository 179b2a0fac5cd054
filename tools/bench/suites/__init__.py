"""The suites, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tools.bench.suites import (
    components,
    configuration,
    crl,
    enrolment,
    filters,
    hostile,
    keystore,
    pkcs11,
    registry,
    start,
)

if TYPE_CHECKING:
    from tools.bench.model import Suite

SUITES: Final[dict[str, Suite]] = {
    suite.name: suite
    for suite in (
        filters.SUITE,
        registry.SUITE,
        components.SUITE,
        configuration.SUITE,
        keystore.SUITE,
        pkcs11.SUITE,
        crl.SUITE,
        enrolment.SUITE,
        start.SUITE,
        hostile.SUITE,
    )
}
