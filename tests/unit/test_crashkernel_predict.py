"""Reservations of machines that do not exist, from their boot logs: place, order of windows, reasons, doubts.

The addresses of the PC with 3 and 8 GiB are those that guests of 5.10, 6.1, 6.12 and 7.2 showed.

About kexeckit.kernel.reservation.predict, kexeckit.kernel.reservation.search, kexeckit.kernel.reservation.elsewhere,
kexeckit.kernel.reservation.explain, kexeckit.kernel.reservation.early, kexeckit.kernel.reservation.from_machine.
"""

import pytest

from bootlogs import GIB, MIB, booted_with, pc_table, x86_log
from kexeckit.errors import InputError, UsageError
from kexeckit.formats.bootlog.boot import parse_boot_log
from kexeckit.kernel.reservation.advice import fits, user_space
from kexeckit.kernel.reservation.explain import explain
from kexeckit.kernel.reservation.predict import Reservation, predict_reservation
from readings import facts_of_log

EVERY = ["5.10", "5.14", "5.15", "6.1", "6.6", "6.12", "7.2"]
GENERIC = ["6.7", "6.12", "7.2"]
LEGACY = ["5.10", "5.15", "6.1", "6.6"]


def predict(text: str, *words: str) -> Reservation:
    """Return the prediction for the boot of a log that had these words."""
    found = predict_reservation(facts_of_log(booted_with(text, *words)))
    assert not found.facts.next_boot
    return found


def shown(found: Reservation) -> list[tuple[str, int | None, int]]:
    """Return kind, start and size of every region."""
    return [(r.kind, r.start, r.size) for r in found.regions]


def pc(version: str, high: int = 0) -> str:
    """Return the log of a PC with 3 GiB below 4 GiB and some above."""
    return x86_log(pc_table(high), version=version)


@pytest.mark.parametrize("version", EVERY)
def test_plain_size_below_4g(version: str) -> None:
    """256M on 3 GiB: below the initrd, aligned to 16 MiB."""
    found = predict(pc(version), "crashkernel=256M")
    assert found.outcome == "reserved"
    assert shown(found) == [("main", 0xAE000000, 256 * MIB)]


@pytest.mark.parametrize(("version", "start"), [("4.19", 0x28000000), ("5.1", 0x28000000), ("5.2", 0xAE000000)])
def test_ceiling_by_version(version: str, start: int) -> None:
    """896 MiB up to 5.1, 4 GiB from 5.2 on."""
    assert shown(predict(pc(version), "crashkernel=256M")) == [("main", start, 256 * MIB)]


@pytest.mark.parametrize("version", EVERY)
def test_falls_up_with_a_low_part(version: str) -> None:
    """3G on 8 GiB does not fit below 4 GiB; it goes above, with 256 MiB below."""
    found = predict(pc(version, 5 * GIB), "crashkernel=3G")
    assert shown(found) == [("low", 0xAE000000, 256 * MIB), ("main", 0x17F000000, 3 * GIB)]


@pytest.mark.parametrize("version", LEGACY)
def test_low_word_with_a_plain_size(version: str) -> None:
    """Up to 6.6 ,low sets the low part of a plain size that went high."""
    found = predict(pc(version, 5 * GIB), "crashkernel=3G", "crashkernel=64M,low")
    assert shown(found)[0] == ("low", 0xBA000000, 64 * MIB)


@pytest.mark.parametrize("version", GENERIC)
def test_low_word_is_ignored_with_a_plain_size(version: str) -> None:
    """From 6.7 on it is ignored: the default counts."""
    found = predict(pc(version, 5 * GIB), "crashkernel=3G", "crashkernel=64M,low")
    assert shown(found)[0] == ("low", 0xAE000000, 256 * MIB)


@pytest.mark.parametrize("version", EVERY)
def test_high_without_a_low_part(version: str) -> None:
    """0,low means none."""
    found = predict(pc(version, 5 * GIB), "crashkernel=512M,high", "crashkernel=0,low")
    assert shown(found) == [("main", 0x21F000000, 512 * MIB)]


