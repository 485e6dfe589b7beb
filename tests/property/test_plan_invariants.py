"""Whole plans over random machines: right by `verify` or refused by `PlanError`, and as brute force has it."""

from dataclasses import dataclass, replace
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from fakes import INITRD, MIB, PAGE, build_bzimage, make_facts, make_request
from formatters import covered, format_iomem
from kexeckit.errors import PlanError, SystemCallError
from kexeckit.formats.elfcorehdr import NoteRange
from kexeckit.memory.kind import KNOWN_KINDS, RAM, RESERVED_KERN, kind_from_e820
from kexeckit.memory.memmap import MemoryEntry, MemoryMap
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet
from kexeckit.memory.resource import Resource, ResourceTree
from kexeckit.memory.units import align_up
from kexeckit.plan.facts import MachineFacts
from kexeckit.plan.file_plan import plan_file_load
from kexeckit.plan.handover import OldRam
from kexeckit.plan.load_plan import LoadPlan, LoadRequest
from kexeckit.plan.verify import verify
from kexeckit.plan.x86_64 import plan_x86_64, usable_memory
from kexeckit.purgatory import load_purgatory
from strategies import disjoint_ranges

KINDS = [*KNOWN_KINDS, kind_from_e820(6), kind_from_e820(0xFFFF0000)]
STEP = MIB // 2
"""Borders of the toy machine lie on multiples of this, give or take some bytes."""
LIMIT = 128


@st.composite
def machines(draw: st.DrawFn) -> MachineFacts:
    """Up to 64 MiB: RAM in pieces, other kinds between them, crash regions inside System RAM, ragged borders."""
    pieces = draw(disjoint_ranges(LIMIT, 6, STEP))
    kinds = [draw(st.sampled_from([*[RAM] * 12, *KINDS])) for _ in pieces]
    entries = [MemoryEntry(_ragged(draw, r), k) for r, k in zip(pieces, kinds, strict=True)]
    tops = [_top(draw, e) for e in entries if e.kind in (RAM, RESERVED_KERN)]
    assume(tops)
    text = format_iomem(ResourceTree(tuple(tops)))
    notes = tuple(NoteRange(f"cpu{n}", MemRange.from_size(MIB + n * PAGE, 368)) for n in range(draw(st.integers(1, 3))))
    facts = make_facts(text, crash_notes=notes, page_offset=draw(st.sampled_from((None, 0xFFFF888000000000))))
    return _with_map(facts, MemoryMap.of(entries))


def _with_map(facts: MachineFacts, found: MemoryMap) -> MachineFacts:
    return replace(facts, firmware_map=found, kernel_text=None)


def _ragged(draw: st.DrawFn, r: MemRange) -> MemRange:
    # Firmware's borders are not always on a page.
    return MemRange(r.start, r.end - draw(st.sampled_from((0, 0, 0, 1, 1024, 5000))))


def _top(draw: st.DrawFn, entry: MemoryEntry) -> Resource:
    inside = entry.range.aligned_inwards(STEP)
    children: tuple[Resource, ...] = ()
    if inside and inside.size > STEP and draw(st.sampled_from((True, True, False))):
        # Often nearly all of it, so that crash images fit often.
        steps = inside.size // STEP
        first = draw(st.one_of(st.just(0), st.integers(0, steps - 1)))
        last = draw(st.one_of(st.just(steps), st.integers(first + 1, steps)))
        where = MemRange(inside.start + first * STEP, inside.start + last * STEP)
        children = (Resource(where, draw(st.sampled_from(("Crash kernel",) * 3 + ("Crash kernel (low)",)))),)
    return Resource(entry.range, "System RAM", children)


@dataclass(frozen=True)
class Wanted:
    """A request without its bytes, so that hypothesis can print it; small kernels and initrds that fit often."""

    payload: int
    init_size: int
    align_bits: int
    preferred: int
    initrd: int | None
    panic: bool
    old_ram: OldRam
    cmdline: int

    def built(self) -> LoadRequest:
        """The request with its bytes."""
        kernel = build_bzimage(
            payload=self.payload, init_size=self.init_size, alignment=1 << self.align_bits, preferred=self.preferred
        )
        initrd = None if self.initrd is None else INITRD + bytes(self.initrd)
        return make_request(kernel, initrd, panic=self.panic, old_ram=self.old_ram, cmdline="a" * self.cmdline)


