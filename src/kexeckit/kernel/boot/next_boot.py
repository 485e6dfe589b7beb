"""Which boot a question is about, and what of it chance or a boot loader decides."""

from typing import TYPE_CHECKING

from kexeckit.formats.cmdline import has_word
from kexeckit.frozen import dataclass
from kexeckit.machine.fact import yes
from kexeckit.machine.value import Machine

if TYPE_CHECKING:
    from kexeckit.kernel.behaviour.reservation import CrashRules


@dataclass(frozen=True, slots=True)
class Boot:
    """Which boot is asked about.

    Attributes:
        next: Another one than the source shows.
        random: In it the kernel may be put at a random place.
        seen_random: In the one that the source shows it may have been.
    """

    next: bool
    random: bool
    seen_random: bool


def boot_asked_about(machine: Machine, rules: "CrashRules", cmdline: str, *, next_boot: bool) -> Boot:
    """Return which boot a command line asks about: another one than the source shows, if it is another one's.

    Args:
        machine: What the source shows.
        rules: The kernel's rules.
        cmdline: The command line that is asked about.
        next_boot: The question is about the next boot even if the words are the same.
    """
    seen = machine.cmdline
    return Boot(
        next=next_boot or cmdline != seen,
        random=may_be_randomised(machine, rules, cmdline),
        seen_random=may_be_randomised(machine, rules, seen),
    )


def may_be_randomised(machine: Machine, rules: "CrashRules", cmdline: str) -> bool:
    """Say whether the kernel may have been put at a random place."""
    if has_word(cmdline, "nokaslr") or yes(machine.boot.kaslr_off):
        return False
    if rules.arch == "arm64":
        # Only EFI's stub chooses a place there: drivers/firmware/efi/libstub/arm64-stub.c, handle_kernel_image().
        return yes(machine.boot.efi)
    drawn = machine.boot.random_place
    if drawn and not drawn.value and rules.kaslr_limit is None and not has_word(machine.cmdline, "nokaslr"):
        # Free to draw a place, it drew none: it is built without (arch/x86/boot/compressed/kaslr.c, KASLR_FLAG).
        return False
    return rules.kaslr


def placed_by_others(machine: Machine) -> bool:
    """Say whether EFI firmware, its stub or another kernel may place the kernel, so that no rule of BIOS holds."""
    return may_be_efi(machine) or yes(machine.boot.kexec)


def may_be_efi(machine: Machine) -> bool:
    """Say whether EFI may have booted it: as the source says, or because no source tells.

    A log that begins behind that line does not tell. What describes a machine by hand names what it has.
    """
    if machine.boot.efi is None:
        return machine.kind != "described"
    return machine.boot.efi.value
