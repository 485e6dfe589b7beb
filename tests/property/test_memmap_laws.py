"""`MemoryMap` and `ResourceTree` against a dictionary from address to kind or name over a toy space."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from formatters import covered
from kexeckit.memory.kind import RAM, RESERVED, MemoryKind
from kexeckit.memory.memmap import MemoryMap
from kexeckit.memory.rangeset import RangeSet
from kexeckit.memory.resource import Resource, ResourceTree
from strategies import KINDS, TOY, memory_maps, range_sets, resource_trees


def painted(found: MemoryMap) -> dict[int, MemoryKind]:
    """Address -> kind."""
    return {at: e.kind for e in found for at in range(e.start, e.end)}


def addresses(found: RangeSet) -> set[int]:
    """Every address."""
    return {at for r in found for at in range(r.start, r.end)}


@given(memory_maps(), range_sets())
def test_without_cuts_a_map(found: MemoryMap, cut: RangeSet) -> None:
    """What lies outside keeps its kind, and nothing else changes."""
    outside = painted(found.without(cut))
    held = addresses(cut)
    assert outside == {at: k for at, k in painted(found).items() if at not in held}


@given(memory_maps(), range_sets(), st.sampled_from(KINDS))
def test_painted_describes_the_ranges_and_keeps_the_rest(found: MemoryMap, over: RangeSet, kind: MemoryKind) -> None:
    """The new kind wins, also where nothing was described."""
    expected = painted(found) | dict.fromkeys(addresses(over), kind)
    assert painted(found.painted(over, kind)) == expected


@given(memory_maps())
def test_coalesced_keeps_every_address_and_is_idempotent(found: MemoryMap) -> None:
    """Touching entries of one kind become one; no address changes."""
    merged = found.coalesced()
    assert painted(merged) == painted(found)
    assert merged.coalesced() == merged
    pairs = zip(merged.entries, merged.entries[1:], strict=False)
    assert not any(a.end == b.start and a.kind == b.kind for a, b in pairs)


@given(memory_maps())
def test_views_by_kind_partition_the_map(found: MemoryMap) -> None:
    """ram() and of_kind() are what the addresses say."""
    held = painted(found)
    assert addresses(covered(found)) == set(held)
    assert addresses(found.ram()) == {at for at, k in held.items() if k == RAM}
    assert addresses(found.of_kind(*KINDS)) == set(held)


@given(memory_maps())
def test_retyped_changes_kinds_and_nothing_else(found: MemoryMap) -> None:
    """Entry by entry."""
    changed = found.retyped(lambda kind: RESERVED if kind == RAM else kind)
    assert painted(changed) == {at: RESERVED if k == RAM else k for at, k in painted(found).items()}
    assert len(changed) == len(found)


@given(memory_maps())
def test_of_sorts_any_order(found: MemoryMap) -> None:
    """Reversed entries make the same map."""
    assert MemoryMap.of(reversed(found.entries)) == found


def _innermost(tree: ResourceTree) -> dict[int, str]:
    # The deepest resource over each address, by walking down from the roots.
    out: dict[int, str] = {}

    def paint(node: Resource) -> None:
        out.update(dict.fromkeys(range(node.range.start, node.range.end), node.name))
        for child in node.children:
            paint(child)

    for root in tree.roots:
        paint(root)
    return out


@given(resource_trees())
def test_flatten_gives_each_address_its_innermost_name(tree: ResourceTree) -> None:
    """Sorted, disjoint, and the same as painting parents before children."""
    flat = tree.flatten()
    assert {at: name for r, name in flat for at in range(r.start, r.end)} == _innermost(tree)
    assert all(a.end <= b.start for (a, _), (b, _) in itertools.pairwise(flat))


@given(resource_trees())
def test_ram_is_the_top_level_with_all_that_lies_in_it(tree: ResourceTree) -> None:
    """A crash kernel inside System RAM is RAM; a nested System RAM below something else is not."""
    expected = {at for r in tree.roots if r.name == "System RAM" for at in range(r.range.start, r.range.end)}
    assert addresses(tree.ram()) == expected


@given(resource_trees())
def test_ranges_and_crash_regions_find_names_at_any_depth(tree: ResourceTree) -> None:
    """Every resource of the name, lowest first for crash regions."""
    named = [r for _, r in tree.walk() if r.name == "Crash kernel"]
    assert sorted(r.range for r in named) == list(tree.crash_regions())
    assert addresses(tree.ranges("Crash kernel")) == {at for r in named for at in range(r.range.start, r.range.end)}


@given(resource_trees())
def test_walk_visits_in_file_order_with_depth(tree: ResourceTree) -> None:
    """A child comes after its parent, one deeper."""
    seen = list(tree.walk())
    assert sum(1 for depth, _ in seen if depth == 0) == len(tree.roots)
    for (before, _), (depth, _) in itertools.pairwise(seen):
        assert depth <= before + 1
    assert all(r.range.end <= TOY for _, r in seen)
