"""Several sources of one machine: which of them counts, and what is put together from two."""

from typing import Any

import pytest

from kexeckit.formats.bootlog.memory import TableEntry
from kexeckit.machine.fact import Fact, Problem
from kexeckit.machine.merge import merge, stated
from kexeckit.machine.taken import Taken, Taker
from kexeckit.machine.value import (
    BootFacts,
    CpuFacts,
    EfiFacts,
    HandoverFacts,
    KernelFacts,
    Machine,
    MemoryFacts,
    NodeFacts,
    ObservedFacts,
)
from kexeckit.memory.kind import RAM, MemoryKind, kind_from_e820
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import EMPTY, RangeSet

GIB = 1 << 30
LOW, HIGH = (RangeSet((MemRange(n * GIB, (n + 1) * GIB),)) for n in (0, 4))


def with_mirror(mirrored: RangeSet | None, whole: bool | None, source: str) -> Machine:
    """Return a machine of which a source shows mirrored memory: these ranges, and whether these are all."""
    return Machine(
        source,
        "root",
        efi=EfiFacts(
            mirrored=None if mirrored is None else Fact(mirrored, source),
            mirror_whole=None if whole is None else Fact(whole, source),
        ),
    )


def mirror(machine: Machine) -> tuple[RangeSet | None, bool | None]:
    """Return what is known of mirrored memory."""
    ranges, whole = machine.efi.mirrored, machine.efi.mirror_whole
    return ranges.value if ranges else None, whole.value if whole else None


def test_one_source_is_itself() -> None:
    """There is nothing to put together."""
    machine = Machine(
        "a",
        "log",
        KernelFacts(release=Fact("6.1", "a", 3)),
        memory=MemoryFacts(firmware=Fact((TableEntry(0, 5, MemoryKind("unknown:x", 2, "x"), 1),), "a")),
        efi=EfiFacts(mirrored=Fact(LOW, "a"), mirror_whole=Fact(value=True, source="a")),
        cpus=CpuFacts(most=Fact(64, "a")),
    )
    assert merge(machine) == machine


def test_the_first_source_that_shows_a_fact_counts() -> None:
    """Fact by fact, not source by source; the name is the first one's."""
    files = Machine("files", "root", KernelFacts(arch=Fact("arm64", "files")))
    log = Machine(
        "log",
        "log",
        KernelFacts(arch=Fact("x86_64", "log"), release=Fact("6.1", "log")),
        taken=Fact((Taken(MemRange(0, 9), Taker.INITRD, "initrd"),), "log"),
    )
    found = merge(files, log)
    assert (found.source, found.kind) == ("files", "root")
    assert found.kernel == KernelFacts(arch=Fact("arm64", "files"), release=Fact("6.1", "log"))
    assert found.taken == log.taken
    assert merge(log, files).kernel.arch == Fact("x86_64", "log")


def test_a_fact_that_says_no_is_shown() -> None:
    """Zero and false are known; a later source does not replace them."""
    no = Machine("a", "root", KernelFacts(zone_dma=Fact(value=False, source="a")), cpus=CpuFacts(most=Fact(0, "a")))
    yes = Machine("b", "log", KernelFacts(zone_dma=Fact(value=True, source="b")), cpus=CpuFacts(most=Fact(8, "b")))
    found = merge(no, yes)
    assert (found.kernel.zone_dma, found.cpus.most) == (no.kernel.zone_dma, no.cpus.most)


def test_what_is_said_of_sources_is_kept_once() -> None:
    """Notes, assumptions and problems of all, in their order."""
    a = Machine("a", "root", notes=("x", "y"), assumed=("p",), problems=(Problem("boot", "bad"),))
    b = Machine(
        "b", "log", notes=("y", "z"), assumed=("q", "p"), problems=(Problem("boot", "bad"), Problem("efi", "t"))
    )
    found = merge(a, b)
    assert (found.notes, found.assumed) == (("x", "y", "z"), ("p", "q"))
    assert found.problems == (Problem("boot", "bad"), Problem("efi", "t"))


def test_numbers_of_unknown_types_come_from_the_other_map() -> None:
    """Of the same range only; a type that is known stays, whatever another source says."""
    unknown, known = MemoryKind("unknown:odd", 2, "odd"), kind_from_e820(77)
    files = (TableEntry(0, 9, RAM, 1), TableEntry(9, 20, unknown, 2), TableEntry(20, 30, unknown, 3))
    log = (TableEntry(0, 9, known, 1), TableEntry(9, 20, known, 2), TableEntry(20, 31, known, 3))
    found = merge(
        Machine("f", "root", memory=MemoryFacts(firmware=Fact(files, "f"))),
        Machine("l", "log", memory=MemoryFacts(firmware=Fact(log, "l"))),
    ).memory.firmware
    assert found
    assert found.source == "f"
    assert [(e.kind, e.line) for e in found.value] == [(RAM, 1), (known, 2), (unknown, 3)]


