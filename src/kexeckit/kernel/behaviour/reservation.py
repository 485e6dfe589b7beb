"""`CrashRules`: how one kernel on one architecture reserves memory for a capture kernel, as data.

Rules of this file:
    1. A base record per architecture, then `CHANGES` in order of release; code asks for the field, never the version.
    2. `vendors.py` holds what distribution kernels carry apart from their version. Any field can be overridden.

Numbers are bytes. A limit of None means the end of memory that 32-bit DMA reaches, which depends on the machine.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from kexeckit.kernel.behaviour.groups import GENERIC_ARM64, GENERIC_X86, X86_BELOW_4G
from kexeckit.kernel.behaviour.vendors import vendor_changes
from kexeckit.machine.version import KernelVersion
from kexeckit.memory.units import GIB, KIB, MIB, TIB


@dataclass(frozen=True, slots=True)
class CrashRules:
    """One kernel's way to reserve.

    Attributes:
        arch: Architecture these rules are for.
        align: Alignment of a searched start.
        fixed_align: Alignment that a given start (``@offset``) must have.
        low_limit: End of the window for a plain size; None for the DMA limit.
        low_start: Beginning of that window.
        middle_limit: End of one more window that a plain size is tried in before the high one; None for no such window.
        high_limit: End of the window for ``,high``.
        high_start: Beginning of the window for ``,high``; None for the end of the low window.
        fallback_start: Beginning of the window that a plain size falls back to; None for the end of the low window.
        plain_falls_up: A plain size that does not fit low is tried high.
        high_falls_down: A ``,high`` size that does not fit high is tried low.
        words: Which words count: ``plain`` only; ``plain-then-high`` (``,high`` also after a bad plain one);
            ``plain-or-high`` (``,high`` only without a plain one).
        suffixes: The suffixes that the parser knows.
        asks_cma: ``,cma`` is not only known but asked for.
        low_default: Low part where none is asked for: ``none``, ``swiotlb-72M``, ``swiotlb-256M`` or ``128M``.
        low_by_word: ``,low`` also counts for a plain size that landed high.
        low_needs_room_below: The low part is wanted as soon as less than its size lies below the limit (6.2 to 6.4).
        low_limit_is_4g: The low part is wanted from 4 GiB up, whatever the low window is.
        low_always: A low part that was asked for is wanted wherever the main one lies.
        low_optional: The main part stays where the low part finds no room.
        low_from_own_size: The low part is searched from its own size up, not from 0.
        encrypted_extra: With memory encryption, what a plain size that is tried below 4 GiB grows by: empty for
            nothing, ``swiotlb`` (in whole MiB), ``swiotlb-64M`` (the same, 64 MiB at most).
        total_rounded: Range rules compare with RAM rounded up to 128 MiB.
        total_is_span: RAM is counted as the highest page frame, holes included.
        size_checked: A size of all RAM or more is refused at once.
        page_rounded: The size is rounded up to whole pages.
        bottom_up: The search goes from the lowest address up.
        after_numa: The reservation comes after NUMA set-up, so nodes border the search.
        mirror: Mirrored memory comes first: ``always`` or only with ``kernelcore=mirror``.
        cma_first: The default CMA area is reserved before.
        cma_align: Alignment of that area and its size.
        cma_bottom_up: That area is searched from 4 GiB up first.
        cma_per_node: It may be built to place such an area on each node, too.
        cma_own_limit: A limit that ``cma=`` names counts alone, without that of 32-bit DMA.
        sparse_first: struct pages are allocated before (arm64).
        section: Bytes of a memory section (arm64).
        usage: Bytes that describe a section besides its struct pages (arm64).
        page: Bytes of a page.
        pa_bits: Bits of a physical address (arm64).
        table_buffer: Pages for tables of the direct mapping behind the kernel image; 0 where not modelled (x86).
        fixed_checks: A given start is checked against memory and reservations one by one (arm64 before 5.15).
        early_without_dma: A kernel built without DMA zones reserves before NUMA set-up (arm64).
        dma32: The limit of 32-bit DMA is the end of ZONE_DMA32 where there is one, else of ZONE_DMA (arm64).
        limit_exclusive: The search for a plain size ends a byte below that limit (arm64).
        protected: Memory is mapped by pages if crashkernel= is there, so that the region can be made inaccessible
            while an image is loaded (arm64).
        prefixed: Every message of the parser begins with ``crashkernel:``.
        dialect: Wording of messages: ``mb`` ("Reserving 256MB"), ``range`` ("crashkernel reserved: a - b").
        memparse_checked: A number too large for 64 bits becomes the largest one instead of wrapping, and a unit alone
            is no number.
        auto: What ``crashkernel=auto`` means: empty for a bad value, else a range rule, or ``el6``, ``el7``,
            ``el7-s390``: so much, and two bits for each page of 4 KiB.
        modelled: The search itself is known here; False where only size and documented placement are.
    """

    arch: str
    align: int = 16 * MIB
    fixed_align: int = 1 * MIB
    low_limit: int | None = 896 * MIB
    low_start: int = 16 * MIB
    middle_limit: int | None = None
    high_limit: int = 64 * TIB
    high_start: int | None = 16 * MIB
    fallback_start: int | None = 16 * MIB
    plain_falls_up: bool = False
    high_falls_down: bool = False
    words: str = "plain"
    suffixes: tuple[str, ...] = ()
    asks_cma: bool = False
    low_default: str = "none"
    low_by_word: bool = True
    low_needs_room_below: bool = False
    low_limit_is_4g: bool = True
    low_always: bool = False
    low_optional: bool = False
    low_from_own_size: bool = False
    encrypted_extra: str = ""
    total_rounded: bool = False
    total_is_span: bool = False
    size_checked: bool = False
    page_rounded: bool = False
    bottom_up: bool = False
    after_numa: bool = True
    mirror: str = "always"
    cma_first: bool = True
    cma_align: int = 4 * MIB
    cma_bottom_up: bool = False
    cma_per_node: bool = False
    cma_own_limit: bool = False
    sparse_first: bool = False
    section: int = GIB
    usage: int = 336
    page: int = 4 * KIB
    pa_bits: int = 48
    table_buffer: int = 0
    fixed_checks: bool = False
    early_without_dma: bool = False
    dma32: bool = False
    limit_exclusive: bool = False
    protected: bool = False
    prefixed: bool = False
    dialect: str = "mb"
    memparse_checked: bool = False
    auto: str = ""
    modelled: bool = True


@dataclass(frozen=True, slots=True)
class CrashChange:
    """Fields that change together.

    Attributes:
        arches: Architectures concerned.
        since: First mainline release, (major, minor, patch).
        fields: Field to new value.
        source: Kernel file and function, or the commit's subject.
        checked: ``booted`` or ``read`` (in the source, of a release before and of this one or one behind it).
    """

    arches: tuple[str, ...]
    since: tuple[int, int, int]
    fields: Mapping[str, Any]
    source: str
    checked: str


_X86 = ("x86_64", "i386")
_BASES = {
    "x86_64": CrashRules("x86_64", low_limit=64 * TIB, bottom_up=True, total_is_span=True, after_numa=False),
    "i386": CrashRules("i386", low_limit=4 * GIB, bottom_up=True, total_is_span=True, after_numa=False),
    "arm64": CrashRules(
        "arm64",
        align=2 * MIB,
        fixed_align=2 * MIB,
        low_limit=None,
        low_start=0,
        high_limit=1 << 48,
        high_start=0,
        page_rounded=True,
        low_limit_is_4g=False,
        low_by_word=False,
        fixed_checks=True,
        after_numa=False,
        cma_first=False,
        dma32=True,
        limit_exclusive=True,
        dialect="range",
        mirror="kernelcore",
        protected=True,
    ),
    "riscv64": CrashRules(
        "riscv64", align=2 * MIB, fixed_align=2 * MIB, low_limit=None, low_start=0, page_rounded=True, modelled=False
    ),
    "ppc64": CrashRules("ppc64", align=4096, fixed_align=4096, low_limit=None, modelled=False),
    "s390x": CrashRules("s390x", align=MIB, fixed_align=MIB, low_limit=None, modelled=False),
    "loongarch64": CrashRules("loongarch64", align=2 * MIB, fixed_align=2 * MIB, low_limit=4 * GIB, modelled=False),
}

CHANGES = (
    CrashChange(
        ("x86_64",),
        (4, 8, 0),
        {"table_buffer": 12},
        "arch/x86/mm/init.c INIT_PGD_PAGE_COUNT with CONFIG_RANDOMIZE_MEMORY",
        "read",
    ),
    CrashChange(
        ("x86_64",),
        (6, 1, 0),
        {"table_buffer": 16},
        "arch/x86/mm/init.c INIT_PGD_PAGE_TABLES with CONFIG_X86_5LEVEL; read in 6.1, not between 5.10 and that",
        "booted",
    ),
    CrashChange(
        _X86,
        (2, 6, 37),
        {"bottom_up": False, "low_limit": 896 * MIB},
        "arch/x86/kernel/setup.c reserve_crashkernel(), CRASH_KERNEL_ADDR_MAX; to 2.6.36 find_e820_area()",
        "read",
    ),
    CrashChange(("i386",), (2, 6, 37), {"low_limit": 512 * MIB, "high_limit": 512 * MIB}, "the same, 32 bit", "read"),
    CrashChange(_X86, (3, 4, 0), {"total_is_span": False}, "memblock_phys_mem_size() in reserve_crashkernel()", "read"),
    CrashChange(
        _X86,
        (3, 9, 0),
        {
            "words": "plain-then-high",
            "suffixes": (",high", ",low"),
            "low_default": "swiotlb-72M",
            "low_optional": True,
            "low_from_own_size": True,
        },
        "kernel/kexec.c parse_crashkernel_suffix(); arch/x86/kernel/setup.c reserve_crashkernel_low()",
        "read",
    ),
    CrashChange(
        ("arm64", "riscv64", "ppc64", "s390x", "loongarch64"),
        (3, 9, 0),
        {"suffixes": (",high", ",low")},
        "kernel/kexec.c get_last_crashkernel(): every architecture's parser passes over words with a suffix",
        "booted",
    ),
    CrashChange(
        _X86,
        (3, 13, 0),
        {"after_numa": True},
        "arch/x86/kernel/setup.c setup_arch(): reserve_crashkernel() behind initmem_init()",
        "read",
    ),
    CrashChange(
        _X86,
        (4, 2, 0),
        {"low_default": "swiotlb-256M"},
        "arch/x86/kernel/setup.c reserve_crashkernel_low(), 256 MiB at least",
        "read",
    ),
    CrashChange(
        _X86,
        (4, 4, 0),
        {"low_optional": False},
        "arch/x86/kernel/setup.c reserve_crashkernel(): without the low part the main one is given back",
        "read",
    ),
    CrashChange(
        _X86, (4, 13, 0), {"low_from_own_size": False}, "arch/x86/kernel/setup.c reserve_crashkernel_low()", "read"
    ),
    CrashChange(
        ("x86_64",),
        (5, 2, 0),
        X86_BELOW_4G,
        "arch/x86/kernel/setup.c reserve_crashkernel(), CRASH_ADDR_LOW_MAX",
        "booted",
    ),
    CrashChange(
        ("arm64",),
        (5, 5, 0),
        {"limit_exclusive": False},
        "arch/arm64/mm/init.c reserve_crashkernel(): arm64_dma32_phys_limit instead of ARCH_LOW_ADDRESS_LIMIT",
        "read",
    ),
    # 5.11, and 5.10 since its 22nd stable release, which a release like 5.10.0-32-arm64 does not show.
    CrashChange(
        ("arm64",),
        (5, 10, 0),
        {"after_numa": True, "cma_first": True, "sparse_first": True, "dma32": False, "early_without_dma": True},
        "arch/arm64/mm/init.c bootmem_init(): the DMA limit is known only there; before, arm64_memblock_init()",
        "booted",
    ),
    CrashChange(
        ("arm64",),
        (5, 12, 0),
        {"section": 128 * MIB, "usage": 56},
        "arch/arm64/include/asm/sparsemem.h SECTION_SIZE_BITS, pages of 4 KiB",
        "booted",
    ),
    CrashChange(
        ("x86_64", "arm64"),
        (5, 12, 0),
        {"cma_bottom_up": True},
        "mm/cma.c cma_declare_contiguous_nid(), memblock_set_bottom_up()",
        "read",
    ),
    CrashChange(
        ("arm64",),
        (5, 15, 0),
        {"fixed_checks": False},
        "arch/arm64/mm/init.c reserve_crashkernel(), memblock_phys_alloc_range()",
        "read",
    ),
    CrashChange(
        ("x86_64", "arm64"),
        (5, 19, 0),
        {"cma_align": 2 * MIB},
        "include/linux/cma.h CMA_MIN_ALIGNMENT_PAGES: a page block, no longer the largest buddy order",
        "booted",
    ),
    CrashChange(
        ("arm64",),
        (5, 19, 0),
        {"words": "plain-or-high", "fixed_checks": False},
        "arch/arm64/mm/init.c reserve_crashkernel()",
        "booted",
    ),
    CrashChange(
        ("x86_64", "i386", "arm64", "riscv64", "ppc64", "s390x", "loongarch64"),
        (6, 0, 0),
        {"total_rounded": True},
        "kernel/crash_core.c parse_crashkernel_mem(), SZ_128M",
        "booted",
    ),
    CrashChange(
        _X86,
        (6, 0, 0),
        {"mirror": "kernelcore"},
        "mm/memblock.c memblock_mark_mirror(), mirrored_kernelcore",
        "read",
    ),
    CrashChange(
        ("arm64",),
        (6, 2, 0),
        {"plain_falls_up": True, "low_default": "128M", "low_needs_room_below": True, "fallback_start": 0},
        "arch/arm64/mm/init.c reserve_crashkernel()",
        "read",
    ),
    CrashChange(
        ("arm64",),
        (6, 4, 0),
        {"protected": False, "early_without_dma": False},
        "arch/arm64/mm/mmu.c map_mem(): no look at crashkernel=; arch_kexec_protect_crashkres() is gone",
        "read",
    ),
    CrashChange(
        ("arm64",),
        (6, 5, 0),
        {"high_start": 4 * GIB, "high_falls_down": True, "low_needs_room_below": False, "fallback_start": None},
        "arch/arm64/mm/init.c reserve_crashkernel(), CRASH_HIGH_SEARCH_BASE",
        "read",
    ),
    CrashChange(
        _X86,
        (6, 7, 0),
        GENERIC_X86,
        "kernel/crash_core.c reserve_crashkernel_generic()",
        "booted",
    ),
    CrashChange(
        ("arm64",),
        (6, 7, 0),
        GENERIC_ARM64,
        "kernel/crash_core.c reserve_crashkernel_generic()",
        "booted",
    ),
    CrashChange(("riscv64",), (6, 7, 0), GENERIC_ARM64, "arch/riscv/mm/init.c arch_reserve_crashkernel()", "read"),
    CrashChange(
        ("loongarch64",), (6, 8, 0), GENERIC_ARM64, "arch/loongarch/kernel/setup.c arch_reserve_crashkernel()", "read"
    ),
    # Not in 6.9.
    CrashChange(
        ("x86_64", "i386", "arm64", "riscv64", "ppc64", "s390x", "loongarch64"),
        (6, 10, 0),
        {"prefixed": True},
        "kernel/crash_reserve.c, the prefix of its messages",
        "read",
    ),
    CrashChange(
        ("x86_64", "i386", "arm64", "riscv64", "ppc64", "s390x", "loongarch64"),
        (6, 12, 0),
        {"size_checked": True},
        "kernel/crash_reserve.c parse_crashkernel()",
        "booted",
    ),
    CrashChange(
        ("x86_64", "i386", "arm64", "riscv64", "ppc64", "s390x", "loongarch64"),
        (6, 17, 0),
        {"suffixes": (",high", ",low", ",cma")},
        "kernel/crash_reserve.c suffix_tbl",
        "booted",
    ),
    CrashChange(_X86, (6, 17, 0), {"asks_cma": True}, "arch/x86/kernel/setup.c arch_reserve_crashkernel()", "booted"),
    CrashChange(("arm64",), (7, 3, 0), {"asks_cma": True}, "arch/arm64/mm/init.c arch_reserve_crashkernel()", "read"),
    CrashChange(
        ("x86_64", "arm64"),
        (7, 0, 0),
        {"cma_own_limit": True, "cma_per_node": True},
        "kernel/dma/contiguous.c dma_contiguous_reserve(), dma_numa_cma_reserve() of 7.2; earlier 7.x unread",
        "booted",
    ),
    CrashChange(
        ("arm64",),
        (7, 0, 0),
        {"sparse_first": False},
        "arch/arm64/mm/init.c bootmem_init(): sparse_init() moved to mm_core_init_early()",
        "booted",
    ),
    # Not in 6.12; what lies between was not seen.
    CrashChange(
        ("x86_64", "i386", "arm64", "riscv64", "ppc64", "s390x", "loongarch64"),
        (7, 2, 0),
        {"memparse_checked": True},
        "lib/cmdline.c memparse(), lib/kstrtox.c _parse_integer_limit()",
        "read",
    ),
)


def crash_rules(arch: str, version: KernelVersion) -> CrashRules:
    """Return how this kernel reserves; for an architecture that is not known here, rules that only give the size."""
    rules = _BASES.get(arch) or CrashRules(arch, low_limit=None, modelled=False)
    for change in CHANGES:
        if arch in change.arches and version.at_least(*change.since):
            rules = replace(rules, **change.fields)
    for fields in vendor_changes(arch, version.release):
        rules = replace(rules, **fields)
    return rules


def with_pages(rules: CrashRules, page: int | None, *, wide: bool) -> CrashRules:
    """Return arm64's rules for a kernel with other pages than 4 KiB, or with 52-bit addresses.

    Args:
        rules: Rules as for pages of 4 KiB.
        page: Bytes of a page; None where that is not known.
        wide: Physical addresses have 52 bits.

    Source: arch/arm64/include/asm/sparsemem.h, SECTION_SIZE_BITS; include/linux/cma.h, CMA_MIN_ALIGNMENT_PAGES, a page
    block being a huge page of 512 MiB there; MAX_PHYSMEM_BITS.
    """
    if rules.arch != "arm64":
        return rules
    rules = replace(rules, pa_bits=52) if wide else rules
    if page != 64 * KIB:
        return rules
    return replace(rules, page=page, section=max(rules.section, 512 * MIB), cma_align=512 * MIB)
