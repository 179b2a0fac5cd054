"""Keeping an export as the keystore is: after each commit, each change of configuration, and each failure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, final

from components.keystore.contract import CHANGED_TOPIC, HealthState, KeystoreHealth
from components.keystore.errors import KeystoreError
from components.keystore.guard import guarded
from components.keystore.log_events import EXPORT_ENDED, EXPORT_FAILED, EXPORT_NOT_WITHDRAWN, EXPORT_PROBLEM
from framework import Filter, Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from components.keystore.contract import KeystoreService
    from components.keystore.export.directory import ExportDirectory
    from components.keystore.export.settings import ExportSettings
    from framework import BackgroundResult, ComponentContext, Event
    from framework.scheduler import Timer

RETRY_S: Final = 60.0
"""How long after a failure the export is tried again."""
GRACE_S: Final = 60.0
"""How long a generation stays after another one took its place, for those that have just opened it."""

_PATHS: Final = "export-paths"


@final
class PemExport:
    """The export of one keystore component, which works for any `KeystoreService`.

    Its methods are called on the component's mailbox. Where something was exported to is kept in the gateway's store
    before the first file is written, so that no private key stays behind at a path that was changed, not even if that
    happened while the gateway was off.

    Args:
        context: The component's.
        keystore: The component itself.
    """

    def __init__(self, context: ComponentContext, keystore: KeystoreService) -> None:
        self._context = context
        self._keystore = guarded(keystore, context.service_pid, context.clock)
        self._directory: ExportDirectory | None = None
        self._problems: tuple[str, ...] = ()
        self._not_there: tuple[str, ...] = ()
        self._timer: Timer | None = None
        self._under_way = False
        self._again = False
        self._closed = False
        self._properties = context.properties
        context.subscribe(CHANGED_TOPIC, self._changed, Filter.equal("keystore", context.service_pid))
        self._look()

    def configure(self, properties: Mapping[str, Any], changed: frozenset[str]) -> None:
        """Take changed properties."""
        self._properties = properties
        if any(name.startswith("keystore.export.") for name in changed):
            self._look()

    def close(self, *, withdraw: bool) -> None:
        """Export no more; take back what was, if the keystore's configuration is deleted."""
        self._closed = True
        if withdraw:
            for problem in self._withdraw_all_but(None):
                self._context.logger.error(EXPORT_NOT_WITHDRAWN, {"problem": problem})

    def told_in(self, health: KeystoreHealth) -> KeystoreHealth:
        """How the keystore is, with what is wrong with its export."""
        problems = (*self._problems, *self._not_there)
        if not problems:
            return health
        state = HealthState.DEGRADED if health.state is HealthState.OK else health.state
        return KeystoreHealth(state, (*health.problems, *problems))

    def _changed(self, _event: Event) -> None:
        if self._properties.get("keystore.export.path"):
            self._look()

    def _look(self) -> None:
        """Bring the export about, in the background; once more afterwards if something changes meanwhile."""
        if self._under_way:
            self._again = True
            return
        if self._timer is not None:
            self._timer.cancel()
        if not self._properties.get("keystore.export.path") and self._context.secrets.get(_PATHS) is None:
            self._problems = ()
            return
        from components.keystore.export.settings import ExportSettings  # noqa: PLC0415  # where something is exported

        settings = ExportSettings.of(self._properties, lambda: self._context.state_directory)
        self._under_way = True
        self._context.run_in_background(lambda: self._bring_about(settings), self._done)

    def _done(self, result: BackgroundResult[_Outcome]) -> None:
        self._under_way = False
        if result.error is not None:
            self._context.logger.error(EXPORT_FAILED, exc_info=result.error)
        told = (f"the export failed: {result.error}",) if result.value is None else result.value.problems
        for problem in set(told) - set(self._problems):
            self._context.logger.warning(EXPORT_PROBLEM, {"problem": problem})
        self._problems = told
        if self._again:
            self._again = False
            self._look()
        elif result.value is None or result.value.failed:
            self._timer = self._context.call_later(RETRY_S, self._look)
        elif result.value.replaced:
            self._timer = self._context.call_later(GRACE_S, self._expire)

    def _expire(self) -> None:
        if self._directory is not None:
            self._directory.expire()
        self._look()

    def _bring_about(self, settings: ExportSettings | None) -> _Outcome:
        outcome = _Outcome()
        if settings is not None:
            try:
                self._export(settings, outcome)
            except KeystoreError as error:
                outcome.failed = True
                outcome.problems = (f"{error}; it is tried again at the next change, and every minute",)
                return outcome  # what was exported before, maybe elsewhere, stays until this works
        if not self._closed:
            left = self._withdraw_all_but(None if settings is None else settings.path)
            outcome.failed = bool(left)
            outcome.problems += left
        return outcome

    def _export(self, settings: ExportSettings, outcome: _Outcome) -> None:
        from components.keystore.export.directory import ExportDirectory  # noqa: PLC0415  # where something is exported
        from components.keystore.export.files import pem_files  # noqa: PLC0415  # as above

        rights = settings.rights()
        wanted = pem_files(self._keystore.entries(), settings)

        def begin() -> bool:
            paths = self._remembered()
            if not self._closed and settings.path not in paths:
                self._remember([*paths, settings.path])
            return not self._closed

        if self._directory is None or self._directory.path != settings.path:
            self._directory = ExportDirectory(settings.path, self._context.service_pid)
        outcome.replaced = self._directory.publish(wanted, rights, begin=begin)
        outcome.problems = wanted.problems

    def _withdraw_all_but(self, kept: Path | None) -> tuple[str, ...]:
        """Remove what was exported elsewhere; what stays there against that, in words."""
        paths = self._remembered()
        if all(path == kept for path in paths):
            return ()
        from components.keystore.export.directory import ExportDirectory  # noqa: PLC0415  # where something was exported

        problems: list[str] = []
        left = [path for path in paths if path == kept]
        for path in (one for one in paths if one != kept):
            try:
                was_there = ExportDirectory(path, self._context.service_pid).withdraw()
            except KeystoreError as error:
                problems.append(f"{error}; it is tried again every minute. Or remove them yourself")
                left.append(path)
                continue
            self._context.logger.info(EXPORT_ENDED, {"path": path})
            if not was_there:
                told = (
                    f"{path}, where private keys may have been exported to before, is not there; if its disk is only "
                    "not mounted, remove that directory from it. This is said until the next start"
                )
                self._not_there = (*self._not_there, told)
        self._remember(left)
        return tuple(problems)

    def _remembered(self) -> list[Path]:
        kept = self._context.secrets.get(_PATHS)
        return [] if kept is None else [Path(path) for path in json.loads(kept.reveal())]

    def _remember(self, paths: list[Path]) -> None:
        if paths:
            self._context.secrets.set(_PATHS, Secret(json.dumps([str(path) for path in paths])))
        else:
            self._context.secrets.delete(_PATHS)


class _Outcome:
    """What came of one try.

    Attributes:
        problems: What is wrong, in words.
        failed: Whether to try again soon.
        replaced: Whether a generation took the place of another one.
    """

    def __init__(self) -> None:
        self.problems: tuple[str, ...] = ()
        self.failed = False
        self.replaced = False
