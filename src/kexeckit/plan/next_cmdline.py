"""The next kernel's command line: what the user gave, and what a loader has to add."""

from kexeckit.errors import PlanError
from kexeckit.formats import cmdline as words
from kexeckit.formats.bzimage import BzImage
from kexeckit.memory.range import MemRange
from kexeckit.plan.facts import MachineFacts
from kexeckit.plan.load_plan import LoadRequest

_STALE = ("BOOT_IMAGE", "elfcorehdr", "acpi_rsdp")
_SERIAL_PORTS = (0x3F8, 0x2F8, 0x3E8, 0x2E8)


def reused_cmdline(running: str, *, panic: bool) -> str:
    """Return the running kernel's command line for the next kernel.

    Taken out: what a loader wrote for the running kernel (BOOT_IMAGE, elfcorehdr=, acpi_rsdp=), and for a capture
    kernel crashkernel=, which would reserve a part of the reservation again. After a normal kexec crashkernel= stays:
    the next kernel needs its reservation as much as this one did.
    """
    return words.without(running, (*_STALE, "crashkernel") if panic else _STALE)


def complete_cmdline(
    request: LoadRequest, facts: MachineFacts, image: BzImage, elfcorehdr: MemRange | None
) -> tuple[str, list[str]]:
    """Return the whole command line and notes about it.

    What is added goes to the front, because everything behind ``--`` is for init.

    Raises:
        PlanError: Longer than the kernel's header allows, or a character that cannot be passed.
    """
    added = []
    if elfcorehdr:
        added.append(f"elfcorehdr={elfcorehdr.start:#x}")
    if facts.rsdp and facts.efi is None and facts.boot_params and facts.boot_params.efi.present:
        added.append(f"acpi_rsdp={facts.rsdp:#x}")
    check_characters(request.cmdline)
    whole = " ".join([*added, request.cmdline]).strip()
    size = len(encoded(whole))
    if size > image.cmdline_size:
        beside = len(encoded(" ".join([*added, ""])))
        raise PlanError(
            f"a command line of {size} bytes",
            f"{image.source} takes at most {image.cmdline_size} (cmdline_size in its header)",
            fits=f"{max(0, image.cmdline_size - beside)} bytes would fit beside what kexeckit adds",
        )
    return whole, _notes(request, whole, elfcorehdr)


def check_characters(cmdline: str) -> None:
    """Refuse what cannot be passed to a kernel.

    Raises:
        PlanError: A NUL, at which the kernel would cut the line without a word.
    """
    if "\0" in cmdline:
        raise PlanError("this command line", "it holds a NUL character, at which the kernel would cut it")


def encoded(cmdline: str) -> bytes:
    """Return the command line's bytes as they are handed over, without the NUL."""
    return cmdline.encode("utf-8", "surrogateescape")


def serial_port(cmdline: str) -> int:
    """Return the I/O port of the serial console that a command line names, or 0 for none.

    The last ``console=ttyS0`` to ``ttyS3`` counts, as for the kernel's /dev/console.
    """
    for value in reversed(words.values(cmdline, "console")):
        device = value.split(",")[0]
        if device.startswith("ttyS") and device[4:] in ("0", "1", "2", "3"):
            return _SERIAL_PORTS[int(device[4:])]
    return 0


def _notes(request: LoadRequest, whole: str, elfcorehdr: MemRange | None) -> list[str]:
    notes = []
    limits = [name for name in ("mem", "memmap") if words.has_word(whole, name)]
    if limits and request.panic:
        notes.append(
            f"{' and '.join(n + '=' for n in limits)} on the capture kernel's command line changes the map that is "
            "handed over; it may hide the reservation from the capture kernel"
        )
    # kernel/crash_reserve.c, get_last_crashkernel(): a search for this text, wherever it stands.
    if request.panic and "crashkernel=" in whole:
        notes.append(
            "crashkernel= on the capture kernel's command line takes memory from its own reservation (the kernel looks "
            "for this text anywhere: in other words' names, in quotes and behind -- too)"
        )
    if elfcorehdr and words.has_word(request.cmdline, "elfcorehdr"):
        notes.append("the elfcorehdr= that was given beats the one that kexeckit adds: a dump will not find old memory")
    return notes
