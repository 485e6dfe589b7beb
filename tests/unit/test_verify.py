"""Every invariant of `verify` has a plan that breaks it, and verify names exactly that invariant."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from fakes import IOMEM, MEMMAP, MIB, PAGE, build_bzimage, make_facts, make_request
from kexeckit.formats.boot_params import parse_boot_params
from kexeckit.formats.bzimage import parse_bzimage
from kexeckit.formats.elfcorehdr import LoadRange
from kexeckit.formats.sysfs_crash import EfiDescriptor
from kexeckit.memory.kind import RAM, RESERVED
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet
from kexeckit.plan import verify as module
from kexeckit.plan.efi_handover import EfiHandover
from kexeckit.plan.facts import MachineFacts
from kexeckit.plan.file_plan import plan_file_load
from kexeckit.plan.load_plan import LoadPlan, LoadRequest, NamedContent
from kexeckit.plan.segment import Segment, digest
from kexeckit.plan.verify import verify
from kexeckit.plan.x86_64 import plan_x86_64
from kexeckit.purgatory import load_purgatory

FACTS = make_facts()
REQUEST = make_request(panic=True)
NORMAL = make_request()
PLAN = plan_x86_64(REQUEST, FACTS, load_purgatory("x86_64"))
PLAIN = plan_x86_64(NORMAL, FACTS, load_purgatory("x86_64"))
Case = tuple[LoadPlan, LoadRequest, MachineFacts]


def swapped(plan: LoadPlan, name: str, change: Callable[[Segment], Segment]) -> LoadPlan:
    """The plan with one segment changed."""
    return replace(plan, segments=tuple(change(s) if s.name == name else s for s in plan.segments))


def moved(plan: LoadPlan, name: str, start: int, end: int | None = None) -> LoadPlan:
    """The plan with one segment elsewhere, its limits opened so that only the place is wrong."""

    def change(s: Segment) -> Segment:
        where = MemRange(start, start + s.memsz if end is None else end)
        request = replace(s.request, minimum=0, memsz=where.size, align=min(s.request.align, PAGE))
        return replace(s, range=where, request=request)

    return swapped(plan, name, change)


def refilled(plan: LoadPlan, name: str, content: bytes) -> LoadPlan:
    """The plan with other bytes in a segment, and with a digest that fits them."""

    def change(s: Segment) -> Segment:
        request = replace(s.request, bufsz=len(content))
        return replace(s, content=content, sha256=digest(content), request=request)

    return swapped(plan, name, change)


def patched(plan: LoadPlan, name: str, at: int, value: bytes) -> LoadPlan:
    """The plan with some bytes of a built segment changed."""
    segment = plan.segment(name)
    assert segment is not None
    assert segment.content is not None
    data = bytes(segment.content)
    return refilled(plan, name, data[:at] + value + data[at + len(value) :])


def requested(plan: LoadPlan, name: str, **fields: Any) -> LoadPlan:
    """The plan with other fields in one segment's request."""
    return swapped(plan, name, lambda s: replace(s, request=replace(s.request, **fields)))


def at(plan: LoadPlan, name: str) -> MemRange:
    """Where a segment is."""
    segment = plan.segment(name)
    assert segment is not None
    return segment.range


def without(plan: LoadPlan, name: str) -> LoadPlan:
    """The plan without a segment."""
    return replace(plan, segments=tuple(s for s in plan.segments if s.name != name))


def crowded(count: int = 17) -> LoadPlan:
    """So many segments, of which the last ones are copies of setup_data elsewhere."""
    extra = PLAN.segment("setup_data")
    assert extra is not None
    more = tuple(
        replace(extra, range=MemRange.from_size(0xA1000000 + n * PAGE, PAGE)) for n in range(count - len(PLAN.segments))
    )
    return replace(PLAN, segments=(*PLAN.segments, *more))


def with_e820(plan: LoadPlan, ranges: RangeSet, kind: object) -> LoadPlan:
    """The plan with another map in its summary."""
    return replace(plan, e820=plan.e820.painted(ranges, kind))  # type: ignore[arg-type]


def with_loads(*loads: LoadRange) -> LoadPlan:
    """The plan with other PT_LOADs in its summary."""
    assert PLAN.elfcorehdr is not None
    return replace(PLAN, elfcorehdr=replace(PLAN.elfcorehdr, loads=loads))


