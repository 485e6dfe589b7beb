"""Which memory is hot-pluggable or mirrored, as far as a root shows it.

Hot-pluggable: the SRAT. Mirrored: the EFI map in a boot log of the root, and the part of it in sysfs that describes
runtime services. What cannot be read is not known, and no reason to fail.
"""

from typing import TYPE_CHECKING

from kexeckit.errors import KexeckitError
from kexeckit.formats.sysfs_crash import parse_efi_descriptor
from kexeckit.memory.rangeset import EMPTY, RangeSet
from kexeckit.plan.preference import MemoryTraits
from kexeckit.system.boot_log import BOOT_LOGS, read_boot_log
from kexeckit.system.sysroot import Sysroot

# Every plan asks this file, and few machines have a SRAT or mirrored memory: parsers are imported where one is needed.
if TYPE_CHECKING:
    from kexeckit.formats.srat import Srat

SRAT = "/sys/firmware/acpi/tables/SRAT"
RUNTIME_MAP = "/sys/firmware/efi/runtime-map"
_MORE_RELIABLE = b"|MR|"


def read_memory_traits(root: Sysroot) -> MemoryTraits:
    """Read what the root shows; unreadable sources count as absent ones."""
    try:
        srat = read_srat(root)
    except KexeckitError:
        srat = None
    hotpluggable = RangeSet(a.range for a in srat.memory if a.hotplug) if srat else EMPTY
    return MemoryTraits(hotpluggable, _mirrored(root))


def read_srat(root: Sysroot) -> "Srat | None":
    """Read the firmware's table, or return None where the root has none.

    Raises:
        KexeckitError: It is there and cannot be read or understood.
    """
    if not root.exists(SRAT):
        return None
    from kexeckit.formats.srat import parse_srat

    return parse_srat(root.read_bytes(SRAT), root.label(SRAT))


def mirrored_runtime(root: Sysroot) -> RangeSet:
    """Return the mirrored memory of runtime services: it can say that memory is mirrored, not where that ends.

    Raises:
        KexeckitError: The folder is there and cannot be read or understood.
    """
    if not root.exists(RUNTIME_MAP):
        return EMPTY
    from kexeckit.formats.efi_memory_map import mirrored_memory

    names = ("type", "phys_addr", "virt_addr", "num_pages", "attribute")
    folders = [f"{RUNTIME_MAP}/{n}" for n in root.listdir(RUNTIME_MAP) if n.isdigit()]
    texts = (({n: root.read_text(f"{f}/{n}") for n in names}, root.label(f)) for f in folders)
    return mirrored_memory(parse_efi_descriptor(fields, label) for fields, label in texts)


def _mirrored(root: Sysroot) -> RangeSet:
    shown = EMPTY if root.live else _mirrored_in_log(root)
    try:
        return shown | mirrored_runtime(root)
    except KexeckitError:
        return shown


def _mirrored_in_log(root: Sysroot) -> RangeSet:
    # A log without the attribute's letters anywhere need not be parsed.
    if not any(_MORE_RELIABLE in root.read_bytes(name) for name in BOOT_LOGS if root.exists(name)):
        return EMPTY
    from kexeckit.formats.bootlog.efi import efi_map

    log = read_boot_log(root)
    return RangeSet(e.range for e in efi_map(log) if e.mirrored) if log else EMPTY
