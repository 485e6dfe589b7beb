"""Device trees: the initrd that they name, and trees that are none."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_trees import Node, build, tree
from kexeckit.errors import InputError
from kexeckit.formats.fdt import initrd_of, node_properties
from kexeckit.memory.range import MemRange


@pytest.mark.parametrize(
    ("start", "end"),
    [(0x48000000, 0x48001234), (0x1_0000_0000, 0x1_0000_0001)],
)
@pytest.mark.parametrize("width", [8, 5])
def test_where_the_initrd_is(start: int, end: int, width: int) -> None:
    """Big-endian, of whatever width; of the node below the root alone."""
    data = tree(start=start.to_bytes(width, "big"), end=end.to_bytes(width, "big"))
    assert initrd_of(data, "t") == MemRange(start, end)


@pytest.mark.parametrize(
    "chosen",
    [
        {},
        {"start": b"\0\0\0\1"},
        {"end": b"\0\0\0\1"},
        {"start": b"\0\0\0\2", "end": b"\0\0\0\2"},
        {"start": b"", "end": b"\0\0\0\2"},
        {"start": bytes(8) + b"\1", "end": bytes(8) + b"\2"},
    ],
)
def test_a_tree_that_names_none(chosen: dict[str, bytes]) -> None:
    """No node, half of it, an empty one, a number that is none."""
    assert initrd_of(tree(**chosen), "t") is None


def test_properties_of_a_node() -> None:
    """By name, without the part behind the at; none where there is no such node, and tokens that say nothing."""
    root: Node = ("", {"model": b"a\0"}, [("memory@40000000", {"reg": b"\1\2\3"}, [])])
    for data in (build(root), build(root, nothing=True)):
        assert node_properties(data, (), "t") == {"model": b"a\0"}
        assert node_properties(data, ("memory",), "t") == {"reg": b"\1\2\3"}
        assert node_properties(data, ("chosen",), "t") == {}


@given(st.data())
def test_a_damaged_tree_is_refused_or_read(draw: st.DataObject) -> None:
    """Cut anywhere it is refused; with any byte changed it is refused or read, and nothing else happens."""
    whole = tree(start=b"\1\2\3\4", end=b"\1\2\3\5")
    cut = draw.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(InputError, match="device tree"):
        initrd_of(whole[:cut], "t")
    at, value = draw.draw(st.integers(0, len(whole) - 1)), draw.draw(st.integers(0, 255))
    try:
        initrd_of(whole[:at] + bytes([value]) + whole[at + 1 :], "t")
    except InputError as error:
        assert "t: " in str(error)  # noqa: PT017 - either way is right


@pytest.mark.parametrize(("old", "new"), [(9, 2), (9, 5), (1, 2)])
def test_tokens_out_of_place(old: int, new: int) -> None:
    """The end of a node that did not begin, and numbers that are no token."""
    data = bytearray(build(("", {}, [])))
    at = 40 if old == 1 else 40 + 12
    assert data[at : at + 4] == struct.pack(">I", old)
    data[at : at + 4] = struct.pack(">I", new)
    with pytest.raises(InputError, match="damaged"):
        initrd_of(bytes(data), "t")


def test_a_tree_without_an_end_of_levels() -> None:
    """Depth has a limit."""
    node: Node = ("n", {}, [])
    for _ in range(70):
        node = ("n", {}, [node])
    with pytest.raises(InputError, match="64 levels"):
        initrd_of(build(node), "t")
