"""Why a component is not active, as far as its runtime cannot know it: that learns of what is valid and loaded only."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from framework.configuration.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from framework.configuration.admin import ConfigurationAdmin
    from framework.declarative_services.explanation import Explanation
    from framework.plugins.host import PluginHost


def completed(explanation: Explanation, configuration_admin: ConfigurationAdmin, plugins: PluginHost) -> Explanation:
    """The explanation with what is wrong with the component's configuration, and which plugins are not used."""
    more = list(_problems(explanation.pid, configuration_admin))
    if explanation.state == "unknown":
        more.extend(
            f"the plugin {one.name} is not used, and would perhaps contribute it: {one.reason} "
            f"(gatewright plugin check {one.name})"
            for one in plugins.quarantined
        )
    if not more:
        return explanation
    first, *rest = explanation.sentences
    reasons = [*explanation.data["reasons"], *more]
    return dataclasses.replace(
        explanation, sentences=(first, *more, *rest), data={**explanation.data, "reasons": reasons}
    )


def _problems(pid: str, configuration_admin: ConfigurationAdmin) -> Iterator[str]:
    for file_problem in configuration_admin.file_problems:
        if file_problem.pid == pid:
            yield f"configuration file {file_problem}"
    try:
        configuration_admin.get(pid)
    except ConfigurationError as error:  # without problems there is none, which the runtime has told
        for problem in error.problems:
            yield f"what is configured for it is not valid: {problem}"
