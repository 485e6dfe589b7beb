"""More than 128 memory map entries reach the next kernel, each as what it is."""

import json
from pathlib import Path

import pytest

from kexeckit.lab.compare import compare_common
from kexeckit.lab.machine import Machine
from kexeckit.lab.packages import fetch_kernel
from kexeckit.lab.pyz import pyz_bytes
from kexeckit.lab.second import SecondKernel, run_second_kernel

pytestmark = pytest.mark.lab

_PYZ = "/usr/bin/kexeckit.pyz"
_SCRIPT = "/usr/bin/long_map.py"


@pytest.mark.parametrize("suite", ["bookworm", "sid"])
def test_long_map_is_handed_over_whole(suite: str) -> None:
    """308 entries, the ones beyond 128 through SETUP_E820_EXT, all seen by the next kernel."""
    machine = Machine(kernel=fetch_kernel(suite, "x86_64").vmlinuz, memory=1 << 30)
    second = SecondKernel(load=f"PYTHONPATH={_PYZ} python3 {_SCRIPT}", start=f"python3 {_PYZ} exec --now --yes")
    files = ((_PYZ, pyz_bytes()), (_SCRIPT, Path(__file__).with_name("long_map.py")))
    run = run_second_kernel(machine, second, files=files)
    plan = json.loads(run.report("boot").text("load.out"))
    assert len(plan["e820"]) > 300
    checks = list(compare_common(plan, run.report("second")))
    assert [c for c in checks if not c.agrees] == []
    assert sum(c.subject == "e820" for c in checks) == len(plan["e820"])
