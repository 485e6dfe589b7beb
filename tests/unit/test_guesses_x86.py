"""x86: what is assumed where a source does not show it, from the text to the answer, on both sides of each number.

Each number is one that a kernel's source gives, or an estimate; the docstring says which. A test of an estimate holds
what the answer does with it, not that it is right.

The numbers: kexeckit.kernel.reservation.ends, kexeckit.kernel.reservation.elsewhere,
kexeckit.kernel.reservation.image, kexeckit.kernel.reservation.held, kexeckit.kernel.reservation.unshown,
kexeckit.kernel.reservation.from_machine.
"""

import re

import pytest

from answers import Asking, possible, reasons, shown
from bootlogs import GIB, MIB, pc_table, x86_log

KIB = 1 << 10
EFI = "efi: EFI v2.70 by Somebody"
# Not at the top of memory, where the region goes.
INITRD = (0x20000000, 0x22000000)


def without(text: str, word: str) -> str:
    """Return a log without the lines that have a word."""
    return "".join(line for line in text.splitlines(keepends=True) if word not in line)


def small(top: int, **more: object) -> str:
    """Return the log of a machine whose RAM ends at `top`, below 4 GiB."""
    return x86_log(((0, 0x9FC00, 1), (MIB, top, 1)), initrd=None, **more)  # type: ignore[arg-type]


def movable(initrd: tuple[int, int], cmdline: str) -> str:
    """Return the log of two nodes, of which the higher may be unplugged."""
    high = 4 * GIB
    srat = (
        "ACPI: SRAT: Node 0 PXM 0 [mem 0x00000000-0xbfffffff]",
        f"ACPI: SRAT: Node 1 PXM 1 [mem {high:#x}-{high + 5 * GIB - 1:#x}] hotplug",
    )
    nodes = ((0, 0x1000, 0x9F000), (0, MIB, 0xBFFE0000), (1, high, high + 5 * GIB))
    data = [(0xBFFD0000, 0xBFFD4000)]
    return x86_log(pc_table(5 * GIB), initrd=initrd, nodes=nodes, more=srat, node_data=data, cmdline=cmdline)


HIGH_INITRD = (8 * GIB, 8 * GIB + 32 * MIB)


@pytest.mark.parametrize(
    ("initrd", "answer"),
    [(HIGH_INITRD, ("reserved", 5 * GIB)), (INITRD, ("failed", None))],
)
def test_a_node_that_holds_anything_cannot_go_away(
    ask: Asking, initrd: tuple[int, int], answer: tuple[str, int | None]
) -> None:
    """movable_node spares hot-pluggable nodes, but not one that the initrd lies on.

    Source: arch/x86/mm/numa.c, numa_clear_kernel_node_hotplug().
    """
    assert shown(ask.boot(movable(initrd, "nokaslr movable_node"), "crashkernel=3G")) == answer


def test_the_same_as_a_what_if(ask: Asking) -> None:
    """The initrd is reserved before nodes are known, so the word alone gives the same answer."""
    assert ask.boot(movable(HIGH_INITRD, "nokaslr"), "crashkernel=3G", "movable_node")["outcome"] == "reserved"


@pytest.mark.parametrize(
    ("spare", "starts"),
    [
        (-4, [0x9F000000]),
        (0, [0x9F000000, 0xA0000000]),
        (172, [0x9F000000, 0xA0000000]),
        (176, [0xA0000000, 0x9F000000]),
        (708, [0xA0000000, 0x9F000000]),
        (712, [0xA0000000]),
    ],
)
def test_a_log_without_node_data(ask: Asking, spare: int, starts: list[int]) -> None:
    """Nothing to 176 KiB are taken for it; above it page tables and the like may take 512 KiB and a page per GiB of 6.

    Estimates: the log shows neither. So the address is never certain, and open where the two ends differ.
    """
    found = ask.boot(without(small(0xB0000000 + spare * KIB), "NODE_DATA"), "crashkernel=256M")
    assert possible(found, but="they take more") == starts
    assert found["outcome"] == "reserved"
    assert shown(found)[1] == (None if len(starts) > 1 else starts[0])
    assert found["regions"][0]["certainty"]["address"] == ("open" if len(starts) > 1 else "likely")


