"""memblock's lists in debugfs, and what they add to a prediction. The machines do not exist.

About kexeckit.kernel.reservation.from_memblock, kexeckit.kernel.reservation.from_machine,
kexeckit.kernel.reservation.ends.
"""

from itertools import pairwise
from pathlib import Path

import pytest

from formatters import format_memblock_list
from kexeckit.errors import InputError
from kexeckit.formats.memblock_debugfs import MemblockEntry, parse_memblock_list
from kexeckit.kernel.boot.memblock import Region
from kexeckit.kernel.reservation.from_memblock import marked_regions, unmapped_regions
from kexeckit.kernel.reservation.predict import Reservation, predict_reservation
from kexeckit.machine.sources.files import MEMBLOCK as FOLDER
from kexeckit.memory.range import MemRange
from kexeckit.system.sysroot import DirectoryRoot
from readings import facts_of_root

MIB, GIB = 1 << 20, 1 << 30


def span(start: int, end: int) -> MemRange:
    """Return a range given in MiB."""
    return MemRange(start * MIB, end * MIB)


def test_a_list_of_addresses() -> None:
    """Older kernels print neither node nor flags."""
    text = "   0: 0x0000000040000000..0x000000007fffffff\n   1: 0x0000000100000000..0x000000017fffffff\n"
    assert parse_memblock_list(text, "memory") == (MemblockEntry(span(1024, 2048)), MemblockEntry(span(4096, 6144)))


def test_a_list_with_nodes_and_flags() -> None:
    """A node may be missing; several flags are joined by a bar."""
    text = (
        "   0: 0x0000000040000000..0x000000007fffffff    0 NONE\n"
        "   1: 0x0000000080000000..0x00000000800fffff    1 NOMAP\n"
        "   2: 0x0000000090000000..0x00000000900fffff    x RSV_NIT|RSV_KERN\n"
    )
    assert parse_memblock_list(text, "memory") == (
        MemblockEntry(span(1024, 2048), 0, ()),
        MemblockEntry(span(2048, 2049), 1, ("NOMAP",)),
        MemblockEntry(span(2304, 2305), None, ("RSV_NIT", "RSV_KERN")),
    )


def test_an_empty_list() -> None:
    """Nothing, or the one entry without size that stands for it."""
    assert parse_memblock_list("", "memory") == ()
    assert parse_memblock_list("   0: 0x0000000000000000..0xffffffffffffffff\n", "memory") == ()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("   0: 0x1000..0x0fff\n", 1),
        ("   0: 0x1000..0x1fff\n   1: 0x1800..0x2fff\n", 2),
        ("   0: 0x1000..0x1fff\nhello\n", 2),
        ("   0: 0x1000..0x1fff 0\n", 1),
        ("   0: 0x1000..0x10000000000000000\n", 1),
    ],
)
def test_what_is_no_list(text: str, line: int) -> None:
    """A reversed or overlapping entry and any other line is refused with its number."""
    with pytest.raises(InputError, match=f"^list:{line}: "):
        parse_memblock_list(text, "list")


def test_regions_are_cut_where_a_mark_begins() -> None:
    """Only what is covered is marked, and nodes stay."""
    found = marked_regions([Region(span(0, 4), 0), Region(span(4, 8), 1)], [span(3, 5)], "nomap")
    assert [(r.range, r.node, r.nomap) for r in found] == [
        (span(0, 3), 0, False),
        (span(3, 4), 0, True),
        (span(4, 5), 1, True),
        (span(5, 8), 1, False),
    ]


def regions(*ends: int, node: int = 0) -> list[Region]:
    """Return regions in a row, from the first address in MiB to the others."""
    return [Region(span(a, b), node) for a, b in pairwise(ends)]


def test_regions_that_touch_take_turns_in_being_mapped() -> None:
    """The larger half is mapped, unless something was handed out from the other; a region alone is mapped."""
    row = regions(1024, 3000, 3010, 3060, 3070)
    alone = Region(span(8192, 9000), 0)
    found = unmapped_regions([*row, alone], ())
    assert [r.nomap for r in found] == [False, True, False, True, False]
    assert [r.nomap for r in unmapped_regions(row, [3005 * MIB])] == [True, False, True, False]


def test_a_border_of_nodes_says_nothing_about_mapping() -> None:
    """Regions of different nodes touch without any flag."""
    found = unmapped_regions([*regions(1024, 2048), *regions(2048, 3072, node=1)], ())
    assert [r.nomap for r in found] == [False, False]


