"""The canary: one secret, put through every path of configuration, is seen nowhere."""

from __future__ import annotations

import json
import logging
import traceback
from typing import TYPE_CHECKING, Any

import pytest

from framework import ComponentContext, ConfigurationChange, ConfigurationError, component
from framework.admin.rendering import as_json, as_text, json_properties
from framework.testing import GatewayHarness
from metatype import Secret

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CANARY = "canary-4711-do-not-show"
DESCRIPTOR = {
    "objectClasses": [
        {
            "id": "vault",
            "name": "Vault",
            "attributes": [
                {"id": "password", "type": "Password", "required": False, "min": "4", "max": "64"},
                {"id": "choice", "type": "Password", "required": False, "options": [{"value": "one", "label": "One"}]},
                {"id": "passwords", "type": "Password", "required": False, "cardinality": 2},
                {"id": "rate", "type": "Integer", "default": "5"},
            ],
        }
    ],
    "designates": [{"pid": "test.Vault", "ocdref": "vault"}],
}


def make_vault(descriptor: Path) -> type:
    @component("test.Vault", descriptor=str(descriptor))
    class Vault:
        def activate(self, context: ComponentContext) -> None:
            context.logger.debug("activated with %s", context.properties)
            self.fail_if_told(context.properties)

        def modified(self, change: ConfigurationChange) -> None:
            logging.getLogger("test").debug("%r", change)
            self.fail_if_told(change.properties)

        def fail_if_told(self, properties: Any) -> None:
            if properties["rate"] == 6:
                raise ValueError(f"cannot take {properties}")

    return Vault


@pytest.fixture
def harness(tmp_path: Path) -> GatewayHarness:
    descriptor = tmp_path / "vault.json"
    descriptor.write_text(json.dumps(DESCRIPTOR), encoding="utf-8")
    return GatewayHarness(
        components=[make_vault(descriptor)],
        conf={"test.Vault": {"password": CANARY}},
        state_directory=tmp_path / "state",
    )


REFUSED: tuple[dict[str, Any], ...] = (
    {"password": CANARY * 3},
    {"password": [CANARY]},
    {"password": {"value": CANARY}},
    {"password": {"$unchanged": CANARY}},
    {"choice": CANARY},
    {"choice": Secret(CANARY)},
    {"passwords": [CANARY, CANARY, CANARY]},
    {"passwords": [{"x": CANARY}]},
    {"passwords": {"x": CANARY}},
    {"password": CANARY, "rate": "x"},
    {"unknown": CANARY},
    {"unknown": Secret(CANARY)},
    {"rate": Secret(CANARY)},
)


def test_no_output_of_any_path_shows_it(
    harness: GatewayHarness, tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    seen: list[str] = []

    def note(make: Callable[[], object]) -> None:
        try:
            made = make()
        except ConfigurationError as error:
            seen.extend([repr(error), str(error), repr(error.problems), *traceback.format_exception(error)])
        else:
            seen.extend([repr(made), str(made), f"{made}"])

    with harness:
        admin = harness.configuration_admin
        assert admin.get("test.Vault").properties["password"].reveal() == CANARY
        note(lambda: admin.update("test.Vault", {"password": CANARY + "2", "passwords": f"{CANARY},{CANARY}"}))
        failed = admin.update("test.Vault", {"rate": 6})
        assert failed.outcome == "failed"
        assert "cannot take" in str(failed.error)
        note(lambda: failed)
        note(lambda: admin.plan("test.Vault", {"password": CANARY + "3", "passwords": None}))
        note(lambda: admin.update("test.Vault", {"password": {"$unchanged": True}, "rate": 7}))
        for properties in REFUSED:
            with pytest.raises(ConfigurationError):
                admin.update("test.Vault", properties)
            note(lambda properties=properties: admin.update("test.Vault", properties))  # type: ignore[misc]  # mypy cannot infer it
            note(lambda properties=properties: admin.plan("test.Vault", properties))  # type: ignore[misc]  # mypy cannot infer it
        configuration = admin.get("test.Vault")
        note(lambda: configuration)
        seen.append(json.dumps(json_properties(configuration.properties)))
        seen.extend(as_text(value) for value in configuration.properties.values())
        seen.append(json.dumps(as_json(configuration.properties["passwords"])))
        note(harness.components)
        note(lambda: harness.explain("test.Vault"))
        note(lambda: [dict(one.properties) for one in harness.registry.find_all()])
        assert configuration.properties["password"].reveal() == CANARY + "2"
        stored = [file for file in (tmp_path / "state").rglob("*") if file.is_file()]
        assert all(CANARY.encode() not in file.read_bytes() for file in stored)
    assert all(CANARY not in text for text in seen)
    assert CANARY not in caplog.text
    printed = capsys.readouterr()
    assert CANARY not in printed.out + printed.err


def test_a_file_that_is_not_accepted_is_reported_without_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    descriptor = tmp_path / "vault.json"
    descriptor.write_text(json.dumps(DESCRIPTOR), encoding="utf-8")
    for properties in (*REFUSED[1:3], {"choice": CANARY}, {"unknown": CANARY}):
        conf = {"test.Vault": properties, "test.Nobody": {"password": CANARY}}
        with GatewayHarness(components=[make_vault(descriptor)], conf=conf) as harness:
            problems = harness.configuration_admin.file_problems
            assert {problem.pid for problem in problems} == {"test.Vault", "test.Nobody"}
            assert CANARY not in repr(problems) + "".join(map(str, problems))
    assert CANARY not in caplog.text


def test_what_a_reader_was_shown_can_be_sent_back(harness: GatewayHarness) -> None:
    with harness:
        admin = harness.configuration_admin
        admin.update("test.Vault", {"password": "changed", "rate": 8})
        shown = json.loads(json.dumps(json_properties(admin.get("test.Vault").properties)))
        assert shown["password"] == {"$unchanged": True}
        assert admin.update("test.Vault", shown).outcome == "unchanged"
        shown["rate"] = 9
        assert admin.update("test.Vault", shown, replace=True).outcome == "modified"
        assert admin.get("test.Vault").properties["password"] == Secret("changed")
