"""`MachineFacts`: all that a plan needs to know about the running machine, as one value; made by `plan_facts`."""

from dataclasses import field

from kexeckit.formats.boot_params import BootParams
from kexeckit.formats.elfcorehdr import LoadRange, NoteRange
from kexeckit.formats.sysfs_crash import EfiDescriptor
from kexeckit.frozen import dataclass
from kexeckit.kernel.behaviour.behaviours import Behaviours
from kexeckit.memory.memmap import MemoryMap
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet
from kexeckit.memory.resource import CRASH_KERNEL, ResourceTree
from kexeckit.plan.preference import MemoryTraits


@dataclass(frozen=True, slots=True)
class EfiFacts:
    """What EFI left behind for the next kernel; addresses in bytes.

    Attributes:
        fw_vendor: Physical address of the vendor string.
        runtime: Physical address of the runtime services table.
        config_table: Physical address of the configuration tables.
        smbios: Physical address of the SMBIOS entry point, or 0.
        runtime_map: The descriptors with the virtual addresses that are in force.
    """

    fw_vendor: int
    runtime: int
    config_table: int
    smbios: int
    runtime_map: tuple[EfiDescriptor, ...]


@dataclass(frozen=True, slots=True)
class LoaderFacts:
    """What the in-kernel loader's choices depend on, as sysfs shows it.

    Attributes:
        possible_cpus: CPUs that may ever be there.
        present_cpus: CPUs that are there.
        nr_cpus: The kernel's limit (CONFIG_NR_CPUS).
        crash_hotplug: It keeps room in the elfcorehdr for CPUs and memory that are added later.
        cma: It has a CMA area.
        not_shown: Names of those of these fields that no source shows; their defaults stand.
    """

    possible_cpus: int = 1
    present_cpus: int = 1
    nr_cpus: int = 8192
    crash_hotplug: bool = True
    cma: bool = False
    not_shown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MachineFacts:
    """The running machine.

    Attributes:
        arch: The kernel's name of the architecture.
        release: The kernel release that its rules follow from, or empty where the source does not say.
        resources: /proc/iomem, or what stands for it.
        firmware_map: What firmware said about memory.
        firmware_map_source: Where that was read.
        cmdline: The running kernel's command line.
        boot_params: Its boot_params page, or None.
        crash_notes: Where the CPUs' registers will be saved, one per CPU.
        vmcoreinfo: Where the vmcoreinfo note is, or None.
        kernel_text: The running kernel's image in physical and virtual memory, or None.
        page_offset: Virtual minus physical address of the direct mapping, or None.
        rsdp: Physical address of ACPI's root pointer, or 0.
        efi: What EFI left behind, or None where there are no runtime services to hand over.
        loader: The running kernel's configuration, as far as its own loader depends on it.
        traits: Which memory is hot-pluggable or mirrored, as far as the source shows it.
        warnings: What could not be read, and what follows from that.
        dump_warnings: The same, where it matters to a crash image only.
        assumed: What no source shows of memory and was assumed, one sentence each.
        kernel: What the running kernel does; None to follow from `release` alone.
    """

    arch: str
    release: str
    resources: ResourceTree
    firmware_map: MemoryMap
    firmware_map_source: str
    cmdline: str
    boot_params: BootParams | None = None
    crash_notes: tuple[NoteRange, ...] = ()
    vmcoreinfo: MemRange | None = None
    kernel_text: LoadRange | None = None
    page_offset: int | None = None
    rsdp: int = 0
    efi: EfiFacts | None = None
    loader: LoaderFacts = field(default_factory=LoaderFacts)
    traits: MemoryTraits = field(default_factory=MemoryTraits)
    warnings: tuple[str, ...] = ()
    dump_warnings: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()
    kernel: Behaviours | None = None

    def crash_region(self) -> MemRange | None:
        """Return the region into which a capture kernel is loaded: the highest "Crash kernel", or None.

        The kernel accepts segments in its main region only. The low one always lies below 4 GiB and below the main
        one. Source: kernel/kexec_core.c, sanity_check_segment_list(); kernel/crash_reserve.c.
        """
        mains = self.resources.named(CRASH_KERNEL)
        return max((r.range for r in mains), default=None)

    def crash_memory(self) -> RangeSet:
        """Return all memory that is reserved for a capture kernel."""
        return RangeSet(self.resources.crash_regions())
