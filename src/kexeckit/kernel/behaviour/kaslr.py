"""`KaslrRules`: how kernels come to their place in physical memory, as data.

The defaults are x86 of 4.19: what is on disk unpacks itself, at a random place that it picks. From 6.6 on the EFI stub
does it instead, with the firmware's allocator. An arm64 kernel that no EFI stub started is never moved.

Read in 4.19, 5.10.223, 6.1.176, 6.12.107 and 7.2.13, with Debian's changelog of 6.1. A change that lies between two of
them has the newer one's date: a kernel in between is taken to have more places than it has, never fewer.
"""

from collections.abc import Mapping
from dataclasses import replace

from kexeckit.frozen import dataclass
from kexeckit.kernel.behaviour.change import Change
from kexeckit.kernel.behaviour.select import selected
from kexeckit.machine.version import KernelVersion
from kexeckit.memory.units import KIB, MIB


@dataclass(frozen=True, slots=True)
class KaslrRules:
    """How one kernel gets its place.

    Attributes:
        anywhere: The place may be anywhere in memory, and the rules of this record hold for it.
        unpacks_itself: Started by anything but EFI's stub, the file unpacks itself to a place that it chooses.
        stub_places: Started by EFI, the stub chooses the place of the running kernel, at random or not.
        stub_lowest: The stub chooses no address below this one, in bytes.
        stub_step: Distance of the stub's possible places, in bytes.
        stub_pinned_by: Words with a value for which the stub takes the lowest place instead.
        stub_mirrored_first: Where mirrored memory has a place, the stub chooses among those only.
        stub_leaves_hot_pluggable: The stub leaves out memory that EFI calls hot-pluggable.
        leaves_special: Neither of them takes memory that EFI sets aside for special purposes.
        immovable_only: The x86 decompressor takes only memory that the SRAT does not call hot-pluggable.
        smallest_limit_counts: Of several mem= and memmap= limits the x86 decompressor takes the smallest, not the last.
        last_gib_counts: The x86 decompressor leaves a range's last whole GiB to 1 GiB pages, too.
    """

    anywhere: bool = False
    unpacks_itself: bool = True
    stub_places: bool = False
    stub_lowest: int = 0
    stub_step: int = 2 * MIB
    stub_pinned_by: tuple[str, ...] = ()
    stub_mirrored_first: bool = False
    stub_leaves_hot_pluggable: bool = False
    leaves_special: bool = False
    immovable_only: bool = False
    smallest_limit_counts: bool = False
    last_gib_counts: bool = False


_X86, _ARM64 = ("x86_64",), ("arm64",)
_DECOMPRESSOR = "arch/x86/boot/compressed/kaslr.c"
_STUB = "drivers/firmware/efi/libstub"
BASES = {"": KaslrRules(), "arm64": KaslrRules(unpacks_itself=False, stub_places=True, stub_step=64 * KIB)}
"""By architecture; all but x86_64 and arm64 are not modelled."""

CHANGES = (
    Change((4, 19, 0), {"anywhere": True},
           f"{_DECOMPRESSOR} find_random_phys_addr(); 4.8 to 4.18 were not read", "read", _X86),
    Change((5, 10, 0), {"anywhere": True},
           f"{_STUB}/arm64-stub.c handle_kernel_image(); before 5.10 it was not read", "booted", _ARM64),
    Change((5, 10, 0), {"leaves_special": True},
           f"{_DECOMPRESSOR} process_efi_entries(); {_STUB}/randomalloc.c get_entry_num_slots()", "read"),
    Change((5, 10, 0), {"immovable_only": True}, f"{_DECOMPRESSOR} process_mem_region()", "read", _X86),
    Change((5, 10, 0), {"smallest_limit_counts": True}, f"{_DECOMPRESSOR} mem_avoid_memmap(), handle_mem_options()",
           "read", _X86),
    Change((5, 10, 0), {"last_gib_counts": True}, f"{_DECOMPRESSOR} process_gb_huge_pages()", "read", _X86),
    Change((6, 1, 0), {"stub_mirrored_first": True}, f"{_STUB}/randomalloc.c efi_random_alloc()", "read"),
    # "x86/efistub: Avoid legacy decompressor when doing EFI boot"; 6.1's changelog has it.
    Change((6, 6, 0), {"stub_places": True}, f"{_STUB}/x86-stub.c efi_decompress_kernel()", "booted", _X86,
           backports=((6, 1, 81),)),
    # 6.6.y and 6.7.y took it over later. Without it there are a few more places, and none is missing.
    Change((6, 8, 0), {"stub_lowest": 16 * MIB}, f"{_STUB}/x86-stub.c efi_decompress_kernel(), LOAD_PHYSICAL_ADDR",
           "booted", _X86, backports=((6, 1, 81),)),
    Change((6, 10, 0), {"stub_pinned_by": ("mem", "memmap", "efi_fake_mem", "hugepages")},
           f"{_STUB}/x86-stub.c parse_options()", "read", _X86, backports=((6, 1, 93),)),
    Change((6, 12, 0), {"stub_pinned_by": ("mem", "memmap", "hugepages")}, f"{_STUB}/x86-stub.c parse_options()",
           "read", _X86),
    Change((7, 2, 0), {"stub_leaves_hot_pluggable": True}, f"{_STUB}/randomalloc.c get_entry_num_slots()", "read",
           backports=((6, 1, 176), (6, 12, 107))),
    # "efi/libstub: Avoid physical address 0x0 when doing random allocation": the lowest becomes one step.
    Change((7, 2, 0), {"stub_lowest": 64 * KIB}, f"{_STUB}/randomalloc.c efi_random_alloc()", "read", _ARM64,
           backports=((6, 1, 132), (6, 12, 107))),
)  # fmt: skip
"""Mainline's changes, in order of release."""


def kaslr_rules(arch: str, version: KernelVersion, *, stated: Mapping[str, object] | None = None) -> KaslrRules:
    """Return how a kernel gets its place.

    Args:
        arch: The kernel's name of the architecture.
        version: Its version.
        stated: Fields that the user states, which win; see `stated.parse_stated`.
    """
    found = selected(BASES.get(arch, BASES[""]), CHANGES, (), arch, version)
    return replace(found, **stated) if stated else found  # type: ignore[arg-type]
