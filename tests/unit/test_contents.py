"""The bytes of the built segments, parsed back."""

import struct
from dataclasses import replace

import pytest

from fakes import INITRD, build_bzimage, make_facts, make_request
from fakes import build_boot_params as running_page
from kexeckit.formats.boot_params import parse_boot_params
from kexeckit.formats.e820_table import parse_e820_entries
from kexeckit.formats.elfcorehdr import parse_program_headers
from kexeckit.formats.setup_data import SETUP_E820_EXT, SETUP_EFI, SETUP_RNG_SEED
from kexeckit.formats.sysfs_crash import EfiDescriptor
from kexeckit.memory.kind import PMEM, RAM, RESERVED, MemoryKind, kind_from_e820
from kexeckit.memory.memmap import MemoryEntry, MemoryMap
from kexeckit.memory.range import MemRange
from kexeckit.plan.facts import EfiFacts, MachineFacts
from kexeckit.plan.load_plan import LoadPlan, LoadRequest
from kexeckit.plan.x86_64 import plan_x86_64
from kexeckit.purgatory import load_purgatory

FACTS = make_facts()
EFI = EfiFacts(
    0x7F001000, 0x7F002000, 0x7F003000, 0x7F004000, (EfiDescriptor(6, 0x7E000000, 0xFFFFFFFE00000000, 4, 0xF),)
)


def planned(request: LoadRequest, facts: MachineFacts = FACTS) -> LoadPlan:
    """A plan with the shipped purgatory."""
    return plan_x86_64(request, facts, load_purgatory("x86_64"))


def content(plan: LoadPlan, name: str) -> bytes:
    """A segment's bytes."""
    segment = plan.segment(name)
    assert segment is not None
    assert segment.content is not None
    return bytes(segment.content)


def start(plan: LoadPlan, name: str) -> int:
    """A segment's address."""
    segment = plan.segment(name)
    assert segment is not None
    return segment.range.start


def setup_data(plan: LoadPlan) -> list[tuple[int, bytes]]:
    """Follow the list from boot_params on: (type, payload) each."""
    at = parse_boot_params(content(plan, "boot_params")[:4096], "p").setup_data
    out = []
    while at:
        data = content(plan, "setup_data")[at - start(plan, "setup_data") :]
        at, kind, size = struct.unpack_from("<QII", data)
        out.append((kind, data[16 : 16 + size]))
    return out


def handed_map(plan: LoadPlan) -> list[MemoryEntry]:
    """The memory map as the next kernel reads it: the page's entries, then every SETUP_E820_EXT."""
    page = parse_boot_params(content(plan, "boot_params")[:4096], "p")
    beyond = [e for kind, data in setup_data(plan) if kind == SETUP_E820_EXT for e in parse_e820_entries(data, "x")]
    return [*page.e820, *beyond]


def large_map(count: int) -> MemoryMap:
    """A firmware map with so many entries above 8 GiB that none touch, of many kinds."""
    kinds: list[MemoryKind] = [RAM, RESERVED, PMEM, kind_from_e820(6), kind_from_e820(0xABCDEF)]
    base = 8 << 30
    more = [MemoryEntry(MemRange.from_size(base + (n << 21), 1 << 20), kinds[n % 5]) for n in range(count - 6)]
    return MemoryMap.of((*FACTS.firmware_map.entries, *more))


@pytest.mark.parametrize("count", [128, 129, 300, 5000])
@pytest.mark.parametrize("panic", [False, True])
def test_a_map_of_any_length_arrives_whole(count: int, panic: bool) -> None:
    """More than 128 entries go on in SETUP_E820_EXT; each type arrives as the number that it is."""
    facts = replace(FACTS, firmware_map=large_map(count))
    plan = planned(make_request(panic=panic), facts)
    assert handed_map(plan) == list(plan.e820)
    there = {(e.start, e.kind.e820) for e in handed_map(plan)}
    wanted = {(e.start, e.kind.e820) for e in facts.firmware_map if e.kind not in (RAM, RESERVED)}
    assert wanted <= there
    has_extension = any(kind == SETUP_E820_EXT for kind, _ in setup_data(plan))
    assert has_extension == (len(plan.e820) > 128)
    assert any("go on in SETUP_E820_EXT" in w for w in plan.warnings) == has_extension


