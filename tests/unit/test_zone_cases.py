"""Random machines of the lab's campaigns: always possible ones."""

from random import Random

import pytest

from kexeckit.formats.efi_memory_map import mirrored_memory, parse_efi_memory_map
from kexeckit.formats.srat import parse_srat
from kexeckit.lab.dev.mirror_cases import mirror_cases, raw_efi_map
from kexeckit.lab.dev.zone_cases import FORMS, random_machine, random_words
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet

MIB = 1 << 20


@pytest.mark.parametrize("arch", ["x86_64", "arm64"])
def test_machines_can_start(arch: str) -> None:
    """A kernel fits below 4 GiB on the first node, and a SRAT of our own covers all memory."""
    random = Random(3)
    for _ in range(200):
        machine = random_machine(random, arch)
        assert machine.nodes[0].memory >= 512 * MIB
        assert 512 * MIB <= machine.below_4g <= machine.memory
        if machine.srat:
            affinities = parse_srat(machine.srat, "srat").memory
            assert sum(a.range.size for a in affinities) == machine.memory


def test_equal_seeds_draw_equal_cases() -> None:
    """A campaign can be repeated."""
    drawn = [
        [random_words(r, random_machine(r, "x86_64"), form) for form in FORMS]
        for r in (Random(5), Random(5), Random(6))
    ]
    assert drawn[0] == drawn[1] != drawn[2]


def test_forms_have_their_words() -> None:
    """Each form of the parameters stands in the words drawn for it; holes come with it now and then."""
    random = Random(1)
    machine = random_machine(random, "x86_64")
    for form in FORMS:
        words = [w for w in random_words(random, machine, form) if not w.startswith(("mem=", "memmap="))]
        assert bool(words) == (form != "none")
        if form in ("kernelcore", "movablecore", "movable_node"):
            assert words[0].startswith(form)


def test_mirror_cases_lie_in_memory() -> None:
    """What is mirrored is a set of whole pages, and the first case is the mailing-list machine."""
    cases = mirror_cases(30, 1)
    assert "thread" in cases[0].name
    assert len(cases[0].machine.nodes) == 2
    assert all(r.start % 4096 == r.end % 4096 == 0 for c in cases for r in c.mirrored)
    assert len({c.name for c in cases}) >= 5


def test_raw_map_covers_all_memory() -> None:
    """Each page of RAM is in the map once, mirrored or not."""
    memory = RangeSet((MemRange(0, 0x9FC00), MemRange(0x100000, 0x4000000)))
    mirrored = RangeSet((MemRange(0x200000, 0x201000), MemRange(0x3000000, 0x9000000)))
    found = parse_efi_memory_map(raw_efi_map(memory, mirrored), "map")
    assert mirrored_memory(found) == memory & mirrored
    assert sum(d.pages for d in found) * 4096 == memory.aligned_inwards(4096).size
