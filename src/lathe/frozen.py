"""Slotted dataclasses that are quick to define: the data of Lathe.

`@frozen` is `dataclasses.dataclass(frozen=True, slots=True)` to its readers, to type checkers and to
`dataclasses.replace` and `fields`; `@ordered` is the same with `order=True`, `@mutable` without
`frozen=True`. The standard one compiles up to nine functions for each class; with a hundred classes
that was a third of the time of a small check (ADR 5). These compile `__init__` alone, once a class has
many objects, and share the rest.

`@record` is for data that are made anew with every step: msgspec's structs, made and copied in C, at a sixth
of the cost. To define one takes ten times as long, so that only those are which are made by the thousand.

What is compiled does not go past the lock of a frozen object field by field, which costs four times as much:
while it is being filled the object is one of a twin, a class with the same slots and no lock.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import MISSING, FrozenInstanceError
from operator import attrgetter
from typing import TypeVar, dataclass_transform

T = TypeVar("T")
Methods = dict[str, object]
Declared = Mapping[str, tuple[object, object]]
"""Fields in their order, with default and factory; `MISSING` where there is none."""

FEW_OBJECTS = 30
"""As many objects of a class are made by an `__init__` that is not compiled, and as many copied so."""

_COPIERS: dict[type, Callable[..., object]] = {}
_COPIES: dict[type, int] = {}


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field,))
def frozen(cls: type[T]) -> type[T]:
    """Make a class a frozen, slotted dataclass. Fields may have defaults, factories, `compare=False`."""
    return _made(cls, {**_comparison(_compared(cls)), **_FROZEN}, is_frozen=True)


@dataclass_transform(frozen_default=True, order_default=True, field_specifiers=(dataclasses.field,))
def ordered(cls: type[T]) -> type[T]:
    """The same, ordered by its fields in turn."""
    compared = _compared(cls)
    methods = {**_comparison(compared), **_order(compared), **_FROZEN}
    return _made(cls, methods, is_frozen=True)


@dataclass_transform(field_specifiers=(dataclasses.field,))
def mutable(cls: type[T]) -> type[T]:
    """Make a class a slotted dataclass that may change, and so has no hash."""
    return _made(cls, {**_comparison(_compared(cls)), "__hash__": None, **_SHARED}, is_frozen=False)


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field,))
def record(cls: type[T]) -> type[T]:
    """The same as `frozen` for what is made very often; every field is compared."""
    import msgspec  # only here: a check defines none of these, and loads nothing that it does not need

    assert cls.__bases__ == (object,), "data inherit from nothing"
    names = tuple(cls.__annotations__)
    body = {name: value for name, value in vars(cls).items() if name not in (*_REMADE, "__annotations__")}
    fields = [_field(name, *_default(body.pop(name, MISSING))) for name in names]
    plain = type(cls.__name__, (), {"__annotations__": cls.__annotations__})
    body |= {"__doc__": cls.__doc__ or cls.__name__, "__dataclass_fields__": _Fields(plain)}
    made = msgspec.defstruct(cls.__name__, fields, namespace=body, module=cls.__module__, frozen=True)
    _COPIERS[made] = msgspec.structs.replace
    return made  # type: ignore[return-value]


def _field(name: str, default: object, factory: object) -> tuple[str, type] | tuple[str, type, object]:
    """A field as `defstruct` takes it: what it holds is the type checker's business."""
    if default is not MISSING:
        return name, object, default
    if callable(factory):
        import msgspec

        return name, object, msgspec.field(default_factory=factory)
    return name, object


def evolve(old: T, /, **changes: object) -> T:
    """Another of the same class with some fields changed: `dataclasses.replace`, for hot paths.

    Raises `TypeError` for a name that is no field.
    """
    cls = type(old)
    copy = _COPIERS.get(cls)
    if copy is not None:
        return copy(old, **changes)  # type: ignore[return-value]
    names: tuple[str, ...] = cls.__slots__  # type: ignore[attr-defined]
    made = _COPIES[cls] = _COPIES.get(cls, 0) + 1
    if made > FEW_OBJECTS:
        _COPIERS[cls] = _copier(cls, names)
    return cls(**{**{name: getattr(old, name) for name in names}, **changes})


