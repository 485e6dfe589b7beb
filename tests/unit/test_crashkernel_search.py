"""The search for a reservation: a given address, looked at or searched for.

About kexeckit.kernel.reservation.search.
"""

import pytest

from kexeckit.kernel.behaviour.reservation import crash_rules
from kexeckit.kernel.boot.memblock import Memblock, Region
from kexeckit.kernel.reservation.request import evaluate
from kexeckit.kernel.reservation.search import Limits, Placement, place
from kexeckit.machine.version import parse_kernel_version
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet

MIB = 1 << 20
GIB = 1 << 30


def placed(words: str, version: str, memory: Memblock, arch: str = "arm64") -> Placement:
    """Return where words land in memory."""
    rules = crash_rules(arch, parse_kernel_version(version))
    return place(memory, evaluate(words, memory.total, rules), rules, Limits())


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("crashkernel=64M@1024M", ""),
        ("crashkernel=64M@2016M", "region is not memory"),
        ("crashkernel=64M@1280M", "region overlaps reserved memory"),
        ("crashkernel=64M@1025M", "base address is not 2MB aligned"),
    ],
)
def test_arm64_looks_at_a_given_address(words: str, problem: str) -> None:
    """Up to 5.18: it has to be memory, free, and aligned; a region that is not mapped will do."""
    region = Region(MemRange(GIB, 2 * GIB), nomap=True)
    found = placed(words, "5.10", Memblock((region,), RangeSet([MemRange(1300 * MIB, 1301 * MIB)])))
    assert found.problem == problem
    assert (found.main is None) == bool(problem)


def test_later_it_is_searched_for() -> None:
    """From 5.19 on the allocator decides, which never gives out what is not mapped."""
    memory = Memblock((Region(MemRange(GIB, 2 * GIB), nomap=True),))
    assert placed("crashkernel=64M@1024M", "6.1", memory).main is None


@pytest.mark.parametrize(("gigabytes", "reads"), [(3, False), (8, True)])
def test_whether_a_low_word_is_read(gigabytes: int, reads: bool) -> None:
    """Up to 6.6 on x86_64 only where the main part lands at or above 4 GiB."""
    memory = Memblock((Region(MemRange(MIB, 3 * GIB)), Region(MemRange(4 * GIB, 12 * GIB)))[: 1 + (gigabytes > 3)])
    words = "crashkernel=4G,high" if reads else "crashkernel=64M,high"
    assert placed(words, "6.1", memory, "x86_64").reads_low == reads
