"""Starts of ZONE_MOVABLE, on machines whose zones real kernels showed."""

import pytest

from kexeckit.kernel.behaviour.zones import zone_behaviour_of
from kexeckit.kernel.boot.memblock import Region
from kexeckit.kernel.zones.limits import ArchFacts
from kexeckit.kernel.zones.machine import ZoneMachine
from kexeckit.kernel.zones.movable import IN_KDUMP, NO_MIRROR, UNMIRRORED, block_pages
from kexeckit.kernel.zones.parameters import parse_zone_parameters
from kexeckit.kernel.zones.predict import ZonePrediction, predict_zones
from kexeckit.machine.version import parse_kernel_version
from kexeckit.memory.range import MemRange

GIB = 1 << 30
# 3 GiB on node 0 below 4 GiB, 1 GiB on node 1 from 4 GiB on.
TWO_NODES = (
    Region(MemRange(0x1000, 0x9F000), 0),
    Region(MemRange(0x100000, 0xBFFE0000), 0),
    Region(MemRange(4 * GIB, 5 * GIB), 1),
)


def predict(
    words: str, version: str = "6.12", regions: tuple[Region, ...] = TWO_NODES, *, kdump: bool = False
) -> ZonePrediction:
    """Predict the zones of a machine of these regions."""
    end = regions[-1].range.end
    machine = ZoneMachine(ArchFacts("x86_64", 0x1000, end, end), regions, kdump=kdump)
    return predict_zones(machine, parse_zone_parameters(words), zone_behaviour_of(parse_kernel_version(version)))


def starts(prediction: ZonePrediction) -> dict[int, int]:
    """Return the movable starts by node, in bytes."""
    return {n.nid: n.movable_start for n in prediction.nodes if n.movable_start is not None}


def zones(prediction: ZonePrediction, nid: int) -> dict[str, tuple[int, int, int]]:
    """Return (start_pfn, spanned, present) of a node's zones."""
    node = next(n for n in prediction.nodes if n.nid == nid)
    return {z.zone: (z.start_pfn, z.spanned, z.present) for z in node.zones}


def test_without_words() -> None:
    """The zones of the machine as /proc/zoneinfo showed them."""
    found = predict("")
    assert zones(found, 0) == {"DMA": (1, 4095, 3998), "DMA32": (4096, 782304, 782304)}
    assert zones(found, 1) == {"Normal": (1048576, 262144, 262144)}


def test_movablecore() -> None:
    """300 MiB of movable memory fit on node 1 and leave the rest of it Normal."""
    found = predict("movablecore=300M")
    assert zones(found, 1) == {"Normal": (1048576, 185344, 185344), "Movable": (1233920, 76800, 76800)}
    assert starts(found) == {1: 0x12D400000}


@pytest.mark.parametrize("words", ["kernelcore=1G", "kernelcore=50%", "movablecore=1G"])
def test_low_memory_satisfies_kernelcore(words: str) -> None:
    """Memory below the highest zone counts for the kernel, so all of node 1 becomes movable."""
    found = predict(words)
    assert zones(found, 1) == {"Movable": (1048576, 262144, 262144)}
    assert 0 not in starts(found)


def test_mirror_on_a_machine_without() -> None:
    """Up to 6.5 everything above 4 GiB becomes movable; from 6.6 on the word is ignored, with a message."""
    old, new = predict("kernelcore=mirror", "6.1"), predict("kernelcore=mirror", "6.6")
    assert starts(old) == {1: 4 * GIB}
    assert UNMIRRORED in old.warnings
    assert starts(new) == {}
    assert new.warnings == (NO_MIRROR,)


def test_why_movable_memory_begins_where_it_does() -> None:
    """At memory that is not mirrored, or, with none mirrored and an old kernel, at 4 GiB."""
    mirrored = (*TWO_NODES[:2], Region(MemRange(4 * GIB, 5 * GIB), 1, mirror=True))
    [some] = [r.text for r in predict("kernelcore=mirror", "6.1", mirrored).reasons if r.about == "movable"]
    assert some.startswith("kernelcore=mirror: ZONE_MOVABLE begins at a node's lowest memory")
    [none] = [r.text for r in predict("kernelcore=mirror", "6.1").reasons if r.about == "movable"]
    assert none.startswith("no memory is mirrored, and this kernel makes all memory at or above 4 GiB movable")


def test_mirror_in_a_kdump_kernel() -> None:
    """From 6.8 on, and in late 6.6, a kernel that runs after a crash ignores the word."""
    mirrored = (
        *TWO_NODES[:2],
        Region(MemRange(4 * GIB, 5 * GIB), 1, mirror=True),
        Region(MemRange(5 * GIB, 6 * GIB), 1),
    )
    assert starts(predict("kernelcore=mirror", "6.7", mirrored, kdump=True)) == {1: 5 * GIB}
    found = predict("kernelcore=mirror", "6.6.30", mirrored, kdump=True)
    assert starts(found) == {}
    assert IN_KDUMP in found.warnings


