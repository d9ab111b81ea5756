import copy
import dataclasses
import pickle
from dataclasses import FrozenInstanceError, field

import pytest

from lathe.frozen import FEW_OBJECTS, evolve, frozen, mutable, ordered


@frozen
class Point:
    x: int
    y: int = 2
    names: list[str] = field(default_factory=list)
    note: str = field(default="", compare=False)


@ordered
class Version:
    major: int
    minor: int = 0

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


@mutable
class Counter:
    count: int
    seen: dict[str, int] = field(default_factory=dict)


MANY = range(FEW_OBJECTS + 3)
"""So many that the compiled `__init__` has taken over before the end."""


def test_arguments_are_bound_alike_before_and_after_the_constructor_is_compiled() -> None:
    for _ in MANY:
        assert Point(1) == Point(x=1, y=2, names=[])
        assert Point(1, 3, note="n").y == 3
        assert Point(1).names is not Point(1).names
        assert Counter(1).seen is not Counter(1).seen


@pytest.mark.parametrize(
    ("values", "named"),
    [((), {}), ((1, 2, [], "", 5), {}), ((1,), {"x": 1}), ((1,), {"z": 1}), ((1,), {"z": 1, "y": 1})],
)
def test_a_wrong_call_is_a_type_error_that_names_what_is_wrong(
    values: tuple[object, ...], named: dict[str, object]
) -> None:
    @frozen
    class Fresh:
        x: int
        y: int = 2
        names: list[str] = field(default_factory=list)
        note: str = ""

    for _ in MANY:
        with pytest.raises(TypeError, match="__init__"):
            Fresh(*values, **named)  # type: ignore[arg-type]


def test_what_is_frozen_refuses_assignment_and_deletion() -> None:
    point = Point(1)
    with pytest.raises(FrozenInstanceError):
        point.x = 2  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        del point.x  # type: ignore[misc]


def test_what_is_mutable_changes_and_has_no_hash() -> None:
    counter = Counter(1)
    counter.count += 1
    assert counter == Counter(2)
    with pytest.raises(TypeError):
        hash(counter)
    with pytest.raises(AttributeError):
        counter.other = 1  # type: ignore[attr-defined]


def test_only_compared_fields_make_two_objects_differ() -> None:
    assert Version(1) == Version(1, 0) != Version(1, 1)
    assert hash(Version(1)) == hash(Version(1, 0))
    assert Point(1, note="a") == Point(1, note="b")
    assert Version(1) != (1, 0)


def test_order_goes_field_by_field_and_only_among_its_own() -> None:
    versions = [Version(2), Version(1, 5), Version(1)]
    assert sorted(versions) == versions[::-1]
    assert Version(1) < Version(1, 1) <= Version(1, 1) and Version(2) > Version(1, 9) >= Version(1, 9)
    with pytest.raises(TypeError):
        assert Version(1) < (1, 0)


def test_what_dataclasses_offer_works() -> None:
    assert [f.name for f in dataclasses.fields(Point)] == ["x", "y", "names", "note"]
    assert dataclasses.is_dataclass(Point) and dataclasses.is_dataclass(Counter(1))
    assert dataclasses.replace(Point(1), y=5) == Point(1, 5)
    assert Point(1) == Point(1)  # the defaults are still there after fields were asked for
    assert dataclasses.asdict(Version(1)) == {"major": 1, "minor": 0}
    match Version(3, 4):
        case Version(3, minor):
            assert minor == 4


def test_objects_print_copy_and_pickle() -> None:
    assert repr(Version(1)) == "Version(major=1, minor=0)"
    assert str(Version(1)) == "1.0"
    assert copy.deepcopy(Point(1, names=["a"])) == Point(1, names=["a"])
    assert pickle.loads(pickle.dumps(Version(1, 2))) == Version(1, 2)


def test_evolve_makes_what_replace_makes_and_refuses_what_is_no_field():
    old = Point(1, 2)
    assert evolve(old, y=5) == dataclasses.replace(old, y=5)
    assert old == Point(1, 2)
    with pytest.raises(TypeError):
        evolve(old, z=1)
