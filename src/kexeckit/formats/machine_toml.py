"""A machine described by hand, in TOML. Only memory has to be said: by `nodes`, by `firmware`, or by both.

    arch = "x86_64"                                 # as uname -m prints it
    kernel = "6.12"                                 # as uname -r prints it
    cmdline = "ro"                                  # what it is booted with
    mirrored = [[0, "4G"], ["32G", "34G"]]          # [start, end], end exclusive
    zone_dma = false                                # built without ZONE_DMA
    page_size = 4096
    dma_limit = 0x3fffffff                          # arm64: highest address all devices reach
    firmware = [[0, "3G", "ram"], ["3G", "4G", "reserved"], ["4G", "8G", "ram"]]      # x86: ram, reserved, acpi, nvs,
                                                    # unusable, pmem, pram, soft-reserved, or the type's number
    held = [["2G", "2049M", "page tables"]]         # what somebody holds already, and who
    image = ["16M", "48M"]                          # the kernel's image
    initrd = ["1G", "1100M"]                        # or its size alone: initrd = "100M"
    crash_kernel = [["512M", "768M"]]               # what is reserved for a capture kernel
    efi = true                                      # booted by EFI
    kaslr = false                                   # not put at a random place
    flags = ["pdpe1gb", "la57"]                     # of the CPUs
    levels = 5                                      # of page tables that the CPUs can walk
    cpus = 8
    distances = [[10, 21], [21, 10]]                # as in SLIT

    [[nodes]]
    id = 0
    memory = [[0x1000, "66G"]]                      # a node may have none
    hotpluggable = [["64G", "66G"]]                 # can be removed while the machine runs

Addresses are integers or texts such as "4G". A key that is not listed here is an error, not ignored. With `firmware`,
memory is what the firmware says, and `nodes` say which of it is where.
"""

from collections.abc import Callable
from typing import Any

from kexeckit.errors import InputError, UsageError
from kexeckit.formats.machine_description import (
    MOST_CPUS,
    MOST_DISTANCE,
    MOST_NODES,
    PAGE_SIZES,
    MachineDescription,
    NodeDescription,
    contradictions,
    is_page_size,
)
from kexeckit.memory.kind import KNOWN_KINDS, RESERVED_KERN, MemoryKind, kind_from_e820
from kexeckit.memory.memmap import MemoryEntry, MemoryMap
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet
from kexeckit.memory.units import ADDRESS_LIMIT, parse_size

_KEYS = (
    *("arch", "kernel", "cmdline", "mirrored", "zone_dma", "page_size", "dma_limit", "nodes", "firmware", "held"),
    *("image", "initrd", "crash_kernel", "efi", "kaslr", "flags", "levels", "cpus", "distances"),
)
_NODE_KEYS = ("id", "memory", "hotpluggable")
_PAIR = "[start, end] with the end exclusive"
_ENTRY = "[start, end, kind] with the end exclusive"
# The kernel's own kind is in no firmware's map.
_KINDS = {k.name: k for k in KNOWN_KINDS if k is not RESERVED_KERN}
# A description is written by a person; these keep the work bounded for what is not.
_MOST_TEXT = 1 << 20
_MOST_RANGES = 1 << 13
_SHOWN = 60


def parse_machine_toml(text: str, source: str) -> MachineDescription:
    """Read a description.

    Raises:
        InputError: Not TOML, a key that is not known, a value of the wrong kind or out of bounds, a node twice, memory
            on two nodes, a part of memory outside of it, or no memory at all.
    """
    return _Reader(_loaded(text, source), source).description()


def _loaded(text: str, source: str) -> dict[str, Any]:
    # The parser is slow to import, and few machines are described.
    import tomllib

    if len(text) > _MOST_TEXT:
        raise InputError(source, f"{len(text)} characters", expected=f"a description of at most {_MOST_TEXT}")
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        problem = "nested too deep" if isinstance(error, RecursionError) else error
        raise InputError(source, f"not TOML: {problem}") from error


