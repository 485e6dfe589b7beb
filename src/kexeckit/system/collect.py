"""Collect `MachineFacts` from a Sysroot: the running machine or a capture of another one.

What is missing either has a second source, named in a warning, or leads to a warning that says what follows from it.
Only /proc/iomem has no substitute.
"""

from dataclasses import replace

from kexeckit.errors import InputError, KexeckitError, NotPermittedError, UnavailableError
from kexeckit.formats.boot_params import BootParams, parse_boot_params
from kexeckit.formats.elfcorehdr import PT_LOAD, LoadRange, NoteRange, ProgramHeader, loads_of, parse_program_headers
from kexeckit.formats.firmware_memmap import make_firmware_map, parse_memmap_entry
from kexeckit.formats.iomem import parse_iomem
from kexeckit.formats.sysfs_crash import (
    EfiDescriptor,
    parse_address,
    parse_crash_notes,
    parse_efi_descriptor,
    parse_efi_systab,
    parse_vmcoreinfo_location,
)
from kexeckit.memory.kind import kind_from_label
from kexeckit.memory.memmap import MemoryEntry, MemoryMap
from kexeckit.memory.range import MemRange
from kexeckit.memory.resource import ResourceTree
from kexeckit.plan.facts import EfiFacts, LoaderFacts, MachineFacts
from kexeckit.system.memory_traits import read_memory_traits
from kexeckit.system.release import read_arch, stable_release
from kexeckit.system.sysroot import Sysroot

IOMEM = "/proc/iomem"
MEMMAP = "/sys/firmware/memmap"
BOOT_PARAMS = "/sys/kernel/boot_params/data"
EFI = "/sys/firmware/efi"
CPUS = "/sys/devices/system/cpu"
KCORE = "/proc/kcore"
_CRASH_HOTPLUG = ("/sys/kernel/crash_elfcorehdr_size", "/sys/kernel/kexec/crash_elfcorehdr_size")
_UNKNOWN_PADDR = (1 << 64) - 1
_KERNEL_TEXT = 0xFFFFFFFF80000000
_MOST_CPUS = 1 << 20


def collect_facts(root: Sysroot, arch: str | None = None, release: str | None = None) -> MachineFacts:
    """Read what a plan needs.

    Args:
        root: Where to read.
        arch: As ``uname -m``, to override what the source says.
        release: As ``uname -r``, likewise.

    Raises:
        InputError: /proc/iomem or another file cannot be understood, or its addresses are masked.
        UnavailableError: There is no /proc/iomem.
    """
    single = root.single_file
    if single:
        raise UnavailableError(
            f"{single.name} is a single file; a plan needs /proc/iomem and more",
            remedy="give a capture: a directory or tar laid out like a root",
        )
    warnings: list[str] = []
    about_dumps: list[str] = []
    resources = parse_iomem(root.read_text(IOMEM), root.label(IOMEM))
    params = _boot_params(root, warnings)
    firmware, source = _firmware_map(root, resources, params, warnings)
    text, page_offset = _kcore(root, about_dumps)
    efi = _efi(root, params)
    return MachineFacts(
        arch=arch or read_arch(root),
        release=release or stable_release(root),
        resources=resources,
        firmware_map=firmware,
        firmware_map_source=source,
        cmdline=root.read_text("/proc/cmdline").strip("\n") if root.exists("/proc/cmdline") else "",
        boot_params=params,
        crash_notes=_crash_notes(root),
        vmcoreinfo=_vmcoreinfo(root, about_dumps),
        kernel_text=text,
        page_offset=page_offset,
        rsdp=_rsdp(root, params),
        efi=efi,
        loader=_loader(root),
        traits=read_memory_traits(root),
        warnings=tuple(warnings),
        dump_warnings=tuple(about_dumps),
    )


def _boot_params(root: Sysroot, warnings: list[str]) -> BootParams | None:
    if not root.exists(BOOT_PARAMS):
        warnings.append(f"{root.label(BOOT_PARAMS)} is absent: screen, EFI and ACPI pointers are not handed over")
        return None
    return parse_boot_params(root.read_bytes(BOOT_PARAMS), root.label(BOOT_PARAMS))