def loads(plan: LoadPlan) -> tuple[LoadRange, ...]:
    """Its PT_LOADs."""
    assert plan.elfcorehdr is not None
    return plan.elfcorehdr.loads


KERNEL, HEADER = at(PLAN, "kernel"), at(PLAN, "elfcorehdr")
SHORT = make_request(build_bzimage(payload=4096), panic=True)
# (what is wrong, the broken plan and what it is checked against, the invariants that must report it, and no other)
MUTANTS: dict[str, tuple[Case, set[str]]] = {
    "a segment too many": ((crowded(), REQUEST, FACTS), {"count", "digest"}),
    "no segment at all": (
        (replace(PLAIN, segments=()), NORMAL, FACTS),
        {"count", "entry", "command line", "boot_params"},
    ),
    "no initrd where one was asked for": ((without(PLAN, "initrd"), REQUEST, FACTS), {"count", "boot_params"}),
    "no elfcorehdr in a crash image": ((without(PLAN, "elfcorehdr"), REQUEST, FACTS), {"count"}),
    "a start off its alignment": (
        (requested(PLAN, "setup_data", align=1 << 30), REQUEST, FACTS),
        {"alignment"},
    ),
    "an end that is no page": (
        (
            swapped(PLAN, "setup_data", lambda s: replace(s, range=MemRange(s.range.start, s.range.end - 1))),
            REQUEST,
            FACTS,
        ),
        {"alignment", "size"},
    ),
    "two segments in one place": (
        (moved(PLAN, "setup_data", KERNEL.start), REQUEST, FACTS),
        {"overlap", "boot_params", "digest"},
    ),
    "below its own minimum": ((requested(PLAN, "setup_data", minimum=0xB0000000), REQUEST, FACTS), {"limits"}),
    "above its own maximum": ((requested(PLAN, "setup_data", maximum=0xA0000000), REQUEST, FACTS), {"limits"}),
    "more room than asked for": (
        (requested(PLAN, "setup_data", memsz=2 * PAGE), REQUEST, FACTS),
        {"size"},
    ),
    "content of another length": (
        (swapped(PLAN, "initrd", lambda s: replace(s, content=memoryview(b"x"))), REQUEST, FACTS),
        {"size"},
    ),
    "outside the crash region": (
        (moved(PLAN, "setup_data", 0x90000000), REQUEST, FACTS),
        {"memory", "handover", "digest", "boot_params"},
    ),
    "across the end of the crash region": (
        (moved(PLAN, "initrd", 0xAFFFF000), REQUEST, FACTS),
        {"memory", "handover", "digest", "boot_params", "overlap"},
    ),
    "where there is no RAM": (
        (moved(PLAIN, "initrd", 0xC0000000), NORMAL, FACTS),
        {"memory", "handover", "digest", "boot_params"},
    ),
    "a normal image in the crash region": (
        (moved(PLAIN, "initrd", 0xA8000000), NORMAL, FACTS),
        {"memory", "digest", "boot_params"},
    ),
    "below 1 MiB": ((moved(PLAIN, "initrd", 0x10000), NORMAL, FACTS), {"memory", "digest", "boot_params"}),
    "an entry outside the purgatory": ((replace(PLAN, entry=KERNEL.start), REQUEST, FACTS), {"entry"}),
    "an entry in nothing": ((replace(PLAN, entry=0), REQUEST, FACTS), {"entry"}),
    "a digest that is not the content's": (
        (swapped(PLAN, "setup_data", lambda s: replace(s, sha256=digest(b"other"))), REQUEST, FACTS),
        {"digest"},
    ),
    "a segment that the purgatory does not check": (
        (patched(PLAN, "purgatory", 0x40, bytes(0x460)), REQUEST, FACTS),
        {"digest"},
    ),
    "a segment without a digest": (
        (swapped(PLAN, "initrd", lambda s: replace(s, sha256=None)), REQUEST, FACTS),
        {"digest"},
    ),
    "a purgatory that enters somewhere else": (
        (patched(PLAN, "purgatory", 0x40 + 0x28, b"\x00\x10\x00\x00\x00\x00\x00\x00"), REQUEST, FACTS),
        {"digest"},
    ),
    "less room than init_size": (
        (PLAN, replace(REQUEST, kernel=NamedContent("k", build_bzimage(init_size=64 * MIB))), FACTS),
        {"kernel"},
    ),
    "a kernel off the header's alignment": (
        (PLAN, replace(REQUEST, kernel=NamedContent("k", build_bzimage(alignment=1 << 30))), FACTS),
        {"kernel"},
    ),
    "a part of the kernel's bytes": ((PLAN, replace(REQUEST, kernel=SHORT.kernel), FACTS), {"kernel"}),
    "a segment that is no RAM for the next kernel": (
        (with_e820(PLAN, RangeSet((at(PLAN, "initrd"),)), RESERVED), REQUEST, FACTS),
        {"handover", "boot_params"},
    ),
    "an elfcorehdr that is RAM for the next kernel": (
        (with_e820(PLAN, RangeSet((HEADER,)), RAM), REQUEST, FACTS),
        {"handover", "boot_params"},
    ),
    "old memory that is RAM for the capture kernel": (
        (with_e820(PLAN, RangeSet((MemRange(0x1_0000_0000, 0x1_0000_1000),)), RAM), REQUEST, FACTS),
        {"handover", "boot_params"},
    ),
    "a core header in a normal image": (
        (replace(PLAIN, elfcorehdr=PLAN.elfcorehdr), NORMAL, FACTS),
        {"old memory"},
    ),
    "no core header in a crash image": ((replace(PLAN, elfcorehdr=None), REQUEST, FACTS), {"old memory"}),
    "a PT_LOAD over the reservation": (
        (with_loads(*loads(PLAN), LoadRange(MemRange(0xA0000000, 0xA0001000), 0)), REQUEST, FACTS),
        {"old memory"},
    ),
    "old memory that is not dumped": ((with_loads(*loads(PLAN)[:-1]), REQUEST, FACTS), {"old memory"}),
    "elfcorehdr bytes that say something else": (
        (patched(PLAN, "elfcorehdr", 64 + 24, b"\x77"), REQUEST, FACTS),
        {"old memory", "digest"},
    ),
    "another command line behind boot_params": (
        (patched(PLAN, "boot_params", PAGE, b"X"), REQUEST, FACTS),
        {"command line", "digest"},
    ),
    "a command line that is not the user's": (
        (PLAN, replace(REQUEST, cmdline="console=ttyS1"), FACTS),
        {"command line"},
    ),
    "elfcorehdr= that names another place": (
        (moved(PLAN, "elfcorehdr", 0xA4000000), REQUEST, FACTS),
        {"command line", "handover", "digest"},
    ),
    "an initrd that boot_params does not name": (
        (patched(PLAN, "boot_params", 0x218, bytes(4)), REQUEST, FACTS),
        {"boot_params", "digest"},
    ),
    "a map in boot_params that is not the plan's": (
        (patched(PLAN, "boot_params", 0x1E8, b"\x01"), REQUEST, FACTS),
        {"boot_params", "digest"},
    ),
    "an RSDP that is not the machine's": ((PLAN, REQUEST, replace(FACTS, rsdp=0xF0000)), {"boot_params"}),
    "no boot_params page": ((without(PLAIN, "boot_params"), NORMAL, FACTS), {"count", "command line", "boot_params"}),
}


