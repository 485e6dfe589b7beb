"""SRAT bytes."""

import pytest

from kexeckit.errors import InputError
from kexeckit.formats.srat import MemoryAffinity, format_srat, parse_srat
from kexeckit.memory.range import MemRange

GIB = 1 << 30


def test_memory_and_nodes_come_back() -> None:
    """What is built can be read; nodes are numbered in order of appearance, processors first."""
    memory = [(7, MemRange(0, GIB), False), (3, MemRange(4 * GIB, 6 * GIB), True)]
    table = format_srat(memory, processors=[(0, 3), (1, 9)])
    found = parse_srat(table, "srat")
    # Domain 3 and 9 appear with processors and become nodes 0 and 1, domain 7 becomes node 2.
    assert found.memory == (
        MemoryAffinity(2, MemRange(0, GIB)),
        MemoryAffinity(0, MemRange(4 * GIB, 6 * GIB), hotplug=True),
    )
    assert found.nodes == (0, 1, 2)
    assert sum(table) % 256 == 0


def test_disabled_entries_do_not_count() -> None:
    """A memory entry without the enabled flag is as good as absent."""
    table = bytearray(format_srat([(0, MemRange(0, GIB), False), (1, MemRange(GIB, 2 * GIB), False)]))
    table[48 + 40 + 28] = 0
    assert parse_srat(bytes(table), "srat").memory == (MemoryAffinity(0, MemRange(0, GIB)),)


def test_old_tables_have_domains_of_eight_bits() -> None:
    """In revision 1 only the lowest byte of a domain counts."""
    table = bytearray(format_srat([(0x101, MemRange(0, GIB), False), (1, MemRange(GIB, 2 * GIB), False)]))
    assert [a.nid for a in parse_srat(bytes(table), "srat").memory] == [0, 1]
    table[8] = 1
    assert [a.nid for a in parse_srat(bytes(table), "srat").memory] == [0, 0]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"SLIT" + bytes(60),
        format_srat([(0, MemRange(0, GIB), False)])[:-1],
        format_srat([(0, MemRange(0, GIB), False)])[:48] + bytes(40),
    ],
)
def test_unusable_bytes(data: bytes) -> None:
    """Another table, a cut one, or an entry of length 0 is an error that names the file."""
    if len(data) > 48:
        data = data[:4] + len(data).to_bytes(4, "little") + data[8:] if data[48:50] == b"\0\0" else data
    with pytest.raises(InputError, match="here"):
        parse_srat(data, "here")


def test_memory_beyond_the_address_space() -> None:
    """An entry that reaches beyond 2^64 is refused."""
    table = bytearray(format_srat([(0, MemRange(0, GIB), False)]))
    table[48 + 8 : 48 + 24] = b"\xff" * 16
    with pytest.raises(InputError, match="beyond"):
        parse_srat(bytes(table), "srat")
