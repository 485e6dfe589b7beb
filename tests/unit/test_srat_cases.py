"""Random tables with RAM in their holes: always possible ones, and of the shape that was asked for."""

from random import Random

import pytest

from kexeckit.formats.srat import format_srat, parse_srat
from kexeckit.kernel.behaviour.nodes import NodeRules, node_rules
from kexeckit.kernel.boot.nodes import NodeLayout, node_layout
from kexeckit.lab.dev.srat_cases import SHAPES, SRAT_FORMS, SratMachine, random_srat_machine, random_srat_words
from kexeckit.machine.version import parse_kernel_version
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet

MIB = 1 << 20
OLD, NEW = NodeRules(), node_rules("x86_64", parse_kernel_version("7.2"))


def layout(machine: SratMachine, rules: NodeRules) -> NodeLayout | None:
    """Return what a kernel makes of a machine's table."""
    return node_layout(RangeSet(machine.ram), machine.affinities, rules)


def machines(shape: str) -> list[SratMachine]:
    """Draw some machines."""
    return [random_srat_machine(Random(seed), shape) for seed in range(150)]


@pytest.mark.parametrize("shape", sorted(set(SHAPES)))
def test_tables_are_possible(shape: str) -> None:
    """Node 0 comes first, there are at most five nodes, the bytes say the same, and a seed draws the same."""
    for seed, machine in enumerate(machines(shape)):
        assert machine == random_srat_machine(Random(seed), shape)
        assert machine.affinities[0].nid == 0
        assert machine.affinities[0].range.start == 0
        assert machine.affinities[0].range.size >= 24 * MIB
        assert {a.nid for a in machine.affinities} <= set(range(5))
        assert all(a.range.start % 4096 == a.range.end % 4096 == 0 for a in machine.affinities)
        assert parse_srat(machine.srat, "srat").memory == machine.affinities


@pytest.mark.parametrize("shape", ["within", "interleaved", "hotplug"])
def test_harmless_holes(shape: str) -> None:
    """All memory is on a node, and in most tables not all of it is named."""
    found = [(m, layout(m, OLD)) for m in machines(shape)]
    assert all(made and not made.lost for _, made in found)
    named = [RangeSet(m.ram) - RangeSet(a.range for a in m.affinities) for m, _ in found]
    assert sum(bool(rest) for rest in named) > len(named) // 2
    if shape == "hotplug":
        assert any(a.hotplug for m, _ in found for a in m.affinities)


def test_harmful_holes() -> None:
    """What is refused by all kernels, by old ones only, and by none."""
    assert all(layout(m, OLD) is None and layout(m, NEW) is None for m in machines("refused"))
    limit = [layout(m, NEW) for m in machines("limit")]
    assert all(made and made.lost.size == MIB for made in limit)
    assert all(layout(m, OLD) is None for m in machines("limit"))
    little = [layout(m, OLD) for m in machines("little")]
    assert all(made and 0 < made.lost.size < MIB for made in little)


def test_overlaps() -> None:
    """Most overlaps are between two nodes, which no kernel takes; some within one, which all do."""
    refused = [layout(m, OLD) is None for m in machines("overlap")]
    assert 0 < refused.count(False) < refused.count(True)


def test_words() -> None:
    """Each form asks for a reservation, now and then one that reaches over a border, and some for zones."""
    machine = random_srat_machine(Random(1), "within")
    for form in SRAT_FORMS:
        words = [random_srat_words(Random(seed), machine, form) for seed in range(40)]
        assert all(w[0].startswith("crashkernel=") for w in words)
        zones = any("core=" in x or x == "movable_node" for w in words for x in w)
        assert zones == (form in ("plain", "high", "zones", "movable_node"))


def test_entries_of_length_0() -> None:
    """They make a node and no memory."""
    found = parse_srat(format_srat([(0, MemRange(0, MIB), False)], empty=[(5, MIB)]), "srat")
    assert [a.nid for a in found.memory] == [0]
    assert found.nodes == (0, 1)
