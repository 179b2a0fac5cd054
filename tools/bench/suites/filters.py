"""Filters: parsed anew, parsed again, matched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from framework import Filter, ServiceRegistry
from tools.bench import jvm
from tools.bench.measure import per_call, seconds_of
from tools.bench.model import OURS, Case, FasterThan, Suite
from tools.bench.peers import IPOPO, JVM_PEERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.bench.model import Assignment, Samples

TEMPLATE: Final = (
    "(&(objectClass=example.Keystore)(|(kura.service.pid=Enrol*{number})(service.ranking>=10))"
    "(!(state=disabled))(location=*hall*)(version>=2)(vendor=*))"
)
PROPERTIES: Final[dict[str, Any]] = {
    "objectClass": ["example.Keystore"],
    "kura.service.pid": "EnrollmentKeystore",
    "service.ranking": 12,
    "state": "enabled",
    "location": "machine hall 4",
    "version": 3,
    "vendor": "Example",
}


def _measure(assignment: Assignment) -> Samples:
    if assignment.side in JVM_PEERS:
        return jvm.samples(assignment, "filters")
    return _ours(assignment) if assignment.side == OURS else _ipopo(assignment)


def _ours(assignment: Assignment) -> Samples:
    condition = Filter.parse(TEMPLATE.format(number=0))
    reference = ServiceRegistry().register("example.Keystore", object(), PROPERTIES).reference
    service = reference.properties
    if not (condition.matches(PROPERTIES) and condition.matches(service)):
        raise AssertionError("the filter is to match")
    return {
        "parse": _parse_anew(Filter.parse, assignment),
        "parse-again": per_call(lambda: Filter.parse(TEMPLATE), assignment),
        "match": per_call(lambda: condition.matches(PROPERTIES), assignment),
        "match-service": per_call(lambda: condition.matches(service), assignment),
    }


def _ipopo(assignment: Assignment) -> Samples:
    from pelix.ldapfilter import get_ldap_filter  # noqa: PLC0415  # a peer that may be missing

    condition = get_ldap_filter(TEMPLATE.format(number=0))
    if not condition.matches(PROPERTIES):
        raise AssertionError("the filter is to match")
    matched = per_call(lambda: condition.matches(PROPERTIES), assignment)
    return {
        "parse": _parse_anew(get_ldap_filter, assignment),
        "parse-again": per_call(lambda: get_ldap_filter(TEMPLATE), assignment),
        "match": matched,
        "match-service": matched,
    }


def _parse_anew(parse: Callable[[str], object], assignment: Assignment) -> list[float]:
    """The time of parsing a text that has not been seen before."""
    number = 200 if assignment.quick else 2000

    def parse_all(texts: list[str]) -> None:
        for text in texts:
            parse(text)

    values = []
    for turn in range(assignment.values):
        texts = [TEMPLATE.format(number=turn * number + one) for one in range(number)]
        values.append(seconds_of(lambda texts=texts: parse_all(texts)) / number)  # type: ignore[misc]  # the list of this turn
    return values


SUITE: Final = Suite(
    name="filters",
    title="Filters",
    rows=(
        Case("parse", "parse a complex filter, not seen before", FasterThan(IPOPO, 1.5)),
        Case("parse-again", "parse it again"),
        Case("match", "match it with a dictionary", FasterThan(IPOPO, 2)),
        Case("match-service", "match it with a service's properties", FasterThan(IPOPO, 2)),
    ),
    sides=(OURS, IPOPO, *JVM_PEERS),
    measure=_measure,
    notes=(f"The filter: `{TEMPLATE.format(number='')}`",),
)
