"""Records: immutable, equal by class and fields, made by place or by name."""

from __future__ import annotations

import copy
import pickle

import pytest

from framework.record import Record, RecordType


class Point(Record):
    x: int
    y: int = 0


class Place(Record):
    x: int
    y: int = 0


class Nothing(Record):
    pass


class Void(Record):
    pass


def test_fields_are_given_by_place_by_name_or_by_default() -> None:
    assert Point(1, 2) == Point(x=1, y=2) == Point(1, y=2)
    assert Point(1) == Point(1, 0)
    assert (Point(1, 2).x, Point(1, 2).y) == (1, 2)
    assert Point(1).but(y=5) == Point(1, 5)


@pytest.mark.parametrize(("values", "named"), [((), {}), ((1, 2, 3), {}), ((1,), {"x": 2}), ((1,), {"z": 3})])
def test_fields_that_are_missing_unknown_or_given_twice_are_an_error(
    values: tuple[int, ...], named: dict[str, int]
) -> None:
    with pytest.raises(TypeError, match="Point"):
        Point(*values, **named)


def test_records_of_different_classes_differ_whatever_they_hold() -> None:
    assert Point(1, 2) != Place(1, 2)
    assert not Point(1, 2) == Place(1, 2)  # noqa: SIM201  # == is asked, too
    assert Nothing() != Void()
    assert Nothing() == Nothing()
    assert len({Point(1), Point(1), Place(1)}) == 2


def test_a_record_cannot_be_changed() -> None:
    point = Point(1)
    with pytest.raises(AttributeError):
        point.x = 2  # type: ignore[misc]  # refused by the type checker, too
    with pytest.raises(AttributeError):
        point.z = 2  # type: ignore[attr-defined]  # as above
    with pytest.raises(KeyError):
        point.but(z=1)


def test_a_record_shows_its_fields_and_is_copied_and_pickled() -> None:
    assert repr(Point(1)) == "Point(x=1, y=0)"
    assert repr(Nothing()) == "Nothing()"
    assert copy.deepcopy(Point(1)) == Point(1)
    assert pickle.loads(pickle.dumps(Point(1, 2))) == Point(1, 2)


def test_a_record_is_matched_by_its_fields() -> None:
    match Point(1, 2):
        case Point(x, y=2):
            assert x == 1
        case _:
            pytest.fail("it did not match")


def test_a_field_without_default_after_one_with_is_an_error() -> None:
    with pytest.raises(TypeError, match="defaults last"):
        RecordType("Wrong", (Record,), {"__annotations__": {"x": "int", "y": "int"}, "x": 1})