def test_the_plans_that_are_broken_below_are_good() -> None:
    """Else every mutation would be found for the wrong reason."""
    assert verify(PLAN, REQUEST, FACTS) == []
    assert verify(PLAIN, NORMAL, FACTS) == []


@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_plan_is_rejected_by_exactly_its_invariants(name: str) -> None:
    """No other check reports it, and every text names something."""
    (plan, request, facts), expected = MUTANTS[name]
    findings = verify(plan, request, facts)
    assert {f.invariant for f in findings} == expected, findings
    assert all(f.text for f in findings)


def test_every_check_has_a_mutant_that_only_it_finds_or_finds_at_all() -> None:
    """Each function is run over all mutants on its own; one that never reports is no check."""
    silent = [check.__name__ for check in module.CHECKS if not any(list(check(*case)) for case, _ in MUTANTS.values())]
    assert silent == []


def test_no_check_is_forgotten() -> None:
    """Every function of the module with a check's parameters is in the list that verify runs."""
    found = {
        name
        for name, thing in vars(module).items()
        if name.startswith("_")
        and callable(thing)
        and getattr(thing, "__code__", None)
        and [p.lstrip("_") for p in thing.__code__.co_varnames[: thing.__code__.co_argcount]]
        == ["plan", "request", "facts"]
    }
    assert found == {check.__name__ for check in module.CHECKS}
    assert set(module.FILE_CHECKS) <= set(module.CHECKS)


