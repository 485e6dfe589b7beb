"""From a Sysroot to a question about zones: the machine, the command line, what the kernel does.

Four kinds of source: a description in TOML, a boot log, an iomem file, a root (this machine or a capture of another).
In a root the firmware's own tables come first, because they do not depend on how the machine was booted; a boot log
in the root is used for what no file shows (mirrored memory) and where the tables are missing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from kexeckit.errors import InputError, KexeckitError, UnavailableError, UsageError
from kexeckit.formats.bootlog.boot import BootLog, parse_boot_log
from kexeckit.formats.bootlog.efi import efi_map
from kexeckit.formats.efi_memory_map import mirrored_memory, parse_efi_memory_map
from kexeckit.formats.iomem import parse_iomem
from kexeckit.formats.machine_toml import parse_machine_toml
from kexeckit.formats.zoneinfo import parse_zoneinfo
from kexeckit.kernel.behaviour.fields import own_fields, stated_words
from kexeckit.kernel.behaviour.floors import ZONES, below_floor
from kexeckit.kernel.behaviour.zones import ZoneBehaviour, zone_behaviour_of
from kexeckit.kernel.boot.e820 import E820_RAM, E820Entry, early_words
from kexeckit.kernel.zones.from_log import (
    LogQuestion,
    has_mirror_line,
    machine_from_log,
    release_of_log,
)
from kexeckit.kernel.zones.from_parts import (
    MachineParts,
    affinities_of_blocks,
    machine_from_parts,
    parts_of_description,
)
from kexeckit.kernel.zones.limits import DMA
from kexeckit.kernel.zones.machine import Reason, ZoneMachine, with_mirror
from kexeckit.kernel.zones.parameters import ZoneParameters, idle_words, parse_zone_parameters, replace_words
from kexeckit.machine.version import NEWEST, Release
from kexeckit.memory.rangeset import EMPTY, RangeSet
from kexeckit.system.boot_files import looks_like_iomem, read_firmware_table
from kexeckit.system.boot_log import read_boot_log
from kexeckit.system.collect import IOMEM
from kexeckit.system.memory_traits import mirrored_runtime, read_srat
from kexeckit.system.release import read_arch, stable_release
from kexeckit.system.sysroot import Sysroot
from kexeckit.system.text import decode_text

NODES = "/sys/devices/system/node"
BLOCK_SIZE = "/sys/devices/system/memory/block_size_bytes"
ZONEINFO = "/proc/zoneinfo"
_ARCHES = {"aarch64": "arm64", "amd64": "x86_64", "i686": "i386", "i586": "i386", "x86": "i386"}


@dataclass(frozen=True, slots=True)
class ZoneQuestion:
    """All that a prediction of zones needs.

    Attributes:
        machine: The machine.
        parameters: The zone words of the command line.
        behaviour: What the kernel does.
        cmdline: The command line that is asked about.
        source: Where the machine was read.
        below: Why zones of this kernel are not modelled, or None.
    """

    machine: ZoneMachine
    parameters: ZoneParameters
    behaviour: ZoneBehaviour
    cmdline: str
    source: str
    below: str | None = None


@dataclass(frozen=True, slots=True)
class _Wanted:
    # What the user says about the kernel: its release, and fields of its behaviour.
    release: str | None
    stated: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class _Kernel:
    # What the kernel does, and why it is not modelled.
    behaviour: ZoneBehaviour
    below: str | None


def read_zone_question(
    root: Sysroot,
    typed: list[str],
    arch: str | None = None,
    release: str | None = None,
    raw_efi_map: bytes | None = None,
    stated: Mapping[str, object] | None = None,
) -> ZoneQuestion:
    """Read a machine and put a question about it together.

    Args:
        root: The source.
        typed: Words of a kernel command line; they replace those of the same names in the source's.
        arch: Machine name, to override the source's.
        release: Kernel release, to override the source's.
        raw_efi_map: The firmware's EFI memory map; it says which memory is mirrored, whatever the source says.
        stated: Fields of the kernel's behaviour that the user states, with their values.

    Raises:
        InputError: The source cannot be understood.
        UnavailableError: The source has no memory map in it.
    """
    question = _question_of(root, typed, arch, _Wanted(release, stated or {}))
    idle = tuple(Reason("words", f"{word} has no effect on zones") for word in idle_words(typed))
    question = replace(question, machine=replace(question.machine, unknown=(*idle, *question.machine.unknown)))
    if raw_efi_map is None:
        return question
    mirrored = mirrored_memory(parse_efi_memory_map(raw_efi_map, "the EFI memory map"))
    plain = (replace(r, mirror=False) for r in question.machine.regions)
    machine = replace(question.machine, regions=with_mirror(plain, mirrored), mirror_known=True)
    return replace(question, machine=machine)


def _question_of(root: Sysroot, typed: list[str], arch: str | None, wanted: _Wanted) -> ZoneQuestion:
    single = root.single_file
    if single is None:
        return _from_root(root, typed, arch, wanted)
    text = decode_text(single.data)
    if single.name.endswith(".toml"):
        return _from_toml(text, single.name, typed, arch, wanted)
    if looks_like_iomem(text):
        return _from_iomem(text, single.name, typed, arch, wanted)
    return _from_log(parse_boot_log(text, single.name), typed, arch, wanted)


def kernel_arch(name: str) -> str:
    """Return the kernel's name of an architecture for one that ``uname -m`` or a distribution uses."""
    return _ARCHES.get(name, name)


