"""How a kernel walks its resource tree: which System RAM and which crash region the in-kernel loader sees.

Theory: a walk asks again and again for the first resource in tree order that ends at or after a cursor and has the
wanted flags; the cursor then moves behind the hit. So a hit hides its own children, and two neighbours stay two.

/proc/iomem shows no flags. These names stand for them:

    System RAM              System RAM, busy
    System RAM (kmem)       the same, added and managed by a driver (a name in parentheses is the rule of the interface)
    ACPI Tables, ...        the e820 types that the kernel passes on to a capture kernel

Source: kernel/resource.c, find_next_iomem_res() and __walk_iomem_res_desc(); mm/memory_hotplug.c,
add_memory_driver_managed().
"""

from collections.abc import Callable, Iterator

from kexeckit.errors import PlanError
from kexeckit.frozen import dataclass
from kexeckit.memory.range import MemRange
from kexeckit.memory.resource import CRASH_KERNEL, CRASH_KERNEL_LOW, SYSTEM_RAM, Resource, ResourceTree

_EVERYTHING = MemRange(0, 1 << 64)


@dataclass(frozen=True, slots=True)
class CrashRegions:
    """The crash kernel reservation as the kernel knows it.

    Attributes:
        main: Where a capture kernel is loaded (crashk_res), or None without a reservation.
        low: The extra low part (crashk_low_res), or None.
    """

    main: MemRange | None = None
    low: MemRange | None = None


def is_system_ram(name: str) -> bool:
    """Say whether a resource of this name is System RAM, hot-added and driver-managed memory included."""
    return name == SYSTEM_RAM or is_driver_managed(name)


def is_driver_managed(name: str) -> bool:
    """Say whether a driver owns this memory (kmem, virtio_mem): never a place for a segment, still dumped."""
    return name.startswith(f"{SYSTEM_RAM} (")


def walk_resources(
    tree: ResourceTree, wanted: Callable[[str], bool], window: MemRange = _EVERYTHING
) -> Iterator[tuple[MemRange, Resource]]:
    """Yield what a kernel's walk yields: each hit cut to `window`, with its resource.

    Args:
        tree: The resources.
        wanted: Says by name whether a resource has the flags that the walk asks for.
        window: Bytes to look at.

    Source: kernel/resource.c, __walk_iomem_res_desc().
    """
    cursor = window.start
    for _, resource in tree.walk():
        if resource.range.end <= cursor:
            continue
        if resource.range.start > window.last:
            return
        if not wanted(resource.name):
            continue
        hit = MemRange(max(resource.range.start, cursor), min(resource.range.end, window.end))
        yield hit, resource
        cursor = hit.end
        # The kernel's loop needs start < end with an inclusive end, so a single last byte is never looked at.
        if cursor >= window.last:
            return


def system_ram(tree: ResourceTree) -> tuple[Resource, ...]:
    """Return the System RAM resources in the order of a walk, driver-managed ones included."""
    return tuple(resource for _, resource in walk_resources(tree, is_system_ram))


def crash_regions_of(tree: ResourceTree) -> CrashRegions:
    """Tell the main crash region from the low one.

    Two regions print with the same name; the main one is the higher: a low part exists only below 4 GiB and only for
    a main part above (x86: at or above 4 GiB).

    Raises:
        PlanError: More than two regions, which no kernel makes.

    Source: kernel/crash_reserve.c, reserve_crashkernel_generic(); arch/x86/kernel/setup.c, reserve_crashkernel_low().
    """
    regions = tree.crash_regions()
    if len(regions) > 2:
        raise PlanError(
            "a prediction of what this kernel does with its reservation",
            f"{len(regions)} regions are named {CRASH_KERNEL!r} or {CRASH_KERNEL_LOW!r}; kernels make 2 at most",
        )
    if not regions:
        return CrashRegions()
    return CrashRegions(main=regions[-1], low=regions[0] if len(regions) == 2 else None)