def test_mirror_beats_sizes_and_movable_node_beats_both() -> None:
    """Words that cancel each other do it silently in the kernel, so we say it."""
    mirrored = (*TWO_NODES[:2], Region(MemRange(4 * GIB, 5 * GIB), 1, mirror=True, hotplug=True))
    found = predict("kernelcore=mirror movablecore=50%", regions=mirrored)
    assert starts(found) == {}
    assert any("ignore the sizes" in w for w in found.warnings)
    found = predict("movable_node kernelcore=mirror", regions=mirrored)
    assert starts(found) == {1: 4 * GIB}
    assert any("ignore kernelcore= and movablecore=" in w for w in found.warnings)


def test_first_plain_memory_at_the_node_start_empties_normal() -> None:
    """Where a node begins with unmirrored memory, ZONE_NORMAL is gone and its mirrored memory is in no zone."""
    regions = (
        *TWO_NODES[:2],
        Region(MemRange(4 * GIB, 5 * GIB), 1),
        Region(MemRange(5 * GIB, 6 * GIB), 1, mirror=True),
    )
    found = predict("kernelcore=mirror", regions=regions)
    assert zones(found, 1) == {"Movable": (1048576, 524288, 262144)}
    assert any(f"node 1: {GIB} bytes of mirrored memory are in no zone" in w for w in found.warnings)


def test_movable_node_on_several_regions() -> None:
    """The lowest hot-pluggable region of a node counts, also below 4 GiB."""
    regions = (
        Region(MemRange(0x1000, GIB), 0),
        Region(MemRange(2 * GIB, 3 * GIB), 1, hotplug=True),
        Region(MemRange(4 * GIB, 5 * GIB), 1, hotplug=True),
    )
    found = predict("movable_node", regions=regions)
    assert starts(found) == {1: 2 * GIB}
    assert zones(found, 1) == {"Movable": (524288, 786432, 524288)}


@pytest.mark.parametrize(
    ("words", "text"),
    [("kernelcore=100%", "kernelcore covers all memory"), ("movablecore=100%", "no kernel memory is asked for")],
)
def test_extremes_make_no_movable_zone(words: str, text: str) -> None:
    """All or nothing leaves no ZONE_MOVABLE, and the kernel does not say so."""
    found = predict(words)
    assert starts(found) == {}
    assert any(text in w for w in found.warnings)


def test_both_words() -> None:
    """With both words the one that leaves the kernel more counts, and the answer says which."""
    small = predict("kernelcore=10% movablecore=300M")
    assert starts(small) == starts(predict("movablecore=300M"))
    assert "only movablecore= counts" in small.warnings[0]
    large = predict("kernelcore=90% movablecore=1G")
    assert starts(large) == starts(predict("kernelcore=90%"))
    assert "only kernelcore= counts" in large.warnings[0]


def test_shares_are_equal_not_proportional() -> None:
    """A small node is filled first, the rest of its share goes to the others in another round."""
    regions = (
        Region(MemRange(0x1000, 16 << 20), 0),
        Region(MemRange(4 * GIB, 5 * GIB), 0),
        Region(MemRange(5 * GIB, 5 * GIB + (256 << 20)), 1),
        Region(MemRange(6 * GIB, 8 * GIB), 2),
    )
    # 1.5 GiB: 512 MiB each; node 1 has only 256 MiB, the other half of its share goes on in rounds.
    found = starts(predict("kernelcore=1536M", regions=regions))
    assert 1 not in found
    assert set(found) == {0, 2}
    kernel = (found[0] - 4 * GIB) + (16 << 20) + (256 << 20) + (found[2] - 6 * GIB)
    assert abs(kernel - (1536 << 20)) <= 8 << 20


def test_blocks_by_page_size() -> None:
    """The largest buddy block has 4 MiB with 4 KiB pages, and other sizes elsewhere."""
    assert block_pages("x86_64", 4096) == 1024
    assert block_pages("arm64", 16384) == 2048
    assert block_pages("arm64", 65536) == 8192
    assert block_pages("ppc64", 65536) == 256


def test_wrapped_count_is_said() -> None:
    """Interleaved nodes with kernelcore=mirror count absent pages twice; the kernel's number wraps, and we say so."""
    regions = (
        Region(MemRange(4 * GIB, 5 * GIB), 0, mirror=True),
        Region(MemRange(5 * GIB, 8 * GIB), 1),
        Region(MemRange(8 * GIB, 9 * GIB), 0),
    )
    found = predict("kernelcore=mirror", regions=regions)
    assert zones(found, 0)["Normal"] == (1048576, 1310720, (1 << 64) - 2 * 262144)
    assert any("wraps" in w for w in found.warnings)
