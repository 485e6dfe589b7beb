"""Reservations on arm64: what is taken before, in the order of each version. The machines do not exist.

About kexeckit.kernel.reservation.early, kexeckit.kernel.reservation.from_machine, kexeckit.kernel.reservation.search,
kexeckit.kernel.reservation.held.
"""

from dataclasses import replace

import pytest

from bootlogs import GIB, MIB
from bootlogs import arm64_log as boot
from kexeckit.formats.bootlog.boot import parse_boot_log
from kexeckit.formats.bootlog.page_size import has_wide_addresses, page_size
from kexeckit.formats.iomem import parse_iomem
from kexeckit.kernel.behaviour.reservation import crash_rules, with_pages
from kexeckit.kernel.boot.held import Held
from kexeckit.kernel.boot.memblock import Memblock, Region
from kexeckit.kernel.boot.sections import SectionRun, section_runs, with_struct_pages
from kexeckit.kernel.reservation.advice import linear_map
from kexeckit.kernel.reservation.by_address import reserved_by_address
from kexeckit.kernel.reservation.early import early_memory
from kexeckit.kernel.reservation.facts import ReservationInput
from kexeckit.kernel.reservation.predict import Reservation, predict_reservation
from kexeckit.machine.taken import Taker
from kexeckit.machine.version import parse_kernel_version
from kexeckit.memory.range import MemRange
from readings import facts_of_log

KIB = 1 << 10
Node = tuple[int, int, int]
WIDE_PAGES = "Dentry cache hash table entries: 4194304 (order: 9, 33554432 bytes, linear)"


def predict(text: str, *words: str) -> Reservation:
    """Return the prediction for a log and words."""
    return predict_reservation(facts_of_log(text, words))


def start_of(found: Reservation) -> int | None:
    """Return the start of the main region."""
    return next((r.start for r in found.regions if r.kind == "main"), None)


def span(start: int, end: int) -> MemRange:
    """Return a range given in MiB."""
    return MemRange(start * MIB, end * MIB)


def test_a_section_that_two_nodes_share_belongs_to_the_lower_node() -> None:
    """The border lies inside section 8: node 1 begins with section 9."""
    regions = (Region(span(0, 1088), 0), Region(span(1088, 2048), 1))
    runs = section_runs(regions, 128 * MIB)
    assert runs == (SectionRun(0, tuple(range(9))), SectionRun(1, tuple(range(9, 16))))


def test_sections_of_nodes_that_take_turns() -> None:
    """Each run of a node's sections is an allocation of its own."""
    regions = (Region(span(0, 256), 0), Region(span(256, 384), 1), Region(span(512, 640), 0))
    runs = section_runs(regions, 128 * MIB)
    assert [(run.node, run.numbers) for run in runs] == [(0, (0, 1)), (1, (2,)), (0, (4,))]


@pytest.mark.parametrize(
    ("version", "sizes"),
    [
        ("5.10.22", [("table of memory sections", 8 * KIB), ("struct pages of node 0", 32 * MIB)]),
        ("5.15", [("table of memory sections", 64 * KIB), ("struct pages of node 0", 24 * MIB)]),
    ],
)
def test_sections_are_128_mib_since_5_12(version: str, sizes: list[tuple[str, int]]) -> None:
    """1.5 GiB from 1 GiB on are two sections of 1 GiB, or twelve of 128 MiB; struct pages come for whole ones."""
    rules = crash_rules("arm64", parse_kernel_version(version))
    _, taken = with_struct_pages(Memblock((Region(MemRange(GIB, GIB + 1536 * MIB), 0),)), rules)
    found = {h.name: h.range.size for h in taken}
    assert [(name, found[name]) for name, _ in sizes] == sizes


def test_struct_pages_are_aligned_to_a_sections_share() -> None:
    """16 MiB for a section of 1 GiB, 2 MiB for one of 128 MiB: 5.10 leaves a gap that 5.15 does not."""
    node = (0, GIB, GIB + 1536 * MIB)
    top = node[2]
    # Tables and node data take 3 MiB and a bit, so the first try is 4 MiB below the top, or 16.
    assert start_of(predict(boot("5.10.22", node), "crashkernel=128M")) == top - (16 + 32 + 128) * MIB
    assert start_of(predict(boot("5.15", node), "crashkernel=128M")) == top - (4 + 24 + 128) * MIB


