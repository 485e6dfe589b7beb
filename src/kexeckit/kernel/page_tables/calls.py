"""What an x86_64 kernel maps before a jump, in its order, with the reason for each range.

    pfn_mapped   [0, 1 MiB) and all RAM in whole pages, sorted and merged; RAM holes are left out
    segments     in the image's order; inside RAM they add nothing
    EFI          since 5.3 the system table, since 6.12 its configuration table array, too
    ACPI         since 5.3 "ACPI Tables", then "ACPI Non-volatile Storage"

Source: arch/x86/kernel/machine_kexec_64.c, init_pgtable(), map_efi_systab(), map_acpi_tables(); arch/x86/mm/init.c,
init_mem_mapping() and add_pfn_range_mapped().
"""

from collections.abc import Iterable, Iterator

from kexeckit.frozen import dataclass
from kexeckit.kernel.behaviour.loading import KernelBehaviour
from kexeckit.kernel.load.resource_walk import system_ram, walk_resources
from kexeckit.memory.kind import ACPI, NVS
from kexeckit.memory.range import MemRange, clip
from kexeckit.memory.rangeset import RangeSet
from kexeckit.memory.resource import ResourceTree
from kexeckit.memory.units import MIB, PAGE_SIZE

LEGACY = MemRange(0, MIB)  # [0, ISA_END_ADDRESS): always mapped, whatever lies there
EFI_SYSTEM_TABLE = 120  # sizeof(efi_system_table_64_t)
EFI_CONFIG_TABLE = 24  # sizeof(efi_config_table_64_t)


@dataclass(frozen=True, slots=True)
class EfiTables:
    """Where the firmware left its tables, on a machine that booted by EFI.

    Attributes:
        system_table: Physical address of the EFI system table (boot_params.efi_info).
        config_table: Physical address of the configuration table array.
        config_count: Number of its entries.
    """

    system_table: int
    config_table: int
    config_count: int

    def ranges(self, behaviour: KernelBehaviour) -> "Iterator[MappedRange]":
        """Yield what this kernel maps of them."""
        yield MappedRange(MemRange.from_size(self.system_table, EFI_SYSTEM_TABLE), "EFI system table")
        if behaviour.efi_config_mapped and self.config_count:
            size = EFI_CONFIG_TABLE * self.config_count
            yield MappedRange(MemRange.from_size(self.config_table, size), "EFI configuration tables")


@dataclass(frozen=True, slots=True)
class MappedRange:
    """One range that is mapped besides RAM, and why."""

    range: MemRange
    why: str


@dataclass(frozen=True, slots=True)
class MappingCalls:
    """All that is mapped.

    Attributes:
        ram: What comes first, as a set: the kernel keeps it sorted and merged.
        extra: What comes then, in order.
        not_determined: What else may be mapped but is not known, in words.
    """

    ram: RangeSet
    extra: tuple[MappedRange, ...] = ()
    not_determined: tuple[str, ...] = ()

    @property
    def extra_ranges(self) -> tuple[MemRange, ...]:
        """The ranges of `extra`."""
        return tuple(m.range for m in self.extra)

    @property
    def in_order(self) -> tuple[MemRange, ...]:
        """Every call, in order."""
        return (*self.ram, *self.extra_ranges)


def mapped_ram(tree: ResourceTree) -> RangeSet:
    """Return what the kernel has in its direct mapping: whole pages of RAM and the first MiB.

    Source: arch/x86/mm/init.c, init_mem_mapping().
    """
    whole = (r.range.aligned_inwards(PAGE_SIZE) for r in system_ram(tree))
    return RangeSet((LEGACY, *(r for r in whole if r)))


def kernel_calls(
    tree: ResourceTree,
    behaviour: KernelBehaviour,
    segments: Iterable[MemRange] = (),
    efi: EfiTables | None = None,
    *,
    efi_unknown: bool = False,
) -> MappingCalls:
    """Return what a kernel maps for an image.

    Args:
        tree: /proc/iomem.
        behaviour: The running kernel.
        segments: The image's segments in its order.
        efi: Where the EFI tables are; None on a machine without EFI.
        efi_unknown: The machine has EFI but its tables' places are not known.
    """
    extra = [MappedRange(s, "segment") for s in segments]
    if not behaviour.firmware_tables_mapped:
        return MappingCalls(mapped_ram(tree), tuple(extra))
    extra += efi.ranges(behaviour) if efi else ()
    for kind in (ACPI, NVS):
        extra += _acpi(tree, kind.label, behaviour)
    unknown = ("the EFI tables are mapped, too, and their places are not known",) if efi_unknown and not efi else ()
    return MappingCalls(mapped_ram(tree), tuple(extra), unknown)


def _acpi(tree: ResourceTree, name: str, behaviour: KernelBehaviour) -> Iterator[MappedRange]:
    for found, _ in walk_resources(tree, name.__eq__):
        end = found.end - behaviour.acpi_map_drops_last_byte
        part = clip(found.start, end)
        if part:
            yield MappedRange(part, name)
