"""Snapshots of Kura and ESF (facts/kura.md, "Configuration in Kura"): read safely, taken over as far as they fit."""

from __future__ import annotations

import base64
import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framework.configuration import NotTaken
from framework.configuration.kura_snapshot import KuraConfiguration, KuraSnapshotError, read_snapshot
from metatype import Secret

PID = "test.Pump"
HEAD = '<?xml version="1.0" encoding="UTF-8"?><esf:configurations xmlns:esf="http://eurotech.com/esf/2.0">'


def snapshot(*configurations: str) -> bytes:
    return f"{HEAD}{''.join(configurations)}</esf:configurations>".encode()


def configuration(pid: str, *properties: str) -> str:
    inner = "".join(properties)
    return f'<esf:configuration pid="{pid}"><esf:properties>{inner}</esf:properties></esf:configuration>'


def prop(name: str, kind: str, *values: str, array: bool = False, encrypted: bool = False) -> str:
    inside = "".join(f"<esf:value>{value}</esf:value>" for value in values)
    flags = f'array="{str(array).lower()}" encrypted="{str(encrypted).lower()}"'
    return f'<esf:property {flags} name="{name}" type="{kind}">{inside}</esf:property>'


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_all_types_are_read() -> None:
    (found,) = read_snapshot(
        snapshot(
            configuration(
                "a",
                prop("s", "String", " text "),
                prop("empty", "String", ""),
                prop("none", "String"),
                prop("i", "Integer", "5"),
                prop("l", "Long", "5000000000"),
                prop("f", "Float", "0.5"),
                prop("d", "Double", "1.5"),
                prop("b", "Byte", "-1"),
                prop("c", "Char", "x"),
                prop("t", "Boolean", "true"),
                prop("h", "Short", "7"),
                prop("p", "Password", encoded("secret"), encrypted=True),
                prop("list", "String", "a,b", "c", array=True),
            )
        ),
        "snapshot.xml",
    )
    assert found == KuraConfiguration(
        "a",
        {
            "s": " text ",
            "empty": "",
            "i": 5,
            "l": 5_000_000_000,
            "f": 0.5,
            "d": 1.5,
            "b": -1,
            "c": "x",
            "t": True,
            "h": 7,
            "p": Secret("secret"),
            "list": ["a,b", "c"],
        },
    )


def test_a_definition_that_is_in_it_is_passed_over() -> None:
    hidden = f"<esf:properties>{prop('no', 'String', 'x')}</esf:properties>"
    inner = f"<esf:properties>{prop('s', 'String', 'x')}</esf:properties>"
    text = f'<esf:configuration pid="a"><OCD xmlns="x"><AD id="a"/>{hidden}</OCD>{inner}</esf:configuration>'
    (found,) = read_snapshot(snapshot(text), "snapshot.xml")
    assert found.properties == {"s": "x"}


def test_what_cannot_be_read_is_named_and_shows_no_secret() -> None:
    (found,) = read_snapshot(
        snapshot(
            configuration(
                "a",
                prop("kind", "Map", "x"),
                prop("number", "Integer", "x"),
                prop("sealed", "Password", base64.b64encode(b"\xff\x00\x81").decode(), encrypted=True),
                prop("broken", "Password", "canary-77!", encrypted=True),
                prop("twice", "String", "1"),
                prop("twice", "String", "2"),
                prop("", "String", "x"),
            )
        ),
        "snapshot.xml",
    )
    assert found.unread.keys() == {"kind", "number", "sealed", "broken", "twice", "(no name)"}
    assert found.properties == {"twice": "1"}
    assert "by hand" in found.unread["sealed"]
    assert "canary" not in str(found)


BAD = {
    "empty": b"",
    "no XML": b"{}",
    "torn": snapshot(configuration("a"))[:-10],
    "another root": b"<configurations2/>",
    "DOCTYPE": b'<!DOCTYPE x [<!ENTITY a "b">]>' + snapshot(),
    "no pid": snapshot("<esf:configuration/>"),
    "deep": snapshot("<a>" * 20 + "</a>" * 20),
    "deep as can be": b"<a>" * 200_000,
    "many elements": snapshot("<a/>" * 100_001),
    "many attributes": snapshot("<a " + " ".join(f"a{n}='1'" for n in range(65)) + "/>"),
    "large": snapshot(" " * (2 * 1024 * 1024)),
    "encoding": b'<?xml version="1.0" encoding="unicode_escape"?><a/>',
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD.keys())
def test_what_is_no_snapshot_is_refused_with_its_name(data: bytes) -> None:
    with pytest.raises(KuraSnapshotError, match=r"snapshot\.xml"):
        read_snapshot(data, "snapshot.xml")


@given(st.binary(max_size=200), st.integers(0, 400))
def test_any_bytes_are_a_snapshot_or_an_error(data: bytes, place: int) -> None:
    whole = snapshot(configuration("a", prop("s", "String", "x")))
    for candidate in (data, whole[:place] + data + whole[place:]):
        with contextlib.suppress(KuraSnapshotError):
            read_snapshot(candidate, "snapshot.xml")


TABLE = {"org.kura.Pump": PID, "org.kura.TankImpl": "test.Tank", "org.kura.Left": None}


class TestImport:
    def test_pids_are_mapped_and_what_does_not_fit_is_told(self, site: Any) -> None:
        data = snapshot(
            configuration(
                "org.kura.Pump",
                prop("service.pid", "String", "org.kura.Pump"),
                prop("kura.service.pid", "String", "org.kura.Pump"),
                prop("rate", "Integer", "7"),
                prop("mode", "String", "medium"),
                prop("gone", "String", "x"),
                prop("password", "Password", encoded("secret"), encrypted=True),
            ),
            configuration(
                "org.kura.TankImpl-1699",
                prop("service.factoryPid", "String", "org.kura.TankImpl"),
                prop("kura.service.pid", "String", "Main"),
                prop("size", "Integer", "3"),
            ),
            configuration(
                "org.kura.TankImpl-1700",
                prop("service.factoryPid", "String", "org.kura.TankImpl"),
                prop("kura.service.pid", "String", "Empty"),
            ),
            configuration("org.kura.Other", prop("a", "String", "b")),
            configuration("org.kura.Left", prop("a", "String", "b")),
        )
        changes, not_taken = site.admin.changes_from_kura(data, "snapshot.xml", TABLE)
        assert [one.pid for one in changes] == [PID, "test.Tank~Main"]
        assert {(one.pid, one.property) for one in not_taken} == {
            ("org.kura.Pump", "mode"),
            ("org.kura.Pump", "gone"),
            ("test.Tank~Empty", None),
            ("org.kura.Other", None),
            ("org.kura.Left", None),
        }
        assert all(isinstance(one, NotTaken) and one.reason for one in not_taken)
        assert site.admin.revision == 0
        site.admin.apply(changes)
        assert (site.value("rate"), site.value("password"), site.value("mode")) == (7, Secret("secret"), "slow")
        assert site.value("kura.service.pid") == "org.kura.Pump", "target filters name it"
        assert site.value("kura.service.pid", "test.Tank~Main") == "Main"

    def test_two_that_become_one_are_told(self, site: Any) -> None:
        data = snapshot(configuration("a", prop("x", "String", "1")), configuration("b", prop("x", "String", "2")))
        changes, not_taken = site.admin.changes_from_kura(data, "s.xml", {"a": "test.Free", "b": "test.Free"})
        assert [one.properties for one in changes] == [{"x": "1"}]
        assert [one.pid for one in not_taken] == ["b"]