def _from_toml(text: str, source: str, typed: list[str], arch: str | None, wanted: _Wanted) -> ZoneQuestion:
    description = parse_machine_toml(text, source)
    cmdline = replace_words(description.cmdline, typed)
    unknown: list[Reason] = []
    name = kernel_arch(arch or description.arch or "x86_64")
    kernel = _kernel(name, wanted, description.kernel, unknown)
    machine = machine_from_parts(parts_of_description(description, name, cmdline), kernel.behaviour)
    return _question(machine, unknown, kernel, cmdline, source)


def _from_iomem(text: str, source: str, typed: list[str], arch: str | None, wanted: _Wanted) -> ZoneQuestion:
    # System RAM of a running x86 kernel is its memory; on arm64, so are the reserved ranges at the top level.
    tree = parse_iomem(text, source)
    name = kernel_arch(arch or "x86_64")
    unknown = [Reason("nodes", "an iomem file does not show nodes: all memory is taken for node 0")]
    unknown.append(Reason("mirror", "an iomem file does not show what is mirrored"))
    kernel = _kernel(name, wanted, "", unknown)
    cmdline = " ".join(typed)
    extra = tree.roots if name == "arm64" else ()
    memory = tree.ram() | RangeSet(r.range for r in extra if r.name == "reserved")
    # mem= and memmap= change a firmware table, so RAM stands for one where such words are typed.
    x86 = name in ("x86_64", "i386") and bool(early_words(cmdline))
    table = tuple(E820Entry(r.start, r.end, E820_RAM) for r in memory) if x86 else ()
    parts = MachineParts(name, cmdline, table=table, memory=memory, mirror_known=False)
    return _question(machine_from_parts(parts, kernel.behaviour), unknown, kernel, cmdline, source)


def _from_log(log: BootLog, typed: list[str], arch: str | None, wanted: _Wanted) -> ZoneQuestion:
    cmdline = replace_words(log.cmdline or "", typed)
    unknown: list[Reason] = []
    name = kernel_arch(arch or log.arch or "")
    if not name:
        raise InputError(log.source, "the log does not show the architecture", remedy="name it with --arch")
    kernel = _kernel(name, wanted, release_of_log(log), unknown)
    machine = machine_from_log(LogQuestion(log, name, cmdline, kernel.behaviour))
    if log.note:
        unknown.append(Reason("source", log.note))
    return _question(machine, unknown, kernel, cmdline, log.source)


def _from_root(root: Sysroot, typed: list[str], arch: str | None, wanted: _Wanted) -> ZoneQuestion:
    log = read_boot_log(root)
    booted = root.read_text("/proc/cmdline").strip() if root.exists("/proc/cmdline") else (log and log.cmdline) or ""
    cmdline = replace_words(booted, typed)
    unknown: list[Reason] = []
    name = kernel_arch(arch or read_arch(root))
    kernel = _kernel(name, wanted, stable_release(root) or (release_of_log(log) if log else ""), unknown)
    table = read_firmware_table(root) if name in ("x86_64", "i386") else ()
    if not table and log:
        machine = machine_from_log(LogQuestion(log, name, cmdline, kernel.behaviour))
        if machine:
            return _question(machine, unknown, kernel, cmdline, log.source)
    mirrored = RangeSet(e.range for e in efi_map(log) if e.mirrored) if log else EMPTY
    runtime = mirrored_runtime(root)
    parts = MachineParts(
        arch=name,
        cmdline=cmdline,
        table=table,
        memory=EMPTY if table else _iomem_memory(root, name, unknown),
        **_node_parts(root, log, unknown),
        mirrored=mirrored | runtime,
        mirror_known=bool(mirrored) or not (runtime or _may_be_mirrored(root, log)),
        zone_dma=_has_zone_dma(root),
    )
    return _question(machine_from_parts(parts, kernel.behaviour), unknown, kernel, cmdline, root.label("/"))


