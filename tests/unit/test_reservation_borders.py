"""Borders of a reservation that a whole answer seldom meets: sizes, windows, what is compared, what is said.

About kexeckit.kernel.reservation.predict, kexeckit.kernel.reservation.cma, kexeckit.kernel.reservation.observed,
kexeckit.kernel.reservation.from_machine, kexeckit.kernel.reservation.image, kexeckit.kernel.reservation.words.
"""

from dataclasses import replace

import pytest

from bootlogs import GIB, MIB, arm64_log, pc_table, x86_log
from kexeckit.kernel.behaviour.reservation import CrashRules, crash_rules
from kexeckit.kernel.certainty import Certainty
from kexeckit.kernel.observed import Agreement
from kexeckit.kernel.reservation.cma import cma_variants
from kexeckit.kernel.reservation.doubt import Candidate, Doubt
from kexeckit.kernel.reservation.explain import explain
from kexeckit.kernel.reservation.from_machine import reservation_input
from kexeckit.kernel.reservation.image import resource_image
from kexeckit.kernel.reservation.observed import ObservedReservation, compare_reservation
from kexeckit.kernel.reservation.predict import CrashRegion, Reservation, predict_reservation
from kexeckit.kernel.reservation.request import Request, evaluate
from kexeckit.kernel.reservation.search import Limits, main_windows
from kexeckit.kernel.reservation.words import unmodelled
from kexeckit.machine.merge import stated
from kexeckit.machine.version import parse_kernel_version
from kexeckit.memory.range import MemRange
from kexeckit.memory.units import KIB
from machines import read_text
from readings import facts_of_log


def rules(release: str, arch: str = "x86_64") -> CrashRules:
    """Return how a kernel reserves."""
    return crash_rules(arch, parse_kernel_version(release))


def predict(text: str, *words: str) -> Reservation:
    """Return the prediction for a log and words."""
    return predict_reservation(facts_of_log(text, words))


@pytest.mark.parametrize(("release", "refused"), [("6.11", False), ("6.12", True)])
def test_a_size_of_all_ram_is_refused_at_once(release: str, *, refused: bool) -> None:
    """kernel/crash_reserve.c, parse_crashkernel(): from 6.12 on, a size that is not smaller than RAM is a bad one."""
    for size, bad in ((GIB - MIB, False), (GIB, refused), (GIB + MIB, refused)):
        found = evaluate(f"crashkernel={size // MIB}M", GIB, rules(release))
        assert (found.outcome == "refused") is bad, size


@pytest.mark.parametrize(("release", "outcome"), [("3.8", "none"), ("3.9", "reserved")])
def test_low_memory_counts_as_ram_from_3_9_on(release: str, outcome: str) -> None:
    """arch/x86/kernel/setup.c, trim_bios_range(): before, the first 64 KiB were no RAM; since, only page 0 is none."""
    text = x86_log(((0, 640 * KIB, 1), (MIB, GIB, 1)), version=f"{release}.0", initrd=None)
    from_3_9 = GIB - 384 * KIB - 4 * KIB
    found = predict(text, f"crashkernel={from_3_9 // KIB}K-:64M")
    assert found.outcome == outcome
    assert predict(text, f"crashkernel={from_3_9 // KIB - 60}K-:64M").outcome == "reserved"


def names(release: str, arch: str = "x86_64", *, high: bool = False) -> list[str]:
    """Return the names of the windows for the main region."""
    return [w.name for w in main_windows(Request("asked", GIB, high=high), rules(release, arch), Limits())]


def test_windows_are_named_by_what_bounds_them() -> None:
    """A window above is named by where it begins, one below by where it ends, one of both by neither."""
    assert names("6.7") == ["below 4 GiB", "above 4 GiB"]
    assert names("6.7", high=True) == ["above 4 GiB", "below 4 GiB"]
    assert names("5.1") == ["below 896 MiB"]
    assert names("5.2") == ["below 4 GiB", "anywhere"]
    assert names("5.2", high=True) == ["anywhere"]
    assert names("6.2", "arm64") == ["below 4 GiB", "anywhere"]
    assert names("6.5", "arm64", high=True) == ["above 4 GiB", "below 4 GiB"]


@pytest.mark.parametrize(("start", "limit"), [(4 * GIB - 2 * MIB, 4 * GIB), (4 * GIB, 8 * GIB)])
def test_memory_that_begins_above_4_gib_is_all_in_reach_of_dma(start: int, limit: int) -> None:
    """arch/arm64/mm/init.c, max_zone_phys(): where RAM begins at 4 GiB or above, its end is the limit."""
    text = arm64_log("6.1.0", (0, start, 8 * GIB))
    text = "\n".join(line for line in text.splitlines() if "DMA" not in line)
    assert facts_of_log(text).limits.dma_limit == limit


