"""The limits of zones on the whole machine, before anything is cut for ZONE_MOVABLE.

Each architecture gives an upper limit per zone; a zone begins where the one before it ends, the first one at the
lowest page of memory:

    x86_64   | DMA | DMA32 (to 4 GiB)        |  Normal (to the top) |
             ^lowest page  ^16 MiB           ^4 GiB                 ^top
    arm64    | DMA (to 4 GiB, or what firmware says) | DMA32 | Normal |

Source: arch/*/mm/init.c, zone_sizes_init() (arch_zone_limits_init() from 7.0); mm/mm_init.c, free_area_init().
"""

from kexeckit.frozen import dataclass
from kexeckit.kernel.behaviour.zones import (
    ARM64_FIRMWARE_BITS,
    ARM64_FIRMWARE_WINDOW,
    ARM64_FIRST_GIB,
    ARM64_NO_DMA,
    ZoneBehaviour,
)
from kexeckit.memory.units import GIB, MIB, align_down

DMA, DMA32, NORMAL, HIGHMEM, MOVABLE = "DMA", "DMA32", "Normal", "HighMem", "Movable"

_FOUR_GIB = 4 * GIB


@dataclass(frozen=True, slots=True)
class ZoneLimit:
    """The limits of one zone on the whole machine.

    Attributes:
        zone: Its name, as the kernel prints it.
        start_pfn: Lowest page frame that can belong to it.
        end_pfn: Page frame after the highest one; equal to `start_pfn` for an empty zone.
    """

    zone: str
    start_pfn: int
    end_pfn: int

    @property
    def empty(self) -> bool:
        """Say whether no page can be in the zone."""
        return self.start_pfn == self.end_pfn


@dataclass(frozen=True, slots=True)
class ArchFacts:
    """What the limits of zones depend on, beside the memory itself.

    Attributes:
        arch: The kernel's name of it: ``x86_64``, ``i386``, ``arm64``, ``ppc64``,
            ``riscv64``, ``s390x``, ``loongarch64``.
        start: Lowest address of memory, in bytes.
        end: Address after the highest memory, in bytes (memblock_end_of_DRAM()).
        top: Address after the highest page that the kernel counts (max_pfn); on x86 it can lie above `end`.
        page_size: Bytes of a page.
        zone_dma: The kernel is built with ZONE_DMA; None where that is not known.
        low_end: i386: address after the directly mapped memory; None where that is not known.
        dma_limit: arm64: highest address that all devices reach (device tree or IORT), inclusive; None for no limit.
    """

    arch: str
    start: int
    end: int
    top: int
    page_size: int = 4096
    zone_dma: bool | None = None
    low_end: int | None = None
    dma_limit: int | None = None


