"""What of an EFI map the image may be put in."""

from kexeckit.formats.bootlog.boot import parse_boot_log
from kexeckit.formats.bootlog.efi import EfiMapEntry, efi_map
from kexeckit.kernel.behaviour.kaslr import KaslrRules, kaslr_rules
from kexeckit.kernel.boot.efi_room import efi_room
from kexeckit.machine.version import parse_kernel_version
from kexeckit.memory.range import MemRange
from kexeckit.memory.units import GIB, MIB

FREE, CODE, DATA, BOOT = "Conventional", "Loader Code", "Loader Data", "Boot Data"


def rules(release: str) -> KaslrRules:
    """What a release does."""
    return kaslr_rules("x86_64", parse_kernel_version(release))


def entries(*rows: tuple[str, int, int, str]) -> tuple[EfiMapEntry, ...]:
    """Read a map that a log prints: type, start and end in MiB, flags."""
    lines = [
        f"[    0.000000] efi: mem{n:02}: [{kind:12}|{flags}|WB|WT|WC|UC] "
        f"range=[{start * MIB:#018x}-{end * MIB - 1:#018x}] (0MB)"
        for n, (kind, start, end, flags) in enumerate(rows)
    ]
    return efi_map(parse_boot_log("\n".join(lines), "log"))


def mib(start: int, end: int) -> MemRange:
    """Return a range of whole MiB."""
    return MemRange(start * MIB, end * MIB)


def test_only_free_memory() -> None:
    """Neither loader's nor firmware's."""
    found = efi_room(entries((FREE, 1, 8, ""), (BOOT, 8, 20, ""), (CODE, 20, 60, ""), (FREE, 60, 90, "")), NEW, "")
    assert (found.memory, found.efi) == ((mib(1, 8), mib(60, 90)), True)


def test_what_the_last_boot_took_is_free_again() -> None:
    """For the stub, which chooses before; the old decompressor sees the final map."""
    table = entries((FREE, 1, 20, ""), (CODE, 20, 60, ""), (FREE, 60, 90, ""), (DATA, 90, 95, ""), (BOOT, 95, 99, ""))
    back = (mib(20, 60), mib(90, 95))
    assert efi_room(table, NEW, "", given_back=back).memory == (mib(1, 95),)
    assert efi_room(table, rules("5.10"), "", given_back=back, load=GIB).memory == (mib(1, 20), mib(60, 90))
    assert efi_room(table, rules("5.10"), "", load=GIB).load == GIB


def test_memory_for_special_purposes() -> None:
    """Left out since 5.10, unless a word makes it ordinary."""
    table = entries((FREE, 1, 20, ""), (FREE, 20, 60, "SP"))
    assert efi_room(table, NEW, "").memory == (mib(1, 20),)
    assert efi_room(table, NEW, "efi=nosoftreserve").memory == (mib(1, 20), mib(20, 60))
    assert efi_room(table, rules("4.19"), "").memory == (mib(1, 20), mib(20, 60))


def test_hot_pluggable_memory() -> None:
    """The stub of newer kernels leaves it out; the decompressor does not look."""
    table = entries((FREE, 1, 20, ""), (FREE, 20, 60, "HP"))
    assert table[1].hot_pluggable
    assert efi_room(table, NEW, "").memory == (mib(1, 20),)
    assert efi_room(table, rules("6.8"), "").memory == (mib(1, 20), mib(20, 60))
    assert efi_room(table, rules("5.10"), "").memory == (mib(1, 20), mib(20, 60))


def test_mirrored_memory() -> None:
    """The decompressor takes no other where any is mirrored, free or not; the stub decides later."""
    table = entries((FREE, 1, 20, ""), (FREE, 20, 60, "MR"), (FREE, 60, 90, ""))
    assert efi_room(table, rules("5.10"), "").memory == (mib(20, 60),)
    assert efi_room(entries((FREE, 1, 20, ""), (BOOT, 20, 60, "MR")), rules("5.10"), "").memory == ()
    stub = efi_room(table, NEW, "", given_back=(mib(90, 95),))
    assert (stub.memory, list(stub.mirrored)) == ((mib(1, 20), mib(20, 60), mib(60, 95)), [mib(20, 60)])


NEW = rules("6.12.107")
