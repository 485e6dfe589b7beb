"""From the files of a root (this machine, a capture, a sosreport) to a partial `Machine`.

What is read here are bytes that somebody has read already; no path is opened. A file that is there and cannot be used
is a problem, which is raised where nothing else shows what it would have shown.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, TypeVar

from kexeckit.errors import InputError, KexeckitError
from kexeckit.formats.banner import release_of_banner
from kexeckit.formats.bootlog.entries import TableEntry
from kexeckit.formats.firmware_memmap import is_unknown, make_firmware_map, parse_memmap_entry
from kexeckit.formats.iomem import parse_iomem
from kexeckit.frozen import dataclass
from kexeckit.machine.arch import kernel_arch
from kexeckit.machine.fact import Fact, How, Problem
from kexeckit.machine.sources.iomem import arch_of_resources
from kexeckit.machine.value import (
    BootFacts,
    CpuFacts,
    EfiFacts,
    KernelFacts,
    Machine,
    MemoryFacts,
    NodeFacts,
    ObservedFacts,
)
from kexeckit.memory.kind import MemoryKind
from kexeckit.memory.memmap import MemoryEntry
from kexeckit.memory.range import MemRange, clip
from kexeckit.memory.rangeset import RangeSet
from kexeckit.memory.resource import ResourceTree
from kexeckit.memory.units import KIB, PAGE_SIZE, align_up

# Few machines have all of these, and every command reads a machine: the rarer parsers are imported where needed.
if TYPE_CHECKING:
    from kexeckit.formats.boot_params import BootParams
    from kexeckit.formats.bootlog.efi import EfiMapEntry
    from kexeckit.formats.kernel_config import KernelConfig
    from kexeckit.formats.memblock_debugfs import MemblockEntry
    from kexeckit.formats.srat import Srat
    from kexeckit.formats.sysfs_crash import EfiDescriptor
    from kexeckit.formats.zoneinfo import ZoneInfo

T = TypeVar("T")

IOMEM = "/proc/iomem"
CMDLINE = "/proc/cmdline"
BANNER = "/proc/version"
RELEASE = "/proc/sys/kernel/osrelease"
ARCH = "/proc/sys/kernel/arch"
MEMINFO = "/proc/meminfo"
CPUINFO = "/proc/cpuinfo"
ZONEINFO = "/proc/zoneinfo"
CONFIG = "config"
MEMMAP = "/sys/firmware/memmap"
BOOT_PARAMS = "/sys/kernel/boot_params/data"
EFI = "/sys/firmware/efi"
RUNTIME_MAP = "/sys/firmware/efi/runtime-map"
EFI_MEMMAP = "/efi_memmap"
FDT = "/sys/firmware/fdt"
SRAT = "/sys/firmware/acpi/tables/SRAT"
MEMBLOCK = "/sys/kernel/debug/memblock"
NODES = "/sys/devices/system/node"
CPUS = "/sys/devices/system/cpu"
BLOCK_SIZE = "/sys/devices/system/memory/block_size_bytes"
LOADED = ("/sys/kernel/kexec_loaded", "/sys/kernel/kexec/loaded")
CRASH_LOADED = ("/sys/kernel/kexec_crash_loaded", "/sys/kernel/kexec/crash_loaded")
CRASH_SIZE = ("/sys/kernel/kexec_crash_size", "/sys/kernel/kexec/crash_size")
# Options that a prediction or an answer about a machine depends on.
OPTIONS = re.compile(
    r"^CONFIG_(?:KEXEC\w*|CRASH\w*|PROC_VMCORE|DMA_CMA|CMA_\w+|ZONE_DMA\w*|NUMA|RANDOMIZE_\w+|RELOCATABLE|PHYSICAL_\w+"
    r"|EFI\w*|NR_CPUS|X86_5LEVEL|ARM64_\w*PAGES|ARM64_PA_BITS\w*|MEMORY_HOTPLUG\w*|SPARSEMEM\w*|IMA_KEXEC"
    r"|ARCH_SUPPORTS_\w*|ARCH_HAS_GENERIC_CRASHKERNEL_RESERVATION|HUGETLB_PAGE)$"
)
_MOST_CPUS = 1 << 20
DESCRIPTOR = ("type", "phys_addr", "virt_addr", "num_pages", "attribute")


@dataclass(frozen=True, slots=True)
class Files:
    """What was read of a root.

    Attributes:
        source: How messages name the root.
        contents: Name to bytes, for every file that is there and could be read.
        folders: Name to the names in it, for every folder that is of interest.
        errors: Name to the error, for every file that is there and could not be read.
        labels: Name to how messages name the file.
        live: This is the running machine.
    """

    source: str
    contents: Mapping[str, bytes]
    folders: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    errors: Mapping[str, KexeckitError] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    live: bool = False

    def text(self, name: str) -> str | None:
        """Return a file's text, stray bytes kept as surrogates; None where it is not there."""
        data = self.contents.get(name)
        return None if data is None else data.decode("utf-8", "surrogateescape")

    def label(self, name: str) -> str:
        """Return how messages name a file."""
        return self.labels.get(name, name)

    def numbered(self, folder: str, mark: str = "") -> list[int]:
        """Return the numbers in the names of a folder that are `mark` and a number, rising."""
        names = self.folders.get(folder, ())
        return sorted(int(n[len(mark) :]) for n in names if n.startswith(mark) and n[len(mark) :].isdecimal())


