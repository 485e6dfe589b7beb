"""Tables with RAM in their holes, predicted and booted: all equal."""

import pytest

from kexeckit.lab.dev.campaign_srat import srat_campaign

pytestmark = pytest.mark.lab


@pytest.mark.parametrize(("suite", "shape", "seed"), [("bullseye", "interleaved", 16), ("trixie", "within", 18)])
def test_ram_in_holes(suite: str, shape: str, seed: int) -> None:
    """Nodes, zones and reservations of four boots; each of three reservations is asked for in three ways."""
    boots = list(srat_campaign(4, seed, (suite,), (shape,)))
    assert [b.came for b in boots] == ["nodes"] * 4
    assert not [b.problem for b in boots if b.problem]
    assert not [(b.layout, b.words, b.differ) for b in boots if b.differ]
    assert sum(b.reservations for b in boots) == 9
