"""What tests are built from: a bzImage, a machine laid out like a root, and a kernel with a kernel's semantics."""

import os
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kexeckit.formats.elfcorehdr import EM_X86_64, LoadRange, NoteRange
from kexeckit.formats.firmware_memmap import make_firmware_map, parse_memmap_entry
from kexeckit.formats.iomem import parse_iomem
from kexeckit.memory.range import MemRange
from kexeckit.plan.facts import MachineFacts
from kexeckit.plan.load_plan import LoadPlan, LoadRequest, NamedContent
from kexeckit.system.kexec import FileImage
from kexeckit.system.sysroot import DirectoryRoot

MIB = 1 << 20
PAGE = 4096
INITRD = b"070701" + b"an initramfs by name only; " * 400
IOMEM = """\
00000000-00000fff : Reserved
00001000-0009fbff : System RAM
0009fc00-0009ffff : Reserved
000a0000-000bffff : PCI Bus 0000:00
000f0000-000fffff : Reserved
  000f0000-000fffff : System ROM
00100000-bffdffff : System RAM
  01000000-01dfffff : Kernel code
  02000000-027fffff : Kernel rodata
  02800000-02bfffff : Kernel data
  a0000000-afffffff : Crash kernel
bffe0000-bfffffff : Reserved
fee00000-fee00fff : Local APIC
100000000-13fffffff : System RAM
"""
MEMMAP = (
    (0x0, 0x9FBFF, "System RAM"),
    (0x9FC00, 0x9FFFF, "Reserved"),
    (0xF0000, 0xFFFFF, "Reserved"),
    (0x100000, 0xBFFDFFFF, "System RAM"),
    (0xBFFE0000, 0xBFFFFFFF, "Reserved"),
    (0x100000000, 0x13FFFFFFF, "System RAM"),
)
KERNEL_TEXT = (0x1000000, 0xFFFFFFFF81000000, 0x1C00000)
PAGE_OFFSET = 0xFFFF888000000000