def test_struct_pages_that_do_not_fit_in_one_piece() -> None:
    """They come in pieces of 2 MiB, the last ones from another node."""
    rules = crash_rules("arm64", parse_kernel_version("6.1"))
    regions = (Region(span(1024, 2048), 0), Region(span(2048, 3072), 1))
    memory = Memblock(regions).reserve([span(2048, 3060), span(3062, 3066)])
    _, taken = with_struct_pages(memory, rules)
    pieces = [h.range for h in taken if h.name == "struct pages of node 1"]
    assert len(pieces) == 8
    # Above what is taken 6 MiB are left, the small tables in the highest; then 2 MiB below.
    assert pieces[:3] == [span(3068, 3070), span(3066, 3068), span(3060, 3062)]
    assert {p.end <= 2048 * MIB for p in pieces[3:]} == {True}


def test_kernels_up_to_6_x_place_struct_pages_first() -> None:
    """7.0 allocates them after the reservation."""
    node = (0, GIB, 3 * GIB)
    assert start_of(predict(boot("6.12", node), "crashkernel=128M")) == 3 * GIB - (6 + 32 + 128) * MIB
    assert start_of(predict(boot("7.2", node), "crashkernel=128M")) == 3 * GIB - (6 + 128) * MIB


def test_before_5_10_22_the_reservation_comes_first() -> None:
    """Neither page tables nor nodes are there yet: the region ends at the top and crosses their border."""
    nodes = ((0, GIB, 2 * GIB), (1, 2 * GIB, 2 * GIB + 256 * MIB))
    for version in ("5.8", "5.10.21"):
        found = predict(boot(version, *nodes), "crashkernel=512M")
        assert (found.outcome, start_of(found)) == ("reserved", 2 * GIB - 256 * MIB), version
    for version in ("5.10.22", "5.11", "5.10.0-32-arm64"):
        assert start_of(predict(boot(version, *nodes), "crashkernel=512M")) != 2 * GIB - 256 * MIB, version


def test_before_5_5_the_search_ends_below_the_limit() -> None:
    """A byte is missing at the end of RAM, so the region lies 2 MiB lower."""
    node = (0, GIB, 3 * GIB)
    assert start_of(predict(boot("5.4", node), "crashkernel=128M")) == 3 * GIB - 130 * MIB
    assert start_of(predict(boot("5.5", node), "crashkernel=128M")) == 3 * GIB - 128 * MIB


def test_before_5_10_37_the_limit_is_that_of_zone_dma32() -> None:
    """ZONE_DMA is the first GiB there; from 5.10.37 on it is the limit where it is that small."""
    rows = boot("5.6", (0, 0, 3 * GIB)).replace(
        f"  DMA      [mem {0:#018x}-{3 * GIB - 1:#018x}]",
        f"  DMA      [mem {0:#018x}-{GIB - 1:#018x}]\n[    0.000000]   DMA32    [mem {GIB:#018x}-{3 * GIB - 1:#018x}]",
    )
    assert start_of(predict(rows, "crashkernel=128M")) == 3 * GIB - 128 * MIB
    assert (start_of(predict(rows.replace("version 5.6", "version 5.10.36"), "crashkernel=128M")) or 0) > 2 * GIB
    assert start_of(predict(rows.replace("version 5.6", "version 5.10.37"), "crashkernel=128M")) == GIB - 128 * MIB


@pytest.mark.parametrize(
    ("version", "pages"), [("5.9", True), ("5.10.22", False), ("5.10.47", True), ("6.3", True), ("6.4", False)]
)
def test_protection_of_the_region_ended_with_6_4(version: str, pages: bool) -> None:
    """Before, crashkernel= makes the kernel map memory by pages; some of 5.10 do not know the region early enough."""
    text = linear_map(predict(boot(version, (0, GIB, 3 * GIB)), "crashkernel=128M"))
    assert ("map memory by pages" in text) is pages
    assert ("is not protected" in text) is not pages


