"""What each file of a root shows: the facts that are there with the file and not without it.

About kexeckit.machine.sources.files, kexeckit.machine.fact.
"""

from dataclasses import fields
from typing import Any

import pytest

from device_trees import tree
from fakes import build_boot_params
from kexeckit.errors import FileAccessError, NotPermittedError, UnavailableError
from kexeckit.formats.srat import MemoryAffinity, Srat, format_srat
from kexeckit.formats.sysfs_crash import EfiDescriptor, format_efi_map
from kexeckit.machine.fact import Fact, How, Problem
from kexeckit.machine.sources import files as names
from kexeckit.machine.sources.files import Files, machine_from_files
from kexeckit.machine.sources.iomem import arch_of_resources
from kexeckit.machine.value import Machine
from kexeckit.memory.kind import RAM
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet
from roots import derived, root, shown

GIB = 1 << 30
GROUPS = ("kernel", "boot", "memory", "nodes", "efi", "cpus", "observed")
NO_EFI = {"efi.mirror_whole"}


def facts(found: Machine) -> dict[str, Fact[Any]]:
    """Return all facts of a machine by group and name, but those that a root without EFI shows by itself."""
    groups = {group: getattr(found, group) for group in GROUPS}
    named = {f"{group}.{f.name}": getattr(value, f.name) for group, value in groups.items() for f in fields(value)}
    return {name: fact for name, fact in named.items() if fact is not None and name not in NO_EFI}


def test_a_root_without_files() -> None:
    """Nothing is known but that firmware that is not EFI mirrors no memory."""
    found = machine_from_files(root())
    assert facts(found) == {}
    assert (found.source, found.kind, found.problems) == ("root", "root", ())
    assert found.efi.mirror_whole == derived(value=True, name=names.EFI)
    assert machine_from_files(root(live=True)).kind == "live"


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        (names.ARCH, "aarch64\n", {"kernel.arch": shown("arm64", names.ARCH)}),
        (names.FDT, "", {"kernel.arch": derived("arm64", names.FDT)}),
        (names.RELEASE, " 6.1.0-53\n", {"kernel.release": shown("6.1.0-53", names.RELEASE)}),
        (names.RELEASE, "\n", {}),
        (
            names.BANNER,
            "Linux version 5.10.0-x (gcc) #1 SMP Debian 5.10.92-1 (d)\n",
            {"kernel.release": shown("5.10.0-x", names.BANNER), "kernel.stable": shown("5.10.92", names.BANNER)},
        ),
        (
            names.BANNER,
            "Linux version 6.12\n",
            {"kernel.release": shown("6.12", names.BANNER), "kernel.stable": shown("6.12", names.BANNER)},
        ),
        (names.BANNER, "Linux version\n", {}),
        (names.BANNER, "Linux release 6.12\n", {}),
        (names.CMDLINE, " a b \n", {"kernel.cmdline": shown("a b", names.CMDLINE)}),
        (names.CMDLINE, "", {"kernel.cmdline": shown("", names.CMDLINE)}),
        (
            names.CONFIG,
            "CONFIG_NUMA=y\nCONFIG_SOUND=y\nCONFIG_NR_CPUS=64\n",
            {"kernel.config": shown((("CONFIG_NUMA", "y"), ("CONFIG_NR_CPUS", "64")), names.CONFIG)},
        ),
        (names.MEMINFO, "MemTotal:       2048 kB\n", {"memory.managed": shown(2 << 20, names.MEMINFO)}),
        (names.MEMINFO, "MemFree:        2048 kB\n", {}),
        (names.MEMINFO, "DirectMap1G:       0 kB\n", {"kernel.gbpages": shown(value=True, name=names.MEMINFO)}),
        (names.MEMINFO, "DirectMap2M:       0 kB\n", {"kernel.gbpages": shown(value=False, name=names.MEMINFO)}),
        (
            names.CPUINFO,
            "processor\t: 0\nflags\t\t: lm pdpe1gb\nflags\t\t: other\n",
            {
                "cpus.flags": shown(frozenset({"lm", "pdpe1gb"}), names.CPUINFO, 2),
                "kernel.gbpages": derived(value=True, name=names.CPUINFO),
            },
        ),
        (names.CPUINFO, "processor\t: 0\n", {}),
        (f"{names.CPUS}/possible", "0-3,8\n", {"cpus.possible": shown(5, f"{names.CPUS}/possible")}),
        (f"{names.CPUS}/present", "0\n", {"cpus.present": shown(1, f"{names.CPUS}/present")}),
        (f"{names.CPUS}/kernel_max", "8191\n", {"cpus.most": shown(8192, f"{names.CPUS}/kernel_max")}),
        (names.LOADED[0], "1\n", {"observed.loaded": shown(value=True, name=names.LOADED[0])}),
        (names.LOADED[1], "0\n", {"observed.loaded": shown(value=False, name=names.LOADED[1])}),
        (names.CRASH_LOADED[0], "0\n", {"observed.crash_loaded": shown(value=False, name=names.CRASH_LOADED[0])}),
        (names.CRASH_LOADED[1], "1\n", {"observed.crash_loaded": shown(value=True, name=names.CRASH_LOADED[1])}),
        (names.CRASH_SIZE[0], "268435456\n", {"observed.crash_size": shown(256 << 20, names.CRASH_SIZE[0])}),
        (names.CRASH_SIZE[1], "0\n", {"observed.crash_size": shown(0, names.CRASH_SIZE[1])}),
        (f"{names.MEMBLOCK}/reserved", "", {}),
    ],
)
def test_a_file_and_its_facts(name: str, text: str, expected: dict[str, Fact[object]]) -> None:
    """Just these, named by the file, and no problem."""
    found = machine_from_files(root({name: text}))
    assert facts(found) == expected
    assert found.problems == ()


