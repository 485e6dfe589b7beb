"""The comparison with arm64's compiled code, with a made-up kernel."""

from pathlib import Path

import pytest

from kexeckit.lab.dev.kernel_code_zones import main

# Our own words for what an arm64 kernel of 6.12 does when the firmware limits nothing.
CODE = """\
phys_addr_t arm64_dma_phys_limit;

void arm64_memblock_init(void)
{
}

static void limits(unsigned long *pfns)
{
    u64 reach = min(oracle_dt, oracle_iort);

    if (memblock_start_of_DRAM() < U32_MAX)
        reach = min(reach, (u64)U32_MAX);
    arm64_dma_phys_limit = min(reach, memblock_end_of_DRAM() - 1) + 1;
    pfns[ZONE_DMA] = PFN_DOWN(arm64_dma_phys_limit);
    pfns[ZONE_DMA32] = PFN_DOWN(min(1UL << 32, memblock_end_of_DRAM()));
    pfns[ZONE_NORMAL] = PFN_DOWN(memblock_end_of_DRAM());
}

void bootmem_init(void)
{
    unsigned long pfns[MAX_NR_ZONES] = { 0 };

    arch_numa_init();
    sparse_init();
    limits(pfns);
    free_area_init(pfns);
    dma_contiguous_reserve(arm64_dma_phys_limit);
    arch_reserve_crashkernel();
}
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a folder with the two files of a kernel that are read."""
    (tmp_path / "arch/arm64/mm").mkdir(parents=True)
    (tmp_path / "arch/arm64/mm/init.c").write_text(CODE)
    (tmp_path / "Makefile").write_text("VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 40\n")
    return tmp_path


def run(source: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Run the command on a folder; return its code and the row of the kernel with DMA zones."""
    code = main(["-n", "300", "--source", str(source), "--show", "1"])
    text = capsys.readouterr().out
    return code, next(line for line in text.splitlines() if "| yes |" in line)


def test_a_folder_with_a_source(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its release chooses the rules, and with DMA zones nothing differs."""
    assert run(source, capsys)[1] == "| 6.12.40 | yes | 300 | 0 |"


def test_another_order_is_seen(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A reservation before NUMA set-up differs on every machine."""
    file = source / "arch/arm64/mm/init.c"
    first = CODE.replace("    arch_reserve_crashkernel();\n", "")
    file.write_text(first.replace("    arch_numa_init();", "    arch_reserve_crashkernel();\n    arch_numa_init();"))
    assert run(source, capsys) == (1, "| 6.12.40 | yes | 300 | 300 |")


def test_code_that_does_not_compile(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is said, and nothing is compared."""
    (source / "arch/arm64/mm/init.c").write_text("void arm64_memblock_init(void)\n{\n    nothing_known();\n}\n")
    assert main(["-n", "1", "--source", str(source)]) == 69
    assert "cannot be loaded" in capsys.readouterr().err
