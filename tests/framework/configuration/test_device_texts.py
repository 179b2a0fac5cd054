"""Texts with a place for the device, as a fleet's configuration files have them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from framework.configuration import device
from framework.configuration.device import DeviceTextError, for_device, hostname

if TYPE_CHECKING:
    from pathlib import Path

ID = "0123456789abcdef0123456789abcdef"


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "machine-id"
    path.write_text(f"{ID}\n")
    monkeypatch.setattr(device, "MACHINE_ID", path)
    return path


def test_places_are_filled_alone_and_in_lists() -> None:
    assert for_device({"$device": "CN={hostname},O=A"}) == f"CN={hostname()},O=A"
    assert for_device(["DNS:a", {"$device": "DNS:{hostname}.example"}]) == ["DNS:a", f"DNS:{hostname()}.example"]


def test_a_machine_has_a_name_of_its_own_that_does_not_give_its_id_away(machine: Path) -> None:
    name = for_device({"$device": "{machine-id}"})
    assert len(name) == 32
    assert int(name, 16)
    assert name == for_device({"$device": "{machine-id}"})
    assert ID not in name
    machine.write_text("f" * 32)
    assert for_device({"$device": "{machine-id}"}) != name


@pytest.mark.parametrize("value", ["CN={hostname}", 7, {"$other": "x"}, {"$device": 1}, None])
def test_what_is_no_such_text_stays_as_it_is(value: object) -> None:
    assert for_device(value) == value


@pytest.mark.parametrize(("text", "words"), [("{serial}", "hostname, machine-id"), ("{}", "is unknown")])
def test_an_unknown_place_is_told_with_those_there_are(text: str, words: str) -> None:
    with pytest.raises(DeviceTextError, match=words):
        for_device({"$device": text})


@pytest.mark.parametrize("content", ["", "uninitialized\n", "A" * 32])
def test_a_machine_without_an_id_is_told(machine: Path, content: str) -> None:
    machine.write_text(content)
    with pytest.raises(DeviceTextError, match="no id"):
        for_device({"$device": "{machine-id}"})
    machine.unlink()
    with pytest.raises(DeviceTextError, match="No such file"):
        for_device({"$device": "{machine-id}"})