def _made(cls: type[T], methods: Methods, *, is_frozen: bool) -> type[T]:
    """The class anew, with slots for its fields and the methods that it has none of its own for."""
    assert cls.__bases__ == (object,), "data inherit from nothing"
    names = tuple(cls.__annotations__)
    body = {name: value for name, value in vars(cls).items() if name not in _REMADE}
    declared = {name: _default(body.pop(name, MISSING)) for name in names}
    methods = {name: method for name, method in methods.items() if name not in body}
    fields = {"__match_args__": names, "__slots__": names, "__dataclass_fields__": _Fields(cls)}
    own = {"__doc__": cls.__doc__ or cls.__name__, "__init__": _first_use(declared, is_frozen=is_frozen)}
    made: type[T] = type(cls.__name__, (), {**body, **methods, **fields, **own})
    return made


_REMADE = ("__dict__", "__weakref__", "__doc__")


class _Fields:
    """`__dataclass_fields__`, found when somebody asks: few classes are ever asked."""

    __slots__ = ("_cls", "_found")

    def __init__(self, cls: type) -> None:
        self._cls = cls
        self._found: Mapping[str, dataclasses.Field[object]] | None = None

    def __get__(self, _: object, __: type) -> Mapping[str, dataclasses.Field[object]]:
        if self._found is None:
            dataclasses.dataclass(init=False, repr=False, eq=False)(self._cls)
            self._found = {field.name: field for field in dataclasses.fields(self._cls)}
        return self._found


def _default(given: object) -> tuple[object, object]:
    """The default of a field and the factory of its default, as far as it has them."""
    if isinstance(given, dataclasses.Field):
        return given.default, given.default_factory
    return given, MISSING


def _first_use(declared: Declared, *, is_frozen: bool) -> Callable[..., None]:
    """An `__init__` that binds one field after the other, and compiles another in its place for a class
    of which many objects are made: that pays from some sixteen on.
    """
    names = tuple(declared)
    made = 0

    def __init__(self: object, *values: object, **named: object) -> None:
        nonlocal made
        made += 1
        bound = _bound(declared, values, named) if made <= FEW_OBJECTS else None
        if bound is None:
            cls = type(self)
            compiled = _constructor(cls, declared, is_frozen=is_frozen)  # which also says what is wrong
            type.__setattr__(cls, "__init__", compiled)
            compiled(self, *values, **named)
            return
        for name in names:
            object.__setattr__(self, name, bound[name])

    return __init__


def _bound(declared: Declared, values: tuple[object, ...], named: Methods) -> Methods | None:
    """Arguments and defaults by field; None if one is missing, is given twice, or is no field."""
    bound = dict(zip(declared, values, strict=False))
    given = len(values) + len(named)
    bound.update(named)
    if len(bound) < given:
        return None
    if given < len(declared):
        for name, (default, factory) in declared.items():
            if name not in bound and (default is not MISSING or callable(factory)):
                bound[name] = factory() if callable(factory) else default
    return bound if bound.keys() == declared.keys() else None


def _constructor(cls: type, declared: Declared, *, is_frozen: bool) -> Callable[..., None]:
    """`__init__`, compiled from the names of the fields; defaults are bound, factories are called."""
    bound: dict[str, object] = {"MISSING": MISSING}
    parameters, lines = ["self"], []
    for name, (default, factory) in declared.items():
        value = name
        if default is not MISSING:
            bound[f"d_{name}"] = default
            parameters.append(f"{name}=d_{name}")
        elif factory is not MISSING:
            bound[f"d_{name}"] = factory
            parameters.append(f"{name}=MISSING")
            value = f"d_{name}() if {name} is MISSING else {name}"
        else:
            parameters.append(name)
        lines.append(f" self.{name} = {value}")
    if is_frozen:
        bound |= {"__become": _become, "__twin": _twin(cls), "__cls": cls}
        lines = [" __become(self, __twin)", *lines, " self.__class__ = __cls"]
    scope: dict[str, Callable[..., None]] = {}
    exec(f"def __init__({', '.join(parameters)}):\n" + ("\n".join(lines) or " pass"), bound, scope)
    return scope["__init__"]


