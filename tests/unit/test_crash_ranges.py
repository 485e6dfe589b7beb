"""Bytes of the headers that the kernel writes for a dump."""

import pytest

from kexeckit.kernel.load.crash_ranges import elfcorehdr_size


@pytest.mark.parametrize(
    ("cpus", "loads", "pages"),
    [(1, 0, 1), (1, 69, 1), (1, 70, 2), (2, 68, 1), (2, 69, 2), (71, 0, 2), (70, 0, 1), (8192, 8192, 225)],
)
def test_a_header_for_each_cpu_and_range_and_two_more(cpus: int, loads: int, pages: int) -> None:
    """56 bytes each behind an ELF header of 64: vmcoreinfo and the kernel's text have one, too. Whole pages.

    Source: kernel/crash_core.c (kernel/kexec_file.c up to 6.4), crash_prepare_elf64_headers().
    """
    assert elfcorehdr_size(cpus, loads) == pages * 4096
    assert -(-(64 + 56 * (cpus + loads + 2)) // 4096) == pages
