"""What boot logs show apart from the map: who booted the kernel, what it lists, how it is built.

About kexeckit.kernel.reservation.from_machine, kexeckit.kernel.reservation.unshown,
kexeckit.kernel.reservation.image, kexeckit.kernel.reservation.firmware.
"""

import pytest

from bootlogs import GIB, MIB, booted_with, pc_table, x86_log
from kexeckit.errors import InputError
from kexeckit.kernel.reservation.predict import Reservation, predict_reservation
from readings import facts_of_log

EFI = "efi: EFI v2.70 by Somebody"


def predict(text: str, *words: str) -> Reservation:
    """Return the prediction for the boot of a log that had these words."""
    return predict_reservation(facts_of_log(booted_with(text, *words)))


def shown(found: Reservation) -> list[tuple[str, int | None, int]]:
    """Return kind, start and size of every region."""
    return [(r.kind, r.start, r.size) for r in found.regions]


def marked(start: int, size: int) -> str:
    """Return the line of a setup_data entry."""
    return f"e820: update [mem {start:#010x}-{start + size - 1:#010x}] usable ==> usable"


def efi_log(*more: str, first: int = 0, high: int = 0) -> str:
    """Return the log of a machine with EFI firmware whose map is not printed."""
    table = ((first, 0x9FC00, 1), *pc_table(high)[1:])
    return x86_log(table, initrd=(0x20000000, 0x22000000), more=(EFI, *more))


@pytest.mark.parametrize("text", [efi_log(marked(MIB, 0x70)), efi_log(first=0x100)])
def test_a_kernel_that_kexec_booted(text: str) -> None:
    """It is handed the runtime part of the EFI map, so no boot services memory is in the way."""
    found = predict(text, "crashkernel=256M")
    assert (found.outcome, shown(found)) == ("reserved", [("main", 0xAF000000, 256 * MIB)])


def test_an_assumption_leaves_room() -> None:
    """setup_data at the bottom of memory says nothing about what lies above; the address is open, not the size."""
    found = predict(efi_log(marked(11 * MIB, 0x1000)), "crashkernel=256M")
    assert (found.certainty.value, shown(found)) == ("likely", [("main", None, 256 * MIB)])
    assert any(c.last is not None and c.last <= 0x40000000 <= (c.start or 0) for c in found.candidates)


def test_rooms_below_are_candidates() -> None:
    """Boot services memory can fill a whole room; the next one is not left out."""
    table = (*pc_table()[:3], (MIB, 0x60000000, 1), (0x70000000, 0xA0000000, 1))
    found = predict(x86_log(table, initrd=(0x20000000, 0x22000000), more=(EFI,)), "crashkernel=256M")
    assert [start for _, start, _ in shown(found)] == [None]
    tops = {c.start for c in found.candidates}
    assert {0x8F000000, 0x50000000, 0x10000000} <= tops


def test_the_list_of_early_reservations() -> None:
    """2.6.32 lists all that is reserved: from the lowest address up, the region begins behind the kernel."""
    rows = (
        "  #0 [0000000000 - 0000001000]   BIOS data page ==> [0000000000 - 0000001000]",
        "  #2 [0001000000 - 0002012345]    TEXT DATA BSS ==> [0001000000 - 0002012345]",
        "  #5 [0003000000 - 0003001000]          PGTABLE ==> [0003000000 - 0003001000]",
    )
    text = x86_log(version="2.6.32-5-amd64", more=rows)
    assert shown(predict(text, "crashkernel=128M")) == [("main", 0x4000000, 128 * MIB)]
    assert shown(predict(x86_log(version="2.6.32-5-amd64", more=rows[:2]), "crashkernel=128M"))[0][1] == 0x3000000


def test_the_list_of_all_that_was_reserved() -> None:
    """2.6.34 to 2.6.36 print the list at the end of the boot's memory set-up, the crash kernel included."""
    rows = (
        "  #1 [0001000000 - 0002f12345]   TEXT DATA BSS",
        "  #9 [0003000000 - 000b000000]    CRASH KERNEL",
    )
    text = x86_log(version="2.6.35-19-generic", more=rows)
    assert shown(predict(text, "crashkernel=128M")) == [("main", 0x3000000, 128 * MIB)]


