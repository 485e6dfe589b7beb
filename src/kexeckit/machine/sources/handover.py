"""What only the loading of a next kernel needs, from the files of a root."""

from dataclasses import replace

from kexeckit.errors import InputError
from kexeckit.formats.boot_params import BootParams, parse_boot_params
from kexeckit.formats.elfcorehdr import PT_LOAD, LoadRange, NoteRange, ProgramHeader, loads_of, parse_program_headers
from kexeckit.formats.sysfs_crash import (
    parse_address,
    parse_crash_notes,
    parse_efi_systab,
    parse_vmcoreinfo_location,
)
from kexeckit.machine.fact import Fact, Problem
from kexeckit.machine.sources.files import BOOT_PARAMS, CPUS, EFI, MEMINFO, FileReader, Files
from kexeckit.machine.value import EfiPointers, HandoverFacts
from kexeckit.memory.range import MemRange

KCORE = "/proc/kcore"
VMCOREINFO = "/sys/kernel/vmcoreinfo"
CRASH_HOTPLUG = ("/sys/kernel/crash_elfcorehdr_size", "/sys/kernel/kexec/crash_elfcorehdr_size")
POINTERS = ("fw_vendor", "runtime", "config_table", "systab")
_UNKNOWN_PADDR = (1 << 64) - 1
_KERNEL_TEXT = 0xFFFFFFFF80000000


def handover_from_files(files: Files) -> tuple[HandoverFacts, tuple[Problem, ...]]:
    """Return what a next kernel is told of this one, and the problems of the files that show it."""
    reader = FileReader(files)
    params = reader.of_file("handover.boot_params", BOOT_PARAMS, parse_boot_params)
    headers = reader.of_file("handover.kernel_text", KCORE, _headers)
    text, offset = _mapped(headers) if headers else (None, None)
    facts = HandoverFacts(
        boot_params=Fact(files.contents[BOOT_PARAMS], params.source) if params else None,
        crash_notes=_crash_notes(reader),
        vmcoreinfo=reader.of_text("handover.vmcoreinfo", VMCOREINFO, parse_vmcoreinfo_location),
        kernel_text=text,
        page_offset=offset,
        efi=_pointers(reader, params),
        crash_hotplug=_crash_hotplug(files),
        cma=_cma(files),
    )
    # boot_params were read, and complained of, before.
    return facts, tuple(p for p in reader.problems if p.about != "handover.boot_params")


def _headers(data: bytes, source: str) -> tuple[ProgramHeader, ...]:
    if len(data) < 64:
        raise InputError(source, "shorter than an ELF header")
    return tuple(parse_program_headers(data, source))


def _mapped(headers: Fact[tuple[ProgramHeader, ...]]) -> tuple[Fact[LoadRange] | None, Fact[int] | None]:
    mapped = [h for h in headers.value if h.type == PT_LOAD and h.paddr != _UNKNOWN_PADDR and h.memsz]
    texts = [h for h in mapped if h.vaddr >= _KERNEL_TEXT]
    direct = {h.vaddr - h.paddr for h in mapped if h.vaddr < _KERNEL_TEXT}
    text = replace(loads_of(texts[:1], headers.source)[0], executable=True) if texts else None
    return (
        Fact(text, headers.source) if text else None,
        Fact(direct.pop(), headers.source) if len(direct) == 1 else None,
    )


def _crash_notes(reader: FileReader) -> Fact[tuple[NoteRange, ...]] | None:
    files = reader.files
    names = [f"{CPUS}/cpu{n}/crash_notes" for n in files.numbered(CPUS, "cpu")]
    shown = [name for name in names if name in files.contents]
    if not shown:
        return None
    return reader.made("handover.crash_notes", files.label(CPUS), lambda: tuple(_note(files, name) for name in shown))


def _note(files: Files, name: str) -> NoteRange:
    where: MemRange = parse_crash_notes(files.text(name) or "", files.text(f"{name}_size") or "", files.label(name))
    return NoteRange(name.split("/")[-2], where)


def _pointers(reader: FileReader, params: Fact[BootParams] | None) -> Fact[EfiPointers] | None:
    files = reader.files
    if EFI not in files.folders and not params:
        return None
    systab = reader.of_text("handover.efi", f"{EFI}/systab", parse_efi_systab)
    table = systab.value if systab else {}

    def address(name: str) -> int:
        text = files.text(f"{EFI}/{name}")
        return parse_address(text.strip(), files.label(f"{EFI}/{name}")) if text is not None else 0

    return reader.made(
        "handover.efi",
        files.label(EFI),
        lambda: EfiPointers(
            fw_vendor=address("fw_vendor"),
            runtime=address("runtime"),
            config_table=address("config_table"),
            smbios=table.get("SMBIOS", 0),
            acpi=table.get("ACPI20") or table.get("ACPI") or 0,
        ),
    )


def _crash_hotplug(files: Files) -> Fact[bool] | None:
    if "/sys/kernel" not in files.folders:
        return None
    shown = next((n for n in CRASH_HOTPLUG if n in files.contents), None)
    return Fact(shown is not None, files.label(shown or CRASH_HOTPLUG[0]))


def _cma(files: Files) -> Fact[bool] | None:
    text = files.text(MEMINFO)
    if text is None:
        return None
    line = next((row for row in text.splitlines() if row.startswith("CmaTotal:")), "CmaTotal: 0 kB")
    return Fact(line.split()[1:] != ["0", "kB"], files.label(MEMINFO))