def test_a_kernel_that_maps_blocks_maps_pages_for_crashkernel() -> None:
    """Up to 6.3 the word itself costs 1/512 of memory in page tables, at the top; 6.4 on it does not."""
    node = (0, GIB, 3 * GIB)
    for version, tables in (("6.1", 4), ("6.6", 0)):
        found = predict(boot(version, node, tables=False), "crashkernel=128M")
        # Node data takes the rest of 2 MiB.
        assert start_of(found) == 3 * GIB - (tables + 2 + 32 + 128) * MIB, version
    again = predict(boot("6.1", node, cmdline="crashkernel=64M", tables=True), "crashkernel=128M")
    assert start_of(again) == 3 * GIB - (6 + 32 + 128) * MIB


def test_5_10_passes_over_words_with_a_suffix() -> None:
    """A plain word counts beside ,low; ,high alone is no request, without a message."""
    text = boot("5.10.22", (0, GIB, 3 * GIB))
    beside = predict(text, "crashkernel=128M crashkernel=64M,low")
    assert (beside.outcome, [r.kind for r in beside.regions]) == ("reserved", ["main"])
    alone = predict(text, "crashkernel=128M,high")
    assert (alone.outcome, alone.problem) == (
        "failed",
        "this kernel passes over words with a suffix, without a message",
    )


def test_pages_of_64_kib_are_known_from_a_hash_table() -> None:
    """The size in bytes and the power of two give the page; a table of one page does not."""
    assert page_size(parse_boot_log(boot("6.12", (0, GIB, 3 * GIB), more=(WIDE_PAGES,)), "log")) == 64 * KIB
    small = "Mount-cache hash table entries: 2048 (order: 0, 16384 bytes, linear)"
    assert page_size(parse_boot_log(boot("6.12", (0, GIB, 3 * GIB), more=(small,)), "log")) is None
    usual = "Inode-cache hash table entries: 65536 (order: 7, 524288 bytes, linear)"
    assert page_size(parse_boot_log(boot("6.12", (0, GIB, 3 * GIB), more=(usual,)), "log")) == 4 * KIB


def test_struct_pages_of_64_kib_pages() -> None:
    """512 KiB for a section of 512 MiB, without alignment; the size is rounded to 64 KiB up to 6.6."""
    found = predict(boot("6.1", (0, GIB, 3 * GIB), more=(WIDE_PAGES,)), "crashkernel=100000001")
    assert found.regions[0].size == 100007936
    taken = [h.range.size for h in found.early.held if h.name.startswith("struct pages")]
    assert taken == [4 * 512 * KIB]


def test_52_bit_addresses_make_a_larger_table() -> None:
    """16 times as many sections are possible; the log says so where a CPU can."""
    line = "CPU features: detected: 52-bit Virtual Addressing (LPA2)"
    log = parse_boot_log(boot("6.12", (0, GIB, 3 * GIB), more=(line,)), "log")
    assert has_wide_addresses(log)
    rules = with_pages(crash_rules("arm64", parse_kernel_version("6.12")), None, wide=True)
    _, taken = with_struct_pages(Memblock((Region(MemRange(GIB, 3 * GIB), 0),)), rules)
    assert taken[0].range.size == MIB


def test_an_initrd_that_is_not_shown_leaves_no_doubt_where_nothing_fits() -> None:
    """It can only take room away."""
    sign = ("Trying to unpack rootfs image as initramfs...",)
    text = boot("6.1", (0, GIB, GIB + 512 * MIB), more=sign)
    assert predict(text, "crashkernel=480M@1056M").outcome == "failed"
    assert predict(text, "crashkernel=64M@1056M").outcome == "not-determined"


def facts(cmdline: str, seen: str, *held: Held, version: str = "7.2", nodes: int = 2) -> ReservationInput:
    """Return a machine with nodes of 2 GiB from 1 GiB on and what is held in it."""
    rules = crash_rules("arm64", parse_kernel_version(version))
    regions = tuple(Region(MemRange((1 + 2 * n) * GIB, (3 + 2 * n) * GIB), n) for n in range(nodes))
    return ReservationInput(rules, cmdline, seen_cmdline=seen, regions=regions, held=held)