_become: Callable[[object, type], None] = vars(object)["__class__"].__set__


def _twin(cls: type) -> type:
    """A class with the same slots, whose objects can be filled in and then become those of `cls`."""
    return type(cls.__name__, (), {"__slots__": cls.__slots__})  # type: ignore[attr-defined]


def _copier(cls: type, names: tuple[str, ...]) -> Callable[..., object]:
    """`evolve` for one class, compiled: a new object whose slots are the old one's but for those named."""
    bound: dict[str, object] = {
        "MISSING": MISSING,
        "__cls": cls,
        "__twin": _twin(cls),
        "__new": object.__new__,
    }
    parameters = "".join(f", {name}=MISSING" for name in names)
    lines = "".join(f" __made.{n} = __old.{n} if {n} is MISSING else {n}\n" for n in names)
    scope: dict[str, Callable[..., object]] = {}
    exec(
        f"def copy(__old, /, *{parameters}):\n __made = __new(__twin)\n{lines}"
        " __made.__class__ = __cls\n return __made",
        bound,
        scope,
    )
    return scope["copy"]


def _compared(cls: type) -> tuple[str, ...]:
    given = vars(cls)
    return tuple(
        name
        for name in cls.__annotations__
        if not isinstance(field := given.get(name), dataclasses.Field) or field.compare
    )


def _comparison(compared: tuple[str, ...]) -> Methods:
    """`__eq__` and `__hash__` over the fields that take part."""
    key = _key(compared)

    def equal(self: object, other: object) -> bool:
        return key(self) == key(other) if other.__class__ is self.__class__ else NotImplemented

    def hashed(self: object) -> int:
        return hash(key(self))

    return {"__eq__": equal, "__hash__": hashed}


def _order(compared: tuple[str, ...]) -> Methods:
    """The four comparisons, over at least two fields, so that what is compared is a tuple."""
    assert len(compared) > 1, "one field alone is ordered by itself"
    key: Callable[[object], tuple[object, ...]] = attrgetter(*compared)

    def less(self: object, other: object) -> bool:
        return key(self) < key(other) if other.__class__ is self.__class__ else NotImplemented

    def at_most(self: object, other: object) -> bool:
        return key(self) <= key(other) if other.__class__ is self.__class__ else NotImplemented

    def more(self: object, other: object) -> bool:
        return key(self) > key(other) if other.__class__ is self.__class__ else NotImplemented

    def at_least(self: object, other: object) -> bool:
        return key(self) >= key(other) if other.__class__ is self.__class__ else NotImplemented

    return {"__lt__": less, "__le__": at_most, "__gt__": more, "__ge__": at_least}


def _key(compared: tuple[str, ...]) -> Callable[[object], object]:
    """What two objects are compared by."""
    return attrgetter(*compared) if compared else lambda _: ()


def _names(self: object) -> tuple[str, ...]:
    return tuple(type(self).__slots__)  # type: ignore[attr-defined]


def _repr(self: object) -> str:
    told = ", ".join(f"{name}={getattr(self, name)!r}" for name in _names(self))
    return f"{type(self).__qualname__}({told})"


def _refuse_assignment(self: object, name: str, value: object) -> None:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_deletion(self: object, name: str) -> None:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _state(self: object) -> list[object]:
    return [getattr(self, name) for name in _names(self)]


def _restore(self: object, state: list[object]) -> None:
    for name, value in zip(_names(self), state, strict=True):
        object.__setattr__(self, name, value)


_SHARED: Methods = {"__repr__": _repr, "__getstate__": _state, "__setstate__": _restore}
_FROZEN: Methods = {**_SHARED, "__setattr__": _refuse_assignment, "__delattr__": _refuse_deletion}
