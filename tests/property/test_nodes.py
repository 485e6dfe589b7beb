"""Nodes of memory, beside a model that goes page by page."""

from dataclasses import replace
from itertools import pairwise

from hypothesis import assume, given
from hypothesis import strategies as st

import node_oracle
from kexeckit.formats.srat import MemoryAffinity
from kexeckit.kernel.behaviour.nodes import ANY_AMOUNT, NodeRules
from kexeckit.kernel.boot.nodes import memblock_with_nodes
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet
from strategies import range_lists, range_sets

# Four pages are a MiB, so that a few of them are on each side of the kernel's limit.
PAGE = 1 << 18
LIMIT = 48

SLACKS = st.sampled_from((0, 4 * PAGE - 1, 4 * PAGE, ANY_AMOUNT))


@st.composite
def affinities(draw: st.DrawFn) -> list[node_oracle.Affinity]:
    """Ranges of up to four nodes in any order; some overlap, some hold no memory."""
    found = draw(range_lists(LIMIT))
    return [(draw(st.integers(0, 3)), r.start, r.end, draw(st.booleans())) for r in found]


@st.composite
def disjoint_affinities(draw: st.DrawFn) -> list[node_oracle.Affinity]:
    """Ranges that do not overlap, in any order, with holes between them."""
    cuts = sorted(draw(st.sets(st.integers(0, LIMIT + 8), min_size=2, max_size=12)))
    found = [(draw(st.integers(0, 2)), a, b, draw(st.booleans())) for a, b in pairwise(cuts)]
    return draw(st.permutations([f for f in found if draw(st.integers(0, 3))]))


def scaled(ranges: RangeSet) -> RangeSet:
    """Return the same in bytes."""
    return RangeSet(MemRange(r.start * PAGE, r.end * PAGE) for r in ranges)


def pages(ranges: RangeSet) -> set[int]:
    """Return the same one by one."""
    return {p for r in ranges for p in range(r.start, r.end)}


def ours(
    memory: RangeSet, claims: list[node_oracle.Affinity], rules: NodeRules, reserved: RangeSet
) -> list[node_oracle.Run] | None:
    """Return what the code under test says, in pages."""
    table = [MemoryAffinity(n, MemRange(a * PAGE, b * PAGE), hotplug=hot) for n, a, b, hot in claims]
    found = memblock_with_nodes(scaled(memory), table, rules, scaled(reserved))
    if found is None:
        return None
    return [(r.range.start // PAGE, r.range.end // PAGE, r.node, r.hotplug) for r in found]


def theirs(
    memory: RangeSet, claims: list[node_oracle.Affinity], rules: NodeRules, reserved: RangeSet
) -> list[node_oracle.Run] | None:
    """Return what the model says."""
    own = pages(memory)
    owner = node_oracle.painted(claims) if rules.last_counts else node_oracle.closed(own, claims)
    if owner is None or sum(1 for p in own if p not in owner) * PAGE > rules.slack:
        return None
    return node_oracle.runs(own, claims, owner, pages(reserved) if rules.clears_hotplug else None)


@given(range_sets(LIMIT), st.one_of(affinities(), disjoint_affinities()), SLACKS, st.booleans(), range_sets(LIMIT + 8))
def test_joined_ranges(
    memory: RangeSet,
    claims: list[node_oracle.Affinity],
    slack: int,
    clears: bool,
    reserved: RangeSet,
) -> None:
    """Regions, marks and refusals where holes of a node are closed."""
    assume(memory)
    rules = NodeRules(slack=slack, clears_hotplug=clears)
    assert ours(memory, claims, rules, reserved) == theirs(memory, claims, rules, reserved)


@given(range_sets(LIMIT), affinities(), SLACKS)
def test_ranges_in_their_order(memory: RangeSet, claims: list[node_oracle.Affinity], slack: int) -> None:
    """The same where the last range that names an address counts."""
    assume(memory)
    rules = replace(NodeRules(last_counts=True, clears_hotplug=False), slack=slack)
    none = RangeSet()
    assert ours(memory, claims, rules, none) == theirs(memory, claims, rules, none)
