"""What a boot log does not show although it bears on the address.

Source of what needs an initrd: init/do_mounts.c, name_to_dev_t() knows device names, numbers and partition ids; labels,
file system ids and mapped devices are found by programs in an initrd. Of the random place of the x86 kernel:
arch/x86/boot/compressed/kaslr.c, choose_random_location(), find_random_phys_addr(). Of kexec, which hands over the
runtime part of the EFI map only: arch/x86/kernel/kexec-bzimage64.c, setup_efi_info_memmap().
"""

import re
from collections.abc import Sequence

from kexeckit.formats.bootlog.boot import BootLog
from kexeckit.formats.bootlog.early import booted_by_kexec, image_size, initrd_size, says_kaslr_disabled
from kexeckit.formats.bootlog.efi import booted_by_efi, efi_map
from kexeckit.formats.bootlog.memory import table
from kexeckit.formats.cmdline import has_word, split_words
from kexeckit.kernel.behaviour.reservation import CrashRules
from kexeckit.kernel.reservation.facts import Held, KernelImage, Unshown
from kexeckit.memory.units import GIB, KIB, MIB, PAGE_SIZE

_X86 = ("x86_64", "i386")
_ROOT_BY_PROGRAM = re.compile(r"^root=(?:LABEL=|UUID=|/dev/mapper/|/dev/disk/|ZFS=|zfs:|live:|\"?UUID=|/dev/md/)")
# What every kernel prints soon after the reservation: a log without any of it may end before its line of the initrd.
_AFTERWARDS = re.compile(
    r"\s*(?:Zone (?:PFN )?ranges|Early memory node|Kernel command line|Memory: |Reserving \d+MB of |crashkernel)"
)
# Printed after an initrd is unpacked, which is printed too: init/initramfs.c, do_populate_rootfs(); init/main.c.
_UNPACKED = re.compile(r"Freeing unused (?:kernel|decrypted)|Run /\S+ as init process|Write protecting the kernel ")
_DEFAULT_IMAGE = 64 * MIB
_FIRST_MEGABYTES = 16 * MIB


def unshown_by_log(log: BootLog, rules: CrashRules, cmdline: str, held: Sequence[Held]) -> Unshown:
    """Return what the log leaves open.

    Args:
        log: The boot.
        rules: The kernel's rules.
        cmdline: The command line of the prediction.
        held: What the log does show.
    """
    shown = {h.what for h in held}
    tops = _tops(log, rules, shown_nodes=any(h.kind == "node-data" for h in held))
    high = rules.arch == "arm64" and booted_by_efi(log)
    return Unshown(
        kernel=None if "kernel image" in shown else _random_kernel(log, rules, cmdline),
        initrd=None if "initrd" in shown or not _initrd_matters(rules) else hidden_initrd(log, cmdline),
        initrd_high=high,
        firmware=rules.arch in _X86 and may_be_efi(log) and not (efi_map(log) or booted_by_kexec(log)),
        tops=tops,
    )


def may_be_efi(log: BootLog) -> bool:
    """Say whether EFI firmware may have booted this kernel: as the log says, or because it begins behind that line."""
    return booted_by_efi(log) or (not log.whole and not table(log, "BIOS-e820"))


def _initrd_matters(rules: CrashRules) -> bool:
    return rules.arch in (*_X86, "arm64")


def may_be_randomised(log: BootLog, rules: CrashRules, cmdline: str) -> bool:
    """Say whether the kernel may have been put at a random place."""
    return rules.kaslr and not has_word(cmdline, "nokaslr") and not says_kaslr_disabled(log)


def hidden_initrd(log: BootLog, cmdline: str) -> int | None:
    """Return the size of an initrd that must exist although no line says where (0: unknown), or None for none."""
    size = initrd_size(log)
    if size is not None:
        return size
    if log.find(_UNPACKED):
        return None
    if not log.find(_AFTERWARDS):
        return 0
    words = split_words(cmdline)
    return (
        0
        if any(_ROOT_BY_PROGRAM.match(w.text) or w.name in ("initrd", "rd.lvm.lv", "rd_LVM_LV") for w in words)
        else None
    )


def _random_kernel(log: BootLog, rules: CrashRules, cmdline: str) -> KernelImage | None:
    # Without KASLR it is still where EFI firmware loaded it, which is no fixed place either.
    if not may_be_randomised(log, rules, cmdline) and not booted_by_efi(log):
        return None
    found = image_size(log)
    size, source = (found.most, f"{log.source}:{found.line}") if found else (_DEFAULT_IMAGE, "assumed")
    if rules.arch in _X86:
        return KernelImage(size, 2 * MIB, _FIRST_MEGABYTES, rules.kaslr_limit, source)
    if rules.arch == "arm64" and booted_by_efi(log):
        return KernelImage(size, 2 * MIB, 0, None, source)
    return None


def _tops(log: BootLog, rules: CrashRules, *, shown_nodes: bool) -> int:
    # Without NODE_DATA lines the top of memory is unknown: page tables of 2 MiB pages take a page per GiB. On arm64
    # the tables of the sections lie below NODE_DATA, and their size is only known roughly.
    if rules.arch == "arm64" and rules.sparse_first:
        return 160 * KIB
    if rules.arch not in _X86 or shown_nodes:
        return 0
    highest = max((int(m, 16) for m in re.findall(r"last_pfn = 0x([0-9a-f]{1,12})", _joined(log))), default=0)
    return 512 * KIB + (highest * PAGE_SIZE // GIB + 4) * PAGE_SIZE if rules.after_numa else 0


def _joined(log: BootLog) -> str:
    return "\n".join(line.text for line in log.lines if line.text.startswith("last_pfn"))
