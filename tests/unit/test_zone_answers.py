"""Zones from the text of a log to the answer: what memory words, nodes, the initrd and MTRRs do."""

import json
from pathlib import Path
from typing import Any

import pytest

from bootlogs import GIB, MIB, arm64_log
from kexeckit.cli.main import main
from zone_logs import NODES, ZONES, x86_log

Answer = dict[int, list[tuple[str, int, int]]]
PAGES = GIB // 4096


class Asking:
    """Asks `kexeckit zones` for a log and words."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._path = folder / "dmesg"
        self._capsys = capsys

    def document(self, text: str, *words: str) -> dict[str, Any]:
        """Return the JSON document."""
        self._path.write_text(text)
        main(["zones", *words, "--root", str(self._path), "--json"])
        found = json.loads(self._capsys.readouterr().out)
        assert isinstance(found, dict)
        return found

    def nodes(self, text: str, *words: str) -> Answer:
        """Return (zone, first page frame, page frames that are there) by node."""
        nodes = self.document(text, *words)["nodes"]
        return {n["nid"]: [(z["zone"], z["start_pfn"], z["present"]) for z in n["zones"]] for n in nodes}


@pytest.fixture
def zones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Asking:
    """What the command answers."""
    return Asking(tmp_path, capsys)


# node 0 |1 GiB|     |1 GiB, above 4 GiB|
# node 1       |1 GiB|
ARM64 = arm64_log("6.12", (0, GIB, 2 * GIB), (1, 2 * GIB, 3 * GIB), (0, 4 * GIB, 5 * GIB))


@pytest.mark.parametrize(
    ("words", "sizes"),
    [
        ((), {0: 2 * GIB, 1: GIB}),
        (("mem=1G",), {0: GIB}),
        (("mem=1536M",), {0: GIB, 1: 512 * MIB}),
        (("mem=1536M", "mem=1G"), {0: GIB}),
        (("mem=1G", "mem=1536M"), {0: GIB, 1: 512 * MIB}),
        (("mem=2560M",), {0: 1536 * MIB, 1: GIB}),
        (("mem=8G",), {0: 2 * GIB, 1: GIB}),
        (("mem=0",), {0: 2 * GIB, 1: GIB}),
    ],
)
def test_mem_on_arm64(zones: Asking, words: tuple[str, ...], sizes: dict[int, int]) -> None:
    """It keeps the lowest bytes, counted over all ranges, and the last mem= counts; 0 limits nothing.

    Source: arch/arm64/mm/init.c, early_mem(), arm64_memblock_init().
    """
    found = {nid: sum(z[2] for z in kinds) * 4096 for nid, kinds in zones.nodes(ARM64, *words).items()}
    assert found == sizes


def without(text: str, word: str) -> str:
    """Return a log without the lines that have a word."""
    return "".join(line for line in text.splitlines(keepends=True) if word not in line)


def test_nodes_that_only_the_printed_ranges_show(zones: Asking) -> None:
    """Without an SRAT each stretch reaches to the next one, also where typed words add memory between and behind."""
    text = without(x86_log("", ZONES, NODES), "SRAT")
    assert zones.nodes(text)[1] == [("Normal", 4 * PAGES, PAGES)]
    more = zones.nodes(text, "memmap=256M@3584M", "memmap=2G@8G")
    assert sum(z[2] for z in more[0]) - sum(z[2] for z in zones.nodes(text)[0]) == 256 * MIB // 4096
    assert more[1] == [("Normal", 4 * PAGES, 3 * PAGES)]
    assert list(zones.nodes(text, "mem=3G")) == [0]


def test_an_srat_that_disagrees_with_the_printed_ranges(zones: Asking) -> None:
    """What the kernel printed is what it did."""
    text = x86_log().replace("Node 1 PXM 1 [mem 0x100000000", "Node 0 PXM 0 [mem 0x100000000")
    assert zones.nodes(text)[1] == [("Normal", 4 * PAGES, PAGES)]


@pytest.mark.parametrize(("ramdisk", "movable"), [("0xbf000000-0xbffeffff", True), ("0x110000000-0x1100fffff", False)])
def test_the_initrd_keeps_its_node_from_being_unplugged(zones: Asking, ramdisk: str, *, movable: bool) -> None:
    """movable_node makes all of a hot-pluggable node movable, but not where the kernel holds memory on it."""
    text = x86_log().replace("0xbf000000-0xbffeffff", ramdisk)
    found = {kind: first for kind, first, _ in zones.nodes(text, "movable_node")[1]}
    assert found == ({"Movable": 4 * PAGES} if movable else {"Normal": 4 * PAGES})


@pytest.mark.parametrize(("end", "movable"), [(0x110000000, False), (0x10FFFFFFF, True)])
def test_a_table_of_one_byte_counts(zones: Asking, end: int, *, movable: bool) -> None:
    """Ends in the log are inclusive; what is reversed is no range."""
    line = f"[    0.000000] ACPI: Reserving FACP table memory at [mem 0x110000000-{end:#x}]\n"
    found = zones.nodes(x86_log("", line, ZONES, NODES), "movable_node")[1]
    assert [kind for kind, _, _ in found] == (["Movable"] if movable else ["Normal"])


@pytest.mark.parametrize("early", [True, False])
def test_memory_that_no_mtrr_covers(zones: Asking, *, early: bool) -> None:
    """The kernel gives it up before memblock is set up; a change of the table behind that takes nothing away."""
    change = (
        "[    0.000000] e820: update [mem 0x130000000-0x13fffffff] usable ==> reserved\n"
        "[    0.000000] WARNING: BIOS bug: CPU MTRRs don't cover all of memory, losing 256MB of RAM.\n"
    )
    head, mark, tail = x86_log("", ZONES).partition("[    0.000000] RAMDISK:")
    text = head + change + mark + tail if early else x86_log("", change, ZONES)
    assert zones.nodes(text)[1] == [("Normal", 4 * PAGES, PAGES - (65536 if early else 0))]


def test_a_log_that_does_not_show_zone_dma(zones: Asking) -> None:
    """On x86 it is assumed, and told; elsewhere there is nothing to assume."""
    told = ["no source shows whether the kernel has ZONE_DMA: it is assumed"]
    assert zones.document(x86_log("", NODES))["assumed"] == told
    assert zones.document(x86_log())["assumed"] == []
    bare = "".join(row for row in ARM64.splitlines(keepends=True) if "Zone ranges" not in row and "  DMA " not in row)
    assert told[0] not in zones.document(bare)["assumed"]


@pytest.mark.parametrize(
    ("word", "left"), [("mem=512M", [512]), ("mem=1792M", [512, 1024, 256]), ("mem=2304M", [512, 1024, 768])]
)
def test_mem_on_parts_of_different_sizes(zones: Asking, word: str, left: list[int]) -> None:
    """Each takes of what is left."""
    text = arm64_log("6.12", (0, GIB, GIB + 512 * MIB), (1, 2 * GIB, 3 * GIB), (2, 4 * GIB, 5 * GIB))
    found = zones.nodes(text, word)
    assert [sum(z[2] for z in kinds) * 4096 // MIB for kinds in found.values()] == left
