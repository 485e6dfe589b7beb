"""Zones of random machines and of mirrored memory, predicted and booted: all equal."""

import pytest

from kexeckit.lab.dev.campaign_mirror import run_mirror_campaign
from kexeckit.lab.dev.campaign_zones import run_campaign

pytestmark = pytest.mark.lab

SEED = 41


@pytest.mark.parametrize(("arch", "count"), [("x86_64", 16), ("arm64", 4)])
def test_random_machines(arch: str, count: int) -> None:
    """Ranges, movable starts, spans and counts of every boot are the predicted ones, asked in two ways."""
    suites = ("bullseye", "bookworm", "trixie", "sid") if arch == "x86_64" else ("trixie",)
    results = list(run_campaign(count, SEED, arch, suites))
    assert len(results) == count
    assert not [r for r in results if r.problem]
    assert not [(r.layout, r.words, f) for r in results for f in r.failed]
    assert {r.suite for r in results} == set(suites)


def test_mirrored_memory() -> None:
    """A kernel that is told of mirrored memory makes the predicted zones, on the thread's machine and others."""
    results = list(run_mirror_campaign(3, SEED))
    assert not [r.problem for r in results if r.problem]
    assert not [(r.case.name, f) for r in results for f in r.failed]
    assert results[0].movable == 2
