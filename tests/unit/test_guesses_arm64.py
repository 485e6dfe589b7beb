"""arm64: what is assumed where a source does not show it, from the text to the answer, on both sides of each number.

Each number is one that a kernel's source gives, or an estimate; the docstring says which. A test of an estimate holds
what the answer does with it, not that it is right.

The numbers: kexeckit.kernel.reservation.ends, kexeckit.kernel.reservation.elsewhere,
kexeckit.kernel.reservation.by_address, kexeckit.kernel.reservation.held, kexeckit.kernel.reservation.unshown,
kexeckit.kernel.reservation.from_machine.
"""

import pytest

from answers import Asking, Document, shown
from bootlogs import GIB, MIB, arm64_log

KIB = 1 << 10
TOP = 3 * GIB
RAM = (0, GIB, TOP)
UNPACKED = "Trying to unpack rootfs image as initramfs..."
FREED = "Freeing initrd memory: 40960K"
SIZE = 40 * MIB
RELEASE = {"proc/sys/kernel/osrelease": "7.2.0\n"}


def listing(*reserved: tuple[int, int]) -> str:
    """Return /proc/iomem with RAM from 1 to 3 GiB and ranges in it, ends exclusive."""
    rows = "".join(f"  {start:x}-{end - 1:x} : reserved\n" for start, end in reserved)
    return f"{GIB:x}-{TOP - 1:x} : System RAM\n{rows}"


def by_efi(*nodes: tuple[int, int, int]) -> str:
    """Return the log of a machine that EFI booted, with an initrd that no line places."""
    more = ("efi: EFI v2.70 by someone", UNPACKED)
    return arm64_log("6.12", *nodes, more=more).replace("efi: UEFI not found.", "efi: here it is")


@pytest.mark.parametrize(
    ("signs", "at", "outcome"),
    [
        ((UNPACKED,), 1222, "not-determined"),
        ((UNPACKED,), 1224, "reserved"),
        ((UNPACKED, FREED), 1198, "not-determined"),
        ((UNPACKED, FREED), 1200, "reserved"),
    ],
)
def test_an_initrd_near_the_kernel(ask: Asking, signs: tuple[str, ...], at: int, outcome: str) -> None:
    """Boot loaders other than EFI put it within 136 MiB of the start of memory, of its size or 64 MiB: estimates.

    Documentation/arch/arm64/booting.rst only wants it within 32 GiB of the kernel.
    """
    text = arm64_log("6.1", RAM, more=signs)
    assert shown(ask.boot(text, f"crashkernel=64M@{at}M")) == (outcome, at * MIB if outcome == "reserved" else None)


@pytest.mark.parametrize(
    ("end", "start"),
    [
        (3840 * MIB, 3840 * MIB),
        (3841 * MIB, None),
        (5 * GIB - 4 * KIB, None),
        (5 * GIB, 3840 * MIB),
    ],
)
def test_an_initrd_below_what_firmware_keeps(ask: Asking, end: int, start: int | None) -> None:
    """Where firmware keeps memory within 1 GiB above the region, EFI may have put the initrd in its way: an estimate.

    The region would lie from 3840 MiB to 4 GiB.
    """
    found = ask.boot(by_efi((0, GIB, end - MIB), (0, end - MIB, end), (0, end, 16 * GIB)), "crashkernel=256M")
    assert (*shown(found), found["certainty"]) == ("reserved", start, "likely")


@pytest.mark.parametrize(
    ("gap", "size", "outcome"),
    [
        (4 * MIB - 4 * KIB, 64 * KIB, "not-determined"),
        (4 * MIB, 64 * KIB, "failed"),
        (6 * MIB - 4 * KIB, 3 * MIB, "not-determined"),
        (6 * MIB, 3 * MIB, "failed"),
    ],
)
def test_what_lies_below_a_gap_was_there_before(ask: Asking, gap: int, size: int, outcome: str) -> None:
    """The kernel searches from the top down, so it would have taken the gap: of 4 MiB, or twice the size at least.

    mm/memblock.c, __memblock_find_range_top_down(). That an alignment is at most that large is an estimate: those of
    struct pages, 2 MiB and 16 MiB, are mm/sparse.c's, PAGES_PER_SECTION * sizeof(struct page).
    """
    at = 0x60000000
    files = {**RELEASE, "proc/iomem": listing((at, at + size), (at + size + gap, TOP))}
    word = f"crashkernel=64M@{(at >> 20) - 32}M"
    assert ask.root(files, word, "--arch", "arm64")["outcome"] == outcome


