"""Real kernels: where kexec_file_load puts an image, and which tables a jump runs on."""

import pytest

from kexeckit.lab.dev.campaign_placer import run_placer_campaign
from kexeckit.lab.dev.campaign_tables import TablesCase, run_tables_case
from kexeckit.lab.dev.placer_cases import PlacerMachine
from kexeckit.lab.packages import SUITES
from kexeckit.memory.units import GIB

pytestmark = pytest.mark.lab
MACHINE = PlacerMachine(3 * GIB, 2 * GIB, 1, 1, ("crashkernel=128M", "memmap=0x3000$0x20001000"))


@pytest.mark.parametrize("suite", SUITES)
def test_file_load_lands_where_predicted(suite: str) -> None:
    """Four loads on a random machine: segments, PT_LOADs, map and command line, or the errno."""
    for result in run_placer_campaign(1, 41, (suite,), loads=4):
        assert not result.problem, result.problem
        assert not result.failed, (result.image, result.failed)


@pytest.mark.parametrize(
    ("suite", "cpu", "crash"),
    [
        ("bullseye", "max", True),
        ("bookworm", "max,-pdpe1gb", True),
        ("bookworm", "max", False),
        ("trixie", "max", True),
        ("trixie", "max,-pdpe1gb,-la57", False),
        ("sid", "max,-la57", True),
    ],
)
def test_tables_of_a_jump_are_the_predicted_ones(suite: str, cpu: str, crash: bool) -> None:
    """Mapping, number of pages, and for a crash image every address and byte."""
    result = run_tables_case(TablesCase(suite, MACHINE, cpu, crash, 4711))
    assert not result.failed
    assert len(result.checks) > 10
