"""The figures of an enrolment, for those who observe the gateway."""

from __future__ import annotations

from typing import TYPE_CHECKING

from framework.observation import Metric, MetricKind, MetricSource, Sample

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from components.scep.service import EnrollmentStatus


class EnrolmentFigures(MetricSource):
    """What `/metrics` shows of one enrolment.

    Args:
        status: Says how it is.
        attempts: Says how often the present step has been tried.
        failures: Says how many tries have failed in all.
    """

    def __init__(
        self, status: Callable[[], EnrollmentStatus], attempts: Callable[[], int], failures: Callable[[], int]
    ) -> None:
        self._status = status
        self._attempts = attempts
        self._failures = failures

    def metrics(self) -> Iterator[Metric]:
        """See `MetricSource`."""
        status = self._status()
        of = {"keystore": status.keystore}
        yield _gauge(
            "gatewright_enrolment_state",
            "1 for the state that the enrolment is in.",
            1,
            of | {"state": status.state.value},
        )
        yield _gauge(
            "gatewright_enrolment_attempts", "How often the present step was tried in vain.", self._attempts(), of
        )
        yield Metric(
            "gatewright_enrolment_failures_total",
            MetricKind.COUNTER,
            "Tries that failed since the enrolment was activated, of all steps.",
            (Sample(self._failures(), of),),
        )
        if status.renewal_at is not None:
            name, text = "gatewright_enrolment_renewal_timestamp_seconds", "When the certificate is renewed."
            yield _gauge(name, text, status.renewal_at.timestamp(), of)
        if status.next_at is not None:
            name = "gatewright_enrolment_next_action_timestamp_seconds"
            yield _gauge(
                name,
                "When the enrolment looks next whether something is due: once a day, or sooner.",
                status.next_at.timestamp(),
                of,
            )
        if status.certificate is not None:
            begins, ends = status.certificate.not_valid_before_utc, status.certificate.not_valid_after_utc
            yield _gauge(
                "gatewright_certificate_not_before_timestamp_seconds",
                "When the gateway's certificate begins to be valid.",
                begins.timestamp(),
                of,
            )
            yield _gauge(
                "gatewright_certificate_not_after_timestamp_seconds",
                "When the gateway's certificate ends.",
                ends.timestamp(),
                of,
            )


def _gauge(name: str, text: str, value: float, labels: dict[str, str]) -> Metric:
    return Metric(name, MetricKind.GAUGE, text, (Sample(value, labels),))