WANTED = st.builds(
    Wanted,
    payload=st.sampled_from((4096, 65536, 300_000)),
    init_size=st.sampled_from((4096, 4096, MIB, MIB, 3 * MIB + 1, 16 * MIB)),
    align_bits=st.integers(8, 21),
    preferred=st.sampled_from((0, 0, MIB, 16 * MIB)),
    initrd=st.sampled_from((None, 0, 2 * MIB)),
    panic=st.booleans(),
    old_ram=st.sampled_from(OldRam),
    cmdline=st.integers(0, 99),
)
PURGATORY = load_purgatory("x86_64")


@given(machines(), WANTED)
def test_a_plan_is_right_or_refused(facts: MachineFacts, wanted: Wanted) -> None:
    """Verify reports nothing; equal input gives an equal plan; sizes are conserved."""
    request = wanted.built()
    try:
        plan = plan_x86_64(request, facts, PURGATORY)
    except PlanError:
        return
    assert verify(plan, request, facts) == []
    assert plan_x86_64(request, facts, PURGATORY) == plan
    usable, taken = usable_memory(request, facts), RangeSet(s.range for s in plan.segments)
    assert taken.size + (usable - taken).size == usable.size
    assert len(plan.segments) <= 16


@given(machines(), WANTED)
def test_each_segment_is_where_brute_force_puts_it(facts: MachineFacts, wanted: Wanted) -> None:
    """Segment after segment, page by page from the right side; a refusal means that no page will do for the next."""
    request = wanted.built()
    try:
        plan = plan_x86_64(request, facts, PURGATORY)
    except PlanError:
        return
    usable = usable_memory(request, facts)
    for number, segment in enumerate(plan.segments):
        taken = [s.range for s in plan.segments[:number]]
        assert segment.range.start == _tried(usable, taken, segment.request)


def _tried(usable: RangeSet, taken: list[MemRange], request: Any) -> int | None:
    step = request.align
    pages = range(0, align_up(LIMIT * STEP, step) + step, step)
    for at in reversed(pages) if request.top_down else pages:
        end = at + request.memsz
        if at < request.minimum or end > request.maximum:
            continue
        if any(r.start <= at and end <= r.end for r in usable) and not any(t.start < end and at < t.end for t in taken):
            return at
    return None


@given(machines(), WANTED, st.sampled_from(("5.10.0", "6.1.0", "6.12.0", "7.2.0")))
def test_a_prediction_is_right_or_refused(facts: MachineFacts, wanted: Wanted, release: str) -> None:
    """Of kexec_file_load by any kernel: its invariants hold, or the refusal is one that users can read."""
    running = replace(facts, release=release)
    request = wanted.built()
    try:
        plan = plan_file_load(request, running)
    except (PlanError, SystemCallError):
        return
    assert verify(plan, request, running) == []


@given(machines(), st.sampled_from(OldRam))
def test_the_capture_kernels_ram_is_the_reservation(facts: MachineFacts, old_ram: OldRam) -> None:
    """Above 1 MiB no byte of the old kernel's RAM is handed over as RAM."""
    request = make_request(
        build_bzimage(payload=4096, init_size=4096, alignment=4096, preferred=0), panic=True, old_ram=old_ram
    )
    try:
        plan: LoadPlan = plan_x86_64(request, facts, PURGATORY)
    except PlanError:
        return
    above = plan.e820.ram() - RangeSet((MemRange(0, MIB),))
    assert not above - facts.crash_memory()
    described = covered(facts.firmware_map) | facts.crash_memory()
    assert not covered(plan.e820) - described
    if old_ram is OldRam.RESERVED:
        assert covered(plan.e820) == described