def with_disk(ask: Asking, size: int, gap: int = 0, *, word: str) -> Document:
    """Return the answer for an initrd of 40 MiB, as the log has it, and a reserved range of a size at 3008 MiB."""
    at = TOP - 64 * MIB
    tree = at + size + gap
    rows = [(at, at + size), *([(tree, tree + 64 * KIB), (tree + 64 * KIB, TOP)] if gap else [(TOP - 8 * MIB, TOP)])]
    log = arm64_log("7.2", RAM, more=(UNPACKED, FREED))
    return ask.root({**RELEASE, "var/log/dmesg": log, "proc/iomem": listing(*rows)}, word)


@pytest.mark.parametrize(
    ("pages", "outcome"), [(-1, "reserved"), (0, "failed"), (1, "failed"), (2, "failed"), (3, "reserved")]
)
def test_the_range_of_the_initrd_is_known_by_its_size(ask: Asking, pages: int, outcome: str) -> None:
    """It is reserved in whole pages around it, and the log prints the pages within it: up to two more are reserved.

    Source: arch/arm64/mm/init.c, arm64_memblock_init(); mm/page_alloc.c, free_reserved_area().
    """
    assert with_disk(ask, SIZE + pages * 4 * KIB, word="crashkernel=32M@2992M")["outcome"] == outcome


@pytest.mark.parametrize(("gap", "outcome"), [(4 * MIB - 4 * KIB, "failed"), (4 * MIB, "reserved")])
def test_the_device_tree_follows_the_initrd(ask: Asking, gap: int, outcome: str) -> None:
    """What is reserved within 4 MiB behind it is taken for that: an estimate of what boot loaders do."""
    assert with_disk(ask, SIZE, gap, word="crashkernel=2M@3052M")["outcome"] == outcome


@pytest.mark.parametrize(("at", "outcome"), [(1088, "failed"), (1090, "reserved")])
def test_a_kernel_image_of_unknown_size(ask: Asking, at: int, outcome: str) -> None:
    """Boot loaders other than EFI put it at the start of memory; that it ends within 66 MiB is an estimate."""
    text = "".join(row for row in arm64_log("7.2", RAM).splitlines(keepends=True) if "Memory:" not in row)
    assert ask.boot(text, f"crashkernel=8M@{at}M")["outcome"] == outcome


@pytest.mark.parametrize(("spare", "moves"), [(80, False), (84, True), (240, True), (244, False)])
def test_what_lies_below_node_data(ask: Asking, spare: int, *, moves: bool) -> None:
    """Up to 6.x the tables of the sections lie there, of 64 KiB and of up to 160 KiB that are an estimate.

    The region is aligned to 2 MiB, so it moves where RAM ends less than that behind a border.
    """
    text = arm64_log("6.12", (0, GIB, TOP - 2 * MIB + spare * KIB), tables=False)
    outcome, start = shown(ask.boot(text, "crashkernel=128M"))
    assert (outcome, start is None) == ("reserved", moves)


@pytest.mark.parametrize(
    ("rows", "outcome"),
    [
        ("  60000000-6000ffff : reserved\n", "failed"),
        ("  60000000-6000ffff : Kernel code\n", "failed"),
        ("  60000000-6000ffff : something\n", "not-determined"),
        ("", "not-determined"),
    ],
)
def test_what_is_in_the_way_by_its_name(ask: Asking, rows: str, outcome: str) -> None:
    """Reserved memory below a gap and the kernel are; other resources in RAM, such as a driver's, came later."""
    text = f"{GIB:x}-{TOP - 1:x} : System RAM\n{rows}"
    word = "crashkernel=64M@1504M"
    assert ask.root({**RELEASE, "proc/iomem": text}, word, "--arch", "arm64")["outcome"] == outcome


def test_reserved_memory_outside_of_ram_is_no_ram(ask: Asking) -> None:
    """A reserved resource of its own is memory that is not mapped, or none."""
    text = f"{GIB:x}-5fffffff : System RAM\n60000000-6000ffff : reserved\n60010000-{TOP - 1:x} : System RAM\n"
    found = ask.root({**RELEASE, "proc/iomem": text}, "crashkernel=64M@1504M", "--arch", "arm64")
    assert found["outcome"] == "failed"
