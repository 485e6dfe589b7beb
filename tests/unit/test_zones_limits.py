"""Machine-wide limits of zones by architecture and age."""

import pytest

from kexeckit.kernel.behaviour.zones import zone_behaviour_of
from kexeckit.kernel.zones.limits import ArchFacts, zone_limits
from kexeckit.machine.version import parse_kernel_version

GIB = 1 << 30
MIB = 1 << 20


def limits(version: str, facts: ArchFacts) -> dict[str, tuple[int, int]]:
    """Return the limits that are not empty, in bytes."""
    found = zone_limits(facts, zone_behaviour_of(parse_kernel_version(version)))
    assert found is not None
    return {z.zone: (z.start_pfn * facts.page_size, z.end_pfn * facts.page_size) for z in found if not z.empty}


def test_x86_64() -> None:
    """DMA to 16 MiB, DMA32 to 4 GiB, Normal to the top."""
    facts = ArchFacts("x86_64", 0x1000, 5 * GIB, 5 * GIB)
    expected = {"DMA": (0x1000, 16 * MIB), "DMA32": (16 * MIB, 4 * GIB), "Normal": (4 * GIB, 5 * GIB)}
    assert limits("6.12", facts) == expected


def test_x86_64_small() -> None:
    """Without memory above 4 GiB, DMA32 ends at the top from 3.19 on; before, it is printed up to 4 GiB."""
    facts = ArchFacts("x86_64", 0x1000, GIB, GIB)
    assert limits("3.19", facts)["DMA32"] == (16 * MIB, GIB)
    assert limits("3.18", facts)["DMA32"] == (16 * MIB, 4 * GIB)
    assert "Normal" not in limits("3.18", facts)


def test_x86_64_without_zone_dma() -> None:
    """Built without ZONE_DMA, DMA32 begins at the bottom."""
    facts = ArchFacts("x86_64", 0x1000, 5 * GIB, 5 * GIB, zone_dma=False)
    assert limits("6.12", facts) == {"DMA32": (0x1000, 4 * GIB), "Normal": (4 * GIB, 5 * GIB)}


def test_i386_needs_the_end_of_low_memory() -> None:
    """The split of Normal and HighMem comes from the source; without it there is no answer."""
    facts = ArchFacts("i386", 0x1000, GIB, GIB, low_end=0x375FE000)
    assert limits("6.1", facts)["HighMem"] == (0x375FE000, GIB)
    behaviour = zone_behaviour_of(parse_kernel_version("6.1"))
    assert zone_limits(ArchFacts("i386", 0x1000, GIB, GIB), behaviour) is None


@pytest.mark.parametrize(
    ("version", "start", "end", "dma_limit", "expected"),
    [
        ("5.4", 0, 5 * GIB, None, {"DMA32": (0, 4 * GIB), "Normal": (4 * GIB, 5 * GIB)}),
        ("5.4", 0x40000000, 3 * GIB, None, {"DMA32": (GIB, 3 * GIB)}),
        ("5.7", 0x48000000, 3 * GIB, None, {"DMA": (0x48000000, 2 * GIB), "DMA32": (2 * GIB, 3 * GIB)}),
        ("5.11", GIB, 5 * GIB, None, {"DMA": (GIB, 4 * GIB), "Normal": (4 * GIB, 5 * GIB)}),
        ("6.12", GIB, 5 * GIB, None, {"DMA": (GIB, 4 * GIB), "Normal": (4 * GIB, 5 * GIB)}),
        ("6.1", 0, 5 * GIB, GIB - 1, {"DMA": (0, GIB), "DMA32": (GIB, 4 * GIB), "Normal": (4 * GIB, 5 * GIB)}),
        ("6.12", 0, 5 * GIB, GIB - 1, {"DMA": (0, GIB), "DMA32": (GIB, 4 * GIB), "Normal": (4 * GIB, 5 * GIB)}),
        ("6.1", 8 * GIB, 9 * GIB, None, {"DMA": (8 * GIB, 9 * GIB)}),
        ("6.12", 8 * GIB, 9 * GIB, None, {"DMA": (8 * GIB, 9 * GIB)}),
        ("6.1", 2 * GIB, 3 * GIB, GIB - 1, {"DMA": (2 * GIB, 3 * GIB)}),
        ("6.12", 2 * GIB, 3 * GIB, GIB - 1, {"DMA32": (2 * GIB, 3 * GIB)}),
        ("6.1", 0, 5 * GIB, 3 * GIB - 1, {"DMA": (0, 4 * GIB), "Normal": (4 * GIB, 5 * GIB)}),
        (
            "6.12",
            0,
            5 * GIB,
            3 * GIB - 1,
            {"DMA": (0, 3 * GIB), "DMA32": (3 * GIB, 4 * GIB), "Normal": (4 * GIB, 5 * GIB)},
        ),
    ],
)
def test_arm64(version: str, start: int, end: int, dma_limit: int | None, expected: dict[str, tuple[int, int]]) -> None:
    """arm64's DMA zones by version, place of memory and limit of the firmware."""
    assert limits(version, ArchFacts("arm64", start, end, end, dma_limit=dma_limit)) == expected


