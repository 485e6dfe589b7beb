"""What a boot log says about EFI: whether it booted so, the memory map where it is printed, the tables' addresses.

The map is printed with ``efi=debug`` (and always up to about 3.18), in three forms:
    ``efi: mem00: type=7, attr=0xf, range=[0x0-0x8f000) (0MB)``
    ``efi: mem00: [Conventional Memory|   |  |WB|WT|WC|UC] range=[0x0-0x8efff] (0MB)``
    ``EFI: mem0: ...`` in the oldest. A closing ``)`` means an exclusive end.

Source: arch/x86/platform/efi/efi.c, efi_print_memmap(); drivers/firmware/efi/efi.c, efi_md_typeattr_format(),
match_config_table().
"""

import re

from kexeckit.formats.bootlog.boot import BootLog
from kexeckit.formats.bootlog.pattern import LinePattern
from kexeckit.frozen import dataclass
from kexeckit.memory.range import MemRange, clip

_PRESENT = LinePattern(
    r"^efi: +(?:EFI v|ACPI|SMBIOS|mem\d|[A-Z][A-Za-z0-9. ]*=0x)|^EFI v\d", "efi: ", "efi v", ignore_case=True
)
_ABSENT = LinePattern(
    r"^(?:efi: (?:UEFI not found|EFI runtime services will be disabled|No EFI))", "efi: ", ignore_case=True
)
_MAP = LinePattern(
    r"^(?:efi|EFI): +mem\d+: *(?:type=(\d+), attr=0x([0-9a-f]+),|\[([^|\]]*)\|([^\]]*)\]) *"
    r"range=\[0x([0-9a-f]+)-0x([0-9a-f]+)([\])])",
    "range=[0x",
    ignore_case=True,
)
_ARM_MAP = LinePattern(
    r"^efi: +0x([0-9a-f]{6,16})-0x([0-9a-f]{6,16}) \[([^|\]]*)\|([^\]]*)\]", "efi: ", ignore_case=True
)
_TABLE = re.compile(r"([A-Za-z][A-Za-z0-9. ]*?)=0x([0-9a-f]+)")
# The firmware's vendor, as it names itself: drivers/firmware/efi/efi.c, efi_systab_report_header().
_VENDOR = LinePattern(r"^(?:efi: )?EFI v[\d.]+ by (\S.*)$", "efi v")
_TABLES_LINE = LinePattern(r"^efi: +[A-Za-z][A-Za-z0-9. ]*=0x", "efi: ")
_TYPES = {
    0: "Reserved",
    1: "Loader Code",
    2: "Loader Data",
    3: "Boot Code",
    4: "Boot Data",
    5: "Runtime Code",
    6: "Runtime Data",
    7: "Conventional",
    8: "Unusable",
    9: "ACPI Reclaim",
    10: "ACPI Mem NVS",
    11: "MMIO",
    12: "MMIO Port",
    13: "PAL Code",
    14: "Persistent",
}
_NUMBERS = {
    "reserved": 0,
    "loader code": 1,
    "loader data": 2,
    "boot code": 3,
    "boot data": 4,
    "runtime code": 5,
    "runtime data": 6,
    "conventional": 7,
    "conventional memory": 7,
    "unusable": 8,
    "unusable memory": 8,
    "acpi reclaim": 9,
    "acpi reclaim memory": 9,
    "acpi mem nvs": 10,
    "acpi memory nvs": 10,
    "mmio": 11,
    "memory mapped i/o": 11,
    "mmio port": 12,
    "mem mapped i/o port": 12,
    "pal code": 13,
    "persistent": 14,
    "persistent memory": 14,
}
_RUNTIME, _WB, _MORE_RELIABLE, _SP, _HOT_PLUGGABLE = 1 << 63, 1 << 3, 1 << 16, 1 << 18, 1 << 20
_FLAGS = {
    "RUN": _RUNTIME,
    "RT": _RUNTIME,
    "WB": _WB,
    "MR": _MORE_RELIABLE,
    "SP": _SP,
    "HP": _HOT_PLUGGABLE,
}


@dataclass(frozen=True, slots=True)
class EfiMapEntry:
    """One descriptor of the EFI memory map.

    Attributes:
        range: Its bytes.
        type: EFI memory type number; -1 where the text names none that is known.
        name: The type as text.
        attributes: EFI attribute bits, those that the text shows: RUNTIME, WB, MORE_RELIABLE, SP and
            HOT_PLUGGABLE are kept.
        line: Line number in the file.
    """

    range: MemRange
    type: int
    name: str
    attributes: int
    line: int

    @property
    def mirrored(self) -> bool:
        """Say whether the firmware mirrors this memory (EFI_MEMORY_MORE_RELIABLE)."""
        return bool(self.attributes & _MORE_RELIABLE)

    @property
    def special(self) -> bool:
        """Say whether the firmware sets this memory aside for special purposes (EFI_MEMORY_SP)."""
        return bool(self.attributes & _SP)

    @property
    def hot_pluggable(self) -> bool:
        """Say whether this memory may be removed (EFI_MEMORY_HOT_PLUGGABLE)."""
        return bool(self.attributes & _HOT_PLUGGABLE)


def booted_by_efi(log: BootLog) -> bool:
    """Say whether EFI firmware booted this kernel."""
    return bool(log.find(_PRESENT)) and not log.find(_ABSENT)


def firmware_vendor(log: BootLog) -> tuple[str, int] | None:
    """Return how the EFI firmware names its vendor, and the line; None where the log does not show it."""
    return next(((found[1].strip(), line.number) for line, found in log.matches(_VENDOR)), None)


def efi_map(log: BootLog) -> tuple[EfiMapEntry, ...]:
    """Return the EFI memory map where the log prints it, in the firmware's order; empty otherwise."""
    out = []
    for line, found in log.matches(_MAP):
        number = int(found[1]) if found[1] else _NUMBERS.get(found[3].strip().lower(), -1)
        bits = int(found[2], 16) if found[2] else _flags(found[4])
        end = int(found[6], 16) + (0 if found[7] == ")" else 1)
        span = clip(int(found[5], 16), min(end, 1 << 64))
        if span:
            out.append(EfiMapEntry(span, number, _TYPES.get(number, (found[3] or "").strip()), bits, line.number))
    for line, found in log.matches(_ARM_MAP):
        number = _NUMBERS.get(found[3].strip().lower(), -1)
        span = clip(int(found[1], 16), int(found[2], 16) + 1)
        if span:
            out.append(EfiMapEntry(span, number, found[3].strip(), _flags(found[4]), line.number))
    return tuple(out)


def efi_tables(log: BootLog) -> dict[str, tuple[int, int]]:
    """Return the configuration tables that the log names: name to (address, line number)."""
    out: dict[str, tuple[int, int]] = {}
    for line, _ in log.matches(_TABLES_LINE):
        for name, address in _TABLE.findall(line.text.partition("efi:")[2]):
            out.setdefault(name.strip(), (int(address, 16), line.number))
    return out


def _flags(text: str) -> int:
    bits = 0
    for word in text.split("|"):
        bits |= _FLAGS.get(word.strip().upper(), 0)
    return bits
