"""The kernel's own code, compiled: the words' parser, memblock, and how an architecture reserves."""

from dataclasses import replace
from pathlib import Path

import pytest

from kexeckit.errors import UnavailableError
from kexeckit.kernel.behaviour.zones import ARM64_FIRST_GIB
from kexeckit.lab.dev.kernel_code import compare_layouts, compare_words
from kexeckit.lab.dev.kernel_code_build import ARCHES, KernelCode, build_code
from kexeckit.lab.dev.kernel_code_zones import build_zone_code, compare_zone_code
from kexeckit.lab.dev.kernel_source import KernelSource, fetch_source

pytestmark = pytest.mark.lab

# One suite: its source is 150 MB to fetch. All of them: make lab-words.
SUITE = "trixie"


@pytest.fixture(scope="module")
def source() -> KernelSource:
    """Return the files of one kernel; skips where the mirror does not have them."""
    try:
        return fetch_source(SUITE)
    except UnavailableError as error:
        pytest.skip(f"no source here: {error}; {error.remedy}")


@pytest.fixture(params=sorted(ARCHES))
def code(request: pytest.FixtureRequest, source: KernelSource, tmp_path: Path) -> KernelCode:
    """Return the kernel's code for an architecture."""
    return build_code(source, request.param, tmp_path)


def test_words_mean_what_the_kernel_makes_of_them(code: KernelCode) -> None:
    """20,000 command lines, sensible and not: messages, searches, sizes."""
    assert list(compare_words(code, 20_000, 3)) == []


def test_regions_land_where_memblock_puts_them(code: KernelCode) -> None:
    """2,000 layouts: regions, four searches and one reservation in each."""
    assert list(compare_layouts(code, 2_000, 3)) == []


def test_a_wrong_rule_is_seen(code: KernelCode) -> None:
    """With the alignment of another architecture both comparisons differ."""
    wrong = replace(code, rules=replace(code.rules, align=code.rules.align * 2))
    assert list(compare_words(wrong, 200, 3))
    assert list(compare_layouts(wrong, 200, 3))


@pytest.mark.parametrize("with_dma", [True, False])
def test_arm64_takes_its_steps_in_order(source: KernelSource, tmp_path: Path, *, with_dma: bool) -> None:
    """5,000 machines: where zones end, what limits a reservation, and what comes before it."""
    code = build_zone_code(source, tmp_path, with_dma=with_dma)
    assert list(compare_zone_code(code, 5_000, 3)) == []


def test_a_wrong_limit_or_order_is_seen(source: KernelSource, tmp_path: Path) -> None:
    """Zones of another release differ, and so does a reservation of another."""
    code = build_zone_code(source, tmp_path)
    assert list(compare_zone_code(replace(code, behaviour=replace(code.behaviour, arm64_dma=ARM64_FIRST_GIB)), 200, 3))
    rules = code.rules
    others = (replace(rules, after_numa=False), replace(rules, sparse_first=False), replace(rules, cma_first=False))
    for wrong in (*others, replace(rules, dma32=True)):
        assert list(compare_zone_code(replace(code, rules=wrong), 200, 3)), wrong