def test_ppc64_and_riscv64() -> None:
    """ppc64 servers have one zone, embedded ones DMA below 2 GiB; riscv64 has DMA32 below 4 GiB."""
    assert limits("6.1", ArchFacts("ppc64", 0, 8 * GIB, 8 * GIB, 65536)) == {"Normal": (0, 8 * GIB)}
    embedded = ArchFacts("ppc64", 0, 8 * GIB, 8 * GIB, zone_dma=True)
    assert limits("5.3", embedded) == {"DMA": (0, 2 * GIB), "Normal": (2 * GIB, 8 * GIB)}
    before = 2 * GIB - embedded.page_size
    assert limits("5.2", embedded) == {"DMA": (0, before), "Normal": (before, 8 * GIB)}
    riscv = ArchFacts("riscv64", 2 * GIB, 6 * GIB, 6 * GIB)
    assert limits("6.1", riscv) == {"DMA32": (2 * GIB, 4 * GIB), "Normal": (4 * GIB, 6 * GIB)}


def test_s390x_and_loongarch64() -> None:
    """s390x has DMA to 2 GiB and loongarch64 DMA32 to 4 GiB, also where memory ends before."""
    assert limits("6.12", ArchFacts("s390x", 0, GIB, GIB)) == {"DMA": (0, 2 * GIB)}
    loongarch = ArchFacts("loongarch64", 0, 8 * GIB, 8 * GIB, 16384)
    assert limits("6.12", loongarch) == {"DMA32": (0, 4 * GIB), "Normal": (4 * GIB, 8 * GIB)}


def test_an_unknown_architecture_has_no_answer() -> None:
    """What is not known is not guessed."""
    assert zone_limits(ArchFacts("mips", 0, GIB, GIB), zone_behaviour_of(parse_kernel_version("6.1"))) is None


@pytest.mark.parametrize(
    ("version", "start", "dma_limit", "ends"),
    [
        # Up to 5.10: windows of 1 and 4 GiB, wherever memory begins.
        ("5.4", 9, None, [12, 14]),
        ("5.7", 9, None, [10, 12, 14]),
        # 5.10.22 to 5.10.46: the firmware's limit makes the window of ZONE_DMA smaller than 4 GiB.
        ("5.10.30", 0, None, [4, 4, 14]),
        ("5.10.30", 9, None, [12, 12, 14]),
        ("5.10.30", 9, GIB - 1, [10, 12, 14]),
        ("5.10.30", 0, GIB - 1, [1, 4, 14]),
        ("5.10.30", 0, GIB, [2, 4, 14]),
        ("5.10.30", 0, (1 << 33) - 1, [4, 4, 14]),
        # 5.11 to 6.11: as many bits as the firmware's limit has, 32 at most, unless memory begins above.
        ("6.1", 0, GIB, [2, 4, 14]),
        ("6.1", 0, GIB - 1, [1, 4, 14]),
        ("6.1", 0, 1 << 33, [4, 4, 14]),
        ("6.1", 0, (1 << 33) - 1, [4, 4, 14]),
        ("6.1", 1, GIB - 1, [4, 4, 14]),
        ("6.1", 4, None, [14, 14, 14]),
        ("6.1", 3, None, [4, 4, 14]),
        # Since 6.12: the limit itself, below 4 GiB where memory begins there.
        ("6.12", 0, GIB, [1, 4, 14]),
        ("6.12", 0, 1 << 33, [4, 4, 14]),
        ("6.12", 3, None, [4, 4, 14]),
        ("6.12", 4, None, [14, 14, 14]),
        ("6.12", 4, 8 * GIB - 1, [8, 8, 14]),
    ],
)
def test_ends_of_arm64s_zones(version: str, start: int, dma_limit: int | None, ends: list[int]) -> None:
    """Of memory from so many GiB to 14 GiB: DMA where the kernel has it, DMA32, Normal.

    Source: arch/arm64/mm/init.c, zone_sizes_init(), max_zone_phys(), zone_dma_bits.
    """
    facts = ArchFacts("arm64", start * GIB, 14 * GIB, 14 * GIB, dma_limit=dma_limit)
    found = zone_limits(facts, zone_behaviour_of(parse_kernel_version(version)))
    assert found is not None
    assert [z.end_pfn * 4096 // GIB for z in found] == ends


def test_i386_has_dma_to_16_mib() -> None:
    """Unless it is built without; low memory that ends before that is the limit since 3.19."""
    low = 0x375FE000
    assert limits("6.1", ArchFacts("i386", 0x1000, GIB, GIB, low_end=low))["DMA"] == (0x1000, 16 * MIB)
    assert "DMA" not in limits("6.1", ArchFacts("i386", 0x1000, GIB, GIB, low_end=low, zone_dma=False))
    assert limits("6.1", ArchFacts("i386", 0x1000, 8 * MIB, 8 * MIB, low_end=8 * MIB)) == {"DMA": (0x1000, 8 * MIB)}
    assert limits("3.18", ArchFacts("i386", 0x1000, 8 * MIB, 8 * MIB, low_end=8 * MIB)) == {"DMA": (0x1000, 16 * MIB)}


def test_pages_of_64_kib() -> None:
    """Limits are in page frames, whatever their size; ppc64's embedded kernels have DMA to 2 GiB."""
    facts = ArchFacts("ppc64", 0, 8 * GIB, 8 * GIB, 65536, zone_dma=True)
    found = zone_limits(facts, zone_behaviour_of(parse_kernel_version("6.1")))
    assert found is not None
    assert [(z.zone, z.start_pfn, z.end_pfn) for z in found] == [("DMA", 0, 1 << 15), ("Normal", 1 << 15, 1 << 17)]
