"""The shipped purgatory and the parameter block that a load fills in.

The layout is that of ``purgatory.h``; docs/purgatory.md has it as a table and a test compares the three.

    offset in the blob
    0x000  entry
    0x040  header 0x40 | 16 regions of 0x40 | SHA-256 of the block up to here
    0x4a0  code, constants, variables, stack, zeros up to a page
"""

import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

ARCHITECTURES = ("x86_64",)

PAGE = 4096
PARAMS_OFFSET = 0x40
MAX_REGIONS = 16
NAME_SIZE = 16

_MAGIC = b"kxkpurg\0"
_VERSION = 1
_FLAG_SPIN = 1
_FLAG_ANNOUNCE = 2

# magic, version, size, flags, on_damage, serial_port, region_count, boot_params, kernel_entry, 16 reserved bytes
_HEADER = struct.Struct("<8s6I2Q16x")
# start, length, sha256, name
_REGION = struct.Struct("<2Q32s16s")
_DIGEST_SIZE = 32
_CHECKED_SIZE = _HEADER.size + MAX_REGIONS * _REGION.size
_PARAMS_SIZE = _CHECKED_SIZE + _DIGEST_SIZE
_IDENTITY = struct.Struct("<8s2I")

_U64 = 1 << 64
# An 8250 has eight registers, so the last base that leaves room for them all.
_LAST_PORT = 0x10000 - 8


class OnDamage(IntEnum):
    """What the purgatory does after it has reported a damaged segment. It never enters the kernel.

    Attributes:
        HALT: Stops for ever with interrupts off, so that the machine can be looked at.
        RESET: Resets the machine, so that it comes back into service.
    """

    HALT = 0
    RESET = 1


@dataclass(frozen=True, slots=True)
class DigestRegion:
    """A range of physical memory and what must be in it when the purgatory looks.

    Attributes:
        name: 1 to 15 printable ASCII characters, without ``"``; printed when the range is damaged.
        start: Physical address of the first byte; no alignment is needed.
        length: Bytes; 0 is allowed (SHA-256 of nothing).
        sha256: The 32 bytes of the expected digest.

    Raises:
        ValueError: If a value cannot be written into the parameter block.
    """

    name: str
    start: int
    length: int
    sha256: bytes

    def __post_init__(self) -> None:
        printable = self.name.isascii() and self.name.isprintable() and '"' not in self.name
        if not printable or not 0 < len(self.name) < NAME_SIZE:
            raise ValueError(
                f'region name {self.name!r}: 1 to {NAME_SIZE - 1} printable ASCII characters without " are possible'
            )
        if self.start < 0 or self.length < 0 or self.start + self.length > _U64:
            raise ValueError(f"region {self.name}: start {self.start:#x} + length {self.length:#x} is not in 64 bits")
        if len(self.sha256) != _DIGEST_SIZE:
            raise ValueError(f"region {self.name}: a SHA-256 has {_DIGEST_SIZE} bytes, not {len(self.sha256)}")


