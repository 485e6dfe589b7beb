"""Boot logs on invented machines, for tests of the zone commands."""

# Two nodes: 3 GiB below 4 GiB on node 0, 1 GiB from 4 GiB on on node 1. The numbers are made up.
X86 = """\
[    0.000000] Linux version 6.12.9-made-up-amd64 (builder@example) #1 SMP
[    0.000000] Command line: console=ttyS0 {words}
[    0.000000] BIOS-provided physical RAM map:
[    0.000000] BIOS-e820: [mem 0x0000000000000000-0x000000000009efff] usable
[    0.000000] BIOS-e820: [mem 0x000000000009f000-0x00000000000fffff] reserved
[    0.000000] BIOS-e820: [mem 0x0000000000100000-0x00000000bffeffff] usable
[    0.000000] BIOS-e820: [mem 0x0000000100000000-0x000000013fffffff] usable
[    0.000000] last_pfn = 0x140000 max_arch_pfn = 0x10000000000
[    0.000000] RAMDISK: [mem 0xbf000000-0xbffeffff]
[    0.000000] ACPI: SRAT: Node 0 PXM 0 [mem 0x00000000-0x0009ffff]
[    0.000000] ACPI: SRAT: Node 0 PXM 0 [mem 0x00100000-0xbfffffff]
[    0.000000] ACPI: SRAT: Node 1 PXM 1 [mem 0x100000000-0x13fffffff] hotplug
"""
NODES = """\
[    0.010000] Early memory node ranges
[    0.010000]   node   0: [mem 0x0000000000001000-0x000000000009efff]
[    0.010000]   node   0: [mem 0x0000000000100000-0x00000000bffeffff]
[    0.010000]   node   1: [mem 0x0000000100000000-0x000000013fffffff]
[    0.010000] Initmem setup node 0 [mem 0x0000000000001000-0x00000000bffeffff]
"""
ZONES = """\
[    0.009000] Zone ranges:
[    0.009000]   DMA      [mem 0x0000000000001000-0x0000000000ffffff]
[    0.009000]   DMA32    [mem 0x0000000001000000-0x00000000ffffffff]
[    0.009000]   Normal   [mem 0x0000000100000000-0x000000013fffffff]
[    0.009000]   Device   empty
[    0.009000] Movable zone start for each node
[    0.009000]   Node 1: 0x0000000120000000
"""
TAIL = "[    0.020000] Dentry cache hash table entries: 524288 (order: 10, 4194304 bytes, linear)\n"
EFI = """\
[    0.000000] efi: EFI v2.70 by made-up
[    0.000000] efi: mem00: [Conventional|   |  |  |WB|WT|WC|UC] range=[0x0000000000000000-0x00000000bfffffff] (3072MB)
[    0.000000] efi: mem01: [Conventional|   |MR|  |WB|WT|WC|UC] range=[0x0000000100000000-0x000000010fffffff] (256MB)
"""
MIRROR_LINE = "[    0.000000] efi: Memory: 256M/4096M mirrored memory\n"


def x86_log(words: str = "", *parts: str) -> str:
    """Return a whole log: the machine, then more parts."""
    return X86.format(words=words) + "".join(parts or (ZONES, NODES)) + TAIL
