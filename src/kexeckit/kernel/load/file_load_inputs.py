"""What a prediction of kexec_file_load starts from: the machine, the running kernel's configuration, the files."""

from dataclasses import field
from typing import Self

from kexeckit.formats.bzimage import BzImage
from kexeckit.frozen import dataclass
from kexeckit.kernel.behaviour.loading import KernelBehaviour
from kexeckit.memory.range import MemRange
from kexeckit.memory.resource import ResourceTree
from kexeckit.memory.units import PAGE_SIZE


@dataclass(frozen=True, slots=True)
class X86Image:
    """What the loader reads of a bzImage: a few header fields and the file's length.

    Attributes:
        file_size: Bytes in the file.
        setup_sects: The header's number of 512-byte setup sectors (0 means 4).
        init_size: Bytes that the kernel needs where it is loaded.
        kernel_alignment: Bytes.
        pref_address: Address the kernel prefers.
        cmdline_size: Longest command line that it accepts, in bytes.
    """

    file_size: int
    setup_sects: int
    init_size: int
    kernel_alignment: int
    pref_address: int
    cmdline_size: int

    def __post_init__(self) -> None:
        if self.init_size <= 0 or self.kernel_alignment <= 0 or self.file_size <= 0:
            raise ValueError(f"not a bzImage that can be loaded: {self}")

    @classmethod
    def of(cls, image: BzImage) -> Self:
        """Return what the loader reads of an image."""
        return cls(
            file_size=image.file_size,
            setup_sects=image.setup_size // 512 - 1,
            init_size=image.init_size,
            kernel_alignment=image.kernel_alignment,
            pref_address=image.pref_address,
            cmdline_size=image.cmdline_size,
        )

    @property
    def setup_size(self) -> int:
        """Bytes before the protected-mode part."""
        return ((self.setup_sects or 4) + 1) * 512


@dataclass(frozen=True, slots=True)
class Arm64Image:
    """What the loader reads of an arm64 Image.

    Attributes:
        file_size: Bytes in the file.
        image_size: Bytes that the kernel needs from its start on (0 is refused).
        text_offset: Bytes between a 2 MiB boundary and the start.
    """

    file_size: int
    image_size: int
    text_offset: int


@dataclass(frozen=True, slots=True)
class PurgatorySize:
    """How much memory the running kernel's built-in purgatory takes.

    Attributes:
        bufsz: Bytes of its sections with content.
        memsz: The same with its bss.
        align: Its largest section alignment.
    """

    bufsz: int
    memsz: int
    align: int


@dataclass(frozen=True, slots=True)
class FileLoadKernel:
    """The running kernel, as far as its loader's choices depend on it. The defaults are Debian's configuration.

    Attributes:
        behaviour: What it does by version.
        possible_cpus: CPUs in /sys/devices/system/cpu/possible.
        present_cpus: CPUs in /sys/devices/system/cpu/present.
        nr_cpus: CONFIG_NR_CPUS_DEFAULT.
        memory_hotplug: CONFIG_MEMORY_HOTPLUG.
        crash_hotplug: CONFIG_CRASH_HOTPLUG (only a kernel whose behaviour has it can have it).
        max_memory_ranges: CONFIG_CRASH_MAX_MEMORY_RANGES.
        ima_kexec: CONFIG_IMA_KEXEC.
        kho_config: CONFIG_KEXEC_HANDOVER, whether used or not.
        kho_active: Whether it is on (``kho=on``); then normal images go to scratch areas that no file shows.
        cma: Whether a default CMA area exists (CmaTotal in /proc/meminfo); new kernels try it first.
        dm_crypt_keys: Whether keys were handed over for the capture kernel; they are placed at random.
        efi_runtime_map: Bytes of the EFI runtime map (number of entries times descriptor size), 0 without EFI.
        dtb_size: Bytes of the device tree that FORCE_DTB carries over, 0 without.
        built_in_purgatory: Its purgatory, or None for what Debian's kernels of that version carry.
    """

    behaviour: KernelBehaviour
    possible_cpus: int
    present_cpus: int
    nr_cpus: int = 8192
    memory_hotplug: bool = True
    crash_hotplug: bool = True
    max_memory_ranges: int = 8192
    ima_kexec: bool = False
    kho_config: bool = False
    kho_active: bool = False
    cma: bool = False
    dm_crypt_keys: bool = False
    efi_runtime_map: int = 0
    dtb_size: int = 0
    built_in_purgatory: PurgatorySize | None = None

    def __post_init__(self) -> None:
        if not 0 < self.present_cpus <= self.possible_cpus:
            raise ValueError(f"{self.present_cpus} CPUs present of {self.possible_cpus} possible")

    @property
    def purgatory(self) -> PurgatorySize:
        """Its purgatory; the usual one has a page-aligned stack of one page as its bss."""
        bufsz = self.behaviour.purgatory_bufsz
        return self.built_in_purgatory or PurgatorySize(bufsz, bufsz + PAGE_SIZE, PAGE_SIZE)


@dataclass(frozen=True, slots=True)
class FileLoadFiles:
    """What is handed to the system call besides the kernel.

    Attributes:
        crash: KEXEC_FILE_ON_CRASH: a capture kernel.
        initrd_size: Bytes, or None without an initrd.
        cmdline: The command line, or None where none is passed (length 0 instead of 1).
    """

    crash: bool
    initrd_size: int | None = None
    cmdline: str | None = ""

    @property
    def cmdline_length(self) -> int:
        """Bytes of the command line with its NUL, as the system call counts them."""
        return 0 if self.cmdline is None else len(self.cmdline.encode()) + 1


@dataclass(frozen=True, slots=True)
class FileLoadMachine:
    """The machine's memory.

    Attributes:
        resources: /proc/iomem.
        free_memblock: What memblock holds free, for arches that keep it (arm64, riscv, loongarch), or None.
        crash_cma: Ranges of ``crashkernel=...,cma``, which no resource shows.
    """

    resources: ResourceTree
    free_memblock: tuple[MemRange, ...] | None = None
    crash_cma: tuple[MemRange, ...] = field(default=())