@pytest.mark.parametrize(("spare", "count"), [(-4, 1), (0, 2), (172, 2), (176, 2), (1196, 2), (1200, 1)])
def test_a_listing_without_a_log(ask: Asking, spare: int, count: int) -> None:
    """/proc/iomem alone: up to 176 KiB for the node's data and 1 MiB for page tables. Estimates, as above."""
    rows = f"00001000-0009fbff : System RAM\n00100000-{0xB0000000 + spare * KIB - 1:08x} : System RAM\n"
    files = {"proc/iomem": f"{rows}  02000000-02ffffff : Kernel code\n", "proc/sys/kernel/osrelease": "6.12.0\n"}
    found = ask.root(files, "crashkernel=256M", "--arch", "x86_64")
    assert sum("they take" in row["when"] and row["when"] != "they take more" for row in found["candidates"]) == count


@pytest.mark.parametrize(("end", "ends"), [(512 * KIB, []), (512 * KIB - 4096, [None, 64 * MIB])])
def test_the_brk_area_behind_the_image(ask: Asking, end: int, ends: list[int | None]) -> None:
    """Up to 512 KiB behind the bss are taken for it; a region that begins right behind them fits, for all it does.

    An estimate: arch/x86/kernel/vmlinux.lds.S gives .brk 64 KiB of slop and what RESERVE_BRK() asks for.
    """
    rows = "00001000-0009fbff : System RAM\n00100000-bffdffff : System RAM\n  02000000-02ffffff : Kernel code\n"
    rows += f"  03000000-{64 * MIB - end - 1:08x} : Kernel bss\n"
    files = {"proc/iomem": rows, "proc/sys/kernel/osrelease": "6.12.0\n", "proc/cmdline": "crashkernel=64M@64M\n"}
    found = ask.root(files, "--arch", "x86_64")
    assert found["about"] == "this-boot"
    assert [row["start"] for row in found["candidates"] if "the image is" in row["when"]] == ends


@pytest.mark.parametrize(("top", "start", "sure"), [(674, 0x1A000000, "likely"), (658, None, "open")])
def test_a_kernel_image_that_is_in_the_way_more_often_than_not(
    ask: Asking, top: int, start: int | None, sure: str
) -> None:
    """Less than half of its possible places are a caveat; from half on, there is no address, but room all the same.

    Places are 2 MiB apart from 16 MiB on: CONFIG_PHYSICAL_ALIGN and CONFIG_PHYSICAL_START of arch/x86/Kconfig;
    arch/x86/boot/compressed/kaslr.c, find_random_phys_addr(). The half is ours, and so are 64 MiB for the image where
    the log does not show its size.
    """
    text = without(small(top * MIB, cmdline="root=/dev/vda1"), "Memory:")
    found = ask.boot(text, "crashkernel=256M")
    assert (*shown(found), found["certainty"]) == ("reserved", start, "certain")
    assert found["regions"][0]["certainty"]["address"] == sure


@pytest.mark.parametrize(("version", "share"), [("4.7.0", 70.8), ("4.8.0", 90.5)])
def test_kernels_before_4_8_stay_below_1_gib(ask: Asking, version: str, share: float) -> None:
    """KERNEL_IMAGE_SIZE bounded physical places, too: arch/x86/boot/compressed/kaslr.c, mem_min_overlap() and its like.

    So more of the places lie in the way of a region below 896 MiB.
    """
    found = ask.boot(x86_log(cmdline="root=/dev/vda1", version=version), "crashkernel=256M")
    assert [f"{row['share']:.1%}" for row in found["candidates"] if row["share"]] == [f"{share}%"]
    assert found["regions"][0]["share"] == found["candidates"][0]["share"]


@pytest.mark.parametrize(
    ("word", "outcome"),
    [
        ("8M@8M", "reserved"),
        ("8M@16M", "failed"),
        ("1M@23M", "failed"),
        ("1M@24M", "not-determined"),
        ("1M@111M", "not-determined"),
        ("1M@112M", "reserved"),
    ],
)
def test_an_image_of_unknown_size(ask: Asking, word: str, outcome: str) -> None:
    """It begins at 16 MiB (CONFIG_PHYSICAL_START) and takes 8 to 96 MiB, an estimate that spans all that was seen."""
    assert ask.boot(without(x86_log(), "Memory:"), f"crashkernel={word}")["outcome"] == outcome


