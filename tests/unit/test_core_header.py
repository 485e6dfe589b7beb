"""Which old memory is described to a capture kernel."""

from dataclasses import replace

import pytest

from fakes import IOMEM, PAGE_OFFSET, make_facts
from kexeckit.errors import PlanError
from kexeckit.formats.elfcorehdr import EM_AARCH64, NO_VADDR
from kexeckit.memory.range import MemRange
from kexeckit.plan.core_header import old_memory, plan_core_header

FACTS = make_facts()


def test_old_memory_is_ram_without_low_memory_and_the_reservations() -> None:
    """Kernel text is RAM and stays in."""
    assert list(old_memory(FACTS)) == [
        MemRange(0x100000, 0xA0000000),
        MemRange(0xB0000000, 0xBFFE0000),
        MemRange(0x1_0000_0000, 0x1_4000_0000),
    ]


def test_a_low_region_is_left_out_too() -> None:
    """The capture kernel overwrites both."""
    text = IOMEM.replace("  a0000000", "  20000000-2fffffff : Crash kernel (low)\n  a0000000")
    assert not old_memory(make_facts(text)) & make_facts(text).crash_memory()


def test_notes_text_and_ranges_in_the_kernels_order() -> None:
    """One note per CPU, vmcoreinfo, the text at its own address, each range at the direct mapping's."""
    core = plan_core_header(FACTS)
    assert [n.name for n in core.notes] == ["cpu0", "cpu1", "vmcoreinfo"]
    assert (core.loads[0].vaddr, core.loads[0].executable) == (0xFFFFFFFF81000000, True)
    assert [r.vaddr - r.range.start for r in core.loads[1:]] == [PAGE_OFFSET] * 3


def test_what_is_not_known_is_not_guessed() -> None:
    """Without kcore: no text and no virtual addresses; without vmcoreinfo: no note of it."""
    core = plan_core_header(replace(FACTS, page_offset=None, kernel_text=None, vmcoreinfo=None))
    assert {r.vaddr for r in core.loads} == {NO_VADDR}
    assert [n.name for n in core.notes] == ["cpu0", "cpu1"]


def test_ranges_of_another_loader_are_taken_as_given() -> None:
    """And the machine goes into the header."""
    core = plan_core_header(replace(FACTS, arch="arm64"), [MemRange(0x1000, 0x2000)])
    assert [r.range for r in core.loads if not r.executable] == [MemRange(0x1000, 0x2000)]
    assert core.machine == EM_AARCH64


def test_no_notes_no_dump() -> None:
    """A core without registers is not offered silently."""
    with pytest.raises(PlanError, match="no CPU's crash_notes could be read") as caught:
        plan_core_header(replace(FACTS, crash_notes=()))
    assert caught.value.remedy


def test_more_ranges_than_an_elf_header_can_count() -> None:
    """e_phnum has 16 bits and the kernel reads no more; the refusal says how many would fit, and they do."""
    ranges = [MemRange.from_size(n << 13, 4096) for n in range(0x10000)]
    with pytest.raises(PlanError, match="65540 program headers") as caught:
        plan_core_header(FACTS, ranges)
    assert "65531 ranges of old memory would fit" in str(caught.value)
    assert len(plan_core_header(FACTS, ranges[:65531]).loads) == 65532
