"""NUMA lines of boot logs, in the forms of all ages."""

from kexeckit.formats.bootlog.boot import BootLog, parse_boot_log
from kexeckit.formats.bootlog.numa import memoryless_nodes, numa_refused, srat_of_log
from kexeckit.formats.srat import MemoryAffinity
from kexeckit.memory.range import MemRange
from zone_logs import x86_log

HEAD = "[    0.000000] Linux version 6.1.0\n"


def log(*lines: str) -> BootLog:
    """Parse a log of these messages."""
    return parse_boot_log(HEAD + "".join(f"[    0.000000] {line}\n" for line in lines), "log")


def test_memory_affinities() -> None:
    """Node, range and hot-plug mark of today's form."""
    found = srat_of_log(parse_boot_log(x86_log(), "log"))
    assert found is not None
    assert found.nodes == (0, 1)
    assert found.memory[-1] == MemoryAffinity(1, MemRange(0x100000000, 0x140000000), hotplug=True)


def test_old_form_has_exclusive_ends() -> None:
    """Up to 3.5: no brackets, no 0x, end exclusive."""
    found = srat_of_log(log("SRAT: Node 1 PXM 2 100000000-240000000"))
    assert found is not None
    assert found.memory == (MemoryAffinity(1, MemRange(0x100000000, 0x240000000)),)


def test_nodes_of_processors_count() -> None:
    """A node that only has processors is a node."""
    found = srat_of_log(
        log(
            "SRAT: PXM 0 -> APIC 0x00 -> Node 0",
            "SRAT: PXM 5 -> APIC 0x10 -> Node 3",
            "SRAT: Node 0 PXM 0 [mem 0x0-0xfff]",
        )
    )
    assert found is not None
    assert found.nodes == (0, 3)


def test_without_srat() -> None:
    """No line is not an empty table."""
    assert srat_of_log(log("other")) is None


def test_memoryless_nodes() -> None:
    """Both wordings count, each node once."""
    found = log(
        "Initmem setup node 2 as memoryless", "Initializing node 1 as memoryless", "Initmem setup node 2 as memoryless"
    )
    assert memoryless_nodes(found) == (1, 2)


def test_refused_tables() -> None:
    """The kernel says when it does not trust the firmware's tables."""
    assert numa_refused(log("NUMA: nodes only cover 100MB of your 4000MB e820 RAM. Not used."))
    assert numa_refused(log("NUMA: no nodes coverage for 100MB of 4000MB RAM"))
    assert numa_refused(log("NUMA turned off"))
    assert not numa_refused(log("NUMA: Node 0 [mem 0x0-0xfff] + [mem 0x1000-0x1fff] -> [mem 0x0-0x1fff]"))