@pytest.mark.parametrize(
    ("init", "starts"),
    [(1024, [0x2000000]), (1026, [0x3000000, 0x2000000]), (6144, [0x3000000, 0x2000000]), (6146, [0x3000000])],
)
def test_an_image_whose_unwind_tables_are_not_shown(ask: Asking, init: int, starts: list[int]) -> None:
    """They take up to 30 % of the code, in steps of 2 MiB, and 128 KiB for the brk area. Measured: 23 to 29 %.

    2.6.32 searches from the bottom up, so that the region begins at 16 MiB behind the image.
    """
    sizes = f"(10240K kernel code, 0K rodata, {init}K init)"
    text = re.sub(r"\(14336K.*bss\)", sizes, x86_log(version="2.6.32"))
    found = ask.boot(text, "crashkernel=128M")
    assert possible(found, but="the image is longer and lies in its way", none=False) == starts


@pytest.mark.parametrize(("lost", "told"), [(0, False), (4096, True)])
def test_a_map_that_lacks_a_page(ask: Asking, lost: int, told: bool) -> None:
    """Every node range lies in RAM of the map."""
    table = ((0, 0x9FC00, 1), (MIB, 0xBFFE0000 - lost, 1), (0xBFFE0000, 3 * GIB, 2))
    nodes = ((0, 0x1000, 0x9F000), (0, MIB, 0xBFFE0000))
    text = x86_log(table, initrd=None, nodes=nodes, node_data=[(0xBFDD0000, 0xBFDD4000)])
    found = ask.boot(text, "crashkernel=256M")
    assert shown(found) == ("reserved", 0xAF000000)
    assert ("lines of it are missing" in reasons(found)) is told


@pytest.mark.parametrize(("more", "refused"), [(0, False), (4, True)])
def test_a_count_that_exceeds_the_map(ask: Asking, more: int, refused: bool) -> None:
    """Where the kernel counted more memory than the lines show, some are lost, and there is no answer."""
    text = re.sub(r"Memory: \d+K/(\d+)K", lambda m: f"Memory: 1000K/{int(m[1]) + more}K", x86_log())
    if refused:
        with pytest.raises(AssertionError, match="lines of it are missing"):
            ask.boot(text, "crashkernel=256M")
    else:
        assert ask.boot(text, "crashkernel=256M")["outcome"] == "reserved"


@pytest.mark.parametrize(
    ("marks", "start"),
    [
        ((), None),
        (("esrt: Reserving ESRT space from 0x00000000b8001000 to 0x00000000b8001038.",), 0xA8000000),
        # There would be room above this one.
        (("esrt: Reserving ESRT space from 0x0000000090001000 to 0x0000000090001038.",), 0x80000000),
        (
            (
                "esrt: Reserving ESRT space from 0x00000000bb001000 to 0x00000000bb001038.",
                "e820: update [mem 0xb4001018-0xb4001027] usable ==> usable",
            ),
            0xA4000000,
        ),
    ],
)
def test_firmware_memory_above_its_last_marks(ask: Asking, marks: tuple[str, ...], start: int | None) -> None:
    """The region likely follows the lowest of ESRT and setup_data; without either, where it lies is open.

    Seen in logs of one machine; no source says that firmware hands memory out in this order.
    """
    found = ask.boot(x86_log(initrd=INITRD, more=(EFI, *marks)), "crashkernel=256M")
    assert shown(found) == ("reserved", start)
    assert found["certainty"] == "likely"


@pytest.mark.parametrize(
    ("data", "start"),
    [((0xBFFD0000, 0xBFFD4000), None), ((0x13FFF0000, 0x13FFF4000), 0x137000000)],
)
def test_node_data_above_4_gib_bounds_what_firmware_took(ask: Asking, data: tuple[int, int], start: int | None) -> None:
    """Right below it lies no firmware memory, or the kernel would have put it elsewhere; below 4 GiB it may."""
    text = x86_log(pc_table(GIB), initrd=INITRD, node_data=[data], more=(EFI,))
    assert shown(ask.boot(text, "crashkernel=128M,high"))[1] == start


TAKEN = "memblock_reserve: [0x00000000b0000000-0x00000000b0000fff] somebody+0x10/0x20"