@pytest.mark.parametrize("version", EVERY)
def test_high_on_a_small_machine(version: str) -> None:
    """Without memory above 4 GiB, ,high ends up below and needs no low part."""
    assert shown(predict(pc(version), "crashkernel=256M,high")) == [("main", 0xAE000000, 256 * MIB)]


@pytest.mark.parametrize(("version", "start"), [("5.10", 260 * MIB), ("6.1", 260 * MIB), ("6.7", None), ("6.12", None)])
def test_alignment_of_a_given_address(version: str, start: int | None) -> None:
    """1 MiB up to 6.6, 16 MiB from 6.7 on: what is not aligned then always fails."""
    found = predict(pc(version), "crashkernel=256M@260M")
    assert [s for _, s, _ in shown(found)] == ([start] if start else [])
    assert found.outcome == ("reserved" if start else "failed")


def test_a_given_address_in_use() -> None:
    """Where the kernel image lies nothing else can."""
    found = predict(pc("6.1"), "crashkernel=64M@16M")
    assert (found.outcome, found.problem) == ("failed", "memory is in use")


def test_the_size_is_not_rounded() -> None:
    """The block ends at an odd byte."""
    assert shown(predict(pc("6.12"), "crashkernel=100000001"))[0][2] == 100000001


def test_no_low_part_no_reservation() -> None:
    """If the low part does not fit, the high part is given back."""
    found = predict(pc("6.1", 5 * GIB), "crashkernel=1G,high", "crashkernel=3G,low")
    assert (found.outcome, found.problem) == ("failed", "no room for the low part")
    assert any(f.spec.startswith("crashkernel=1024M,high crashkernel=") for f in fits(found))


def test_swiotlb_raises_the_low_part() -> None:
    """The default low part holds the swiotlb and 8 MiB."""
    found = predict(pc("6.12", 5 * GIB), "crashkernel=512M,high", "swiotlb=262144")
    assert shown(found)[0] == ("low", 0x9E000000, 520 * MIB)


def test_nodes_border_the_search() -> None:
    """Four nodes of 256 MiB: 300M fits nowhere although RAM is one piece; 200M fits into one node."""
    table = ((0, 0x9FC00, 1), (0xF0000, MIB, 2), (MIB, GIB - 0x20000, 1), (GIB - 0x20000, GIB, 2))
    srat = [f"ACPI: SRAT: Node {n} PXM {n} [mem {n * 256 * MIB:#x}-{(n + 1) * 256 * MIB - 1:#x}]" for n in range(4)]
    ranges = [f"  node   {n}: [mem {n * 256 * MIB:#018x}-{(n + 1) * 256 * MIB - 1:#018x}]" for n in range(1, 4)]
    text = x86_log(table, initrd=(GIB - 0x420000, GIB - 0x20000), more=[*srat, *ranges], version="6.12")
    assert predict(text, "crashkernel=300M").outcome == "failed"
    assert shown(predict(text, "crashkernel=200M")) == [("main", 0x33000000, 200 * MIB)]
    assert predict(text, "crashkernel=96M@208M").outcome == "failed"


def test_words_replace_those_of_the_log() -> None:
    """crashkernel= of the log counts until one is typed; other words stay."""
    text = x86_log(cmdline="ro nokaslr crashkernel=64M quiet")
    assert predict(text).request.size == 64 * MIB
    assert predict(text, "crashkernel=96M").facts.cmdline == "ro nokaslr quiet crashkernel=96M"
    with pytest.raises(UsageError, match="512M"):
        predict(text, "512M")


def test_carve_outs_are_applied_first() -> None:
    """memmap= takes the top away; the initrd there is moved by the kernel."""
    found = predict(pc("6.1"), "crashkernel=256M", "memmap=1G$2G")
    main = next(r for r in found.regions if r.kind == "main")
    assert main.start is not None
    assert main.start + main.size <= 2 * GIB


