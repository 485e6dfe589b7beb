"""What is written is read back: iomem, memblock's lists, firmware and e820 maps, core headers, boot_params, records."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formatters import format_iomem, format_memblock_list
from kexeckit.formats.boot_params import EfiInfo, HandoverFields, build_boot_params, parse_boot_params
from kexeckit.formats.e820_table import format_e820_entries, parse_e820_entries
from kexeckit.formats.elfcorehdr import (
    EM_X86_64,
    ElfCoreHeader,
    LoadRange,
    NoteRange,
    format_elfcorehdr,
    loads_of,
    parse_program_headers,
)
from kexeckit.formats.firmware_memmap import parse_memmap_entry
from kexeckit.formats.iomem import parse_iomem
from kexeckit.formats.memblock_debugfs import MemblockEntry, parse_memblock_list
from kexeckit.memory.memmap import MemoryMap
from kexeckit.memory.range import MemRange
from kexeckit.memory.resource import ResourceTree
from strategies import disjoint_ranges, memory_maps, resource_trees

U32, U64 = st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1)


@given(resource_trees(limit=1 << 40).filter(lambda t: any(r.range.last for r in t.roots)))
def test_iomem(tree: ResourceTree) -> None:
    """A tree survives its text."""
    assert parse_iomem(format_iomem(tree)) == tree


@given(
    disjoint_ranges(limit=1 << 52, max_size=20),
    st.lists(st.one_of(st.none(), st.integers(0, 1023)), min_size=20, max_size=20),
    st.one_of(st.none(), st.lists(st.sampled_from(["HOTPLUG", "NOMAP", "RSV_KERN"]), unique=True).map(tuple)),
)
def test_memblock_list(ranges: list[MemRange], nodes: list[int | None], flags: tuple[str, ...] | None) -> None:
    """A list survives its text, with nodes and flags and, as older kernels print it, without."""
    shown = [None] * len(nodes) if flags is None else nodes
    entries = tuple(MemblockEntry(r, node, flags) for r, node in zip(sorted(ranges), shown, strict=False))
    assert parse_memblock_list(format_memblock_list(entries), "t") == entries


@given(memory_maps(limit=1 << 44, scale=1 << 20))
def test_e820_table(found: MemoryMap) -> None:
    """Every kind by its number, up to 2^64; only all of it in one entry does not fit."""
    if any(e.range.size == 1 << 64 for e in found):
        with pytest.raises(ValueError, match="64 bits"):
            format_e820_entries(found)
        return
    assert tuple(parse_e820_entries(format_e820_entries(found), "t")) == found.entries


@given(memory_maps(limit=1 << 44, scale=1 << 20))
def test_firmware_memmap_entries(found: MemoryMap) -> None:
    """Sysfs's three files give range and kind back wherever the kind has a name of its own."""
    for entry in found:
        files = {"start": f"{entry.start:#x}\n", "end": f"{entry.range.last:#x}\n", "type": entry.kind.label + "\n"}
        read = parse_memmap_entry(files, "0")
        assert read.range == entry.range
        assert read.kind == entry.kind or read.kind.name == "unknown:Unknown E820 type"


@given(disjoint_ranges(limit=1 << 52, max_size=20), st.lists(U64, min_size=40, max_size=40), st.integers(0, 5))
def test_core_header(ranges: list[MemRange], addresses: list[int], notes: int) -> None:
    """Ranges, virtual addresses and order."""
    loads = tuple(LoadRange(r, v, executable=True) for r, v in zip(ranges, addresses, strict=False))
    header = ElfCoreHeader(
        EM_X86_64, tuple(NoteRange(f"cpu{n}", MemRange.from_size(n << 12, 368)) for n in range(notes)), loads
    )
    headers = parse_program_headers(format_elfcorehdr(header), "h")
    assert tuple(loads_of(headers)) == loads
    assert [h.paddr for h in headers[:notes]] == [n << 12 for n in range(notes)]


EFI_INFOS = st.builds(EfiInfo, st.binary(min_size=4, max_size=4), U64, U32, U32, U64, U32)


@given(
    st.tuples(U64, U64, U64, U64, U64),
    EFI_INFOS,
    memory_maps(limit=1 << 44, scale=1 << 20),
    st.one_of(st.none(), st.binary(min_size=4096, max_size=4096)),
)
def test_boot_params(numbers: tuple[int, ...], efi: EfiInfo, found: MemoryMap, running: bytes | None) -> None:
    """Every field, whatever the running kernel's page holds."""
    cmdline, initrd, size, blobs, rsdp = numbers
    fields = HandoverFields(b"", cmdline, initrd, size, blobs, rsdp, efi, format_e820_entries(found))
    read = parse_boot_params(build_boot_params(fields, running), "p")
    seen = (read.cmdline_address, read.initrd_address, read.initrd_size, read.setup_data, read.rsdp)
    assert seen == numbers
    assert read.efi == efi
    assert read.e820 == found.entries