@pytest.mark.parametrize("named", ["memory", "reserved"])
def test_lists_of_memblock(named: str) -> None:
    """Each in its own fact."""
    file = f"{names.MEMBLOCK}/{named}"
    [(name, fact)] = facts(machine_from_files(root({file: "   0: 0x40000000..0x7fffffff\n"}))).items()
    assert (name, fact.source, len(fact.value)) == (
        f"memory.{'memblock' if named == 'memory' else named}",
        f"at {file}",
        1,
    )


@pytest.mark.parametrize(("zone", "has"), [("DMA", True), ("DMA32", False)])
def test_zones_tell_how_the_kernel_is_built(zone: str, *, has: bool) -> None:
    """ZONE_DMA is one of its names, DMA32 is not."""
    text = f"Node 0, zone {zone:>8}\n        spanned  4095\n        present  3998\n"
    found = facts(machine_from_files(root({names.ZONEINFO: text})))
    assert found.pop("kernel.zone_dma") == derived(has, names.ZONEINFO)
    [(name, fact)] = found.items()
    assert (name, fact.source, len(fact.value)) == ("observed.zoneinfo", f"at {names.ZONEINFO}", 1)


IOMEM = "00001000-7fffffff : System RAM\n"


@pytest.mark.parametrize(("text", "arch"), [(IOMEM + "80000000-800fffff : Reserved\n", "x86_64"), (IOMEM, None)])
def test_a_listing_of_resources(text: str, arch: str | None) -> None:
    """It may tell the architecture where nothing else does."""
    found = facts(machine_from_files(root({names.IOMEM: text})))
    assert found["memory.resources"].source == f"at {names.IOMEM}"
    assert found.get("kernel.arch") == (derived(arch, names.IOMEM) if arch else None)
    named = machine_from_files(root({names.IOMEM: text, names.ARCH: "riscv64"}))
    assert named.arch == "riscv64"
    tree = found["memory.resources"].value
    assert arch_of_resources(tree) == (arch or "")


