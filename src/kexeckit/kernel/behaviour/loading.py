"""`KernelBehaviour`: what one kernel does differently from another, as data.

Rules of this file:
    1. One field per dated change. Code asks for the field; only `behaviour_of` compares versions.
    2. Each field has one line in `CHANGES`: the first release with the new value, stable branches that carry it,
       the source, and how it was checked (`read` in the source, `booted` in a guest).
    3. Distribution kernels carry backports, so any field can be overridden: ``replace(behaviour, field=value)``.

How to add one: a field with its value *before* the change as the default, and a line in `CHANGES`.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from kexeckit.machine.version import KernelVersion


@dataclass(frozen=True, slots=True)
class KernelBehaviour:
    """The dated behaviours of one kernel; the defaults are those of 5.10.

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
    gb_leaf_only_when_full: bool = False
    jump_copies_per_page: int = 3
    ident_link_no_pti: bool = False
    efi_config_mapped: bool = False
    acpi_map_drops_last_byte: bool = True
    memmap_from_kexec_table: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """One dated change.

    Attributes:
        name: The field of `KernelBehaviour`.
        value: Its value from then on.
        since: First mainline release, (major, minor).
        source: Kernel file and function.
        checked: ``booted`` or ``read``.
        backports: Stable releases that carry it, (major, minor, patch) each.
    """

    name: str
    value: object
    since: tuple[int, int]
    source: str
    checked: str
    backports: tuple[tuple[int, int, int], ...] = field(default=())


CHANGES = (
    Change("purgatory_bufsz", 0x4000, (6, 0), "arch/x86/purgatory/ as built by Debian (between 5.10 and 6.1)", "read"),
    Change("file_load_rng_seed", True, (6, 0), "arch/x86/kernel/kexec-bzimage64.c setup_rng_seed()", "booted"),
    Change("note_per_possible_cpu", True, (6, 6), "kernel/crash_core.c crash_prepare_elf64_headers()", "booted"),
    Change("trace_files_on_demand", True, (6, 6), "fs/tracefs/event_inode.c (booted: 6.1 not, 6.12)", "booted"),
    Change("elfcorehdr_hotplug_room", True, (6, 6), "arch/x86/kernel/crash.c crash_load_segments()", "booted"),
    Change("file_load_descending", True, (6, 8), "kernel/kexec_file.c walk_system_ram_res_rev()", "booted"),
    Change("file_load_whole_range", True, (6, 8), "kernel/kexec_file.c locate_mem_hole_top_down()", "booted"),
    Change("exclude_stops_at_partial", False, (6, 8), "kernel/crash_core.c crash_exclude_mem_range()", "read"),
    Change("kernel_min_pref_address", True, (6, 9), "arch/x86/kernel/kexec-bzimage64.c bzImage64_load()", "booted"),
    Change(
        "gb_leaf_only_when_full", True, (6, 11), "arch/x86/mm/ident_map.c ident_pud_init()", "booted", ((6, 10, 14),)
    ),
    Change(
        "pgd_separate_page",
        True,
        (6, 14),
        "arch/x86/kernel/machine_kexec_64.c alloc_pgt_page()",
        "booted",
        ((6, 12, 13), (6, 6, 76)),
    ),
    Change("jump_copies_per_page", 1, (6, 14), "arch/x86/kernel/relocate_kernel_64.S swap_pages", "read"),
    Change(
        "ident_link_no_pti",
        True,
        (6, 14),
        "arch/x86/mm/ident_map.c ident_p4d_init()",
        "booted",
        ((6, 12, 13), (6, 6, 76)),
    ),
    Change(
        "efi_config_mapped",
        True,
        (6, 11),
        "arch/x86/kernel/machine_kexec_64.c map_efi_systab()",
        "read",
        ((6, 10, 14), (6, 6, 50), (6, 1, 109)),
    ),
    Change(
        "acpi_map_drops_last_byte", False, (6, 12), "arch/x86/kernel/machine_kexec_64.c mem_region_callback()", "read"
    ),
    Change("file_load_kho", True, (6, 16), "kernel/kexec_handover.c kho_locate_mem_hole()", "read"),
    Change("file_load_cma", True, (6, 17), "kernel/kexec_file.c kexec_alloc_contig()", "read"),
    Change("memmap_from_kexec_table", True, (6, 15), "arch/x86/kernel/e820.c e820__reserve_resources()", "booted"),
)


def behaviour_of(version: KernelVersion) -> KernelBehaviour:
    """Return what a mainline (or Debian) kernel of this version does."""
    values: dict[str, Any] = {c.name: c.value for c in CHANGES if has_change(version, c)}
    return replace(KernelBehaviour(), **values)


def has_change(version: KernelVersion, change: Change) -> bool:
    """Say whether a release has a change; a stable branch has it from its own patch level on."""
    if version.at_least(*change.since):
        return True
    return any(
        (version.major, version.minor) == (major, minor) and version.patch >= patch
        for major, minor, patch in change.backports
    )
