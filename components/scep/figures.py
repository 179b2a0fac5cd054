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
    """

    def __init__(self, status: Callable[[], EnrollmentStatus], attempts: Callable[[], int]) -> None:
        self._status = status
        self._attempts = attempts

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
        if status.next_at is not None:
            name = "gatewright_enrolment_next_action_timestamp_seconds"
            yield _gauge(
                name, "When the enrolment does something next, such as to renew.", status.next_at.timestamp(), of
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