def test_a_kernel_of_unknown_size() -> None:
    """From the lowest address up, the region follows the kernel: where that ends, its size must say."""
    rows = [row for row in x86_log(version="2.6.32").splitlines() if "Memory: " not in row]
    found = predict("\n".join(rows), "crashkernel=128M")
    assert (found.outcome, shown(found)) == ("reserved", [("main", None, 128 * MIB)])


def arm_log(version: str, zones: tuple[str, ...], *more: str) -> str:
    """Return a log of an arm64 machine with 1 GiB from 2 GiB on, with a CMA area at its top."""
    rows = (
        "Booting Linux on physical CPU 0x0000000000 [0x410fd083]",
        f"Linux version {version} (x)",
        *more,
        "NODE_DATA(0) allocated [mem 0xbfffd000-0xbfffffff]",
        "Zone ranges:",
        *zones,
        "Early memory node ranges",
        "  node   0: [mem 0x0000000080000000-0x00000000bfffffff]",
        "cma: Reserved 64 MiB at 0x00000000ba000000",
        "Kernel command line: root=/dev/vda1 nokaslr crashkernel=256M",
        "Memory: 900000K/1048576K available (9000K kernel code, 2000K rwdata, 5000K rodata, 2000K init, 500K bss)",
        "Freeing initrd memory: 40960K",
    )
    return "".join(f"[    0.000000] {row}\n" for row in rows)


NO_DMA = ("  Normal   [mem 0x0000000080000000-0x00000000bfffffff]",)
DMA = ("  DMA      [mem 0x0000000080000000-0x00000000bfffffff]", "  DMA32    empty", "  Normal   empty")


@pytest.mark.parametrize(
    ("version", "zones", "start"),
    [
        ("5.15.0", DMA, 0xAA000000),
        ("5.15.32", NO_DMA, 0xAA000000),
        ("5.15.33", NO_DMA, 0xB0000000),
        ("6.12.0", NO_DMA, 0xAA000000),
    ],
)
def test_arm64_built_without_dma_zones(version: str, zones: tuple[str, ...], start: int) -> None:
    """From 5.18 to 6.3 such a kernel reserves before the CMA area and the struct pages; its zones tell."""
    assert shown(predict(arm_log(version, zones))) == [("main", start, 256 * MIB)]


def test_arm64_initrd_of_efi() -> None:
    """EFI puts the initrd as high as it can: with all memory below 4 GiB it may lie where the region would."""
    efi = predict(arm_log("6.12.0", DMA, EFI, "KASLR disabled on command line"))
    assert (efi.certainty.value, shown(efi)) == ("likely", [("main", None, 256 * MIB)])
    assert any(d.what == "initrd" and d.decides for d in efi.doubts)


def test_an_initrd_that_would_have_been_told() -> None:
    """Where the log goes on to the first process without a word of an initrd, there was none to unpack."""
    text = x86_log(cmdline="root=UUID=1-2 nokaslr", initrd=None)
    assert shown(predict(text, "crashkernel=256M")) == [("main", None, 256 * MIB)]
    found = predict(text + "[    1.000000] Run /init as init process\n", "crashkernel=256M")
    assert (found.certainty.value, [start is None for _, start, _ in shown(found)]) == ("certain", [False])


def test_a_vendors_auto_that_is_not_known() -> None:
    """A kernel that says that it understands crashkernel=auto is no mainline kernel, whatever its version."""
    text = x86_log(cmdline="nokaslr crashkernel=auto", more=["Using crashkernel=auto, the size chosen is a guess."])
    with pytest.raises(InputError, match=r"log:\d+: this kernel knows crashkernel=auto"):
        predict(text)
    assert predict(text, "crashkernel=160M").outcome == "reserved"


def test_a_high_machine_is_not_in_doubt() -> None:
    """With a part above 4 GiB the low part alone can be pushed down by boot services memory."""
    found = predict(efi_log(marked(11 * MIB, 0x1000), high=8 * GIB), "crashkernel=1G,high")
    assert [(kind, size) for kind, _, size in shown(found)] == [("low", 256 * MIB), ("main", GIB)]
