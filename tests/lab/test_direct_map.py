"""Page tables of the direct mapping: computed, and as a kernel that tells of memblock took them."""

import re
from dataclasses import replace
from itertools import pairwise

import pytest

from kexeckit.kernel.reservation.early import early_memory
from kexeckit.lab.dev.campaign_crashkernel import CrashCampaign, CrashCase, boot_crash_case
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet
from readings import facts_of_log

pytestmark = pytest.mark.lab

_SPAN = re.compile(r"\[0x([0-9a-f]+)-0x([0-9a-f]+)\]")


def taken(log: str) -> RangeSet:
    """Return what alloc_low_pages() took: older kernels name it behind the range, newer ones in the line before."""
    out = []
    for line, after in pairwise(log.splitlines()):
        if "alloc_low_pages" in line:
            found = _SPAN.search(line) or _SPAN.search(after)
            assert found
            out.append(MemRange(int(found[1], 16), int(found[2], 16) + 1))
    return RangeSet(out)


def quiet(log: str) -> str:
    """Return the log as it is without memblock=debug."""
    return "\n".join(line for line in log.splitlines() if "emblock" not in line or "ommand line" in line)


def cases(suite: str) -> list[CrashCase]:
    """Return two machines with holes at odd addresses."""
    drawn = CrashCampaign(suites=(suite,), forms=("memmap",)).draw(8, 11)
    return [replace(first, machine=replace(first.machine, kaslr=False)) for first, *_ in drawn]


@pytest.mark.parametrize("suite", ["bullseye", "sid"])
def test_tables_are_taken_where_they_are_computed(suite: str) -> None:
    """Page by page; on these machines at least one comes from memblock."""
    for case in cases(suite):
        log = boot_crash_case(replace(case, words=(*case.words, "memblock=debug"))).text("dmesg")
        facts = facts_of_log(quiet(log))
        computed = RangeSet(h.range for h in early_memory(facts).held if h.name == "page tables")
        assert taken(log)
        assert list(computed) == list(taken(log)), case