def test_every_finding_in_the_source_is_produced_by_a_mutant() -> None:
    """By the beginning of its text: a sentence that no plan can cause is not tested."""
    texts = [f.text for case, _ in MUTANTS.values() for f in verify(*case)]
    for part in (
        "the kernel takes 1 to", "missing:", "is not aligned to", "overlap", "outside its own limits",
        "does not take", "bytes of content", "is not inside the crash region", "is not inside System RAM",
        "reaches below 1 MiB", "overlaps a crash region", "is not in the purgatory", "not that of its content",
        "is not checked by the purgatory", "does not enter this kernel", "less room than init_size",
        "its file holds", "is not RAM for the next kernel", "would be overwritten as RAM",
        "is RAM for the capture kernel", "belongs to a crash image", "a part of the reservation",
        "PT_LOADs hold", "bytes are not those of the plan", "is not the plan's", "as the user wrote it",
        "does not name the place", "there is no boot_params page", "its initrd is", "its RSDP is",
    ):  # fmt: skip
        assert any(part in text for text in texts), part


def test_a_prediction_of_the_kernels_own_loader_is_checked_too() -> None:
    """As far as its invariants are ours: place, size, limits, room for the kernel."""
    plan = plan_file_load(REQUEST, FACTS)
    assert verify(plan, REQUEST, FACTS) == []
    assert {f.invariant for f in verify(moved(plan, "initrd", KERNEL.start), REQUEST, FACTS)} == {"overlap"}


def test_verify_imports_nothing_of_the_placer() -> None:
    """It may share values and formats, never an algorithm."""
    names = {getattr(thing, "__module__", "") for thing in vars(module).values()}
    placer = ("hole", "x86_64", "contents", "handover", "next_cmdline", "core_header")
    assert not {n for n in names for p in placer if n == f"kexeckit.plan.{p}"}
    assert parse_bzimage.__module__ == "kexeckit.formats.bzimage"


@pytest.mark.parametrize("low", ["90000000-9fffffff : Crash kernel (low)", "00100000-9fffffff : Crash kernel (low)"])
def test_reservations_that_touch_are_one_and_right(low: str) -> None:
    """Each other, or low memory where firmware describes it up to 1 MiB: one entry of RAM, and no old memory in it."""
    text = IOMEM.replace("  a0000000-afffffff", f"  {low}\n  a0000000-afffffff")
    facts = make_facts(text, memmap=((0, 0xBFFDFFFF, "System RAM"), *MEMMAP[4:]))
    plan = plan_x86_64(REQUEST, facts, load_purgatory("x86_64"))
    assert verify(plan, REQUEST, facts) == []
    wrong = with_e820(plan, RangeSet((MemRange(0x1_0000_0000, 0x1_0000_1000),)), RAM)
    assert {f.invariant for f in verify(wrong, REQUEST, facts)} == {"handover", "boot_params"}


def invariants(plan: LoadPlan, request: LoadRequest = REQUEST, facts: MachineFacts = FACTS) -> set[str]:
    """The rules that a plan breaks."""
    return {finding.invariant for finding in verify(plan, request, facts)}


def test_a_segment_may_reach_its_limits() -> None:
    """Its lowest start and its highest end are in it."""
    where = at(PLAN, "setup_data")
    assert invariants(requested(PLAN, "setup_data", minimum=where.start, maximum=where.end)) == set()
    assert invariants(requested(PLAN, "setup_data", minimum=where.start + 1)) == {"limits"}
    assert invariants(requested(PLAN, "setup_data", maximum=where.end - 1)) == {"limits"}


@pytest.mark.parametrize(
    ("start", "wrong"),
    [
        (0xA0000000, True),
        (0xA0000000 - PAGE, True),
        (0xB0000000 - PAGE, True),
        (0xB0000000, False),
        (MIB, False),
        (MIB - PAGE, True),
    ],
)
def test_a_normal_image_may_touch_the_crash_region_and_the_first_mib(start: int, *, wrong: bool) -> None:
    """But not reach into them."""
    assert ("memory" in invariants(moved(PLAIN, "initrd", start), NORMAL)) is wrong


def test_a_normal_image_right_below_the_crash_region() -> None:
    """Ends where that begins."""
    size = at(PLAIN, "initrd").size
    assert "memory" not in invariants(moved(PLAIN, "initrd", 0xA0000000 - size), NORMAL)