def test_tables_of_the_direct_mapping() -> None:
    """Pages of 1 GiB as the log says; a page for the trampoline with KASLR alone."""
    plain = facts_of_log(x86_log()).direct_map
    assert plain
    assert (plain.gigabyte, plain.five_levels, plain.buffer, plain.trampoline) == (True, False, 12 + 4, 0)
    moved = facts_of_log(x86_log(cmdline="root=/dev/vda1")).direct_map
    assert moved
    assert moved.trampoline == 1
    old = facts_of_log(x86_log(version="5.10")).direct_map
    assert old
    assert old.buffer == 12


def test_a_source_without_a_log_is_said() -> None:
    """And one with a log is not."""
    listing = stated(read_text("00100000-bffdffff : System RAM\n", "iomem"), arch="x86_64", release="6.1")
    note = "no boot log: what was reserved early is only known in part"
    assert note in reservation_input(listing).notes
    assert note not in facts_of_log(x86_log()).notes


def test_what_a_xen_guest_does() -> None:
    """arch/x86/kernel/setup.c, reserve_crashkernel(): a PV guest of either width ignores the word; arm64 has none."""
    facts = replace(facts_of_log(x86_log(), ["crashkernel=64M"]), xen_pv=True)
    for arch in ("x86_64", "i386"):
        found = predict_reservation(replace(facts, rules=replace(facts.rules, arch=arch)))
        assert (found.outcome, found.problem) == ("failed", "Ignoring crashkernel for a Xen PV domain")
    arm64 = facts_of_log(arm64_log("6.1.0", (0, GIB, 4 * GIB)), ["crashkernel=64M"])
    assert predict_reservation(replace(arm64, xen_pv=True)).outcome != "failed"


def test_nothing_asked_is_nothing_whatever_the_kernel_lacks() -> None:
    """A kernel that is too old, or built without it, is no matter without the word."""
    for change, asked in (({"below": "too old"}, "not-determined"), ({"lacks": "CONFIG_X"}, "failed")):
        facts = replace(facts_of_log(x86_log(), ["crashkernel=64M"]), **change)  # type: ignore[arg-type]
        assert predict_reservation(facts).outcome == asked
        assert predict_reservation(replace(facts, cmdline="quiet")).outcome == "none"


def test_an_address_that_was_asked_for_is_the_only_candidate_elsewhere() -> None:
    """Where the search is not modelled, a given start is all that is known; without one there is none."""
    facts = facts_of_log(x86_log(), ["crashkernel=64M"])
    unknown = replace(facts, rules=CrashRules("mips", low_limit=None, modelled=False))
    assert predict_reservation(unknown).candidates == ()
    found = predict_reservation(replace(unknown, cmdline="crashkernel=64M@48M"))
    assert [(c.start, c.last) for c in found.candidates] == [(48 * MIB, 48 * MIB)]
    assert [(r.start, r.size) for r in found.regions] == [(None, 64 * MIB)]


def test_what_the_kernel_may_do_with_cma() -> None:
    """Take it or leave it, where nothing tells how it was built; without the word there is no question."""
    facts = replace(facts_of_log(x86_log()), dma_cma=None)
    assert cma_variants(facts) == []
    found = cma_variants(replace(facts, cmdline="cma=64M"))
    assert [(text, variant.dma_cma) for text, variant in found] == [
        ("the kernel takes cma=", True),
        ("it ignores cma=", False),
    ]
    assert cma_variants(replace(facts, cmdline="cma=64M", dma_cma=True)) == []


def test_words_that_are_not_modelled_on_their_architectures() -> None:
    """Nogbpages is x86's, of both widths; rodata= is arm64's."""
    facts = facts_of_log(x86_log())
    for word, arches in (("nogbpages", {"x86_64", "i386"}), ("rodata=off", {"arm64"}), ("numa=off", None)):
        for arch in ("x86_64", "i386", "arm64"):
            typed = replace(facts, rules=replace(facts.rules, arch=arch), cmdline=f"{facts.cmdline} {word}")
            assert bool(list(unmodelled(typed))) is (arches is None or arch in arches), (word, arch)


PARTS = ("Kernel code", "Kernel rodata", "Kernel data", "Kernel bss")