def machine_from_files(files: Files) -> Machine:
    """Return what the files of a root show."""
    return FileReader(files).machine()


class FileReader:
    """One pass over the files of a root; what is damaged becomes a problem."""

    def __init__(self, files: Files) -> None:
        self.files = files
        self.problems: list[Problem] = []

    def machine(self) -> Machine:
        """Return the partial machine."""
        params = self.of_file("handover.boot_params", BOOT_PARAMS, _boot_params)
        runtime = self._runtime()
        known = self._memory(params)
        return Machine(
            source=self.files.source,
            kind="live" if self.files.live else "root",
            kernel=self._kernel(known.resources),
            boot=self._boot(params),
            memory=known,
            nodes=self._nodes(),
            efi=self._efi(params, runtime),
            cpus=self._cpus(),
            observed=self._observed(),
            problems=tuple(self.problems),
        )

    def of_file(self, about: str, name: str, parse: Callable[[bytes, str], T]) -> Fact[T] | None:
        """Parse one file; None where it is not there or, which is then a problem, cannot be used."""
        if name in self.files.errors:
            self.problems.append(Problem.of(about, self.files.errors[name]))
            return None
        data = self.files.contents.get(name)
        return (
            None
            if data is None
            else self.made(about, self.files.label(name), lambda: parse(data, self.files.label(name)))
        )

    def of_text(self, about: str, name: str, parse: Callable[[str, str], T]) -> Fact[T] | None:
        """Do the same for a text."""
        return self.of_file(about, name, lambda data, source: parse(data.decode("utf-8", "surrogateescape"), source))

    def made(self, about: str, source: str, make: Callable[[], T], how: How = How.OBSERVED) -> Fact[T] | None:
        """Return a fact that may turn out to be damaged."""
        try:
            return Fact(make(), source, how=how)
        except KexeckitError as error:
            self.problems.append(Problem.of(about, error))
            return None

    def _kernel(self, resources: Fact[ResourceTree] | None) -> KernelFacts:
        files = self.files
        version = files.text(BANNER) or ""
        words = version.split()
        release = self._line(RELEASE) or (
            Fact(words[2], files.label(BANNER)) if len(words) > 2 and words[1] == "version" else None
        )
        stable = release_of_banner(version)
        config = self.of_text("kernel.config", CONFIG, _parse_config)
        zones = files.text(ZONEINFO)
        return KernelFacts(
            arch=self._arch(resources),
            release=release,
            stable=Fact(stable, files.label(BANNER)) if stable else None,
            cmdline=self._cmdline(),
            config=Fact(tuple((k, v) for k, v in config.value.values.items() if OPTIONS.match(k)), config.source)
            if config
            else None,
            zone_dma=Fact(bool(re.search(r"zone +DMA$", zones, re.MULTILINE)), files.label(ZONEINFO), how=How.DERIVED)
            if zones
            else None,
            gbpages=self._gbpages(),
        )

    def _arch(self, resources: Fact[ResourceTree] | None) -> Fact[str] | None:
        named = self._line(ARCH)
        if named:
            return Fact(kernel_arch(named.value), named.source, how=named.how)
        files = self.files
        if BOOT_PARAMS in files.contents or MEMMAP in files.folders:
            name = BOOT_PARAMS if BOOT_PARAMS in files.contents else MEMMAP
            return Fact("x86_64", files.label(name), how=How.DERIVED)
        if FDT in files.contents:
            return Fact("arm64", files.label(FDT), how=How.DERIVED)
        shown = arch_of_resources(resources.value) if resources else ""
        return Fact(shown, files.label(IOMEM), how=How.DERIVED) if shown else None

    def _line(self, name: str) -> Fact[str] | None:
        text = (self.files.text(name) or "").strip()
        return Fact(text, self.files.label(name)) if text else None

    def _cmdline(self) -> Fact[str] | None:
        return self.of_text("kernel.cmdline", CMDLINE, lambda text, _: text.strip())

    def _gbpages(self) -> Fact[bool] | None:
        # A kernel that maps with 1 GiB pages has a line for them in /proc/meminfo, even if it says 0 kB.
        text = self.files.text(MEMINFO) or ""
        if "DirectMap" in text:
            return Fact("DirectMap1G:" in text, self.files.label(MEMINFO))
        flags = self._flags()
        if flags is None:
            return None
        words = (self.files.text(CMDLINE) or "").split()
        return Fact("pdpe1gb" in flags.value and "nogbpages" not in words, flags.source, how=How.DERIVED)

    def _boot(self, params: "Fact[BootParams] | None") -> BootFacts:
        files = self.files
        known = EFI in files.folders or params is not None or files.live
        return BootFacts(
            efi=Fact(EFI in files.folders, files.label(EFI)) if known else None,
            initrd=Fact(_initrd(params.value), params.source) if params else self._initrd_of_tree(),
            init_size=Fact(params.value.init_size, params.source) if params and params.value.init_size else None,
            kexec=Fact(value=True, source=params.source) if params and params.value.by_kexec else None,
            random_place=Fact(params.value.kaslr, params.source) if params else None,
        )

    def _initrd_of_tree(self) -> Fact[MemRange | None] | None:
        # Newer kernels' EFI stub hands the initrd over beside the tree, so a tree without one says nothing.
        data, label = self.files.contents.get(FDT), self.files.label(FDT)
        if not data:
            return None
        from kexeckit.formats.fdt import initrd_of

        found = self.made("boot.initrd", label, lambda: initrd_of(data, label))
        return found if found and found.value else None

    def _memory(self, params: "Fact[BootParams] | None") -> MemoryFacts:
        lists = {}
        for name in ("memory", "reserved"):
            lists[name] = self.of_text(f"memory.{name}", f"{MEMBLOCK}/{name}", _parse_memblock)
        total = re.search(r"^MemTotal:\s+(\d{1,15}) kB", self.files.text(MEMINFO) or "", re.MULTILINE)
        return MemoryFacts(
            firmware=self._firmware(params),
            resources=self.of_text("memory.resources", IOMEM, parse_iomem),
            memblock=_nonempty(lists["memory"]),
            reserved=_nonempty(lists["reserved"]),
            managed=Fact(int(total[1]) * KIB, self.files.label(MEMINFO)) if total else None,
        )

    def _firmware(self, params: "Fact[BootParams] | None") -> Fact[tuple[TableEntry, ...]] | None:
        if MEMMAP in self.files.folders:
            known = {e.range: e.kind for e in params.value.e820} if params else {}
            return self.made("memory.firmware", self.files.label(MEMMAP), lambda: _entries(self._memmap(), known))
        if params and params.value.e820:
            entries = list(params.value.e820)
            return self.made(
                "memory.firmware",
                params.source,
                lambda: _entries(list(make_firmware_map(entries, params.source)), {}),
            )
        return None

    def _memmap(self) -> list[MemoryEntry]:
        folders = [f"{MEMMAP}/{n}" for n in self.files.numbered(MEMMAP)]
        entries = [parse_memmap_entry(self._fields(f, ("start", "end", "type")), self.files.label(f)) for f in folders]
        return list(make_firmware_map(entries, self.files.label(MEMMAP)))

    def _fields(self, folder: str, names: Iterable[str]) -> dict[str, str]:
        found = {n: self.files.text(f"{folder}/{n}") for n in names}
        return {n: text.strip() for n, text in found.items() if text is not None}

    def _nodes(self) -> NodeFacts:
        return NodeFacts(
            srat=self.of_file("nodes.srat", SRAT, _parse_srat),
            blocks=self.made("nodes.blocks", self.files.label(NODES), self._blocks, How.DERIVED)
            if NODES in self.files.folders
            else None,
            distances=self._distances(),
        )

    def _blocks(self) -> "Srat":
        from kexeckit.formats.srat import MemoryAffinity, Srat

        nids = self.files.numbered(NODES, "node")
        text = (self.files.text(BLOCK_SIZE) or "").strip()
        if len(nids) < 2 or not text:
            return Srat((), tuple(nids))
        try:
            size = int(text, 16)
        except ValueError as error:
            raise InputError(self.files.label(BLOCK_SIZE), f"unusable text {text!r}", expected="a size") from error
        blocks = [(nid, n) for nid in nids for n in self.files.numbered(f"{NODES}/node{nid}", "memory")]
        spans = ((nid, clip(n * size, min((n + 1) * size, 1 << 64))) for nid, n in blocks)
        return Srat(tuple(MemoryAffinity(nid, span) for nid, span in spans if span), tuple(nids))

    def _distances(self) -> Fact[tuple[tuple[int, ...], ...]] | None:
        names = [f"{NODES}/node{n}/distance" for n in self.files.numbered(NODES, "node")]
        rows = [(name, row) for name in names if (row := self.files.text(name))]
        if not rows:
            return None
        label = self.files.label(NODES)
        return self.made("nodes.distances", label, lambda: tuple(_distances(r, self.files.label(n)) for n, r in rows))

    def _efi(self, params: "Fact[BootParams] | None", runtime: "Fact[tuple[EfiDescriptor, ...]] | None") -> EfiFacts:
        found = self.of_file("efi.map", EFI_MEMMAP, _efi_memory_map)
        whole = _mirrored(found.value) if found else None
        part = _mirrored(runtime.value) if runtime else None
        efi = params.value.efi if params else None
        at = clip(efi.memmap, min(efi.memmap + efi.memmap_size, 1 << 64)) if efi else None
        mirrored = Fact(whole, found.source) if found and whole else None
        if not mirrored and runtime and part:
            mirrored = Fact(part, runtime.source)
        return EfiFacts(
            map=Fact(tuple(map(_map_entry, found.value)), found.source) if found else None,
            map_at=Fact(at, params.source) if at and params else None,
            runtime=runtime,
            mirrored=mirrored,
            mirror_whole=self._mirror_whole(part, found),
        )

    def _mirror_whole(self, part: object, found: "Fact[tuple[EfiDescriptor, ...]] | None") -> Fact[bool] | None:
        # Firmware that is not EFI knows no mirrored memory.
        if found:
            return Fact(value=True, source=found.source, how=How.DERIVED)
        if part:
            return Fact(value=False, source=self.files.label(RUNTIME_MAP), how=How.DERIVED)
        return None if EFI in self.files.folders else Fact(value=True, source=self.files.label(EFI), how=How.DERIVED)

    def _runtime(self) -> "Fact[tuple[EfiDescriptor, ...]] | None":
        if RUNTIME_MAP not in self.files.folders:
            return None
        from kexeckit.formats.sysfs_crash import parse_efi_descriptor

        folders = [f"{RUNTIME_MAP}/{n}" for n in self.files.numbered(RUNTIME_MAP)]
        return self.made(
            "efi.runtime",
            self.files.label(RUNTIME_MAP),
            lambda: tuple(parse_efi_descriptor(self._fields(f, DESCRIPTOR), self.files.label(f)) for f in folders),
        )

    def _cpus(self) -> CpuFacts:
        return CpuFacts(
            flags=self._flags(),
            possible=self.of_text("cpus.possible", f"{CPUS}/possible", _cpu_count),
            present=self.of_text("cpus.present", f"{CPUS}/present", _cpu_count),
            most=self.of_text(
                "cpus.most", f"{CPUS}/kernel_max", lambda text, source: _cpu_count(f"0-{text.strip()}", source)
            ),
        )

    def _flags(self) -> Fact[frozenset[str]] | None:
        for number, line in enumerate((self.files.text(CPUINFO) or "").splitlines(), 1):
            name, _, words = line.partition(":")
            if name.strip() == "flags":
                return Fact(frozenset(words.split()), self.files.label(CPUINFO), number)
        return None

    def _observed(self) -> ObservedFacts:
        return ObservedFacts(
            zoneinfo=self.of_text("observed.zoneinfo", ZONEINFO, _parse_zoneinfo),
            loaded=self._flag("observed.loaded", LOADED),
            crash_loaded=self._flag("observed.crash_loaded", CRASH_LOADED),
            crash_size=self._number("observed.crash_size", CRASH_SIZE),
        )

    def _number(self, about: str, names: tuple[str, ...]) -> Fact[int] | None:
        name = next((n for n in names if n in self.files.contents or n in self.files.errors), None)
        return self.of_text(about, name, _decimal) if name else None

    def _flag(self, about: str, names: tuple[str, ...]) -> Fact[bool] | None:
        found = self._number(about, names)
        return Fact(found.value == 1, found.source) if found else None


