"""Prediction against observation: what agrees, what differs, and that no difference hides."""

import struct
from typing import Any

import pytest

from fakes import build_boot_params
from kexeckit.formats.elfcorehdr import EM_X86_64, ElfCoreHeader, LoadRange, NoteRange, format_elfcorehdr
from kexeckit.lab.compare import Check, _paired, compare_capture, compare_common, compare_memory
from kexeckit.lab.report import GuestReport
from kexeckit.memory.range import MemRange

PLAN: dict[str, Any] = {
    "cmdline": "elfcorehdr=0x10000000 quiet",
    "e820": [
        {"start": 0, "end": 0x9FC00, "type": "ram"},
        {"start": 0x10001000, "end": 0x20000000, "type": "ram"},
        {"start": 0x20000000, "end": 0x20001000, "type": "type-77"},
    ],
    "segments": [
        {"name": "initrd", "start": 0x18000000, "bufsz": 1000, "sha256": "ab" * 32},
        {"name": "boot_params", "start": 0x17000000, "bufsz": 10, "sha256": None},
    ],
    "elfcorehdr": {"notes": [], "loads": [{"start": 0x100000, "end": 0x10000000, "vaddr": 5}]},
}


def memmap(*entries: tuple[int, int, str]) -> bytes:
    """The lines of a report about /sys/firmware/memmap."""
    lines = [
        f"/sys/firmware/memmap/{n}/{name}:{value}"
        for n, (first, last, kind) in enumerate(entries)
        for name, value in (("start", f"{first:#x}"), ("end", f"{last:#x}"), ("type", kind))
    ]
    return "\n".join(lines).encode()


ENTRIES = (
    (0x20000000, 0x20000FFF, "Unknown E820 type"),
    (0, 0x9FBFF, "System RAM"),
    (0x10001000, 0x1FFFFFFF, "System RAM"),
)
PAGE = bytearray(build_boot_params())
struct.pack_into("<II", PAGE, 0x218, 0x18000000, 1000)
CORE = format_elfcorehdr(
    ElfCoreHeader(
        EM_X86_64,
        (NoteRange("cpu0", MemRange(0x1000, 0x1100)),),
        (LoadRange(MemRange(0x100000, 0x10000000), 5),),
    )
)
IOMEM = b"00001000-0009fbff : System RAM\n10001000-1fffffff : System RAM\n20000000-20000fff : Reserved\n"


def report(**records: bytes) -> GuestReport:
    """A report in which everything is as predicted, but for these records."""
    good = {
        "cmdline": b"elfcorehdr=0x10000000 quiet\n",
        "firmware_memmap": memmap(*ENTRIES),
        "boot_params": bytes(PAGE),
        "iomem": IOMEM,
        "vmcore_header": CORE,
    }
    return GuestReport("capture", good | records, complete=True)


def wrong(found: GuestReport) -> list[Check]:
    """Everything that differs."""
    return [c for c in (*compare_common(PLAN, found), *compare_capture(PLAN, found)) if not c.agrees]


def test_what_is_as_predicted_agrees() -> None:
    """Whatever the order in which the kernel lists its entries; unknown kinds by the words that it has for all."""
    checks = [*compare_common(PLAN, report()), *compare_capture(PLAN, report())]
    assert [c for c in checks if not c.agrees] == []
    assert {c.subject for c in checks} == {"command line", "e820", "initrd", "System RAM", "PT_LOAD"}


@pytest.mark.parametrize(
    ("records", "subject"),
    [
        ({"cmdline": b"elfcorehdr=0x10000000\n"}, "command line"),
        ({"firmware_memmap": memmap(*ENTRIES[:2])}, "e820"),
        ({"firmware_memmap": memmap(*ENTRIES, (0x30000000, 0x30000FFF, "Reserved"))}, "e820"),
        ({"firmware_memmap": memmap((0x20000000, 0x20000FFF, "Reserved"), *ENTRIES[1:])}, "e820"),
        ({"firmware_memmap": memmap((0x20000000, 0x20000FFE, "Unknown E820 type"), *ENTRIES[1:])}, "e820"),
        ({"boot_params": build_boot_params()}, "initrd"),
        ({"iomem": IOMEM.replace(b"1fffffff", b"1ffeffff")}, "System RAM"),
        ({"vmcore_header": CORE[:-20] + b"\0" * 20}, "PT_LOAD"),
    ],
)
def test_each_difference_is_found_under_its_subject(records: dict[str, bytes], subject: str) -> None:
    """One byte is enough."""
    assert {c.subject for c in wrong(report(**records))} == {subject}


def test_ram_is_compared_in_whole_pages_above_1_mib() -> None:
    """The kernel keeps only whole pages of it, and reserves low memory as it likes."""
    low = IOMEM.replace(b"00001000-0009fbff", b"00002000-0009efff").replace(b"1fffffff", b"200003ff")
    low = low.replace(b"20000000-20000fff : Reserved", b"20000400-20000fff : Reserved")
    assert wrong(report(iomem=low)) == []


def test_loads_are_compared_in_whole_pages() -> None:
    """The capture kernel reads old memory so."""
    loads = [{"start": 0x100400, "end": 0xFFFFFFF, "vaddr": 5}]
    plan = PLAN | {"elfcorehdr": {"notes": [], "loads": loads}}
    assert all(c.agrees for c in compare_capture(plan, report()))


def test_lists_of_other_lengths_stand_side_by_side() -> None:
    """Each line beside its own equal, or beside nothing."""
    found = list(_paired("x", ["a", "b", "c"], ["c", "d"]))
    assert [(c.predicted, c.observed) for c in found] == [
        ("a", "(nothing)"),
        ("b", "(nothing)"),
        ("c", "c"),
        ("(nothing)", "d"),
    ]


def test_a_line_that_comes_twice_on_one_side_is_a_difference() -> None:
    """Counting matters: two of one are not one."""
    found = list(_paired("x", ["a", "a", "b"], ["a", "b"]))
    assert [c.agrees for c in found] == [True, False, True]
    assert found[1].observed == "(nothing)"


def test_lists_of_one_length_are_compared_line_by_line() -> None:
    """Order is part of what is predicted."""
    assert [c.agrees for c in _paired("x", ["a", "b"], ["b", "a"])] == [False, False]


@pytest.mark.parametrize(
    ("found", "agrees"), [({"initrd": "ab" * 32}, True), ({"initrd": "ac" * 32}, False), ({}, False)]
)
def test_memory_is_compared_by_digest(found: dict[str, str], agrees: bool) -> None:
    """A segment without a digest is not compared; one that was not found differs."""
    [check] = compare_memory(PLAN, found)
    assert check.subject == "segment initrd"
    assert check.agrees is agrees