def test_parts_of_mirrored_memory_are_put_together() -> None:
    """Two sources of which each may show a part show no whole."""
    found = merge(with_mirror(LOW, False, "a"), with_mirror(HIGH, None, "b"), with_mirror(LOW, False, "c"))
    assert mirror(found) == (LOW | HIGH, False)
    assert found.efi.mirrored
    assert found.efi.mirrored.source == "a"
    assert mirror(merge(with_mirror(None, None, "a"), with_mirror(HIGH, False, "b"))) == (HIGH, False)


def test_the_whole_of_mirrored_memory_wins_over_parts() -> None:
    """Wherever it stands."""
    whole = with_mirror(HIGH, True, "whole")
    for parts in ((whole, with_mirror(LOW, False, "b")), (with_mirror(LOW, False, "b"), whole)):
        found = merge(*parts).efi
        assert (found.mirrored, found.mirror_whole) == (whole.efi.mirrored, whole.efi.mirror_whole)


def test_no_mirrored_memory_is_only_known_where_nobody_doubts_it() -> None:
    """A source that saw that there is some, and not where, counts more than one that saw none."""
    none, some, silent = (with_mirror(None, said, "s") for said in (True, False, None))
    assert mirror(merge(none, silent)) == (None, True)
    assert mirror(merge(none, some)) == mirror(merge(some, none)) == (None, False)
    assert mirror(merge(silent, silent)) == (None, None)
    assert mirror(merge(with_mirror(EMPTY, True, "a"), with_mirror(None, True, "b"))) == (EMPTY, True)


@pytest.mark.parametrize(
    ("group", "facts", "both", "one"),
    [
        ("kernel", KernelFacts, "page_size", "reach"),
        ("boot", BootFacts, "last_pfn", "initrd_size"),
        ("memory", MemoryFacts, "counted", "managed"),
        ("nodes", NodeFacts, "memoryless", "distances"),
        ("efi", EfiFacts, "tables", "map_at"),
        ("cpus", CpuFacts, "possible", "present"),
        ("observed", ObservedFacts, "crash_size", "movable"),
    ],
)
def test_groups_of_facts(group: str, facts: Any, both: str, one: str) -> None:
    """Each of them is put together: what both sources show is the first one's."""
    first = Machine("a", "root", **{group: facts(**{both: Fact(1, "a")})})
    second = Machine("b", "root", **{group: facts(**{both: Fact(2, "b"), one: Fact(2, "b")})})
    expected = facts(**{both: Fact(1, "a"), one: Fact(2, "b")})
    assert getattr(merge(first, second), group) == expected
    assert getattr(merge(Machine("c", "root"), first, second), group) == expected


def test_facts_that_are_no_group() -> None:
    """What is taken, and what only loading needs, of the first source that has it."""
    held: tuple[Taken, ...] = (Taken(MemRange(0, 9), Taker.INITRD, "initrd"),)
    taken = Fact(held, "b")
    silent = Machine("a", "root")
    first, second = (Machine(n, "root", taken=taken, handover=HandoverFacts(cma=Fact(True, n))) for n in ("b", "c"))
    found = merge(silent, first, second)
    assert (found.taken, found.handover) == (taken, first.handover)
    assert (merge(silent).taken, merge(silent).handover) == (None, None)


def test_parts_that_no_single_source_has() -> None:
    """All three count; of sources that see no mirrored memory the first is named."""
    far = RangeSet((MemRange(8 * GIB, 9 * GIB),))
    found = merge(with_mirror(far, None, "a"), with_mirror(HIGH, None, "b"), with_mirror(LOW, None, "c")).efi
    assert found.mirrored == Fact(LOW | HIGH | far, "a")
    assert found.mirror_whole == Fact(value=False, source="a")
    none = merge(with_mirror(None, True, "a"), with_mirror(None, True, "b")).efi
    assert none.mirror_whole == Fact(value=True, source="a")


def test_what_a_user_states_leaves_the_rest() -> None:
    """A release without the stable one of the source; nothing stated is the machine itself."""
    both = KernelFacts(Fact("x86_64", "s"), Fact("6.1.0-5", "s"), Fact("6.1.176", "s"))
    machine = Machine("s", "root", both)
    assert stated(machine) is machine
    assert stated(machine, arch="arm64").kernel.release == machine.kernel.release
    assert stated(machine, arch="arm64").kernel.stable == machine.kernel.stable
    found = stated(machine, release="5.10").kernel
    assert found.release
    assert (found.release.value, found.stable, found.arch) == ("5.10", None, machine.kernel.arch)