def test_mem_limits_memory() -> None:
    """mem=1G: initrd and node data move below, and so does the region; the log is one without the word."""
    found = predict_reservation(facts_of_log(pc("6.1"), ("crashkernel=256M", "mem=1G")))
    assert shown(found) == [("main", 0x2E000000, 256 * MIB)]
    assert found.early.total == GIB - MIB + 0x9E000


def test_mtrr_trim_in_the_log() -> None:
    """RAM that the log shows to be lost to MTRRs is no RAM; the total shrinks with it."""
    trim = ["e820: update [mem 0xb0000000-0xbfffffff] usable ==> reserved"]
    rows = x86_log().split("\n")
    at = next(n for n, row in enumerate(rows) if "last_pfn" in row)
    text = "\n".join([*rows[: at + 1], *(f"[    0.000000] {row}" for row in trim), *rows[at + 1 :]])
    found = predict(text, "crashkernel=256M")
    assert [(s, z) for _, s, z in shown(found)] == [(0xA0000000, 256 * MIB)]


def test_unknown_kernel_place_is_a_caveat() -> None:
    """With KASLR the likeliest address is given, the others are candidates."""
    found = predict(x86_log(pc_table(61 * GIB), cmdline="ro"), "crashkernel=256M")
    assert (found.outcome, shown(found)) == ("reserved", [("main", 0xAE000000, 256 * MIB)])
    assert [d.what for d in found.doubts] == ["kernel"]
    assert {c.start for c in found.candidates} >= {0xAE000000, 0xAD000000}


@pytest.mark.parametrize(
    ("size", "outcome", "certainty"), [(2048, "reserved", "likely"), (2600, "not-determined", "open")]
)
def test_random_kernel_on_a_small_machine(size: int, outcome: str, certainty: str) -> None:
    """Where the kernel is more likely in the way than not, there is no address, and in the end no outcome."""
    found = predict(x86_log(cmdline="ro"), f"crashkernel={size}M")
    assert (found.outcome, found.certainty.value) == (outcome, certainty)
    assert shown(found) == [("main", None, size * MIB)]
    assert any(c.start is None for c in found.candidates)


def test_hidden_initrd() -> None:
    """A root by label needs an initrd; a log without its line leaves the address open, and a doubt of the outcome."""
    found = predict(x86_log(cmdline="root=LABEL=x nokaslr", initrd=None), "crashkernel=256M")
    assert (found.outcome, found.certainty.value, shown(found)) == ("reserved", "likely", [("main", None, 256 * MIB)])
    assert [d.what for d in found.doubts if d.decides] == ["initrd"]
    found = predict(x86_log(cmdline="root=/dev/sda1 nokaslr", initrd=None), "crashkernel=256M")
    assert (found.outcome, found.certainty.value) == ("reserved", "certain")
    assert all(start is not None for _, start, _ in shown(found))


def test_boot_services_memory() -> None:
    """EFI without its map: open below the end of RAM, determined where the map is printed."""
    efi = ["efi: EFI v2.70 by someone"]
    low = (0x30000000, 0x31000000)
    found = predict(x86_log(initrd=low, more=efi), "crashkernel=256M")
    assert (found.certainty.value, shown(found)) == ("likely", [("main", None, 256 * MIB)])
    row = "efi: mem01: [Boot Data|   |  |  |  |  |WB|WT|WC|UC] range=[0x00000000b8000000-0x00000000bffdffff] (127MB)"
    found = predict(x86_log(initrd=low, more=[*efi, row]), "crashkernel=256M")
    assert shown(found) == [("main", 0xA8000000, 256 * MIB)]