@pytest.mark.parametrize("only", [*PARTS, ""])
def test_the_image_is_all_that_the_kernel_lists_of_itself(only: str) -> None:
    """From the first part to the end of the last one, with x86's brk area of 512 KiB behind it."""
    rows = [f"  {(16 + 4 * n) * MIB:08x}-{(18 + 4 * n) * MIB - 1:08x} : {name}\n" for n, name in enumerate(PARTS)]
    shown = [row for row, name in zip(rows, PARTS, strict=True) if only in ("", name)]
    text = "00100000-bffdffff : System RAM\n" + "".join(shown)
    at = 16 + 4 * PARTS.index(only) if only else 16
    end = (at + 2 if only else 16 + 4 * 3 + 2) * MIB
    for arch, brk in (("x86_64", MIB // 2), ("arm64", 0)):
        image = resource_image(stated(read_text(text, "iomem"), arch=arch))
        assert image
        assert image.range == MemRange(at * MIB, end + brk)


def test_arm64_says_how_the_region_is_mapped() -> None:
    """Only where there is a region."""
    text = arm64_log("6.1.0", (0, GIB, 4 * GIB))
    for words, said in ((["crashkernel=256M"], True), ([], False)):
        found = predict_reservation(facts_of_log(text, words))
        assert bool(found.regions) is said
        assert any(r.about == "linear-map" for r in explain(found)) is said


SEEN = "crashkernel=256M root=/dev/vda1 nokaslr"
START = 0xAE000000


def observed(*regions: tuple[int, int], exact: bool = True) -> ObservedReservation:
    """Return an observation of main regions."""
    made = tuple(CrashRegion(start, size, "main", "Crash kernel") for start, size in regions)
    return ObservedReservation("reserved" if made else "none", made, "log", exact)


def test_an_address_that_was_left_open_agrees_with_a_candidate() -> None:
    """From the lowest to the highest of a row, both included; of another part, or beyond, it differs."""
    found = predict(x86_log(cmdline=SEEN))
    [main] = found.regions
    row = Candidate("main", START, START - 32 * MIB, MIB, "x")
    doubt = Doubt("x", "y", ("main",), Certainty.OPEN)

    def opened(*rows: Candidate) -> Reservation:
        region = replace(main, start=None, address_certainty=Certainty.OPEN)
        doubts = (replace(doubt, candidates=rows),)
        return replace(found, regions=(region,), candidates=rows, doubts=doubts)

    for start, agrees in (
        (START, True),
        (START - 16 * MIB, True),
        (START - 32 * MIB, True),
        (START + 1, False),
        (START - 32 * MIB - 1, False),
    ):
        got = compare_reservation(opened(row), observed((start, main.size))).agreement
        assert got is (Agreement.AGREE if agrees else Agreement.DIFFER), hex(start)
    for other in (replace(row, part="low"), replace(row, start=None), replace(row, last=None)):
        got = compare_reservation(opened(other), observed((START, main.size))).agreement
        assert got is Agreement.DIFFER
    # Whole MiB, rounded down, are all that some kernels print.
    low = replace(row, start=START + 5000, last=START - 32 * MIB + 5000)
    rounded = observed((START - 32 * MIB, main.size), exact=False)
    assert compare_reservation(opened(low), rounded).agreement is Agreement.AGREE


def test_explanations_count_regions_that_have_a_name() -> None:
    """A region of ,cma has none in /proc/iomem: without it nothing was shrunk; with less than the rest, it was."""
    found = predict(x86_log(cmdline=SEEN))
    [main] = found.regions
    more = replace(found, regions=(main, CrashRegion(None, 128 * MIB, "cma", "")))
    shrunk = "the reservation may have been shrunk by a write to /sys/kernel/kexec_crash_size"
    same_size = compare_reservation(more, observed((START - 16 * MIB, main.size)))
    assert same_size.agreement is Agreement.DIFFER
    assert shrunk not in same_size.why
    assert shrunk in compare_reservation(more, observed((START, main.size - MIB))).why
    gone = "the reservation may have been given back, or the kernel is built without it"
    assert gone in compare_reservation(more, observed()).why
    assert shrunk not in compare_reservation(more, observed()).why


def test_the_whole_of_a_pc_stays_in_its_window() -> None:
    """5.1 takes the highest room below 896 MiB, 5.2 the highest below 4 GiB."""
    for release, end in (("5.1", 896 * MIB), ("5.2", START + 256 * MIB)):
        [main] = predict(x86_log(pc_table(4 * GIB), version=release), "crashkernel=256M").regions
        assert main.start == end - 256 * MIB