def test_a_page_of_boot_parameters() -> None:
    """x86's, with the initrd up to a whole page and the firmware's table where sysfs has none."""
    page = bytearray(build_boot_params(((0x1000, 0x9E000, 1), (1 << 20, GIB, 1))))
    plain = facts(machine_from_files(root({names.BOOT_PARAMS: bytes(page)})))
    at = names.BOOT_PARAMS
    assert plain["kernel.arch"] == derived("x86_64", at)
    assert plain["boot.efi"] == shown(value=False, name=names.EFI)
    assert plain["boot.initrd"] == shown(None, at)
    table = plain["memory.firmware"]
    assert (table.source, table.how) == (f"at {at}", How.OBSERVED)
    assert [(e.start, e.end, e.kind, e.line) for e in table.value] == [
        (0x1000, 0x9F000, RAM, 0),
        (1 << 20, GIB + (1 << 20), RAM, 0),
    ]
    page[0x218:0x21C], page[0x21C:0x220] = (0x20000000).to_bytes(4, "little"), (0x1801).to_bytes(4, "little")
    moved = facts(machine_from_files(root({names.BOOT_PARAMS: bytes(page)})))
    assert moved["boot.initrd"] == shown(MemRange(0x20000000, 0x20002000), at)
    assert (plain["boot.random_place"], "boot.kexec" in plain, "boot.init_size" in plain) == (
        shown(False, at),
        False,
        False,
    )
    page[0x210], page[0x211], page[0x260:0x264] = 0xD0, 1 << 1, (0x2D5E000).to_bytes(4, "little")
    drawn = facts(machine_from_files(root({names.BOOT_PARAMS: bytes(page)})))
    assert drawn["boot.random_place"] == drawn["boot.kexec"] == shown(value=True, name=at)
    assert drawn["boot.init_size"] == shown(0x2D5E000, at)
    empty = facts(machine_from_files(root({names.BOOT_PARAMS: build_boot_params()})))
    assert "memory.firmware" not in empty


def test_an_initrd_that_the_device_tree_names() -> None:
    """One that names none tells nothing; a damaged one is a problem."""
    named = tree(start=b"\x48\0\0\0", end=b"\x48\0\x12\x34")
    found = facts(machine_from_files(root({names.FDT: named})))
    assert found["boot.initrd"] == shown(MemRange(0x48000000, 0x48001234), names.FDT)
    assert "boot.initrd" not in facts(machine_from_files(root({names.FDT: tree()})))
    cut = machine_from_files(root({names.FDT: named[:50]}))
    assert [p.about for p in cut.problems] == ["boot.initrd"]


def test_where_the_map_of_efi_lies() -> None:
    """As the page says it; a map of no bytes lies nowhere."""
    page = bytearray(build_boot_params(efi_systab=0x7F000000))
    page[0x1D0:0x1D4], page[0x1D4:0x1D8] = (0x3E000000).to_bytes(4, "little"), (0x1000).to_bytes(4, "little")
    found = facts(machine_from_files(root({names.BOOT_PARAMS: bytes(page)})))
    assert found["efi.map_at"] == shown(MemRange(0x3E000000, 0x3E001000), names.BOOT_PARAMS)
    page[0x1D0:0x1D4], page[0x1DC:0x1E0] = (0xFFFFF800).to_bytes(4, "little"), b"\xff" * 4
    last = facts(machine_from_files(root({names.BOOT_PARAMS: bytes(page)})))
    assert last["efi.map_at"] == shown(MemRange((1 << 64) - 0x800, 1 << 64), names.BOOT_PARAMS)
    page[0x1D4:0x1D8] = bytes(4)
    assert "efi.map_at" not in facts(machine_from_files(root({names.BOOT_PARAMS: bytes(page)})))


