"""`ZoneBehaviour`: what kernels do differently about zones, as data.

A record of its own beside `KernelBehaviour`, by the same rules: a field per dated change, its value before the change
as the default, a line in `CHANGES`. The defaults are those of the oldest kernels (3.x).
"""

from dataclasses import dataclass, replace
from typing import Any

from kexeckit.kernel.behaviour.loading import Change, has_change
from kexeckit.machine.version import KernelVersion

ARM64_NO_DMA = "none"
ARM64_FIRST_GIB = "first-gib"
ARM64_FIRMWARE_BITS = "firmware-bits"
ARM64_FIRMWARE_LIMIT = "firmware-limit"


@dataclass(frozen=True, slots=True)
class ZoneBehaviour:
    """The dated behaviours of one kernel where zones are concerned.

    Attributes:
        low_64k_is_ram: x86 takes only page 0 out of RAM, not the whole first 64 KiB.
        acpi_counts_as_top: x86 counts ACPI tables, too, when it looks for the top of memory.
        low_zones_capped: ZONE_DMA and ZONE_DMA32 of x86 end at the top of memory where that is lower than their limit.
        arm64_dma: How arm64 limits ZONE_DMA: ``none`` (there is no such zone), ``first-gib`` (the first GiB of the
            aligned window that memory begins in), ``firmware-bits`` (4 GiB, or a power of two that the device tree or
            the IORT asks for), ``firmware-limit`` (the same without rounding to a power of two).
        mirror_needs_mirror: kernelcore=mirror is ignored on a machine without mirrored memory.
        mirror_off_in_kdump: kernelcore=mirror is ignored in a kernel that runs after a crash.
        movable_base_rounds_up: The base of a region is rounded up, not down, to a page before it is compared.
        arm64_clears_hotplug: arm64 takes the hotplug mark from nodes on which the kernel has reserved memory.
    """

    low_64k_is_ram: bool = False
    acpi_counts_as_top: bool = False
    low_zones_capped: bool = False
    arm64_dma: str = ARM64_NO_DMA
    mirror_needs_mirror: bool = False
    mirror_off_in_kdump: bool = False
    movable_base_rounds_up: bool = False
    arm64_clears_hotplug: bool = False


CHANGES = (
    Change("low_64k_is_ram", True, (3, 9), "arch/x86/kernel/setup.c trim_bios_range()", "read"),
    Change("acpi_counts_as_top", True, (6, 11), "arch/x86/kernel/e820.c e820__end_of_ram_pfn()", "read"),
    Change("low_zones_capped", True, (3, 19), "arch/x86/mm/init.c zone_sizes_init()", "read"),
    Change("arm64_dma", ARM64_FIRST_GIB, (5, 5), "arch/arm64/mm/init.c zone_sizes_init()", "read"),
    Change(
        "arm64_dma",
        ARM64_FIRMWARE_BITS,
        (5, 11),
        "arch/arm64/mm/init.c zone_sizes_init(), max_zone_phys()",
        "booted",
        ((5, 10, 22),),
    ),
    Change("mirror_needs_mirror", True, (6, 6), "mm/mm_init.c find_zone_movable_pfns_for_nodes()", "booted"),
    Change(
        "mirror_off_in_kdump", True, (6, 8), "mm/mm_init.c find_zone_movable_pfns_for_nodes()", "read", ((6, 6, 19),)
    ),
    Change("movable_base_rounds_up", True, (6, 11), "mm/mm_init.c find_zone_movable_pfns_for_nodes()", "read"),
    Change("arm64_dma", ARM64_FIRMWARE_LIMIT, (6, 12), "arch/arm64/mm/init.c zone_sizes_init()", "booted"),
    Change("arm64_clears_hotplug", True, (6, 12), "mm/numa_memblks.c numa_register_meminfo()", "read"),
)


def zone_behaviour_of(version: KernelVersion) -> ZoneBehaviour:
    """Return what a mainline (or Debian) kernel of this version does."""
    # In order, so that a later change of the same field wins.
    values: dict[str, Any] = {c.name: c.value for c in CHANGES if has_change(version, c)}
    return replace(ZoneBehaviour(), **values)
