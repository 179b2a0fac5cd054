"""The layer of files: what is well formed counts, what is not is reported and stops nothing else."""

from __future__ import annotations

import json
import logging
import os
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framework.configuration import (
    ConfigurationAdmin,
    ConfigurationDirectory,
    ConfigurationError,
    DescriptorCatalogue,
    Origin,
    ReloadResult,
)

if TYPE_CHECKING:
    from pathlib import Path

PID = "test.Pump"


class Site(Protocol):
    """What the fixture of this folder gives."""

    admin: ConfigurationAdmin
    catalogue: DescriptorCatalogue
    conf: Path

    def reopen(self) -> None: ...
    def file(self, name: str, text: str) -> None: ...
    def value(self, name: str, pid: str = PID) -> Any: ...


class TestLayers:
    def test_a_file_is_over_the_defaults_and_under_what_is_stored(self, site: Site) -> None:
        site.file("a.json", '{"test.Pump": {"rate": 6, "mode": "fast"}}')
        site.admin.update(PID, {"rate": 7})
        site.admin.load_files()
        assert (site.value("rate"), site.value("mode"), site.value("server")) == (7, "fast", "http://one")
        origins = site.admin.get(PID).origins
        assert (origins["rate"], origins["mode"], origins["server"]) == (Origin.STORED, Origin.FILE, Origin.DEFAULT)

    def test_of_two_files_the_later_name_wins_for_each_property(self, site: Site) -> None:
        site.file("20.json", '{"test.Pump": {"rate": 20}}')
        site.file("10.json", '{"test.Pump": {"rate": 10, "mode": "fast"}}')
        site.file("100.json", '{"test.Pump": {"limit": 1}}')
        site.admin.load_files()
        assert (site.value("rate"), site.value("mode"), site.value("limit")) == (20, "fast", 1.0)

    def test_setting_what_the_file_says_changes_nothing_for_the_component(self, site: Site) -> None:
        site.file("a.json", '{"test.Pump": {"rate": "6"}}')
        site.admin.load_files()
        assert site.admin.update(PID, {"rate": 6}).outcome == "unchanged"

    def test_an_instance_in_a_file_exists(self, site: Site) -> None:
        site.file("a.json", '{"test.Tank~A": {"size": "3"}}')
        site.admin.load_files()
        assert site.value("size", "test.Tank~A") == 3
        with pytest.raises(ConfigurationError, match="nothing to delete"):
            site.admin.delete("test.Tank~A")

    def test_a_required_property_may_be_in_another_layer(self, site: Site) -> None:
        site.file("a.json", '{"test.Tank~A": {"kura.service.pid": "Main"}}')
        site.file("b.json", '{"test.Tank~A": {"size": 3}}')
        site.admin.load_files()
        assert site.admin.file_problems == ()
        assert (site.value("size", "test.Tank~A"), site.value("kura.service.pid", "test.Tank~A")) == (3, "Main")

    def test_reading_again_takes_what_the_files_say_then(self, site: Site) -> None:
        site.file("a.json", '{"test.Pump": {"rate": 6}}')
        site.admin.load_files()
        site.file("a.json", '{"test.Pump": {"mode": "fast"}}')
        site.admin.load_files()
        assert (site.value("rate"), site.value("mode")) == (5, "fast")

    def test_other_names_and_a_missing_directory_say_nothing(self, site: Site, tmp_path: Path) -> None:
        for name in ("a.json.bak", "a.jsonx", "README", "a.JSON"):
            site.file(name, '{"test.Pump": {"rate": 6}}')
        site.admin.load_files()
        assert site.value("rate") == 5
        site.conf = tmp_path / "nowhere"
        site.reopen()
        assert site.admin.reload() == ReloadResult((), ())

    def test_a_byte_order_mark_is_no_fault(self, site: Site) -> None:
        (site.conf / "a.json").write_bytes(b'\xef\xbb\xbf{"test.Pump": {"rate": 6}}')
        site.admin.load_files()
        assert site.value("rate") == 6


@dataclass(frozen=True)
class BadFile:
    """A file that cannot be used as a whole, and what its problem must tell."""

    name: str
    content: bytes
    told: str


BAD_FILES = (
    BadFile("empty", b"", "line 1, column 1"),
    BadFile("torn", b'{"test.Pump": {"rate": ', "line 1"),
    BadFile("second line", b'{"test.Pump":\n  {"rate": 1,}}', "line 2"),
    BadFile("list", b"[]", "object of pid to properties"),
    BadFile("text", b'"test.Pump"', "object of pid to properties"),
    BadFile("properties no object", b'{"test.Pump": 5}', "'test.Pump'"),
    BadFile("same pid twice", b'{"test.Pump": {}, "test.Pump": {"rate": 6}}', "'test.Pump' twice"),
    BadFile("same property twice", b'{"test.Pump": {"rate": 6, "rate": 7}}', "'rate' twice"),
    BadFile("not a number", b'{"test.Pump": {"limit": NaN}}', "NaN"),
    BadFile("a number of too many digits", b'{"test.Pump": {"limit": ' + b"1" * 5000 + b"}}", "too many digits"),
    BadFile("infinity", b'{"test.Pump": {"limit": -Infinity}}', "-Infinity"),
    BadFile("not UTF-8", b'{"test.Pump": {"server": "\xff"}}', "UTF-8"),
    BadFile("UTF-16", '{"test.Pump": {}}'.encode("utf-16"), "UTF-8"),
    BadFile("deep", b'{"test.Pump": ' + b"[" * 200_000, "deep"),
    BadFile("large", b" " * (1024 * 1024) + b"{}", "larger than 1048576"),
    BadFile("two documents", b"{} {}", "line 1, column 4"),
)


