"""`ZoneBehaviour`: what kernels do differently about zones, as data.

A record of its own beside `KernelBehaviour`, by the same rules: a field per dated change, its value before the change
as the default, an entry in `CHANGES`. The defaults are those of the oldest kernels (3.x).
"""

from collections.abc import Mapping
from dataclasses import replace

from kexeckit.frozen import dataclass
from kexeckit.kernel.behaviour.change import Change
from kexeckit.kernel.behaviour.select import selected
from kexeckit.kernel.behaviour.vendors_zones import VENDORS
from kexeckit.machine.version import KernelVersion

ARM64_NO_DMA = "none"
ARM64_FIRST_GIB = "first-gib"
ARM64_FIRMWARE_WINDOW = "firmware-window"
ARM64_FIRMWARE_BITS = "firmware-bits"
ARM64_FIRMWARE_LIMIT = "firmware-limit"


@dataclass(frozen=True, slots=True)
class ZoneBehaviour:
    """The dated behaviours of one kernel where zones are concerned.

    Attributes:
        low_64k_is_ram: x86 takes only page 0 out of RAM, not the whole first 64 KiB.
        kernel_stays_ram: x86 makes the memory of its own image RAM again where mem= or memmap= took it away.
        acpi_counts_as_top: x86 counts ACPI tables, too, when it looks for the top of memory.
        low_zones_capped: ZONE_DMA and ZONE_DMA32 of x86 end at the top of memory where that is lower than their limit.
        arm64_dma: How arm64 limits ZONE_DMA: ``none`` (there is no such zone), ``first-gib`` (the first GiB of the
            aligned window that memory begins in), ``firmware-window`` (the same with 4 GiB, or a power
            of two that the device tree or the IORT asks for), ``firmware-bits`` (that much without the window),
            ``firmware-limit`` (the same without rounding to a power of two).
        ppc64_dma_whole: ZONE_DMA of embedded ppc64 reaches to 2 GiB, not to a page below.
        core_mirror: The kernel knows kernelcore=mirror; before, the word reads as a size of 0.
        core_percent: The kernel knows percentages in kernelcore= and movablecore=; before, 30% reads as 30 bytes.
        mirror_needs_mirror: kernelcore=mirror is ignored on a machine without mirrored memory.
        mirror_off_in_kdump: kernelcore=mirror is ignored in a kernel that runs after a crash.
        movable_base_rounds_up: The base of a region is rounded up, not down, to a page before it is compared.
    """

    low_64k_is_ram: bool = False
    kernel_stays_ram: bool = False
    acpi_counts_as_top: bool = False
    low_zones_capped: bool = False
    arm64_dma: str = ARM64_NO_DMA
    ppc64_dma_whole: bool = False
    core_mirror: bool = False
    core_percent: bool = False
    mirror_needs_mirror: bool = False
    mirror_off_in_kdump: bool = False
    movable_base_rounds_up: bool = False


_X86 = ("x86_64", "i386")
_ARM64 = ("arm64",)
_MOVABLE = "mm/mm_init.c find_zone_movable_pfns_for_nodes()"
_SIZES = "arch/arm64/mm/init.c zone_sizes_init()"
CHANGES = (
    Change((3, 9, 0), {"low_64k_is_ram": True}, "arch/x86/kernel/setup.c trim_bios_range()", "read", _X86),
    Change((3, 9, 0), {"kernel_stays_ram": True}, "arch/x86/kernel/setup.c e820_add_kernel_range()", "booted", _X86),
    Change((3, 19, 0), {"low_zones_capped": True}, "arch/x86/mm/init.c zone_sizes_init()", "read", _X86),
    Change((4, 6, 0), {"core_mirror": True}, "mm/page_alloc.c cmdline_parse_kernelcore()", "read"),
    Change((4, 17, 0), {"core_percent": True}, "mm/page_alloc.c cmdline_parse_core()", "read"),
    Change((5, 3, 0), {"ppc64_dma_whole": True}, "arch/powerpc/mm/mem.c paging_init(), ARCH_ZONE_DMA_BITS", "read",
           ("ppc64",)),
    Change((5, 5, 0), {"arm64_dma": ARM64_FIRST_GIB}, _SIZES, "read", _ARM64),
    Change((5, 11, 0), {"arm64_dma": ARM64_FIRMWARE_WINDOW}, f"{_SIZES}, zone_dma_bits", "read", _ARM64,
           backports=((5, 10, 22),)),
    Change((5, 11, 0), {"arm64_dma": ARM64_FIRMWARE_BITS}, f"{_SIZES}, max_zone_phys() without offset", "booted",
           _ARM64, backports=((5, 10, 47),)),
    Change((6, 6, 0), {"mirror_needs_mirror": True}, _MOVABLE, "booted"),
    Change((6, 8, 0), {"mirror_off_in_kdump": True}, _MOVABLE, "read", backports=((6, 6, 15), (6, 7, 3))),
    Change((6, 11, 0), {"acpi_counts_as_top": True}, "arch/x86/kernel/e820.c e820__end_of_ram_pfn()", "read", _X86),
    Change((6, 11, 0), {"movable_base_rounds_up": True}, _MOVABLE, "read"),
    Change((6, 12, 0), {"arm64_dma": ARM64_FIRMWARE_LIMIT}, _SIZES, "booted", _ARM64),
)  # fmt: skip
"""Mainline's changes, in order of release."""

BASE = ZoneBehaviour()


def zone_behaviour_of(
    version: KernelVersion, *, arch: str | None = None, stated: Mapping[str, object] | None = None
) -> ZoneBehaviour:
    """Return what a kernel does.

    Args:
        version: The kernel.
        arch: The kernel's name of the architecture; None for the changes of all architectures together, which do not
            disturb each other here.
        stated: Fields that the user states, which win; see `stated.parse_stated`.
    """
    found = selected(BASE, CHANGES, VENDORS, arch, version)
    return replace(found, **stated) if stated else found  # type: ignore[arg-type]
