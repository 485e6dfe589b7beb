"""A flattened device tree: properties of one node, as the boot loader handed the tree to the kernel.

    header      magic, size, where the structure and the names of properties are
    structure   tokens of 4 bytes: begin node and its name, property and its value, end node, nothing, end

Source: Devicetree Specification 0.4, chapter 5; drivers/of/fdt.c, early_init_dt_check_for_initrd().
"""

import struct

from kexeckit.errors import InputError
from kexeckit.memory.range import MemRange, clip

_MAGIC = 0xD00DFEED
_HEADER = struct.Struct(">10I")
_TOKEN = struct.Struct(">I")
_PROPERTY = struct.Struct(">2I")
_BEGIN, _END, _PROP, _NOP, _STOP = 1, 2, 3, 4, 9
_DEEPEST = 64


def node_properties(data: bytes, path: tuple[str, ...], source: str) -> dict[str, bytes]:
    """Return the properties of one node by name; empty where there is no such node.

    Args:
        data: The tree.
        path: Names of the nodes from below the root, without the part behind ``@``.
        source: How messages name it.

    Raises:
        InputError: It is no device tree, or it is cut off.
    """
    try:
        magic, size, structure, names = _HEADER.unpack_from(data)[:4]
        if magic != _MAGIC or size > len(data):
            raise InputError(source, "no device tree, or one that is cut off", expected="a flattened device tree")
        return _walk(data[:size], structure, names, path, source)
    except (struct.error, ValueError) as error:
        raise InputError(source, "a device tree that is damaged", expected="a flattened device tree") from error


def initrd_of(data: bytes, source: str) -> MemRange | None:
    """Return the bytes of the initrd that a tree names, or None where it names none.

    Raises:
        InputError: It is no device tree, or it is cut off.
    """
    chosen = node_properties(data, ("chosen",), source)
    start, end = (chosen.get(f"linux,initrd-{side}") for side in ("start", "end"))
    if not start or not end or max(len(start), len(end)) > 8:
        return None
    return clip(int.from_bytes(start, "big"), int.from_bytes(end, "big"))


def _walk(data: bytes, at: int, names: int, path: tuple[str, ...], source: str) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    inside: list[str] = []
    while True:
        (token,) = _TOKEN.unpack_from(data, at)
        at += 4
        if token == _BEGIN:
            end = data.index(b"\0", at)
            inside.append(data[at:end].partition(b"@")[0].decode("ascii", "replace"))
            at = _aligned(end + 1)
            if len(inside) > _DEEPEST:
                raise InputError(source, f"nodes of more than {_DEEPEST} levels", expected="a device tree")
        elif token == _PROP:
            size, name = _PROPERTY.unpack_from(data, at)
            at += 8
            if at + size > len(data):
                raise ValueError("a property that reaches beyond the tree")
            if tuple(inside[1:]) == path:
                label = data[names + name : data.index(b"\0", names + name)]
                found[label.decode("ascii", "replace")] = data[at : at + size]
            at = _aligned(at + size)
        elif token == _END and inside:
            inside.pop()
        elif token == _STOP:
            return found
        elif token != _NOP:
            raise ValueError("a token that is none, or the end of no node")


def _aligned(at: int) -> int:
    return -(-at // 4) * 4