class TestFaults:
    def test_a_pipe_that_nobody_writes_to_is_no_configuration_file_and_holds_nobody_up(self, site: Site) -> None:
        os.mkfifo(site.conf / "10.json")
        site.file("20.json", '{"test.Pump": {"rate": 6}}')
        site.admin.load_files()
        assert site.value("rate") == 6
        assert ["is no regular file" in str(one) for one in site.admin.file_problems] == [True]

    @pytest.mark.parametrize("bad", BAD_FILES, ids=lambda bad: bad.name)
    def test_a_bad_file_is_named_with_its_fault_and_the_others_count(self, site: Site, bad: BadFile) -> None:
        site.file("10.json", '{"test.Pump": {"rate": 10}}')
        (site.conf / "20.json").write_bytes(bad.content)
        site.file("30.json", '{"test.Pump": {"mode": "fast"}}')
        site.admin.load_files()
        (problem,) = site.admin.file_problems
        assert (problem.path, problem.pid) == (site.conf / "20.json", None)
        assert bad.told in str(problem)
        assert (site.value("rate"), site.value("mode")) == (10, "fast")

    def test_a_directory_in_the_place_of_a_file_is_a_problem(self, site: Site) -> None:
        (site.conf / "10.json").mkdir()
        site.file("20.json", '{"test.Pump": {"rate": 6}}')
        site.admin.load_files()
        assert [problem.path.name for problem in site.admin.file_problems] == ["10.json"]
        assert site.value("rate") == 6

    def test_a_name_that_is_no_text_is_a_problem_that_can_be_told(self, site: Site) -> None:
        (site.conf / os.fsdecode(b"caf\xe9.json")).write_text('{"test.Pump": {"rate": 6}}')
        site.file("20.json", '{"test.Pump": {"mode": "fast"}}')
        site.admin.load_files()
        (problem,) = site.admin.file_problems
        assert str(problem).encode().startswith(os.fsencode(site.conf / "caf\\xe9.json"))
        assert (site.value("rate"), site.value("mode")) == (5, "fast")

    def test_a_dangling_link_is_a_problem(self, site: Site) -> None:
        (site.conf / "10.json").symlink_to(site.conf / "nowhere")
        site.admin.load_files()
        assert [problem.path.name for problem in site.admin.file_problems] == ["10.json"]

    def test_what_a_component_does_not_accept_is_reported_with_every_fault(self, site: Site) -> None:
        site.file("a.json", '{"test.Pump": {"rate": 0, "unheard": 1, "mode": "fast"}, "test.Tank~A": {"size": 1}}')
        site.admin.load_files()
        (problem,) = site.admin.file_problems
        assert problem.pid == PID
        assert "rate" in problem.message
        assert "unheard" in problem.message
        assert (site.value("mode"), site.value("size", "test.Tank~A")) == ("slow", 1)

    @pytest.mark.parametrize("pid", ["test.Later", "test.Pump~A", "test.Tank", "test.Tank~"])
    def test_a_pid_that_is_not_known_is_reported(self, site: Site, pid: str) -> None:
        site.file("a.json", json.dumps({pid: {"rate": 6}}))
        site.admin.load_files()
        (problem,) = site.admin.file_problems
        assert (problem.pid, problem.path.name) == (pid, "a.json")
        assert pid in str(problem)

    def test_a_pid_that_becomes_known_counts_when_the_files_are_read_again(self, site: Site) -> None:
        site.file("a.json", '{"test.Later": {"x": 1}}')
        site.admin.load_files()
        site.catalogue.add("test.Later", factory=False, object_class=None)
        site.admin.load_files()
        assert len(site.admin.file_problems) == 0
        assert site.value("x", "test.Later") == 1

    def test_a_problem_goes_when_the_file_is_mended(self, site: Site) -> None:
        for text, problems in (("{", 1), ("{}", 0)):
            site.file("a.json", text)
            site.admin.load_files()
            assert len(site.admin.file_problems) == problems

    def test_problems_are_logged(self, site: Site, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.ERROR)
        site.file("a.json", "{")
        site.admin.load_files()
        assert "a.json" in caplog.text


_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=8,
)


@given(
    contents=st.lists(
        st.binary(max_size=60)
        | st.dictionaries(
            st.sampled_from(["a", "b~c", ""]), st.dictionaries(st.text(), _VALUES, max_size=3), max_size=3
        ),
        max_size=4,
    ),
    seed=st.integers(),
)
def test_whatever_stands_in_files_each_counts_or_is_a_problem(
    tmp_path_factory: pytest.TempPathFactory, contents: list[bytes | dict[str, dict[str, Any]]], seed: int
) -> None:
    directory = tmp_path_factory.mktemp("conf")
    numbered = list(enumerate(contents))
    random.Random(seed).shuffle(numbered)
    for number, content in numbered:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        (directory / f"{number}.json").write_bytes(data)
    found, problems = ConfigurationDirectory(directory).read()
    expected = [
        (f"{number}.json", pid, properties)
        for number, content in enumerate(contents)
        if isinstance(content, dict)
        for pid, properties in content.items()
    ]
    counted = [(one.path.name, one.pid, one.properties) for one in found]
    assert [one for one in counted if isinstance(contents[int(one[0].partition(".")[0])], dict)] == expected
    for number, content in enumerate(contents):
        if isinstance(content, bytes):
            named = [problem.path.name for problem in problems].count(f"{number}.json")
            assert named == 1 or _is_configuration(content)


def _is_configuration(content: bytes) -> bool:
    try:
        document = json.loads(content)
    except ValueError:
        return False
    return isinstance(document, dict) and all(isinstance(value, dict) for value in document.values())
