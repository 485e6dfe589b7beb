"""`KernelBehaviour`: what one kernel does differently from another when it loads an image, as data.

Rules of this file:
    1. One field per dated change. Code asks for the field; only `select` compares versions.
    2. Each field has its entry in `CHANGES`; what distributions carry apart from their version stands in
       `vendors_loading`.
    3. Any field can be stated by a user: see `stated`.

How to add one: a field with its value *before* the change as the default, an entry in `CHANGES`, a line in the test
that holds the dates.
"""

from collections.abc import Mapping
from dataclasses import replace

from kexeckit.frozen import dataclass
from kexeckit.kernel.behaviour.change import Change
from kexeckit.kernel.behaviour.select import selected
from kexeckit.kernel.behaviour.vendors_loading import VENDORS
from kexeckit.machine.version import KernelVersion


@dataclass(frozen=True, slots=True)
class KernelBehaviour:
    """The dated behaviours of one kernel; the defaults are those of the oldest kernel that `floors` names.

    Attributes:
        file_load_descending: kexec_file_load's top-down search walks System RAM from the highest range down.
        file_load_whole_range: The same search can use the last page of a range.
        kernel_min_pref_address: kexec_file_load places the x86 kernel at or above its preferred address.
        file_load_rng_seed: kexec_file_load hands over a SETUP_RNG_SEED (and, with IMA, room for its buffer).
        file_load_kho: kexec_file_load knows KHO: room in the boot_params buffer, normal images in scratch areas.
        file_load_cma: kexec_file_load first tries to get each buffer of a normal image from the CMA area.
        purgatory_bufsz: Bytes with content of the purgatory that Debian's amd64 kernels carry; its stack adds a page.
        trace_files_on_demand: Files of trace events are made when looked at, not at boot (7 MiB of inodes and names).
        elfcorehdr_hotplug_room: kexec_file_load leaves room in the elfcorehdr for hot-added CPUs and memory.
        note_per_possible_cpu: The elfcorehdr has a PT_NOTE per possible CPU instead of per present CPU.
        exclude_stops_at_partial: crash_exclude_mem_range() gives up after the first partial overlap.
        pgd_separate_page: The PGD of the identity tables is a control page of its own.
        gb_leaves: The identity tables use 1 GiB leaves where the kernel's own mapping does; before, 2 MiB leaves.
        firmware_tables_mapped: The identity tables cover the EFI system table and the ACPI tables.
        vmcoreinfo_copied: A crash image gets a copy of vmcoreinfo in a control page of its own.
        linear_map_copied: arm64 copies the page tables of its linear map for a normal image.
        gb_leaf_only_when_full: 1 GiB identity leaves only where the whole GiB is asked for.
        jump_copies_per_page: How often the jump copies each page of a normal x86_64 image: 3 where it exchanges
            source and destination through the swap page.
        ident_link_no_pti: Upper identity-table links carry _PAGE_NOPTISHADOW (bit 58).
        efi_config_mapped: The identity tables cover the EFI configuration table array, too.
        acpi_map_drops_last_byte: The identity tables leave out the last byte of each ACPI region.
        memmap_from_kexec_table: /sys/firmware/memmap shows the kexec table instead of the firmware's.
    """

    file_load_descending: bool = False
    file_load_whole_range: bool = False
    kernel_min_pref_address: bool = False
    file_load_rng_seed: bool = False
    file_load_kho: bool = False
    file_load_cma: bool = False
    purgatory_bufsz: int = 0x5000
    trace_files_on_demand: bool = False
    elfcorehdr_hotplug_room: bool = False
    note_per_possible_cpu: bool = False
    exclude_stops_at_partial: bool = True
    pgd_separate_page: bool = False
    gb_leaves: bool = False
    firmware_tables_mapped: bool = False
    vmcoreinfo_copied: bool = False
    linear_map_copied: bool = False
    gb_leaf_only_when_full: bool = False
    jump_copies_per_page: int = 3
    ident_link_no_pti: bool = False
    efi_config_mapped: bool = False
    acpi_map_drops_last_byte: bool = True
    memmap_from_kexec_table: bool = False