def test_an_image_without_an_initrd() -> None:
    """Needs none, and boot_params has to say so."""
    request = make_request(initrd=None)
    plan = plan_x86_64(request, FACTS, load_purgatory("x86_64"))
    assert invariants(plan, request) == set()
    assert invariants(patched(plan, "boot_params", 0x21C, b"\x01"), request) == {"boot_params", "digest"}


def test_a_map_of_many_entries_goes_on_in_setup_data() -> None:
    """Followed as the next kernel does: each of its entries counts, and so does a list that leads in a circle."""
    extra = tuple((0x200000000 + n * 0x2000, 0x200000000 + n * 0x2000 + 0xFFF, "Reserved") for n in range(200))
    facts = make_facts(memmap=(*MEMMAP, *extra))
    plan = plan_x86_64(NORMAL, facts, load_purgatory("x86_64"))
    assert len(plan.e820) > 200
    assert invariants(plan, NORMAL, facts) == set()
    blobs = plan.segment("setup_data")
    assert blobs is not None
    assert blobs.content is not None
    data = bytes(blobs.content)
    found = data.index((0x200000000 + 199 * 0x2000).to_bytes(8, "little"))
    assert "boot_params" in invariants(patched(plan, "setup_data", found, b"\x01"), NORMAL, facts)
    kinds = [at for at in range(0, len(data) - 16, 8) if data[at + 8 : at + 12] == b"\x01\0\0\0" and at % 8 == 0]
    circle = patched(plan, "setup_data", kinds[0], blobs.range.start.to_bytes(8, "little"))
    assert "digest" in invariants(circle, NORMAL, facts)


def test_a_boot_params_page_and_no_more() -> None:
    """Is a page, without a command line behind it."""
    segment = PLAIN.segment("boot_params")
    assert segment is not None
    assert segment.content is not None
    found = verify(refilled(PLAIN, "boot_params", bytes(segment.content[:PAGE])), NORMAL, FACTS)
    assert "there is no boot_params page" not in [f.text for f in found]
    less = verify(refilled(PLAIN, "boot_params", bytes(segment.content[: PAGE - 1])), NORMAL, FACTS)
    assert "there is no boot_params page" in [f.text for f in less]


@pytest.mark.parametrize("name", ["setup_data", "initrd", "kernel"])
def test_neighbours_touch(name: str) -> None:
    """A segment that begins where another ends does not overlap it."""
    other = at(PLAN, "purgatory")
    size = at(PLAN, name).size
    for start, wrong in ((other.end, False), (other.end - PAGE, True), (other.start - size, False)):
        found = [f.text for f in verify(moved(PLAN, name, start), REQUEST, FACTS) if f.invariant == "overlap"]
        assert any("purgatory" in text for text in found) is wrong


def test_reserved_memory_is_no_place_for_a_normal_image() -> None:
    """Only System RAM is."""
    assert "memory" in invariants(moved(PLAIN, "initrd", 0xBFFE0000), NORMAL)


def test_an_image_with_an_efi_map_of_its_own() -> None:
    """Its segment has the table, and boot_params leads there."""
    handover = EfiHandover((EfiDescriptor(7, 0x100000, 0, 0x100, 8),))
    request = make_request(efi=handover)
    plan = plan_x86_64(request, FACTS, load_purgatory("x86_64"))
    segment, page = plan.segment("efi"), plan.segment("boot_params")
    assert segment is not None
    assert page is not None
    assert segment.content is not None
    assert page.content is not None
    assert bytes(segment.content) == handover.content(segment.range.start)
    found = parse_boot_params(bytes(page.content[:PAGE]), "boot_params").efi
    assert found.systab == handover.info(segment.range.start).systab
    assert invariants(plan, request) == set()


@pytest.mark.parametrize("name", ["purgatory", "boot_params", "kernel", "initrd", "elfcorehdr"])
def test_each_segment_that_is_missing_is_named(name: str) -> None:
    """Of those that every crash image has."""
    texts = [f.text for f in verify(without(PLAN, name), REQUEST, FACTS) if f.invariant == "count"]
    assert texts == [f"missing: {name}"]


def test_sixteen_segments_are_not_too_many() -> None:
    """KEXEC_SEGMENT_MAX of include/uapi/linux/kexec.h; one more is."""
    said = {
        n: [f.text for f in verify(crowded(n), REQUEST, FACTS) if "the kernel takes 1 to" in f.text] for n in (16, 17)
    }
    assert said == {16: [], 17: ["17 segments; the kernel takes 1 to 16"]}