def zone_limits(facts: ArchFacts, behaviour: ZoneBehaviour) -> tuple[ZoneLimit, ...] | None:
    """Return the limits in the kernel's order, empty zones included; None where the architecture's rule is not known.

    ZONE_MOVABLE and ZONE_DEVICE are not among them.
    """
    rule = _RULES.get(facts.arch)
    highest = rule(facts, behaviour) if rule else None
    if highest is None:
        return None
    # free_area_init(): lower limits than the lowest page make an empty zone.
    out = []
    at = facts.start // facts.page_size
    for zone, address in highest:
        end = max(address // facts.page_size, at)
        out.append(ZoneLimit(zone, at, end))
        at = end
    return tuple(out)


def _x86_64(facts: ArchFacts, behaviour: ZoneBehaviour) -> list[tuple[str, int]]:
    cap = facts.top if behaviour.low_zones_capped else _FOUR_GIB
    zones = [(DMA32, min(_FOUR_GIB, cap)), (NORMAL, facts.top)]
    # Built without ZONE_DMA only where the source says so: all distributions have it.
    return zones if facts.zone_dma is False else [(DMA, min(16 * MIB, cap)), *zones]


def _i386(facts: ArchFacts, behaviour: ZoneBehaviour) -> list[tuple[str, int]] | None:
    if facts.low_end is None:
        return None
    cap = facts.low_end if behaviour.low_zones_capped else _FOUR_GIB
    zones = [(NORMAL, facts.low_end), (HIGHMEM, facts.top)]
    return zones if facts.zone_dma is False else [(DMA, min(16 * MIB, cap)), *zones]


def _arm64(facts: ArchFacts, behaviour: ZoneBehaviour) -> list[tuple[str, int]]:
    zones = []
    if behaviour.arm64_dma != ARM64_NO_DMA and facts.zone_dma is not False:
        zones.append((DMA, _arm64_dma(facts, behaviour)))
    return [*zones, (DMA32, _arm64_dma32(facts, behaviour)), (NORMAL, facts.top)]


def _arm64_dma32(facts: ArchFacts, behaviour: ZoneBehaviour) -> int:
    if behaviour.arm64_dma in (ARM64_NO_DMA, ARM64_FIRST_GIB, ARM64_FIRMWARE_WINDOW):
        return _window(facts, 32)
    if behaviour.arm64_dma == ARM64_FIRMWARE_BITS:
        return _bits_limit(facts, _FOUR_GIB)
    return min(_FOUR_GIB, facts.end)


def _arm64_dma(facts: ArchFacts, behaviour: ZoneBehaviour) -> int:
    if behaviour.arm64_dma == ARM64_FIRST_GIB:
        return _window(facts, 30)
    # fls64() of the limit, never more than 32 bits.
    bits = 32 if facts.dma_limit is None else min(32, facts.dma_limit.bit_length())
    if behaviour.arm64_dma == ARM64_FIRMWARE_WINDOW:
        return _window(facts, bits)
    if behaviour.arm64_dma == ARM64_FIRMWARE_BITS:
        return _bits_limit(facts, 1 << bits)
    limit = facts.end if facts.dma_limit is None else min(facts.dma_limit + 1, facts.end)
    return min(limit, _FOUR_GIB) if facts.start < _FOUR_GIB else limit


def _window(facts: ArchFacts, bits: int) -> int:
    # Up to 5.10: the first 2^bits bytes of the window of that size in which memory begins.
    return min(align_down(facts.start, 1 << bits) + (1 << bits), facts.end)


def _bits_limit(facts: ArchFacts, limit: int) -> int:
    # max_zone_phys(), 5.11 to 6.11: memory that begins above the limit moves the limit up.
    if facts.start >= _FOUR_GIB:
        return facts.end
    return min(limit if facts.start < limit else _FOUR_GIB, facts.end)


def _ppc64(facts: ArchFacts, behaviour: ZoneBehaviour) -> list[tuple[str, int]]:
    # Only embedded (Book E) kernels have ZONE_DMA: the first 2 GiB; before 5.3, 0x7fffffffUL >> PAGE_SHIFT pages.
    end = 2 * GIB if behaviour.ppc64_dma_whole else 2 * GIB - facts.page_size
    low = [(DMA, min(end, facts.top))] if facts.zone_dma else []
    return [*low, (NORMAL, facts.top)]


def _riscv64(facts: ArchFacts, behaviour: ZoneBehaviour) -> list[tuple[str, int]]:
    del behaviour
    return [(DMA32, min(_FOUR_GIB, facts.top)), (NORMAL, facts.top)]


def _s390x(facts: ArchFacts, behaviour: ZoneBehaviour) -> list[tuple[str, int]]:
    del behaviour
    # The first 2 GiB, also where memory ends before.
    return [(DMA, 2 * GIB), (NORMAL, facts.top)]


def _loongarch64(facts: ArchFacts, behaviour: ZoneBehaviour) -> list[tuple[str, int]]:
    del behaviour
    return [(DMA32, _FOUR_GIB), (NORMAL, facts.top)]


_RULES = {
    "x86_64": _x86_64,
    "i386": _i386,
    "arm64": _arm64,
    "ppc64": _ppc64,
    "riscv64": _riscv64,
    "s390x": _s390x,
    "loongarch64": _loongarch64,
}