_X86_64 = ("x86_64",)
CHANGES = (
    Change((4, 13, 0), {"gb_leaves": True}, "arch/x86/kernel/machine_kexec_64.c init_pgtable(), direct_gbpages", "read",
           _X86_64),
    Change((4, 13, 0), {"vmcoreinfo_copied": True}, "kernel/kexec_core.c kimage_crash_copy_vmcoreinfo()", "read"),
    Change((5, 3, 0), {"firmware_tables_mapped": True},
           "arch/x86/kernel/machine_kexec_64.c map_efi_systab(), map_acpi_tables()", "read", _X86_64),
    Change((5, 16, 0), {"linear_map_copied": True}, "arch/arm64/kernel/machine_kexec.c machine_kexec_post_load()",
           "read", ("arm64",)),
    Change((6, 0, 0), {"purgatory_bufsz": 0x4000},
           "arch/x86/purgatory/ as built by Debian (between 5.10 and 6.1)", "read", _X86_64),
    Change((6, 0, 0), {"file_load_rng_seed": True}, "arch/x86/kernel/kexec-bzimage64.c setup_rng_seed()", "booted",
           _X86_64),
    Change((6, 6, 0), {"note_per_possible_cpu": True}, "kernel/crash_core.c crash_prepare_elf64_headers()", "booted"),
    Change((6, 6, 0), {"trace_files_on_demand": True}, "fs/tracefs/event_inode.c (booted: 6.1 not, 6.12)", "booted"),
    Change((6, 6, 0), {"elfcorehdr_hotplug_room": True}, "arch/x86/kernel/crash.c crash_load_segments()", "booted",
           _X86_64),
    Change((6, 8, 0), {"file_load_descending": True}, "kernel/kexec_file.c walk_system_ram_res_rev()", "booted"),
    Change((6, 8, 0), {"file_load_whole_range": True}, "kernel/kexec_file.c locate_mem_hole_top_down()", "booted"),
    Change((6, 8, 0), {"exclude_stops_at_partial": False}, "kernel/crash_core.c crash_exclude_mem_range()", "read"),
    # Tried for a release and taken back: it broke kexec on machines whose EFI tables it left out.
    Change((6, 8, 0), {"gb_leaf_only_when_full": True}, "arch/x86/mm/ident_map.c ident_pud_init(), first try", "read",
           _X86_64, until=(6, 9, 0),
           backports=((4, 19, 307), (5, 4, 269), (5, 10, 210), (5, 15, 149), (6, 1, 79), (6, 6, 18), (6, 7, 6)),
           reverted=((4, 19, 312), (5, 4, 274), (5, 10, 215), (5, 15, 154), (6, 1, 85), (6, 6, 26), (6, 8, 5))),
    Change((6, 9, 0), {"kernel_min_pref_address": True}, "arch/x86/kernel/kexec-bzimage64.c bzImage64_load()",
           "booted", _X86_64),
    Change((6, 12, 0), {"gb_leaf_only_when_full": True}, "arch/x86/mm/ident_map.c ident_pud_init()", "booted",
           _X86_64, backports=((6, 10, 14), (6, 11, 3))),
    Change((6, 12, 0), {"efi_config_mapped": True}, "arch/x86/kernel/machine_kexec_64.c map_efi_systab()", "read",
           _X86_64, backports=((6, 1, 113), (6, 6, 55), (6, 10, 14), (6, 11, 3))),
    Change((6, 12, 0), {"acpi_map_drops_last_byte": False},
           "arch/x86/kernel/machine_kexec_64.c mem_region_callback()", "read", _X86_64),
    Change((6, 13, 0), {"ident_link_no_pti": True}, "arch/x86/mm/ident_map.c ident_p4d_init()", "booted",
           _X86_64, backports=((6, 6, 66), (6, 12, 5))),
    Change((6, 14, 0), {"pgd_separate_page": True}, "arch/x86/kernel/machine_kexec_64.c alloc_pgt_page()", "booted",
           _X86_64, backports=((6, 1, 129), (6, 6, 78), (6, 12, 14), (6, 13, 3)), reverted=((6, 1, 138),)),
    Change((6, 14, 0), {"jump_copies_per_page": 1}, "arch/x86/kernel/relocate_kernel_64.S swap_pages", "read",
           _X86_64),
    Change((6, 15, 0), {"memmap_from_kexec_table": True}, "arch/x86/kernel/e820.c e820__reserve_resources()", "booted",
           _X86_64),
    Change((6, 16, 0), {"file_load_kho": True}, "kernel/kexec_handover.c kho_locate_mem_hole()", "read"),
    Change((6, 17, 0), {"file_load_cma": True}, "kernel/kexec_file.c kexec_alloc_contig()", "read"),
)  # fmt: skip
"""Mainline's changes, in order of release."""

BASE = KernelBehaviour()


def behaviour_of(
    version: KernelVersion, *, arch: str = "x86_64", stated: Mapping[str, object] | None = None
) -> KernelBehaviour:
    """Return what a kernel does.

    Args:
        version: The kernel.
        arch: The kernel's name of the architecture.
        stated: Fields that the user states, which win; see `stated.parse_stated`.
    """
    found = selected(BASE, CHANGES, VENDORS, arch, version)
    return replace(found, **stated) if stated else found  # type: ignore[arg-type]