def areas(*starts: int) -> tuple[Held, ...]:
    """Return CMA areas of 64 MiB."""
    return tuple(Held(MemRange.from_size(at, 64 * MIB), Taker.CMA, "CMA area", "log") for at in starts)


def placed(found: ReservationInput) -> list[int]:
    """Return where CMA areas come to lie."""
    return [h.range.start for h in early_memory(found).held if h.by is Taker.CMA]


def test_one_cma_area_more_for_each_node() -> None:
    """A kernel that showed one more than it has nodes places them so again: below the limit, then on each node."""
    shown = areas(4 * GIB - 64 * MIB, 3 * GIB - 64 * MIB, 4 * GIB)
    assert placed(facts("cma=32M", "", *shown)) == [4 * GIB - 32 * MIB, 3 * GIB - 32 * MIB, 4 * GIB]
    assert placed(facts("cma=32M", "", shown[0])) == [4 * GIB - 32 * MIB]
    assert placed(facts("cma=0", "", *shown)) == []


@pytest.mark.parametrize(
    ("word", "starts"),
    [
        ("cma=64M@1536M", [1536 * MIB]),
        ("cma=64M@1537M", []),
        ("cma=64M@1G-2G", [2 * GIB - 64 * MIB]),
        ("cma=64M@16G", []),
    ],
)
def test_cma_at_an_address(word: str, starts: list[int]) -> None:
    """Without a limit it goes exactly there or fails; with one, as high as it fits below."""
    assert placed(facts(word, "", version="6.12")) == starts


def test_cma_at_an_address_above_the_dma_limit() -> None:
    """The newest kernels take an address or limit as given; before, the limit of 32-bit DMA counted too."""
    for version, starts in (("6.12", []), ("7.2", [4608 * MIB])):
        assert placed(facts("cma=64M@4608M", "", version=version)) == starts


def test_cma_from_the_bottom_up_above_4g_since_5_12() -> None:
    """Where the limit allows it, which on arm64 takes RAM that begins above 4 GiB."""
    # The last 32 MiB hold struct pages of a section of 1 GiB, which are aligned to their 16 MiB.
    for version, start in (("5.10.22", 9 * GIB - 96 * MIB), ("6.12", 8 * GIB)):
        machine = facts("cma=64M", "", version=version)
        high = replace(machine, regions=(Region(MemRange(8 * GIB, 9 * GIB), 0),))
        assert placed(replace(high, limits=replace(high.limits, dma_limit=9 * GIB))) == [start]


def test_mem_keeps_the_kernel_and_the_initrd() -> None:
    """What mem= cuts off of them is added back, as regions of their own."""
    disk = Held(span(2048, 2080), Taker.INITRD, "initrd", "log")
    image = Held(span(1600, 1640), Taker.KERNEL_IMAGE, "kernel image", "log")
    early = early_memory(facts("mem=512M", "", disk, image, nodes=1))
    assert [r.range for r in early.memory.regions] == [span(1024, 1536), image.range, disk.range]
    assert disk.range in [h.range for h in early.held]


def test_node_data_without_numbers_belongs_to_the_nodes_it_lies_on() -> None:
    """Older lines name no node; a what-if that places all anew leaves each on its own."""
    nodes = ((0, GIB, 2 * GIB), (1, 2 * GIB, 3 * GIB), (2, 3 * GIB, 4 * GIB))
    numbered = boot("6.1", *nodes)
    bare = numbered
    for node in range(3):
        bare = bare.replace(f"NODE_DATA({node}) allocated", "NUMA: NODE_DATA")
    for text in (numbered, bare):
        data = [h for h in predict(text, "cma=32M", "crashkernel=64M").early.held if h.by is Taker.NODE_DATA]
        assert [(h.node, h.range.end) for h in data] == [(0, 2 * GIB), (1, 3 * GIB), (2, 4 * GIB)]


FIRMWARE = ("efi: EFI v2.70 by someone", "Trying to unpack rootfs image as initramfs...")


