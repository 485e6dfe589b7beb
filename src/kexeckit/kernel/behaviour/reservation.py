"""`CrashRules`: how one kernel on one architecture reserves memory for a capture kernel, as data.

Rules of this file:
    1. A base record per architecture; `reservation_changes` has mainline's changes, `vendors_reservation` what
       distribution kernels carry apart from their version. Code asks for the field, never the version.
    2. Any field can be stated by a user: see `stated`.

Numbers are bytes. A limit of None means the end of memory that 32-bit DMA reaches, which depends on the machine.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from kexeckit.frozen import dataclass
from kexeckit.kernel.behaviour.reservation_changes import CHANGES
from kexeckit.kernel.behaviour.select import selected
from kexeckit.kernel.behaviour.vendors_reservation import VENDORS
from kexeckit.machine.version import KernelVersion
from kexeckit.memory.units import GIB, KIB, MIB, TIB


@dataclass(frozen=True, slots=True)
class CrashRules:
    """One kernel's way to reserve.

    Attributes:
        arch: Architecture these rules are for.
        low_limit: End of the window for a plain size; None for the DMA limit.
        align: Alignment of a searched start.
        fixed_align: Alignment that a given start (``@offset``) must have.
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
        kaslr: The kernel may put itself at a random place (x86).
        kaslr_limit: That place ends at or below; None for no limit.
        needs: Build option without which ``crashkernel=`` means nothing; empty where that is not known.
        modelled: The search itself is known here; False where only size and documented placement are.
    """

    arch: str
    low_limit: int | None
    align: int = 16 * MIB
    fixed_align: int = 1 * MIB
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
    kaslr: bool = False
    kaslr_limit: int | None = None
    needs: str = ""
    modelled: bool = True


BASES = {
    "x86_64": CrashRules(
        "x86_64",
        low_limit=64 * TIB,
        bottom_up=True,
        total_is_span=True,
        after_numa=False,
        kaslr_limit=GIB,
        needs="CONFIG_KEXEC",
    ),
    "i386": CrashRules(
        "i386",
        low_limit=4 * GIB,
        bottom_up=True,
        total_is_span=True,
        after_numa=False,
        kaslr_limit=512 * MIB,
        needs="CONFIG_KEXEC",
    ),
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


def crash_rules(arch: str, version: KernelVersion, *, stated: Mapping[str, object] | None = None) -> CrashRules:
    """Return how this kernel reserves; for an architecture that is not known here, rules that only give the size.

    Args:
        arch: The kernel's name of the architecture.
        version: The kernel.
        stated: Fields that the user states, which win; see `stated.parse_stated`.
    """
    base = BASES.get(arch) or CrashRules(arch, low_limit=None, modelled=False)
    rules = selected(base, CHANGES, VENDORS, arch, version)
    return replace(rules, **stated) if stated else rules  # type: ignore[arg-type]


def with_pages(rules: CrashRules, page: int | None, *, wide: bool, stated: Collection[str] = ()) -> CrashRules:
    """Return arm64's rules for a kernel with other pages than 4 KiB, or with 52-bit addresses.

    Args:
        rules: Rules as for pages of 4 KiB.
        page: Bytes of a page; None where that is not known.
        wide: Physical addresses have 52 bits.
        stated: Fields that the user states; the source does not change them.

    Source: arch/arm64/include/asm/sparsemem.h, SECTION_SIZE_BITS; include/linux/cma.h, CMA_MIN_ALIGNMENT_PAGES, a page
    block being a huge page of 512 MiB there; MAX_PHYSMEM_BITS.
    """
    if rules.arch != "arm64":
        return rules
    found: dict[str, Any] = {"pa_bits": 52} if wide else {}
    if page == 64 * KIB:
        found |= {"page": page, "section": max(rules.section, 512 * MIB), "cma_align": 512 * MIB}
    return seen_in_source(rules, found, stated)


def seen_in_source(rules: CrashRules, found: Mapping[str, Any], stated: Collection[str]) -> CrashRules:
    """Return rules with fields as the source shows them, except those that the user states."""
    return replace(rules, **{name: value for name, value in found.items() if name not in stated})
