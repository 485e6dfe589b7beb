"""Reservations of random machines, predicted and booted: all equal."""

import pytest

from kexeckit.lab.dev.campaign_crashkernel import crash_campaign

pytestmark = pytest.mark.lab

SEED = 2024


@pytest.mark.parametrize(("arch", "count"), [("x86_64", 20), ("arm64", 4)])
def test_random_machines(arch: str, count: int) -> None:
    """Base and size of every region, from each boot's capture, its log, and the log of a boot without words."""
    boots = list(crash_campaign(count, SEED, arch))
    assert len(boots) == count
    assert not [b.problem for b in boots if b.problem]
    assert not [(b.release, b.layout, b.words, b.observed, b.differ) for b in boots if b.differ]
    assert any(b.observed for b in boots)
    assert len({b.suite for b in boots}) == (4 if arch == "x86_64" else 1)