def by_efi(*nodes: Node, more: tuple[str, ...] = FIRMWARE) -> str:
    """Return the boot log of a machine that EFI booted."""
    return boot("6.12", *nodes, more=more).replace("efi: UEFI not found.", "efi: here it is")


def test_an_initrd_that_efi_put_near_the_region_is_a_doubt() -> None:
    """Below what firmware keeps it may be in the way; far from that, the answer stands with a caveat."""
    near = by_efi((0, GIB, 3 * GIB - 64 * MIB), (0, 3 * GIB - 64 * MIB, 3 * GIB - 60 * MIB), (0, 3012 * MIB, 3 * GIB))
    found = predict(near, "crashkernel=256M")
    assert (found.outcome, found.certainty.value, start_of(found)) == ("reserved", "likely", None)
    assert any(d.what == "initrd" and d.decides for d in found.doubts)
    far = by_efi((0, GIB, 16 * GIB - 8 * MIB), (0, 16 * GIB - 8 * MIB, 16 * GIB - 4 * MIB), (0, 16380 * MIB, 16 * GIB))
    found = predict(far, "crashkernel=256M")
    assert (found.outcome, start_of(found)) == ("reserved", 4 * GIB - 256 * MIB)
    assert any(d.what == "initrd" and not d.decides for d in found.doubts)


def test_mem_as_a_what_if_where_efi_put_kernel_and_initrd() -> None:
    """They are cut off and added back, at a place that the log does not show."""
    text = by_efi((0, GIB, 4 * GIB))
    found = predict(text, "mem=1G", "crashkernel=64M")
    assert found.outcome == "not-determined"
    assert any(d.what == "mem" for d in found.doubts)


def test_memory_that_mem_has_cut_is_not_cut_again() -> None:
    """The regions of a log with mem= are what it left; another mem= is not determined."""
    text = boot("7.2", (0, GIB, 2 * GIB), (1, 3 * GIB, 3 * GIB + 32 * MIB), cmdline="mem=1G crashkernel=64M")
    assert sum(r.range.size for r in predict(text).early.memory.regions) == GIB + 32 * MIB
    found = predict(text, "mem=2G")
    assert found.outcome == "not-determined"
    assert any("its own mem= left" in d.text for d in found.doubts)


def test_what_somebody_else_reserved_lies_below_a_gap() -> None:
    """The kernel would have taken the gap; on another node or above the DMA limit a gap says nothing."""
    rows = [
        "40000000-17fffffff : System RAM",
        "  50000000-5000ffff : reserved",
        "  60000000-67ffffff : reserved",
        "  90000000-9fffffff : reserved",
        "  a0100000-ffffffff : reserved",
        "  100000000-10000ffff : reserved",
        "  170000000-17fffffff : reserved",
    ]
    tree = parse_iomem("".join(f"{row}\n" for row in rows))
    one = [Region(MemRange(GIB, 6 * GIB), 0)]
    assert reserved_by_address(tree, one, 4 * GIB) == (
        MemRange(0x50000000, 0x50010000),
        MemRange(0x60000000, 0x68000000),
        MemRange(0x100000000, 0x100010000),
    )
    # A border of nodes right above the second one.
    two = [Region(MemRange(GIB, 0x68000000), 0), Region(MemRange(0x68000000, 6 * GIB), 1)]
    assert reserved_by_address(tree, two, 4 * GIB) == (
        MemRange(0x50000000, 0x50010000),
        MemRange(0x100000000, 0x100010000),
    )


def test_page_tables_are_known_by_about_their_size() -> None:
    """Memory that is not mapped needs none, and the kernel's text needs few: by pages it is all the same."""
    node = (0, GIB, 3 * GIB)
    text = boot("6.1", node)
    less = text.replace(f"{3 * GIB - 4 * MIB - 0x3000:#x}-", f"{3 * GIB - 4 * MIB + 0x3D000:#x}-")
    less = less.replace(f"-{3 * GIB - 4 * MIB - 1:#x}]", f"-{3 * GIB - 4 * MIB + 0x3FFFF:#x}]")
    assert less != text
    assert start_of(predict(less, "crashkernel=128M")) == 3 * GIB - (4 + 32 + 128) * MIB
