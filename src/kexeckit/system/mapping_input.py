"""From a Sysroot to a question about page tables: what the kernel there maps, and how.

Sources: a root (this machine or a capture), an iomem file, or a boot log. What a source does not show is either taken
as the usual case or named as not determined; both are said.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from kexeckit.errors import InputError, UnavailableError
from kexeckit.formats.bootlog.boot import BootLog, parse_boot_log
from kexeckit.formats.bootlog.memory import firmware_table
from kexeckit.formats.iomem import parse_iomem
from kexeckit.kernel.behaviour.fields import own_fields, stated_words
from kexeckit.kernel.behaviour.floors import PAGE_TABLES, below_floor
from kexeckit.kernel.behaviour.loading import KernelBehaviour, behaviour_of
from kexeckit.kernel.load.kimage_check import NO_LIMIT, X86_64_LIMIT, X86_64_LIMIT_LA57, ImageLimits
from kexeckit.kernel.page_tables.calls import EfiTables, MappingCalls, kernel_calls
from kexeckit.kernel.page_tables.geometry import TableFormat
from kexeckit.kernel.page_tables.rule import kernel_rule
from kexeckit.kernel.zones.from_log import release_of_log
from kexeckit.machine.version import NEWEST, Release
from kexeckit.memory.kind import RAM
from kexeckit.memory.range import MemRange
from kexeckit.memory.resource import SYSTEM_RAM, Resource, ResourceTree
from kexeckit.memory.units import PAGE_SIZE
from kexeckit.plan.cost import MappingRules
from kexeckit.system.collect import BOOT_PARAMS, IOMEM
from kexeckit.system.release import read_arch, stable_release
from kexeckit.system.sysroot import SingleFile, Sysroot
from kexeckit.system.text import decode_text

_IOMEM_LINE = re.compile(r"^\s*[0-9a-f]{8,16}-[0-9a-f]{8,16} : ", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class MappingQuestion:
    """What a kernel maps for kexec on one machine.

    Attributes:
        arch: As ``uname -m`` prints it.
        resources: Its resources.
        calls: What is mapped without an image's segments.
        behaviour: The kernel.
        levels: Levels of page tables in use.
        gbpages: Whether the kernel maps with 1 GiB pages.
        assumed: What was assumed, or stated by the user, in words.
        below: Why the kernel's rules are not modelled, or None.
    """

    arch: str
    resources: ResourceTree
    calls: MappingCalls
    behaviour: KernelBehaviour
    levels: int = 4
    gbpages: bool = True
    assumed: tuple[str, ...] = ()
    below: str | None = None

    @property
    def crash(self) -> tuple[MemRange, ...]:
        """The crash regions, lowest first."""
        return self.resources.crash_regions()


@dataclass(frozen=True, slots=True)
class KernelWanted:
    """What the user says about the kernel.

    Attributes:
        arch: Machine name, to override the source's.
        release: Kernel release, to override the source's.
        stated: Fields of the kernel's behaviour that the user states, with their values.
    """

    arch: str | None = None
    release: str | None = None
    stated: Mapping[str, object] = field(default_factory=dict)


def read_mapping_question(
    root: Sysroot,
    arch: str | None = None,
    release: str | None = None,
    stated: Mapping[str, object] | None = None,
) -> MappingQuestion:
    """Read what a machine's kernel maps for kexec.

    Args:
        root: The source.
        arch: Machine name, to override the source's.
        release: Kernel release, to override the source's.
        stated: Fields of the kernel's behaviour that the user states, with their values.

    Raises:
        InputError: The source cannot be understood.
        UnavailableError: There is no memory map in it.
    """
    wanted = KernelWanted(arch, release, stated or {})
    single = root.single_file
    if single:
        return _from_file(single, wanted)
    tree = parse_iomem(root.read_text(IOMEM), root.label(IOMEM))
    assumed: list[str] = []
    name = arch or read_arch(root)
    behaviour, below = behaviour_named(name, stable_release(root), wanted, assumed)
    efi = read_efi_tables(root)
    unknown = root.exists("/sys/firmware/efi") and efi is None
    return MappingQuestion(
        name,
        tree,
        kernel_calls(tree, behaviour, (), efi, efi_unknown=unknown),
        behaviour,
        _levels(root, assumed),
        _gbpages(root, assumed),
        tuple(assumed),
        below,
    )


def behaviour_named(
    arch: str, release: str, wanted: KernelWanted, assumed: list[str]
) -> tuple[KernelBehaviour, str | None]:
    """Return what a kernel does, and why page tables of that release are not modelled, or None.

    Args:
        arch: Machine name.
        release: What the source says; empty stands for the newest, which `assumed` then says.
        wanted: What the user says instead.
        assumed: What is assumed or stated is added here.
    """
    text = wanted.release or release
    if not text:
        assumed.append(f"the source does not name the kernel's version; {NEWEST} is assumed")
    assumed += stated_words(KernelBehaviour, wanted.stated)
    version = Release(text or NEWEST).version
    name = "arm64" if arch == "aarch64" else arch
    behaviour = behaviour_of(version, arch=name, stated=own_fields(KernelBehaviour, wanted.stated))
    return behaviour, below_floor(PAGE_TABLES, name, version)


def read_efi_tables(root: Sysroot) -> EfiTables | None:
    """Return where the EFI tables are, or None where the source does not show it (or there is no EFI).

    The number of configuration tables stands only in memory; it is not needed as long as the array ends in the GiB in
    which it begins, so a usual number is taken.
    """
    name = "/sys/firmware/efi/config_table"
    if not root.exists(name) or not root.exists(BOOT_PARAMS):
        return None
    from kexeckit.formats.boot_params import parse_boot_params

    params = parse_boot_params(root.read_bytes(BOOT_PARAMS), root.label(BOOT_PARAMS))
    text = root.read_text(name).strip()
    try:
        at = int(text, 16)
    except ValueError as error:
        raise InputError(root.label(name), f"unusable text {text!r}", expected="an address") from error
    return EfiTables(params.efi.systab, at, _USUAL_CONFIG_TABLES) if params.efi.present else None


_USUAL_CONFIG_TABLES = 16


def _levels(root: Sysroot, assumed: list[str]) -> int:
    flags = _cpu_flags(root)
    if flags is None:
        assumed.append("the source does not show the CPU's flags; 4 levels are assumed")
        return 4
    return 5 if "la57" in flags else 4


def _gbpages(root: Sysroot, assumed: list[str]) -> bool:
    # A kernel that maps with 1 GiB pages has a line for them in /proc/meminfo, even if it says 0 kB.
    if root.exists("/proc/meminfo"):
        text = root.read_text("/proc/meminfo")
        if "DirectMap" in text:
            return "DirectMap1G:" in text
    flags = _cpu_flags(root)
    if flags is not None:
        words = root.read_text("/proc/cmdline").split() if root.exists("/proc/cmdline") else []
        return "pdpe1gb" in flags and "nogbpages" not in words
    assumed.append("the source does not show whether the kernel uses 1 GiB pages; it is assumed that it does")
    return True


def _cpu_flags(root: Sysroot) -> set[str] | None:
    if not root.exists("/proc/cpuinfo"):
        return None
    for line in root.read_text("/proc/cpuinfo").splitlines():
        name, _, words = line.partition(":")
        if name.strip() == "flags":
            return set(words.split())
    return None


def _from_file(single: SingleFile, wanted: KernelWanted) -> MappingQuestion:
    text = decode_text(single.data)
    if _IOMEM_LINE.search(text[:4096]):
        assumed = ["an iomem file shows no CPU: 4 levels and 1 GiB pages are assumed"]
        tree = parse_iomem(text, single.name)
        arch = wanted.arch or "x86_64"
        behaviour, below = behaviour_named(arch, "", wanted, assumed)
        calls = kernel_calls(tree, behaviour)
        return MappingQuestion(arch, tree, calls, behaviour, assumed=tuple(assumed), below=below)
    return _from_log(parse_boot_log(text, single.name), wanted)


def _from_log(log: BootLog, wanted: KernelWanted) -> MappingQuestion:
    # The firmware's table stands for /proc/iomem: exact as long as no memmap= or mem= changed it.
    ranges = [MemRange(e.start, e.end) for e in firmware_table(log) if e.kind == RAM and e.start < e.end]
    if not ranges:
        raise UnavailableError(f"{log.source}: no memory map in it", remedy="give a whole boot log or a capture")
    tree = ResourceTree(tuple(Resource(r, SYSTEM_RAM) for r in sorted(ranges)))
    assumed = ["RAM is taken from the firmware's table in the log"]
    arch = wanted.arch or log.arch or "x86_64"
    behaviour, below = behaviour_named(arch, release_of_log(log), wanted, assumed)
    gbpages = bool(log.find(re.compile("Using GB pages for direct mapping")))
    calls = kernel_calls(tree, behaviour, efi_unknown=bool(log.find(re.compile(r"^efi: EFI v"))))
    return MappingQuestion(arch, tree, calls, behaviour, 4, gbpages, tuple(assumed), below)


def read_image_limits(root: Sysroot, question: MappingQuestion) -> ImageLimits:
    """Return what the kernel measures an image against.

    Args:
        root: The source.
        question: The same machine's mapping.
    """
    total = None
    if root.exists("/proc/meminfo"):
        found = re.search(r"^MemTotal:\s+(\d+) kB", root.read_text("/proc/meminfo"), re.MULTILINE)
        total = int(found[1]) * 1024 // PAGE_SIZE if found else None
    limit = X86_64_LIMIT if question.levels == 4 else X86_64_LIMIT_LA57
    main = question.crash[-1] if question.crash else None
    return ImageLimits(main, total, limit if question.arch == "x86_64" else NO_LIMIT)


def mapping_rules(question: MappingQuestion) -> MappingRules:
    """Return how the kernel maps, in the form that a plan's cost needs."""
    rule = kernel_rule(question.behaviour, gbpages=question.gbpages)
    return MappingRules(question.calls, rule, TableFormat(question.levels), question.behaviour, question.crash)