class _Reader:
    # One description: each key is taken by its kind, and every mistake names its key.

    def __init__(self, data: dict[str, Any], source: str) -> None:
        self.data = data
        self.source = source

    def description(self) -> MachineDescription:
        self._only(self.data, _KEYS)
        initrd = self.data.get("initrd")
        found = MachineDescription(
            arch=self._take("arch", str, ""),
            kernel=self._take("kernel", str, ""),
            cmdline=self._take("cmdline", str, ""),
            mirrored=RangeSet(self._list("mirrored", self._range)),
            zone_dma=self._take("zone_dma", bool),
            page_size=self._page_size(),
            dma_limit=self._one("dma_limit", self._size),
            nodes=self._list("nodes", self._node, MOST_NODES),
            firmware=self._firmware(),
            held=self._list("held", self._held),
            image=self._one("image", self._range),
            initrd=self._range(initrd, "initrd") if isinstance(initrd, list) else None,
            initrd_size=None if initrd is None or isinstance(initrd, list) else self._size(initrd, "initrd"),
            crash_kernel=tuple(sorted(self._list("crash_kernel", self._range))),
            efi=self._take("efi", bool),
            kaslr=self._take("kaslr", bool),
            flags=frozenset(self._list("flags", self._word)) if "flags" in self.data else None,
            levels=self._one("levels", self._number(4, 5)),
            cpus=self._one("cpus", self._number(1, MOST_CPUS)),
            distances=self._list("distances", self._row, MOST_NODES),
        )
        for problem in contradictions(found):
            expected = "[[nodes]] with memory, or firmware with ram" if problem == "no memory" else ""
            raise InputError(self.source, problem, expected=expected)
        return found

    def _only(self, data: dict[str, Any], known: tuple[str, ...]) -> None:
        for key in data:
            if key not in known:
                raise InputError(
                    self.source, f"unknown key {_shown(key)}", expected=f"one of {', '.join(sorted(known))}"
                )

    def _take(self, key: str, kind: type, default: Any = None) -> Any:  # noqa: ANN401
        value = self.data.get(key, default)
        # A TOML boolean is a Python int as well, so the kinds are compared exactly.
        if key in self.data and type(value) is not kind:
            raise InputError(self.source, f"{key} is a {type(value).__name__}", expected=f"a {kind.__name__}")
        return value

    def _one(self, key: str, read: Callable[[Any, str], Any]) -> Any:  # noqa: ANN401
        return read(self.data[key], key) if key in self.data else None

    def _list(self, key: str, read: Callable[[Any, str], Any], most: int = _MOST_RANGES) -> tuple[Any, ...]:
        return self._items(self._take(key, list, []), key, read, most)

    def _items(
        self,
        value: Any,  # noqa: ANN401
        what: str,
        read: Callable[[Any, str], Any],
        most: int = _MOST_RANGES,
    ) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise InputError(self.source, f"{what} is not a list", expected="a list")
        if len(value) > most:
            raise InputError(self.source, f"{what} has {len(value)} entries", expected=f"at most {most}")
        return tuple(read(item, what) for item in value)

    def _page_size(self) -> int:
        size: int = self._take("page_size", int, 4096)
        if not is_page_size(size):
            raise InputError(self.source, f"page_size = {_shown(size)}", expected=PAGE_SIZES)
        return size

    def _node(self, item: Any, _: str) -> NodeDescription:  # noqa: ANN401
        if not isinstance(item, dict):
            raise InputError(self.source, "nodes is not a list of tables", expected="[[nodes]]")
        self._only(item, _NODE_KEYS)
        nid = item.get("id")
        if type(nid) is not int or not 0 <= nid < MOST_NODES:
            raise InputError(self.source, f"a node with id = {_shown(nid)}", expected=f"id = 0 to {MOST_NODES - 1}")
        memory, hot = (
            RangeSet(self._items(item.get(key, []), f"{key} of node {nid}", self._range)) for key in _NODE_KEYS[1:]
        )
        return NodeDescription(nid, memory, hot)

    def _firmware(self) -> tuple[MemoryEntry, ...]:
        try:
            return MemoryMap.of(self._list("firmware", self._entry)).entries
        except ValueError as error:
            raise InputError(self.source, f"firmware: {error}", expected="entries that do not overlap") from error

    def _entry(self, item: Any, what: str) -> MemoryEntry:  # noqa: ANN401
        return MemoryEntry(self._range(self._row_of(item, what)[:2], what), self._kind(item[2], what))

    def _held(self, item: Any, what: str) -> tuple[MemRange, str]:  # noqa: ANN401
        return self._range(self._row_of(item, what)[:2], what), self._word(item[2], what)

    def _row_of(self, item: Any, what: str) -> list[Any]:  # noqa: ANN401
        if not isinstance(item, list) or len(item) != 3:
            raise InputError(self.source, f"{what}: {_shown(item)}", expected=_ENTRY.replace("kind", "who or kind"))
        return item

    def _kind(self, value: Any, what: str) -> MemoryKind:  # noqa: ANN401
        if isinstance(value, str) and value in _KINDS:
            return _KINDS[value]
        if type(value) is int and 0 <= value < 1 << 32:
            return kind_from_e820(value)
        expected = f"one of {', '.join(_KINDS)}, or the number of an e820 type"
        raise InputError(self.source, f"{what}: {_shown(value)} is no kind of memory", expected=expected)

    def _word(self, value: Any, what: str) -> str:  # noqa: ANN401
        if not isinstance(value, str) or not value.strip():
            raise InputError(self.source, f"{what}: {_shown(value)} is no text", expected="a text")
        return value

    def _number(self, least: int, most: int) -> Callable[[Any, str], int]:
        def read(value: Any, what: str) -> int:  # noqa: ANN401
            if type(value) is not int or not least <= value <= most:
                raise InputError(self.source, f"{what} = {_shown(value)}", expected=f"a number from {least} to {most}")
            return value

        return read

    def _row(self, value: Any, what: str) -> tuple[int, ...]:  # noqa: ANN401
        return self._items(value, f"a row of {what}", self._number(0, MOST_DISTANCE), MOST_NODES)

    def _range(self, pair: Any, what: str) -> MemRange:  # noqa: ANN401
        if not isinstance(pair, list) or len(pair) != 2:
            raise InputError(self.source, f"{what}: {_shown(pair)}", expected=_PAIR)
        start, end = (self._address(a, what) for a in pair)
        try:
            return MemRange(start, end)
        except ValueError as error:
            raise InputError(self.source, f"{what}: {error}", expected=_PAIR) from error

    def _size(self, value: Any, what: str) -> int:  # noqa: ANN401
        number = self._address(value, what)
        if not 0 < number < ADDRESS_LIMIT:
            raise InputError(self.source, f"{what} = {_shown(value)}", expected="more than 0 and less than 2^64")
        return number

    def _address(self, value: Any, what: str) -> int:  # noqa: ANN401
        try:
            number = parse_size(value) if isinstance(value, str) else value
        except UsageError as error:
            raise InputError(self.source, f"{what}: {str(error)[:200]}") from error
        if type(number) is not int or not 0 <= number <= ADDRESS_LIMIT:
            raise InputError(
                self.source,
                f"{what}: {_shown(value)} is no address",
                expected='a number such as 0x1000 or a text such as "4G", at most 2^64',
            )
        return number


def _shown(value: object) -> str:
    # What stands there, short; a number of thousands of digits has no decimal text.
    text = hex(value) if isinstance(value, int) and abs(value) > ADDRESS_LIMIT else repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