def _parse_zoneinfo(text: str, source: str) -> "tuple[ZoneInfo, ...]":
    from kexeckit.formats.zoneinfo import parse_zoneinfo

    return parse_zoneinfo(text, source)


def _distances(row: str, source: str) -> tuple[int, ...]:
    words = row.split()
    if not words or not all(w.isascii() and w.isdecimal() for w in words):
        raise InputError(source, f"unusable text {row.strip()!r}", expected="distances, such as 10 21")
    return tuple(map(int, words))


def _parse_config(text: str, source: str) -> "KernelConfig":
    from kexeckit.formats.kernel_config import parse_kernel_config

    return parse_kernel_config(text, source)


def _parse_srat(data: bytes, source: str) -> "Srat":
    from kexeckit.formats.srat import parse_srat

    return parse_srat(data, source)


def _parse_memblock(text: str, source: str) -> "tuple[MemblockEntry, ...]":
    from kexeckit.formats.memblock_debugfs import parse_memblock_list

    return parse_memblock_list(text, source)


def _nonempty(fact: Fact[tuple[T, ...]] | None) -> Fact[tuple[T, ...]] | None:
    return fact if fact and fact.value else None


def _entries(entries: Iterable[MemoryEntry], numbers: Mapping[MemRange, MemoryKind]) -> tuple[TableEntry, ...]:
    # sysfs prints all unknown types by the same words; the boot_params page has their numbers.
    kinds = ((e, numbers.get(e.range, e.kind) if is_unknown(e.kind) else e.kind) for e in entries)
    return tuple(TableEntry(e.start, e.end, kind, 0) for e, kind in kinds)


