"""`LoadPlan`: a whole image with every address and its reason, before any of it is real; and what was asked for."""

from dataclasses import field
from enum import StrEnum

from kexeckit.formats.elfcorehdr import ElfCoreHeader
from kexeckit.frozen import dataclass
from kexeckit.kernel.certainty import Certainty
from kexeckit.memory.memmap import MemoryMap
from kexeckit.plan.efi_handover import EfiHandover
from kexeckit.plan.handover import OldRam
from kexeckit.plan.segment import Content, Segment
from kexeckit.purgatory import OnDamage


class Syscall(StrEnum):
    """Which system call loads the image."""

    LOAD = "load"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class NamedContent:
    """A file's bytes, as a view of its pages, and its name for messages."""

    source: str
    data: Content = field(repr=False)


@dataclass(frozen=True, slots=True)
class LoadRequest:
    """What the user wants loaded.

    Attributes:
        kernel: The kernel file.
        initrd: The initial RAM disk, or None.
        cmdline: The next kernel's command line, before kexeckit adds to it.
        panic: Load into the crash region, for when the running kernel panics.
        old_ram: How a capture kernel is told of the old kernel's RAM.
        rng_seed: Random bytes to hand over, or empty. They are an input, so that equal inputs give equal plans.
        on_damage: What the purgatory does when a segment is damaged.
        serial_port: I/O port on which it says so; None to take it from the command line; 0 for none.
        spin: Stop at the purgatory's first instruction, for tests that look at the machine there.
        efi: An EFI memory map to hand over instead of what this machine's firmware left behind, or None.
    """

    kernel: NamedContent
    initrd: NamedContent | None
    cmdline: str
    panic: bool = False
    old_ram: OldRam = OldRam.RESERVED
    rng_seed: bytes = field(default=b"", repr=False)
    on_damage: OnDamage = OnDamage.HALT
    serial_port: int | None = None
    spin: bool = False
    efi: EfiHandover | None = None


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """An image that can be loaded.

    Attributes:
        syscall: The call that it is meant for.
        panic: Whether it is a crash image.
        arch: The kernel's name of the architecture.
        entry: Physical address to which the old kernel jumps; None where its own loader does not let it be determined.
        cmdline: The next kernel's whole command line.
        segments: In the order in which they were placed.
        e820: The next kernel's memory map.
        elfcorehdr: What a capture kernel is told about old memory, else None.
        warnings: What the user should know.
        assumed: What no source shows and was assumed, one sentence each.
        undetermined: The running kernel's own loader makes a choice that cannot be told beforehand.
    """

    syscall: Syscall
    panic: bool
    arch: str
    entry: int | None
    cmdline: str
    segments: tuple[Segment, ...]
    e820: MemoryMap
    elfcorehdr: ElfCoreHeader | None
    warnings: tuple[str, ...]
    assumed: tuple[str, ...] = ()
    undetermined: bool = False

    @property
    def certainty(self) -> Certainty | None:
        """How sure it is that the kernel's own loader does so; None for a plan that is carried out as it stands."""
        if self.syscall is not Syscall.FILE:
            return None
        if self.undetermined:
            return Certainty.OPEN
        return Certainty.LIKELY if self.assumed else Certainty.CERTAIN

    @property
    def call(self) -> str:
        """The system call by its name."""
        return "kexec_file_load" if self.syscall is Syscall.FILE else "kexec_load"

    def __repr__(self) -> str:
        return f"<LoadPlan {self.arch}, {self.call}, {len(self.segments)} segments>"

    def segment(self, name: str) -> Segment | None:
        """Return the segment of this name, or None."""
        return next((s for s in self.segments if s.name == name), None)
