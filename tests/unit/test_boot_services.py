"""EFI boot services memory in a reservation: what the kernel reserves of it, and the map of a capture.

About kexeckit.kernel.reservation.boot_services, kexeckit.kernel.reservation.elsewhere,
kexeckit.kernel.reservation.from_machine.
"""

from pathlib import Path

from bootlogs import MIB, booted_with, x86_log
from kexeckit.formats.sysfs_crash import EfiDescriptor, format_efi_map
from kexeckit.kernel.boot.held import Held
from kexeckit.kernel.reservation.boot_services import boot_services
from kexeckit.kernel.reservation.predict import predict_reservation
from kexeckit.machine.taken import Taker
from kexeckit.memory.range import MemRange
from kexeckit.system.sysroot import DirectoryRoot
from readings import facts_of_root

LOW = 0xA0000000
EFI = ("efi: EFI v2.70 by someone",)


def held(start: int, end: int, by: Taker, name: str = "") -> Held:
    """Return memory that is taken."""
    return Held(MemRange(start, end), by, name or by.value, "log:1")


def reserved(taken: list[Held], *spans: tuple[int, int, int]) -> list[MemRange]:
    """Return what is reserved of (type, start, end) descriptors."""
    return [h.range for h in boot_services(taken, ((k, MemRange(s, e), "map") for k, s, e in spans))]


def test_code_and_data_are_reserved_and_nothing_else() -> None:
    """Types 3 and 4; not loader data, not conventional memory."""
    rows = [(kind, kind * MIB, kind * MIB + 4096) for kind in range(1, 8)]
    assert reserved([], *rows) == [MemRange(3 * MIB, 3 * MIB + 4096), MemRange(4 * MIB, 4 * MIB + 4096)]


def test_a_descriptor_that_touches_a_reservation_is_left_out_whole() -> None:
    """The kernel asks whether any byte of it is reserved."""
    # boot data |-----------------------------| |------|
    # MEMATTR              |-|
    table = held(0x102000, 0x103000, Taker.EFI_TABLE, "EFI table MEMATTR")
    assert reserved([table], (4, 0x100000, 0x200000), (4, 0x200000, 0x201000)) == [MemRange(0x200000, 0x201000)]


def test_tables_that_cut_the_map_leave_the_rest_reserved() -> None:
    """ESRT and MOK variables become descriptors of their own; ACPI tables and node data come later."""
    for by in (Taker.ESRT, Taker.EFI_TABLE, Taker.ACPI_TABLE, Taker.NODE_DATA):
        name = "EFI table MOKvar" if by is Taker.EFI_TABLE else ""
        assert reserved([held(0x102000, 0x103000, by, name)], (4, 0x100000, 0x200000)) == [MemRange(0x100000, 0x200000)]


def root(folder: Path, *rows: tuple[int, int, int]) -> DirectoryRoot:
    """Return a capture of an EFI machine whose initrd lies low, with a map of (type, start, end)."""
    log = x86_log(version="6.12.0", initrd=(0x20000000, 0x21000000), more=EFI)
    (folder / "dmesg").write_text(booted_with(log, "crashkernel=256M"))
    if rows:
        found = tuple(EfiDescriptor(k, s, 0, (e - s) // 4096, 8) for k, s, e in rows)
        (folder / "efi_memmap").write_bytes(format_efi_map(found, 48))
    return DirectoryRoot(str(folder))


def test_without_the_map_the_address_is_open(tmp_path: Path) -> None:
    """The region would lie below firmware's memory, of which nothing is known."""
    found = predict_reservation(facts_of_root(root(tmp_path)))
    assert (found.outcome, found.certainty.value) == ("reserved", "likely")
    assert [(r.start, r.address_certainty.value) for r in found.regions] == [(None, "open")]


def test_the_map_of_a_capture_decides(tmp_path: Path) -> None:
    """Boot services data at the top pushes the region down; the answer is one."""
    at = root(tmp_path, (7, MIB, LOW), (4, LOW, 0xBFFE0000))
    found = predict_reservation(facts_of_root(at))
    assert found.outcome == "reserved"
    assert [r.start for r in found.regions] == [LOW - 256 * MIB]
    assert not any("boot services" in c.when for c in found.candidates)
    assert any(s.endswith("efi_memmap") for s in found.facts.sources)


def test_a_map_that_cannot_be_read_leaves_it_open(tmp_path: Path) -> None:
    """And the answer says why."""
    at = root(tmp_path)
    (tmp_path / "efi_memmap").write_bytes(b"\xff" * 96)
    found = predict_reservation(facts_of_root(at))
    assert [r.start for r in found.regions] == [None]
    assert any("efi_memmap" in note for note in found.facts.notes)
