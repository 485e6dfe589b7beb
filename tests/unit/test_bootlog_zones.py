"""Zone lines of boot logs, in the forms of all ages."""

from kexeckit.formats.bootlog.boot import BootLog, parse_boot_log
from kexeckit.formats.bootlog.page_size import page_size
from kexeckit.formats.bootlog.zones import (
    PrintedZone,
    low_ram_end,
    printed_movable,
    printed_zones,
)
from zone_logs import x86_log

OLD = """\
[    0.000000] Linux version 2.6.39 (builder@example)
[    0.000000] Zone PFN ranges:
[    0.000000]   DMA      0x00000010 -> 0x00001000
[    0.000000]   DMA32    0x00001000 -> 0x00100000
[    0.000000]   Normal   empty
[    0.000000] Movable zone start PFN for each node
[    0.000000]   Node 0: 131072
[    0.000000] early_node_map[1] active PFN ranges
"""


def log(text: str) -> BootLog:
    """Parse a log."""
    return parse_boot_log(text, "log")


def test_ranges_and_starts() -> None:
    """Today's form: addresses with inclusive ends, empty zones by name."""
    found = log(x86_log())
    assert printed_zones(found)[0] == PrintedZone("DMA", 0x1000, 0x1000000)
    assert printed_zones(found)[-1] == PrintedZone("Device", 0, 0)
    assert printed_movable(found) == {1: 0x120000000}


def test_old_form_counts_page_frames() -> None:
    """Up to 3.5 zones are printed in page frames with exclusive ends, and movable starts in decimal."""
    found = log(OLD)
    assert [(z.zone, z.start, z.end) for z in printed_zones(found)] == [
        ("DMA", 0x10000, 0x1000000),
        ("DMA32", 0x1000000, 0x100000000),
        ("Normal", 0, 0),
    ]
    assert printed_movable(found) == {0: 131072 * 4096}


def test_absent_is_not_empty() -> None:
    """A log without the lines gives None; with the header alone it gives no starts."""
    bare = "[    0.000000] Linux version 6.1.0\n"
    assert printed_movable(log(bare)) is None
    assert printed_movable(log(bare + "[    0.000000] Movable zone start for each node\n[    0.000000] other\n")) == {}
    assert printed_zones(log(bare)) == ()


def test_page_size_and_low_memory() -> None:
    """The size of a hash table betrays the page size; i386 prints the end of low memory."""
    assert page_size(log(x86_log())) == 4096
    big = "[    0.000000] Linux version 6.1\n"
    big += "[    0.000000] Dentry cache hash table entries: 65536 (order: 3, 524288 bytes, linear)\n"
    assert page_size(log(big)) == 65536
    assert page_size(log("[    0.000000] Linux version 6.1\n")) is None
    assert low_ram_end(log("[    0.000000] Linux version 6.1\n[    0.000000]   low ram: 0 - 375fe000\n")) == 0x375FE000
    assert low_ram_end(log(x86_log())) is None
