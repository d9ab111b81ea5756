"""Frozen, slotted dataclasses that are quick to define: the data of Lathe.

`@frozen` is `dataclasses.dataclass(frozen=True, slots=True)` to its readers, to type checkers and to
`dataclasses.replace` and `fields`. The standard one compiles six functions for each class; with a
hundred classes that was a third of the time of a small check (ADR 5). This one compiles `__init__`
alone and shares the rest.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import MISSING, FrozenInstanceError
from operator import attrgetter
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field,))
def frozen(cls: type[T]) -> type[T]:
    """Make a class a frozen, slotted dataclass. Fields may have defaults, factories, `compare=False`."""
    cls.__doc__ = cls.__doc__ or cls.__name__
    made = dataclasses.dataclass(init=False, repr=False, eq=False, slots=True)(cls)
    declared = dataclasses.fields(made)  # type: ignore[arg-type]
    methods: dict[str, object] = {
        "__init__": _constructor(declared),
        "__repr__": _repr,
        "__setattr__": _refuse_assignment,
        "__delattr__": _refuse_deletion,
        "__getstate__": _state,
        "__setstate__": _restore,
        **_comparison(tuple(f.name for f in declared if f.compare)),
    }
    for name, method in methods.items():
        setattr(made, name, method)
    return made


def _constructor(declared: tuple[dataclasses.Field[object], ...]) -> object:
    """`__init__`, compiled from the names of the fields; defaults are bound, factories are called."""
    bound: dict[str, object] = {"set_": object.__setattr__, "MISSING": MISSING}
    parameters, lines = ["self"], []
    for f in declared:
        value = f.name
        if f.default is not MISSING:
            bound[f"d_{f.name}"] = f.default
            parameters.append(f"{f.name}=d_{f.name}")
        elif f.default_factory is not MISSING:
            bound[f"d_{f.name}"] = f.default_factory
            parameters.append(f"{f.name}=MISSING")
            value = f"d_{f.name}() if {f.name} is MISSING else {f.name}"
        else:
            parameters.append(f.name)
        lines.append(f" set_(self, {f.name!r}, {value})")
    scope: dict[str, object] = {}
    exec(f"def __init__({', '.join(parameters)}):\n" + ("\n".join(lines) or " pass"), bound, scope)
    return scope["__init__"]


def _comparison(compared: tuple[str, ...]) -> dict[str, Callable[..., object]]:
    """`__eq__` and `__hash__` over the fields that take part."""
    key: Callable[[object], object] = attrgetter(*compared) if compared else lambda _: ()

    def equal(self: object, other: object) -> bool:
        return key(self) == key(other) if other.__class__ is self.__class__ else NotImplemented

    def hashed(self: object) -> int:
        return hash(key(self))

    return {"__eq__": equal, "__hash__": hashed}


def _names(self: object) -> tuple[str, ...]:
    return tuple(f.name for f in dataclasses.fields(self))  # type: ignore[arg-type]


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