def build_bzimage(
    *,
    payload: int = 65536,
    init_size: int = 8 * MIB,
    alignment: int = 2 * MIB,
    preferred: int = 16 * MIB,
    cmdline_size: int = 2047,
    protocol: int = 0x20F,
    xloadflags: int = 0x7F,
    relocatable: int = 1,
    setup_sects: int = 4,
    release: str = "6.1.0-fake",
    fill: int = 0x90,
) -> bytes:
    """Return a file with the header of an x86 kernel and `payload` bytes of protected-mode code."""
    setup = bytearray(((setup_sects or 4) + 1) * 512)
    setup[0x1F1] = setup_sects
    struct.pack_into("<I", setup, 0x1F4, payload // 16)
    setup[0x1FE:0x206] = b"\x55\xaa\xeb\x6aHdrS"
    struct.pack_into("<H", setup, 0x206, protocol)
    struct.pack_into("<I", setup, 0x230, alignment)
    setup[0x234] = relocatable
    struct.pack_into("<H", setup, 0x236, xloadflags)
    struct.pack_into("<I", setup, 0x238, cmdline_size)
    struct.pack_into("<QI", setup, 0x258, preferred, init_size)
    text = release.encode() + b" (built by a test)\0"
    setup[0x300 : 0x300 + len(text)] = text
    struct.pack_into("<H", setup, 0x20E, 0x100)
    return bytes(setup) + bytes([fill]) * payload


def build_boot_params(
    e820: tuple[tuple[int, int, int], ...] = (), *, rsdp: int = 0, efi_systab: int = 0, descriptor_size: int = 48
) -> bytes:
    """Return a running kernel's boot_params page; `e820` holds (start, size, type)."""
    page = bytearray(4096)
    page[0x1E8] = len(e820)
    for number, entry in enumerate(e820):
        struct.pack_into("<QQI", page, 0x2D0 + 20 * number, *entry)
    struct.pack_into("<Q", page, 0x70, rsdp)
    if efi_systab:
        struct.pack_into("<4s3I", page, 0x1C0, b"EL64", efi_systab & 0xFFFFFFFF, descriptor_size, 1)
        struct.pack_into("<I", page, 0x1D8, efi_systab >> 32)
    page[0:8] = b"\x01\x02\x03\x04\x05\x06\x07\x08"
    return bytes(page)


def build_kcore() -> bytes:
    """Return the head of a /proc/kcore: one PT_LOAD for the kernel's text, two for the direct mapping."""
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    paddr, vaddr, size = KERNEL_TEXT
    loads = [(vaddr, paddr, size), (PAGE_OFFSET + MIB, MIB, 0xBFEE0000), (PAGE_OFFSET + (1 << 32), 1 << 32, 1 << 30)]
    loads.append((0xFFFFC90000000000, (1 << 64) - 1, 1 << 40))
    ehdr = struct.pack("<16sHHIQQQIHHHHHH", ident, 4, EM_X86_64, 1, 0, 64, 0, 0, 64, 56, len(loads), 0, 0, 0)
    return ehdr + b"".join(struct.pack("<IIQQQQQQ", 1, 7, 0, v, p, s, s, 4096) for v, p, s in loads)


@dataclass
class FakeMachine:
    """A machine as files; `write` lays it out below a folder.

    Attributes:
        iomem: /proc/iomem.
        memmap: (first, last, type) per entry of /sys/firmware/memmap; None for none.
        cmdline: /proc/cmdline.
        boot_params: The page, or None.
        cpus: CPUs with crash notes.
        kcore: /proc/kcore, or None.
        files: Further files, or others in the place of these; None takes one away.
    """

    iomem: str = IOMEM
    memmap: tuple[tuple[int, int, str], ...] | None = MEMMAP
    cmdline: str = "BOOT_IMAGE=/boot/vmlinuz root=/dev/vda1 ro crashkernel=256M console=ttyS0"
    boot_params: bytes | None = field(default_factory=build_boot_params)
    cpus: int = 2
    kcore: bytes | None = field(default_factory=build_kcore)
    files: Mapping[str, bytes | None] = field(default_factory=dict)

    def contents(self) -> dict[str, bytes]:
        """Return name -> bytes of every file."""
        out: dict[str, bytes | None] = {
            "/proc/iomem": self.iomem.encode("utf-8", "surrogateescape"),
            "/proc/cmdline": self.cmdline.encode("utf-8", "surrogateescape") + b"\n",
            "/proc/sys/kernel/osrelease": b"6.1.0-53-cloud-amd64\n",
            "/proc/sys/kernel/arch": b"x86_64\n",
            "/proc/kcore": self.kcore,
            "/sys/kernel/boot_params/data": self.boot_params,
            "/sys/kernel/vmcoreinfo": b"3fe00000 1000\n",
            "/sys/kernel/kexec_loaded": b"0\n",
            "/sys/kernel/kexec_crash_loaded": b"0\n",
            "/sys/kernel/kexec_crash_size": b"268435456\n",
            "/sys/devices/system/cpu/possible": b"0-%d\n" % (self.cpus - 1) if self.cpus > 1 else b"0\n",
            "/sys/devices/system/cpu/present": b"0-%d\n" % (self.cpus - 1) if self.cpus > 1 else b"0\n",
            "/sys/devices/system/cpu/kernel_max": b"8191\n",
        }
        for cpu in range(self.cpus):
            at = f"/sys/devices/system/cpu/cpu{cpu}/crash_notes"
            out[at] = b"%x\n" % (0x3F000000 + 0x1000 * cpu)
            out[f"{at}_size"] = b"368\n"
        for number, (first, last, kind) in enumerate(self.memmap or ()):
            at = f"/sys/firmware/memmap/{number}"
            out |= {f"{at}/start": b"0x%x\n" % first, f"{at}/end": b"0x%x\n" % last, f"{at}/type": kind.encode()}
        out |= self.files
        return {name: data for name, data in out.items() if data is not None}

    def write(self, folder: Path) -> Path:
        """Write the files below a folder and return it."""
        for name, data in self.contents().items():
            at = folder / name.lstrip("/")
            at.parent.mkdir(parents=True, exist_ok=True)
            at.write_bytes(data)
        return folder


def make_facts(iomem: str = IOMEM, memmap: tuple[tuple[int, int, str], ...] = MEMMAP, **others: Any) -> MachineFacts:
    """Return the facts of a machine without files; `others` are fields of `MachineFacts`."""
    entries = [
        parse_memmap_entry({"start": f"{first:#x}", "end": f"{last:#x}", "type": kind}, "memmap")
        for first, last, kind in memmap
    ]
    paddr, vaddr, size = KERNEL_TEXT
    fields: dict[str, Any] = {
        "arch": "x86_64",
        "release": "6.1.0-53-cloud-amd64",
        "firmware_map_source": "memmap",
        "cmdline": "root=/dev/vda1 crashkernel=256M",
        "crash_notes": tuple(NoteRange(f"cpu{n}", MemRange.from_size(0x3F000000 + n * PAGE, 368)) for n in range(2)),
        "vmcoreinfo": MemRange.from_size(0x3FE00000, PAGE),
        "kernel_text": LoadRange(MemRange.from_size(paddr, size), vaddr, executable=True),
        "page_offset": PAGE_OFFSET,
    }
    return MachineFacts(
        resources=parse_iomem(iomem), firmware_map=make_firmware_map(entries, "memmap"), **(fields | others)
    )


def make_request(kernel: bytes | None = None, initrd: bytes | None = INITRD, **others: Any) -> LoadRequest:
    """Return a request for a fake kernel; `others` are fields of `LoadRequest`."""
    return LoadRequest(
        kernel=NamedContent("vmlinuz", _mapped(build_bzimage() if kernel is None else kernel)),
        initrd=None if initrd is None else NamedContent("initrd", _mapped(initrd)),
        **({"cmdline": "console=ttyS0 quiet", "rng_seed": bytes(range(32))} | others),
    )


def _mapped(data: bytes) -> memoryview:
    # Like a private mapping: a view that can be written to, though nobody does.
    return memoryview(bytearray(data))


class LiveRoot(DirectoryRoot):
    """A directory that passes for the running machine."""

    __slots__ = ()

    @property
    def live(self) -> bool:
        """Pretend to be ``/``."""
        return True


@dataclass(frozen=True)
class FakeImage:
    """What a fake kernel holds in a slot: a copy, as the kernel makes one.

    Attributes:
        syscall: Which call brought it.
        kernel: Bytes of the kernel segment (load) or file (file_load).
        initrd: Bytes of the initrd, or None.
        cmdline: Command line.
    """

    syscall: str
    kernel: bytes
    initrd: bytes | None
    cmdline: str


@dataclass
class FakeKernel:
    """A kernel's two slots, with its order of work: kernel/kexec.c and kernel/kexec_file.c.

    For the crash slot the old image is freed before anything of the new one is allocated; the normal slot is
    exchanged at the very end. sysfs in `root` shows the slots.

    Attributes:
        root: The machine's files.
        normal: Image in the normal slot.
        crash: Image in the crash slot.
        refuse: errno raised before anything is touched (a right, a flag); one is used up per call.
        fail: errno raised after the old crash image was freed; likewise.
        during: Called in the middle of each load.
        calls: Names of the calls made.
    """

    root: Path
    normal: FakeImage | None = None
    crash: FakeImage | None = None
    refuse: list[int] = field(default_factory=list)
    fail: list[int] = field(default_factory=list)
    during: Callable[[], None] = lambda: None
    calls: list[str] = field(default_factory=list)

    def load(self, plan: LoadPlan) -> None:
        """See `Kernel.load`."""
        parts = {s.name: bytes(s.content) for s in plan.segments if s.content is not None}
        self._exchange("load", FakeImage("load", parts["kernel"], parts.get("initrd"), plan.cmdline), panic=plan.panic)

    def file_load(self, files: FileImage) -> None:
        """See `Kernel.file_load`."""
        kernel = os.pread(files.kernel_fd, 1 << 30, 0)
        initrd = None if files.initrd_fd is None else os.pread(files.initrd_fd, 1 << 30, 0)
        self._exchange("file_load", FakeImage("file", kernel, initrd, files.cmdline), panic=files.panic)

    def unload(self, *, panic: bool) -> None:
        """See `Kernel.unload`."""
        self.calls.append("unload")
        _raise_next(self.refuse)
        self._put(None, panic=panic)

    def execute(self) -> None:
        """See `Kernel.execute`."""
        self.calls.append("execute")
        _raise_next(self.refuse)

    def slot(self, *, panic: bool) -> FakeImage | None:
        """Return the image in a slot."""
        return self.crash if panic else self.normal

    def _exchange(self, name: str, image: FakeImage, *, panic: bool) -> None:
        self.calls.append(name)
        _raise_next(self.refuse)
        if panic:
            self._put(None, panic=True)
        _raise_next(self.fail)
        self.during()
        self._put(image, panic=panic)

    def _put(self, image: FakeImage | None, *, panic: bool) -> None:
        if panic:
            self.crash = image
        else:
            self.normal = image
        name = "kexec_crash_loaded" if panic else "kexec_loaded"
        # By another way than the code under test, whose ways tests make fail.
        with open(f"{self.root}/sys/kernel/{name}", "w") as file:  # noqa: PTH123
            file.write(f"{int(image is not None)}\n")


def _raise_next(numbers: list[int]) -> None:
    number = numbers.pop(0) if numbers else 0
    if number:
        raise OSError(number, os.strerror(number))
