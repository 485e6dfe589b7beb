"""Boot logs of machines that do not exist, for the tests of what reads them."""

import re
from collections.abc import Iterable, Sequence

from kexeckit.formats.cmdline import with_words

MIB = 1 << 20
GIB = 1 << 30
_KINDS = {1: "usable", 2: "reserved", 3: "ACPI data", 4: "ACPI NVS"}
_SECTIONS = "14336K kernel code, 2048K rwdata, 4096K rodata, 2048K init, 2048K bss"

# A PC with 3 GiB of RAM below 4 GiB, as QEMU makes it: the BIOS keeps the last 128 KiB.
LOW_3G = ((0, 0x9FC00, 1), (0x9FC00, 0xA0000, 2), (0xF0000, MIB, 2), (MIB, 0xBFFE0000, 1), (0xBFFE0000, 3 * GIB, 2))


def pc_table(high: int = 0) -> tuple[tuple[int, int, int], ...]:
    """Return (start, end, type) entries: 3 GiB low, and `high` bytes from 4 GiB on."""
    return (*LOW_3G, (4 * GIB, 4 * GIB + high, 1)) if high else LOW_3G


def x86_log(
    table: Sequence[tuple[int, int, int]] = LOW_3G,
    *,
    version: str = "6.1.0",
    cmdline: str = "root=/dev/vda1 nokaslr",
    initrd: tuple[int, int] | None = (0xBECF4000, 0xBFFE0000),
    node_data: Iterable[tuple[int, int]] = (),
    more: Iterable[str] = (),
    nodes: Sequence[tuple[int, int, int]] = (),
) -> str:
    """Return a boot log of an x86_64 machine, stamps included.

    Args:
        table: (start, end, type) of the firmware's map.
        version: The kernel's release.
        cmdline: Its command line.
        initrd: Where the initrd is, end exclusive, or None.
        node_data: Where each node's data is, end exclusive; by default right below the top of RAM.
        more: Further messages, before the zones.
        nodes: (node, start, end) of the node ranges; by default all RAM is node 0's.
    """
    ram = [(max(start, 0x1000), end) for start, end, kind in table if kind == 1]
    top = ram[-1][1] if initrd is None or initrd[1] != ram[-1][1] else initrd[0]
    spans = list(nodes) or [(0, start, end) for start, end in ram]
    total = sum(end // 4096 - -(-start // 4096) for _, start, end in spans) * 4
    areas = list(node_data) or [(top - 0x6000, top - 0x2000)]
    lines = [
        f"Linux version {version} (someone@somewhere) (gcc) #1 SMP",
        f"Command line: {cmdline}",
        "BIOS-provided physical RAM map:",
        *(f"BIOS-e820: [mem {s:#018x}-{e - 1:#018x}] {_KINDS.get(k, f'type {k}')}" for s, e, k in table),
        "e820: update [mem 0x00000000-0x00000fff] usable ==> reserved",
        "e820: remove [mem 0x000a0000-0x000fffff] usable",
        f"last_pfn = {ram[-1][1] >> 12:#x} max_arch_pfn = 0x400000000",
        "Using GB pages for direct mapping",
        *([f"RAMDISK: [mem {initrd[0]:#010x}-{initrd[1] - 1:#010x}]"] if initrd else []),
        *(f"NODE_DATA({n}) allocated [mem {s:#x}-{e - 1:#x}]" for n, (s, e) in enumerate(areas)),
        *more,
        "Zone ranges:",
        "  DMA      [mem 0x0000000000001000-0x0000000000ffffff]",
        "Early memory node ranges",
        *(f"  node {n:3}: [mem {s:#018x}-{e // 4096 * 4096 - 1:#018x}]" for n, s, e in spans if e - s >= 4096),
        f"Memory: {total // 2}K/{total}K available ({_SECTIONS})",
    ]
    return "".join(f"[    0.000000] {line}\n" for line in lines)


def arm64_log(
    version: str, *nodes: tuple[int, int, int], tables: bool = True, cmdline: str = "quiet", more: tuple[str, ...] = ()
) -> str:
    """Return a boot log of an arm64 machine.

    Args:
        version: The kernel's release.
        nodes: (node, start, end) of the node ranges.
        tables: The highest node holds page tables that map all memory by pages.
        cmdline: Its command line.
        more: Further messages, behind the node ranges.
    """
    total, last = sum(end - start for _, start, end in nodes), max(end for _, _, end in nodes)
    tops = {node: end for node, _, end in nodes}
    rows = ["Booting Linux on physical CPU 0x0000000000 [0x410fd083]", f"Linux version {version} (x)"]
    rows += ["efi: UEFI not found."]
    for node, end in tops.items():
        top = end - (total // 512 if tables and end == last else 0)
        rows.append(f"NODE_DATA({node}) allocated [mem {top - 0x3000:#x}-{top - 1:#x}]")
    start = min(start for _, start, _ in nodes)
    rows += ["Zone ranges:", f"  DMA      [mem {start:#018x}-{min(last, 4 * GIB) - 1:#018x}]"]
    rows += ["Early memory node ranges", *(f"  node   {n}: [mem {s:#018x}-{e - 1:#018x}]" for n, s, e in nodes)]
    rows += [*more, f"Kernel command line: {cmdline}"]
    sections = "9000K kernel code, 2000K rwdata, 5000K rodata, 2000K init, 500K bss"
    rows += [f"Memory: 100000K/{total >> 10}K available ({sections})"]
    return "".join(f"[    0.000000] {row}\n" for row in rows)


def booted_with(log: str, *words: str) -> str:
    """Return a log of the same boot with words in its command line; to ask about them is to ask about this boot."""
    return re.sub(r"((?:Kernel c|C)ommand line: )(.*)", lambda m: m[1] + with_words(m[2], words), log)
