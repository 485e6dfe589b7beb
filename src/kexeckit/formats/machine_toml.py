"""A machine described by hand, in TOML: nodes, their memory, what is mirrored.

    arch = "x86_64"                                 # as uname -m prints it
    kernel = "6.12"                                 # optional, as uname -r prints it
    cmdline = "ro"                                  # optional
    mirrored = [[0, "4G"], ["32G", "34G"]]          # optional: [start, end], end exclusive
    zone_dma = false                                # optional: built without ZONE_DMA
    page_size = 4096                                # optional
    dma_limit = 0x3fffffff                          # optional, arm64: highest address all devices reach

    [[nodes]]
    id = 0
    memory = [[0x1000, "66G"]]                      # a node may have none
    hotpluggable = [["64G", "66G"]]                 # optional

Addresses are integers or texts such as "4G". A key that is not listed here is an error, not ignored.
"""

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kexeckit.errors import InputError, UsageError
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet
from kexeckit.memory.units import is_power_of_two, parse_size

_KEYS = {"arch", "kernel", "cmdline", "mirrored", "zone_dma", "page_size", "dma_limit", "nodes"}
_NODE_KEYS = {"id", "memory", "hotpluggable"}
_PAIR = "[start, end] with the end exclusive"


@dataclass(frozen=True, slots=True)
class NodeDescription:
    """One node: its number, memory, and what of it can be removed while the machine runs."""

    nid: int
    memory: RangeSet
    hotpluggable: RangeSet


@dataclass(frozen=True, slots=True)
class MachineDescription:
    """A described machine; None and empty texts stand for what is not said.

    Attributes:
        arch: As ``uname -m`` prints it.
        kernel: As ``uname -r`` prints it.
        cmdline: The kernel's command line.
        mirrored: Mirrored addresses.
        zone_dma: The kernel has ZONE_DMA.
        page_size: Bytes of a page.
        dma_limit: arm64: highest address that all devices reach.
        nodes: The nodes in the file's order.
    """

    arch: str
    kernel: str
    cmdline: str
    mirrored: RangeSet
    zone_dma: bool | None
    page_size: int
    dma_limit: int | None
    nodes: tuple[NodeDescription, ...]


def parse_machine_toml(text: str, source: str) -> MachineDescription:
    """Read a description.

    Raises:
        InputError: Not TOML, a key that is not known, a value of the wrong kind, a node twice, memory on two nodes,
            or no memory at all.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(source, f"not TOML: {error}") from error
    _only(data, _KEYS, source)
    take = _taker(data, source)
    raw = take("nodes", list, [])
    nodes = tuple(_node(item, source) for item in raw)
    _check_nodes(nodes, source)
    page_size = take("page_size", int, 4096)
    if not is_power_of_two(page_size) or not 4096 <= page_size <= 65536:
        raise InputError(source, f"page_size = {page_size}", expected="4096, 16384 or 65536")
    return MachineDescription(
        arch=take("arch", str, ""),
        kernel=take("kernel", str, ""),
        cmdline=take("cmdline", str, ""),
        mirrored=_ranges(take("mirrored", list, []), "mirrored", source),
        zone_dma=take("zone_dma", bool, None),
        page_size=page_size,
        dma_limit=None if "dma_limit" not in data else _address(data["dma_limit"], "dma_limit", source),
        nodes=nodes,
    )


def _only(data: dict[str, object], known: set[str], source: str) -> None:
    for key in data:
        if key not in known:
            raise InputError(source, f"unknown key {key!r}", expected=f"one of {', '.join(sorted(known))}")


def _taker(data: dict[str, object], source: str) -> Callable[..., Any]:
    def take(key: str, kind: type, default: object) -> object:
        value = data.get(key, default)
        # A TOML boolean is a Python int as well, so the kinds are compared exactly.
        if key in data and type(value) is not kind:
            raise InputError(source, f"{key} is a {type(value).__name__}", expected=f"a {kind.__name__}")
        return value

    return take


def _node(item: object, source: str) -> NodeDescription:
    if not isinstance(item, dict):
        raise InputError(source, "nodes is not a list of tables", expected="[[nodes]]")
    _only(item, _NODE_KEYS, source)
    nid = item.get("id")
    if type(nid) is not int or nid < 0:
        raise InputError(source, f"a node with id = {nid!r}", expected="id = 0 or more")
    memory = _ranges(item.get("memory", []), f"memory of node {nid}", source)
    return NodeDescription(nid, memory, _ranges(item.get("hotpluggable", []), f"hotpluggable of node {nid}", source))


def _check_nodes(nodes: tuple[NodeDescription, ...], source: str) -> None:
    seen: dict[int, RangeSet] = {}
    for node in nodes:
        if node.nid in seen:
            raise InputError(source, f"node {node.nid} stands there twice")
        for nid, memory in seen.items():
            if memory & node.memory:
                raise InputError(source, f"nodes {nid} and {node.nid} have the same memory: {memory & node.memory}")
        seen[node.nid] = node.memory
    if not any(seen.values()):
        raise InputError(source, "no memory", expected="[[nodes]] with memory")


def _ranges(value: object, what: str, source: str) -> RangeSet:
    if not isinstance(value, list):
        raise InputError(source, f"{what} is not a list", expected=f"a list of {_PAIR}")
    out = []
    for pair in value:
        if not isinstance(pair, list) or len(pair) != 2:
            raise InputError(source, f"{what}: {pair!r}", expected=_PAIR)
        start, end = (_address(a, what, source) for a in pair)
        try:
            out.append(MemRange(start, end))
        except ValueError as error:
            raise InputError(source, f"{what}: {error}", expected=_PAIR) from error
    return RangeSet(out)


def _address(value: object, what: str, source: str) -> int:
    try:
        if isinstance(value, str):
            return parse_size(value)
        if type(value) is int and value >= 0:
            return value
    except UsageError as error:
        raise InputError(source, f"{what}: {error}") from error
    raise InputError(
        source, f"{what}: {value!r} is no address", expected='a number such as 0x1000 or a text such as "4G"'
    )
