"""Whole x86_64 plans: where things go, and refusals that say what would fit."""

import re
from dataclasses import replace

import pytest

from fakes import INITRD, IOMEM, MIB, build_bzimage, make_facts, make_request
from kexeckit.errors import InputError, PlanError
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet
from kexeckit.memory.units import parse_size
from kexeckit.plan.facts import MachineFacts
from kexeckit.plan.load_plan import LoadPlan, LoadRequest, Syscall
from kexeckit.plan.verify import verify
from kexeckit.plan.x86_64 import plan_x86_64, usable_memory
from kexeckit.purgatory import load_purgatory

FACTS = make_facts()
CRASH = MemRange(0xA0000000, 0xB0000000)


def planned(request: LoadRequest, facts: MachineFacts = FACTS) -> LoadPlan:
    """A verified plan."""
    plan = plan_x86_64(request, facts, load_purgatory("x86_64"))
    assert verify(plan, request, facts) == []
    return plan


def reserved(size: int, start: int = 0xA0000000) -> MachineFacts:
    """The machine with a reservation of another size."""
    last = start + size - 1
    return make_facts(IOMEM.replace("a0000000-afffffff", f"{start:08x}-{last:08x}"))


def test_a_crash_image_lies_in_the_reservation() -> None:
    """The header lowest, the rest from the top down, the kernel at its alignment."""
    plan = planned(make_request(panic=True))
    at = {s.name: s.range for s in plan.segments}
    assert all(CRASH.contains(r) for r in at.values())
    assert at["elfcorehdr"].start == CRASH.start
    assert at["purgatory"].end == CRASH.end
    assert at["kernel"].start % (2 * MIB) == 0
    assert at["kernel"].size == 8 * MIB
    assert (plan.syscall, plan.entry) == (Syscall.LOAD, at["purgatory"].start)


def test_a_next_kernel_lies_outside_the_reservation_and_above_1_mib() -> None:
    """From the top of all RAM, and never below the kernel's preferred address."""
    plan = planned(make_request())
    assert all(not s.range.overlaps(CRASH) and s.range.start >= MIB for s in plan.segments)
    assert max(s.range.end for s in plan.segments) == 0x1_4000_0000
    high = planned(make_request(build_bzimage(preferred=0x1_0000_0000)))
    kernel = high.segment("kernel")
    assert kernel is not None
    assert kernel.range.start >= 0x1_0000_0000


def test_usable_memory_is_what_both_maps_call_ram() -> None:
    """Firmware's map limits what the running kernel shows, and the other way round."""
    small = make_facts(memmap=((0, 0x9FBFF, "System RAM"), (0x100000, 0x7FFFFFFF, "System RAM")))
    assert usable_memory(make_request(), small) == RangeSet((MemRange(MIB, 0x80000000),))
    assert usable_memory(make_request(panic=True), FACTS) == RangeSet((CRASH,))


def test_no_reservation_is_a_refusal_with_a_remedy() -> None:
    """Not an empty place."""
    bare = make_facts(IOMEM.replace("  a0000000-afffffff : Crash kernel\n", ""))
    with pytest.raises(PlanError, match="no memory is reserved") as caught:
        planned(make_request(panic=True), bare)
    assert "crashkernel=" in caught.value.remedy


@pytest.mark.parametrize("size", [1, 4, 9, 16, 29])
@pytest.mark.parametrize("start", [0xA0000000, 0xA0100000, 0xAFF00000])
def test_the_reservation_that_a_refusal_asks_for_is_enough(size: int, start: int) -> None:
    """What would fit is named with the kernel's and the initrd's needs, and really fits, wherever it begins."""
    request = make_request(build_bzimage(init_size=24 * MIB), INITRD + bytes(5 * MIB), panic=True)
    with pytest.raises(PlanError, match="in the crash region of") as caught:
        planned(request, reserved(size * MIB, start))
    text = str(caught.value)
    assert "vmlinuz needs 24 MiB, initrd 5.0 MiB" in text
    found = re.search(r"a reservation of ([0-9.]+ [KMG])iB or more to load it", text)
    assert found
    enough = parse_size(found[1].replace(" ", ""))
    assert enough <= 40 * MIB
    planned(request, reserved(enough, start))


def test_an_initrd_too_large_for_the_machine_names_the_largest_range() -> None:
    """A normal image: what is free, and where."""
    facts = make_facts(memmap=((0x100000, 0x8FFFFFF, "System RAM"),))
    with pytest.raises(PlanError, match="no place for initrd") as caught:
        planned(make_request(initrd=INITRD + bytes(150 * MIB)), facts)
    assert "the largest free range is" in str(caught.value)


def test_a_kernel_that_wants_to_lie_above_all_ram() -> None:
    """The limit that bound is the preferred address, with its reason."""
    with pytest.raises(PlanError, match="nothing fits at or above 0x10000000000"):
        planned(make_request(build_bzimage(preferred=1 << 40)))


@pytest.mark.parametrize("swap", ["kernel", "initrd"])
def test_swapped_files_are_refused_by_name(swap: str) -> None:
    """Each of the two mistakes."""
    request = make_request(INITRD) if swap == "kernel" else make_request(initrd=build_bzimage())
    with pytest.raises(InputError, match="cpio archive" if swap == "kernel" else "are kernel and initrd swapped"):
        planned(request)


def test_warnings_about_dumps_are_for_crash_images_only() -> None:
    """Those about the machine are for all."""
    facts = replace(FACTS, warnings=("machine",), dump_warnings=("dump",))
    assert planned(make_request(), facts).warnings == ("machine",)
    assert planned(make_request(panic=True), facts).warnings == ("machine", "dump")


def test_ranges_that_touch_hold_what_none_holds_alone() -> None:
    """Three neighbours of 8 MiB take a kernel of 20 MiB."""
    tops = "".join(f"{0x2000000 + n * 0x800000:08x}-{0x27FFFFF + n * 0x800000:08x} : System RAM\n" for n in range(3))
    facts = make_facts(tops, memmap=((0x2000000, 0x37FFFFF, "System RAM"),))
    plan = planned(make_request(build_bzimage(init_size=20 * MIB), initrd=None), facts)
    kernel = plan.segment("kernel")
    assert kernel is not None
    assert kernel.range.size == 20 * MIB


def test_no_initrd_means_no_segment() -> None:
    """And nothing in its place."""
    assert planned(make_request(initrd=None)).segment("initrd") is None


def test_spin_and_serial_port_reach_the_purgatory() -> None:
    """Both are choices of the request; 0 switches the port off."""
    base = planned(make_request()).segment("purgatory")
    for other in (make_request(spin=True), make_request(serial_port=0), make_request(serial_port=0x2F8)):
        changed = planned(other).segment("purgatory")
        assert base is not None
        assert changed is not None
        assert changed.content != base.content