def machine(folder: Path, *, log: bool, memory: str = "", reserved: str = "", iomem: str = "") -> DirectoryRoot:
    """Write a root of an arm64 machine of 1 GiB whose kernel is 7.2."""
    rows = [
        "Booting Linux on physical CPU 0x0000000000 [0x410fd083]",
        "Linux version 7.2.0 (x)",
        "efi: UEFI not found.",
        "NODE_DATA(0) allocated [mem 0x7fdfd000-0x7fdfffff]",
        "Early memory node ranges",
        "  node   0: [mem 0x0000000040000000-0x000000007fffffff]",
        "Kernel command line: quiet",
    ]
    files = {
        "proc/iomem": iomem or "40000000-7fffffff : System RAM\n  40200000-41ffffff : Kernel code\n",
        "proc/cmdline": "quiet\n",
        "proc/version": "Linux version 7.2.0 (x)\n",
        f"{FOLDER}/memory": memory,
        f"{FOLDER}/reserved": reserved,
        "dmesg": "".join(f"[    0.000000] {row}\n" for row in rows) if log else "",
    }
    for name, text in files.items():
        if text:
            at = folder / name.lstrip("/")
            at.parent.mkdir(parents=True, exist_ok=True)
            at.write_text(text)
    return DirectoryRoot(str(folder))


def predict(root: DirectoryRoot) -> Reservation:
    """Return the prediction for 64M."""
    return predict_reservation(facts_of_root(root, ("crashkernel=64M",), "arm64"))


def main_start(found: Reservation) -> int | None:
    """Return the start of the main region."""
    return next(r.start for r in found.regions if r.kind == "main")


UNMAPPED = (
    "   0: 0x0000000040000000..0x000000006fffffff    0 NONE\n"
    "   1: 0x0000000070000000..0x000000007effffff    0 NOMAP\n"
    "   2: 0x000000007f000000..0x000000007fffffff    0 NONE\n"
)


def test_memory_that_is_not_mapped_is_not_handed_out(tmp_path: Path) -> None:
    """The log prints one region; debugfs shows that its upper part is not mapped."""
    assert main_start(predict(machine(tmp_path / "a", log=True))) == 0x7FC00000 - 64 * MIB
    found = predict(machine(tmp_path / "b", log=True, memory=UNMAPPED))
    assert main_start(found) == 0x70000000 - 64 * MIB
    assert any(FOLDER in source for source in found.facts.sources)


def test_iomem_shows_memory_that_is_not_mapped(tmp_path: Path) -> None:
    """A reserved region of its own, not one inside System RAM."""
    inside = "40000000-7fffffff : System RAM\n  40200000-41ffffff : Kernel code\n  70000000-7effffff : reserved\n"
    own = "40000000-6fffffff : System RAM\n70000000-7effffff : reserved\n7f000000-7fffffff : System RAM\n"
    assert main_start(predict(machine(tmp_path / "a", log=True, iomem=inside))) == 0x7FC00000 - 64 * MIB
    assert main_start(predict(machine(tmp_path / "b", log=True, iomem=own))) == 0x70000000 - 64 * MIB


def test_without_a_log_the_reserved_list_is_a_bound(tmp_path: Path) -> None:
    """The region lies between where nothing is taken and where all is taken that is reserved at the end of boot."""
    memory = "   0: 0x0000000040000000..0x000000007fffffff    0 NONE\n"
    reserved = "   0: 0x0000000077900000..0x000000007fffffff    0 RSV_KERN\n"
    found = predict(machine(tmp_path / "a", log=False, memory=memory, reserved=reserved))
    assert (found.outcome, found.certainty.value, main_start(found)) == ("reserved", "likely", None)
    rows = [(c.start, c.last, c.step) for c in found.candidates if c.part == "main"]
    assert (0x7C000000, 0x73800000, 2 * MIB) in rows


def test_without_a_log_and_without_debugfs_nothing_bounds_it(tmp_path: Path) -> None:
    """Any lower place is possible, and none at all."""
    found = predict(machine(tmp_path / "a", log=False))
    assert found.outcome == "not-determined"
    assert {(c.start, c.last) for c in found.candidates} >= {(0x7C000000, 0x40000000), (None, None)}


def test_a_damaged_list_is_named_and_the_rest_stands(tmp_path: Path) -> None:
    """The prediction does not need debugfs."""
    found = predict(machine(tmp_path, log=True, memory="hello\n"))
    assert main_start(found) == 0x7FC00000 - 64 * MIB
    assert any("memblock/memory" in note for note in found.facts.notes)


def test_what_is_written_is_read_back() -> None:
    """The kernel's columns: a number of four digits, addresses of 16."""
    text = "   0: 0x0000000040000000..0x000000007fffffff    0 NONE\n"
    text += "   1: 0x0000000080000000..0x00000000800fffff    x MIRROR|NOMAP\n"
    assert format_memblock_list(parse_memblock_list(text, "memory")) == text