def memmap(*entries: tuple[int, int, str]) -> tuple[dict[str, str], dict[str, tuple[str, ...]]]:
    """Return the files and folders of the firmware's table in sysfs."""
    contents: dict[str, str] = {}
    for number, (start, end, kind) in enumerate(entries):
        at = f"{names.MEMMAP}/{number}"
        contents |= {f"{at}/start": f"{start:#x}\n", f"{at}/end": f"{end:#x}\n", f"{at}/type": f"{kind}\n"}
    return contents, {names.MEMMAP: tuple(map(str, range(len(entries))))}


def test_the_firmwares_table_of_sysfs() -> None:
    """It counts more than the page; entries are numbered, and x86 alone has the folder."""
    contents, folders = memmap((0x1000, 0x9EFFF, "System RAM"), (1 << 20, GIB - 1, "System RAM"))
    page = build_boot_params(((0, 0x1000, 2),))
    for more, at in (({}, names.MEMMAP), ({names.BOOT_PARAMS: page}, names.BOOT_PARAMS)):
        found = facts(machine_from_files(root({**contents, **more}, folders)))
        assert found["kernel.arch"] == derived("x86_64", at)
        assert found["memory.firmware"].source == f"at {names.MEMMAP}"
        assert [(e.start, e.end, e.kind) for e in found["memory.firmware"].value] == [
            (0x1000, 0x9F000, RAM),
            (1 << 20, GIB, RAM),
        ]


def test_numbers_of_types_that_sysfs_does_not_name() -> None:
    """They are in the page, for entries with the same ends; what sysfs names is so, whatever the page says."""
    contents, folders = memmap((0x1000, 0x9EFFF, "System RAM"), (1 << 20, GIB - 1, "Unknown E820 type"))
    page = build_boot_params(((0x1000, 0x9E000, 7), (1 << 20, GIB - (1 << 20), 77)))
    found = facts(machine_from_files(root({**contents, names.BOOT_PARAMS: page}, folders)))
    assert [e.kind.e820 for e in found["memory.firmware"].value] == [1, 77]
    moved = build_boot_params(((1 << 20, GIB, 77),))
    kept = facts(machine_from_files(root({**contents, names.BOOT_PARAMS: moved}, folders)))
    assert [e.kind.name for e in kept["memory.firmware"].value] == ["ram", "unknown:Unknown E820 type"]


def test_a_damaged_table_is_a_problem_of_memory() -> None:
    """An empty folder, and entries of the page that overlap."""
    empty = machine_from_files(root({}, {names.MEMMAP: ()}))
    page = build_boot_params(((0, 0x2000, 1), (0x1000, 0x2000, 1)))
    twice = machine_from_files(root({names.BOOT_PARAMS: page}))
    for found in (empty, twice):
        assert found.memory.firmware is None
        assert [p.about for p in found.problems] == ["memory.firmware"]


def blocks(size: str | None, *nodes: tuple[str, ...]) -> Files:
    """Return nodes with the names in their folders."""
    folders = {f"{names.NODES}/node{n}": own for n, own in enumerate(nodes)}
    folders[names.NODES] = ("has_cpu", *(f"node{n}" for n in range(len(nodes))))
    return root({names.BLOCK_SIZE: size} if size else {}, folders)


def test_blocks_of_nodes() -> None:
    """memory3 is the fourth block; sizes are in hexadecimal; the last block ends where addresses do."""
    found = machine_from_files(blocks("8000000\n", ("memory1", "cpulist", "memory0"), ("memory3", "memoryx")))
    expected = (
        MemoryAffinity(0, MemRange(0, 1 << 27)),
        MemoryAffinity(0, MemRange(1 << 27, 2 << 27)),
        MemoryAffinity(1, MemRange(3 << 27, 4 << 27)),
    )
    assert found.nodes.blocks == derived(Srat(expected, (0, 1)), names.NODES)
    last = machine_from_files(blocks("ffffffffffffffff", ("memory1",), ("memory9",))).nodes.blocks
    assert last
    assert last.value.memory == (MemoryAffinity(0, MemRange((1 << 64) - 1, 1 << 64)),)


