"""Which memory an image is better placed in: mirrored memory, and none that can be unplugged.

A segment is only an address until the jump. Memory that is removed in the meantime takes the address with it, and
mirrored memory survives what would otherwise be the end of the next kernel. So holes are looked for in this order:

    mirrored and not hot-pluggable  ->  not hot-pluggable  ->  anything

Source: the thread "kexec_file: Load kernel at top of system RAM if required" (2018), on memory that is lost along with
hotplug; mm/memblock.c, choose_memblock_flags(): the kernel's own early memory prefers mirrored memory likewise.
"""

from kexeckit.frozen import dataclass
from kexeckit.memory.rangeset import EMPTY, RangeSet
from kexeckit.plan.hole import Hole, NoHoleError, locate_hole
from kexeckit.plan.request import BufferRequest


@dataclass(frozen=True, slots=True)
class MemoryTraits:
    """What firmware says about memory beside that it is RAM.

    Attributes:
        hotpluggable: Addresses that can be unplugged while the machine runs (SRAT).
        mirrored: Addresses that the firmware mirrors (EFI memory map), as far as they are known.
    """

    hotpluggable: RangeSet = EMPTY
    mirrored: RangeSet = EMPTY

    def __bool__(self) -> bool:
        return bool(self.hotpluggable or self.mirrored)


def preferred_hole(usable: RangeSet, request: BufferRequest, taken: RangeSet, traits: MemoryTraits) -> Hole:
    """Choose where a buffer goes, in the best memory in which there is a place.

    Args:
        usable: Memory that may be used.
        request: Size, alignment and limits.
        taken: Ranges already given away.
        traits: What is known about memory.

    Raises:
        NoHoleError: There is no place in any of it.
    """
    for memory, why in _tiers(usable, traits):
        try:
            hole = locate_hole(memory, request, taken)
        except NoHoleError:
            continue
        return Hole(hole.range, hole.reason + why)
    return locate_hole(usable, request, taken)


def unplug_warnings(places: RangeSet, traits: MemoryTraits) -> list[str]:
    """Return a warning where an image lies in memory that can be unplugged."""
    at_risk = places & traits.hotpluggable
    if not at_risk:
        return []
    where = ", ".join(map(str, at_risk))
    return [f"the image lies in hot-pluggable memory ({where}): load it again before that memory is removed"]


def _tiers(usable: RangeSet, traits: MemoryTraits) -> list[tuple[RangeSet, str]]:
    # Nothing known, nothing said.
    if not traits:
        return []
    firm = usable - traits.hotpluggable
    away = "; outside of hot-pluggable memory" if traits.hotpluggable else ""
    mirrored = "; in mirrored memory" if traits.mirrored else ""
    plain = "; not in mirrored memory, where there is no room" if traits.mirrored else ""
    return [
        (firm & traits.mirrored, mirrored + away),
        (firm, plain + away),
        (usable & traits.mirrored, mirrored + "; in hot-pluggable memory, as there is no room elsewhere"),
        (usable, plain + "; in hot-pluggable memory, as there is no room elsewhere"),
    ]