@dataclass(frozen=True, slots=True)
class Purgatory:
    """A purgatory as built: position independent, to be placed at any multiple of ``align``.

    Attributes:
        arch: The kernel's name of it.
        code: The whole memory picture: code, parameters, variables and stack, zeros included.
        memsz: Bytes of memory it needs, a multiple of 4096; nothing beyond it is touched.
        align: Alignment of the load address in bytes.
        entry_offset: Where kexec must jump to, from the start of ``code``.
        params_offset: Where the parameter block begins, from the start of ``code``.
        max_regions: How many regions it can check.

    Raises:
        ValueError: If ``code`` has no parameter block of this version at ``params_offset``.
    """

    arch: str
    code: bytes
    memsz: int
    align: int = PAGE
    entry_offset: int = 0
    params_offset: int = PARAMS_OFFSET
    max_regions: int = MAX_REGIONS

    def __post_init__(self) -> None:
        block = self.code[self.params_offset : self.params_offset + _PARAMS_SIZE]
        if len(block) != _PARAMS_SIZE or _IDENTITY.unpack_from(block) != (_MAGIC, _VERSION, _PARAMS_SIZE):
            raise ValueError(f"no parameter block of version {_VERSION} in this {self.arch} purgatory")
        if len(self.code) > self.memsz or self.memsz % self.align:
            raise ValueError(f"{len(self.code)} bytes of code and memsz {self.memsz} do not go together")

    def patched(
        self,
        *,
        boot_params: int,
        kernel_entry: int,
        regions: Sequence[DigestRegion],
        serial_port: int = 0,
        on_damage: OnDamage = OnDamage.HALT,
        announce: bool = False,
        spin: bool = False,
    ) -> bytes:
        """The code with its parameters filled in, ready to be a segment.

        Args:
            boot_params: Physical address of struct boot_params; the kernel gets it in rsi.
            kernel_entry: Physical address of the 64-bit entry point (x86_64: load address + 0x200).
            regions: What to check, in the order of the report. Never the purgatory itself: its stack changes.
            serial_port: I/O port of the UART to report on, 0 for none. It must be 0 in a guest with encrypted
                registers (SEV-ES, TDX), where port I/O needs an exception handler that does not exist here.
            on_damage: What to do after the report of damage.
            announce: Also write one line when everything is intact.
            spin: Loop at the first instruction, so that a debugger finds the machine as kexec left it.

        Returns:
            As many bytes as ``code`` has.

        Raises:
            ValueError: If there are too many regions or a value does not fit its field.

        Source: Documentation/arch/x86/boot.rst, "64-bit Boot Protocol".
        """
        if len(regions) > self.max_regions:
            raise ValueError(f"{len(regions)} regions; this purgatory can check {self.max_regions}")
        if serial_port != 0 and not 0 < serial_port <= _LAST_PORT:
            raise ValueError(f"serial port {serial_port:#x} is not an I/O port with 8 registers")
        for what, address in (("boot_params", boot_params), ("kernel_entry", kernel_entry)):
            if not 0 <= address < _U64:
                raise ValueError(f"{what} {address:#x} is not in 64 bits")
        flags = (_FLAG_SPIN if spin else 0) | (_FLAG_ANNOUNCE if announce else 0)
        header = _HEADER.pack(
            _MAGIC,
            _VERSION,
            _PARAMS_SIZE,
            flags,
            OnDamage(on_damage),
            serial_port,
            len(regions),
            boot_params,
            kernel_entry,
        )
        body = b"".join(_REGION.pack(r.start, r.length, r.sha256, r.name.encode("ascii")) for r in regions)
        block = _sealed((header + body).ljust(_CHECKED_SIZE, b"\0"))
        return self.code[: self.params_offset] + block + self.code[self.params_offset + _PARAMS_SIZE :]


def load_purgatory(arch: str) -> Purgatory:
    """The purgatory that is shipped for an architecture; works from a zipped package too.

    Args:
        arch: The kernel's name of it.

    Raises:
        ValueError: If there is none for ``arch``.
    """
    if arch not in ARCHITECTURES:
        raise ValueError(f"no purgatory for {arch}; there is one for {', '.join(ARCHITECTURES)}")
    # What pkgutil.get_data() does, without the ten modules that it imports.
    loader = getattr(__spec__, "loader", None)
    if loader is None or not hasattr(loader, "get_data"):
        raise ValueError(f"the file {arch}.bin cannot be read through this package's loader")
    code = bytes(loader.get_data(os.path.join(os.path.dirname(__file__), f"{arch}.bin")))
    return Purgatory(arch=arch, code=code, memsz=-(-len(code) // PAGE) * PAGE)


# The purgatory believes a block only with its digest, so that a block that was hit names no entry point.
def _sealed(block: bytes) -> bytes:
    # The start of OpenSSL is not free; who patches has digests to make anyway.
    import hashlib

    return block + hashlib.sha256(block).digest()
