"""Memory maps in boot logs: three forms of e820, changes, node ranges; damage is refused with its line."""

import pytest

from kexeckit.errors import InputError
from kexeckit.formats.bootlog.boot import BootLog, parse_boot_log
from kexeckit.formats.bootlog.efi import booted_by_efi, efi_map, efi_tables
from kexeckit.formats.bootlog.memblock_debug import memblock_steps
from kexeckit.formats.bootlog.memory import firmware_table, node_ranges, table_changes
from kexeckit.memory.kind import ACPI, RAM, RESERVED
from kexeckit.memory.range import MemRange


def log(*rows: str) -> BootLog:
    """Return a log of these messages, with one behind them."""
    return parse_boot_log("".join(f"[    0.000000] {row}\n" for row in (*rows, "that is all")), "log")


@pytest.mark.parametrize(
    "row",
    [
        "BIOS-e820: [mem 0x0000000000100000-0x00000000bffdffff] usable",
        " BIOS-e820: 0000000000100000 - 00000000bffe0000 (usable)",
        "BIOS-e820: [mem 0x0000000000100000-0x00000000bffdffff]  System RAM",
    ],
)
def test_three_forms(row: str) -> None:
    """Inclusive and exclusive ends mean the same range."""
    entry = firmware_table(log("BIOS-provided physical RAM map:", row))[0]
    assert (entry.start, entry.end, entry.kind) == (0x100000, 0xBFFE0000, RAM)


def test_gap_lines_are_no_entries() -> None:
    """Kernels from 7.0 on print the gaps too."""
    rows = (
        "BIOS-provided physical RAM map:",
        "BIOS-e820: [mem 0x0000000000000000-0x000000000009ffff]  System RAM",
        "BIOS-e820: [gap 0x00000000000a0000-0x00000000000effff]",
        "BIOS-e820: [mem 0x00000000000f0000-0x00000000000fffff]  device reserved",
        "BIOS-e820: [mem 0x0000000000100000-0x00000000001fffff]  ACPI data",
    )
    assert [e.kind for e in firmware_table(log(*rows))] == [RAM, RESERVED, ACPI]


def test_unknown_type_keeps_its_number() -> None:
    """A type that only a number names is kept, and is no RAM."""
    row = "BIOS-e820: [mem 0x0000000000100000-0x00000000001fffff] type 20"
    assert firmware_table(log("BIOS-provided physical RAM map:", row))[0].kind.e820 == 20


@pytest.mark.parametrize(
    ("row", "part"),
    [
        ("BIOS-e820: [mem 0x0000000000100000-0x0000", "not an e820 entry"),
        ("BIOS-e820: [mem 0x0000000000200000-0x0000000000100000] usable", "from 0x200000 to 0x100001"),
        ("BIOS-e820: [mem 0x0000000000100000-0x00000000001fffff] usab", "not an e820 entry"),
    ],
)
def test_damaged_entry(row: str, part: str) -> None:
    """The line number and what stands there are named."""
    with pytest.raises(InputError, match=part) as caught:
        firmware_table(log("BIOS-provided physical RAM map:", row))
    assert caught.value.location.line == 2


def test_log_that_begins_inside_the_map() -> None:
    """A ring buffer that wrapped leaves the end of a map: that is no map."""
    with pytest.raises(InputError, match="begins inside"):
        firmware_table(log("BIOS-e820: [mem 0x0000000000100000-0x00000000001fffff] usable"))


def test_log_that_ends_inside_the_map() -> None:
    """A log that is cut off in the map is refused."""
    text = "[    0.000000] BIOS-e820: [mem 0x0000000000000000-0x000000000009ffff] usable\n"
    with pytest.raises(InputError, match="ends inside"):
        firmware_table(parse_boot_log(text, "log"))


def test_changes() -> None:
    """Both wordings of an update, and a removal."""
    found = table_changes(
        log(
            "e820: update [mem 0x80000000-0xffffffff] usable ==> reserved",
            "e820 update range: 0000000000000000 - 0000000000010000 (usable) ==> (reserved)",
            "e820: remove [mem 0x000a0000-0x000fffff] usable",
        )
    )
    assert [(c.range, c.old, c.new) for c in found] == [
        (MemRange(0x80000000, 1 << 32), RAM, RESERVED),
        (MemRange(0, 0x10000), RAM, RESERVED),
        (MemRange(0xA0000, 0x100000), RAM, None),
    ]


def test_node_ranges_in_both_forms() -> None:
    """Bytes with inclusive ends, or page frames with exclusive ones."""
    new = node_ranges(log("Early memory node ranges", "  node   1: [mem 0x0000000000001000-0x000000000009efff]"))
    old = node_ranges(log("early_node_map[1] active PFN ranges", "    1: 0x00000001 -> 0x0000009f"))
    assert new[0].range == old[0].range == MemRange(0x1000, 0x9F000)
    assert new[0].node == old[0].node == 1


@pytest.mark.parametrize(
    "row",
    [
        "efi: mem00: [Boot Data   |   |  |  |  |  |  |  |  |   |WB|WT|WC|UC] range=[0x1000-0x8efff] (0MB)",
        "efi: mem00: type=4, attr=0xf, range=[0x0000000000001000-0x000000000008f000) (0MB)",
    ],
)
def test_efi_map(row: str) -> None:
    """Named and numbered types; the closing bracket tells how the end counts."""
    entry = efi_map(log("efi: EFI v2.70 by someone", row))[0]
    assert (entry.range, entry.type, entry.attributes & 8) == (MemRange(0x1000, 0x8F000), 4, 8)


def test_efi_tables() -> None:
    """Names with blanks, and their addresses."""
    found = log("efi: EFI v2.7 by someone", "efi: ACPI=0x6fffe000 ACPI 2.0=0x6fffe014 MEMATTR=0x65484020 ")
    assert booted_by_efi(found)
    assert efi_tables(found)["ACPI 2.0"][0] == 0x6FFFE014
    assert efi_tables(found)["MEMATTR"] == (0x65484020, 2)


def test_memblock_debug_steps_up_to_the_reservation() -> None:
    """Both forms of a line; what comes behind the crash kernel's turn is left out."""
    found = memblock_steps(
        log(
            "memblock_reserve: [0x0000000003200000-0x000000000320cfff] setup_arch+0x665/0xc55",
            "__memblock_reserve: [0x000000002fa00000-0x000000002fbfffff] nid=-1 flags=20 memblock_alloc_range_nid+0xe9",
            "memblock_phys_free: [0x000000002fa00000-0x000000002fbfffff] init_mem_mapping+0x1/0x2",
            "memblock_alloc_try_nid: 16384 bytes align=0x40 nid=-1 from=0x0 max_addr=0x0 sparse_init+0x87/0x1cc",
            "memblock_reserve: [0x000000002f94c000-0x000000002f94ffff] memblock_alloc_range_nid+0xb4/0x126",
        )
    )
    assert [(s.range.start, s.reserved, s.caller) for s in found] == [
        (0x3200000, True, "setup_arch"),
        (0x2FA00000, True, "memblock_alloc_range_nid"),
        (0x2FA00000, False, "init_mem_mapping"),
    ]