@pytest.mark.parametrize(("size", "nodes"), [("8000000", 1), (None, 2), ("8000000", 0)])
def test_one_node_or_no_size_needs_no_blocks(size: str | None, nodes: int) -> None:
    """The nodes are known all the same."""
    found = machine_from_files(blocks(size, *([("memory0",)] * nodes)))
    assert found.nodes.blocks == derived(Srat((), tuple(range(nodes))), names.NODES)
    assert found.problems == ()


@pytest.mark.parametrize("size", ["large", "0x", "-"])
def test_a_size_of_blocks_that_is_no_number(size: str) -> None:
    """A problem of its own."""
    found = machine_from_files(blocks(size, ("memory0",), ("memory1",)))
    assert found.nodes.blocks is None
    assert [(p.about, p.text) for p in found.problems] == [
        ("nodes.blocks", f"at {names.BLOCK_SIZE}: unusable text {size!r}; expected a size")
    ]


@pytest.mark.parametrize(
    ("row", "distances"),
    [("10 21\n", (10, 21)), ("10\n", (10,)), ("10 x\n", None), (" \n", None), ("-10 21", None), ("1\u0665 21", None)],
)
def test_distances_are_numbers(row: str, distances: tuple[int, ...] | None) -> None:
    """Digits of ASCII; a row with anything else, or with nothing, is a problem that shows the row."""
    file = f"{names.NODES}/node0/distance"
    found = machine_from_files(root({file: row}, {names.NODES: ("node0",)}))
    problems = [(p.about, p.text) for p in found.problems]
    if distances:
        assert found.nodes.distances == shown((distances,), names.NODES)
    else:
        assert problems == [
            ("nodes.distances", f"at {file}: unusable text {row.strip()!r}; expected distances, such as 10 21")
        ]
    assert bool(distances) is not bool(problems)


def test_distances_are_rows_by_node() -> None:
    """node10 comes after node2, and a node without the file has no row."""
    contents = {f"{names.NODES}/node{n}/distance": f"{n} 10\n" for n in (10, 2)}
    found = machine_from_files(root(contents, {names.NODES: ("node10", "node2", "node3")}))
    assert found.nodes.distances == shown(((2, 10), (10, 10)), names.NODES)


def test_a_srat_of_the_firmware() -> None:
    """By its file."""
    data = format_srat([(0, MemRange(0, GIB), True)])
    found = machine_from_files(root({names.SRAT: data})).nodes.srat
    assert found
    assert (found.source, found.value.memory) == (
        f"at {names.SRAT}",
        (MemoryAffinity(0, MemRange(0, GIB), hotplug=True),),
    )


MOST = (1 << 20) - 1


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("0", 1),
        ("0-0", 1),
        ("5", 1),
        ("0-3,8,10-11", 7),
        (f"0-{MOST}", 1 << 20),
        (f"0-{MOST + 1}", None),
        (f"{MOST}", 1),
        (f"{MOST + 1}", None),
        ("3-2", None),
        ("3-3", 1),
        ("-1", None),
        ("-1-3", None),
        ("", None),
        ("0-", 1),
        ("0,,1", None),
    ],
)
def test_counts_of_cpus(text: str, count: int | None) -> None:
    """As many as a kernel can have, 2^20 at most; a list that cannot be read is a problem that shows it."""
    file = f"{names.CPUS}/possible"
    found = machine_from_files(root({file: f"{text}\n"}))
    assert found.cpus.possible == (None if count is None else shown(count, file))
    expected = [f"at {file}: unusable text {text!r}; expected a list of CPUs such as 0-3"]
    assert [p.text for p in found.problems] == ([] if count is not None else expected)