def _boot_params(data: bytes, source: str) -> "BootParams":
    from kexeckit.formats.boot_params import parse_boot_params

    return parse_boot_params(data, source)


def _initrd(params: "BootParams") -> MemRange | None:
    if not params.initrd_size:
        return None
    return clip(params.initrd_address, align_up(params.initrd_address + params.initrd_size, PAGE_SIZE))


def _efi_memory_map(data: bytes, source: str) -> "tuple[EfiDescriptor, ...]":
    from kexeckit.formats.efi_memory_map import parse_efi_memory_map

    return parse_efi_memory_map(data, source)


def _mirrored(found: "tuple[EfiDescriptor, ...]") -> RangeSet:
    from kexeckit.formats.efi_memory_map import mirrored_memory

    return mirrored_memory(found)


def _map_entry(found: "EfiDescriptor") -> "EfiMapEntry":
    from kexeckit.formats.bootlog.efi import EfiMapEntry
    from kexeckit.formats.sysfs_crash import EFI_PAGE

    return EfiMapEntry(MemRange.from_size(found.phys, found.pages * EFI_PAGE), found.type, "", found.attribute, 0)


def _cpu_count(text: str, source: str) -> int:
    # A list such as "0-3,8".
    try:
        pairs = (part.partition("-") for part in text.strip().split(","))
        return sum(_counted(first, last or first) for first, _, last in pairs)
    except ValueError as error:
        raise InputError(source, f"unusable text {text.strip()!r}", expected="a list of CPUs such as 0-3") from error


def _counted(first: str, last: str) -> int:
    # CPUs from first to last; more than any kernel can have is no count of CPUs.
    low, high = int(first), int(last)
    if not 0 <= low <= high < _MOST_CPUS:
        raise ValueError(f"{low}-{high} is no range of CPUs")
    return high - low + 1


def _decimal(text: str, source: str) -> int:
    try:
        return int(text.strip())
    except ValueError:
        raise InputError(source, f"unusable text {text.strip()!r}", expected="a number") from None