def test_the_command_line_lies_behind_the_page() -> None:
    """With its NUL, byte for byte."""
    plan = planned(make_request(cmdline="a=\u00e4 b=\udcff"))
    page = parse_boot_params(content(plan, "boot_params")[:4096], "p")
    assert page.cmdline_address == start(plan, "boot_params") + 4096
    assert content(plan, "boot_params")[4096:].startswith(b"a=\xc3\xa4 b=\xff\0")


def test_the_initrd_is_named_by_address_and_size() -> None:
    """0 and 0 without one."""
    plan = planned(make_request())
    page = parse_boot_params(content(plan, "boot_params")[:4096], "p")
    assert (page.initrd_address, page.initrd_size) == (start(plan, "initrd"), len(INITRD))
    assert content(plan, "initrd") == INITRD
    plan = planned(make_request(initrd=None))
    page = parse_boot_params(content(plan, "boot_params")[:4096], "p")
    assert (page.initrd_address, page.initrd_size) == (0, 0)


def test_the_kernel_segment_is_the_protected_mode_part() -> None:
    """What follows the setup sectors, a signature included."""
    data = build_bzimage(setup_sects=9) + b"SIGNATURE"
    assert content(planned(make_request(data)), "kernel") == data[10 * 512 :]


def test_the_seed_is_handed_over_and_only_if_there_is_one() -> None:
    """Without it, EFI and a large map there is no setup_data at all."""
    assert setup_data(planned(make_request(rng_seed=b"S" * 32))) == [(SETUP_RNG_SEED, b"S" * 32)]
    plan = planned(make_request(rng_seed=b""))
    assert plan.segment("setup_data") is None
    assert setup_data(plan) == []


def test_efi_is_handed_over_with_its_runtime_map() -> None:
    """The map lies behind the command line, the pointers in SETUP_EFI, the system table where it was."""
    page = parse_boot_params(running_page(efi_systab=0x7F000000, descriptor_size=48), "p")
    plan = planned(make_request(rng_seed=b""), replace(FACTS, efi=EFI, boot_params=page))
    made = parse_boot_params(content(plan, "boot_params")[:4096], "p").efi
    assert (made.systab, made.memdesc_size, made.memmap_size, made.present) == (0x7F000000, 48, 48, True)
    raw = content(plan, "boot_params")[made.memmap - start(plan, "boot_params") :]
    assert struct.unpack_from("<IIQQQQ", raw) == (6, 0, 0x7E000000, 0xFFFFFFFE00000000, 4, 0xF)
    assert made.memmap % 16 == 0
    [(kind, data)] = setup_data(plan)
    assert (kind, struct.unpack_from("<4Q", data)) == (SETUP_EFI, (0x7F001000, 0x7F002000, 0x7F003000, 0x7F004000))


def test_without_runtime_services_the_next_kernel_sees_no_efi() -> None:
    """It finds ACPI by its root pointer instead."""
    page = parse_boot_params(running_page(efi_systab=0x7F000000), "p")
    plan = planned(make_request(), replace(FACTS, boot_params=page, rsdp=0x7F7FE014))
    made = parse_boot_params(content(plan, "boot_params")[:4096], "p")
    assert not made.efi.present
    assert made.rsdp == 0x7F7FE014
    assert plan.cmdline.startswith("acpi_rsdp=0x7f7fe014 ")


def test_the_elfcorehdr_segment_is_the_plans_core_header() -> None:
    """Program header by program header."""
    plan = planned(make_request(panic=True))
    assert plan.elfcorehdr is not None
    headers = parse_program_headers(content(plan, "elfcorehdr"), "h")
    ranges = [*(n.range for n in plan.elfcorehdr.notes), *(r.range for r in plan.elfcorehdr.loads)]
    assert [(h.paddr, h.memsz) for h in headers] == [(r.start, r.size) for r in ranges]


def test_the_purgatory_holds_every_other_segments_digest() -> None:
    """Address, length and SHA-256 of each, and the way on."""
    plan = planned(make_request(panic=True))
    block = content(plan, "purgatory")
    for s in plan.segments:
        if s.name != "purgatory":
            assert s.sha256 is not None
            assert struct.pack("<QQ", s.range.start, s.bufsz) + bytes.fromhex(s.sha256) in block
    assert struct.pack("<QQ", start(plan, "boot_params"), start(plan, "kernel") + 0x200) in block


def test_equal_inputs_give_equal_bytes() -> None:
    """Nothing in a plan comes from a clock or from chance."""
    assert planned(make_request(panic=True)) == planned(make_request(panic=True))