def test_setup_data_marks_how_far_firmware_came() -> None:
    """Below setup_data, which is handed out last, nothing of the firmware is assumed."""
    more = [
        "efi: EFI v2.70 by someone",
        "e820: update [mem 0xb7e11020-0xb7e1905f] usable ==> usable",
    ]
    found = predict(x86_log(initrd=(0x30000000, 0x31000000), more=more), "crashkernel=256M")
    assert (found.outcome, shown(found)) == ("reserved", [("main", 0xA7000000, 256 * MIB)])


def test_failure_says_what_would_fit() -> None:
    """Every idea that is offered has been tried."""
    found = predict(pc("6.12", 5 * GIB), "crashkernel=6G")
    assert found.outcome == "failed"
    ideas = [f.spec for f in fits(found)]
    assert ideas
    for spec in ideas:
        assert predict(pc("6.12", 5 * GIB), *spec.split(" ")).outcome == "reserved"


def test_reasons_name_every_range_that_was_tried() -> None:
    """Each search lists the free ranges from the top to the one it took."""
    found = predict(pc("6.12", 5 * GIB), "crashkernel=3G")
    searches = [r for r in explain(found) if r.about == "search"]
    assert [s.attempt.found for s in searches if s.attempt] == [None, 0x17F000000, 0xAE000000]
    assert searches[0].tried[0].bound.startswith("outside")
    assert "taken" in [t.bound for t in searches[1].tried]
    assert any("too small: " in t.bound for t in searches[0].tried)


def test_two_regions_in_user_space() -> None:
    """An old reader picks the first line, a current one the last: a finding."""
    found = predict(pc("6.12", 5 * GIB), "crashkernel=3G")
    view = user_space(found)
    assert view.old is not None
    assert view.current is not None
    assert (view.old.start, view.current.start) == (0xAE000000, 0x17F000000)
    assert any(r.about == "user-space" and r.finding for r in explain(found))
    assert not user_space(predict(pc("6.12"), "crashkernel=256M")).differ


@pytest.mark.parametrize(
    "text",
    [
        "[    0.000000] Linux version 6.1.0 (x)\n[    0.000000] Command line: a\n[    0.000000] end\n",
        "[    0.000000] Command line: a\n[    0.000000] RAMDISK: [mem 0x1000-0x1fff]\n",
        "nothing of a kernel\n",
    ],
)
def test_logs_without_the_input_are_refused(text: str) -> None:
    """No map, no version, no kernel message."""
    with pytest.raises(InputError):
        predict(text, "crashkernel=64M")


def arm_log(*, version: str = "6.12.0", ranges: tuple[tuple[int, int], ...] = ((GIB, 3 * GIB),), cma: str = "") -> str:
    """Return a boot log of an arm64 machine whose RAM begins at 1 GiB."""
    top = ranges[-1][1]
    dma = min(top, 4 * GIB)
    total = sum(end - start for start, end in ranges)
    sections = "14272K kernel code, 2772K rwdata, 10760K rodata, 2176K init, 906K bss"
    rows = [
        "Booting Linux on physical CPU 0x0000000000 [0x410fd083]",
        f"Linux version {version} (x)",
        "efi: UEFI not found.",
        f"NODE_DATA(0) allocated [mem {top - 0x2042C0:#x}-{top - 0x200601:#x}]",
        "Zone ranges:",
        f"  DMA      [mem {GIB:#018x}-{dma - 1:#018x}]",
        "  DMA32    empty",
        "  Normal   empty",
        "Early memory node ranges",
        *(f"  node   0: [mem {s:#018x}-{e - 1:#018x}]" for s, e in ranges),
        *([cma] if cma else []),
        "Kernel command line: root=/dev/vda1 nokaslr",
        f"Memory: 1000000K/{total >> 10}K available ({sections})",
    ]
    return "".join(f"[    0.000000] {row}\n" for row in rows)


