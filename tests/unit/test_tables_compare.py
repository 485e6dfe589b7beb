"""Comparing built tables with a guest's, where the "guest" is another build."""

from dataclasses import replace

from guest3g import CRASH, MACHINE
from kexeckit.kernel.behaviour.loading import behaviour_of
from kexeckit.kernel.page_tables.calls import kernel_calls
from kexeckit.kernel.page_tables.rule import kernel_rule
from kexeckit.lab.dev.tables_compare import (
    PredictedTables,
    compare_refusals,
    compare_tables,
    predict_tables,
    see_tables,
)
from kexeckit.machine.version import parse_kernel_version
from kexeckit.memory.range import MemRange

HEADER = MemRange.from_size(CRASH.start, 0xE1000)


def predicted(*, crash: bool, gbpages: bool = True) -> PredictedTables:
    """Tables of a 6.12 kernel on the recorded guest."""
    behaviour = behaviour_of(parse_kernel_version("6.12.107"))
    calls = kernel_calls(MACHINE.resources, behaviour, [HEADER])
    return predict_tables(calls, kernel_rule(behaviour, gbpages=gbpages), 4, behaviour, CRASH if crash else None)


def guest_memory(tables: PredictedTables, address: int) -> bytes:
    """The tables' pages, a vmcoreinfo copy, and a root with something in its upper half."""
    if tables.control and address == tables.control.vmcoreinfo:
        return b"OSRELEASE=6.12\n".ljust(4096, b"\0")
    page = bytes(tables.built.page(address))
    return page[:4088] + b"\x63\xf0\xff\xff\x0f\0\0\0" if address == tables.built.root else page


def test_equal_tables_agree() -> None:
    """The upper half of the root is the kernel's own business."""
    ours = predicted(crash=True)
    seen = see_tables(lambda at: guest_memory(ours, at), ours.built.root | 0x18, 4)
    assert [c for c in compare_tables(ours, seen) if not c.agrees] == []


def test_other_leaves_are_seen() -> None:
    """A guest without 1 GiB pages maps the same memory otherwise."""
    ours, other = predicted(crash=False), predicted(crash=False, gbpages=False)
    seen = see_tables(lambda at: guest_memory(other, at), other.built.root, 4)
    failed = {c.subject for c in compare_tables(ours, seen) if not c.agrees}
    assert failed == {"mapped", "pmd pages"}


def test_other_places_and_bytes_are_seen() -> None:
    """A table page elsewhere and a changed entry."""
    ours = predicted(crash=True)
    seen = see_tables(lambda at: guest_memory(ours, at), ours.built.root, 4)
    moved = replace(seen, tables=seen.tables[:-1], read=lambda _: bytes(4096))
    failed = {c.subject for c in compare_tables(ours, moved) if not c.agrees}
    assert {"pmd pages", "table addresses", "table pages with other bytes", "vmcoreinfo copy"} == failed


def test_refusals_are_compared_by_errno() -> None:
    """An unaligned segment: EADDRNOTAVAIL."""
    answers = {"memtotal": 1 << 20, "refused": [[CRASH.start, [[CRASH.start + 16, 4096, 1]], 99]]}
    assert [c.agrees for c in compare_refusals(answers, CRASH, 4, crash=True)] == [True]
    wrong = {"memtotal": 1 << 20, "refused": [[CRASH.start, [[CRASH.start, 4096, 1]], 22]]}
    assert [c.agrees for c in compare_refusals(wrong, CRASH, 5, crash=True)] == [False]
