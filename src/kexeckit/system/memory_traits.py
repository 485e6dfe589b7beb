"""Which memory is hot-pluggable or mirrored, as far as a root shows it.

Hot-pluggable: the SRAT. Mirrored: the EFI map in a boot log of the root, and the part of it in sysfs that describes
runtime services. What cannot be read is not known, and no reason to fail.
"""

from kexeckit.errors import KexeckitError
from kexeckit.formats.bootlog.boot import BootLog, parse_boot_log
from kexeckit.formats.bootlog.efi import efi_map
from kexeckit.formats.efi_memory_map import mirrored_memory
from kexeckit.formats.srat import Srat, parse_srat
from kexeckit.formats.sysfs_crash import parse_efi_descriptor
from kexeckit.memory.rangeset import EMPTY, RangeSet
from kexeckit.plan.preference import MemoryTraits
from kexeckit.system.sysroot import Sysroot

SRAT = "/sys/firmware/acpi/tables/SRAT"
RUNTIME_MAP = "/sys/firmware/efi/runtime-map"
BOOT_LOGS = ("/dmesg", "/var/log/dmesg", "/sos_commands/kernel/dmesg", "/var/log/boot.msg", "/var/log/kern.log")


def read_memory_traits(root: Sysroot) -> MemoryTraits:
    """Read what the root shows; unreadable sources count as absent ones."""
    try:
        srat = read_srat(root)
    except KexeckitError:
        srat = None
    hotpluggable = RangeSet(a.range for a in srat.memory if a.hotplug) if srat else EMPTY
    return MemoryTraits(hotpluggable, _mirrored(root))


def read_srat(root: Sysroot) -> Srat | None:
    """Read the firmware's table, or return None where the root has none.

    Raises:
        KexeckitError: It is there and cannot be read or understood.
    """
    return parse_srat(root.read_bytes(SRAT), root.label(SRAT)) if root.exists(SRAT) else None


def read_boot_log(root: Sysroot) -> BootLog | None:
    """Read the first boot log of the root that holds kernel messages, or return None."""
    for name in BOOT_LOGS:
        if root.exists(name):
            try:
                return parse_boot_log(root.read_text(name), root.label(name))
            except KexeckitError:
                continue
    return None


def mirrored_runtime(root: Sysroot) -> RangeSet:
    """Return the mirrored memory of runtime services: it can say that memory is mirrored, not where that ends.

    Raises:
        KexeckitError: The folder is there and cannot be read or understood.
    """
    if not root.exists(RUNTIME_MAP):
        return EMPTY
    names = ("type", "phys_addr", "virt_addr", "num_pages", "attribute")
    folders = [f"{RUNTIME_MAP}/{n}" for n in root.listdir(RUNTIME_MAP) if n.isdigit()]
    texts = (({n: root.read_text(f"{f}/{n}") for n in names}, root.label(f)) for f in folders)
    return mirrored_memory(parse_efi_descriptor(fields, label) for fields, label in texts)


def _mirrored(root: Sysroot) -> RangeSet:
    log = None if root.live else read_boot_log(root)
    shown = RangeSet(e.range for e in efi_map(log) if e.mirrored) if log else EMPTY
    try:
        return shown | mirrored_runtime(root)
    except KexeckitError:
        return shown