def test_arm64_below_the_struct_pages() -> None:
    """2 GiB from 1 GiB on: 2 MiB of page tables and node data, 32 MiB of struct pages, then the region."""
    found = predict(arm_log(), "crashkernel=128M")
    assert (found.outcome, shown(found)) == ("reserved", [("main", 3 * GIB - (4 + 32 + 128) * MIB, 128 * MIB)])


def test_arm64_below_the_cma_area() -> None:
    """Where a CMA area is printed, the region ends where it begins."""
    at = 3 * GIB - 104 * MIB
    found = predict(arm_log(cma=f"cma: Reserved 64 MiB at {at:#018x} on node -1"), "crashkernel=128M")
    assert shown(found) == [("main", at - 128 * MIB, 128 * MIB)]


@pytest.mark.parametrize(
    ("version", "outcome"), [("5.10", "failed"), ("6.1", "failed"), ("6.2", "reserved"), ("6.12", "reserved")]
)
def test_arm64_plain_size_above(version: str, outcome: str) -> None:
    """A plain size falls up from 6.2 on, with a low part of 128 MiB."""
    found = predict(arm_log(version=version, ranges=((GIB, 2 * GIB), (8 * GIB, 16 * GIB))), "crashkernel=2G")
    assert found.outcome == outcome
    if outcome == "reserved":
        assert [(r.kind, r.size) for r in found.regions] == [("low", 128 * MIB), ("main", 2 * GIB)]


def test_other_architectures_are_not_determined() -> None:
    """The size is owed and given; the place is documented only."""
    text = arm_log().replace("arm64", "x")
    log = parse_boot_log(text, "log")
    found = predict_reservation(facts_of_log(log, ("crashkernel=1G-:192M",), arch="ppc64"))
    assert (found.outcome, shown(found)) == ("not-determined", [("main", None, 192 * MIB)])
    assert {c.start for c in found.candidates} == {128 * MIB, 256 * MIB, 384 * MIB, 512 * MIB}


def efi_row(number: int, start: int, end: int, flags: str) -> str:
    """Return a line of the EFI memory map."""
    return f"efi: mem{number:02}: [Conventional| | | |{flags}|WB|WT|WC|UC] range=[{start:#018x}-{end - 1:#018x}] (0MB)"


@pytest.mark.parametrize(
    ("version", "words", "start"),
    [
        ("5.10", ("crashkernel=256M",), 0x20000000),
        ("6.12", ("crashkernel=256M",), 0xAE000000),
        ("6.12", ("crashkernel=256M", "kernelcore=mirror"), 0x20000000),
    ],
)
def test_mirrored_memory_comes_first(version: str, words: tuple[str, ...], start: int) -> None:
    """Up to 5.19 always, from 6.0 on only with kernelcore=mirror."""
    rows = [
        "efi: EFI v2.70 by someone",
        efi_row(0, MIB, 0x30000000, "MR"),
        efi_row(1, 0x30000000, 0xBFFE0000, "  "),
    ]
    found = predict(x86_log(version=version, more=rows), *words)
    assert shown(found) == [("main", start, 256 * MIB)]


def test_hotpluggable_memory_is_left_out_with_movable_node() -> None:
    """A node that may go away holds no reservation; without movable_node it does."""
    high = 4 * GIB
    srat = [
        "ACPI: SRAT: Node 0 PXM 0 [mem 0x00000000-0xbfffffff]",
        f"ACPI: SRAT: Node 1 PXM 1 [mem {high:#x}-{high + 5 * GIB - 1:#x}] hotplug",
    ]
    nodes = [(0, 0x1000, 0x9F000), (0, MIB, 0xBFFE0000), (1, high, high + 5 * GIB)]
    data = [(0xBECE8000, 0xBECF4000)]
    text = x86_log(pc_table(5 * GIB), version="6.12", node_data=data, more=srat, nodes=nodes)
    assert predict(text, "crashkernel=3G").outcome == "reserved"
    found = predict(text, "crashkernel=3G", "movable_node")
    assert (found.outcome, found.problem) == ("failed", "no suitable area")