@pytest.mark.parametrize(
    ("rows", "start"),
    [
        ((), 0xAE000000),
        ((TAKEN,), 0xA0000000),
        ((TAKEN, "memblock_free: [0x00000000b0000000-0x00000000b0000fff] other+0x1/0x2"), 0xAE000000),
        ((TAKEN, "memblock_phys_free: [0x00000000afff0000-0x00000000b000ffff] other+0x1/0x2"), 0xAE000000),
        ((TAKEN, "memblock_free: [0x00000000b0001000-0x00000000b0001fff] other+0x1/0x2"), 0xA0000000),
    ],
)
def test_what_memblock_debug_shows(ask: Asking, rows: tuple[str, ...], start: int) -> None:
    """What is reserved and not freed again is in the way. Source: mm/memblock.c, memblock_reserve()."""
    assert shown(ask.boot(x86_log(more=rows), "crashkernel=256M")) == ("reserved", start)


@pytest.mark.parametrize(
    ("cmdline", "at", "outcome"),
    [
        ("nokaslr", 14, "reserved"),
        ("nokaslr", 16, "failed"),
        ("root=/dev/vda1", 16, "reserved"),
        ("root=/dev/vda1", 32, "reserved"),
        ("root=/dev/vda1", 34, "failed"),
        ("root=/dev/vda1", 66, "failed"),
        ("root=/dev/vda1", 67, "reserved"),
    ],
)
def test_the_image_ends_at_the_brk_area(ask: Asking, cmdline: str, at: int, outcome: str) -> None:
    """With memblock=debug the brk area is seen, here at 66 MiB; the image lies before it, from 16 MiB on or at random.

    Of 24 MiB in sections and up to 4.2 in unwind tables: 30 MiB in steps of 2 MiB and 128 KiB, so from 34 MiB on.
    Source: arch/x86/kernel/vmlinux.lds.S, .brk behind .bss; arch/x86/kernel/setup.c, reserve_brk().
    """
    brk = "memblock_reserve: [0x0000000004200000-0x000000000423ffff] setup_arch+0x10/0x20"
    size = 2 if at < 66 else 1
    found = ask.boot(x86_log(more=(brk,), cmdline=cmdline), f"crashkernel={size}M@{at}M")
    assert found["outcome"] == outcome


def low_memory(*more: str, kaslr: bool = True) -> str:
    """Return the log of an i386 machine with 1 GiB."""
    text = small(GIB, cmdline="root=/dev/vda1" if kaslr else "nokaslr", more=more)
    return text.replace("Linux version", "887MB LOWMEM available.\n[    0.000000] Linux version", 1)


@pytest.mark.parametrize(("at", "outcome"), [(28, "reserved"), (29, "failed"), (63, "failed"), (64, "reserved")])
def test_the_image_of_i386_ends_where_the_first_mapping_does(ask: Asking, at: int, outcome: str) -> None:
    """And begins its size and 4 MiB before: of tables and alignment, an estimate.

    Source: arch/x86/kernel/head_32.S, init_map; arch/x86/kernel/setup.c, "initial memory mapped".
    """
    text = low_memory("initial memory mapped: [mem 0x00000000-0x03ffffff]")
    assert ask.boot(text, f"crashkernel=1M@{at}M", "--arch", "i386")["outcome"] == outcome


@pytest.mark.parametrize(("lost", "told"), [("BIOS-e820: [mem 0x0000000000100000", True), ("nothing", False)])
def test_a_table_without_its_largest_entry(ask: Asking, lost: str, *, told: bool) -> None:
    """A table without its largest entry is not whole."""
    found = ask.boot(without(x86_log(), lost), "crashkernel=256M")
    assert ("lines of it are missing" in reasons(found)) is told


def test_node_ranges_that_overlap_are_refused(ask: Asking) -> None:
    """Where the firmware's map is not there to tell; touching ones are not."""
    text = without(x86_log(nodes=((0, MIB, GIB), (0, GIB - 4096, 0xBFFE0000))), "e820")
    with pytest.raises(AssertionError, match="overlap"):
        ask.boot(text, "crashkernel=256M")
    whole = without(x86_log(nodes=((0, 0x1000, 0x9F000), (0, MIB, GIB), (1, GIB, 0xBFFE0000))), "e820")
    assert ask.boot(whole, "crashkernel=256M")["outcome"] == "reserved"
