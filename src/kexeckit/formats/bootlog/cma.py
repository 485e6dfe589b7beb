"""What a boot log says about areas for CMA, and whether its kernel knows the word ``cma=`` at all.

A kernel without CONFIG_DMA_CMA ignores ``cma=``; nothing prints the configuration, so only what happened tells.

Source: kernel/dma/contiguous.c, early_cma(), dma_contiguous_reserve(), rmem_cma_setup(); mm/cma.c,
cma_declare_contiguous_nid(); init/main.c, print_unknown_bootoptions().
"""

from kexeckit.formats.bootlog.boot import BootLog
from kexeckit.formats.bootlog.pattern import LinePattern
from kexeckit.formats.cmdline import has_word, values

_AREA = LinePattern(r"^cma: (?:Reserved \d+ MiB|Failed to reserve \d+ MiB)", "cma: ", ignore_case=True)
_POOL = LinePattern(
    r"^Reserved memory: (?:created CMA memory pool|bypass .* node, using cmdline CMA)",
    "reserved memory: ",
    ignore_case=True,
)
_UNKNOWN = LinePattern(r'^Unknown kernel command line parameters ".*\bcma=', "unknown kernel command line parameters ")
_MEMORY = LinePattern(r"^Memory: \d+[kK]/\d+[kK] available.* (\d+)[kK] cma-reserved", "cma-reserved", ignore_case=True)


def knows_cma(log: BootLog) -> bool | None:
    """Say whether the kernel of a log takes ``cma=``; None where nothing in the log shows it."""
    if log.find(_UNKNOWN):
        return False
    if log.find(_POOL):
        return True
    cmdline = log.cmdline or ""
    # Areas of other users, which are printed alike: huge pages, and a crash kernel's own.
    others = has_word(cmdline, "hugetlb_cma") or any(v.endswith(",cma") for v in values(cmdline, "crashkernel"))
    if log.find(_AREA) and not others:
        return True
    asked = values(cmdline, "cma")
    total = log.find(_MEMORY)
    if asked and total and not asked[-1].startswith("0"):
        # Asked for, and neither reserved nor failed.
        return None if int(total[1]) else False
    return None