@pytest.mark.parametrize("text", ["", "x", "1.5", "0x10"])
def test_a_number_that_is_none(text: str) -> None:
    """A problem of what it would have shown."""
    file = names.CRASH_SIZE[0]
    found = machine_from_files(root({file: text}))
    assert found.observed.crash_size is None
    assert [(p.about, p.text) for p in found.problems] == [
        ("observed.crash_size", f"at {file}: unusable text {text!r}; expected a number")
    ]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (NotPermittedError("no right to read it"), "permission"),
        (FileAccessError("it cannot be read"), "io"),
        (UnavailableError("it is not there"), "absent"),
    ],
)
def test_a_file_that_could_not_be_read(error: Any, kind: str) -> None:
    """The error is kept for whoever needs the file; an older name of a file is not asked then."""
    found = machine_from_files(root({names.CRASH_SIZE[1]: "5"}, errors={names.CRASH_SIZE[0]: error}))
    assert found.observed.crash_size is None
    assert found.problems == (Problem("observed.crash_size", str(error), kind, error.remedy),)
    again = found.problems[0].error()
    assert (type(again), str(again)) == (type(error), str(error))


@pytest.mark.parametrize(
    ("contents", "folders", "live", "efi"),
    [
        ({}, {names.EFI: ()}, False, True),
        ({}, {}, True, False),
        ({}, {names.EFI: ()}, True, True),
        ({names.BOOT_PARAMS: build_boot_params()}, {}, False, False),
        ({}, {}, False, None),
    ],
)
def test_whether_efi_booted(
    contents: dict[str, bytes], folders: dict[str, tuple[str, ...]], *, live: bool, efi: bool | None
) -> None:
    """Its folder tells; without it a capture tells only if it has x86's page."""
    found = machine_from_files(root(contents, folders, live=live)).boot.efi
    assert found == (None if efi is None else shown(efi, names.EFI))


def runtime(attribute: int) -> tuple[dict[str, str], dict[str, tuple[str, ...]]]:
    """Return the files of a map of EFI's runtime services with one entry of 16 KiB."""
    fields = {
        "type": "0x5",
        "phys_addr": "0x7000000",
        "virt_addr": "0x0",
        "num_pages": "0x4",
        "attribute": f"{attribute:#x}",
    }
    return {f"{names.RUNTIME_MAP}/0/{n}": text for n, text in fields.items()}, {
        names.RUNTIME_MAP: ("0",),
        names.EFI: (),
    }


def test_mirrored_memory_of_two_maps() -> None:
    """The whole map says all; the part that is in sysfs counts where the whole one shows nothing."""
    bit = 1 << 16
    part = RangeSet([MemRange(0x7000000, 0x7004000)])
    contents, folders = runtime(bit)
    only = machine_from_files(root(contents, folders)).efi
    assert only.mirrored == shown(part, names.RUNTIME_MAP)
    assert only.mirror_whole == derived(value=False, name=names.RUNTIME_MAP)
    assert only.runtime
    assert only.runtime.source == f"at {names.RUNTIME_MAP}"
    for attribute, expected in ((bit, shown(RangeSet([MemRange(0, 0x2000)]), names.EFI_MEMMAP)), (0, only.mirrored)):
        whole = format_efi_map((EfiDescriptor(7, 0, 0, 2, attribute),), 48)
        both = machine_from_files(root({**contents, names.EFI_MEMMAP: whole}, folders)).efi
        assert both.mirrored == expected
        assert both.mirror_whole == derived(value=True, name=names.EFI_MEMMAP)
        assert both.map
        [entry] = both.map.value
        assert (both.map.source, entry.range, entry.type, entry.name, entry.attributes, entry.line) == (
            f"at {names.EFI_MEMMAP}", MemRange(0, 0x2000), 7, "", attribute, 0,
        )  # fmt: skip
    plain = machine_from_files(root(*runtime(0))).efi
    assert (plain.mirrored, plain.mirror_whole) == (None, None)


@pytest.mark.parametrize(("line", "expected"), [(None, "at file"), (0, "at file:0"), (7, "at file:7")])
def test_how_messages_name_a_fact(line: int | None, expected: str) -> None:
    """The file, and its line where there is one."""
    assert Fact(1, "at file", line).at == expected