def _firmware_map(
    root: Sysroot, resources: ResourceTree, params: BootParams | None, warnings: list[str]
) -> tuple[MemoryMap, str]:
    if root.exists(MEMMAP):
        entries = [_memmap_entry(root, f"{MEMMAP}/{n}") for n in sorted(root.listdir(MEMMAP), key=_number)]
        known = _with_numbers(entries, params)
        return make_firmware_map(known, root.label(MEMMAP)), root.label(MEMMAP)
    if params and params.e820:
        warnings.append(f"{root.label(MEMMAP)} is absent: the firmware map is taken from {root.label(BOOT_PARAMS)}")
        return make_firmware_map(list(params.e820), root.label(BOOT_PARAMS)), root.label(BOOT_PARAMS)
    warnings.append(
        f"{root.label(MEMMAP)} is absent: the firmware map is taken from {root.label(IOMEM)}, "
        "where memmap= and mem= of the running kernel show"
    )
    tops = ((r.range, kind_from_label(r.name)) for r in resources.roots)
    found = [MemoryEntry(r, kind) for r, kind in tops if kind]
    return make_firmware_map(found, root.label(IOMEM)), root.label(IOMEM)


def _memmap_entry(root: Sysroot, folder: str) -> MemoryEntry:
    fields = {name: root.read_text(f"{folder}/{name}") for name in ("start", "end", "type")}
    return parse_memmap_entry(fields, root.label(folder))


def _with_numbers(entries: list[MemoryEntry], params: BootParams | None) -> list[MemoryEntry]:
    # sysfs prints all unknown types by the same words; the boot_params page has their numbers.
    numbers = {e.range: e.kind for e in params.e820} if params else {}
    return [MemoryEntry(e.range, numbers.get(e.range, e.kind)) if ":" in e.kind.name else e for e in entries]


def _number(name: str) -> int:
    return int(name) if name.isdecimal() else -1


def _kcore(root: Sysroot, warnings: list[str]) -> tuple[LoadRange | None, int | None]:
    try:
        headers = _kcore_headers(root)
    except KexeckitError as error:
        warnings.append(
            f"{error}: the virtual addresses of old memory are not determined, PT_LOADs carry none; "
            "readers of the dump must take them from vmcoreinfo"
        )
        return None, None
    mapped = [h for h in headers if h.type == PT_LOAD and h.paddr != _UNKNOWN_PADDR and h.memsz]
    texts = [h for h in mapped if h.vaddr >= _KERNEL_TEXT]
    direct = {h.vaddr - h.paddr for h in mapped if h.vaddr < _KERNEL_TEXT}
    text = replace(loads_of(texts[:1], root.label(KCORE))[0], executable=True) if texts else None
    if len(direct) != 1:
        warnings.append(f"{root.label(KCORE)} does not show one offset of the direct mapping; PT_LOADs carry none")
    return text, direct.pop() if len(direct) == 1 else None


def _kcore_headers(root: Sysroot) -> list[ProgramHeader]:
    # Never read further than the program headers: the file is as large as the address space.
    head = root.read_bytes(KCORE, 64)
    if len(head) < 64:
        raise InputError(root.label(KCORE), "shorter than an ELF header")
    count = int.from_bytes(head[56:58], "little")
    return parse_program_headers(root.read_bytes(KCORE, 64 + 56 * count), root.label(KCORE))


def _crash_notes(root: Sysroot) -> tuple[NoteRange, ...]:
    if not root.exists(CPUS):
        return ()
    cpus = [n for n in root.listdir(CPUS) if n.startswith("cpu") and n[3:].isdecimal()]
    notes = []
    for cpu in sorted(cpus, key=lambda n: int(n[3:])):
        at = f"{CPUS}/{cpu}/crash_notes"
        if root.exists(at):
            where = parse_crash_notes(root.read_text(at), root.read_text(f"{at}_size"), root.label(at))
            notes.append(NoteRange(cpu, where))
    return tuple(notes)


