"""From a Sysroot to `ReservationInput`.

The boot log comes first: only there stands what was reserved before. A root adds where the kernel image lies
(/proc/iomem) and where the boot loader put the initrd (boot_params). Where the log is missing, cut off or wrapped, the
firmware's own tables in the root stand in for it, and the answer says what they cannot show.
"""

from collections.abc import Mapping
from dataclasses import replace

from kexeckit.errors import InputError, KexeckitError, MaskedAddressesError, UnavailableError
from kexeckit.formats.boot_params import BootParams
from kexeckit.formats.bootlog.boot import BootLog, parse_boot_log
from kexeckit.formats.bootlog.early import initrd_size
from kexeckit.formats.cmdline import values
from kexeckit.formats.efi_memory_map import mirrored_memory
from kexeckit.formats.iomem import parse_iomem
from kexeckit.formats.srat import parse_srat
from kexeckit.formats.sysfs_crash import EFI_PAGE
from kexeckit.kernel.reservation.boot_services import with_efi_map
from kexeckit.kernel.reservation.facts import ReservationInput
from kexeckit.kernel.reservation.from_log import Asked, facts_from_log, kernel_name
from kexeckit.kernel.reservation.from_memblock import with_memblock
from kexeckit.kernel.reservation.from_parts import Parts, facts_from_parts, with_initrd, with_iomem
from kexeckit.machine.version import KernelVersion, Release
from kexeckit.memory.range import MemRange, clip
from kexeckit.memory.rangeset import EMPTY, RangeSet
from kexeckit.memory.resource import ResourceTree
from kexeckit.system.boot_files import (
    looks_like_iomem,
    read_boot_params,
    read_firmware_table,
)
from kexeckit.system.boot_log import read_boot_log
from kexeckit.system.collect import BOOT_PARAMS, IOMEM
from kexeckit.system.efi_map import EFI_MEMMAP, read_boot_efi_map
from kexeckit.system.kernel_config import read_kernel_config
from kexeckit.system.memblock_input import FOLDER, read_memblock_list
from kexeckit.system.release import read_arch, read_release, stable_release
from kexeckit.system.sysroot import Sysroot
from kexeckit.system.text import decode_text

_SRAT = "/sys/firmware/acpi/tables/SRAT"


def read_reservation_input(
    root: Sysroot,
    words: tuple[str, ...],
    arch: str | None = None,
    release: str | None = None,
    stated: Mapping[str, object] | None = None,
) -> ReservationInput:
    """Read a machine.

    Args:
        root: The running machine, a capture of one, a boot log or an iomem file.
        words: Words of a kernel command line; they replace those of the same names in the source's.
        arch: Architecture, to override the source's.
        release: Kernel release, to override the source's.
        stated: Fields of the kernel's behaviour that the user states, with their values.

    Raises:
        InputError: The source cannot be understood; the line is named where there is one.
        UnavailableError: The source has no memory map in it.
        UsageError: A word is none of a command line's.
    """
    version = Release(release).version if release else None
    asked = Asked(words, kernel_name(arch) if arch else None, version, stated or {})
    single = root.single_file
    if single is None:
        return _from_root(root, asked)
    text = decode_text(single.data)
    if looks_like_iomem(text):
        return _from_iomem(parse_iomem(text, single.name), single.name, asked)
    return facts_from_log(parse_boot_log(text, single.name), asked)


def _from_root(root: Sysroot, asked: Asked) -> ReservationInput:
    log = read_boot_log(root)
    arch = asked.arch or (log.arch if log else None) or kernel_name(read_arch(root))
    asked = replace(asked, arch=arch, version=asked.version or _version(root))
    facts, problem = _facts_of_log(log, asked) if log else (None, None)
    if facts is None:
        facts = _facts_of_files(root, asked, problem)
    facts = _with_memblock(root, _with_image(root, facts, log))
    if values(facts.cmdline, "cma"):
        facts = _with_config(root, facts)
    params = read_boot_params(root)
    if params and facts.rules.arch == "x86_64":
        facts = with_initrd(facts, params.initrd_address, params.initrd_size, root.label(BOOT_PARAMS))
    return _with_efi_map(root, facts, params) if facts.unshown.firmware else facts


def _with_efi_map(root: Sysroot, facts: ReservationInput, params: BootParams | None) -> ReservationInput:
    # Without rights, under lockdown or in an older capture there is none: boot services memory stays a doubt.
    try:
        found = read_boot_efi_map(root)
    except KexeckitError as error:
        return replace(facts, notes=(*facts.notes, str(error)))
    if not found:
        return facts
    at = clip(params.efi.memmap, params.efi.memmap + params.efi.memmap_size) if params else None
    memory = [(d.type, MemRange.from_size(d.phys, d.pages * EFI_PAGE)) for d in found]
    facts = with_efi_map(facts, memory, at, "EFI memory map" if root.live else root.label(EFI_MEMMAP))
    return replace(facts, mirrored=facts.mirrored or tuple(mirrored_memory(found)))


