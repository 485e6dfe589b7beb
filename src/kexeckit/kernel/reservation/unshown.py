"""What no source shows although it bears on the address.

Source of what needs an initrd: init/do_mounts.c, name_to_dev_t() knows device names, numbers and partition ids; labels,
file system ids and mapped devices are found by programs in an initrd. Of the random place of the x86 kernel:
arch/x86/boot/compressed/kaslr.c, choose_random_location(), find_random_phys_addr(). Of kexec, which hands over the
runtime part of the EFI map only: arch/x86/kernel/kexec-bzimage64.c, setup_efi_info_memmap().
"""

import re
from collections.abc import Sequence
from dataclasses import replace

from kexeckit.formats.cmdline import split_words
from kexeckit.kernel.behaviour.behaviours import Behaviours
from kexeckit.kernel.behaviour.reservation import CrashRules
from kexeckit.kernel.boot.held import Held
from kexeckit.kernel.boot.next_boot import may_be_efi, may_be_randomised, placed_by_others
from kexeckit.kernel.reservation.facts import KernelImage, Unshown
from kexeckit.kernel.reservation.image import resource_image
from kexeckit.machine.arch import X86
from kexeckit.machine.fact import yes
from kexeckit.machine.taken import Taker
from kexeckit.machine.value import Machine
from kexeckit.memory.units import GIB, KIB, MIB, PAGE_SIZE, align_up

_ROOT_BY_PROGRAM = re.compile(r"^root=(?:LABEL=|UUID=|/dev/mapper/|/dev/disk/|ZFS=|zfs:|live:|\"?UUID=|/dev/md/)")
_INITRD_WORDS = ("initrd", "rd.lvm.lv", "rd_LVM_LV")
_DEFAULT_IMAGE = 64 * MIB
_FIRST_MEGABYTES = 16 * MIB


def unshown(
    machine: Machine, kernel: Behaviours, rules: CrashRules, cmdline: str, held: Sequence[Held], *, next_boot: bool
) -> Unshown:
    """Return what is left open.

    Args:
        machine: The machine.
        kernel: What the kernel does.
        rules: How it reserves, as it was built.
        cmdline: The command line of the prediction.
        held: What is shown.
        next_boot: The question is about another boot than the source shows.
    """
    shown = {h.by for h in held}
    image = None if Taker.KERNEL_IMAGE in shown else _random_kernel(machine, kernel, rules, cmdline)
    found = _with_log(machine, rules, cmdline, shown) if has_early_log(machine) else _without_log(machine, shown)
    anew = next_boot and machine.efi.map is not None and machine.arch in X86
    # Boot loaders of arm64 and other kernels may put everything anywhere: Documentation/arch/arm64/booting.rst.
    free = machine.arch == "arm64" or yes(machine.boot.kexec)
    return replace(found, kernel=image, firmware_anew=anew, loader_reach=_loader_reach(machine), loader_anywhere=free)


def _with_log(machine: Machine, rules: CrashRules, cmdline: str, shown: set[Taker]) -> Unshown:
    return Unshown(
        initrd=None if Taker.INITRD in shown or no_initrd(machine) else _hidden_initrd(machine, rules, cmdline),
        initrd_high=rules.arch == "arm64" and yes(machine.boot.efi),
        firmware=_hides_firmware(machine),
        tops=_tops(machine, rules, shown_nodes=Taker.NODE_DATA in shown),
    )


def _without_log(machine: Machine, shown: set[Taker]) -> Unshown:
    x86 = machine.arch in X86
    found = Taker.INITRD in shown or no_initrd(machine)
    return Unshown(
        initrd=None if found else 0,
        firmware=_hides_firmware(machine),
        tops=MIB if x86 else 0,
        early=machine.arch == "arm64",
    )


def has_early_log(machine: Machine) -> bool:
    """Say whether there is a boot log that holds what came before the reservation."""
    return yes(machine.boot.map_log)


def no_initrd(machine: Machine) -> bool:
    """Say whether boot parameters tell that there is no initrd."""
    return machine.boot.initrd is not None and machine.boot.initrd.value is None


def _loader_reach(machine: Machine) -> int:
    # The boot protocol has 32 bits for an initrd's address. Only EFI and kexec go beyond, by ext_ramdisk_image:
    # Documentation/arch/x86/zero-page.rst; arch/x86/kernel/setup.c, get_ramdisk_image().
    return 4 * GIB if machine.arch in X86 and not placed_by_others(machine) else 1 << 64


def _hides_firmware(machine: Machine) -> bool:
    # Whether there may be boot services memory that no source prints; a kernel that kexec started has none.
    return machine.arch in X86 and may_be_efi(machine) and not (machine.efi.map or yes(machine.boot.kexec))


def _hidden_initrd(machine: Machine, rules: CrashRules, cmdline: str) -> int | None:
    # The size of an initrd that must exist although nothing says where (0: unknown), or None for none.
    if rules.arch not in (*X86, "arm64"):
        return None
    boot = machine.boot
    if boot.initrd_size:
        return boot.initrd_size.value
    if yes(boot.init_log):
        return None
    if not yes(boot.late_log):
        return 0
    words = split_words(cmdline)
    needs = any(_ROOT_BY_PROGRAM.match(w.text) or w.name in _INITRD_WORDS for w in words)
    return 0 if needs else None


def _random_kernel(machine: Machine, kernel: Behaviours, rules: CrashRules, cmdline: str) -> KernelImage | None:
    # Without KASLR it is still where EFI firmware loaded it, which is no fixed place either.
    efi = yes(machine.boot.efi)
    if not may_be_randomised(machine, rules, cmdline) and not efi:
        return None
    found, seen = machine.boot.image_size, resource_image(machine)
    size, source = (found.value.most, found.at) if found else (_DEFAULT_IMAGE, "assumed")
    if seen:
        size, source = align_up(seen.range.size, 2 * MIB), seen.source
    # Only where the place is open are all of them asked for.
    from kexeckit.kernel.reservation.image_room import image_places_of

    slots = image_places_of(machine, kernel, cmdline, size)
    if machine.arch in X86:
        return KernelImage(size, 2 * MIB, _FIRST_MEGABYTES, rules.kaslr_limit, source, slots)
    return KernelImage(size, 2 * MIB, 0, None, source, slots) if machine.arch == "arm64" and efi else None


def _tops(machine: Machine, rules: CrashRules, *, shown_nodes: bool) -> int:
    # Without NODE_DATA lines the top of memory is unknown: page tables of 2 MiB pages take a page per GiB. On arm64
    # the tables of the sections lie below NODE_DATA, and their size is only known roughly.
    if rules.arch == "arm64" and rules.sparse_first:
        return 160 * KIB
    if rules.arch not in X86 or shown_nodes or not rules.after_numa:
        return 0
    highest = machine.boot.last_pfn.value if machine.boot.last_pfn else 0
    return 512 * KIB + (highest * PAGE_SIZE // GIB + 4) * PAGE_SIZE
