"""Words of a command line that move what is reserved before, and whose effect is not modelled here.

A source that was booted with such a word shows what it did, so an answer from it holds. Typed as a what-if, nothing
shows it.
"""

from collections.abc import Iterator

from kexeckit.formats.cmdline import kernel_words
from kexeckit.kernel.reservation.facts import ReservationInput

_X86 = ("x86_64", "i386")
_ALL = (*_X86, "arm64")
_TABLES = "the page tables of the direct mapping have another size"
# Word, architectures, what it does before the reservation and where that stands in the kernel.
UNMODELLED = (
    ("hugetlb_cma", _ALL, "areas for huge pages are taken first (mm/hugetlb.c, hugetlb_cma_reserve())"),
    ("numa_cma", _ALL, "areas on nodes are taken first (kernel/dma/contiguous.c, dma_numa_cma_reserve())"),
    ("cma_pernuma", _ALL, "areas on nodes are taken first (kernel/dma/contiguous.c, dma_numa_cma_reserve())"),
    ("numa", _ALL, "other nodes border the search (arch/x86/mm/numa.c, numa_setup())"),
    ("acpi", _ALL, "without ACPI there are no nodes and no tables of it (arch/x86/kernel/acpi/boot.c, parse_acpi())"),
    ("log_buf_len", _ALL, "the log's buffer is taken from the top of memory (kernel/printk/printk.c, setup_log_buf())"),
    ("debug_pagealloc", _ALL, f"{_TABLES} (mm/page_alloc.c, early_debug_pagealloc())"),
    ("nogbpages", _X86, f"{_TABLES} (arch/x86/mm/init.c, probe_page_size_mask())"),
    ("gbpages", _X86, f"{_TABLES} (arch/x86/mm/init.c, probe_page_size_mask())"),
    ("rodata", ("arm64",), f"{_TABLES} (arch/arm64/mm/pageattr.c, can_set_direct_map())"),
    ("efi_fake_mem", _X86, "the firmware's map is changed (drivers/firmware/efi/fake_mem.c, setup_fake_mem())"),
    ("add_efi_memmap", _X86, "the firmware's map is added to (arch/x86/platform/efi/efi.c, do_add_efi_memmap())"),
    ("noefi", _X86, "boot services memory is not looked at (arch/x86/platform/efi/efi.c)"),
    ("disable_mtrr_trim", _X86, "the map is not trimmed (arch/x86/kernel/cpu/mtrr/, mtrr_trim_uncached_memory())"),
    ("initrdmem", _ALL, "the initrd lies elsewhere (init/do_mounts_initrd.c, early_initrdmem())"),
)


def unmodelled(facts: ReservationInput) -> Iterator[tuple[str, str]]:
    """Yield (word, what it does) of every word that differs from the source's command line and is not modelled."""
    if facts.cmdline == facts.seen_cmdline:
        return
    limit = _words(facts.seen_cmdline, "mem") if facts.rules.arch == "arm64" else []
    if limit and _words(facts.cmdline, "mem") != limit:
        yield "mem", "the source shows only what its own mem= left (arch/arm64/mm/init.c, arm64_memblock_init())"
    for name, arches, effect in UNMODELLED:
        if facts.rules.arch in arches and _words(facts.cmdline, name) != _words(facts.seen_cmdline, name):
            yield name, effect


def _words(cmdline: str, name: str) -> list[str | None]:
    return [w.value for w in kernel_words(cmdline) if w.name.replace("-", "_") == name]
