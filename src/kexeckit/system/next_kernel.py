"""Opening what a next kernel is made from: files, what the user says of the jump, and chance for its random seed."""

import os

from kexeckit.errors import InputError, UsageError
from kexeckit.frozen import dataclass
from kexeckit.plan.efi_handover import EfiHandover
from kexeckit.plan.handover import OldRam
from kexeckit.plan.load_plan import LoadRequest
from kexeckit.purgatory import OnDamage
from kexeckit.system.files import map_file

SEED_SIZE = 32
OLD_RAM = tuple(map(str, OldRam))
ON_DAMAGE = tuple(each.name.lower() for each in OnDamage)
_PORTS = {"ttyS0": 0x3F8, "ttyS1": 0x2F8, "ttyS2": 0x3E8, "ttyS3": 0x2E8}


@dataclass(frozen=True, slots=True)
class JumpOptions:
    """What only our own segments have; kexec_file_load makes its own.

    Attributes:
        old_ram: How a capture kernel is told of the old kernel's RAM, one of `OLD_RAM`.
        on_damage: What happens if a segment was damaged before the jump, one of `ON_DAMAGE`.
        serial: I/O port for that message, as a number or as text (``0x3f8``, ``ttyS0``); 0 for none; None to take it
            from ``console=`` of the next kernel.
        efi_map: File of a raw EFI memory map to hand over, or None.
        spin: Stop at the purgatory's first instruction.
    """

    old_ram: str = OLD_RAM[0]
    on_damage: str = ON_DAMAGE[0]
    serial: int | str | None = None
    efi_map: str | None = None
    spin: bool = False


_USUAL = JumpOptions()


def open_next_kernel(
    kernel: str, initrd: str | None, cmdline: str, *, panic: bool, options: JumpOptions = _USUAL
) -> LoadRequest:
    """Map the files of a next kernel.

    Args:
        kernel: Path of the kernel.
        initrd: Path of its initial RAM disk, or None.
        cmdline: Its command line, before kexeckit adds to it.
        panic: It is a capture kernel.
        options: What the user says of the jump.

    Raises:
        UnavailableError: A file is not there.
        InputError: A file is empty, no regular file, or no EFI memory map that can be handed over.
        NotPermittedError, FileAccessError: A file cannot be read.
        UsageError: One of the options has no such value.
    """
    return LoadRequest(
        kernel=map_file(kernel),
        initrd=map_file(initrd) if initrd else None,
        cmdline=cmdline,
        panic=panic,
        old_ram=OldRam(_one_of("old_ram", options.old_ram, OLD_RAM)),
        rng_seed=os.urandom(SEED_SIZE),
        on_damage=OnDamage[_one_of("on_damage", options.on_damage, ON_DAMAGE).upper()],
        serial_port=None if options.serial is None else _port(options.serial),
        spin=options.spin,
        efi=_efi_handover(options.efi_map) if options.efi_map else None,
    )


def _one_of(name: str, value: str, known: tuple[str, ...]) -> str:
    if value not in known:
        raise UsageError(f"{name} {value!r}: expected one of {', '.join(known)}")
    return value


def _efi_handover(path: str) -> EfiHandover:
    from kexeckit.formats.efi_memory_map import parse_efi_memory_map

    try:
        return EfiHandover(parse_efi_memory_map(bytes(map_file(path).data), path))
    except ValueError as error:
        raise InputError(path, str(error), expected="a map without boot and runtime services") from error


def _port(text: int | str) -> int:
    try:
        port = text if isinstance(text, int) else _PORTS.get(text) or int(text, 0)
    except ValueError:
        port = -1
    # An 8250 has eight registers.
    if not 0 <= port <= 0x10000 - 8:
        raise UsageError(f"serial port {text}: expected an I/O port such as 0x3f8, or ttyS0")
    return port
