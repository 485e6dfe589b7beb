"""Predicted zones against a slow second opinion, and laws that hold for every machine."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from kexeckit.kernel.behaviour.zones import zone_behaviour_of
from kexeckit.kernel.boot.memblock import Region
from kexeckit.kernel.zones.limits import ArchFacts, zone_limits
from kexeckit.kernel.zones.machine import ZoneMachine
from kexeckit.kernel.zones.movable import spread
from kexeckit.kernel.zones.parameters import CoreSize, ZoneParameters
from kexeckit.kernel.zones.predict import ZonePrediction, predict_zones
from kexeckit.machine.version import parse_kernel_version
from kexeckit.memory.pages import PageIntervals
from kexeckit.memory.range import MemRange
from zone_oracle import Region as PlainRegion
from zone_oracle import Words, Zones, shares, zones

PAGE = 4096
# The border at 4 GiB stays where it is; memory is a few thousand pages on either side of it.
BASES = (0x1000 // PAGE, 0xFF000, 0x100000, 0x101000)
NEW = zone_behaviour_of(parse_kernel_version("6.12"))


@st.composite
def region_lists(draw: st.DrawFn) -> list[PlainRegion]:
    """Sorted, disjoint regions on up to four nodes, some mirrored, some hot-pluggable."""
    out: list[PlainRegion] = []
    at = draw(st.sampled_from(BASES))
    for _ in range(draw(st.integers(1, 7))):
        at += draw(st.sampled_from((0, 1, 700, 1024, 0x100000)))
        size = draw(st.sampled_from((1, 5, 1000, 1024, 1500, 4096)))
        out.append((at, at + size, draw(st.integers(0, 3)), draw(st.booleans()), draw(st.booleans())))
        at += size
    return out


words_strategy = st.builds(
    Words,
    core=st.integers(0, 20000),
    core_percent=st.sampled_from((0, 0, 1, 30, 50, 99, 100, 130)),
    movable=st.sampled_from((0, 0, 1, 1024, 3000, 9000, 30000)),
    movable_percent=st.sampled_from((0, 0, 10, 60, 100)),
    mirror=st.booleans(),
    movable_node=st.sampled_from((False, False, True)),
)


def machine_of(regions: list[PlainRegion]) -> ZoneMachine:
    """Return the same machine for the code under test."""
    made = tuple(Region(MemRange(s * PAGE, e * PAGE), n, mirror=m, hotplug=h) for s, e, n, m, h in regions)
    end = regions[-1][1] * PAGE
    return ZoneMachine(ArchFacts("x86_64", regions[0][0] * PAGE, end, end), made)


def parameters_of(words: Words) -> ZoneParameters:
    """Return the same words for the code under test."""
    return ZoneParameters(
        CoreSize(words.core * PAGE, words.core_percent),
        CoreSize(words.movable * PAGE, words.movable_percent),
        mirror=words.mirror,
        movable_node=words.movable_node,
    )


def predicted(regions: list[PlainRegion], words: Words) -> ZonePrediction:
    """Run the code under test."""
    return predict_zones(machine_of(regions), parameters_of(words), NEW)


def as_plain(prediction: ZonePrediction) -> Zones:
    """Return a prediction in the oracle's terms."""
    starts = {n.nid: n.movable_start // PAGE for n in prediction.nodes if n.movable_start is not None}
    found = {(n.nid, z.zone): (z.start_pfn, z.spanned, z.present) for n in prediction.nodes for z in n.zones}
    return Zones(starts, found)


@given(region_lists(), words_strategy)
def test_equals_the_slow_way(regions: list[PlainRegion], words: Words) -> None:
    """Every start, span and count is that of the page-by-page second opinion."""
    limits = zone_limits(machine_of(regions).facts, NEW)
    assert limits is not None
    slow = zones(regions, [(z.zone, z.start_pfn, z.end_pfn) for z in limits], words)
    assert as_plain(predicted(regions, words)) == slow


@st.composite
def few_pages(draw: st.DrawFn) -> dict[int, list[tuple[int, int]]]:
    """Up to four nodes of some pages each, with holes; nodes may lie between each other's parts."""
    out: dict[int, list[tuple[int, int]]] = {}
    at = 0
    for _ in range(draw(st.integers(1, 9))):
        at += draw(st.integers(0, 3))
        size = draw(st.integers(1, 9))
        out.setdefault(draw(st.integers(0, 3)), []).append((at, at + size))
        at += size
    return dict(sorted(out.items()))


@given(few_pages(), st.integers(1, 60), st.integers(0, 40))
def test_shares_of_kernel_memory_to_the_page(nodes: dict[int, list[tuple[int, int]]], core: int, floor: int) -> None:
    """Round by round, before the ends are rounded up to a block."""
    pages = {nid: {page for start, end in own for page in range(start, end)} for nid, own in nodes.items()}
    found = spread(core, {nid: PageIntervals(own) for nid, own in nodes.items()}, floor)
    assert found == shares(core, pages, floor)


@given(region_lists(), words_strategy)
def test_without_mirror_each_page_is_in_one_zone(regions: list[PlainRegion], words: Words) -> None:
    """Without kernelcore=mirror the present pages of a node's zones add up to its memory, and zones do not overlap."""
    words.mirror = False
    for node in predicted(regions, words).nodes:
        assert sum(z.present for z in node.zones) == node.pages
        ordered = sorted(node.zones, key=lambda z: z.start_pfn)
        assert all(a.end_pfn <= b.start_pfn for a, b in pairwise(ordered))


@given(region_lists(), st.integers(1, 20000))
def test_the_kernel_gets_at_least_what_it_asks_for(regions: list[PlainRegion], size: int) -> None:
    """With kernelcore= the pages that are not movable are at least those asked for, but for one page per node."""
    found = predicted(regions, Words(core=size))
    kernel = sum(z.present for n in found.nodes for z in n.zones if z.zone != "Movable")
    assert kernel >= min(size, sum(n.pages for n in found.nodes)) - len(found.nodes)


@given(region_lists(), words_strategy)
def test_movable_begins_at_a_block(regions: list[PlainRegion], words: Words) -> None:
    """ZONE_MOVABLE begins at a multiple of the largest buddy block, below the end of its node."""
    ends = {node: max(r[1] for r in regions if r[2] == node) for node in {r[2] for r in regions}}
    for node, start in as_plain(predicted(regions, words)).starts.items():
        assert start % 1024 == 0
        assert start < ends[node]
