"""`dataclass`, for frozen records with slots at a third of the price of the standard library's.

Making its dataclasses was 40 of the 110 ms of a command. The standard library writes and compiles six methods for each
frozen class; here only ``__init__`` is compiled, because it is called most, and the others are closures over the names
of the fields. `fields`, `replace`, `is_dataclass`, `asdict`, ``match``, pickle and copy work as ever, and for type
checkers this *is* the standard library's decorator. A class that inherits from a dataclass is left to the standard
library, and so are classes that can change or have an order.
"""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass  # noqa: PLC0414
else:
    import dataclasses
    from dataclasses import MISSING, FrozenInstanceError, fields
    from operator import attrgetter

    def dataclass(*, frozen: bool = False, slots: bool = False, order: bool = False):  # noqa: ANN201
        """Return a decorator: ours for a frozen class with slots and no order, else the standard library's."""
        if frozen and slots and not order:
            return _record
        return dataclasses.dataclass(frozen=frozen, slots=slots, order=order)

    def _record(cls: type) -> type:
        if dataclasses.is_dataclass(cls):
            return dataclasses.dataclass(frozen=True, slots=True)(cls)
        # Without a text of its own a class gets its signature for one, which takes longer than all else.
        cls.__doc__ = cls.__doc__ or cls.__name__
        own = vars(cls)
        made = dataclasses.dataclass(init=False, repr=False, eq=False, slots=True)(cls)
        # As the standard library holds it against those who inherit.
        made.__dataclass_params__.frozen = True
        known = fields(made)
        methods = {"__init__": _init_of(made, known), **_compared(known), **_FROZEN}
        methods["__repr__"] = _repr_of([f.name for f in known if f.repr])
        for name, method in methods.items():
            # A class that defines __eq__ and no __hash__ has None for one.
            if own.get(name) is None:
                setattr(made, name, method)
        return made

    def _init_of(made: type, known: tuple) -> object:
        # The defaults are variables of a function around it, so that its globals are those of the class's module.
        around, words, body = {"_set": object.__setattr__, "_missing": MISSING}, [], []
        for f in known:
            value = f.name
            if f.default is not MISSING:
                around[f"_{f.name}"] = f.default
                words += [f"{f.name}=_{f.name}"] if f.init else []
                value = f.name if f.init else f"_{f.name}"
            elif f.default_factory is not MISSING:
                around[f"_{f.name}"] = f.default_factory
                words += [f"{f.name}=_missing"] if f.init else []
                value = f"_{f.name}() if {f.name} is _missing else {f.name}" if f.init else f"_{f.name}()"
            elif f.init:
                words.append(f.name)
            else:
                continue
            body.append(f"_set(self, {f.name!r}, {value})")
        body += ["self.__post_init__()"] if hasattr(made, "__post_init__") else []
        text = f"def _make({', '.join(around)}):\n def __init__({', '.join(['self', *words])}):\n  "
        text += "\n  ".join(body or ["pass"]) + "\n return __init__"
        names: dict = {}
        exec(text, vars(sys.modules[made.__module__]), names)  # noqa: S102
        init = names["_make"](**around)
        init.__qualname__ = f"{made.__qualname__}.__init__"
        init.__annotations__ = {**{f.name: f.type for f in known if f.init}, "return": None}
        return init

    def _compared(known: tuple) -> dict:
        names = [f.name for f in known if f.compare]
        # attrgetter() of one name returns no tuple.
        key = attrgetter(*names) if len(names) > 1 else lambda self: tuple(getattr(self, n) for n in names)

        def same(self: object, other: object) -> bool:
            return key(self) == key(other) if other.__class__ is self.__class__ else NotImplemented

        def hashed(self: object) -> int:
            return hash(key(self))

        return {"__eq__": same, "__hash__": hashed}

    def _repr_of(names: list) -> object:
        def shown(self: object) -> str:
            return f"{type(self).__qualname__}({', '.join(f'{n}={getattr(self, n)!r}' for n in names)})"

        return shown

    def _refuse_set(self: object, name: str, value: object) -> None:  # noqa: ARG001
        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def _refuse_del(self: object, name: str) -> None:  # noqa: ARG001
        raise FrozenInstanceError(f"cannot delete field {name!r}")

    def _state(self: object) -> list:
        return [getattr(self, f.name) for f in fields(self)]

    def _restore(self: object, state: list) -> None:
        for f, value in zip(fields(self), state, strict=True):
            object.__setattr__(self, f.name, value)

    _FROZEN = {
        "__setattr__": _refuse_set,
        "__delattr__": _refuse_del,
        "__getstate__": _state,
        "__setstate__": _restore,
    }