def _question(
    machine: ZoneMachine | None, unknown: list[Reason], kernel: _Kernel, cmdline: str, source: str
) -> ZoneQuestion:
    if machine is None:
        remedy = "give a whole boot log, a capture or a TOML file"
        raise UnavailableError(f"{source}: no memory map in it", remedy=remedy)
    machine = replace(machine, unknown=(*unknown, *machine.unknown))
    parameters = parse_zone_parameters(cmdline).as_read_by(kernel.behaviour)
    return ZoneQuestion(machine, parameters, kernel.behaviour, cmdline, source, kernel.below)


def _kernel(arch: str, wanted: _Wanted, found: str, unknown: list[Reason]) -> _Kernel:
    # What a user types must be a version; what a source says may be anything, e.g. "next-20200401".
    unknown += [Reason("kernel", text) for text in stated_words(ZoneBehaviour, wanted.stated)]
    try:
        version = Release(wanted.release or found).version
    except UsageError:
        if wanted.release:
            raise
        unknown.append(Reason("kernel", f"the source does not name the kernel's version; {NEWEST} is assumed"))
        version = Release(NEWEST).version
    behaviour = zone_behaviour_of(version, arch=arch, stated=own_fields(ZoneBehaviour, wanted.stated))
    return _Kernel(behaviour, below_floor(ZONES, arch, version))


def _iomem_memory(root: Sysroot, arch: str, unknown: list[Reason]) -> RangeSet:
    if not root.exists(IOMEM):
        return EMPTY
    tree = parse_iomem(root.read_text(IOMEM), root.label(IOMEM))
    text = "memory is taken from /proc/iomem, where mem= and memmap= of the booted kernel show"
    unknown.append(Reason("ranges", text))
    extra = tree.roots if arch == "arm64" else ()
    return tree.ram() | RangeSet(r.range for r in extra if r.name == "reserved")


def _node_parts(root: Sysroot, log: BootLog | None, unknown: list[Reason]) -> dict[str, Any]:
    try:
        srat = read_srat(root)
    except KexeckitError as error:
        srat = None
        unknown.append(Reason("nodes", f"{error}; nodes are taken from elsewhere"))
    if srat:
        return {"affinities": srat.memory, "nodes": srat.nodes}
    if log:
        from kexeckit.formats.bootlog.numa import srat_of_log

        logged = srat_of_log(log)
        if logged:
            return {"affinities": logged.memory, "nodes": logged.nodes}
    return _nodes_of_sysfs(root, unknown)


def _nodes_of_sysfs(root: Sysroot, unknown: list[Reason]) -> dict[str, Any]:
    if not root.exists(NODES):
        unknown.append(Reason("nodes", "the source does not show nodes: all memory is taken for node 0"))
        return {}
    nodes = sorted(int(n[4:]) for n in root.listdir(NODES) if n.startswith("node") and n[4:].isdigit())
    if len(nodes) < 2 or not root.exists(BLOCK_SIZE):
        return {"nodes": tuple(nodes)}
    size = int(root.read_text(BLOCK_SIZE).strip(), 16)
    blocks = [
        (nid, int(n[6:]))
        for nid in nodes
        for n in root.listdir(f"{NODES}/node{nid}")
        if n.startswith("memory") and n[6:].isdigit()
    ]
    return {"affinities": affinities_of_blocks(blocks, size), "nodes": tuple(nodes)}


def _may_be_mirrored(root: Sysroot, log: BootLog | None) -> bool:
    # Firmware that is not EFI knows no mirrored memory; a log that begins at the beginning would say that there is.
    if log and log.whole:
        return has_mirror_line(log)
    return root.exists("/sys/firmware/efi")


def _has_zone_dma(root: Sysroot) -> bool | None:
    if not root.exists(ZONEINFO):
        return None
    return any(z.zone == DMA for z in parse_zoneinfo(root.read_text(ZONEINFO), root.label(ZONEINFO)))
