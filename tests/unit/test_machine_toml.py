"""Machines described by hand."""

import pytest

from kexeckit.errors import InputError
from kexeckit.formats.machine_toml import parse_machine_toml
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet

GIB = 1 << 30
WHOLE = """
arch = "arm64"
kernel = "6.12"
cmdline = "ro"
mirrored = [[0, "1G"]]
zone_dma = true
page_size = 65536
dma_limit = 0x3fffffff
[[nodes]]
id = 0
memory = [["0x40000000", "2G"], [0xC0000000, 0x100000000]]
hotpluggable = [["3G", "4G"]]
[[nodes]]
id = 2
"""


def test_everything() -> None:
    """All keys are read; a node may have no memory."""
    found = parse_machine_toml(WHOLE, "m.toml")
    assert (found.arch, found.kernel, found.cmdline) == ("arm64", "6.12", "ro")
    assert (found.zone_dma, found.page_size, found.dma_limit) == (True, 65536, GIB - 1)
    assert found.mirrored == RangeSet((MemRange(0, GIB),))
    assert [n.nid for n in found.nodes] == [0, 2]
    assert found.nodes[0].memory == RangeSet((MemRange(GIB, 2 * GIB), MemRange(3 * GIB, 4 * GIB)))
    assert not found.nodes[1].memory


def test_what_is_not_said_is_not_known() -> None:
    """Absent keys stay unknown or at the usual value."""
    found = parse_machine_toml('[[nodes]]\nid = 0\nmemory = [[0, "1G"]]\n', "m.toml")
    assert (found.arch, found.zone_dma, found.page_size, found.dma_limit) == ("", None, 4096, None)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("nodes = 3", "nodes is a int"),
        ("[[nodes]\n", "not TOML"),
        ("colour = 1", "unknown key 'colour'"),
        ("[[nodes]]\nid = 0\nsize = 1", "unknown key 'size'"),
        ("[[nodes]]\nid = -1", "id = -1"),
        ("[[nodes]]\nid = true", "id = True"),
        ("[[nodes]]\nid = 0", "no memory"),
        ("[[nodes]]\nid = 0\nmemory = [[5, 5]]", "memory of node 0"),
        ("[[nodes]]\nid = 0\nmemory = [5]", "memory of node 0: 5"),
        ("[[nodes]]\nid = 0\nmemory = 5", "not a list"),
        ('[[nodes]]\nid = 0\nmemory = [["x", 5]]', "'x' is not a size"),
        ("[[nodes]]\nid = 0\nmemory = [[1.5, 5]]", "no address"),
        ("[[nodes]]\nid = 0\nmemory = [[0, 5]]\n[[nodes]]\nid = 0", "node 0 stands there twice"),
        ("[[nodes]]\nid = 0\nmemory = [[0, 5]]\n[[nodes]]\nid = 1\nmemory = [[4, 9]]", "nodes 0 and 1 have the same"),
        ("page_size = 5000\n[[nodes]]\nid = 0\nmemory = [[0, 5]]", "page_size = 5000"),
        ("arch = 1\n[[nodes]]\nid = 0\nmemory = [[0, 5]]", "arch is a int"),
        ("nodes = [1]", "not a list of tables"),
    ],
)
def test_mistakes_are_named(text: str, problem: str) -> None:
    """Every mistake is an error that says what and where."""
    with pytest.raises(InputError) as caught:
        parse_machine_toml(text, "m.toml")
    assert problem in str(caught.value)