def _loader(root: Sysroot) -> LoaderFacts:
    # Where a capture lacks these files, the values of Debian's configuration stand.
    defaults = LoaderFacts()
    possible = _cpu_count(root, "possible", defaults.possible_cpus)
    meminfo = root.read_text("/proc/meminfo") if root.exists("/proc/meminfo") else ""
    cma = next((line for line in meminfo.splitlines() if line.startswith("CmaTotal:")), "CmaTotal: 0 kB")
    return LoaderFacts(
        possible_cpus=possible,
        present_cpus=min(_cpu_count(root, "present", possible), possible),
        nr_cpus=_cpu_count(root, "kernel_max", defaults.nr_cpus),
        crash_hotplug=any(root.exists(n) for n in _CRASH_HOTPLUG) or not root.exists("/sys/kernel"),
        cma=cma.split()[1:] != ["0", "kB"],
    )


def _cpu_count(root: Sysroot, name: str, default: int) -> int:
    # A list such as "0-3,8" for possible and present; the highest number alone for kernel_max.
    at = f"{CPUS}/{name}"
    if not root.exists(at):
        return default
    text = root.read_text(at).strip()
    try:
        if name == "kernel_max":
            return _counted("0", text)
        pairs = (part.partition("-") for part in text.split(","))
        return sum(_counted(first, last or first) for first, _, last in pairs)
    except ValueError as error:
        raise InputError(root.label(at), f"unusable text {text!r}", expected="a list of CPUs such as 0-3") from error


def _counted(first: str, last: str) -> int:
    # CPUs from first to last; more than any kernel can have is no count of CPUs.
    low, high = int(first), int(last)
    if not 0 <= low <= high < _MOST_CPUS:
        raise ValueError(f"{low}-{high} is no range of CPUs")
    return high - low + 1


def _vmcoreinfo(root: Sysroot, warnings: list[str]) -> MemRange | None:
    name = "/sys/kernel/vmcoreinfo"
    if not root.exists(name):
        warnings.append(f"{root.label(name)} is absent: a dump will have no vmcoreinfo")
        return None
    return parse_vmcoreinfo_location(root.read_text(name), root.label(name))


def _efi(root: Sysroot, params: BootParams | None) -> EfiFacts | None:
    folder = f"{EFI}/runtime-map"
    if not root.exists(folder) or not params or not params.efi.present:
        return None
    descriptors = tuple(_efi_descriptor(root, f"{folder}/{n}") for n in sorted(root.listdir(folder), key=_number))
    pointers = {name: _hex_file(root, f"{EFI}/{name}") for name in ("fw_vendor", "runtime", "config_table")}
    return EfiFacts(
        fw_vendor=pointers["fw_vendor"],
        runtime=pointers["runtime"],
        config_table=pointers["config_table"],
        smbios=_systab(root).get("SMBIOS", 0),
        runtime_map=descriptors,
    )


def _efi_descriptor(root: Sysroot, folder: str) -> EfiDescriptor:
    names = ("type", "phys_addr", "virt_addr", "num_pages", "attribute")
    return parse_efi_descriptor({n: root.read_text(f"{folder}/{n}").strip() for n in names}, root.label(folder))


def _hex_file(root: Sysroot, name: str) -> int:
    if not root.exists(name):
        return 0
    return parse_address(root.read_text(name).strip(), root.label(name))


def _systab(root: Sysroot) -> dict[str, int]:
    name = f"{EFI}/systab"
    try:
        return parse_efi_systab(root.read_text(name), root.label(name)) if root.exists(name) else {}
    except NotPermittedError:
        return {}


def _rsdp(root: Sysroot, params: BootParams | None) -> int:
    if params and params.rsdp:
        return params.rsdp
    tables = _systab(root)
    return tables.get("ACPI20") or tables.get("ACPI") or 0