def _with_config(root: Sysroot, facts: ReservationInput) -> ReservationInput:
    # Only cma= asks for it. A configuration that cannot be read decides nothing, and the user hears of it.
    try:
        config = read_kernel_config(root)
    except KexeckitError as error:
        return replace(facts, notes=(*facts.notes, str(error)))
    if not config:
        return facts
    return replace(
        facts,
        dma_cma=config.on("CONFIG_DMA_CMA"),
        cma_per_node=config.on("CONFIG_CMA_SIZE_PERNUMA"),
        sources=(*facts.sources, f"{config.source}: CONFIG_DMA_CMA, CONFIG_CMA_SIZE_PERNUMA"),
    )


def _facts_of_log(log: BootLog, asked: Asked) -> tuple[ReservationInput | None, InputError | None]:
    try:
        return facts_from_log(log, asked), None
    except InputError as error:
        return None, error


def _facts_of_files(root: Sysroot, asked: Asked, problem: InputError | None) -> ReservationInput:
    table = read_firmware_table(root)
    tree = _iomem(root)
    if not table and not tree:
        if problem:
            raise problem
        remedy = "give a boot log, or a capture that holds /proc/iomem and /sys/firmware/memmap"
        raise UnavailableError(f"{root.label('/')}: no boot log and no memory map in it", remedy=remedy)
    if not asked.version:
        raise InputError(root.label("/"), "nothing names the kernel's version", remedy="name it with --kernel-version")
    parts = Parts(
        arch=asked.arch or "x86_64",
        version=asked.version,
        cmdline=root.read_text("/proc/cmdline").strip() if root.exists("/proc/cmdline") else "",
        table=table if asked.arch in ("x86_64", "i386") else (),
        memory=tuple(tree.ram()) if tree else (),
        nodes=_nodes(root)[0],
        hotplug=_nodes(root)[1],
        efi=root.exists("/sys/firmware/efi"),
        source=root.label("/"),
    )
    facts = facts_from_parts(parts, asked)
    return replace(facts, notes=(*facts.notes, str(problem))) if problem else facts


def _from_iomem(tree: ResourceTree, source: str, asked: Asked) -> ReservationInput:
    if not asked.version:
        raise InputError(source, "an iomem file does not name the kernel's version", remedy="add --kernel-version")
    parts = Parts(asked.arch or "x86_64", asked.version, "", (), tuple(tree.ram()), (), (), efi=False, source=source)
    return with_iomem(facts_from_parts(parts, asked), tree, source)


def _with_image(root: Sysroot, facts: ReservationInput, log: BootLog | None) -> ReservationInput:
    tree = _iomem(root)
    if not tree:
        return facts
    size = (initrd_size(log) or 0) if log else 0
    return with_iomem(facts, tree, root.label(IOMEM), size)


def _with_memblock(root: Sysroot, facts: ReservationInput) -> ReservationInput:
    # debugfs adds to what is known; where it cannot be read, the user hears of it and the rest stands.
    if facts.table:
        return facts
    try:
        lists = [read_memblock_list(root, name) for name in ("memory", "reserved")]
    except KexeckitError as error:
        return replace(facts, notes=(*facts.notes, str(error)))
    tree = _iomem(root)
    free = RangeSet(tree.crash_regions()) if tree else EMPTY
    reserved = [replace(e, range=part) for e in lists[1] for part in RangeSet((e.range,)) - free]
    return with_memblock(facts, lists[0], reserved, root.label(FOLDER))


def _iomem(root: Sysroot) -> ResourceTree | None:
    # Hidden addresses are no addresses: without root rights the log has to do.
    if not root.exists(IOMEM):
        return None
    try:
        return parse_iomem(root.read_text(IOMEM), root.label(IOMEM))
    except MaskedAddressesError:
        return None


def _version(root: Sysroot) -> KernelVersion | None:
    release = Release(read_release(root), stable_release(root))
    return release.version if release.uname else None


def _nodes(root: Sysroot) -> tuple[tuple[tuple[int, MemRange], ...], tuple[MemRange, ...]]:
    if not root.exists(_SRAT):
        return (), ()
    try:
        srat = parse_srat(root.read_bytes(_SRAT), root.label(_SRAT))
    except KexeckitError:
        return (), ()
    borders = tuple((a.nid, a.range) for a in srat.memory) if len({a.nid for a in srat.memory}) > 1 else ()
    return borders, tuple(a.range for a in srat.memory if a.hotplug)
